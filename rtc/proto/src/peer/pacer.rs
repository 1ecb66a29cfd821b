use core::time::Duration;

use crate::time::Instant;

/// Packets that leave together at least: fewer would give up the gain of one
/// system call for a burst.
const MIN_BURST: usize = 8;

/// A frame of this many packets or fewer leaves at once.
const UNPACED: usize = 16;

/// A larger frame is spread over about this time.
const SPREAD: Duration = Duration::from_millis(8);

/// Time between bursts.
const GAP: Duration = Duration::from_millis(1);

/// Spreads large frames (key frames) so that they do not overrun queues on the
/// way; everything else is never held back.
#[derive(Debug, Default)]
pub(super) struct Pacer {
    /// Size of the bursts of what is queued.
    burst: usize,
    /// Packets that may still leave in this burst; `None` when nothing is paced.
    left: Option<usize>,
    next: Option<Instant>,
}

impl Pacer {
    /// A frame was queued, so that `queued` packets wait.
    pub(super) fn on_frame(&mut self, queued: usize) {
        if queued <= UNPACED {
            return;
        }
        let bursts = usize::try_from(SPREAD.as_micros() / GAP.as_micros())
            .unwrap_or(1)
            .max(1);
        self.burst = queued.div_ceil(bursts).max(MIN_BURST);
        self.left.get_or_insert(self.burst);
    }

    /// How many packets may leave now.
    pub(super) fn allowance(&mut self, now: Instant) -> usize {
        if self.next.is_some_and(|at| at <= now) {
            self.next = None;
            self.left = Some(self.burst);
        }
        self.left.unwrap_or(usize::MAX)
    }

    /// `n` packets left; `queued` still wait.
    pub(super) fn on_sent(&mut self, now: Instant, n: usize, queued: usize) {
        if queued == 0 {
            *self = Self::default();
            return;
        }
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(n);
            if *left == 0 {
                self.next = Some(now + GAP);
            }
        }
    }

    /// When the next burst may leave.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_frames_are_not_held() {
        let mut pacer = Pacer::default();
        pacer.on_frame(UNPACED);
        assert_eq!(pacer.allowance(Instant::default()), usize::MAX);
    }

    #[test]
    fn a_key_frame_leaves_in_bursts() {
        let mut pacer = Pacer::default();
        let mut now = Instant::from_millis(1);
        let (mut queued, mut bursts) = (100_usize, 0);
        pacer.on_frame(queued);
        while queued > 0 {
            let n = pacer.allowance(now).min(queued);
            assert!(n >= MIN_BURST.min(queued), "burst of {n}");
            queued -= n;
            bursts += 1;
            pacer.on_sent(now, n, queued);
            if let Some(at) = pacer.poll_timeout() {
                assert_eq!(pacer.allowance(now), 0, "nothing before its time");
                now = at;
            }
        }
        assert!((5..=9).contains(&bursts), "{bursts} bursts");
        assert!(now.since(Instant::from_millis(1)) <= SPREAD + GAP);
        assert_eq!(pacer.allowance(now), usize::MAX);
    }
}
