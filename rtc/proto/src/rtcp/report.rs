//! Sender and receiver reports (RFC 3550 section 6.4).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                         SSRC of sender                        |
//! | SR only: NTP timestamp (8), RTP timestamp (4),                |
//! |          packet count (4), octet count (4)                    |
//! | then, RC times:         SSRC of source                        |
//! | fraction lost |       cumulative number of packets lost       |
//! |           extended highest sequence number received           |
//! |                      interarrival jitter                      |
//! |                         last SR (LSR)                         |
//! |                   delay since last SR (DLSR)                  |
//! ```

use alloc::vec::Vec;

use super::emit::Emitter;
use super::{RR, SR};
use crate::id::{MediaTime, Ssrc};

const BLOCK_LEN: usize = 24;

/// Most blocks of one report: the count has five bits.
const MAX_BLOCKS: usize = 31;

/// Reception of one source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportBlock {
    /// The source reported on.
    pub ssrc: Ssrc,
    /// Loss since the last report, in 256ths.
    pub fraction_lost: u8,
    /// Packets lost since the beginning, 24 bits; duplicates may make it negative.
    pub cumulative_lost: i32,
    /// Extended highest sequence number: rollovers in the upper half.
    pub highest_seq: u32,
    /// Interarrival jitter, in units of the RTP clock.
    pub jitter: u32,
    /// Middle 32 bits of the NTP timestamp of the last SR, or zero.
    pub last_sr: u32,
    /// Time since that SR, in 65536ths of a second.
    pub delay_since_last_sr: u32,
}

impl ReportBlock {
    fn parse(b: &[u8; BLOCK_LEN]) -> Self {
        let word = |i: usize| b.as_chunks::<4>().0.get(i).copied().unwrap_or_default();
        let u32_at = |i| u32::from_be_bytes(word(i));
        // The upper byte is the fraction; shifting it out extends the sign.
        let lost = (u32_at(1) << 8).cast_signed() >> 8;
        Self {
            ssrc: Ssrc(u32_at(0)),
            fraction_lost: word(1)[0],
            cumulative_lost: lost,
            highest_seq: u32_at(2),
            jitter: u32_at(3),
            last_sr: u32_at(4),
            delay_since_last_sr: u32_at(5),
        }
    }

    fn emit(&self, out: &mut Emitter<'_>) {
        let lost = self.cumulative_lost.clamp(-0x80_0000, 0x7f_ffff);
        out.u32(self.ssrc.0);
        out.u32((u32::from(self.fraction_lost) << 24) | (lost.cast_unsigned() & 0xff_ffff));
        out.u32(self.highest_seq);
        out.u32(self.jitter);
        out.u32(self.last_sr);
        out.u32(self.delay_since_last_sr);
    }
}

/// What a sender report says of the sender itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderInfo {
    /// The sender.
    pub ssrc: Ssrc,
    /// Wall-clock time of the report, 64-bit NTP format.
    pub ntp: u64,
    /// The same moment in the stream's RTP clock.
    pub timestamp: MediaTime,
    /// RTP packets sent.
    pub packets: u32,
    /// Payload bytes sent.
    pub octets: u32,
}

/// SR.
#[derive(Clone, Copy, Debug)]
pub struct SenderReport<'a> {
    /// The sender's part.
    pub info: SenderInfo,
    blocks: &'a [[u8; BLOCK_LEN]],
}

impl<'a> SenderReport<'a> {
    pub(super) fn parse(count: u8, body: &'a [u8]) -> Option<Self> {
        let (head, blocks) = body.split_first_chunk::<24>()?;
        let [s, n0, n1, t, p, o] = *head.as_chunks::<4>().0.first_chunk()?;
        let (high, low) = (u32::from_be_bytes(n0), u32::from_be_bytes(n1));
        Some(Self {
            info: SenderInfo {
                ssrc: Ssrc(u32::from_be_bytes(s)),
                ntp: (u64::from(high) << 32) | u64::from(low),
                timestamp: MediaTime(u32::from_be_bytes(t)),
                packets: u32::from_be_bytes(p),
                octets: u32::from_be_bytes(o),
            },
            blocks: parse_blocks(count, blocks)?,
        })
    }

