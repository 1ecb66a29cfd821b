//! The tracks we send.

mod frames;

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use frames::FrameQueue;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use super::config::SendMode;
use super::event::{Event, TrackId};
use super::report;
use crate::id::{MediaTime, Mid, Pt, SeqNo, Ssrc};
use crate::port::{MAX_SRTP_OVERHEAD, Srtp};
use crate::rtcp::{Nack, ReportBlock, SenderInfo, TwccFeedback};
use crate::rtp::{RtpHeaderFields, write_header};
use crate::sdp::{Direction, Extensions, MediaKind, Session, Track};
use crate::stream::{SendStats, TwccSender, rtx};
use crate::time::{Instant, WallTime};

/// The first sender report comes early: until then a receiver cannot bring
/// sound and picture together.
const FIRST_REPORT: Duration = Duration::from_millis(100);

/// Room for the fixed header and the extensions we write.
const MAX_HEADER: usize = 12 + 4 + 32;

/// "Show it at once": least and greatest playout delay of zero, which is what
/// a door and a wheel want. A receiver keeps it until told otherwise.
const NO_PLAYOUT_DELAY: [u8; 3] = [0; 3];

/// Packets at the beginning of a track that carry it, so that it arrives
/// whatever is lost.
const PLAYOUT_DELAY_PACKETS: u64 = 64;

/// Sequence numbers taken from one NACK: no honest one names more than a frame or two.
const MAX_NACKED: usize = 512;

/// Why something was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The keys are not known yet, or the peer is closed.
    #[error("not connected")]
    NotConnected,
    /// No such track, or not one that we send in this mode.
    #[error("not a track to send on")]
    NoSuchTrack,
    /// The path is slower than the frames: the queue is full and this one was left out.
    #[error("send queue full")]
    QueueFull,
    /// The frame is empty, or too large for any queue.
    #[error("frame cannot be packetized")]
    Unpacketizable,
    /// No retransmission stream was negotiated.
    #[error("no retransmission payload type")]
    NoRetransmission,
    /// Sealing failed; where the index was sealed before, that is how it should be.
    #[error("packet could not be sealed")]
    Seal,
}

/// A coded frame on its way out.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// An Annex-B access unit, or an Opus packet.
    pub data: &'a [u8],
    /// Media time of its capture.
    pub timestamp: MediaTime,
    /// When it was captured, for the sender reports.
    pub captured: Instant,
    /// The same by the wall clock.
    pub wall: WallTime,
}

/// A packet that its owner numbered, on its way to one receiver.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// Its number at this receiver.
    pub seq: SeqNo,
    /// Its media time at this receiver.
    pub timestamp: MediaTime,
    /// Marker bit.
    pub marker: bool,
    /// The payload.
    pub payload: &'a [u8],
}

/// One moment on three clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockReference {
    /// On ours.
    pub at: Instant,
    /// On the wall of whoever captured, as a 64-bit NTP time.
    pub ntp: u64,
    /// In the track's media time as the receiver sees it.
    pub timestamp: MediaTime,
}

/// How a sent track fares.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SendTrackStats {
    /// Packets sent, repairs left out.
    pub packets: u64,
    /// Bytes sent, headers included.
    pub bytes: u64,
    /// Packets sent again.
    pub repairs: u64,
    /// Packets the receiver has reported lost, cumulative.
    pub lost: i32,
    /// Fraction lost over the receiver's last interval, in 1/256.
    pub fraction_lost: u8,
    /// Interarrival jitter at the receiver.
    pub jitter: Duration,
}

/// All of them.
#[derive(Debug)]
pub(super) struct SendSide {
    tracks: Vec<SendTrack>,
    transport: Option<TwccSender>,
    report_wanted: bool,
    goodbye_wanted: bool,
    rtcp_ssrc: Ssrc,
    cname: String,
}

#[derive(Debug)]
struct SendTrack {
    id: TrackId,
    kind: MediaKind,
    sealer: Sealer,
    tally: Tally,
    clock_rate: u32,
    clock: Option<ClockReference>,
    /// Something was sent since the last report.
    active: bool,
    reported: bool,
    /// The frames, where we packetize.
    frames: Option<FrameQueue>,
}

/// What was sent, and what the receiver says of it.
#[derive(Debug)]
struct Tally {
    stats: SendStats,
    report: SendTrackStats,
}

