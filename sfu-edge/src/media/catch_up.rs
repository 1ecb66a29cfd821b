//! Whose turn it is to get more of the past.

use std::collections::VecDeque;

use transom_rtc_proto::time::Instant;

use super::subscription::CATCH_UP_EVERY;

/// Late joiners that are sent the past, each a burst in every interval. All
/// intervals are equal, so the queue is in order of time.
#[derive(Debug, Default)]
pub(super) struct CatchUp {
    waiting: VecDeque<(Instant, u32)>,
}

impl CatchUp {
    /// The peer `key` is to get more of the past, or has caught up.
    pub(super) fn note(&mut self, now: Instant, key: u32, catching_up: bool) {
        let known = || self.waiting.iter().any(|(_, k)| *k == key);
        if catching_up && !known() {
            self.waiting.push_back((now + CATCH_UP_EVERY, key));
        }
    }

    /// The peer `key` has just joined: its turn is now.
    pub(super) fn begin(&mut self, now: Instant, key: u32) {
        self.waiting.push_front((now, key));
    }

    /// Takes a peer whose turn it is.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<u32> {
        let (at, key) = *self.waiting.front()?;
        if at > now {
            return None;
        }
        self.waiting.pop_front();
        Some(key)
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.waiting.front().map(|(at, _)| *at)
    }
}
