//! One RTP source as a subscriber sees it.

use std::time::Duration;

use transom_rtc_proto::id::{ExtSeq, MediaTime, SeqNo, Ssrc};
use transom_rtc_proto::rtcp::ReportBlock;
use transom_rtc_proto::rtp::{RtpHeader, SeqUnwrapper};
use transom_rtc_proto::sdp::{MediaKind, Track};
use transom_rtc_proto::stream::{Arrival, NackGenerator, NackPolicy, ReceiveStats};
use transom_rtc_proto::time::Instant;

use crate::gaps::GapCounter;

pub(super) struct Source {
    pub(super) ssrc: Ssrc,
    pub(super) kind: MediaKind,
    /// Which of the session's tracks it belongs to.
    pub(super) track: usize,
    /// It carries repairs (RFC 4588).
    pub(super) is_repair: bool,
    /// Something came since the last report.
    pub(super) heard: bool,
    transport_id: Option<u8>,
    unwrapper: SeqUnwrapper,
    /// What came by the path, dropped on purpose or not.
    gaps: GapCounter,
    /// What the server is told: what was dropped on purpose is missing here.
    stats: ReceiveStats,
    nack: Option<NackGenerator>,
}

impl Source {
    /// The source of a packet of `track`, the session's `index`th.
    pub(super) fn new(header: &RtpHeader, index: usize, track: &Track) -> Option<Self> {
        let (codec, is_repair) = track.codec_of(header.pt)?;
        let nack = codec.nack && codec.rtx_pt.is_some() && !is_repair;
        Some(Self {
            ssrc: header.ssrc,
            kind: track.kind,
            track: index,
            is_repair,
            heard: false,
            transport_id: track.extensions.transport_cc,
            unwrapper: SeqUnwrapper::new(),
            gaps: GapCounter::default(),
            stats: ReceiveStats::new(header.ssrc, codec.codec.clock_rate()),
            nack: nack.then(|| NackGenerator::new(NackPolicy::default())),
        })
    }

    /// The transport-wide number of a packet that may still be sealed.
    pub(super) fn transport_seq(&self, header: &RtpHeader, packet: &[u8]) -> Option<SeqNo> {
        let id = self.transport_id?;
        let mut elements = header.extensions(packet);
        let (_, value) = elements.find(|(element, _)| *element == id)?;
        let value: [u8; 2] = value.try_into().ok()?;
        Some(SeqNo(u16::from_be_bytes(value)))
    }

    pub(super) fn unwrap(&mut self, seq: SeqNo) -> ExtSeq {
        self.unwrapper.unwrap(seq)
    }

    /// Whether what is missing of it is asked for, and comes by RTX.
    pub(super) const fn is_repairable(&self) -> bool {
        self.nack.is_some()
    }

    /// Notes that a number came; whether for the first time.
    pub(super) fn note_gap(&mut self, seq: ExtSeq) -> bool {
        self.gaps.on_packet(seq)
    }

    /// The highest number that came.
    pub(super) fn latest(&self) -> Option<SeqNo> {
        self.gaps.highest().map(ExtSeq::seq)
    }

    pub(super) fn mark(&mut self) {
        self.gaps.mark();
    }

    /// Numbers expected since the mark, and those that did not come. Repairs
    /// have numbers of their own and are asked for by nobody.
    pub(super) fn gaps(&self) -> (u64, u64) {
        match self.is_repair {
            true => (0, 0),
            false => (self.gaps.expected(), self.gaps.lost()),
        }
    }

    pub(super) fn on_packet(
        &mut self,
        now: Instant,
        seq: ExtSeq,
        timestamp: MediaTime,
        payload_len: usize,
    ) {
        self.heard = true;
        self.stats.on_packet(now, seq, timestamp, payload_len);
        if let Some(nack) = &mut self.nack {
            nack.on_packet(now, seq);
        }
    }

    /// Notes that the packet `original` came by way of RTX.
    pub(super) fn on_repair(&mut self, now: Instant, original: SeqNo) -> Arrival {
        let seq = self.unwrapper.peek(original);
        match &mut self.nack {
            Some(nack) => nack.on_packet(now, seq),
            None => Arrival::Duplicate,
        }
    }

    pub(super) fn on_sender_report(&mut self, now: Instant, ntp: u64) {
        self.stats.on_sender_report(now, ntp);
    }

    pub(super) fn next_nack(&self) -> Option<Instant> {
        self.nack.as_ref()?.next_timeout()
    }

    pub(super) fn poll_nacks(&mut self, now: Instant, rtt: Duration, due: &mut Vec<SeqNo>) {
        if let Some(nack) = &mut self.nack {
            nack.poll(now, rtt, due);
        }
    }

    /// The report of the time since the last one, if anything came.
    pub(super) fn report(&mut self, now: Instant) -> Option<ReportBlock> {
        if !std::mem::take(&mut self.heard) || self.is_repair {
            return None;
        }
        self.stats.report(now)
    }
}
