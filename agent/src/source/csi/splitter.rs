//! A byte stream that comes through a pipe, cut into access units as early as
//! that can be told.

use std::time::Instant;

use transom_rtc_proto::codec::h264::NalType;

/// More is no picture.
const MAX_PENDING: usize = 4 * 1024 * 1024;
/// So many bytes without a start code are no H.264.
const MAX_GARBAGE: usize = 256 * 1024;

/// Cuts a byte stream (ITU-T H.264 annex B) into access units.
///
/// That a unit is complete shows for certain only when the next one begins, a
/// frame later. Programs write a frame at once, so a pause in the stream is
/// taken for its end too ([`flush`](Self::flush)); where what comes then is no
/// beginning, the cut was wrong, and [`push`](Self::push) tells.
#[derive(Debug, Default)]
pub(super) struct Splitter {
    pending: Vec<u8>,
    /// How far `pending` was searched for start codes.
    searched: usize,
    /// A slice has begun in `pending`.
    has_slice: bool,
    has_start: bool,
    /// When the first byte of `pending` came.
    began: Option<Instant>,
    /// The stream was cut at a pause: it must go on with a start code.
    cut: bool,
}

/// A unit and when its first byte came.
pub(super) type Unit = (Vec<u8>, Instant);

/// What the bytes were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pushed {
    Good,
    /// The unit before was cut within; it and what follows up to the next key
    /// frame are of no use.
    Torn,
    /// It is no H.264, and was thrown away.
    Garbage,
}

impl Splitter {
    /// Takes bytes that came at `now`.
    pub(super) fn push(&mut self, bytes: &[u8], now: Instant) -> Pushed {
        if bytes.is_empty() {
            return Pushed::Good;
        }
        let torn = std::mem::take(&mut self.cut) && !can_begin_unit(bytes);
        self.began.get_or_insert(now);
        self.pending.extend_from_slice(bytes);
        let limit = match self.has_start {
            true => MAX_PENDING,
            false => MAX_GARBAGE,
        };
        if self.pending.len() > limit {
            *self = Self::default();
            return Pushed::Garbage;
        }
        match torn {
            true => Pushed::Torn,
            false => Pushed::Good,
        }
    }

    /// A unit that is followed by another.
    pub(super) fn next_unit(&mut self, now: Instant) -> Option<Unit> {
        // Three bytes of a start code, the header, and the first of a slice.
        while let Some(window) = self.pending.get(self.searched..self.searched + 5) {
            let at = self.searched;
            self.searched += 1;
            let [0, 0, 1, header, first] = *window else {
                continue;
            };
            self.has_start = true;
            let kind = NalType::of_header(header);
            if self.has_slice && begins_unit(kind, first) {
                // The zero before belongs to the start code.
                let long = at > 0 && self.pending.get(at - 1) == Some(&0);
                return Some(self.take(at - usize::from(long), now));
            }
            self.has_slice |= is_slice(kind);
        }
        None
    }

    /// Whether there is a picture that may be complete.
    pub(super) fn has_picture(&self) -> bool {
        self.has_slice
    }

    /// What there is of a picture: the stream has paused.
    pub(super) fn flush(&mut self, now: Instant) -> Option<Unit> {
        if !self.has_slice {
            return None;
        }
        self.cut = true;
        let len = self.pending.len();
        Some(self.take(len, now))
    }

    fn take(&mut self, len: usize, now: Instant) -> Unit {
        let rest = self.pending.split_off(len);
        let unit = std::mem::replace(&mut self.pending, rest);
        let began = self.began.take().unwrap_or(now);
        self.began = (!self.pending.is_empty()).then_some(now);
        self.searched = 0;
        self.has_slice = false;
        (unit, began)
    }
}

/// Whether bytes can be the beginning of a unit, as far as they tell.
fn can_begin_unit(bytes: &[u8]) -> bool {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let behind = bytes.get(zeros..).unwrap_or_default();
    match *behind {
        // A piece may be nothing but zeros; that is not told apart.
        [] => true,
        [1, header, first, ..] => zeros >= 2 && begins_unit(NalType::of_header(header), first),
        [byte, ..] => zeros >= 2 && byte == 1,
    }
}

fn is_slice(kind: NalType) -> bool {
    matches!(kind, NalType::Slice | NalType::PartitionA | NalType::Idr)
}