/// What the packets of one track have in common.
#[derive(Debug)]
struct Sealer {
    pt: Pt,
    ssrc: Ssrc,
    repair: Option<(Pt, Ssrc)>,
    repair_seq: SeqNo,
    extensions: Extensions,
    mid: Mid,
    /// Packets sealed so far.
    sealed: u64,
}

/// Header fields that vary, and the payload.
struct Plain<'a> {
    pt: Pt,
    ssrc: Ssrc,
    seq: SeqNo,
    timestamp: MediaTime,
    marker: bool,
    /// The original number, in a repair.
    original: Option<SeqNo>,
    transport_seq: Option<SeqNo>,
    payload: &'a [u8],
}

impl SendSide {
    pub(super) fn new(session: &Session, mode: SendMode, mtu: usize, seed: &[u8; 32]) -> Self {
        let mut rng = ChaCha8Rng::from_seed(*seed);
        rng.set_stream(SEND_STREAM);
        let sent = session.tracks.iter().enumerate();
        #[allow(clippy::cast_possible_truncation)] // the session bounds its m-lines
        let tracks: Vec<_> = sent
            .filter(|(_, t)| t.direction == Direction::Send)
            .filter_map(|(i, t)| SendTrack::new(TrackId(i as u8), t, mode, mtu, &mut rng))
            .collect();
        let transport_cc = tracks
            .iter()
            .any(|t| t.sealer.extensions.transport_cc.is_some());
        let first = session.tracks.iter().find_map(|t| t.send.as_ref());
        Self {
            transport: transport_cc.then(TwccSender::new),
            report_wanted: false,
            goodbye_wanted: false,
            rtcp_ssrc: first.map_or_else(|| Ssrc(rng.next_u32() | 1), |s| s.ssrc),
            cname: first.map_or_else(|| random_name(&mut rng), |s| s.cname.clone()),
            tracks,
        }
    }

    /// The source of our RTCP.
    pub(super) fn rtcp_ssrc(&self) -> Ssrc {
        self.rtcp_ssrc
    }

    pub(super) fn cname(&self) -> &str {
        &self.cname
    }

    pub(super) fn rtt(&self) -> Option<Duration> {
        self.tracks.iter().find_map(|t| t.tally.stats.rtt())
    }

    pub(super) fn stats(&self, track: TrackId) -> Option<SendTrackStats> {
        let track = self.tracks.iter().find(|t| t.id == track)?;
        Some(SendTrackStats {
            packets: track.tally.stats.packets(),
            ..track.tally.report
        })
    }

    /// The track whose packets have the source `ssrc`.
    pub(super) fn track_of(&self, ssrc: Ssrc) -> Option<TrackId> {
        self.tracks
            .iter()
            .find(|t| t.sealer.ssrc == ssrc)
            .map(|t| t.id)
    }

    fn track_mut(&mut self, id: TrackId) -> Result<&mut SendTrack, SendError> {
        self.tracks
            .iter_mut()
            .find(|t| t.id == id)
            .ok_or(SendError::NoSuchTrack)
    }

    // --- Frames ---

    pub(super) fn push_frame(
        &mut self,
        now: Instant,
        id: TrackId,
        frame: &Frame<'_>,
    ) -> Result<(), SendError> {
        let track = self.track_mut(id)?;
        let frames = track.frames.as_mut().ok_or(SendError::NoSuchTrack)?;
        frames.push(now, frame)?;
        track.active = true;
        track.clock = Some(ClockReference {
            at: frame.captured,
            ntp: frame.wall.to_ntp(),
            timestamp: frame.timestamp,
        });
        Ok(())
    }

