//! Acknowledgements that wait to be sent.

use crate::numbers::{Channel, Lease, Seq};
use crate::state::AckResult;
use crate::wire::CommandKind;

/// What is to be answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ack {
    /// Under which it was given: who has a later one is not meant.
    pub(super) lease: Lease,
    pub(super) channel: Channel,
    pub(super) seq: Seq,
    pub(super) of: CommandKind,
    pub(super) result: AckResult,
}

/// At most eight; the oldest goes first when there is no room, since its sender repeats itself.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Acks {
    slots: [Option<Ack>; 8],
}

impl Acks {
    /// Adds one; tells whether one was thrown away for it.
    pub(super) fn push(&mut self, ack: Ack) -> bool {
        let full = self.slots.iter().all(Option::is_some);
        if full {
            self.pop();
        }
        if let Some(slot) = self.slots.iter_mut().find(|slot| slot.is_none()) {
            *slot = Some(ack);
        }
        full
    }

    /// Takes the oldest.
    pub(super) fn pop(&mut self) -> Option<Ack> {
        let first = self.slots.first_mut()?.take();
        self.slots.rotate_left(1);
        first
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.first().is_none_or(Option::is_none)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ack(seq: u32) -> Ack {
        Ack {
            lease: Lease(0),
            channel: Channel::Control,
            seq: Seq(seq),
            of: CommandKind::Stop,
            result: AckResult::Done,
        }
    }

    #[test]
    fn the_oldest_goes_first_and_is_what_gives_way() {
        let mut acks = Acks::default();
        assert!(acks.is_empty() && acks.pop().is_none());
        for seq in 0..8 {
            assert!(!acks.push(ack(seq)));
        }
        assert!(acks.push(ack(8)));
        for seq in 1..9 {
            assert_eq!(acks.pop().expect("waiting").seq, Seq(seq));
        }
        assert!(acks.is_empty() && acks.pop().is_none());
    }
}
