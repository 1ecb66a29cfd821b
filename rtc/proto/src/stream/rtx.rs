//! Retransmission payload format (RFC 4588 section 4).
//!
//! ```text
//! |  RTP header of the RTX stream  |
//! | OSN: original sequence number  |  two bytes
//! |  original payload ...          |
//! ```

use crate::id::SeqNo;

/// Bytes that the format adds to a payload.
pub const OVERHEAD: usize = 2;

/// Writes the repair of packet `original` to the front of `out`; its length,
/// or `None` where `out` is too small.
pub fn encapsulate(original: SeqNo, payload: &[u8], out: &mut [u8]) -> Option<usize> {
    let (osn, rest) = out.split_first_chunk_mut::<OVERHEAD>()?;
    rest.get_mut(..payload.len())?.copy_from_slice(payload);
    *osn = original.0.to_be_bytes();
    Some(OVERHEAD + payload.len())
}

/// The number and payload of the packet that `payload` repairs. `None` for
/// what repairs nothing: padding probes come as RTX packets without a payload.
pub fn decapsulate(payload: &[u8]) -> Option<(SeqNo, &[u8])> {
    let (osn, original) = payload.split_first_chunk::<OVERHEAD>()?;
    Some((SeqNo(u16::from_be_bytes(*osn)), original))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip() {
        let mut buf = [0; 8];
        let n = encapsulate(SeqNo(0x1234), b"abc", &mut buf).unwrap();
        assert_eq!(&buf[..n], b"\x12\x34abc");
        assert_eq!(decapsulate(&buf[..n]), Some((SeqNo(0x1234), &b"abc"[..])));
        assert_eq!(encapsulate(SeqNo(1), b"abc", &mut buf[..4]), None);
        assert_eq!(decapsulate(&[1]), None);
        assert_eq!(decapsulate(&[]), None);
    }
}
