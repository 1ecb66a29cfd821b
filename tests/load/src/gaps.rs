//! Loss by gaps in the sequence numbers.

use transom_rtc_proto::id::ExtSeq;

const WORDS: usize = 32;
/// Numbers within which a late packet still counts.
const SPAN: u64 = WORDS as u64 * 64;

/// Counts what is missing of one source since a mark.
#[derive(Clone, Debug, Default)]
pub(crate) struct GapCounter {
    seen: [u64; WORDS],
    highest: Option<ExtSeq>,
    /// The highest number at the mark: what came before is not counted.
    mark: Option<ExtSeq>,
    unique: u64,
}

impl GapCounter {
    /// Notes a packet; whether it is the first of its number.
    pub(crate) fn on_packet(&mut self, seq: ExtSeq) -> bool {
        match self.highest {
            None => {
                self.highest = Some(seq);
                // The first packet is the mark's successor.
                self.mark = self.mark.or(Some(ExtSeq(seq.0.saturating_sub(1))));
            }
            Some(highest) if seq > highest => {
                let skipped = (highest.0 + 1).max(seq.0.saturating_sub(SPAN))..=seq.0;
                skipped.for_each(|n| self.set(n, false));
                self.highest = Some(seq);
            }
            Some(highest) if highest.0 - seq.0 >= SPAN => return false,
            Some(_) => {}
        }
        if self.get(seq.0) {
            return false;
        }
        self.set(seq.0, true);
        if self.mark.is_some_and(|mark| seq > mark) {
            self.unique += 1;
        }
        true
    }

    /// Counts from here on.
    pub(crate) fn mark(&mut self) {
        self.mark = self.highest;
        self.unique = 0;
    }

    /// The highest number noted.
    pub(crate) const fn highest(&self) -> Option<ExtSeq> {
        self.highest
    }

    /// Numbers after the mark that should have come by now.
    pub(crate) fn expected(&self) -> u64 {
        match (self.highest, self.mark) {
            (Some(highest), Some(mark)) => highest.0 - mark.0,
            _ => 0,
        }
    }

    /// Those of them that did not.
    pub(crate) fn lost(&self) -> u64 {
        self.expected().saturating_sub(self.unique)
    }

    fn get(&self, n: u64) -> bool {
        let (word, bit) = place(n);
        self.seen.get(word).is_some_and(|w| w & bit != 0)
    }

    fn set(&mut self, n: u64, value: bool) {
        let (word, bit) = place(n);
        if let Some(w) = self.seen.get_mut(word) {
            *w = if value { *w | bit } else { *w & !bit };
        }
    }
}

#[allow(clippy::cast_possible_truncation)] // below WORDS
const fn place(n: u64) -> (usize, u64) {
    ((n % SPAN / 64) as usize, 1 << (n % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counter(seqs: &[u64]) -> GapCounter {
        let mut counter = GapCounter::default();
        for n in seqs {
            counter.on_packet(ExtSeq(*n));
        }
        counter
    }

    #[test]
    fn gaps_are_loss_and_duplicates_and_lateness_are_not() {
        assert_eq!(counter(&[]).lost(), 0);
        assert_eq!(counter(&[7]).lost(), 0);
        assert_eq!(counter(&[7, 9, 8, 10]).lost(), 0);
        let mut c = counter(&[7, 9, 12]);
        assert_eq!((c.expected(), c.lost()), (6, 3));
        assert!(!c.on_packet(ExtSeq(9)));
        assert_eq!(c.lost(), 3);
        assert!(c.on_packet(ExtSeq(10)));
        assert_eq!(c.lost(), 2);
    }

    #[test]
    fn a_mark_begins_anew() {
        let mut c = counter(&[1, 2, 5]);
        c.mark();
        assert_eq!((c.expected(), c.lost()), (0, 0));
        // Of before the mark: neither expected nor counted.
        assert!(c.on_packet(ExtSeq(4)));
        assert_eq!(c.lost(), 0);
        c.on_packet(ExtSeq(6));
        c.on_packet(ExtSeq(8));
        assert_eq!((c.expected(), c.lost()), (3, 1));
    }

    #[test]
    fn numbers_of_a_span_ago_are_forgotten() {
        let mut c = GapCounter::default();
        for n in 0..10 * SPAN {
            assert!(c.on_packet(ExtSeq(n)));
        }
        assert_eq!(c.lost(), 0);
        assert!(c.on_packet(ExtSeq(20 * SPAN)));
        assert_eq!(c.lost(), 10 * SPAN);
        assert!(!c.on_packet(ExtSeq(10 * SPAN)), "too old to tell");
    }
}
