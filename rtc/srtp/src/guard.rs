//! Shape of RTP and RTCP packets, checked before any cipher sees them.

use transom_rtc_proto::id::{SeqNo, Ssrc};
use transom_rtc_proto::port::SrtpError;

/// The fixed RTP header (RFC 3550 section 5.1).
const RTP_FIXED: usize = 12;
/// RTCP's header and the sender's SSRC: what SRTCP leaves in the clear.
const RTCP_CLEAR: usize = 8;
/// `0xBEDE`: one-byte header extension elements (RFC 8285 section 4.2).
const ONE_BYTE_PROFILE: u16 = 0xbede;
/// `0x100` and four application bits: two-byte elements (section 4.3).
const TWO_BYTE_PROFILE: u16 = 0x1000;

/// What SRTP needs to know of an RTP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RtpShape {
    pub(crate) ssrc: Ssrc,
    pub(crate) seq: SeqNo,
    /// Everything that stays in the clear.
    pub(crate) header_len: usize,
}

/// What SRTP needs to know of a protected RTCP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SrtcpShape {
    pub(crate) ssrc: Ssrc,
    pub(crate) index: u32,
}

/// Checks the header of an RTP packet and that `overhead` bytes follow it.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |V=2|P|X|  CC   |M|     PT      |       sequence number         |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                           timestamp                           |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                             SSRC                              |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
pub(crate) fn validate_rtp(packet: &[u8], overhead: usize) -> Result<RtpShape, SrtpError> {
    let fixed: &[u8; RTP_FIXED] = packet.first_chunk().ok_or(SrtpError::Malformed)?;
    if fixed[0] >> 6 != 2 {
        return Err(SrtpError::Malformed);
    }
    let csrc_count = usize::from(fixed[0] & 0x0f);
    let mut header_len = RTP_FIXED + 4 * csrc_count;
    if fixed[0] & 0x10 != 0 {
        let extension = packet.get(header_len..).ok_or(SrtpError::Malformed)?;
        header_len += 4 + extension_body(extension)?.len();
    }
    if packet.len() < header_len + overhead {
        return Err(SrtpError::Malformed);
    }
    Ok(RtpShape {
        ssrc: Ssrc(u32::from_be_bytes([
            fixed[8], fixed[9], fixed[10], fixed[11],
        ])),
        seq: SeqNo(u16::from_be_bytes([fixed[2], fixed[3]])),
        header_len,
    })
}

/// The extension's elements, each of which lies inside it.
fn extension_body(extension: &[u8]) -> Result<&[u8], SrtpError> {
    let (header, rest) = extension
        .split_first_chunk::<4>()
        .ok_or(SrtpError::Malformed)?;
    let profile = u16::from_be_bytes([header[0], header[1]]);
    let words = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let body = rest.get(..4 * words).ok_or(SrtpError::Malformed)?;

    let two_byte = profile & 0xfff0 == TWO_BYTE_PROFILE;
    if profile != ONE_BYTE_PROFILE && !two_byte {
        return Ok(body); // RFC 3550 section 5.3.1: opaque
    }
    let mut at = 0;
    while let Some(&first) = body.get(at) {
        if first == 0 {
            at += 1; // padding
        } else if two_byte {
            let len = *body.get(at + 1).ok_or(SrtpError::Malformed)?;
            at += 2 + usize::from(len);
        } else if first >> 4 == 15 {
            break; // section 4.2: ID 15 ends the elements
        } else {
            at += 2 + usize::from(first & 0x0f);
        }
        if at > body.len() {
            return Err(SrtpError::Malformed);
        }
    }
    Ok(body)
}

/// Checks an RTCP packet of ours before it is sealed.
pub(crate) fn validate_rtcp(packet: &[u8]) -> Result<Ssrc, SrtpError> {
    let clear: &[u8; RTCP_CLEAR] = packet.first_chunk().ok_or(SrtpError::Malformed)?;
    let words = usize::from(u16::from_be_bytes([clear[2], clear[3]]));
    let well_formed = clear[0] >> 6 == 2
        && (192..=223).contains(&clear[1]) // RFC 5761 section 4
        && packet.len().is_multiple_of(4)
        && 4 * (words + 1) <= packet.len();
    if !well_formed {
        return Err(SrtpError::Malformed);
    }
    Ok(Ssrc(u32::from_be_bytes([
        clear[4], clear[5], clear[6], clear[7],
    ])))
}

