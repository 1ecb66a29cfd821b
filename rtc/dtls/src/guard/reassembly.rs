//! Handshake messages from their fragments: bounded memory, linear time, no
//! recursion (webrtc-dtls 0.17 has none of the three).

use std::collections::VecDeque;

use crate::guard::fragment::Fragment;

/// Messages held at a time: the longest flight has seven.
const MAX_HELD: u16 = 8;

/// Collects messages and gives them out in order.
#[derive(Debug, Default)]
pub(crate) struct Reassembly {
    /// The message to be given out next.
    next: u16,
    /// Messages from `next` on, at most [`MAX_HELD`].
    held: VecDeque<Option<Partial>>,
}

/// A whole message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) kind: u8,
    pub(crate) seq: u16,
    pub(crate) body: Vec<u8>,
}

/// What became of a fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offered {
    /// It was taken in, or said nothing new.
    Taken,
    /// It belongs to a message that was given out before: a retransmission.
    Old,
    /// It is too far ahead, or contradicts another fragment of its message.
    Refused,
}

#[derive(Debug)]
struct Partial {
    kind: u8,
    body: Vec<u8>,
    present: Vec<u64>,
    missing: usize,
}

impl Reassembly {
    /// Messages given out so far.
    pub(crate) fn next_seq(&self) -> u16 {
        self.next
    }

    pub(crate) fn offer(&mut self, fragment: &Fragment<'_>) -> Offered {
        let Some(ahead) = fragment.message_seq.checked_sub(self.next) else {
            return Offered::Old;
        };
        if ahead >= MAX_HELD {
            return Offered::Refused;
        }
        let at = usize::from(ahead);
        if self.held.len() <= at {
            self.held.resize_with(at + 1, || None);
        }
        let Some(slot) = self.held.get_mut(at) else {
            return Offered::Refused;
        };
        let partial = slot.get_or_insert_with(|| Partial::new(fragment.kind, fragment.message_len));
        if partial.kind != fragment.kind || partial.body.len() != fragment.message_len {
            return Offered::Refused;
        }
        partial.fill(fragment.offset, fragment.data);
        Offered::Taken
    }

    /// The next message in order, once it is whole.
    pub(crate) fn take(&mut self) -> Option<Message> {
        if self.held.front()?.as_ref()?.missing != 0 {
            return None;
        }
        let partial = self.held.pop_front()??;
        let seq = self.next;
        self.next = self.next.checked_add(1)?;
        Some(Message {
            kind: partial.kind,
            seq,
            body: partial.body,
        })
    }
}

impl Partial {
    fn new(kind: u8, len: usize) -> Self {
        Self {
            kind,
            body: vec![0; len],
            present: vec![0; len.div_ceil(64)],
            missing: len,
        }
    }

    /// What came first stays. One step a byte.
    fn fill(&mut self, offset: usize, data: &[u8]) {
        for (at, byte) in (offset..).zip(data) {
            let (Some(place), Some(word)) = (self.body.get_mut(at), self.present.get_mut(at / 64))
            else {
                return;
            };
            let bit = 1 << (at % 64);
            if *word & bit == 0 {
                *word |= bit;
                *place = *byte;
                self.missing -= 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn piece<'a>(message: &'a [u8], seq: u16, from: usize, to: usize) -> Fragment<'a> {
        Fragment {
            kind: 11,
            message_len: message.len(),
            message_seq: seq,
            offset: from,
            data: &message[from..to],
        }
    }

    #[test]
    fn joins_overlapping_pieces_in_any_order() {
        let message: Vec<u8> = (0..200).collect();
        let mut r = Reassembly::default();
        for (from, to) in [(150, 200), (0, 10), (5, 160)] {
            assert_eq!(r.take(), None);
            assert_eq!(r.offer(&piece(&message, 0, from, to)), Offered::Taken);
        }
        assert_eq!(
            r.take().map(|m| (m.kind, m.seq, m.body)),
            Some((11, 0, message.clone()))
        );
        assert_eq!(r.offer(&piece(&message, 0, 0, 10)), Offered::Old);
    }

    #[test]
    fn messages_wait_for_those_before() {
        let mut r = Reassembly::default();
        r.offer(&piece(b"second", 1, 0, 6));
        assert_eq!(r.take(), None);
        r.offer(&piece(b"", 0, 0, 0));
        assert_eq!(r.take().map(|m| m.seq), Some(0));
        assert_eq!(r.take().map(|m| m.body), Some(b"second".to_vec()));
        assert_eq!(r.take(), None);
    }

    #[test]
    fn holds_eight_messages_and_no_contradiction() {
        let mut r = Reassembly::default();
        assert_eq!(r.offer(&piece(b"x", 8, 0, 1)), Offered::Refused);
        assert_eq!(r.offer(&piece(b"x", u16::MAX, 0, 1)), Offered::Refused);
        assert_eq!(r.offer(&piece(b"abcd", 7, 0, 1)), Offered::Taken);
        assert_eq!(r.offer(&piece(b"abcde", 7, 0, 1)), Offered::Refused);
    }

    #[test]
    fn one_byte_fragments_take_linear_time() {
        let message = vec![7; crate::guard::fragment::MAX_MESSAGE];
        for descending in [false, true] {
            let began = Instant::now();
            let mut r = Reassembly::default();
            for i in 0..message.len() {
                let at = if descending { message.len() - 1 - i } else { i };
                r.offer(&piece(&message, 0, at, at + 1));
                assert_eq!(r.take().is_some(), i + 1 == message.len());
            }
            assert!(began.elapsed() < Duration::from_secs(1));
        }
    }
}
