//! Writing RTP headers into a caller's buffer, without allocation.

use crate::id::{MediaTime, Pt, SeqNo, Ssrc};

use super::header::FIXED_HEADER_LEN;

/// The fields that a sender decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtpHeaderFields {
    /// The marker bit.
    pub marker: bool,
    /// Payload type.
    pub pt: Pt,
    /// Sequence number.
    pub seq: SeqNo,
    /// Timestamp.
    pub timestamp: MediaTime,
    /// Source.
    pub ssrc: Ssrc,
}

/// Why a packet could not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum RtpWriteError {
    /// The buffer does not hold the header.
    #[error("buffer too small for the RTP header")]
    BufferTooSmall,
    /// An extension's ID is not 1 to 14, or its value not 1 to 16 bytes long.
    #[error("extension does not fit the one-byte form")]
    Extension,
    /// The packet cannot be padded to the asked length.
    #[error("RTP padding must be 1 to 255 bytes on an unpadded packet")]
    Padding,
}

/// Writes a header with `extensions` (ID, value) in the one-byte form of RFC
/// 8285 section 4.2, and returns its length. The payload follows at that offset.
pub fn write_header(
    buf: &mut [u8],
    fields: &RtpHeaderFields,
    extensions: &[(u8, &[u8])],
) -> Result<usize, RtpWriteError> {
    let (fixed, rest) = buf
        .split_first_chunk_mut::<FIXED_HEADER_LEN>()
        .ok_or(RtpWriteError::BufferTooSmall)?;
    *fixed = fixed_header(0x80, fields);
    if extensions.is_empty() {
        return Ok(FIXED_HEADER_LEN);
    }
    fixed[0] |= 0x10;

    let (head, elements) = rest
        .split_first_chunk_mut::<4>()
        .ok_or(RtpWriteError::BufferTooSmall)?;
    let mut at = 0;
    for (id, value) in extensions {
        // The length field holds one less than the length.
        let len_field = match value.len() {
            len @ 1..=16 => (len - 1) as u8,
            _ => return Err(RtpWriteError::Extension),
        };
        if !matches!(id, 1..=14) {
            return Err(RtpWriteError::Extension);
        }
        let (first, target) = elements
            .get_mut(at..at + 1 + value.len())
            .and_then(<[u8]>::split_first_mut)
            .ok_or(RtpWriteError::BufferTooSmall)?;
        *first = (id << 4) | len_field;
        target.copy_from_slice(value);
        at += 1 + value.len();
    }
    let padded = at.next_multiple_of(4);
    elements
        .get_mut(at..padded)
        .ok_or(RtpWriteError::BufferTooSmall)?
        .fill(0);
    let words = u16::try_from(padded / 4).map_err(|_| RtpWriteError::Extension)?;
    let [w0, w1] = words.to_be_bytes();
    *head = [0xbe, 0xde, w0, w1];
    Ok(FIXED_HEADER_LEN + 4 + padded)
}

/// Replaces the fields of the packet in `buf`, keeping its padding bit, CSRCs
/// and extension: what a forwarder does to a copy for one subscriber.
pub fn rewrite_header(buf: &mut [u8], fields: &RtpHeaderFields) -> Result<(), RtpWriteError> {
    let fixed = buf
        .first_chunk_mut::<FIXED_HEADER_LEN>()
        .ok_or(RtpWriteError::BufferTooSmall)?;
    *fixed = fixed_header(fixed[0], fields);
    Ok(())
}

/// Pads the packet `buf[..len]` to `target` bytes (RFC 3550 section 5.1), so
/// that packets of one batch are of equal size. Returns `target`.
pub fn pad(buf: &mut [u8], len: usize, target: usize) -> Result<usize, RtpWriteError> {
    let count = target
        .checked_sub(len)
        .and_then(|n| u8::try_from(n).ok())
        .filter(|n| *n > 0)
        .ok_or(RtpWriteError::Padding)?;
    if len < FIXED_HEADER_LEN || buf.first().is_none_or(|v| v & 0x20 != 0) {
        return Err(RtpWriteError::Padding);
    }
    let (last, zeros) = buf
        .get_mut(len..target)
        .and_then(<[u8]>::split_last_mut)
        .ok_or(RtpWriteError::BufferTooSmall)?;
    zeros.fill(0);
    *last = count;
    if let Some(v) = buf.first_mut() {
        *v |= 0x20;
    }
    Ok(target)
}

