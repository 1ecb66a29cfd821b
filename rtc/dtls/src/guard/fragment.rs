//! Handshake fragments (RFC 6347 section 4.2.2).
//!
//! ```text
//! struct {
//!     HandshakeType msg_type;      1 byte
//!     uint24 length;
//!     uint16 message_seq;
//!     uint24 fragment_offset;
//!     uint24 fragment_length;
//! ```

use crate::guard::reader::Reader;
use crate::guard::record::{MAX_RECORD, RECORD_HEADER};

/// Bytes of a fragment's header.
pub(crate) const FRAGMENT_HEADER: usize = 12;
/// Longest handshake message taken: it must fit in one record. ClientHellos
/// with post-quantum key shares have 1.5 KB, certificates seldom more than 2.
pub(crate) const MAX_MESSAGE: usize = MAX_RECORD - RECORD_HEADER - FRAGMENT_HEADER;

/// One fragment of a handshake message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fragment<'a> {
    pub(crate) kind: u8,
    pub(crate) message_len: usize,
    pub(crate) message_seq: u16,
    pub(crate) offset: usize,
    pub(crate) data: &'a [u8],
}

/// Takes the fragment at the front of a record's body off it; `None` when it
/// does not lie inside its message or its record, or its message is too long.
pub(crate) fn take_fragment<'a>(body: &mut &'a [u8]) -> Option<Fragment<'a>> {
    let mut reader = Reader(body);
    let kind = reader.u8()?;
    let message_len = reader.u24()?;
    let message_seq = reader.u16()?;
    let offset = reader.u24()?;
    let data = reader.vec24()?.0;
    if message_len > MAX_MESSAGE || offset + data.len() > message_len {
        return None;
    }
    // An empty piece of a message that is not empty is of no use to anybody honest.
    if data.is_empty() && message_len != 0 {
        return None;
    }
    *body = reader.0;
    Some(Fragment {
        kind,
        message_len,
        message_seq,
        offset,
        data,
    })
}

/// A whole message as a record's body.
pub(crate) fn frame_message(kind: u8, message_seq: u16, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(FRAGMENT_HEADER + body.len());
    #[allow(clippy::cast_possible_truncation)] // at most MAX_MESSAGE
    let len = (body.len() as u32).to_be_bytes();
    out.push(kind);
    out.extend_from_slice(&len[1..]);
    out.extend_from_slice(&message_seq.to_be_bytes());
    out.extend_from_slice(&[0; 3]);
    out.extend_from_slice(&len[1..]);
    out.extend_from_slice(body);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_fragments_one_by_one() {
        let body = [frame_message(11, 3, b"abc"), frame_message(14, 4, b"")].concat();
        let mut rest = body.as_slice();
        let first = take_fragment(&mut rest).unwrap();
        assert_eq!(
            (first.kind, first.message_seq, first.data),
            (11, 3, &b"abc"[..])
        );
        let second = take_fragment(&mut rest).unwrap();
        assert_eq!((second.kind, second.message_len), (14, 0));
        assert!(rest.is_empty());
    }

    #[test]
    fn refuses_fragments_outside_their_message() {
        let good = frame_message(11, 3, b"abcdef");
        for end in 0..good.len() {
            assert!(take_fragment(&mut &good[..end]).is_none(), "{end}");
        }
        let mut past_the_end = good.clone();
        past_the_end[8] = 1;
        assert!(take_fragment(&mut past_the_end.as_slice()).is_none());
        let mut too_long = good.clone();
        too_long[2] = 0x20; // 8,198 bytes
        assert!(take_fragment(&mut too_long.as_slice()).is_none());
        let empty_piece = [&good[..9], &[0, 0, 0]].concat();
        assert!(take_fragment(&mut empty_piece.as_slice()).is_none());
    }
}
