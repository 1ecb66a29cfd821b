//! Goodbye (RFC 3550 section 6.6).

use alloc::vec::Vec;

use super::BYE;
use super::emit::Emitter;
use crate::id::Ssrc;

/// BYE.
#[derive(Clone, Copy, Debug)]
pub struct Bye<'a> {
    sources: &'a [[u8; 4]],
}

impl<'a> Bye<'a> {
    /// The optional reason is passed over.
    pub(super) fn parse(count: u8, body: &'a [u8]) -> Option<Self> {
        let sources = body.as_chunks().0.get(..usize::from(count))?;
        Some(Self { sources })
    }

    /// The sources that leave.
    pub fn sources(&self) -> impl ExactSizeIterator<Item = Ssrc> + use<'a> {
        self.sources.iter().map(|b| Ssrc(u32::from_be_bytes(*b)))
    }

    /// Appends a BYE; sources past the 31st are left out.
    pub fn emit(out: &mut Vec<u8>, sources: &[Ssrc]) {
        let sources = sources.get(..31).unwrap_or(sources);
        let mut e = Emitter::begin(out, BYE, sources.len() as u8);
        sources.iter().for_each(|s| e.u32(s.0));
        e.finish();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::{Packet, Packets};

    #[test]
    fn round_trip() {
        let mut out = Vec::new();
        Bye::emit(&mut out, &[Ssrc(1), Ssrc(2)]);
        assert_eq!(out, [0x82, 203, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2]);
        let Some(Packet::Bye(bye)) = Packets::parse(&out).unwrap().next() else {
            panic!("not BYE");
        };
        assert!(bye.sources().eq([Ssrc(1), Ssrc(2)]));
    }

    #[test]
    fn a_count_past_the_end_is_refused() {
        assert!(Packets::parse(&[0x82, 203, 0, 1, 0, 0, 0, 1]).is_err());
        // With a reason.
        assert!(Packets::parse(&[0x81, 203, 0, 2, 0, 0, 0, 1, 2, b'o', b'k', 0]).is_ok());
    }
}