fn fixed_header(first: u8, f: &RtpHeaderFields) -> [u8; FIXED_HEADER_LEN] {
    let [s0, s1] = f.seq.0.to_be_bytes();
    let [t0, t1, t2, t3] = f.timestamp.0.to_be_bytes();
    let [c0, c1, c2, c3] = f.ssrc.0.to_be_bytes();
    let m = (u8::from(f.marker) << 7) | f.pt.get();
    [first, m, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use std::vec::Vec;

    use super::*;
    use crate::rtp::{RtpPacket, validate_header};

    const FIELDS: RtpHeaderFields = RtpHeaderFields {
        marker: true,
        pt: Pt::from_low_bits(111),
        seq: SeqNo(0xfffe),
        timestamp: MediaTime(0x0102_0304),
        ssrc: Ssrc(0xa0b0_c0d0),
    };

    #[test]
    fn writes_the_bytes_of_the_rfc() {
        let mut buf = [0xff; 24];
        let len = write_header(&mut buf, &FIELDS, &[(5, &[9, 8]), (1, b"0")]);
        assert_eq!(len, Ok(24));
        assert_eq!(
            buf,
            [
                0x90, 0xef, 0xff, 0xfe, 1, 2, 3, 4, 0xa0, 0xb0, 0xc0, 0xd0, //
                0xbe, 0xde, 0, 2, 0x51, 9, 8, 0x10, b'0', 0, 0, 0
            ]
        );
    }

    #[test]
    fn unfit_extensions_and_buffers_are_refused() {
        let mut buf = [0; 64];
        for ext in [(0, &[1][..]), (15, &[1]), (3, &[]), (3, &[0; 17])] {
            assert_eq!(
                write_header(&mut buf, &FIELDS, &[ext]),
                Err(RtpWriteError::Extension)
            );
        }
        for len in 0..20 {
            assert_eq!(
                write_header(&mut buf[..len], &FIELDS, &[(1, &[1, 2])]),
                Err(RtpWriteError::BufferTooSmall)
            );
        }
    }

    #[test]
    fn rewriting_keeps_what_is_not_named() {
        let mut buf = [0; 40];
        let len = write_header(&mut buf, &FIELDS, &[(1, &[7])]).unwrap();
        let other = RtpHeaderFields {
            marker: false,
            seq: SeqNo(4),
            ssrc: Ssrc(1),
            ..FIELDS
        };
        rewrite_header(&mut buf, &other).unwrap();
        let p = RtpPacket::parse(&buf).unwrap();
        assert_eq!(p.header().header_len, len);
        assert_eq!((p.header().seq, p.header().ssrc), (SeqNo(4), Ssrc(1)));
        assert_eq!(p.extension(1), Some(&[7][..]));
    }

    #[test]
    fn padding_reaches_the_target_once() {
        let mut buf = [0xff; 300];
        let start = write_header(&mut buf, &FIELDS, &[]).unwrap();
        buf[start] = 42;
        assert_eq!(pad(&mut buf, start + 1, 20), Ok(20));
        assert_eq!(RtpPacket::parse(&buf[..20]).unwrap().payload(), &[42]);
        assert_eq!(pad(&mut buf, 20, 24), Err(RtpWriteError::Padding));
        assert_eq!(pad(&mut buf, 20, 20), Err(RtpWriteError::Padding));
        write_header(&mut buf, &FIELDS, &[]).unwrap();
        assert_eq!(pad(&mut buf, 13, 13 + 256), Err(RtpWriteError::Padding));
        assert_eq!(pad(&mut buf, 13, 13 + 255), Ok(268));
        assert_eq!(pad(&mut buf[..20], 13, 21), Err(RtpWriteError::Padding));
    }

    proptest! {
        #[test]
        fn what_is_written_parses_back(
            marker: bool, pt in 0u8..128, seq: u16, timestamp: u32, ssrc: u32,
            exts in proptest::collection::vec(
                (1u8..15, proptest::collection::vec(any::<u8>(), 1..17)), 0..8),
            payload in proptest::collection::vec(any::<u8>(), 0..64),
        ) {
            let fields = RtpHeaderFields {
                marker, pt: Pt::from_low_bits(pt), seq: SeqNo(seq),
                timestamp: MediaTime(timestamp), ssrc: Ssrc(ssrc),
            };
            let exts: Vec<(u8, &[u8])> = exts.iter().map(|(id, v)| (*id, v.as_slice())).collect();
            let mut buf = [0xaa; 512];
            let start = write_header(&mut buf, &fields, &exts).unwrap();
            let end = start + payload.len();
            buf[start..end].copy_from_slice(&payload);
            let p = RtpPacket::parse(&buf[..end]).unwrap();
            let h = p.header();
            prop_assert_eq!((h.marker, h.pt, h.seq), (marker, fields.pt, fields.seq));
            prop_assert_eq!((h.timestamp, h.ssrc), (fields.timestamp, fields.ssrc));
            prop_assert_eq!(p.extensions().collect::<Vec<_>>(), exts);
            prop_assert_eq!(p.payload(), payload.as_slice());
        }

        #[test]
        fn no_bytes_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..96), x: bool) {
            // Most random bytes fail at the version; steer them past it.
            if let Some(v) = bytes.first_mut() { *v = (*v & 0x3f) | 0x80; }
            if x && bytes.len() > 16 { bytes[0] = 0x90; bytes[12..16].copy_from_slice(&[0xbe, 0xde, 0, 4]); }
            if let Ok(h) = validate_header(&bytes) {
                prop_assert!(h.header_len <= bytes.len());
            }
            if let Ok(p) = RtpPacket::parse(&bytes) {
                let total: usize = p.extensions().map(|(_, v)| v.len()).sum();
                prop_assert!(p.header().header_len + p.payload().len() <= bytes.len());
                prop_assert!(total <= bytes.len());
            }
        }
    }
}
