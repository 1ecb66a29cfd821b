//! Transport-wide congestion control feedback
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01 section 3.1).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |              sender SSRC, then media SSRC                     |
//! |      base sequence number     |      packet status count      |
//! |                 reference time                | fb pkt. count |
//! |          packet chunk         |         packet chunk ...      |
//! |   receive deltas, one or two bytes each, then padding         |
//! ```

use core::time::Duration;

use super::feedback::sources;
use crate::id::{SeqNo, Ssrc};

/// The unit of receive deltas.
pub const TICK: Duration = Duration::from_micros(250);

/// Ticks in the unit of the reference time, 64 ms.
pub(super) const REFERENCE_TICKS: i64 = 256;

/// Transport-wide congestion control feedback.
#[derive(Clone, Copy, Debug)]
pub struct TwccFeedback<'a> {
    /// Who reports.
    pub sender: Ssrc,
    /// Any source of the transport.
    pub media: Ssrc,
    /// The transport-wide number of the first packet reported on.
    pub base_seq: SeqNo,
    /// How many consecutive numbers are reported on.
    pub status_count: u16,
    /// The receiver's clock in 64 ms, modulo 2^24.
    pub reference_time: u32,
    /// Counts feedback packets, modulo 256.
    pub feedback_count: u8,
    chunks: &'a [u8],
    deltas: &'a [u8],
}

/// Fate of one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TwccArrival {
    /// Its transport-wide number.
    pub seq: SeqNo,
    /// When it arrived, in ticks of 250 us on the receiver's clock, which
    /// rolls over with the reference time; `None` if it did not.
    pub at: Option<i64>,
}

impl<'a> TwccFeedback<'a> {
    pub(super) fn parse(body: &'a [u8]) -> Option<Self> {
        let (sender, media, fci) = sources(body)?;
        let ([b0, b1, c0, c1, r0, r1, r2, count], rest) = fci.split_first_chunk()?;
        let status_count = u16::from_be_bytes([*c0, *c1]);
        let (chunks_len, deltas_len) = measure(rest, status_count)?;
        let (chunks, rest) = rest.split_at_checked(chunks_len)?;
        Some(Self {
            sender,
            media,
            base_seq: SeqNo(u16::from_be_bytes([*b0, *b1])),
            status_count,
            reference_time: u32::from_be_bytes([0, *r0, *r1, *r2]),
            feedback_count: *count,
            chunks,
            deltas: rest.get(..deltas_len)?,
        })
    }

    /// The packets reported on, in order of their numbers.
    pub const fn arrivals(&self) -> Arrivals<'a> {
        Arrivals {
            seq: self.base_seq,
            left: self.status_count,
            at: self.reference_time as i64 * REFERENCE_TICKS,
            chunk: Chunk::EMPTY,
            chunks: self.chunks,
            deltas: self.deltas,
        }
    }
}

/// Iterates over [`TwccFeedback::arrivals`].
#[derive(Clone, Debug)]
pub struct Arrivals<'a> {
    seq: SeqNo,
    left: u16,
    at: i64,
    chunk: Chunk,
    chunks: &'a [u8],
    deltas: &'a [u8],
}

impl Iterator for Arrivals<'_> {
    type Item = TwccArrival;

    fn next(&mut self) -> Option<TwccArrival> {
        self.left = self.left.checked_sub(1)?;
        let symbol = loop {
            if let Some(symbol) = self.chunk.next() {
                break symbol;
            }
            let (raw, rest) = self.chunks.split_first_chunk()?;
            self.chunk = Chunk::decode(u16::from_be_bytes(*raw));
            self.chunks = rest;
        };
        let delta = match symbol {
            Symbol::Missing | Symbol::Reserved => None,
            Symbol::Small => {
                let (delta, rest) = self.deltas.split_first()?;
                self.deltas = rest;
                Some(i64::from(*delta))
            }
            Symbol::Large => {
                let (delta, rest) = self.deltas.split_first_chunk()?;
                self.deltas = rest;
                Some(i64::from(i16::from_be_bytes(*delta)))
            }
        };
        let seq = self.seq;
        self.seq = seq.add(1);
        self.at += delta.unwrap_or(0);
        let at = delta.map(|_| self.at);
        Some(TwccArrival { seq, at })
    }
}

/// Status of a packet (section 3.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Symbol {
    Missing,
    Small,
    Large,
    Reserved,
}

impl Symbol {
    const fn from_low_bits(bits: u16) -> Self {
        match bits & 3 {
            0 => Self::Missing,
            1 => Self::Small,
            2 => Self::Large,
            _ => Self::Reserved,
        }
    }

