//! Feedback on one media source: generic NACK and PLI (RFC 4585 sections 6.2.1
//! and 6.3.1) and FIR (RFC 5104 section 4.3.1).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                  SSRC of packet sender                        |
//! |                  SSRC of media source                         |
//! | NACK, repeated:   PID         |              BLP              |
//! | FIR, repeated:            SSRC                                |
//! |   seq nr.     |                 reserved                      |
//! ```

use alloc::vec::Vec;

use super::emit::Emitter;
use super::{FMT_FIR, FMT_NACK, FMT_PLI, PSFB, RTPFB};
use crate::id::{SeqNo, Ssrc};

/// Generic NACK.
#[derive(Clone, Copy, Debug)]
pub struct Nack<'a> {
    /// Who asks.
    pub sender: Ssrc,
    /// The stream that lacks packets.
    pub media: Ssrc,
    items: &'a [[u8; 4]],
}

impl<'a> Nack<'a> {
    /// Most (PID, BLP) pairs in one emitted packet, so that it fits any path.
    pub const MAX_ITEMS: usize = 256;

    pub(super) fn parse(body: &'a [u8]) -> Option<Self> {
        let (sender, media, fci) = sources(body)?;
        let (items, []) = fci.as_chunks() else {
            return None;
        };
        Some(Self {
            sender,
            media,
            items,
        })
    }

    /// The numbers asked for. A hostile datagram asks for seventeen times as
    /// many as it has words; take as many as there is budget for.
    pub fn lost(&self) -> impl Iterator<Item = SeqNo> + use<'a> {
        self.items.iter().flat_map(|[p0, p1, b0, b1]| {
            let pid = SeqNo(u16::from_be_bytes([*p0, *p1]));
            let blp = u16::from_be_bytes([*b0, *b1]);
            (0..=16).filter_map(move |i| match i {
                0 => Some(pid),
                i if blp & (1 << (i - 1)) != 0 => Some(pid.add(i)),
                _ => None,
            })
        })
    }

    /// Appends a NACK for `lost`, which is in ascending order, and returns how
    /// many of the numbers it holds: all, unless they need more than
    /// [`Self::MAX_ITEMS`] pairs. Appends nothing when `lost` is empty.
    pub fn emit(out: &mut Vec<u8>, sender: Ssrc, media: Ssrc, lost: &[SeqNo]) -> usize {
        if lost.is_empty() {
            return 0;
        }
        let mut e = Emitter::begin(out, RTPFB, FMT_NACK);
        e.u32(sender.0);
        e.u32(media.0);
        let mut rest = lost.iter().peekable();
        for _ in 0..Self::MAX_ITEMS {
            let Some(pid) = rest.next() else { break };
            let mut blp = 0u16;
            let offset = |seq: &SeqNo| seq.0.wrapping_sub(pid.0);
            while let Some(seq) = rest.next_if(|seq| (1..=16).contains(&offset(seq))) {
                blp |= 1 << (offset(seq) - 1);
            }
            e.u16(pid.0);
            e.u16(blp);
        }
        e.finish();
        lost.len() - rest.len()
    }
}

/// Picture loss indication: a decoder needs a key frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pli {
    /// Who asks.
    pub sender: Ssrc,
    /// The stream.
    pub media: Ssrc,
}

impl Pli {
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        let (sender, media, _) = sources(body)?;
        Some(Self { sender, media })
    }

    /// Appends a PLI.
    pub fn emit(out: &mut Vec<u8>, sender: Ssrc, media: Ssrc) {
        let mut e = Emitter::begin(out, PSFB, FMT_PLI);
        e.u32(sender.0);
        e.u32(media.0);
        e.finish();
    }
}

/// Full intra request: a new receiver needs a key frame.
#[derive(Clone, Copy, Debug)]
pub struct Fir<'a> {
    /// Who asks.
    pub sender: Ssrc,
    items: &'a [[u8; 8]],
}

/// One stream of a FIR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirEntry {
    /// The stream.
    pub media: Ssrc,
    /// Command number; the same number again is the same request again.
    pub seq: u8,
}

impl<'a> Fir<'a> {
    pub(super) fn parse(body: &'a [u8]) -> Option<Self> {
        // The common media source field is unused.
        let (sender, _, fci) = sources(body)?;
        let (items, []) = fci.as_chunks() else {
            return None;
        };
        Some(Self { sender, items })
    }

