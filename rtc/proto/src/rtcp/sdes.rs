//! Source description (RFC 3550 section 6.5); only CNAME matters here.

use alloc::vec::Vec;

use super::SDES;
use super::emit::Emitter;
use crate::id::Ssrc;

const END: u8 = 0;
const CNAME: u8 = 1;

/// SDES.
#[derive(Clone, Copy, Debug)]
pub struct Sdes<'a> {
    count: u8,
    body: &'a [u8],
}

/// What one source says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SdesChunk<'a> {
    /// The source.
    pub ssrc: Ssrc,
    /// Its canonical name: UTF-8 from an honest sender, any bytes from others.
    pub cname: Option<&'a [u8]>,
}

impl<'a> Sdes<'a> {
    pub(super) fn parse(count: u8, body: &'a [u8]) -> Option<Self> {
        let mut rest = body;
        for _ in 0..count {
            (_, rest) = next_chunk(rest)?;
        }
        Some(Self { count, body })
    }

    /// The chunks, in packet order.
    pub fn chunks(&self) -> impl Iterator<Item = SdesChunk<'a>> + use<'a> {
        let mut rest = self.body;
        (0..self.count).map_while(move |_| {
            let (chunk, after) = next_chunk(rest)?;
            rest = after;
            Some(chunk)
        })
    }

    /// Appends an SDES with one CNAME, cut at 255 bytes.
    pub fn emit(out: &mut Vec<u8>, ssrc: Ssrc, cname: &str) {
        let cname = cname.as_bytes();
        let cname = cname.get(..255).unwrap_or(cname);
        let mut e = Emitter::begin(out, SDES, 1);
        e.u32(ssrc.0);
        e.u8(CNAME);
        e.u8(cname.len() as u8);
        e.bytes(cname);
        e.u8(END); // at least one; `finish` fills the word
        e.finish();
    }
}

fn next_chunk(chunk: &[u8]) -> Option<(SdesChunk<'_>, &[u8])> {
    let (ssrc, items) = chunk.split_first_chunk::<4>()?;
    let mut cname = None;
    let mut rest = items;
    loop {
        match rest {
            // The chunk ends at the next word boundary after the first null.
            [END, ..] => {
                let used = (items.len() - rest.len() + 1).next_multiple_of(4);
                let ssrc = Ssrc(u32::from_be_bytes(*ssrc));
                return Some((SdesChunk { ssrc, cname }, items.get(used..)?));
            }
            [kind, len, after @ ..] => {
                let (text, after) = after.split_at_checked(usize::from(*len))?;
                if *kind == CNAME {
                    cname = cname.or(Some(text));
                }
                rest = after;
            }
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::{Packet, Packets, RtcpError};

    #[test]
    fn cnames_of_every_length_come_back() {
        for len in [0, 1, 2, 3, 4, 5, 254, 255, 300] {
            let cname = "x".repeat(len);
            let mut out = Vec::new();
            Sdes::emit(&mut out, Ssrc(7), &cname);
            let Some(Packet::Sdes(sdes)) = Packets::parse(&out).unwrap().next() else {
                panic!("not SDES");
            };
            let chunk = sdes.chunks().next().unwrap();
            assert_eq!(chunk.ssrc, Ssrc(7));
            assert_eq!(chunk.cname, Some(&cname.as_bytes()[..len.min(255)]));
            assert_eq!(sdes.chunks().count(), 1);
        }
    }

    #[test]
    fn two_chunks_with_other_items() {
        let bytes = [
            0x82, 202, 0, 6, 0, 0, 0, 1, 2, 1, b'n', 1, 1, b'a', 0, 0, //
            0, 0, 0, 2, 1, 1, b'b', 0, 0, 0, 0, 0,
        ];
        let Some(Packet::Sdes(sdes)) = Packets::parse(&bytes).unwrap().next() else {
            panic!("not SDES");
        };
        let names: Vec<_> = sdes.chunks().map(|c| (c.ssrc.0, c.cname)).collect();
        assert_eq!(names, [(1, Some(&b"a"[..])), (2, Some(b"b"))]);
    }

    #[test]
    fn items_must_end_inside() {
        for bytes in [
            [0x81, 202, 0, 2, 0, 0, 0, 1, 1, 3, b'a', b'b'],
            [0x81, 202, 0, 2, 0, 0, 0, 1, 1, 2, b'a', b'b'],
        ] {
            assert_eq!(
                Packets::parse(&bytes).err(),
                Some(RtcpError::Malformed { packet_type: 202 })
            );
        }
    }
}
