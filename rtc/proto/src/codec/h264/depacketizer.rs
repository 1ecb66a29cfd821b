//! RTP payloads back into access units (RFC 6184 section 7).

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::nal::{NalType, START_CODE};
use super::payload::{next_aggregated, starts_access_unit};
use super::{FU_A, FU_END, FU_START, STAP_A, TYPE_MASK};
use crate::id::{ExtSeq, MediaTime};

/// Complete units kept for the caller; the oldest gives way.
const MAX_READY: usize = 4;

/// An access unit in which no slice is missing. Parameter sets before its first
/// slice may be, when [`Self::follows_loss`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessUnit {
    /// RTP timestamp.
    pub timestamp: MediaTime,
    /// A byte stream (annex B).
    pub data: Vec<u8>,
    /// Whether it holds an IDR picture.
    pub key_frame: bool,
    /// Whether units were lost since the one before: what this one refers to
    /// may be missing, unless it is a key frame.
    pub follows_loss: bool,
}

/// Why a packet added nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum DepacketizeError {
    /// Its number is not above the last one's: put packets in order first.
    #[error("packet is late or a duplicate")]
    Late,
    /// No payload structure of packetization-mode 1.
    #[error("malformed H.264 payload")]
    Malformed,
    /// The access unit outgrew the limit.
    #[error("access unit too large")]
    TooLarge,
    /// Its access unit lost a packet and is passed over.
    #[error("access unit is incomplete")]
    Incomplete,
}

/// Puts access units together from packets in ascending order.
#[derive(Clone, Debug)]
pub struct Depacketizer {
    max_unit: usize,
    last: Option<ExtSeq>,
    unit: Option<Unit>,
    ready: VecDeque<AccessUnit>,
    /// Loss since the last complete unit.
    lost: bool,
    dropped: u64,
}

/// An access unit that has not ended yet.
#[derive(Clone, Debug)]
struct Unit {
    timestamp: MediaTime,
    data: Vec<u8>,
    key_frame: bool,
    in_fragment: bool,
    damaged: bool,
}

impl Depacketizer {
    /// A depacketizer of access units of at most `max_unit` bytes.
    pub fn new(max_unit: usize) -> Self {
        Self {
            max_unit,
            last: None,
            unit: None,
            ready: VecDeque::with_capacity(MAX_READY),
            lost: false,
            dropped: 0,
        }
    }

    /// Access units dropped: damaged, too large, or not polled in time.
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The next complete access unit.
    pub fn poll(&mut self) -> Option<AccessUnit> {
        self.ready.pop_front()
    }

    /// Takes one packet. Completes up to two units: [`Self::poll`] for them.
    pub fn push(
        &mut self,
        seq: ExtSeq,
        timestamp: MediaTime,
        marker: bool,
        payload: &[u8],
    ) -> Result<(), DepacketizeError> {
        if self.last.is_some_and(|last| seq <= last) {
            return Err(DepacketizeError::Late);
        }
        let before = self.last.replace(seq);
        let gap = before.is_some_and(|last| seq.0 - last.0 > 1);
        if gap {
            self.lost = true;
            // Whether the gap ate the end of this unit is not known.
            if let Some(unit) = &mut self.unit {
                unit.damaged = true;
            }
        }
        // Senders that set no marker are told by the timestamp.
        if self.unit.as_ref().is_some_and(|u| u.timestamp != timestamp) {
            self.finish();
        }

        let mid_stream = gap || before.is_none();
        let unit = self.unit.get_or_insert_with(|| Unit {
            timestamp,
            data: Vec::new(),
            key_frame: false,
            in_fragment: false,
            damaged: mid_stream && !starts_access_unit(payload),
        });
        let result = if unit.damaged {
            Err(DepacketizeError::Incomplete)
        } else {
            unit.append(payload, self.max_unit)
        };
        if result.is_err() && !unit.damaged {
            unit.damaged = true;
            unit.data = Vec::new();
        }
        if marker {
            self.finish();
        }
        result
    }

    fn finish(&mut self) {
        let Some(unit) = self.unit.take() else {
            return;
        };
        if unit.damaged || unit.in_fragment {
            self.dropped += 1;
            self.lost = true;
            return;
        }
        if unit.data.is_empty() {
            return; // padding probes and the like
        }
        if self.ready.len() == MAX_READY {
            self.ready.pop_front();
            self.dropped += 1;
            if let Some(next) = self.ready.front_mut() {
                next.follows_loss = true;
            }
        }
        self.ready.push_back(AccessUnit {
            timestamp: unit.timestamp,
            data: unit.data,
            key_frame: unit.key_frame,
            follows_loss: core::mem::take(&mut self.lost),
        });
    }
}

