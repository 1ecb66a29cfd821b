//! Putting packets back in order before they are taken apart.

use alloc::collections::VecDeque;
use core::time::Duration;

use crate::id::ExtSeq;
use crate::time::Instant;

/// Holds packets that came early until the ones before them have come, been
/// repaired, or been waited for long enough.
#[derive(Clone, Debug)]
pub struct ReorderBuffer<T> {
    /// The number that leaves next.
    next: Option<ExtSeq>,
    /// From `next` on; the last one is always held.
    slots: VecDeque<Option<Held<T>>>,
    max_packets: usize,
    max_wait: Duration,
    dropped: u64,
}

#[derive(Clone, Debug)]
struct Held<T> {
    at: Instant,
    item: T,
}

impl<T> ReorderBuffer<T> {
    /// A buffer that spans at most `max_packets` numbers and waits at most
    /// `max_wait` for a missing one.
    pub fn new(max_packets: usize, max_wait: Duration) -> Self {
        let max_packets = max_packets.max(1);
        Self {
            next: None,
            slots: VecDeque::with_capacity(max_packets),
            max_packets,
            max_wait,
            dropped: 0,
        }
    }

    /// Packets held that had to give way, and packets that came too late.
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Takes a packet in. One whose turn is over, or that is held already, is dropped.
    pub fn push(&mut self, now: Instant, seq: ExtSeq, item: T) {
        let next = *self.next.get_or_insert(seq);
        let Some(ahead) = seq.0.checked_sub(next.0) else {
            self.dropped += 1;
            return;
        };
        let index = self.make_room(seq, ahead);
        if index >= self.slots.len() {
            self.slots.resize_with(index + 1, || None);
        }
        match self.slots.get_mut(index) {
            Some(slot @ None) => *slot = Some(Held { at: now, item }),
            _ => self.dropped += 1,
        }
    }

    /// The next packet in order. A gap that has been waited for is passed over.
    pub fn pop(&mut self, now: Instant) -> Option<(ExtSeq, T)> {
        let (gap, first) = self.first_held()?;
        if gap > 0 && now < first.at + self.max_wait {
            return None;
        }
        self.slots.drain(..gap);
        let seq = ExtSeq(self.next?.0 + gap as u64);
        let held = self.slots.pop_front().flatten()?;
        self.next = Some(ExtSeq(seq.0 + 1));
        Some((seq, held.item))
    }

    /// When the wait for the next missing packet ends.
    pub fn next_timeout(&self) -> Option<Instant> {
        let (_, first) = self.first_held().filter(|(gap, _)| *gap > 0)?;
        Some(first.at + self.max_wait)
    }

    fn first_held(&self) -> Option<(usize, &Held<T>)> {
        self.slots
            .iter()
            .enumerate()
            .find_map(|(i, slot)| Some((i, slot.as_ref()?)))
    }

    /// Lets the oldest give way until `seq`, `ahead` of the next, is within
    /// the span; its index.
    fn make_room(&mut self, seq: ExtSeq, ahead: u64) -> usize {
        let last = self.max_packets - 1;
        let excess = ahead.saturating_sub(last as u64);
        if excess == 0 {
            return ahead as usize; // at most `last`
        }
        let leaving = self
            .slots
            .len()
            .min(usize::try_from(excess).unwrap_or(usize::MAX));
        self.dropped += self.slots.drain(..leaving).flatten().count() as u64;
        self.next = Some(ExtSeq(seq.0 - last as u64));
        last
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    fn ms(ms: u64) -> Instant {
        Instant::from_millis(ms)
    }

    fn buffer() -> ReorderBuffer<u64> {
        ReorderBuffer::new(8, Duration::from_millis(100))
    }

    fn pop_all(b: &mut ReorderBuffer<u64>, at: u64) -> Vec<u64> {
        core::iter::from_fn(|| b.pop(ms(at)))
            .map(|(seq, item)| {
                assert_eq!(seq.0, item);
                item
            })
            .collect()
    }

    #[test]
    fn early_packets_wait_for_their_turn() {
        let mut b = buffer();
        for n in [10, 12, 13] {
            b.push(ms(0), ExtSeq(n), n);
        }
        assert_eq!(pop_all(&mut b, 99), [10]);
        assert_eq!(b.next_timeout(), Some(ms(100)));
        b.push(ms(99), ExtSeq(11), 11);
        assert_eq!(pop_all(&mut b, 99), [11, 12, 13]);
        assert_eq!(b.next_timeout(), None);
    }

    #[test]
    fn a_gap_is_passed_over_in_time() {
        let mut b = buffer();
        for n in [1, 4] {
            b.push(ms(0), ExtSeq(n), n);
        }
        assert_eq!(pop_all(&mut b, 100), [1, 4]);
        b.push(ms(101), ExtSeq(2), 2);
        assert_eq!((pop_all(&mut b, 300), b.dropped()), (Vec::new(), 1));
    }

    #[test]
    fn leaps_are_bounded() {
        let mut b = buffer();
        for n in [1, 3, 1 << 40] {
            b.push(ms(0), ExtSeq(n), n);
        }
        assert_eq!(b.dropped(), 2);
        assert!(b.slots.len() <= 8);
        assert_eq!(pop_all(&mut b, 100), [1 << 40]);
    }

    proptest! {
        #[test]
        fn leaves_in_order_and_once(pushes in proptest::collection::vec((0u64..40, 0u64..20), 1..200)) {
            let mut b = buffer();
            let (mut at, mut last, mut popped) = (0, None, 0);
            let total = pushes.len() as u64;
            for (seq, wait) in pushes {
                at += wait;
                b.push(ms(at), ExtSeq(seq), seq);
                for n in pop_all(&mut b, at) {
                    prop_assert!(last < Some(n));
                    last = Some(n);
                    popped += 1;
                }
                prop_assert!(b.slots.len() <= 8);
                prop_assert!(b.next_timeout().is_none_or(|t| t > ms(at)));
            }
            let rest = pop_all(&mut b, at + 100);
            prop_assert!(b.slots.is_empty());
            prop_assert_eq!(popped + rest.len() as u64 + b.dropped(), total);
        }
    }
}
