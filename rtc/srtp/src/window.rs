//! Packet indices and what was seen of them (RFC 3711 sections 3.3.1 and 3.3.2).

use transom_rtc_proto::id::SeqNo;

/// Indices that an RTP window remembers behind the highest. A second of a
/// 10 Mbit/s stream; RFC 3711 asks for 64 at least.
pub(crate) const RTP_WINDOW: u64 = 1024;
/// Indices that an SRTCP window remembers.
pub(crate) const RTCP_WINDOW: u64 = 128;

/// Indices are 48 bits long: a 32-bit rollover counter and the sequence number.
const MAX_INDEX: u64 = (1 << 48) - 1;

/// Most that an index may be ahead of the highest seen. Less than half the
/// sequence number space by one window: an implementation that measures from
/// the packet it took last (webrtc-srtp, libwebrtc's libsrtp), up to a window
/// behind the highest, then guesses the same rollover counter as we do.
const MAX_AHEAD: i16 = (0x8000 - RTP_WINDOW - 1).cast_signed() as i16;

/// The window of an RTP source.
pub(crate) type RtpWindow = IndexWindow<{ RTP_WINDOW as usize / 64 }>;
/// The window of an SRTCP source.
pub(crate) type RtcpWindow = IndexWindow<{ RTCP_WINDOW as usize / 64 }>;

/// The highest index seen, and which of the `64 * WORDS` below it were.
#[derive(Clone, Debug)]
pub(crate) struct IndexWindow<const WORDS: usize> {
    highest: Option<u64>,
    /// Bit `i % (64 * WORDS)` stands for index `i`: a ring, nothing shifts.
    seen: [u64; WORDS],
}

impl<const WORDS: usize> Default for IndexWindow<WORDS> {
    fn default() -> Self {
        Self {
            highest: None,
            seen: [0; WORDS],
        }
    }
}

impl<const WORDS: usize> IndexWindow<WORDS> {
    const SIZE: u64 = 64 * WORDS as u64;

    /// The index that `seq` most likely has (RFC 3711 section 3.3.1); `None`
    /// where it would be too far ahead, before the first, or past the last.
    pub(crate) fn guess(&self, seq: SeqNo) -> Option<u64> {
        let Some(highest) = self.highest else {
            return Some(u64::from(seq.0)); // the rollover counter starts at 0
        };
        #[allow(clippy::cast_possible_truncation)] // the low 16 bits are meant
        let distance = seq.distance(SeqNo(highest as u16));
        if distance > MAX_AHEAD {
            return None;
        }
        highest
            .checked_add_signed(i64::from(distance))
            .filter(|index| *index <= MAX_INDEX)
    }

    /// Reads what [`note`](Self::note) of the next index will read.
    pub(crate) fn warm(&self) -> u64 {
        let next = self.highest.map_or(0, |highest| highest + 1);
        let (word, _) = Self::place(next);
        self.seen.get(word).map_or(next, |seen| seen ^ next)
    }

    /// Whether `index` is neither seen nor too old to tell.
    pub(crate) fn is_new(&self, index: u64) -> bool {
        let Some(highest) = self.highest else {
            return true;
        };
        if index > highest {
            return true;
        }
        if highest - index >= Self::SIZE {
            return false;
        }
        let (word, bit) = Self::place(index);
        self.seen.get(word).is_some_and(|w| w & bit == 0)
    }

    /// Notes `index` as seen. Call it for indices that [`is_new`](Self::is_new).
    pub(crate) fn note(&mut self, index: u64) {
        match self.highest {
            Some(highest) if index <= highest => {}
            Some(highest) if index - highest < Self::SIZE => {
                for skipped in highest + 1..index {
                    self.clear(skipped);
                }
                self.highest = Some(index);
            }
            _ => {
                self.seen = [0; WORDS];
                self.highest = Some(index);
            }
        }
        let (word, bit) = Self::place(index);
        if let Some(w) = self.seen.get_mut(word) {
            *w |= bit;
        }
    }

    fn clear(&mut self, index: u64) {
        let (word, bit) = Self::place(index);
        if let Some(w) = self.seen.get_mut(word) {
            *w &= !bit;
        }
    }

    fn place(index: u64) -> (usize, u64) {
        #[allow(clippy::cast_possible_truncation)] // less than SIZE
        let at = (index % Self::SIZE) as usize;
        (at / 64, 1 << (at % 64))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn see(window: &mut RtpWindow, seq: u16) -> Option<u64> {
        let index = window.guess(SeqNo(seq))?;
        if !window.is_new(index) {
            return None;
        }
        window.note(index);
        Some(index)
    }

    #[test]
    fn the_rollover_counter_counts_and_uncounts() {
        let mut window = RtpWindow::default();
        assert_eq!(see(&mut window, 65_530), Some(65_530));
        assert_eq!(see(&mut window, 2), Some(65_538));
        assert_eq!(see(&mut window, 65_535), Some(65_535)); // late, of the round before
        assert_eq!(see(&mut window, 3), Some(65_539));
        assert_eq!(see(&mut window, 65_535), None);
    }

    #[test]
    fn nothing_stands_before_the_first_round() {
        let mut window = RtpWindow::default();
        assert_eq!(see(&mut window, 3), Some(3));
        assert_eq!(window.guess(SeqNo(65_533)), None);
    }

    #[test]
    fn too_far_ahead_is_not_guessed() {
        let mut window = RtpWindow::default();
        see(&mut window, 100);
        assert_eq!(window.guess(SeqNo(100 + 31_743)), Some(31_843));
        assert_eq!(window.guess(SeqNo(100 + 31_744)), None);
    }

    #[test]
    fn the_last_index_is_the_last() {
        let mut window = RtpWindow::default();
        window.note(MAX_INDEX);
        assert_eq!(window.guess(SeqNo(0)), None);
    }

    proptest! {
        #[test]
        fn agrees_with_a_set(steps in prop::collection::vec(-1400_i64..1400, 1..400)) {
            let mut window = RtpWindow::default();
            let mut set = HashSet::new();
            let (mut at, mut highest) = (70_000_i64, 0);
            for step in steps {
                at = (at + step).max(0);
                let index = u64::try_from(at).unwrap();
                let new = !set.contains(&index) && index + RTP_WINDOW > highest;
                prop_assert_eq!(window.is_new(index), new);
                if new {
                    window.note(index);
                    set.insert(index);
                    highest = highest.max(index);
                }
            }
        }
    }
}
