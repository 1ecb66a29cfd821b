//! Waiting longer and longer for a device that does not come.

use std::time::Duration;

use crate::clock::sleep_until;
use crate::stop::Stop;

/// The first wait; each further is twice as long.
const FIRST: Duration = Duration::from_millis(500);
/// Devices are on the board: looking is cheap, and whoever plugs one in looks
/// at the picture.
const LONGEST: Duration = Duration::from_secs(5);

/// Retries of one device, each different complaint logged once.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
    said: String,
}

impl Backoff {
    /// Logs `error` unless it is the one of last time, and waits; false when
    /// told to stop.
    pub fn failed(&mut self, error: &dyn std::error::Error, stop: &Stop) -> bool {
        let text = error.to_string();
        if text != self.said {
            tracing::warn!("{text}; trying again until it works");
            self.said = text;
        }
        let wait = self.next_wait();
        sleep_until(std::time::Instant::now() + wait, stop)
    }

    /// The device works again.
    pub fn worked(&mut self) {
        *self = Self::default();
    }

    fn next_wait(&mut self) -> Duration {
        let doubled = FIRST.saturating_mul(1 << self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        doubled.min(LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound_and_begin_anew() {
        let mut backoff = Backoff::default();
        let waits: Vec<u128> = (0..6).map(|_| backoff.next_wait().as_millis()).collect();
        assert_eq!(waits, [500, 1000, 2000, 4000, 5000, 5000]);
        backoff.failures = u32::MAX;
        assert_eq!(backoff.next_wait(), LONGEST);
        backoff.worked();
        assert_eq!(backoff.next_wait(), FIRST);
    }
}
