//! The RTP header (RFC 3550 section 5.1).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |V=2|P|X|  CC   |M|     PT      |       sequence number         |
//! |                           timestamp                           |
//! |                             SSRC                              |
//! |                       CSRCs, 4 bytes each                     |
//! | if X:     profile             |   length in 32-bit words      |
//! |           extension elements ...                              |
//! ```

use crate::id::{MediaTime, Pt, SeqNo, Ssrc};

use super::extension;

/// Length of the header without CSRCs and extension, bytes.
pub const FIXED_HEADER_LEN: usize = 12;

/// Why bytes are not an RTP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum RtpError {
    /// The header runs past the end of the packet.
    #[error("RTP header runs past the packet's end")]
    Truncated,
    /// The version is not 2.
    #[error("RTP version is not 2")]
    Version,
    /// An extension element runs past the extension, or has a reserved form.
    #[error("malformed RTP header extension")]
    Extension,
    /// The padding count is zero or larger than the payload.
    #[error("invalid RTP padding count")]
    Padding,
}

/// The parsed header. It borrows nothing, so the packet may be opened in place after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtpHeader {
    /// The marker bit: the last packet of a video frame.
    pub marker: bool,
    /// Payload type.
    pub pt: Pt,
    /// Sequence number.
    pub seq: SeqNo,
    /// Sampling instant of the payload, in the codec's clock.
    pub timestamp: MediaTime,
    /// The stream's source.
    pub ssrc: Ssrc,
    /// Whether the padding bit is set.
    pub padding: bool,
    /// Fixed header, CSRCs and extension together, bytes.
    pub header_len: usize,
    /// The header extension, if there is one.
    pub extension: Option<ExtensionBlock>,
}

/// Where the elements of a header extension lie in the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtensionBlock {
    /// "Defined by profile": 0xBEDE for the one-byte form, 0x100x for the two-byte form.
    pub profile: u16,
    /// First byte of the elements.
    pub start: usize,
    /// One past the last byte of the elements.
    pub end: usize,
}

/// Checks and parses the header of a packet whose payload may still be sealed.
///
/// Strict, because what comes after this trusts it: version, CSRC count,
/// extension length and each extension element are inside the packet. The
/// padding count is ciphertext at this point and is not looked at.
pub fn validate_header(packet: &[u8]) -> Result<RtpHeader, RtpError> {
    let fixed: &[u8; FIXED_HEADER_LEN] = packet.first_chunk().ok_or(RtpError::Truncated)?;
    let [v, m, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3] = *fixed;
    if v >> 6 != 2 {
        return Err(RtpError::Version);
    }
    let mut header_len = FIXED_HEADER_LEN + 4 * usize::from(v & 0x0f);
    if packet.len() < header_len {
        return Err(RtpError::Truncated);
    }
    let mut extension = None;
    if v & 0x10 != 0 {
        let after = packet.get(header_len..).unwrap_or_default();
        let [p0, p1, l0, l1] = *after.first_chunk::<4>().ok_or(RtpError::Truncated)?;
        let start = header_len + 4;
        let end = start + 4 * usize::from(u16::from_be_bytes([l0, l1]));
        let profile = u16::from_be_bytes([p0, p1]);
        let elements = packet.get(start..end).ok_or(RtpError::Truncated)?;
        extension::check(profile, elements)?;
        extension = Some(ExtensionBlock {
            profile,
            start,
            end,
        });
        header_len = end;
    }
    Ok(RtpHeader {
        marker: m & 0x80 != 0,
        pt: Pt::from_low_bits(m),
        seq: SeqNo(u16::from_be_bytes([s0, s1])),
        timestamp: MediaTime(u32::from_be_bytes([t0, t1, t2, t3])),
        ssrc: Ssrc(u32::from_be_bytes([c0, c1, c2, c3])),
        padding: v & 0x20 != 0,
        header_len,
        extension,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIXED: [u8; 12] = [0x80, 0xe0, 0x12, 0x34, 0, 0, 0, 9, 0xca, 0xfe, 0xba, 0xbe];

    #[test]
    fn the_fixed_header() {
        let header = validate_header(&FIXED).unwrap();
        assert_eq!(
            header,
            RtpHeader {
                marker: true,
                pt: Pt::from_low_bits(96),
                seq: SeqNo(0x1234),
                timestamp: MediaTime(9),
                ssrc: Ssrc(0xcafe_babe),
                padding: false,
                header_len: 12,
                extension: None,
            }
        );
    }

    #[test]
    fn every_truncation_is_refused() {
        let mut packet = std::vec::Vec::from(FIXED);
        packet[0] = 0x92; // X, two CSRCs
        packet.extend_from_slice(&[0; 8]);
        packet.extend_from_slice(&[0xbe, 0xde, 0, 1, 0x10, 0x55, 0, 0]);
        assert_eq!(validate_header(&packet).map(|h| h.header_len), Ok(28));
        for len in 0..packet.len() {
            assert_eq!(
                validate_header(&packet[..len]),
                Err(RtpError::Truncated),
                "{len}"
            );
        }
    }

    #[test]
    fn other_versions_are_refused() {
        for v in [0x00, 0x40, 0xc0] {
            let mut packet = FIXED;
            packet[0] = v;
            assert_eq!(validate_header(&packet), Err(RtpError::Version));
        }
    }
}