impl Unit {
    fn append(&mut self, payload: &[u8], max: usize) -> Result<(), DepacketizeError> {
        let Some((head, body)) = payload.split_first() else {
            return Ok(());
        };
        let kind = head & TYPE_MASK;
        if self.in_fragment && kind != FU_A {
            return Err(DepacketizeError::Malformed);
        }
        match kind {
            1..STAP_A => self.append_nal(payload, max),
            STAP_A => {
                let mut rest = body;
                while !rest.is_empty() {
                    let (nal, after) = next_aggregated(rest).ok_or(DepacketizeError::Malformed)?;
                    self.append_nal(nal, max)?;
                    rest = after;
                }
                Ok(())
            }
            FU_A => self.append_fragment(*head, body, max),
            _ => Err(DepacketizeError::Malformed),
        }
    }

    fn append_nal(&mut self, nal: &[u8], max: usize) -> Result<(), DepacketizeError> {
        let kind = NalType::of(nal).ok_or(DepacketizeError::Malformed)?;
        self.key_frame |= kind == NalType::Idr;
        self.append_bytes(&START_CODE, max)?;
        self.append_bytes(nal, max)
    }

    fn append_fragment(
        &mut self,
        indicator: u8,
        body: &[u8],
        max: usize,
    ) -> Result<(), DepacketizeError> {
        let (fu, part) = body.split_first().ok_or(DepacketizeError::Malformed)?;
        let starts = fu & FU_START != 0;
        if starts == self.in_fragment {
            return Err(DepacketizeError::Malformed);
        }
        if starts {
            self.append_nal(&[(indicator & !TYPE_MASK) | (fu & TYPE_MASK)], max)?;
        }
        self.in_fragment = fu & FU_END == 0;
        self.append_bytes(part, max)
    }

