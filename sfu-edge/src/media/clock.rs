//! The media thread's clock.

use std::time::Duration;

use transom_rtc_proto::time::Instant;

/// Turns the system's monotonic clock into the core's.
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
}
