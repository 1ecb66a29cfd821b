//! Receiver estimated maximum bitrate (draft-alvestrand-rmcat-remb-03 section 2.2), received only.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |  sender SSRC, media SSRC (0), then "REMB"                     |
//! |   Num SSRC    | BR Exp    |  BR Mantissa                      |
//! |   SSRC feedback ...                                           |
//! ```

use super::feedback::sources;
use crate::id::Ssrc;

/// REMB.
#[derive(Clone, Copy, Debug)]
pub struct Remb<'a> {
    /// Who estimates.
    pub sender: Ssrc,
    /// The estimate for all the sources together, bits a second.
    pub bitrate_bps: u64,
    sources: &'a [[u8; 4]],
}

impl<'a> Remb<'a> {
    pub(super) fn is_remb(body: &[u8]) -> bool {
        body.get(8..12) == Some(b"REMB")
    }

    pub(super) fn parse(body: &'a [u8]) -> Option<Self> {
        let (sender, _, fci) = sources(body)?;
        let (_, rest) = fci.split_first_chunk::<4>()?;
        let ([count, b0, b1, b2], list) = rest.split_first_chunk()?;
        let mantissa = u64::from(u32::from_be_bytes([0, b0 & 0x03, *b1, *b2]));
        // The exponent has six bits: a hostile one saturates.
        let bitrate_bps = mantissa.saturating_mul(1 << (b0 >> 2));
        Some(Self {
            sender,
            bitrate_bps,
            sources: list.as_chunks().0.get(..usize::from(*count))?,
        })
    }

    /// The sources that the estimate covers.
    pub fn sources(&self) -> impl ExactSizeIterator<Item = Ssrc> + use<'a> {
        self.sources.iter().map(|b| Ssrc(u32::from_be_bytes(*b)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::{Packet, Packets};

    fn remb(exp_mantissa: [u8; 3], count: u8) -> [u8; 24] {
        let [a, b, c] = exp_mantissa;
        [
            0x8f, 206, 0, 5, 0, 0, 0, 1, 0, 0, 0, 0, b'R', b'E', b'M', b'B', //
            count, a, b, c, 0, 0, 0, 9,
        ]
    }

    #[test]
    fn mantissa_and_exponent() {
        for (bytes, bps) in [
            ([0x00, 0x03, 0xe8], 1000),
            ([0x0b, 0xff, 0xff], 0x3ffff << 2),
            ([0xff, 0xff, 0xff], u64::MAX),
        ] {
            let bytes = remb(bytes, 1);
            match Packets::parse(&bytes).unwrap().next() {
                Some(Packet::Remb(r)) => {
                    assert_eq!(r.bitrate_bps, bps);
                    assert!(r.sources().eq([Ssrc(9)]));
                }
                other => panic!("{other:?}"),
            }
        }
        assert!(Packets::parse(&remb([0; 3], 2)).is_err());
    }

    #[test]
    fn other_application_feedback_is_unknown() {
        let mut bytes = remb([0; 3], 1);
        bytes[12] = b'X';
        assert!(matches!(
            Packets::parse(&bytes).unwrap().next(),
            Some(Packet::Unknown {
                packet_type: 206,
                format: 15
            })
        ));
    }
}