    fn append_bytes(&mut self, bytes: &[u8], max: usize) -> Result<(), DepacketizeError> {
        if bytes.len() > max.saturating_sub(self.data.len()) {
            return Err(DepacketizeError::TooLarge);
        }
        self.data.extend_from_slice(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec::h264::{AnnexB, Packetizer};

    /// (marker, payload) of each packet of the unit.
    fn packets(max: usize, unit: &[u8]) -> Vec<(bool, Vec<u8>)> {
        Packetizer::new(max)
            .packetize(AnnexB::new(unit))
            .map(|p| {
                let mut out = std::vec![0; p.len()];
                p.write(&mut out);
                (p.is_last(), out)
            })
            .collect()
    }

    fn unit(nals: &[&[u8]]) -> Vec<u8> {
        nals.iter()
            .flat_map(|n| [&START_CODE, *n].concat())
            .collect()
    }

    fn slice(header: u8, len: usize) -> Vec<u8> {
        let mut nal = std::vec![0x9a; len];
        nal[0] = header;
        nal
    }

    #[test]
    fn a_key_frame_in_many_packets() {
        let data = unit(&[&[0x67, 1], &[0x68, 2], &slice(0x65, 5000)]);
        let mut d = Depacketizer::new(10_000);
        let packets = packets(1200, &data);
        for (i, (marker, payload)) in packets.iter().enumerate() {
            assert_eq!(d.poll(), None);
            d.push(ExtSeq(i as u64), MediaTime(9), *marker, payload)
                .unwrap();
        }
        assert_eq!(
            d.poll(),
            Some(AccessUnit {
                timestamp: MediaTime(9),
                data,
                key_frame: true,
                follows_loss: false
            })
        );
    }

    #[test]
    fn without_marker_the_timestamp_tells() {
        let mut d = Depacketizer::new(1000);
        d.push(ExtSeq(1), MediaTime(1), false, &[0x41, 0x9a])
            .unwrap();
        d.push(ExtSeq(2), MediaTime(2), true, &[0x41, 0x9b])
            .unwrap();
        let units: Vec<u32> = core::iter::from_fn(|| d.poll())
            .map(|u| u.timestamp.0)
            .collect();
        assert_eq!(units, [1, 2]);
    }

    #[test]
    fn limits_and_nonsense() {
        let mut d = Depacketizer::new(10);
        let push = |d: &mut Depacketizer, n, payload: &[u8]| {
            d.push(ExtSeq(n), MediaTime(n as u32), true, payload)
        };
        assert_eq!(
            push(&mut d, 1, &slice(0x41, 7)),
            Err(DepacketizeError::TooLarge)
        );
        assert_eq!(push(&mut d, 1, &[0x41, 0x9a]), Err(DepacketizeError::Late));
        for (n, payload) in [
            (2, &[0x5d, 0][..]),      // FU-B
            (3, &[0x5c]),             // no FU header
            (4, &[0x5c, 0x01, 0xaa]), // a middle without its start
            (5, &[0x58, 0, 3, 0x41]), // size past the end
            (6, &[0x58, 0, 0]),       // empty NAL unit
        ] {
            assert_eq!(
                push(&mut d, n, payload),
                Err(DepacketizeError::Malformed),
                "{n}"
            );
        }
        assert_eq!(push(&mut d, 7, &[0x5c, 0x81, 0x9a]), Ok(()));
        assert_eq!(d.poll(), None, "the fragment did not end");
        assert_eq!(d.dropped(), 7);
        assert_eq!(push(&mut d, 8, &[0x41, 0x9a]), Ok(()));
        assert!(d.poll().is_some_and(|u| u.follows_loss));
    }

    #[test]
    fn what_is_not_polled_gives_way() {
        let mut d = Depacketizer::new(10);
        for n in 0..6 {
            d.push(ExtSeq(n), MediaTime(n as u32), true, &[0x41, 0x9a])
                .unwrap();
        }
        assert_eq!(d.dropped(), 2);
        let first = d.poll().unwrap();
        assert_eq!((first.timestamp, first.follows_loss), (MediaTime(2), true));
        assert!(!d.poll().unwrap().follows_loss);
    }

    proptest! {
        /// Whatever is lost, what comes out is whole, and all that lost nothing comes out.
        #[test]
        fn units_are_whole_or_absent(
            sizes in proptest::collection::vec((2usize..4000, any::<bool>()), 1..20),
            losses in proptest::collection::vec(0u8..100, 64),
            rate in 0u8..30,
        ) {
            let mut d = Depacketizer::new(10_000);
            let mut seq = 0u64;
            let (mut expected, mut got) = (Vec::new(), Vec::new());
            for (i, (size, key)) in sizes.iter().enumerate() {
                let idr = slice(0x65, *size);
                let mut second = slice(0x41, 2 + size / 2);
                second[1] = 0x1a; // begins at a later macroblock
                let data = if *key {
                    unit(&[&[0x67, 1], &[0x68, 2], &idr])
                } else {
                    unit(&[&slice(0x41, *size), &second])
                };
                let mut lost = Vec::new();
                for (n, (marker, payload)) in packets(500, &data).iter().enumerate() {
                    if losses[seq as usize % losses.len()] < rate {
                        lost.push(n);
                    } else {
                        let result = d.push(ExtSeq(seq), MediaTime(i as u32), *marker, payload);
                        prop_assert!(matches!(result, Ok(()) | Err(DepacketizeError::Incomplete)));
                    }
                    seq += 1;
                }
                match lost[..] {
                    [] => expected.push((i as u32, data)),
                    // Parameter sets alone are not missed: the decoder has had them.
                    [0] if *key => expected.push((i as u32, unit(&[&idr]))),
                    _ => {}
                }
                while let Some(u) = d.poll() { got.push((u.timestamp.0, u.data)); }
            }
            prop_assert_eq!(got, expected);
        }

        #[test]
        fn no_payload_panics(
            packets in proptest::collection::vec(
                (0u64..3, 0u32..3, any::<bool>(),
                 prop_oneof![Just(0x41u8), Just(24), Just(28), any::<u8>()],
                 proptest::collection::vec(any::<u8>(), 0..20)), 0..50)
        ) {
            let mut d = Depacketizer::new(100);
            let mut seq = 0;
            for (step, ts, marker, head, mut payload) in packets {
                seq += step;
                if let Some(first) = payload.first_mut() { *first = head; }
                let _ = d.push(ExtSeq(seq), MediaTime(ts), marker, &payload);
                if let Some(u) = d.poll() {
                    prop_assert!(u.data.starts_with(&START_CODE) && u.data.len() <= 100);
                }
            }
        }
    }
}
