//! What an RTP payload begins (RFC 6184 section 5.2), without reassembly.

use super::nal::NalType;
use super::{FU_A, FU_START, STAP_A, TYPE_MASK};

/// Whether a decoder that has nothing yet can begin with this payload: it
/// holds an SPS.
///
/// An IDR slice alone is no beginning: without its parameter sets, which
/// senders put before each IDR picture, nothing of it can be decoded.
pub fn is_key_frame_start(payload: &[u8]) -> bool {
    Nals::new(payload).any(|(kind, _)| kind == NalType::Sps)
}

/// Whether this payload is the first of an access unit, as far as it tells by
/// itself: delimiter, parameter sets and SEI come before the first slice
/// (ITU-T H.264 section 7.4.1.2.3), which begins with macroblock 0.
pub fn starts_access_unit(payload: &[u8]) -> bool {
    match Nals::new(payload).next() {
        Some((NalType::Delimiter | NalType::Sps | NalType::Pps | NalType::Sei, _)) => true,
        Some((NalType::Slice | NalType::PartitionA | NalType::Idr, body)) => begins_picture(body),
        _ => false,
    }
}

/// first_mb_in_slice is zero: as ue(v), a single one bit.
fn begins_picture(slice_body: &[u8]) -> bool {
    slice_body.first().is_some_and(|b| b & 0x80 != 0)
}

/// The NAL units that begin in a payload: kind and what follows the header.
struct Nals<'a> {
    rest: &'a [u8],
    aggregated: bool,
}

impl<'a> Nals<'a> {
    fn new(payload: &'a [u8]) -> Self {
        match payload.split_first() {
            Some((head, rest)) if head & TYPE_MASK == STAP_A => Self {
                rest,
                aggregated: true,
            },
            _ => Self {
                rest: payload,
                aggregated: false,
            },
        }
    }
}

impl<'a> Iterator for Nals<'a> {
    type Item = (NalType, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        if self.aggregated {
            let (nal, rest) = next_aggregated(self.rest)?;
            self.rest = rest;
            let (header, body) = nal.split_first()?;
            return Some((NalType::of_header(*header), body));
        }
        match core::mem::take(&mut self.rest) {
            [indicator, fu, body @ ..] if indicator & TYPE_MASK == FU_A => {
                (fu & FU_START != 0).then_some((NalType::of_header(*fu), body))
            }
            [header, body @ ..] => Some((NalType::of_header(*header), body)),
            [] => None,
        }
    }
}

/// The next NAL unit of a STAP-A, and what follows it (section 5.7.1).
pub(super) fn next_aggregated(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (size, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*size)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn key_frames_in_every_structure() {
        for (payload, key, unit) in [
            (&[0x67, 0x42][..], true, true),                      // SPS alone
            (&[0x68, 0xce], false, true),                         // PPS alone
            (&[0x65, 0x88], false, true),                         // IDR, macroblock 0
            (&[0x65, 0x08], false, false),                        // IDR, a later slice
            (&[0x41, 0x9a], false, true),                         // P, macroblock 0
            (&[0x41, 0x1a], false, false),                        // P, a later slice
            (&[0x78, 0, 2, 0x67, 0x42, 0, 1, 0x68], true, true),  // STAP-A of SPS, PPS
            (&[0x78, 0, 1, 0x68, 0, 2, 0x65, 0x88], false, true), // STAP-A of PPS, IDR
            (&[0x78, 0, 1, 0x06], false, true),                   // STAP-A of SEI
            (&[0x78, 0, 9, 0x67], false, false),                  // its length is wrong
            (&[0x7c, 0x85, 0x88], false, true),                   // FU-A, first of an IDR
            (&[0x7c, 0x05, 0x88], false, false),                  // FU-A, middle
            (&[0x7c, 0x45, 0x88], false, false),                  // FU-A, last
            (&[0x5c, 0x81, 0x9a], false, true),                   // FU-A, first of a P
            (&[0x7c], false, false),
            (&[0x65], false, false),
            (&[], false, false),
        ] {
            assert_eq!(is_key_frame_start(payload), key, "{payload:x?}");
            assert_eq!(starts_access_unit(payload), unit, "{payload:x?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(kind in 0u8..32, mut payload: std::vec::Vec<u8>) {
            if let Some(head) = payload.first_mut() { *head = kind; }
            let known = is_key_frame_start(&payload) || starts_access_unit(&payload);
            prop_assert!(!known || !payload.is_empty());
        }
    }
}
