use std::time::Duration;

use tokio::time;
use transom_rtc_proto::time::Instant;

/// The driver's monotonic clock: the peer's microseconds count from its origin.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: time::Instant,
}

/// The peer's time at the origin: moments before it, such as the capture of
/// the first frame, can be told too.
const LEAD: Duration = Duration::from_secs(3600);

impl Clock {
    /// A clock that begins now.
    pub fn new() -> Self {
        Self {
            origin: time::Instant::now(),
        }
    }

    /// The peer's time now.
    pub fn now(&self) -> Instant {
        self.instant(time::Instant::now())
    }

    /// The peer's time at `at`.
    pub fn at(&self, at: std::time::Instant) -> Instant {
        self.instant(time::Instant::from_std(at))
    }

    fn instant(&self, at: time::Instant) -> Instant {
        let zero = Instant::default() + LEAD;
        match at.checked_duration_since(self.origin) {
            Some(after) => zero + after,
            None => zero - self.origin.duration_since(at),
        }
    }

    /// The runtime's time for the peer's `at`.
    pub(crate) fn runtime(&self, at: Instant) -> time::Instant {
        let zero = Instant::default() + LEAD;
        if at >= zero {
            self.origin + at.since(zero)
        } else {
            self.origin
        }
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn times_translate_both_ways() {
        let clock = Clock::new();
        let now = time::Instant::now();
        let there = clock.instant(now);
        let back = clock.runtime(there);
        assert!(now - back < Duration::from_micros(1));
        let later = now + Duration::from_millis(1500);
        assert_eq!(
            clock.instant(later).since(there),
            Duration::from_millis(1500)
        );
        let earlier = clock.origin - Duration::from_secs(1);
        let origin = clock.instant(clock.origin);
        let early = clock.at(earlier.into_std());
        assert_eq!(origin.since(early), Duration::from_secs(1));
        assert_eq!(clock.runtime(early), clock.origin);
    }
}