    /// Seals queued packets into `buf`: a run of equal size, of which the last
    /// may be shorter. Sealing adds `overhead` bytes to each.
    pub(super) fn poll_media(
        &mut self,
        now: Instant,
        srtp: &mut dyn Srtp,
        buf: &mut Vec<u8>,
        max_segments: usize,
        overhead: usize,
    ) -> Option<(usize, Option<usize>)> {
        let start = buf.len();
        let mut segment_size = None;
        // Sound first: it is small and its delay is heard.
        self.tracks.sort_by_key(|t| t.kind);
        for track in &mut self.tracks {
            let Some(frames) = &mut track.frames else {
                continue;
            };
            let mut sent = 0;
            while sent < max_segments {
                let Some(packet) = frames.next(now) else {
                    break;
                };
                let at = buf.len();
                let expected =
                    track.sealer.plain_len(packet.payload.len(), packet.repair) + overhead;
                if segment_size.is_some_and(|size| expected > size) {
                    break; // a longer one begins a run of its own
                }
                let sealed =
                    track
                        .sealer
                        .seal_frame_packet(now, &packet, &mut self.transport, srtp, buf);
                let repair = packet.repair;
                let payload_len = packet.payload.len();
                frames.sent(now);
                let Ok(len) = sealed else {
                    buf.truncate(at);
                    continue;
                };
                track.tally.note_sent(repair, payload_len, len);
                sent += 1;
                let size = *segment_size.get_or_insert(len);
                if len < size {
                    break; // the last of a run
                }
            }
            if buf.len() > start {
                break;
            }
        }
        let len = buf.len() - start;
        let size = segment_size?;
        Some((len, (len > size).then_some(size)))
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.tracks
            .iter()
            .filter_map(|t| t.frames.as_ref()?.poll_timeout())
            .min()
    }

    // --- Forwarding ---

    pub(super) fn forward(
        &mut self,
        now: Instant,
        id: TrackId,
        packet: &Outgoing<'_>,
        srtp: &mut dyn Srtp,
        buf: &mut Vec<u8>,
    ) -> Result<usize, SendError> {
        let transport = &mut self.transport;
        let track = self
            .tracks
            .iter_mut()
            .find(|t| t.id == id)
            .ok_or(SendError::NoSuchTrack)?;
        let sealer = &mut track.sealer;
        let plain = Plain {
            pt: sealer.pt,
            ssrc: sealer.ssrc,
            seq: packet.seq,
            timestamp: packet.timestamp,
            marker: packet.marker,
            original: None,
            transport_seq: sealer.transport_seq(now, packet.payload.len(), transport),
            payload: packet.payload,
        };
        let len = sealer.seal(&plain, srtp, buf)?;
        track.tally.note_sent(false, packet.payload.len(), len);
        track.active = true;
        Ok(len)
    }

    pub(super) fn forward_repair(
        &mut self,
        id: TrackId,
        packet: &Outgoing<'_>,
        srtp: &mut dyn Srtp,
        buf: &mut Vec<u8>,
    ) -> Result<usize, SendError> {
        let track = self.track_mut(id)?;
        let sealer = &mut track.sealer;
        let plain = sealer
            .repair_of(packet)
            .ok_or(SendError::NoRetransmission)?;
        let len = sealer.seal(&plain, srtp, buf)?;
        track.tally.note_sent(true, packet.payload.len(), len);
        Ok(len)
    }

    pub(super) fn set_clock(&mut self, id: TrackId, clock: ClockReference) {
        if let Ok(track) = self.track_mut(id) {
            track.clock = Some(clock);
        }
    }

    // --- What the receiver says ---

    /// Repairs are queued where we have the packets; else their owner is told.
    pub(super) fn on_nack(&mut self, now: Instant, nack: &Nack<'_>) -> Option<Event> {
        let rtt = self.rtt();
        let track = self
            .tracks
            .iter_mut()
            .find(|t| t.sealer.ssrc == nack.media)?;
        let lost = nack.lost().take(MAX_NACKED);
        if let Some(frames) = &mut track.frames {
            if track.sealer.repair.is_some() {
                frames.on_nack(now, rtt, lost);
            }
            return None;
        }
        Some(Event::Nacked {
            track: track.id,
            seqs: lost.collect(),
        })
    }

    pub(super) fn on_report_block(&mut self, now: Instant, block: &ReportBlock) -> Option<Event> {
        let track = self
            .tracks
            .iter_mut()
            .find(|t| t.sealer.ssrc == block.ssrc)?;
        let rtt = track.tally.stats.on_report_block(now, block);
        track.tally.report.lost = block.cumulative_lost;
        track.tally.report.fraction_lost = block.fraction_lost;
        let us = u64::from(block.jitter) * 1_000_000 / u64::from(track.clock_rate.max(1));
        track.tally.report.jitter = Duration::from_micros(us);
        Some(Event::Feedback {
            track: Some(track.id),
            fraction_lost: f32::from(block.fraction_lost) / 256.0,
            packets: None,
            rtt,
        })
    }