/// Checks a protected RTCP packet, whose tag is `tag_len` bytes long and stands
/// behind the index in counter mode, before it in an AEAD (RFC 7714 section 9.3).
pub(crate) fn validate_srtcp(
    packet: &[u8],
    tag_len: usize,
    tag_is_last: bool,
) -> Result<SrtcpShape, SrtpError> {
    let plain_len = packet
        .len()
        .checked_sub(tag_len + 4)
        .ok_or(SrtpError::Malformed)?;
    let ssrc = validate_rtcp(packet.get(..plain_len).ok_or(SrtpError::Malformed)?)?;
    let index_at = if tag_is_last {
        plain_len
    } else {
        plain_len + tag_len
    };
    let word: &[u8; 4] = packet
        .get(index_at..)
        .and_then(<[u8]>::first_chunk)
        .ok_or(SrtpError::Malformed)?;
    let word = u32::from_be_bytes(*word);
    // RFC 5764 has no profile without encryption: a clear E bit is a forgery.
    if word >> 31 == 0 {
        return Err(SrtpError::Malformed);
    }
    Ok(SrtcpShape {
        ssrc,
        index: word & 0x7fff_ffff,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rtp(first: u8, rest: &[u8]) -> Vec<u8> {
        let mut packet = vec![first, 96, 0x12, 0x34, 0, 0, 0, 1, 0xca, 0xfe, 0xba, 0xbe];
        packet.extend_from_slice(rest);
        packet
    }

    #[test]
    fn takes_a_plain_header() {
        let shape = validate_rtp(&rtp(0x80, &[0; 10]), 10).unwrap();
        assert_eq!(shape.ssrc, Ssrc(0xcafe_babe));
        assert_eq!(shape.seq, SeqNo(0x1234));
        assert_eq!(shape.header_len, 12);
        assert_eq!(
            validate_rtp(&rtp(0x80, &[0; 9]), 10),
            Err(SrtpError::Malformed)
        );
    }

    #[test]
    fn counts_sources_and_extension_into_the_header() {
        let one_byte = [0xbe, 0xde, 0, 2, 0x10, 0xaa, 0x31, 1, 2, 0, 0, 0];
        let shape = validate_rtp(&rtp(0x90, &one_byte), 0).unwrap();
        assert_eq!(shape.header_len, 24);

        let with_csrc = [&[9; 8][..], &[0x10, 0x00, 0, 1, 7, 1, 0xff, 0]].concat();
        let shape = validate_rtp(&rtp(0x92, &with_csrc), 0).unwrap();
        assert_eq!(shape.header_len, 28);
    }

    #[test]
    fn id_15_ends_the_elements() {
        let shape = validate_rtp(&rtp(0x90, &[0xbe, 0xde, 0, 1, 0xff, 1, 2, 3]), 0).unwrap();
        assert_eq!(shape.header_len, 20);
    }

    #[test]
    fn refuses_headers_that_do_not_hold_together() {
        for (what, packet) in [
            ("empty", vec![]),
            ("version 1", rtp(0x40, &[0; 20])),
            ("sources cut off", rtp(0x8f, &[0; 20])),
            ("extension header cut off", rtp(0x90, &[0xbe, 0xde, 0])),
            (
                "extension cut off",
                rtp(0x90, &[0xbe, 0xde, 0, 2, 0x10, 0, 0, 0]),
            ),
            (
                "one-byte element overruns",
                rtp(0x90, &[0xbe, 0xde, 0, 1, 0x1f, 0, 0, 0]),
            ),
            (
                "two-byte length missing",
                rtp(0x90, &[0x10, 0, 0, 1, 0, 0, 0, 5]),
            ),
            (
                "two-byte element overruns",
                rtp(0x90, &[0x10, 0, 0, 1, 5, 200, 0, 0]),
            ),
        ] {
            assert_eq!(
                validate_rtp(&packet, 0),
                Err(SrtpError::Malformed),
                "{what}"
            );
        }
    }

    #[test]
    fn no_prefix_of_anything_gets_past_its_end() {
        let whole = rtp(
            0x92,
            &[&[9; 8][..], &[0xbe, 0xde, 0, 1, 0x12, 1, 2, 3]].concat(),
        );
        for end in 0..whole.len() {
            assert!(validate_rtp(&whole[..end], 0).is_err(), "{end}");
        }
    }

    #[test]
    fn srtcp_is_long_enough_aligned_and_encrypted() {
        let rr = [0x80, 201, 0, 1, 0, 0, 0, 7];
        let counter_mode = [&rr[..], &[0x80, 0, 0, 3], &[0; 10]].concat();
        let shape = validate_srtcp(&counter_mode, 10, true).unwrap();
        assert_eq!((shape.ssrc, shape.index), (Ssrc(7), 3));
        let aead = [&rr[..], &[0; 16], &[0x80, 0, 0, 4]].concat();
        assert_eq!(validate_srtcp(&aead, 16, false).unwrap().index, 4);

        let clear = [&rr[..], &[0x00, 0, 0, 3], &[0; 10]].concat();
        assert_eq!(validate_srtcp(&clear, 10, true), Err(SrtpError::Malformed));
        for end in 0..counter_mode.len() {
            assert!(validate_srtcp(&counter_mode[..end], 10, true).is_err());
        }
        for end in 0..aead.len() {
            assert!(validate_srtcp(&aead[..end], 16, false).is_err());
        }
    }
}
