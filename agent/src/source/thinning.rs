//! Fewer pictures than a camera gives.

use std::time::{Duration, Instant};

/// Leaves out frames of a camera that is faster than the wish.
#[derive(Debug)]
pub struct Thinning {
    interval: Duration,
    next: Option<Instant>,
}

impl Thinning {
    /// At most `fps` frames a second.
    pub fn new(fps: u32) -> Self {
        Self {
            interval: Duration::from_secs(1) / fps.max(1),
            next: None,
        }
    }

    /// Whether a frame captured at `at` would be wanted. Cameras jitter: a
    /// quarter of an interval early is in time.
    pub fn is_due(&self, at: Instant) -> bool {
        self.next.is_none_or(|due| at + self.interval / 4 >= due)
    }

    /// Whether the frame captured at `at` is wanted; then the next one is an
    /// interval later.
    pub fn wants(&mut self, at: Instant) -> bool {
        if !self.is_due(at) {
            return false;
        }
        let due = self.next.unwrap_or(at);
        // A camera that is late does not get to catch up.
        self.next = Some(due.max(at.checked_sub(self.interval).unwrap_or(at)) + self.interval);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_beyond_the_wish_are_left_out() {
        let mut thinning = Thinning::new(30);
        let start = Instant::now();
        let taken = (0..120)
            .filter(|frame| thinning.wants(start + Duration::from_micros(frame * 16_667)))
            .count();
        assert_eq!(taken, 60);
        let mut thinning = Thinning::new(30);
        // 30 a second with 8 ms of jitter: all are taken.
        let taken = (0..60)
            .filter(|frame| {
                let jitter = frame % 3 * 4;
                thinning.wants(start + Duration::from_micros(frame * 33_333 + jitter * 1000))
            })
            .count();
        assert_eq!(taken, 60);
    }
}
