//! Compound packets and their common header (RFC 3550 sections 6.1 and 6.4.1).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |V=2|P| RC/FMT  |      PT       |  length in words, minus one   |
//! ```

use super::bye::Bye;
use super::feedback::{Fir, Nack, Pli};
use super::remb::Remb;
use super::report::{ReceiverReport, SenderReport};
use super::sdes::Sdes;
use super::twcc::TwccFeedback;
use super::{
    BYE, FMT_APPLICATION, FMT_FIR, FMT_NACK, FMT_PLI, FMT_TWCC, PSFB, RR, RTPFB, SDES, SR,
};

/// Most packets taken from one datagram; honest ones hold fewer than ten.
pub const MAX_PACKETS: usize = 64;

/// Why a datagram is not RTCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum RtcpError {
    /// A header or the length in it runs past the datagram.
    #[error("RTCP packet runs past the datagram's end")]
    Truncated,
    /// The version is not 2.
    #[error("RTCP version is not 2")]
    Version,
    /// The padding count is impossible, or a packet before the last is padded.
    #[error("invalid RTCP padding")]
    Padding,
    /// More than [`MAX_PACKETS`].
    #[error("too many RTCP packets in one datagram")]
    TooManyPackets,
    /// The contents contradict the counts or lengths in them.
    #[error("malformed RTCP packet of type {packet_type}")]
    Malformed {
        /// The PT field of the packet.
        packet_type: u8,
    },
}

