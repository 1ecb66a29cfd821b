//! One timer a peer, all in one structure.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use transom_rtc_proto::time::Instant;

/// Deadlines by key. A key has at most one deadline; setting it again replaces
/// the former one, whose entry in the heap is recognised as stale when it surfaces.
#[derive(Debug, Default)]
pub(super) struct Timers {
    heap: BinaryHeap<Reverse<(Instant, u32)>>,
    /// The deadline in force of each key.
    current: Vec<Option<Instant>>,
}

impl Timers {
    /// Sets, moves or (with `None`) clears the deadline of `key`.
    pub(super) fn set(&mut self, key: u32, at: Option<Instant>) {
        let index = key as usize;
        if index >= self.current.len() {
            self.current.resize(index + 1, None);
        }
        if self.current[index] == at {
            return;
        }
        self.current[index] = at;
        if let Some(at) = at {
            self.heap.push(Reverse((at, key)));
            self.compact();
        }
    }

    /// The earliest deadline.
    pub(super) fn next(&mut self) -> Option<Instant> {
        self.drop_stale();
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// Takes a key whose deadline is at or before `now`.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<u32> {
        self.drop_stale();
        let Reverse((at, key)) = *self.heap.peek()?;
        if at > now {
            return None;
        }
        self.heap.pop();
        self.current[key as usize] = None;
        Some(key)
    }

    fn drop_stale(&mut self) {
        while let Some(Reverse((at, key))) = self.heap.peek() {
            if self.current[*key as usize] == Some(*at) {
                break;
            }
            self.heap.pop();
        }
    }

    /// Keeps the heap within a small multiple of the keys, however often deadlines move.
    fn compact(&mut self) {
        if self.heap.len() > 64 + 4 * self.current.len() {
            let live = self.current.iter().enumerate();
            #[allow(clippy::cast_possible_truncation)] // keys are u32
            let entries = live.filter_map(|(k, at)| at.map(|at| Reverse((at, k as u32))));
            self.heap = entries.collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Instant {
        Instant::from_millis(ms)
    }

    #[test]
    fn the_earliest_comes_first_and_moved_ones_do_not_fire_twice() {
        let mut timers = Timers::default();
        timers.set(1, Some(ms(30)));
        timers.set(2, Some(ms(20)));
        timers.set(1, Some(ms(10)));
        assert_eq!(timers.next(), Some(ms(10)));
        assert_eq!(timers.pop_due(ms(40)), Some(1));
        assert_eq!(timers.pop_due(ms(40)), Some(2));
        assert_eq!(timers.pop_due(ms(40)), None);
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn cleared_ones_do_not_fire() {
        let mut timers = Timers::default();
        timers.set(0, Some(ms(5)));
        timers.set(0, None);
        assert_eq!(timers.pop_due(ms(9)), None);
    }

    #[test]
    fn moving_a_deadline_for_ever_does_not_grow_the_heap() {
        let mut timers = Timers::default();
        for i in 0..10_000 {
            timers.set(0, Some(ms(i)));
        }
        assert!(timers.heap.len() < 100);
    }
}
