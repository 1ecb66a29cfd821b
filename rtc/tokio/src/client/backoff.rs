use std::time::Duration;

use super::{ClientError, Retry};

/// How long to wait between attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackoffConfig {
    /// Before the second attempt, at most. It doubles from there.
    pub first: Duration,
    /// Where the doubling ends.
    pub ceiling: Duration,
    /// After what only a human mends (a wrong token), and after another
    /// publisher took the stream over.
    pub slow: Duration,
}

impl Default for BackoffConfig {
    /// 250 ms doubling to 4 s, so that a server restarted is found again
    /// within seconds, and 2 minutes.
    fn default() -> Self {
        Self {
            first: Duration::from_millis(250),
            ceiling: Duration::from_secs(4),
            slow: Duration::from_secs(120),
        }
    }
}

/// Exponential back-off with jitter. A value: it neither sleeps nor asks for
/// the time, and the same seed gives the same delays.
#[derive(Clone, Debug)]
pub struct Backoff {
    config: BackoffConfig,
    failures: u32,
    random: u64,
}

impl Backoff {
    /// A back-off that has seen no failure. Seeds that differ from device to
    /// device keep a fleet from knocking in step.
    pub const fn new(config: BackoffConfig, seed: u64) -> Self {
        Self {
            config,
            failures: 0,
            random: seed,
        }
    }

    /// Counts a failure and returns how long to wait: between half and the
    /// whole of what the doubling has come to.
    pub fn next_delay(&mut self) -> Duration {
        let factor = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_add(1);
        let whole = self.config.first.saturating_mul(factor);
        self.jitter(whole.min(self.config.ceiling))
    }

    /// As [`Self::next_delay`], with regard to what went wrong: a server that
    /// names a time is given it, and what only a human mends is tried slowly.
    pub fn next_delay_after(&mut self, error: &ClientError) -> Duration {
        let delay = self.next_delay();
        match error.retry() {
            Retry::Soon => delay,
            Retry::After(told) => told + delay,
            Retry::Slowly => self.jitter(self.config.slow),
        }
    }

    /// Forgets all failures. To be called once things work, not once they begin.
    pub const fn reset(&mut self) {
        self.failures = 0;
    }

    fn jitter(&mut self, whole: Duration) -> Duration {
        // SplitMix64; jitter need not be unpredictable.
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let thousandths = u32::try_from((z ^ (z >> 31)) % 501).unwrap_or(0);
        whole / 2 + whole.saturating_mul(thousandths) / 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: BackoffConfig = BackoffConfig {
        first: Duration::from_millis(100),
        ceiling: Duration::from_millis(1500),
        slow: Duration::from_secs(60),
    };

    fn delays(backoff: &mut Backoff, n: usize) -> Vec<Duration> {
        (0..n).map(|_| backoff.next_delay()).collect()
    }

    #[test]
    fn delays_double_to_the_ceiling_with_jitter() {
        let bounds = [100, 200, 400, 800, 1500, 1500];
        for seed in 0..200 {
            let mut backoff = Backoff::new(CONFIG, seed);
            for (delay, bound) in delays(&mut backoff, 6).into_iter().zip(bounds) {
                let bound = Duration::from_millis(bound);
                assert!(delay >= bound / 2 && delay <= bound, "{delay:?}");
            }
            backoff.reset();
            assert!(backoff.next_delay() <= CONFIG.first);
        }
    }

    #[test]
    fn it_never_ends() {
        let mut backoff = Backoff::new(CONFIG, 3);
        assert!(
            delays(&mut backoff, 10_000)
                .iter()
                .all(|d| *d <= CONFIG.ceiling)
        );
    }

    #[test]
    fn seeds_decide() {
        let of = |seed| delays(&mut Backoff::new(CONFIG, seed), 8);
        assert_eq!(of(7), of(7));
        assert_ne!(of(7), of(8));
    }

    #[test]
    fn the_servers_wish_is_heeded() {
        let busy = ClientError::TooMany {
            status: 503,
            retry_after: Some(Duration::from_secs(7)),
        };
        let delay = Backoff::new(CONFIG, 1).next_delay_after(&busy);
        assert!(delay >= Duration::from_secs(7) && delay <= Duration::from_millis(7100));
        let delay = Backoff::new(CONFIG, 1).next_delay_after(&ClientError::TakenOver);
        assert!(delay >= Duration::from_secs(30) && delay <= Duration::from_secs(60));
    }
}