    const fn delta_len(self) -> usize {
        match self {
            Self::Missing | Self::Reserved => 0,
            Self::Small => 1,
            Self::Large => 2,
        }
    }
}

/// A packet chunk as it is used up (sections 3.1.3 and 3.1.4).
#[derive(Clone, Copy, Debug)]
enum Chunk {
    /// Run length: one symbol many times.
    Run { symbol: Symbol, left: u16 },
    /// Status vector: `left` symbols of `width` bits, the next one uppermost of `bits`.
    Vector { bits: u16, width: u32, left: u16 },
}

impl Chunk {
    const EMPTY: Self = Self::Run {
        symbol: Symbol::Missing,
        left: 0,
    };

    const fn decode(raw: u16) -> Self {
        match raw >> 14 {
            0 | 1 => Self::Run {
                symbol: Symbol::from_low_bits(raw >> 13),
                left: raw & 0x1fff,
            },
            2 => Self::Vector {
                bits: raw << 2,
                width: 1,
                left: 14,
            },
            _ => Self::Vector {
                bits: raw << 2,
                width: 2,
                left: 7,
            },
        }
    }

    const fn next(&mut self) -> Option<Symbol> {
        match self {
            Self::Run { left: 0, .. } | Self::Vector { left: 0, .. } => None,
            Self::Run { symbol, left } => {
                *left -= 1;
                Some(*symbol)
            }
            Self::Vector { bits, width, left } => {
                *left -= 1;
                let symbol = Symbol::from_low_bits(*bits >> (16 - *width));
                *bits <<= *width;
                Some(symbol)
            }
        }
    }
}

/// Bytes of the chunks that cover `status_count` packets, and of their deltas.
fn measure(chunks: &[u8], status_count: u16) -> Option<(usize, usize)> {
    let mut uncovered = status_count;
    let mut deltas_len = 0;
    let mut raws = chunks.as_chunks::<2>().0.iter();
    let mut chunks_len = 0;
    while uncovered > 0 {
        let mut chunk = Chunk::decode(u16::from_be_bytes(*raws.next()?));
        chunks_len += 2;
        if let Chunk::Run { symbol, left } = chunk {
            let covered = left.min(uncovered);
            uncovered -= covered;
            if symbol == Symbol::Reserved {
                return None;
            }
            deltas_len += symbol.delta_len() * usize::from(covered);
            continue;
        }
        while uncovered > 0
            && let Some(symbol) = chunk.next()
        {
            uncovered -= 1;
            if symbol == Symbol::Reserved {
                return None;
            }
            deltas_len += symbol.delta_len();
        }
    }
    Some((chunks_len, deltas_len))
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use crate::rtcp::{Packet, Packets, RtcpError};

    #[test]
    fn all_three_kinds_of_chunk() {
        // Run of 3 small; 1-bit vector 1,0,1 + 11 more missing; 2-bit vector large, small.
        let bytes = [
            0x8f, 205, 0, 7, 0, 0, 0, 1, 0, 0, 0, 2, 0xff, 0xfe, 0, 19, 0, 0, 2, 9, //
            0x20, 0x03, 0xa8, 0x00, 0xe4, 0x00, 1, 2, 3, 4, 5, 0xff,
        ];
        assert!(Packets::parse(&bytes).is_err(), "deltas run out");
        let mut bytes = Vec::from(bytes);
        bytes[3] = 8;
        bytes.extend_from_slice(&[0xfe, 6, 0, 0]);
        let feedback = match Packets::parse(&bytes).unwrap().next() {
            Some(Packet::Twcc(feedback)) => feedback,
            other => panic!("{other:?}"),
        };
        assert_eq!(feedback.feedback_count, 9);
        let seen: Vec<(u16, i64)> = feedback
            .arrivals()
            .filter_map(|a| Some((a.seq.0, a.at? - 512)))
            .collect();
        assert_eq!(
            seen,
            [
                (0xfffe, 1),
                (0xffff, 3),
                (0, 6),
                (1, 10),
                (3, 15),
                (15, 13),
                (16, 19)
            ]
        );
        assert_eq!(feedback.arrivals().count(), 19);
    }

    #[test]
    fn reserved_symbols_and_missing_chunks_are_refused() {
        for chunk in [[0x60, 0x01], [0xf0, 0x00]] {
            let bytes = [
                0x8f, 205, 0, 5, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0, chunk[0],
                chunk[1], 1, 1,
            ];
            assert_eq!(
                Packets::parse(&bytes).err(),
                Some(RtcpError::Malformed { packet_type: 205 })
            );
        }
        let no_chunks = [
            0x8f, 205, 0, 4, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0,
        ];
        assert!(Packets::parse(&no_chunks).is_err());
    }
}
