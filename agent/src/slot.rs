//! Hands pictures from a capture thread to the encoder's: the newest wins.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use transom_picture::Picture;

/// A place for one picture that waits to be encoded.
///
/// Drop policy: a newer picture takes the place of one that still waits, so an
/// encoder that cannot keep up lowers the rate and never adds delay. Buffers
/// go round between the two threads; none is allocated in steady state.
#[derive(Debug, Default)]
pub struct Slot {
    inner: Mutex<Inner>,
    filled: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    waiting: Option<(Picture, Instant)>,
    spare: Vec<Picture>,
    dropped: u64,
    closed: bool,
}

/// What [`Slot::take`] found.
#[derive(Debug)]
pub enum Taken {
    /// A picture and when it was captured.
    Picture(Picture, Instant),
    /// None came in time.
    Nothing,
    /// The capture thread has ended.
    Closed,
}

/// Buffers kept for reuse: one to draw in, one being encoded, one in between.
const SPARES: usize = 3;

impl Slot {
    /// Puts a picture captured at `at`; one that still waits is dropped and counted.
    pub fn put(&self, picture: Picture, at: Instant) {
        let mut inner = self.lock();
        if let Some((stale, _)) = inner.waiting.replace((picture, at)) {
            inner.dropped += 1;
            inner.keep(stale);
        }
        drop(inner);
        self.filled.notify_one();
    }

    /// Waits at most `timeout` for a picture.
    pub fn take(&self, timeout: Duration) -> Taken {
        let guard = self.lock();
        let (mut inner, _) = self
            .filled
            .wait_timeout_while(guard, timeout, |inner| {
                inner.waiting.is_none() && !inner.closed
            })
            .unwrap_or_else(PoisonError::into_inner);
        match inner.waiting.take() {
            Some((picture, at)) => Taken::Picture(picture, at),
            None if inner.closed => Taken::Closed,
            None => Taken::Nothing,
        }
    }

    /// A used buffer, of whatever size and content.
    pub fn spare(&self) -> Option<Picture> {
        self.lock().spare.pop()
    }

    /// Gives a buffer back for reuse.
    pub fn give_back(&self, picture: Picture) {
        self.lock().keep(picture);
    }

    /// Pictures dropped because a newer one came first, since the last call.
    pub fn take_dropped(&self) -> u64 {
        std::mem::take(&mut self.lock().dropped)
    }

    /// Whether one side has closed it.
    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// No more pictures come, or none is wanted any more.
    pub fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing in here can panic half-way: a poisoned lock is still whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn keep(&mut self, picture: Picture) {
        if self.spare.len() < SPARES {
            self.spare.push(picture);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use transom_boards_hal::FrameSize;

    fn picture(luma: u8) -> Picture {
        let mut picture = Picture::new(FrameSize::new(16, 16));
        picture.fill(0, 0, 16, 16, luma);
        picture
    }

    #[test]
    fn the_newest_picture_wins_and_the_older_is_counted_and_reused() {
        let slot = Slot::default();
        let now = Instant::now();
        slot.put(picture(1), now);
        slot.put(picture(2), now);
        assert_eq!(slot.take_dropped(), 1);
        assert_eq!(slot.take_dropped(), 0);
        assert_eq!(slot.spare(), Some(picture(1)));
        assert!(matches!(slot.take(Duration::ZERO), Taken::Picture(p, _) if p == picture(2)));
        assert!(matches!(slot.take(Duration::ZERO), Taken::Nothing));
    }

    #[test]
    fn spares_are_bounded() {
        let slot = Slot::default();
        for luma in 0..10 {
            slot.give_back(picture(luma));
        }
        let kept = std::iter::from_fn(|| slot.spare()).count();
        assert_eq!(kept, SPARES);
    }

    #[test]
    fn a_closed_slot_ends_the_wait_after_the_last_picture() {
        let slot = Slot::default();
        slot.put(picture(7), Instant::now());
        slot.close();
        assert!(matches!(
            slot.take(Duration::from_secs(9)),
            Taken::Picture(..)
        ));
        assert!(matches!(slot.take(Duration::from_secs(9)), Taken::Closed));
    }
}
