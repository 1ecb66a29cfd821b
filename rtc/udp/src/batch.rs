use std::fmt;
use std::iter::Zip;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::slice::{ChunksExactMut, ChunksMut, Iter};

use crate::MAX_MESSAGES;

/// Buffers for many datagrams, filled by [`UdpSocket::recv`](crate::UdpSocket::recv).
pub struct RecvBatch {
    /// `capacity` buffers of `buffer_len` bytes, one after the other.
    buffers: Box<[u8]>,
    buffer_len: usize,
    messages: Box<[Message]>,
    /// How many of `messages` the last receive filled.
    filled: usize,
}

/// What arrived in one buffer: a datagram, or several of one sender that the kernel coalesced.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message {
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
    /// Bytes in the buffer; 0 for a message that was dropped.
    pub(crate) len: usize,
    /// Bytes of each datagram but the last; at least 1.
    pub(crate) segment_size: usize,
}

impl Message {
    pub(crate) const NONE: Self = Self {
        local: SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0)),
        remote: SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0)),
        len: 0,
        segment_size: 1,
    };

    fn datagrams(&self) -> usize {
        self.len.div_ceil(self.segment_size)
    }
}

impl RecvBatch {
    /// Buffer length, bytes, that holds whatever GRO may coalesce.
    pub const GRO_BUFFER: usize = 65_535;

    /// Room for `capacity` messages (1 to [`MAX_MESSAGES`]) of `buffer_len`
    /// bytes (1 to [`Self::GRO_BUFFER`]); values outside are brought inside.
    /// Longer messages are dropped and counted.
    pub fn new(capacity: usize, buffer_len: usize) -> Self {
        let capacity = capacity.clamp(1, MAX_MESSAGES);
        let buffer_len = buffer_len.clamp(1, Self::GRO_BUFFER);
        Self {
            buffers: vec![0; capacity * buffer_len].into_boxed_slice(),
            buffer_len,
            messages: vec![Message::NONE; capacity].into_boxed_slice(),
            filled: 0,
        }
    }

    /// Most messages that one receive can bring.
    pub const fn capacity(&self) -> usize {
        self.messages.len()
    }

    /// Whether the last receive filled every buffer: there is likely more to take.
    pub const fn is_full(&self) -> bool {
        self.filled == self.messages.len()
    }

    /// The datagrams of the last receive, each to be opened in place. Empty ones are left out.
    pub fn datagrams(&mut self) -> Datagrams<'_> {
        let filled = self.messages.get(..self.filled).unwrap_or_default();
        Datagrams {
            messages: filled
                .iter()
                .zip(self.buffers.chunks_exact_mut(self.buffer_len)),
            segments: <&mut [u8]>::default().chunks_mut(1),
            local: Message::NONE.local,
            remote: Message::NONE.remote,
        }
    }

    /// Forgets the last receive and lends the buffers for the next.
    pub(crate) fn buffers_mut(&mut self) -> ChunksExactMut<'_, u8> {
        self.filled = 0;
        self.buffers.chunks_exact_mut(self.buffer_len)
    }

    /// Records what came into the first buffers, in order. Returns how many datagrams that makes.
    pub(crate) fn fill(&mut self, messages: impl Iterator<Item = Message>) -> usize {
        self.filled = 0;
        let mut datagrams = 0;
        for (slot, mut message) in self.messages.iter_mut().zip(messages) {
            // Never trust a length to stay inside its buffer.
            message.len = message.len.min(self.buffer_len);
            message.segment_size = message.segment_size.max(1);
            datagrams += message.datagrams();
            *slot = message;
            self.filled += 1;
        }
        datagrams
    }
}

impl fmt::Debug for RecvBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecvBatch")
            .field("capacity", &self.capacity())
            .field("buffer_len", &self.buffer_len)
            .field("filled", &self.filled)
            .finish_non_exhaustive()
    }
}

/// One datagram in its receive buffer.
#[derive(Debug)]
pub struct Datagram<'a> {
    /// The address it came to, with the socket's port.
    pub local: SocketAddr,
    /// The address it came from.
    pub remote: SocketAddr,
    /// Its payload, never empty.
    pub payload: &'a mut [u8],
}

/// Iterator over the datagrams of a batch, in order of arrival.
#[derive(Debug)]
pub struct Datagrams<'a> {
    messages: Zip<Iter<'a, Message>, ChunksExactMut<'a, u8>>,
    segments: ChunksMut<'a, u8>,
    local: SocketAddr,
    remote: SocketAddr,
}

impl<'a> Iterator for Datagrams<'a> {
    type Item = Datagram<'a>;

    fn next(&mut self) -> Option<Datagram<'a>> {
        loop {
            if let Some(payload) = self.segments.next() {
                return Some(Datagram {
                    local: self.local,
                    remote: self.remote,
                    payload,
                });
            }
            let (message, buffer) = self.messages.next()?;
            self.local = message.local;
            self.remote = message.remote;
            self.segments = buffer
                .get_mut(..message.len)
                .unwrap_or_default()
                .chunks_mut(message.segment_size);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(len: usize, segment_size: usize) -> Message {
        Message {
            len,
            segment_size,
            ..Message::NONE
        }
    }

    fn lengths(batch: &mut RecvBatch) -> Vec<usize> {
        batch.datagrams().map(|d| d.payload.len()).collect()
    }

    #[test]
    fn coalesced_messages_are_cut_up() {
        let mut batch = RecvBatch::new(3, 100);
        let n = batch.fill([message(100, 40), message(0, 7), message(5, 5)].into_iter());
        assert_eq!(n, 4);
        assert_eq!(lengths(&mut batch), [40, 40, 20, 5]);
        assert!(batch.is_full());
    }

    #[test]
    fn lengths_beyond_the_buffer_and_empty_segments_are_survived() {
        let mut batch = RecvBatch::new(2, 10);
        batch.fill([message(usize::MAX, 0), message(4, usize::MAX)].into_iter());
        assert_eq!(lengths(&mut batch), [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 4]);
    }

    #[test]
    fn sizes_are_brought_inside_their_bounds() {
        assert_eq!(RecvBatch::new(0, 0).capacity(), 1);
        assert_eq!(RecvBatch::new(usize::MAX, 1).capacity(), MAX_MESSAGES);
        assert_eq!(
            RecvBatch::new(1, usize::MAX).buffers.len(),
            RecvBatch::GRO_BUFFER
        );
    }

    #[test]
    fn a_fresh_or_lent_batch_holds_nothing() {
        let mut batch = RecvBatch::new(2, 10);
        assert!(lengths(&mut batch).is_empty());
        batch.fill([message(4, 4)].into_iter());
        assert_eq!(lengths(&mut batch), [4]);
        assert_eq!(batch.buffers_mut().count(), 2);
        assert!(lengths(&mut batch).is_empty());
    }
}
