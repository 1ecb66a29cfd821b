//! Records on their way in.

use ring::aead::{Aad, LessSafeKey};

use super::aad;
use super::keys::{RecordKey, SALT};
use super::seal::{EXPLICIT_NONCE, cipher, nonce};
use crate::guard::record::Record;

/// Sequence numbers remembered behind the highest (RFC 6347 section 4.1.2.6 has 64 for a default).
const WINDOW: u64 = 64;

/// Opens the records of one direction, each once.
pub(crate) struct Opener {
    key: LessSafeKey,
    salt: [u8; SALT],
    seen: Window,
}

impl Opener {
    pub(crate) fn new(key: &RecordKey) -> Option<Self> {
        Some(Self {
            key: cipher(key)?,
            salt: key.salt,
            seen: Window::default(),
        })
    }

    /// What `record` says; `None` where it is not authentic, too short, seen
    /// before or too old to tell.
    pub(crate) fn open(&mut self, record: &Record<'_>) -> Option<Vec<u8>> {
        if !self.seen.is_new(record.sequence_number) {
            return None;
        }
        let (explicit, sealed) = record.body.split_first_chunk::<EXPLICIT_NONCE>()?;
        let len = sealed.len().checked_sub(self.key.algorithm().tag_len())?;
        let aad = aad(record.place(), record.content, len)?;
        let mut text = sealed.to_vec();
        let nonce = nonce(self.salt, *explicit);
        self.key
            .open_in_place(nonce, Aad::from(aad), &mut text)
            .ok()?;
        text.truncate(len);
        self.seen.note(record.sequence_number);
        Some(text)
    }
}

/// Which sequence numbers were seen.
#[derive(Debug, Default)]
struct Window {
    /// One above the highest that was seen.
    end: u64,
    /// Bit `n` stands for the number `end - 1 - n`.
    seen: u64,
}

impl Window {
    fn is_new(&self, number: u64) -> bool {
        match self.end.checked_sub(number + 1) {
            None => true,
            Some(behind) => behind < WINDOW && self.seen & (1 << behind) == 0,
        }
    }

    /// Only of a number that is new, and of a record that is authentic.
    fn note(&mut self, number: u64) {
        if let Some(ahead) = (number + 1).checked_sub(self.end) {
            self.seen = u32::try_from(ahead)
                .ok()
                .and_then(|ahead| self.seen.checked_shl(ahead))
                .unwrap_or(0)
                | 1;
            self.end = number + 1;
        } else if let Some(bit) =
            1_u64.checked_shl(u32::try_from(self.end - 1 - number).unwrap_or(u32::MAX))
        {
            self.seen |= bit;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_window_knows_what_it_saw() {
        let mut window = Window::default();
        for (number, is_new) in [
            (5, true),
            (5, false),
            (4, true),
            (4, false),
            (68, true),
            (5, false), // seen, at the very end of the window
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

    #[test]
    fn a_window_is_a_set_with_an_end() {
        let mut window = Window::default();
        let mut model = BTreeSet::new();
        let mut dice = 1_u64;
        for _ in 0..100_000 {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let highest = model.last().copied().unwrap_or(0_u64);
            let number = (highest + (dice >> 33) % 90).saturating_sub(75);
            let is_new = !model.contains(&number) && number + WINDOW > highest;
            assert_eq!(window.is_new(number), is_new, "{number} after {highest}");
            if is_new {
                window.note(number);
                model.insert(number);
            }
        }
    }
}
