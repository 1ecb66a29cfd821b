//! Bits a second, over whole seconds.

use std::time::Duration;

use transom_rtc_proto::time::Instant;

/// Least time that a rate is taken over.
const WINDOW: Duration = Duration::from_millis(950);

/// Turns a byte counter, read now and then, into a rate.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rate {
    since: Instant,
    bytes: u64,
    bps: u64,
}

impl Rate {
    /// The rate, given that the counter stands at `bytes` now.
    pub(super) fn update(&mut self, now: Instant, bytes: u64) -> u64 {
        let elapsed = now.since(self.since);
        if elapsed >= WINDOW {
            let bits = u128::from(bytes.saturating_sub(self.bytes)) * 8_000_000;
            self.bps = u64::try_from(bits / elapsed.as_micros()).unwrap_or(u64::MAX);
            self.since = now;
            self.bytes = bytes;
        }
        self.bps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_of_bytes() {
        let mut rate = Rate::default();
        rate.update(Instant::from_millis(1000), 0);
        assert_eq!(
            rate.update(Instant::from_millis(1500), 50_000),
            0,
            "too early"
        );
        assert_eq!(rate.update(Instant::from_millis(2000), 100_000), 800_000);
    }
}
