//! The tracks we receive.

use alloc::vec::Vec;
use core::time::Duration;

use super::config::DEFAULT_MTU;
use super::event::{DropReason, Event, Received, RtpInfo, TrackId};
use super::payload::is_key_frame_start;
use crate::id::{Pt, SeqNo, Ssrc};
use crate::port::MAX_SRTP_OVERHEAD;
use crate::rtcp::{Nack, Pli, ReportBlock, SenderInfo};
use crate::rtp::{RtpPacket, SeqUnwrapper};
use crate::sdp::{Codec, Direction, MediaKind, Session, Track};
use crate::stream::{Arrival, NackGenerator, NackPolicy, ReceiveStats, TwccReceiver, rtx};
use crate::time::Instant;

/// Sources a peer may have: a few tracks, each with repairs. The SRTP guard
/// has a bound of its own below this layer.
const MAX_SOURCES: usize = 16;

/// Key-frame requests for one track are at least this far apart: a receiver
/// that floods them would make the encoder send nothing else.
const KEY_FRAME_INTERVAL: Duration = Duration::from_millis(250);

/// An unanswered request is repeated this often, then left to its owner.
const KEY_FRAME_REQUESTS: u8 = 12;

/// A track's media comes from the source that was heard of last. One that it
/// followed may have its place back once the track was silent for this long.
const SOURCE_SILENCE: Duration = Duration::from_secs(1);

/// Room for one more feedback packet, the longest of which is a NACK: two
/// words of header, two sources and as many items as there may be.
const FEEDBACK_ROOM: usize = 12 + 4 * Nack::MAX_ITEMS;

/// Longest compound before it is sealed.
const MAX_COMPOUND: usize = DEFAULT_MTU - MAX_SRTP_OVERHEAD;

/// Round trip assumed until it is known.
const DEFAULT_RTT: Duration = Duration::from_millis(100);

/// How a received track fares.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ReceiveTrackStats {
    /// RTP packets of the media source.
    pub packets: u64,
    /// RTP bytes of the media source, headers included.
    pub bytes: u64,
    /// Packets lost for good or not yet repaired (RFC 3550 section 6.4.1).
    pub lost: i64,
    /// Fraction lost over the last report interval, in 1/256.
    pub fraction_lost: u8,
    /// Interarrival jitter.
    pub jitter: Duration,
    /// Packets that came by retransmission and filled a gap.
    pub repaired: u64,
    /// Packets asked for again, each time counted.
    pub nacked: u64,
    /// Key-frame requests sent.
    pub key_frame_requests: u64,
}

/// All of them.
#[derive(Debug)]
pub(super) struct ReceiveSide {
    tracks: Vec<ReceiveTrack>,
    sources: Vec<Source>,
    transport: Option<TwccReceiver>,
    report_wanted: bool,
    nack_wanted: bool,
    /// The source our feedback is from.
    local: Ssrc,
    /// Scratch for numbers to ask for.
    due: Vec<SeqNo>,
}

#[derive(Debug)]
struct ReceiveTrack {
    id: TrackId,
    track: Track,
    /// Its media source, once one was seen.
    primary: Option<Ssrc>,
    /// When that was heard last.
    heard_at: Instant,
    key_frame: KeyFrameRequests,
    repaired: u64,
    nacked: u64,
}

#[derive(Debug)]
struct Source {
    ssrc: Ssrc,
    /// Index into `tracks`.
    track: usize,
    unwrapper: SeqUnwrapper,
    stats: ReceiveStats,
    /// Something came since the last report.
    heard: bool,
    bytes: u64,
    fraction_lost: u8,
    /// The media source's gaps; none where repairs come.
    nack: Option<NackGenerator>,
    given_up: u64,
    gone: bool,
}

/// Key-frame requests of one track.
#[derive(Clone, Copy, Debug, Default)]
struct KeyFrameRequests {
    /// When the next one leaves.
    due: Option<Instant>,
    last: Option<Instant>,
    unanswered: u8,
    sent: u64,
}

impl ReceiveSide {
    pub(super) fn new(session: &Session, local: Ssrc) -> Self {
        let received = session.tracks.iter().enumerate();
        #[allow(clippy::cast_possible_truncation)] // the session bounds its m-lines
        let tracks: Vec<_> = received
            .filter(|(_, t)| t.direction == Direction::Receive)
            .map(|(i, t)| ReceiveTrack {
                id: TrackId(i as u8),
                track: t.clone(),
                primary: None,
                heard_at: Instant::default(),
                key_frame: KeyFrameRequests::default(),
                repaired: 0,
                nacked: 0,
            })
            .collect();
        let transport_cc = tracks.iter().any(|t| {
            t.track.extensions.transport_cc.is_some()
                && t.track.codecs.iter().any(|c| c.transport_cc)
        });
        Self {
            tracks,
            sources: Vec::new(),
            transport: transport_cc.then(TwccReceiver::new),
            report_wanted: false,
            nack_wanted: false,
            local,
            due: Vec::new(),
        }
    }