    /// What the sender receives itself.
    pub fn blocks(&self) -> impl ExactSizeIterator<Item = ReportBlock> + use<'a> {
        self.blocks.iter().map(ReportBlock::parse)
    }

    /// Appends an SR; blocks past the 31st are left out.
    pub fn emit(out: &mut Vec<u8>, info: &SenderInfo, blocks: &[ReportBlock]) {
        let blocks = blocks.get(..MAX_BLOCKS).unwrap_or(blocks);
        let mut e = Emitter::begin(out, SR, blocks.len() as u8);
        e.u32(info.ssrc.0);
        e.bytes(&info.ntp.to_be_bytes());
        e.u32(info.timestamp.0);
        e.u32(info.packets);
        e.u32(info.octets);
        blocks.iter().for_each(|b| b.emit(&mut e));
        e.finish();
    }
}

/// RR.
#[derive(Clone, Copy, Debug)]
pub struct ReceiverReport<'a> {
    /// The receiver that reports.
    pub sender: Ssrc,
    blocks: &'a [[u8; BLOCK_LEN]],
}

impl<'a> ReceiverReport<'a> {
    pub(super) fn parse(count: u8, body: &'a [u8]) -> Option<Self> {
        let (ssrc, blocks) = body.split_first_chunk()?;
        Some(Self {
            sender: Ssrc(u32::from_be_bytes(*ssrc)),
            blocks: parse_blocks(count, blocks)?,
        })
    }

    /// One block a source.
    pub fn blocks(&self) -> impl ExactSizeIterator<Item = ReportBlock> + use<'a> {
        self.blocks.iter().map(ReportBlock::parse)
    }

    /// Appends an RR; blocks past the 31st are left out.
    pub fn emit(out: &mut Vec<u8>, sender: Ssrc, blocks: &[ReportBlock]) {
        let blocks = blocks.get(..MAX_BLOCKS).unwrap_or(blocks);
        let mut e = Emitter::begin(out, RR, blocks.len() as u8);
        e.u32(sender.0);
        blocks.iter().for_each(|b| b.emit(&mut e));
        e.finish();
    }
}

/// What follows the blocks is a profile's extension, and passed over.
fn parse_blocks(count: u8, bytes: &[u8]) -> Option<&[[u8; BLOCK_LEN]]> {
    bytes.as_chunks().0.get(..usize::from(count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::{Packet, Packets};

    const BLOCK: ReportBlock = ReportBlock {
        ssrc: Ssrc(0x0102_0304),
        fraction_lost: 64,
        cumulative_lost: -2,
        highest_seq: 0x0001_fffe,
        jitter: 77,
        last_sr: 0xaabb_ccdd,
        delay_since_last_sr: 65_536,
    };

    #[test]
    fn receiver_report_bytes() {
        let mut out = Vec::new();
        ReceiverReport::emit(&mut out, Ssrc(5), &[BLOCK]);
        assert_eq!(
            out,
            [
                0x81, 201, 0, 7, 0, 0, 0, 5, 1, 2, 3, 4, 64, 0xff, 0xff, 0xfe, //
                0, 1, 0xff, 0xfe, 0, 0, 0, 77, 0xaa, 0xbb, 0xcc, 0xdd, 0, 1, 0, 0
            ]
        );
        let Some(Packet::ReceiverReport(rr)) = Packets::parse(&out).unwrap().next() else {
            panic!("not an RR");
        };
        assert_eq!(rr.sender, Ssrc(5));
        assert!(rr.blocks().eq([BLOCK]));
    }

    #[test]
    fn sender_report_round_trip() {
        let info = SenderInfo {
            ssrc: Ssrc(9),
            ntp: 0x0123_4567_89ab_cdef,
            timestamp: MediaTime(0xdead_beef),
            packets: 1000,
            octets: 123_456,
        };
        let mut out = Vec::new();
        SenderReport::emit(&mut out, &info, &[BLOCK, BLOCK]);
        let Some(Packet::SenderReport(sr)) = Packets::parse(&out).unwrap().next() else {
            panic!("not an SR");
        };
        assert_eq!(sr.info, info);
        assert!(sr.blocks().eq([BLOCK, BLOCK]));
    }

    #[test]
    fn blocks_past_the_count_are_left_out() {
        let mut out = Vec::new();
        ReceiverReport::emit(&mut out, Ssrc(5), &[BLOCK; 40]);
        let Some(Packet::ReceiverReport(rr)) = Packets::parse(&out).unwrap().next() else {
            panic!("not an RR");
        };
        assert_eq!(rr.blocks().len(), 31);
    }
}
