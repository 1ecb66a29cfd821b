//! Emitting transport-wide feedback: symbols, chunks, deltas
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01 section 3.1).

use alloc::vec::Vec;

use super::emit::Emitter;
use super::twcc::{REFERENCE_TICKS, Symbol, TwccFeedback};
use super::{FMT_TWCC, RTPFB};
use crate::id::{SeqNo, Ssrc};

/// The reference time has 24 bits.
const REFERENCE_MASK: i64 = 0xff_ffff;

/// Runs at least this long are worth a run-length chunk.
const LONG_RUN: usize = 14;

impl TwccFeedback<'_> {
    /// Most packets that one emitted feedback reports on: it stays below 1000 bytes.
    pub const MAX_STATUSES: usize = 400;

    /// Appends feedback on the packets from `base_seq` on: `arrivals` holds
    /// for each when it came, in ticks. It reports on as many of them as one
    /// packet can express (two arrivals more than 8 s apart end it early),
    /// and returns how many. Appends nothing if that is zero.
    pub fn emit(
        out: &mut Vec<u8>,
        sender: Ssrc,
        media: Ssrc,
        base_seq: SeqNo,
        feedback_count: u8,
        arrivals: &[Option<i64>],
    ) -> usize {
        let first = arrivals.iter().flatten().next().copied().unwrap_or(0);
        let reference = first.div_euclid(REFERENCE_TICKS);
        let mut statuses = [(Symbol::Missing, 0i16); Self::MAX_STATUSES];
        let count = statuses
            .iter_mut()
            .zip(deltas(arrivals, reference * REFERENCE_TICKS))
            .map(|(status, delta)| *status = delta)
            .count();
        let statuses = statuses.get(..count).unwrap_or_default();
        if statuses.is_empty() {
            return 0;
        }

        let mut e = Emitter::begin(out, RTPFB, FMT_TWCC);
        e.u32(sender.0);
        e.u32(media.0);
        e.u16(base_seq.0);
        e.u16(count as u16); // at most MAX_STATUSES
        let word = (reference & REFERENCE_MASK) as u32; // 24 bits
        e.u32((word << 8) | u32::from(feedback_count));
        let mut rest = statuses;
        while !rest.is_empty() {
            let (chunk, covered) = chunk(rest);
            e.u16(chunk);
            rest = rest.get(covered..).unwrap_or_default();
        }
        for (symbol, delta) in statuses {
            match symbol {
                Symbol::Missing | Symbol::Reserved => {}
                Symbol::Small => e.u8(delta.to_be_bytes()[1]),
                Symbol::Large => e.bytes(&delta.to_be_bytes()),
            }
        }
        e.finish();
        count
    }
}

/// Symbol and delta of each arrival, up to the first that cannot be expressed.
fn deltas(arrivals: &[Option<i64>], reference: i64) -> impl Iterator<Item = (Symbol, i16)> {
    arrivals.iter().scan(reference, |previous, arrival| {
        let Some(at) = arrival else {
            return Some((Symbol::Missing, 0));
        };
        let delta = i16::try_from(at.saturating_sub(*previous)).ok()?;
        *previous = *at;
        Some(match delta {
            0..=255 => (Symbol::Small, delta),
            _ => (Symbol::Large, delta),
        })
    })
}

/// The chunk that begins with the first of `statuses`, and how many it covers.
fn chunk(statuses: &[(Symbol, i16)]) -> (u16, usize) {
    let symbols = || statuses.iter().map(|(symbol, _)| *symbol);
    let first = symbols().next().unwrap_or(Symbol::Missing);
    let run = symbols().take_while(|s| *s == first).count();
    if run >= LONG_RUN || run == statuses.len() {
        // At most MAX_STATUSES, which thirteen bits hold.
        return ((first as u16) << 13 | run as u16, run);
    }
    let (base, width, capacity) = if symbols().take(14).any(|s| s == Symbol::Large) {
        (0xc000, 2, 7)
    } else {
        (0x8000, 1, 14)
    };
    let vector = symbols()
        .take(capacity)
        .enumerate()
        .fold(base, |v, (i, s)| v | (s as u16) << (14 - width * (i + 1)));
    (vector, capacity.min(statuses.len()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rtcp::{Packet, Packets};

    fn emit(arrivals: &[Option<i64>]) -> (Vec<u8>, usize) {
        let mut out = Vec::new();
        let n = TwccFeedback::emit(&mut out, Ssrc(1), Ssrc(2), SeqNo(65_530), 3, arrivals);
        (out, n)
    }

    fn read(bytes: &[u8]) -> Vec<Option<i64>> {
        match Packets::parse(bytes).unwrap().next() {
            Some(Packet::Twcc(feedback)) => {
                assert_eq!((feedback.sender, feedback.media), (Ssrc(1), Ssrc(2)));
                assert_eq!(feedback.base_seq, SeqNo(65_530));
                feedback.arrivals().map(|a| a.at).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_steady_stream_is_one_chunk() {
        let arrivals: Vec<Option<i64>> = (0..100).map(|i| Some(1000 + 4 * i)).collect();
        let (bytes, n) = emit(&arrivals);
        assert_eq!(n, 100);
        assert_eq!(bytes.len(), (20 + 2 + 100usize).next_multiple_of(4));
        assert_eq!(read(&bytes), arrivals);
    }

    #[test]
    fn a_pause_splits_feedback() {
        let arrivals = [Some(0), None, Some(40_000), Some(40_001)];
        let (bytes, n) = emit(&arrivals);
        assert_eq!(n, 2);
        assert_eq!(read(&bytes), arrivals[..2]);
        let (bytes, n) = emit(&arrivals[2..]);
        assert_eq!((read(&bytes), n), (arrivals[2..].to_vec(), 2));
    }

    #[test]
    fn nothing_to_say() {
        assert_eq!(emit(&[]), (Vec::new(), 0));
    }

    proptest! {
        #[test]
        fn arrivals_come_back(
            start in 0i64..1 << 30,
            steps in proptest::collection::vec(
                prop_oneof![
                    3 => Just(None),
                    10 => (0i64..200).prop_map(Some),
                    2 => (-3000i64..9000).prop_map(Some),
                ], 1..450),
        ) {
            let mut at = start;
            let arrivals: Vec<Option<i64>> = steps
                .iter()
                .map(|step| step.map(|s| { at += s; at }))
                .collect();
            let (bytes, n) = emit(&arrivals);
            prop_assert_eq!(n, arrivals.len().min(TwccFeedback::MAX_STATUSES));
            prop_assert!(bytes.len() <= 1000);
            let got = read(&bytes);
            // The reference time rolls over after 2^24 * 64 ms; these stay below.
            prop_assert_eq!(&got[..], &arrivals[..n]);
        }
    }
}
