use transom_rtc_proto::time::Instant;

const SECOND_US: u64 = 1_000_000;

/// So many messages a second, and as many at once: a bucket that fills.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    per_second: u32,
    /// Messages times 10^6.
    left: u64,
    filled: Instant,
}

impl Pace {
    /// A full one.
    pub(super) const fn new(now: Instant, per_second: u32) -> Self {
        Self {
            per_second,
            left: per_second as u64 * SECOND_US,
            filled: now,
        }
    }

    /// Whether there is one left.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let passed = now.as_micros().saturating_sub(self.filled.as_micros());
        let earned = passed.min(SECOND_US) * u64::from(self.per_second);
        self.left = (self.left + earned).min(u64::from(self.per_second) * SECOND_US);
        self.filled = now;
        match self.left.checked_sub(SECOND_US) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }
}
