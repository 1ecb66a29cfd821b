//! Waiting longer and longer for a device that does not come.

use std::time::{Duration, Instant};

use crate::clock::sleep_until;
use crate::stop::Stop;

/// The first wait; each further is twice as long.
const FIRST: Duration = Duration::from_millis(500);
/// Devices are on the board: looking is cheap, and whoever plugs one in looks
/// at the picture.
const LONGEST: Duration = Duration::from_secs(5);

/// The waits for a camera: who plugs one in again is to see it within three
/// seconds, and some of them the camera takes for itself.
const FIRST_BRISK: Duration = Duration::from_millis(200);
const LONGEST_BRISK: Duration = Duration::from_secs(1);

/// The same complaint is not repeated sooner.
const REPEAT: Duration = Duration::from_secs(50);

/// Retries of one device or file, the same complaint logged once a minute.
#[derive(Debug)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
    said: Option<(String, Instant)>,
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new(FIRST, LONGEST)
    }
}

impl Backoff {
    fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            failures: 0,
            said: None,
        }
    }

    /// With short waits: at most a second.
    pub fn brisk() -> Self {
        Self::new(FIRST_BRISK, LONGEST_BRISK)
    }

    /// Logs `error` unless it was just said, and waits; false when told to stop.
    pub fn failed(&mut self, error: &dyn std::error::Error, stop: &Stop) -> bool {
        let text = error.to_string();
        let now = Instant::now();
        if self.is_news(&text, now) {
            tracing::warn!("{text}; trying again until it works");
            self.said = Some((text, now));
        }
        let wait = self.next_wait();
        sleep_until(now + wait, stop)
    }

    /// The device works again.
    pub fn worked(&mut self) {
        *self = Self::new(self.first, self.longest);
    }

    fn is_news(&self, text: &str, now: Instant) -> bool {
        let said = self.said.as_ref();
        said.is_none_or(|(said, at)| said != text || now.duration_since(*at) >= REPEAT)
    }

    fn next_wait(&mut self) -> Duration {
        let doubled = self.first.saturating_mul(1 << self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        doubled.min(self.longest)
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
        let mut brisk = Backoff::brisk();
        let waits: Vec<u128> = (0..5).map(|_| brisk.next_wait().as_millis()).collect();
        assert_eq!(waits, [200, 400, 800, 1000, 1000]);
    }

    #[test]
    fn a_complaint_is_repeated_after_a_while() {
        let (mut backoff, now) = (Backoff::default(), Instant::now());
        assert!(backoff.is_news("gone", now));
        backoff.said = Some(("gone".to_owned(), now));
        assert!(!backoff.is_news("gone", now + REPEAT / 2));
        assert!(backoff.is_news("busy", now) && backoff.is_news("gone", now + REPEAT));
    }
}
