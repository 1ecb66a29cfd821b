//! The media thread's clocks.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use transom_rtc_proto::time::{Instant, WallTime};

/// Turns the system's clocks into the core's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    origin: std::time::Instant,
}

impl Clock {
    pub(super) fn start() -> Self {
        Self {
            origin: std::time::Instant::now(),
        }
    }

    /// Now, monotonic.
    pub(super) fn now(&self) -> Instant {
        let elapsed = self.origin.elapsed().as_micros();
        // One second up: values before the start can then be told.
        Instant::from_micros(u64::try_from(elapsed).unwrap_or(u64::MAX)) + Duration::from_secs(1)
    }

    /// Now, by the wall.
    pub(super) fn wall(&self) -> WallTime {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        WallTime::from_unix_micros(u64::try_from(since_epoch.as_micros()).unwrap_or(u64::MAX))
    }
}
