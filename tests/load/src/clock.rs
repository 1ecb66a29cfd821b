//! One clock for publisher and subscribers, so that a packet's way can be timed.

use std::time::{Duration, Instant as StdInstant, SystemTime};

use transom_rtc_proto::time::{Instant, WallTime};

/// Peers' time at the origin: moments before it can be told too.
const LEAD: Duration = Duration::from_secs(3600);

/// A monotonic clock. Copies count from the same origin.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: StdInstant,
}

impl Clock {
    /// A clock that begins now.
    pub(crate) fn new() -> Self {
        Self {
            origin: StdInstant::now(),
        }
    }

    /// The peers' time now.
    pub(crate) fn now(&self) -> Instant {
        Instant::default() + LEAD + self.origin.elapsed()
    }
}

/// The wall clock, for sender reports.
pub(crate) fn wall() -> WallTime {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let us = since.unwrap_or_default().as_micros();
    WallTime::from_unix_micros(u64::try_from(us).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_tell_the_same_time() {
        let clock = Clock::new();
        let copy = clock;
        let (a, b) = (clock.now(), copy.now());
        assert!(b >= a && b.since(a) < Duration::from_secs(1));
    }
}