/// One RTCP packet.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Packet<'a> {
    /// SR.
    SenderReport(SenderReport<'a>),
    /// RR.
    ReceiverReport(ReceiverReport<'a>),
    /// SDES.
    Sdes(Sdes<'a>),
    /// BYE.
    Bye(Bye<'a>),
    /// Generic NACK.
    Nack(Nack<'a>),
    /// Picture loss indication.
    Pli(Pli),
    /// Full intra request.
    Fir(Fir<'a>),
    /// Transport-wide congestion control feedback.
    Twcc(TwccFeedback<'a>),
    /// Receiver estimated maximum bitrate.
    Remb(Remb<'a>),
    /// Well framed, but of no type known here.
    Unknown {
        /// The PT field.
        packet_type: u8,
        /// The FMT or count field.
        format: u8,
    },
}

/// The packets of one datagram, all of them checked.
#[derive(Clone, Debug)]
pub struct Packets<'a> {
    rest: &'a [u8],
}

impl<'a> Packets<'a> {
    /// Checks every packet of `datagram`: nothing of a datagram is used unless
    /// all of it is sound.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, RtcpError> {
        let mut rest = datagram;
        let mut count = 0;
        loop {
            let (_, after) = parse_first(rest)?;
            count += 1;
            if after.is_empty() {
                return Ok(Self { rest: datagram });
            }
            if count == MAX_PACKETS {
                return Err(RtcpError::TooManyPackets);
            }
            rest = after;
        }
    }
}

impl<'a> Iterator for Packets<'a> {
    type Item = Packet<'a>;

    fn next(&mut self) -> Option<Packet<'a>> {
        let (packet, rest) = parse_first(self.rest).ok()?;
        self.rest = rest;
        Some(packet)
    }
}

fn parse_first(bytes: &[u8]) -> Result<(Packet<'_>, &[u8]), RtcpError> {
    let [v, packet_type, l0, l1] = *bytes.first_chunk::<4>().ok_or(RtcpError::Truncated)?;
    if v >> 6 != 2 {
        return Err(RtcpError::Version);
    }
    let len = 4 * (usize::from(u16::from_be_bytes([l0, l1])) + 1);
    let (packet, rest) = bytes.split_at_checked(len).ok_or(RtcpError::Truncated)?;
    let mut body = packet.get(4..).unwrap_or_default();
    if v & 0x20 != 0 {
        let count = body.last().copied().map_or(0, usize::from);
        // RFC 3550 section 6.4.1: only the last packet, by a multiple of four.
        if count == 0 || count % 4 != 0 || !rest.is_empty() {
            return Err(RtcpError::Padding);
        }
        body = body
            .len()
            .checked_sub(count)
            .and_then(|n| body.get(..n))
            .ok_or(RtcpError::Padding)?;
    }
    let packet = parse_body(packet_type, v & 0x1f, body);
    Ok((packet.ok_or(RtcpError::Malformed { packet_type })?, rest))
}

fn parse_body(packet_type: u8, format: u8, body: &[u8]) -> Option<Packet<'_>> {
    Some(match (packet_type, format) {
        (SR, count) => Packet::SenderReport(SenderReport::parse(count, body)?),
        (RR, count) => Packet::ReceiverReport(ReceiverReport::parse(count, body)?),
        (SDES, count) => Packet::Sdes(Sdes::parse(count, body)?),
        (BYE, count) => Packet::Bye(Bye::parse(count, body)?),
        (RTPFB, FMT_NACK) => Packet::Nack(Nack::parse(body)?),
        (RTPFB, FMT_TWCC) => Packet::Twcc(TwccFeedback::parse(body)?),
        (PSFB, FMT_PLI) => Packet::Pli(Pli::parse(body)?),
        (PSFB, FMT_FIR) => Packet::Fir(Fir::parse(body)?),
        (PSFB, FMT_APPLICATION) if Remb::is_remb(body) => Packet::Remb(Remb::parse(body)?),
        (packet_type, format) => Packet::Unknown {
            packet_type,
            format,
        },
    })
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;
    use crate::id::Ssrc;

    #[test]
    fn several_packets_in_order() {
        let mut out = Vec::new();
        ReceiverReport::emit(&mut out, Ssrc(1), &[]);
        Sdes::emit(&mut out, Ssrc(1), "cname");
        Pli::emit(&mut out, Ssrc(1), Ssrc(2));
        let kinds: Vec<Packet<'_>> = Packets::parse(&out).unwrap().collect();
        assert!(matches!(
            kinds[..],
            [
                Packet::ReceiverReport(_),
                Packet::Sdes(_),
                Packet::Pli(Pli { media: Ssrc(2), .. })
            ]
        ));
    }

    #[test]
    fn one_bad_packet_spoils_the_datagram() {
        let mut out = Vec::new();
        Pli::emit(&mut out, Ssrc(1), Ssrc(2));
        out.extend_from_slice(&[0x81, RR, 0, 1, 0, 0, 0, 1]); // one block promised, none there
        assert_eq!(
            Packets::parse(&out).err(),
            Some(RtcpError::Malformed { packet_type: RR })
        );
    }

    #[test]
    fn framing_is_strict() {
        for (bytes, error) in [
            (&[][..], RtcpError::Truncated),
            (&[0x80, RR, 0], RtcpError::Truncated),
            (&[0x80, RR, 0, 1, 0, 0, 0], RtcpError::Truncated),
            (&[0x40, RR, 0, 1, 0, 0, 0, 0], RtcpError::Version),
            (
                &[0xa0, RR, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3],
                RtcpError::Padding,
            ),
            (
                &[0xa0, RR, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0],
                RtcpError::Padding,
            ),
            (&[0xa0, RR, 0, 1, 0, 0, 0, 8], RtcpError::Padding),
            (&[0xa0, RR, 0, 0], RtcpError::Padding),
        ] {
            assert_eq!(Packets::parse(bytes).err(), Some(error), "{bytes:?}");
        }
        let padded = [0xa0, RR, 0, 2, 0, 0, 0, 1, 0, 0, 0, 4];
        assert!(Packets::parse(&padded).is_ok());
        let not_last = [&padded[..], &[0x80, RR, 0, 1, 0, 0, 0, 1]].concat();
        assert_eq!(Packets::parse(&not_last).err(), Some(RtcpError::Padding));
    }

    #[test]
    fn a_datagram_of_tiny_packets_is_refused() {
        let flood = [0x80, 199, 0, 0].repeat(MAX_PACKETS + 1);
        assert_eq!(
            Packets::parse(&flood).err(),
            Some(RtcpError::TooManyPackets)
        );
        assert!(Packets::parse(&flood[4..]).is_ok());
    }

    proptest! {
        #[test]
        fn no_bytes_panic(
            packets in proptest::collection::vec(
                (0u8..32, 198u8..208, proptest::collection::vec(any::<u8>(), 0..60)), 1..5),
            noise in proptest::collection::vec(any::<u8>(), 0..8),
        ) {
            let mut bytes = Vec::new();
            for (count, pt, mut body) in packets {
                body.resize(body.len().next_multiple_of(4), 0);
                bytes.extend_from_slice(&[0x80 | count, pt, 0, (body.len() / 4) as u8]);
                bytes.extend_from_slice(&body);
            }
            bytes.extend_from_slice(&noise);
            if let Ok(packets) = Packets::parse(&bytes) {
                for packet in packets { walk(packet); }
            }
        }
    }

    /// Draws every iterator that a packet offers.
    fn walk(packet: Packet<'_>) {
        match packet {
            Packet::SenderReport(p) => assert!(p.blocks().count() <= 31),
            Packet::ReceiverReport(p) => assert!(p.blocks().count() <= 31),
            Packet::Sdes(p) => assert!(p.chunks().count() <= 31),
            Packet::Bye(p) => assert!(p.sources().count() <= 31),
            Packet::Nack(p) => assert!(p.lost().count() <= 17 * 15),
            Packet::Fir(p) => assert!(p.entries().count() <= 15),
            Packet::Twcc(p) => assert_eq!(p.arrivals().count(), usize::from(p.status_count)),
            Packet::Remb(p) => assert!(p.sources().count() <= 15),
            Packet::Pli(_) | Packet::Unknown { .. } => {}
        }
    }
}