    pub(super) fn on_transport_feedback(
        &mut self,
        now: Instant,
        feedback: &TwccFeedback<'_>,
    ) -> Option<Event> {
        let transport = self.transport.as_mut()?;
        let summary = transport.on_feedback(now, feedback, |_| {});
        Some(Event::Feedback {
            track: None,
            fraction_lost: summary.loss_fraction()?,
            packets: Some(summary.received + summary.lost),
            rtt: None,
        })
    }

    // --- What we say ---

    pub(super) fn want_report(&mut self) {
        self.report_wanted = true;
    }

    /// How long after now a report is due; `None` while nothing is sent.
    pub(super) fn report_due_after(&self) -> Option<Duration> {
        let active = || self.tracks.iter().filter(|t| t.active);
        if active().any(|t| !t.reported) {
            return Some(FIRST_REPORT);
        }
        active().next().map(|_| report::INTERVAL)
    }

    /// A sender report for each track that sent since the last one.
    pub(super) fn take_reports(&mut self, now: Instant) -> Vec<SenderInfo> {
        if !core::mem::take(&mut self.report_wanted) {
            return Vec::new(); // does not allocate
        }
        self.tracks
            .iter_mut()
            .filter_map(|t| t.report(now))
            .collect()
    }

    pub(super) fn say_goodbye(&mut self) {
        self.goodbye_wanted = true;
    }

    /// The sources to say BYE for (RFC 3550 section 6.6), once.
    pub(super) fn take_goodbye(&mut self) -> Option<Vec<Ssrc>> {
        if !core::mem::take(&mut self.goodbye_wanted) {
            return None;
        }
        let sources: Vec<_> = self.tracks.iter().map(|t| t.sealer.ssrc).collect();
        (!sources.is_empty()).then_some(sources)
    }
}

impl SendTrack {
    fn new(
        id: TrackId,
        track: &Track,
        mode: SendMode,
        mtu: usize,
        rng: &mut ChaCha8Rng,
    ) -> Option<Self> {
        let codec = track.codec()?;
        let send = track.send.as_ref()?;
        let extensions = Extensions {
            // Taken on both sides or of no use.
            transport_cc: track.extensions.transport_cc.filter(|_| codec.transport_cc),
            ..track.extensions
        };
        let max_payload = mtu.saturating_sub(MAX_HEADER + rtx::OVERHEAD + MAX_SRTP_OVERHEAD);
        let repair = codec.rtx_pt.zip(send.rtx);
        let first_seq = random_seq(rng);
        Some(Self {
            id,
            kind: track.kind,
            sealer: Sealer {
                pt: codec.pt,
                ssrc: send.ssrc,
                repair,
                repair_seq: random_seq(rng),
                extensions,
                mid: track.mid,
                sealed: 0,
            },
            tally: Tally {
                stats: SendStats::new(send.ssrc, codec.codec.clock_rate()),
                report: SendTrackStats::default(),
            },
            clock_rate: codec.codec.clock_rate(),
            clock: None,
            active: false,
            reported: false,
            frames: (mode == SendMode::Frames)
                .then(|| FrameQueue::new(codec.codec, max_payload, first_seq)),
        })
    }

    fn report(&mut self, now: Instant) -> Option<SenderInfo> {
        if !core::mem::take(&mut self.active) {
            return None;
        }
        let clock = self.clock?;
        self.reported = true;
        let elapsed = now.since(clock.at);
        let units = elapsed.as_micros() * u128::from(self.clock_rate) / 1_000_000;
        #[allow(clippy::cast_possible_truncation)] // the clock wraps
        let timestamp = MediaTime(clock.timestamp.0.wrapping_add(units as u32));
        let ntp = clock.ntp.wrapping_add(ntp_units(elapsed));
        Some(self.tally.stats.report_as(now, ntp, timestamp))
    }
}

impl Tally {
    fn note_sent(&mut self, repair: bool, payload_len: usize, len: usize) {
        self.report.bytes += len as u64;
        if repair {
            self.report.repairs += 1;
        } else {
            self.stats.on_sent(payload_len);
        }
    }
}

