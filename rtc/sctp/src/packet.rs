//! SCTP packets as bytes (RFC 9260 section 3).

use bytes::Bytes;
use crc::{CRC_32_ISCSI, Crc};

/// Source port, destination port, verification tag, checksum.
pub(crate) const HEADER_LEN: usize = 12;
/// Type, flags, length.
pub(crate) const CHUNK_HEADER_LEN: usize = 4;

const CRC32C: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// Chunk types (RFC 9260 section 3.2, RFC 6525, RFC 3758).
pub(crate) mod chunk {
    pub(crate) const DATA: u8 = 0;
    pub(crate) const INIT: u8 = 1;
    pub(crate) const INIT_ACK: u8 = 2;
    pub(crate) const SACK: u8 = 3;
    pub(crate) const HEARTBEAT: u8 = 4;
    pub(crate) const ABORT: u8 = 6;
    pub(crate) const SHUTDOWN: u8 = 7;
    pub(crate) const SHUTDOWN_ACK: u8 = 8;
    pub(crate) const COOKIE_ECHO: u8 = 10;
    pub(crate) const COOKIE_ACK: u8 = 11;
    pub(crate) const SHUTDOWN_COMPLETE: u8 = 14;
    pub(crate) const RE_CONFIG: u8 = 130;
    pub(crate) const FORWARD_TSN: u8 = 192;
}

/// The common header but its checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) source: u16,
    pub(crate) destination: u16,
    pub(crate) tag: u32,
}

/// A chunk as it stands in a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chunk<'a> {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) value: &'a [u8],
}

/// Reads the header; `None` where the checksum is wrong.
pub(crate) fn parse(packet: &[u8]) -> Option<(Header, Chunks<'_>)> {
    let (header, chunks) = packet.split_first_chunk::<HEADER_LEN>()?;
    let [s0, s1, d0, d1, t0, t1, t2, t3, sum @ ..] = *header;
    if u32::from_le_bytes(sum) != checksum(packet)? {
        return None;
    }
    let header = Header {
        source: u16::from_be_bytes([s0, s1]),
        destination: u16::from_be_bytes([d0, d1]),
        tag: u32::from_be_bytes([t0, t1, t2, t3]),
    };
    Some((header, Chunks(chunks)))
}

/// Computed as if the checksum's field were zero (RFC 9260 section 6.8).
fn checksum(packet: &[u8]) -> Option<u32> {
    let mut digest = CRC32C.digest();
    digest.update(packet.get(..8)?);
    digest.update(&[0; 4]);
    digest.update(packet.get(HEADER_LEN..)?);
    Some(digest.finalize())
}

/// The chunks of a packet; an `Err` where one does not hold together, and
/// nothing after it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chunks<'a>(&'a [u8]);

/// A chunk that is not as long as it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

impl<'a> Iterator for Chunks<'a> {
    type Item = Result<Chunk<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let taken = take(self.0);
        self.0 = taken.map_or(&[][..], |(_, rest)| rest);
        Some(taken.map(|(chunk, _)| chunk).ok_or(Malformed))
    }
}

fn take(bytes: &[u8]) -> Option<(Chunk<'_>, &[u8])> {
    let [kind, flags, l0, l1, ..] = *bytes else {
        return None;
    };
    let len = usize::from(u16::from_be_bytes([l0, l1]));
    let value = bytes.get(CHUNK_HEADER_LEN..len)?;
    // The last one's padding may be missing.
    let rest = bytes.get(len.next_multiple_of(4)..).unwrap_or_default();
    Some((Chunk { kind, flags, value }, rest))
}

/// The parameters of INIT, INIT ACK and RE-CONFIG have the form of chunks with
/// a type of 16 bits. `None` where they do not hold together.
pub(crate) fn params(mut bytes: &[u8]) -> Option<Vec<(u16, &[u8])>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let (chunk, rest) = take(bytes)?;
        found.push((u16::from_be_bytes([chunk.kind, chunk.flags]), chunk.value));
        bytes = rest;
    }
    Some(found)
}