/// Whether a unit begins here when the one before has a slice (ITU-T H.264
/// section 7.4.1.2.3); `first` is the byte behind the header, which in a slice
/// begins with first_mb_in_slice: a one bit is macroblock 0.
fn begins_unit(kind: NalType, first: u8) -> bool {
    match kind {
        NalType::Delimiter | NalType::Sps | NalType::Pps | NalType::Sei => true,
        kind => is_slice(kind) && first & 0x80 != 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::access_unit::Assembler;
    use std::time::Duration;
    use transom_rtc_proto::codec::h264::AnnexB;

    const CLIP: &[u8] = include_bytes!("../../../../tests/data/media/baseline.h264");

    /// The units of a stream that comes in pieces of `size` bytes.
    fn cut(stream: &[u8], size: usize) -> Vec<Vec<u8>> {
        let now = Instant::now();
        let mut splitter = Splitter::default();
        let mut units = Vec::new();
        for piece in stream.chunks(size) {
            assert_eq!(splitter.push(piece, now), Pushed::Good);
            while let Some((unit, _)) = splitter.next_unit(now) {
                units.push(unit);
            }
        }
        units.extend(splitter.flush(now).map(|(unit, _)| unit));
        units
    }

    #[test]
    fn however_it_comes_the_units_are_the_same() {
        let whole = cut(CLIP, CLIP.len());
        assert_eq!(whole.len(), 60, "two seconds at 30 a second");
        assert_eq!(whole.concat(), CLIP);
        for size in [1, 2, 3, 7, 100, 4096] {
            assert_eq!(cut(CLIP, size), whole, "{size}");
        }
        let mut assembler = Assembler::default();
        let keys = whole
            .iter()
            .map(|unit| assembler.assemble(AnnexB::new(unit)).expect("a unit"))
            .filter(|unit| unit.as_ref().is_some_and(|(_, key)| *key))
            .count();
        assert_eq!(keys, 4, "one in 15");
    }

    #[test]
    fn a_pause_ends_a_unit_and_a_wrong_cut_is_seen() {
        let start = Instant::now();
        let later = start + Duration::from_millis(33);
        let units = cut(CLIP, CLIP.len());
        let mut splitter = Splitter::default();
        assert_eq!(splitter.flush(start), None);
        splitter.push(&units[0], start);
        assert_eq!(splitter.next_unit(start), None);
        assert!(splitter.has_picture());
        assert_eq!(splitter.flush(later), Some((units[0].clone(), start)));
        // Within a slice; pictures of this clip have several of them.
        for at in [units[1].len() / 3, units[1].len() / 2] {
            assert!(!can_begin_unit(&units[1][at..]), "{at}");
        }
        for at in [units[1].len() / 3, units[1].len() / 2] {
            let (head, tail) = units[1].split_at(at);
            let mut splitter = splitter_after(&units[0], start);
            assert_eq!(splitter.push(head, later), Pushed::Good);
            assert_eq!(splitter.next_unit(later), None);
            assert!(splitter.flush(later).is_some());
            assert_eq!(splitter.push(tail, later), Pushed::Torn);
            // What is left of it goes by itself, or in front of the next unit;
            // both go by, since nothing is taken before the next key frame.
            splitter.push(&units[2], later);
            splitter.push(&units[3], later);
            let mut got = Vec::new();
            while let Some((unit, _)) = splitter.next_unit(later) {
                got.push(unit);
            }
            let last = got.last().expect("a unit");
            let whole: Vec<&[u8]> = AnnexB::new(&units[2]).collect();
            let nals: Vec<&[u8]> = AnnexB::new(last).collect();
            assert!(nals.ends_with(&whole), "{at}");
        }
    }

    /// One that was given a unit and a pause behind it.
    fn splitter_after(unit: &[u8], now: Instant) -> Splitter {
        let mut splitter = Splitter::default();
        splitter.push(unit, now);
        let _ = splitter.next_unit(now);
        splitter.flush(now).expect("a unit");
        splitter
    }

    #[test]
    fn garbage_is_bounded() {
        let now = Instant::now();
        let mut splitter = Splitter::default();
        let mut seen = None;
        for _ in 0..100 {
            let pushed = splitter.push(&[0x55; 64 * 1024], now);
            assert_eq!(splitter.next_unit(now), None);
            if pushed == Pushed::Garbage {
                seen = Some(pushed);
                break;
            }
        }
        assert_eq!(seen, Some(Pushed::Garbage));
        // A unit without end.
        splitter.push(&[0, 0, 1, 0x65, 0x88], now);
        let mut pushed = Pushed::Good;
        for _ in 0..100 {
            pushed = splitter.push(&[0x55; 64 * 1024], now);
            let _ = splitter.next_unit(now);
            if pushed == Pushed::Garbage {
                break;
            }
        }
        assert_eq!(pushed, Pushed::Garbage);
        assert!(splitter.pending.is_empty());
    }
}
