//! A track's RTP header, written once and filled in for each packet.

use alloc::vec::Vec;

use super::sealer::{MAX_HEADER, Plain};
use crate::id::Ssrc;

/// Where the transport-wide number stands in a header that has one: behind the
/// fixed header, the extension's head and the element's.
const TRANSPORT_SEQ_AT: usize = 12 + 4 + 1;

/// A header but for marker, number, timestamp and transport-wide number.
#[derive(Debug)]
pub(super) struct HeaderTemplate {
    pub(super) bytes: [u8; MAX_HEADER],
    /// Zero in one that is not for any packet.
    pub(super) len: usize,
    /// The first element is the transport-wide number.
    pub(super) has_transport_seq: bool,
    pub(super) ssrc: Ssrc,
    /// The id that the playout delay is told under.
    pub(super) playout_delay: Option<u8>,
}

impl HeaderTemplate {
    /// One that is not for any packet.
    pub(super) const fn empty() -> Self {
        Self {
            bytes: [0; MAX_HEADER],
            len: 0,
            has_transport_seq: false,
            ssrc: Ssrc(0),
            playout_delay: None,
        }
    }

    /// Whether it is the header of `plain`, with these extensions.
    pub(super) fn is_for(&self, plain: &Plain<'_>, playout_delay: Option<u8>) -> bool {
        self.len > 0
            && self.ssrc == plain.ssrc
            && self.playout_delay == playout_delay
            && self.has_transport_seq == plain.transport_seq.is_some()
    }

    /// Appends the header of `plain` to `buf`.
    pub(super) fn push(&self, plain: &Plain<'_>, buf: &mut Vec<u8>) {
        let start = buf.len();
        buf.extend_from_slice(self.bytes.get(..self.len).unwrap_or_default());
        let header = buf.get_mut(start..).unwrap_or_default();
        if let Some([_, second, s0, s1, t0, t1, t2, t3, ..]) = header.first_chunk_mut::<12>() {
            *second = (u8::from(plain.marker) << 7) | plain.pt.get();
            [*s0, *s1] = plain.seq.0.to_be_bytes();
            [*t0, *t1, *t2, *t3] = plain.timestamp.0.to_be_bytes();
        }
        if let Some(seq) = plain.transport_seq
            && let Some(place) = header.get_mut(TRANSPORT_SEQ_AT..TRANSPORT_SEQ_AT + 2)
        {
            place.copy_from_slice(&seq.0.to_be_bytes());
        }
    }
}