impl Sealer {
    /// What a packet measures before it is sealed.
    fn plain_len(&self, payload: usize, repair: bool) -> usize {
        let osn = if repair { rtx::OVERHEAD } else { 0 };
        self.header_len() + osn + payload
    }

    fn header_len(&self) -> usize {
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
    fn playout_delay(&self) -> Option<u8> {
        let id = self.extensions.playout_delay?;
        (self.sealed < PLAYOUT_DELAY_PACKETS).then_some(id)
    }

    fn transport_seq(
        &self,
        now: Instant,
        payload: usize,
        transport: &mut Option<TwccSender>,
    ) -> Option<SeqNo> {
        self.extensions.transport_cc?;
        let len = self.plain_len(payload, false) + MAX_SRTP_OVERHEAD;
        transport.as_mut().map(|t| t.on_send(now, len))
    }

    fn repair_of<'a>(&mut self, packet: &Outgoing<'a>) -> Option<Plain<'a>> {
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
        })
    }

    fn seal_frame_packet(
        &mut self,
        now: Instant,
        packet: &frames::QueuedPacket<'_>,
        transport: &mut Option<TwccSender>,
        srtp: &mut dyn Srtp,
        buf: &mut Vec<u8>,
    ) -> Result<usize, SendError> {
        let outgoing = Outgoing {
            seq: packet.seq,
            timestamp: packet.timestamp,
            marker: packet.marker,
            payload: packet.payload,
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
            }
        };
        self.seal(&plain, srtp, buf)
    }

    /// Appends header and payload to `buf` and seals them there. Does not
    /// allocate where `buf` has grown to its usual size.
    fn seal(
        &mut self,
        plain: &Plain<'_>,
        srtp: &mut dyn Srtp,
        buf: &mut Vec<u8>,
    ) -> Result<usize, SendError> {
        let fields = RtpHeaderFields {
            marker: plain.marker,
            pt: plain.pt,
            seq: plain.seq,
            timestamp: plain.timestamp,
            ssrc: plain.ssrc,
        };
        let transport_seq = plain.transport_seq.map(|seq| seq.0.to_be_bytes());
        let mut elements: [(u8, &[u8]); 3] = [(0, &[]); 3];
        let mut count = 0;
        if let Some(id) = self.extensions.mid {
            elements[count] = (id, self.mid.as_bytes());
            count += 1;
        }
        if let (Some(id), Some(seq)) = (self.extensions.transport_cc, &transport_seq) {
            elements[count] = (id, seq);
            count += 1;
        }
        if let Some(id) = self.playout_delay() {
            elements[count] = (id, &NO_PLAYOUT_DELAY);
            count += 1;
        }
        self.sealed += 1;

        let mut header = [0; MAX_HEADER];
        let header_len =
            write_header(&mut header, &fields, &elements[..count]).map_err(|_| SendError::Seal)?;
        let start = buf.len();
        buf.extend_from_slice(&header[..header_len]);
        if let Some(original) = plain.original {
            buf.extend_from_slice(&original.0.to_be_bytes());
        }
        buf.extend_from_slice(plain.payload);
        let len = buf.len() - start;
        buf.resize(start + len + MAX_SRTP_OVERHEAD, 0);
        let sealed = buf
            .get_mut(start..)
            .map(|packet| srtp.protect_rtp(packet, len));
        let sealed = sealed.and_then(Result::ok);
        buf.truncate(start + sealed.unwrap_or(0));
        sealed.ok_or(SendError::Seal)
    }
}

/// Which of the seed's streams the send side draws from.
const SEND_STREAM: u64 = 2;

/// RFC 3550 section 5.1 asks for a random start; the upper half is left out,
/// so that no rollover comes before the receiver has settled (RFC 3711
/// appendix on ROC start).
fn random_seq(rng: &mut ChaCha8Rng) -> SeqNo {
    #[allow(clippy::cast_possible_truncation)] // 15 bits are meant
    SeqNo((rng.next_u32() & 0x7fff) as u16)
}

fn random_name(rng: &mut ChaCha8Rng) -> String {
    alloc::format!("{:016x}", rng.next_u64())
}

fn ntp_units(d: Duration) -> u64 {
    let fraction = (u64::from(d.subsec_nanos()) << 32) / 1_000_000_000;
    (d.as_secs() << 32) | fraction
}
