//! Rollover counting of received sequence numbers.

use crate::id::{ExtSeq, SeqNo};

/// Extends 16-bit sequence numbers as they arrive, in any order, as long as
/// each lies within half the number space of the highest one before it.
///
/// The first number counts as if one rollover had passed, so that packets just
/// before it, which reordering brings later, have numbers too.
#[derive(Clone, Copy, Debug, Default)]
pub struct SeqUnwrapper {
    highest: Option<ExtSeq>,
}

impl SeqUnwrapper {
    /// An unwrapper that has seen nothing.
    pub const fn new() -> Self {
        Self { highest: None }
    }

    /// The extended form of `seq`, which is noted.
    pub const fn unwrap(&mut self, seq: SeqNo) -> ExtSeq {
        let extended = self.peek(seq);
        match self.highest {
            Some(h) if h.0 >= extended.0 => {}
            _ => self.highest = Some(extended),
        }
        extended
    }

    /// The extended form of `seq`, without noting it: for packets that are not
    /// authenticated yet.
    pub const fn peek(&self, seq: SeqNo) -> ExtSeq {
        match self.highest {
            // Below the first rollover there is nothing to be late for.
            Some(h) => ExtSeq(h.0.saturating_add_signed(seq.distance(h.seq()) as i64)),
            None => ExtSeq((1 << 16) + seq.0 as u64),
        }
    }

    /// The highest number seen.
    pub const fn highest(&self) -> Option<ExtSeq> {
        self.highest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_rollovers_through_reordering() {
        let mut u = SeqUnwrapper::new();
        let first = u.unwrap(SeqNo(2));
        let seen: std::vec::Vec<i64> =
            [65_535, 3, 0, 1, 40_000 - 10_000, 60_000, 65_535, 0, 65_534]
                .map(|s| u.unwrap(SeqNo(s)).0.cast_signed() - first.0.cast_signed())
                .into();
        assert_eq!(
            seen,
            [-3, 1, -2, -1, 29_998, 59_998, 65_533, 65_534, 65_532]
        );
    }

    #[test]
    fn peeking_changes_nothing() {
        let mut u = SeqUnwrapper::new();
        u.unwrap(SeqNo(10));
        assert_eq!(u.peek(SeqNo(20)).seq(), SeqNo(20));
        assert_eq!(u.highest().map(ExtSeq::seq), Some(SeqNo(10)));
    }

    #[test]
    fn the_low_bits_are_the_wire_number() {
        let mut u = SeqUnwrapper::new();
        let mut x = 1u16;
        for _ in 0..10_000 {
            x = x.wrapping_mul(25_173).wrapping_add(13_849);
            assert_eq!(u.unwrap(SeqNo(x)).seq(), SeqNo(x));
        }
    }
}
