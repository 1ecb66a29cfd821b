//! From a plain packet to a sealed one.

use alloc::vec::Vec;

use super::frames::QueuedPacket;
use super::packet::{Outgoing, SendError};
use super::template::HeaderTemplate;
use crate::id::{MediaTime, Mid, Pt, SeqNo, Ssrc};
use crate::port::{MAX_SRTP_OVERHEAD, Srtp};
use crate::rtp::{RtpHeaderFields, write_header};
use crate::sdp::Extensions;
use crate::stream::{TwccSender, rtx};
use crate::time::Instant;

/// Room for the fixed header and the extensions we write.
pub(super) const MAX_HEADER: usize = 12 + 4 + 32;

/// "Show it at once": least and greatest playout delay of zero, which is what
/// a door and a wheel want. A receiver keeps it until told otherwise.
pub(super) const NO_PLAYOUT_DELAY: [u8; 3] = [0; 3];

/// Packets at the beginning of a track that carry it, so that it arrives
/// whatever is lost.
pub(super) const PLAYOUT_DELAY_PACKETS: u64 = 64;

/// What the packets of one track have in common.
#[derive(Debug)]
pub(super) struct Sealer {
    pub(super) pt: Pt,
    pub(super) ssrc: Ssrc,
    pub(super) repair: Option<(Pt, Ssrc)>,
    pub(super) repair_seq: SeqNo,
    pub(super) extensions: Extensions,
    pub(super) mid: Mid,
    /// Packets sealed so far.
    pub(super) sealed: u64,
    pub(super) template: HeaderTemplate,
}

/// Header fields that vary, and the payload.
pub(super) struct Plain<'a> {
    pub(super) pt: Pt,
    pub(super) ssrc: Ssrc,
    pub(super) seq: SeqNo,
    pub(super) timestamp: MediaTime,
    pub(super) marker: bool,
    /// The original number, in a repair.
    pub(super) original: Option<SeqNo>,
    pub(super) transport_seq: Option<SeqNo>,
    pub(super) payload: &'a [u8],
    pub(super) padding: u8,
}

impl Sealer {
    /// What a packet measures before it is sealed.
    pub(super) fn plain_len(&self, payload: usize, repair: bool) -> usize {
        let osn = if repair { rtx::OVERHEAD } else { 0 };
        self.header_len() + osn + payload
    }

    pub(super) fn header_len(&self) -> usize {
        let mid = self
            .extensions
            .mid
            .map_or(0, |_| 1 + self.mid.as_bytes().len());
        let transport = self.extensions.transport_cc.map_or(0, |_| 3);
        let playout = self
            .playout_delay()
            .map_or(0, |_| 1 + NO_PLAYOUT_DELAY.len());
        match mid + transport + playout {
            0 => 12,
            elements => 12 + 4 + elements.next_multiple_of(4),
        }
    }

    /// The id to tell the playout delay under, in the packets that tell it.
    pub(super) fn playout_delay(&self) -> Option<u8> {
        let id = self.extensions.playout_delay?;
        (self.sealed < PLAYOUT_DELAY_PACKETS).then_some(id)
    }

    pub(super) fn transport_seq(
        &self,
        now: Instant,
        payload: usize,
        transport: &mut Option<TwccSender>,
    ) -> Option<SeqNo> {
        self.extensions.transport_cc?;
        let len = self.plain_len(payload, false) + MAX_SRTP_OVERHEAD;
        transport.as_mut().map(|t| t.on_send(now, len))
    }