/// A packet under construction.
#[derive(Debug)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn new(header: Header) -> Self {
        let mut bytes = Vec::with_capacity(256);
        bytes.extend_from_slice(&header.source.to_be_bytes());
        bytes.extend_from_slice(&header.destination.to_be_bytes());
        bytes.extend_from_slice(&header.tag.to_be_bytes());
        bytes.extend_from_slice(&[0; 4]);
        Self(bytes)
    }

    /// Appends a chunk or, with a type of 16 bits, a parameter.
    pub(crate) fn chunk(&mut self, kind: u8, flags: u8, value: &[u8]) {
        push(&mut self.0, kind, flags, value);
    }

    pub(crate) fn finish(mut self) -> Bytes {
        let sum = checksum(&self.0).unwrap_or_default().to_le_bytes();
        if let Some(field) = self.0.get_mut(8..HEADER_LEN) {
            field.copy_from_slice(&sum);
        }
        self.0.into()
    }
}

/// Appends a parameter to a chunk's value.
pub(crate) fn push_param(value: &mut Vec<u8>, kind: u16, content: &[u8]) {
    let [kind, flags] = kind.to_be_bytes();
    push(value, kind, flags, content);
}

fn push(bytes: &mut Vec<u8>, kind: u8, flags: u8, value: &[u8]) {
    // What is written was read from a packet of less than 64 KiB.
    let len = u16::try_from(value.len() + CHUNK_HEADER_LEN).unwrap_or(u16::MAX);
    bytes.extend_from_slice(&[kind, flags]);
    bytes.extend_from_slice(&len.to_be_bytes());
    bytes.extend_from_slice(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

/// A big-endian number of a chunk's value.
pub(crate) fn u32_at(value: &[u8], at: usize) -> Option<u32> {
    let bytes = value.get(at..at.checked_add(4)?)?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

/// A big-endian number of a chunk's value.
pub(crate) fn u16_at(value: &[u8], at: usize) -> Option<u16> {
    let bytes = value.get(at..at.checked_add(2)?)?;
    Some(u16::from_be_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEADER: Header = Header {
        source: 5000,
        destination: 5001,
        tag: 7,
    };

    #[test]
    fn what_is_written_reads_back() {
        let mut writer = Writer::new(HEADER);
        writer.chunk(chunk::COOKIE_ECHO, 0, b"abcde");
        writer.chunk(chunk::DATA, 3, b"f");
        let mut packet = writer.finish().to_vec();
        let (header, chunks) = parse(&packet).unwrap();
        assert_eq!(header, HEADER);
        let values: Vec<_> = chunks.map(|c| c.unwrap().value).collect();
        assert_eq!(values, [&b"abcde"[..], b"f"]);
        packet[13] ^= 1;
        assert!(parse(&packet).is_none());
    }

    #[test]
    fn the_checksum_of_a_header_alone() {
        // From sctp-proto's tests: ports 5000, tag 0, no chunk.
        let packet = [0x13, 0x88, 0x13, 0x88, 0, 0, 0, 0, 0x06, 0xa9, 0x00, 0xe1];
        assert!(parse(&packet).is_some());
    }

    #[test]
    fn lengths_that_lie_end_the_walk() {
        for bytes in [
            &[0_u8][..],
            &[0, 0, 0],
            &[0, 0, 0, 3],
            &[0, 0, 0, 9, 1, 2, 3, 4],
        ] {
            let mut chunks = Chunks(bytes);
            assert_eq!(chunks.next(), Some(Err(Malformed)));
            assert_eq!(chunks.next(), None);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_end(bytes: Vec<u8>) {
            prop_assert!(Chunks(&bytes).count() <= bytes.len());
            params(&bytes);
        }
    }
}