    /// The streams asked for.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = FirEntry> + use<'a> {
        self.items.iter().map(|[a, b, c, d, seq, ..]| FirEntry {
            media: Ssrc(u32::from_be_bytes([*a, *b, *c, *d])),
            seq: *seq,
        })
    }

    /// Appends a FIR for one stream.
    pub fn emit(out: &mut Vec<u8>, sender: Ssrc, entry: FirEntry) {
        let mut e = Emitter::begin(out, PSFB, FMT_FIR);
        e.u32(sender.0);
        e.u32(0);
        e.u32(entry.media.0);
        e.bytes(&[entry.seq, 0, 0, 0]);
        e.finish();
    }
}

/// The two sources that open every feedback packet, and what follows them.
pub(super) fn sources(body: &[u8]) -> Option<(Ssrc, Ssrc, &[u8])> {
    let (sender, rest) = body.split_first_chunk()?;
    let (media, rest) = rest.split_first_chunk()?;
    Some((
        Ssrc(u32::from_be_bytes(*sender)),
        Ssrc(u32::from_be_bytes(*media)),
        rest,
    ))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::rtcp::{Packet, Packets};

    fn nack_of(bytes: &[u8]) -> Nack<'_> {
        match Packets::parse(bytes).unwrap().next() {
            Some(Packet::Nack(nack)) => nack,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn nack_bytes() {
        let mut out = Vec::new();
        let lost = [SeqNo(0xffff), SeqNo(0), SeqNo(15), SeqNo(16)];
        assert_eq!(Nack::emit(&mut out, Ssrc(1), Ssrc(2), &lost), 4);
        assert_eq!(
            out,
            [
                0x81, 205, 0, 4, 0, 0, 0, 1, 0, 0, 0, 2, //
                0xff, 0xff, 0x80, 0x01, 0, 16, 0, 0
            ]
        );
        assert!(nack_of(&out).lost().eq(lost));
    }

    #[test]
    fn nothing_lost_emits_nothing() {
        let mut out = Vec::new();
        assert_eq!(Nack::emit(&mut out, Ssrc(1), Ssrc(2), &[]), 0);
        assert!(out.is_empty());
    }

    #[test]
    fn long_lists_are_split() {
        let lost: Vec<SeqNo> = (0..600).map(|i| SeqNo(i * 20)).collect();
        let mut seen = Vec::new();
        let mut rest = &lost[..];
        while !rest.is_empty() {
            let mut out = Vec::new();
            let n = Nack::emit(&mut out, Ssrc(1), Ssrc(2), rest);
            assert!(out.len() <= 1100);
            seen.extend(nack_of(&out).lost());
            rest = &rest[n..];
        }
        assert_eq!(seen, lost);
    }

    #[test]
    fn pli_and_fir_round_trip() {
        let mut out = Vec::new();
        Pli::emit(&mut out, Ssrc(1), Ssrc(2));
        let entry = FirEntry {
            media: Ssrc(7),
            seq: 200,
        };
        Fir::emit(&mut out, Ssrc(3), entry);
        let mut packets = Packets::parse(&out).unwrap();
        assert!(matches!(
            packets.next(),
            Some(Packet::Pli(Pli {
                sender: Ssrc(1),
                media: Ssrc(2)
            }))
        ));
        match packets.next() {
            Some(Packet::Fir(fir)) => assert!(fir.entries().eq([entry])),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn half_a_fir_entry_is_refused() {
        assert!(Packets::parse(&[0x84, 206, 0, 3, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7]).is_err());
    }

    proptest! {
        #[test]
        fn a_nack_asks_for_what_was_lost(start: u16, offsets: BTreeSet<u8>) {
            let lost: Vec<SeqNo> = offsets.iter().map(|o| SeqNo(start).add(u16::from(*o))).collect();
            prop_assume!(!lost.is_empty());
            let mut out = Vec::new();
            prop_assert_eq!(Nack::emit(&mut out, Ssrc(1), Ssrc(2), &lost), lost.len());
            prop_assert_eq!(nack_of(&out).lost().collect::<Vec<_>>(), lost);
        }
    }
}