    pub(super) fn repair_of<'a>(&mut self, packet: &Outgoing<'a>) -> Option<Plain<'a>> {
        let (pt, ssrc) = self.repair?;
        let seq = self.repair_seq;
        self.repair_seq = seq.add(1);
        Some(Plain {
            pt,
            ssrc,
            seq,
            timestamp: packet.timestamp,
            marker: packet.marker,
            original: Some(packet.seq),
            transport_seq: None,
            payload: packet.payload,
            padding: 0,
        })
    }

    pub(super) fn seal_frame_packet(
        &mut self,
        now: Instant,
        packet: &QueuedPacket<'_>,
        transport: &mut Option<TwccSender>,
        srtp: &mut dyn Srtp,
        buf: &mut Vec<u8>,
    ) -> Result<usize, SendError> {
        let outgoing = Outgoing {
            seq: packet.seq,
            timestamp: packet.timestamp,
            marker: packet.marker,
            payload: packet.payload,
            padding: 0,
        };
        let transport_seq = self.transport_seq(now, packet.payload.len(), transport);
        let plain = if packet.repair {
            let repair = self
                .repair_of(&outgoing)
                .ok_or(SendError::NoRetransmission)?;
            Plain {
                transport_seq,
                ..repair
            }
        } else {
            Plain {
                pt: self.pt,
                ssrc: self.ssrc,
                seq: outgoing.seq,
                timestamp: outgoing.timestamp,
                marker: outgoing.marker,
                original: None,
                transport_seq,
                payload: outgoing.payload,
                padding: 0,
            }
        };
        self.seal(&plain, srtp, buf)
    }

    /// Appends header and payload to `buf` and seals them there. Does not
    /// allocate where `buf` has grown to its usual size.
    pub(super) fn seal(
        &mut self,
        plain: &Plain<'_>,
        srtp: &mut dyn Srtp,
        buf: &mut Vec<u8>,
    ) -> Result<usize, SendError> {
        let start = buf.len();
        self.push_header(plain, buf)?;
        if let Some(original) = plain.original {
            buf.extend_from_slice(&original.0.to_be_bytes());
        }
        buf.extend_from_slice(plain.payload);
        if plain.padding > 0 {
            // The last byte counts them all, and the P bit tells of it.
            buf.resize(buf.len() + usize::from(plain.padding) - 1, 0);
            buf.push(plain.padding);
            if let Some(first) = buf.get_mut(start) {
                *first |= 0x20;
            }
        }
        let len = buf.len() - start;
        buf.extend_from_slice(&[0; MAX_SRTP_OVERHEAD]);
        let sealed = buf
            .get_mut(start..)
            .map(|packet| srtp.protect_rtp(packet, len));
        let sealed = sealed.and_then(Result::ok);
        buf.truncate(start + sealed.unwrap_or(0));
        sealed.ok_or(SendError::Seal)
    }

    fn push_header(&mut self, plain: &Plain<'_>, buf: &mut Vec<u8>) -> Result<(), SendError> {
        let playout_delay = self.playout_delay();
        self.sealed += 1;
        if !self.template.is_for(plain, playout_delay) {
            self.template = self.make_template(plain, playout_delay)?;
        }
        self.template.push(plain, buf);
        Ok(())
    }

    fn make_template(
        &self,
        plain: &Plain<'_>,
        playout_delay: Option<u8>,
    ) -> Result<HeaderTemplate, SendError> {
        let mut elements: [(u8, &[u8]); 3] = [(0, &[]); 3];
        let mut count = 0;
        // First, so that its place is known: behind its own head and the extension's.
        let transport_seq = self
            .extensions
            .transport_cc
            .filter(|_| plain.transport_seq.is_some());
        if let Some(id) = transport_seq {
            elements[count] = (id, &[0; 2]);
            count += 1;
        }
        if let Some(id) = self.extensions.mid {
            elements[count] = (id, self.mid.as_bytes());
            count += 1;
        }
        if let Some(id) = playout_delay {
            elements[count] = (id, &NO_PLAYOUT_DELAY);
            count += 1;
        }
        let fields = RtpHeaderFields {
            marker: false,
            pt: plain.pt,
            seq: SeqNo(0),
            timestamp: MediaTime(0),
            ssrc: plain.ssrc,
        };
        let mut bytes = [0; MAX_HEADER];
        let len = write_header(&mut bytes, &fields, &elements[..count]);
        Ok(HeaderTemplate {
            bytes,
            len: len.map_err(|_| SendError::Seal)?,
            has_transport_seq: transport_seq.is_some(),
            ssrc: plain.ssrc,
            playout_delay,
        })
    }
}
