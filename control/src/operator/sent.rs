//! When commands were sent, for the round trip.

use crate::numbers::Seq;

/// The latest 64 commands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    ring: [(Seq, u64); 64],
    at: usize,
}

impl Sent {
    pub(super) const fn new() -> Self {
        Self {
            ring: [(Seq(0), 0); 64],
            at: 0,
        }
    }

    pub(super) fn push(&mut self, seq: Seq, now_us: u64) {
        if let Some(slot) = self.ring.get_mut(self.at) {
            *slot = (seq, now_us);
        }
        self.at = (self.at + 1) % self.ring.len();
    }

    pub(super) fn find(&self, seq: Seq) -> Option<u64> {
        let known = |entry: &&(Seq, u64)| seq != Seq(0) && entry.0 == seq;
        self.ring.iter().find(known).map(|(_, at)| *at)
    }
}
