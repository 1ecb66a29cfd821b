//! Which of the latest numbers have been seen (RFC 3711 section 3.3.2, RFC 6347 section 4.1.2.6).

/// The highest number noted, and which of the `64 * WORDS` up to it were.
#[derive(Clone, Debug)]
pub struct SeenWindow<const WORDS: usize> {
    highest: Option<u64>,
    /// Bit `i % (64 * WORDS)` stands for number `i`: a ring, nothing shifts.
    seen: [u64; WORDS],
}

impl<const WORDS: usize> Default for SeenWindow<WORDS> {
    fn default() -> Self {
        Self {
            highest: None,
            seen: [0; WORDS],
        }
    }
}

impl<const WORDS: usize> SeenWindow<WORDS> {
    /// Numbers that the window spans.
    pub const SPAN: u64 = 64 * WORDS as u64;

    /// The highest number noted.
    pub const fn highest(&self) -> Option<u64> {
        self.highest
    }

    /// Whether `number` is neither seen nor too old to tell.
    pub fn is_new(&self, number: u64) -> bool {
        let Some(highest) = self.highest else {
            return true;
        };
        if number > highest {
            return true;
        }
        if highest - number >= Self::SPAN {
            return false;
        }
        let (word, bit) = Self::place(number);
        self.seen.get(word).is_some_and(|w| w & bit == 0)
    }

    /// Notes `number` as seen. Call it for numbers that [`is_new`](Self::is_new).
    pub fn note(&mut self, number: u64) {
        match self.highest {
            Some(highest) if number <= highest => {}
            Some(highest) if number - highest < Self::SPAN => {
                // Their places held numbers of a span ago.
                for skipped in highest + 1..number {
                    self.clear(skipped);
                }
                self.highest = Some(number);
            }
            _ => {
                self.seen = [0; WORDS];
                self.highest = Some(number);
            }
        }
        let (word, bit) = Self::place(number);
        if let Some(w) = self.seen.get_mut(word) {
            *w |= bit;
        }
    }

    fn clear(&mut self, number: u64) {
        let (word, bit) = Self::place(number);
        if let Some(w) = self.seen.get_mut(word) {
            *w &= !bit;
        }
    }

    fn place(number: u64) -> (usize, u64) {
        #[allow(clippy::cast_possible_truncation)] // less than SPAN
        let at = (number % Self::SPAN) as usize;
        (at / 64, 1 << (at % 64))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// Walks by `steps`, and compares with a set of all that was noted.
    fn agrees_with_a_set<const WORDS: usize>(steps: &[i64]) -> Result<(), TestCaseError> {
        let mut window = SeenWindow::<WORDS>::default();
        let mut model = BTreeSet::new();
        let mut at = 1_i64 << 20;
        for step in steps {
            at += step;
            let number = at.cast_unsigned();
            let highest = model.last().copied().unwrap_or(number);
            let too_old = number + 64 * WORDS as u64 <= highest;
            let is_new = !too_old && !model.contains(&number);
            prop_assert_eq!(
                window.is_new(number),
                is_new,
                "{} after {}",
                number,
                highest
            );
            if is_new {
                window.note(number);
                model.insert(number);
            }
            prop_assert_eq!(window.highest(), model.last().copied());
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn one_word_agrees_with_a_set(steps in prop::collection::vec(-70_i64..80, 1..500)) {
            agrees_with_a_set::<1>(&steps)?;
        }

        #[test]
        fn many_words_agree_with_a_set(steps in prop::collection::vec(
            prop_oneof![8 => -40_i64..40, 1 => -1500_i64..3000], 1..500)
        ) {
            agrees_with_a_set::<16>(&steps)?;
        }
    }

    #[test]
    fn the_last_number_of_the_span_is_known() {
        let mut window = SeenWindow::<1>::default();
        for (number, is_new) in [
            (5, true),
            (5, false),
            (4, true),
            (4, false),
            (68, true),
            (5, false), // seen, at the very end
            (4, false), // too old to tell
            (6, true),
            ((1 << 48) - 1, true),
            (68, false),
            ((1 << 48) - 1, false),
        ] {
            assert_eq!(window.is_new(number), is_new, "{number}");
            if is_new {
                window.note(number);
            }
        }
    }
}
