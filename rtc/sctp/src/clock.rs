use std::time::{Duration, Instant as StdInstant};

use transom_rtc_proto::time::Instant;

/// Our time as sctp-proto's and back: the two are tied together once, so that
/// simulated time passes for it too.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    ours: Instant,
    theirs: StdInstant,
}

impl Clock {
    /// Ties `now` to the present: sctp-proto asks for that itself when it begins.
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            ours: now,
            theirs: StdInstant::now(),
        }
    }

    pub(crate) fn theirs(&self, ours: Instant) -> StdInstant {
        self.theirs + ours.since(self.ours)
    }

    /// Never earlier, or a timer would not be due when it is looked at.
    pub(crate) fn ours(&self, theirs: StdInstant) -> Instant {
        let since = theirs.saturating_duration_since(self.theirs);
        self.ours + (since + Duration::from_nanos(999))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back_is_never_earlier() {
        let clock = Clock::new(Instant::from_millis(7));
        let later = Instant::from_micros(7_123_456);
        assert_eq!(clock.ours(clock.theirs(later)), later);
        let between = clock.theirs(later) + Duration::from_nanos(1);
        assert_eq!(clock.ours(between), later + Duration::from_micros(1));
    }
}