    /// Whether a packet of payload type `pt` may come.
    pub(super) fn expects(&self, pt: Pt) -> bool {
        self.tracks.iter().any(|t| t.track.codec_of(pt).is_some())
    }

    /// Sources that signalling announced.
    pub(super) fn announced(&self) -> impl Iterator<Item = Ssrc> + '_ {
        self.tracks.iter().flat_map(|t| {
            let repairs = t.track.remote_rtx.iter().map(|(_, rtx)| *rtx);
            t.track.remote_ssrcs.iter().copied().chain(repairs)
        })
    }

    /// Takes an opened packet.
    pub(super) fn on_rtp(&mut self, now: Instant, plain: &[u8]) -> Result<Received, DropReason> {
        let packet = RtpPacket::parse(plain).map_err(|_| DropReason::Malformed)?;
        let header = *packet.header();
        let at = self
            .track_for(&packet)
            .ok_or(DropReason::UnknownPayloadType)?;
        let track = &self.tracks[at].track;
        let (codec, is_repair) = track
            .codec_of(header.pt)
            .ok_or(DropReason::UnknownPayloadType)?;
        let (codec, nack, media_pt) = (codec.codec, codec.nack, codec.pt);
        let transport_id = track.extensions.transport_cc;

        if let (Some(transport), Some(id)) = (&mut self.transport, transport_id)
            && let Some(&[a, b]) = packet.extension(id)
        {
            transport.on_packet(now, SeqNo(u16::from_be_bytes([a, b])));
        }

        let index = self.source_for(header.ssrc, at, codec, nack && !is_repair)?;
        let source = &mut self.sources[index];
        let seq = source.unwrapper.unwrap(header.seq);
        source
            .stats
            .on_packet(now, seq, header.timestamp, packet.payload().len());
        source.heard = true;
        source.gone = false;
        source.bytes += plain.len() as u64;

        let payload = packet.payload();
        let mut start = header.header_len;
        let (media, seq, payload) = if is_repair {
            // Padding probes come as repairs of nothing.
            let Some((original, payload)) = rtx::decapsulate(payload) else {
                return Ok(Received::Handled);
            };
            start += rtx::OVERHEAD;
            let primary = self
                .primary_of(at, header.ssrc)
                .ok_or(DropReason::UnknownPayloadType)?;
            (
                primary,
                self.sources[primary].unwrapper.peek(original),
                payload,
            )
        } else {
            self.follow(now, at, index);
            (index, seq, payload)
        };

        let source = &mut self.sources[media];
        // Numbers of two sources have nothing to do with each other: what is
        // left of a former one would land anywhere in the present one.
        if self.tracks[at].primary != Some(source.ssrc) {
            return Ok(Received::Handled);
        }
        let arrival = source
            .nack
            .as_mut()
            .map_or(Arrival::New, |n| n.on_packet(now, seq));
        if arrival == Arrival::Duplicate {
            return Ok(Received::Handled);
        }
        let key_frame = is_key_frame_start(codec.kind(), payload);
        let track = &mut self.tracks[at];
        if is_repair {
            track.repaired += 1;
        }
        if key_frame {
            track.key_frame.answered();
            if let Some(nack) = &mut source.nack {
                nack.on_key_frame(seq);
            }
        }
        Ok(Received::Rtp(RtpInfo {
            track: track.id,
            ssrc: source.ssrc,
            pt: media_pt,
            seq,
            timestamp: header.timestamp,
            marker: header.marker,
            payload: start..start + payload.len(),
            key_frame,
            repaired: is_repair || arrival == Arrival::Recovered,
        }))
    }

    /// The source of a media packet becomes the track's, unless it had its time.
    fn follow(&mut self, now: Instant, track: usize, source: usize) {
        let track = &mut self.tracks[track];
        let ssrc = self.sources[source].ssrc;
        let place_of = |ssrc| self.sources.iter().position(|s| s.ssrc == ssrc);
        let held_by = track.primary.and_then(place_of);
        let silent = now.since(track.heard_at) >= SOURCE_SILENCE;
        if held_by.is_none_or(|held| source >= held || silent) {
            track.primary = Some(ssrc);
            track.heard_at = now;
        }
    }

    pub(super) fn on_sender_report(&mut self, now: Instant, info: &SenderInfo) -> Option<Event> {
        let source = self.sources.iter_mut().find(|s| s.ssrc == info.ssrc)?;
        source.stats.on_sender_report(now, info.ntp);
        let track = &self.tracks[source.track];
        (track.primary == Some(info.ssrc)).then_some(Event::SenderReport {
            track: track.id,
            ntp: info.ntp,
            timestamp: info.timestamp,
        })
    }

    /// Marks sources as gone; whether no track has one left. Sources of repairs
    /// have no say: few say goodbye for them.
    pub(super) fn on_bye(&mut self, gone: impl Iterator<Item = Ssrc>) -> bool {
        for ssrc in gone {
            if let Some(source) = self.sources.iter_mut().find(|s| s.ssrc == ssrc) {
                source.gone = true;
            }
        }
        let mut media = self.tracks.iter().filter_map(|t| t.primary).peekable();
        let is_gone = |ssrc| self.sources.iter().any(|s| s.ssrc == ssrc && s.gone);
        media.peek().is_some() && media.all(is_gone)
    }

    /// Asks for a key frame soon; whether a request is now due.
    pub(super) fn request_key_frame(&mut self, now: Instant, track: TrackId) -> bool {
        let Some(track) = self.tracks.iter_mut().find(|t| t.id == track) else {
            return false;
        };
        track.key_frame.request(now);
        true
    }

    pub(super) fn stats(&self, track: TrackId) -> Option<ReceiveTrackStats> {
        let track = self.tracks.iter().find(|t| t.id == track)?;
        let source = self.sources.iter().find(|s| Some(s.ssrc) == track.primary);
        Some(ReceiveTrackStats {
            repaired: track.repaired,
            nacked: track.nacked,
            key_frame_requests: track.key_frame.sent,
            ..source.map(Source::summary).unwrap_or_default()
        })
    }

    // --- What is to be reported, and when ---

    pub(super) fn want_report(&mut self) {
        self.report_wanted = true;
    }

    pub(super) fn want_nack(&mut self) {
        self.nack_wanted = true;
    }

    pub(super) fn next_nack(&self) -> Option<Instant> {
        self.sources
            .iter()
            .filter_map(|s| s.nack.as_ref()?.next_timeout())
            .min()
    }

    pub(super) fn next_key_frame_request(&self) -> Option<Instant> {
        // Before its source is known nobody can be asked, and nothing is due.
        let known = self.tracks.iter().filter(|t| t.media().is_some());
        known.filter_map(|t| t.key_frame.due).min()
    }

    pub(super) fn next_transport_feedback(&self) -> Option<Instant> {
        self.transport.as_ref()?.next_timeout()
    }

    /// The source that feedback without a stream of its own is about.
    fn any_media(&self) -> Ssrc {
        self.tracks
            .iter()
            .find_map(|t| t.primary)
            .unwrap_or_default()
    }

    /// One block for each source heard of since the last report.
    pub(super) fn take_report_blocks(&mut self, now: Instant, blocks: &mut Vec<ReportBlock>) {
        if core::mem::take(&mut self.report_wanted) {
            blocks.extend(self.sources.iter_mut().filter_map(|s| s.report(now)));
        }
    }

    /// Appends NACKs, PLIs and transport feedback that are due, as far as one
    /// datagram holds them; ask again for the rest.
    pub(super) fn compose_feedback(
        &mut self,
        now: Instant,
        rtt: Option<Duration>,
        out: &mut Vec<u8>,
    ) {
        let head = out.len();
        if core::mem::take(&mut self.nack_wanted) {
            self.compose_nacks(now, rtt.unwrap_or(DEFAULT_RTT), out);
        }
        for track in &mut self.tracks {
            let Some(primary) = track.media() else {
                continue;
            };
            if track.key_frame.take_due(now) {
                Pli::emit(out, self.local, primary);
            }
        }
        let media = self.any_media();
        if let Some(transport) = &mut self.transport
            && has_room(head, out)
        {
            // One a datagram; what is left keeps the timer due.
            transport.poll(now, self.local, media, out);
        }
    }

    fn compose_nacks(&mut self, now: Instant, rtt: Duration, out: &mut Vec<u8>) {
        let head = out.len();
        for source in &mut self.sources {
            let Some(nack) = &mut source.nack else {
                continue;
            };
            if !has_room(head, out) {
                self.nack_wanted = true;
                return;
            }
            self.due.clear();
            nack.poll(now, rtt, &mut self.due);
            if !self.due.is_empty() {
                let asked = Nack::emit(out, self.local, source.ssrc, &self.due);
                self.tracks[source.track].nacked += asked as u64;
            }
            // A hole that no repair will fill: only a key frame mends it.
            if nack.given_up() != source.given_up {
                source.given_up = nack.given_up();
                let track = &mut self.tracks[source.track];
                if track.track.kind == MediaKind::Video {
                    track.key_frame.request(now);
                }
            }
        }
    }

    /// The track a packet belongs to, by MID where it carries one (RFC 8843
    /// section 9.2), else by payload type.
    fn track_for(&self, packet: &RtpPacket<'_>) -> Option<usize> {
        let pt = packet.header().pt;
        let by_mid = self.tracks.iter().position(|t| {
            let id = t.track.extensions.mid;
            let mid = id.and_then(|id| packet.extension(id));
            mid == Some(t.track.mid.as_bytes()) && t.track.codec_of(pt).is_some()
        });
        by_mid.or_else(|| {
            self.tracks
                .iter()
                .position(|t| t.track.codec_of(pt).is_some())
        })
    }

    fn source_for(
        &mut self,
        ssrc: Ssrc,
        track: usize,
        codec: Codec,
        nack: bool,
    ) -> Result<usize, DropReason> {
        if let Some(at) = self.sources.iter().position(|s| s.ssrc == ssrc) {
            return Ok(at);
        }
        if self.sources.len() >= MAX_SOURCES {
            return Err(DropReason::TooManySources);
        }
        self.sources.push(Source {
            ssrc,
            track,
            unwrapper: SeqUnwrapper::new(),
            stats: ReceiveStats::new(ssrc, codec.clock_rate()),
            heard: false,
            bytes: 0,
            fraction_lost: 0,
            nack: nack.then(|| NackGenerator::new(NackPolicy::default())),
            given_up: 0,
            gone: false,
        });
        Ok(self.sources.len() - 1)
    }

    /// The media source that `repair` repairs: as announced, else the track's only one.
    fn primary_of(&self, track: usize, repair: Ssrc) -> Option<usize> {
        let track = &self.tracks[track];
        let announced = track
            .track
            .remote_rtx
            .iter()
            .find(|(_, rtx)| *rtx == repair);
        let ssrc = announced.map(|(primary, _)| *primary).or(track.primary)?;
        self.sources.iter().position(|s| s.ssrc == ssrc)
    }
}

