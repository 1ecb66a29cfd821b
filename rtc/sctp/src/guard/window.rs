/// TSNs that may be ahead of the first missing one. What is further ahead is
/// not taken; who has that much under way sends it again.
pub(crate) const WINDOW: u32 = 1024;

const WORDS: usize = WINDOW as usize / 64;

/// Which TSNs came (RFC 9260 section 6.2): all up to one, and some after it.
#[derive(Clone, Debug)]
pub(crate) struct TsnWindow {
    /// All up to this one came, or were given up.
    cumulative: u32,
    /// The ones after it, lowest bit first.
    ahead: [u64; WORDS],
}

/// Where a TSN lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// It came before.
    Old,
    /// It is missing, and later ones came.
    Gap,
    /// It is the latest so far.
    Latest,
    /// Too far ahead.
    Beyond,
}

impl TsnWindow {
    pub(crate) const fn new(initial: u32) -> Self {
        Self {
            cumulative: initial.wrapping_sub(1),
            ahead: [0; WORDS],
        }
    }

    pub(crate) const fn cumulative(&self) -> u32 {
        self.cumulative
    }

    /// Whether all up to `tsn` came.
    pub(crate) const fn covers(&self, tsn: u32) -> bool {
        self.cumulative.wrapping_sub(tsn).cast_signed() >= 0
    }

    pub(crate) fn place(&self, tsn: u32) -> Place {
        if self.covers(tsn) {
            return Place::Old;
        }
        let offset = tsn.wrapping_sub(self.cumulative).wrapping_sub(1);
        if offset >= WINDOW {
            return Place::Beyond;
        }
        let (word, bit) = (offset as usize / 64, offset % 64);
        let Some((here, later)) = self.ahead.get(word..).and_then(|w| w.split_first()) else {
            return Place::Beyond;
        };
        if here >> bit & 1 == 1 {
            Place::Old
        } else if here >> bit != 0 || later.iter().any(|w| *w != 0) {
            Place::Gap
        } else {
            Place::Latest
        }
    }

    /// Notes that `tsn` came.
    pub(crate) fn insert(&mut self, tsn: u32) {
        let offset = tsn.wrapping_sub(self.cumulative).wrapping_sub(1);
        if let Some(word) = self.ahead.get_mut(offset as usize / 64) {
            *word |= 1 << (offset % 64);
        }
        self.settle();
    }

    /// Notes that everything up to `tsn` was given up (RFC 3758 section 3.6);
    /// `false` where that is too far ahead.
    pub(crate) fn forward(&mut self, tsn: u32) -> bool {
        if self.covers(tsn) {
            return true;
        }
        let by = tsn.wrapping_sub(self.cumulative);
        if by > WINDOW {
            return false;
        }
        self.shift(by);
        self.settle();
        true
    }

    /// Moves over what came.
    fn settle(&mut self) {
        while let Some(first) = self.ahead.first()
            && first & 1 == 1
        {
            self.shift(first.trailing_ones());
        }
    }

    fn shift(&mut self, by: u32) {
        self.cumulative = self.cumulative.wrapping_add(by);
        let (words, bits) = (by as usize / 64, by % 64);
        self.ahead.rotate_left(words.min(WORDS));
        let from = WORDS - words.min(WORDS);
        for word in self.ahead.iter_mut().skip(from) {
            *word = 0;
        }
        if bits > 0 {
            let mut carry = 0;
            for word in self.ahead.iter_mut().rev() {
                let low = *word << (64 - bits);
                *word = *word >> bits | carry;
                carry = low;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn places() {
        let mut window = TsnWindow::new(u32::MAX);
        assert_eq!(window.place(u32::MAX - 1), Place::Old);
        assert_eq!(window.place(u32::MAX), Place::Latest);
        window.insert(1);
        assert_eq!(window.place(0), Place::Gap);
        assert_eq!(window.place(1), Place::Old);
        window.insert(u32::MAX);
        window.insert(0);
        assert_eq!(window.cumulative(), 1);
        assert_eq!(window.place(1 + WINDOW), Place::Latest);
        assert_eq!(window.place(2 + WINDOW), Place::Beyond);
        assert!(!window.forward(2 + WINDOW));
        assert!(window.forward(1 + WINDOW));
        assert_eq!(window.cumulative(), 1 + WINDOW);
    }

    proptest! {
        #[test]
        fn as_a_set_would(start: u32, steps in prop::collection::vec((0..WINDOW, any::<bool>()), 0..200)) {
            let mut window = TsnWindow::new(start);
            let mut set = BTreeSet::new(); // offsets from `start` that came
            let mut cumulative = 0_u64; // as many from `start` on
            for (ahead, forward) in steps {
                let offset = cumulative + u64::from(ahead);
                let tsn = start.wrapping_add(offset as u32);
                if forward && ahead < 100 {
                    prop_assert!(window.forward(tsn));
                    cumulative = offset + 1;
                } else {
                    let expected = match set.contains(&offset) {
                        true => Place::Old,
                        false if set.iter().any(|o| *o > offset) => Place::Gap,
                        false => Place::Latest,
                    };
                    prop_assert_eq!(window.place(tsn), expected);
                    window.insert(tsn);
                    set.insert(offset);
                }
                while set.contains(&cumulative) {
                    cumulative += 1;
                }
                set.retain(|o| *o >= cumulative);
                let last = start.wrapping_add(cumulative as u32).wrapping_sub(1);
                prop_assert_eq!(window.cumulative(), last);
            }
        }
    }
}
