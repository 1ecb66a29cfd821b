//! Which of the latest sequence numbers have been seen.

use crate::id::ExtSeq;

const WORDS: usize = 16;

/// Numbers that the window spans.
pub(super) const SPAN: u64 = WORDS as u64 * 64;

/// A bit for each of the [`SPAN`] numbers up to the highest one noted.
#[derive(Clone, Debug, Default)]
pub(super) struct SeenWindow {
    bits: [u64; WORDS],
    highest: Option<ExtSeq>,
}

impl SeenWindow {
    /// Notes `seq`; whether it is new. Numbers older than the window are not.
    pub(super) fn note(&mut self, seq: ExtSeq) -> bool {
        match self.highest {
            Some(highest) if seq.0 <= highest.0 => {
                if highest.0 - seq.0 >= SPAN {
                    return false;
                }
            }
            Some(highest) => {
                // Slots between the two held numbers of SPAN ago.
                let skipped = (seq.0 - highest.0 - 1).min(SPAN);
                for n in 1..=skipped {
                    self.set(ExtSeq(highest.0 + n), false);
                }
                self.set(seq, false);
                self.highest = Some(seq);
            }
            None => self.highest = Some(seq),
        }
        let new = !self.get(seq);
        self.set(seq, true);
        new
    }

    fn get(&self, seq: ExtSeq) -> bool {
        self.bits.get(word(seq)).is_some_and(|w| w & mask(seq) != 0)
    }

    fn set(&mut self, seq: ExtSeq, value: bool) {
        if let Some(w) = self.bits.get_mut(word(seq)) {
            *w = if value {
                *w | mask(seq)
            } else {
                *w & !mask(seq)
            };
        }
    }
}

const fn word(seq: ExtSeq) -> usize {
    (seq.0 % SPAN / 64) as usize // below WORDS
}

const fn mask(seq: ExtSeq) -> u64 {
    1 << (seq.0 % 64)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn agrees_with_a_set(steps in proptest::collection::vec(
            prop_oneof![8 => -40i64..40, 1 => -1500i64..3000], 1..500)
        ) {
            let mut window = SeenWindow::default();
            let mut model = BTreeSet::new();
            let mut at = 1i64 << 20;
            for step in steps {
                at += step;
                let seq = ExtSeq(at.cast_unsigned());
                let highest = model.last().copied().unwrap_or(seq);
                let too_old = seq.0 + SPAN <= highest.0;
                prop_assert_eq!(window.note(seq), !too_old && model.insert(seq));
            }
        }
    }
}