/// Whether one more feedback packet of any kind fits. The first behind the
/// compound's `head` has to.
fn has_room(head: usize, compound: &[u8]) -> bool {
    compound.len() == head || compound.len() + FEEDBACK_ROOM <= MAX_COMPOUND
}

impl ReceiveTrack {
    /// The source to send feedback about.
    fn media(&self) -> Option<Ssrc> {
        self.primary
            .or_else(|| self.track.remote_ssrcs.first().copied())
    }
}

impl Source {
    /// A block for what came since the last report.
    fn report(&mut self, now: Instant) -> Option<ReportBlock> {
        if !core::mem::take(&mut self.heard) || self.gone {
            return None;
        }
        let block = self.stats.report(now)?;
        self.fraction_lost = block.fraction_lost;
        Some(block)
    }

    fn summary(&self) -> ReceiveTrackStats {
        ReceiveTrackStats {
            packets: self.stats.received(),
            bytes: self.bytes,
            lost: self.stats.lost(),
            fraction_lost: self.fraction_lost,
            jitter: self.stats.jitter(),
            ..ReceiveTrackStats::default()
        }
    }
}

impl KeyFrameRequests {
    fn request(&mut self, now: Instant) {
        self.unanswered = 0;
        let earliest = self.last.map_or(now, |last| last + KEY_FRAME_INTERVAL);
        self.due.get_or_insert(earliest.max(now));
    }

    fn answered(&mut self) {
        self.due = None;
    }

    fn take_due(&mut self, now: Instant) -> bool {
        if self.due.is_none_or(|at| at > now) {
            return false;
        }
        self.last = Some(now);
        self.sent += 1;
        self.unanswered += 1;
        let again = self.unanswered < KEY_FRAME_REQUESTS;
        self.due = again.then(|| now + 2 * KEY_FRAME_INTERVAL);
        true
    }
}

#[cfg(test)]
mod tests;
