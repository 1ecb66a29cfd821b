//! The tracks we send.

mod forwarder;
mod frames;
mod packet;
mod sealer;
mod template;
mod track;

pub use forwarder::Forwarder;
pub use packet::{ClockReference, Frame, Outgoing, SendError, SendTrackStats};

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use track::SendTrack;
use transom_rtc_prefetch::prefetch_line;

use super::config::SendMode;
use super::event::{Event, TrackId};
use super::report;
use super::timer::TimerTable;
use crate::id::Ssrc;
use crate::port::Srtp;
use crate::rtcp::{Nack, ReportBlock, SenderInfo, TwccFeedback};
use crate::sdp::{Direction, Session};
use crate::stream::TwccSender;
use crate::time::Instant;

/// The first sender report comes early: until then a receiver cannot bring
/// sound and picture together.
const FIRST_REPORT: Duration = Duration::from_millis(100);

/// Sequence numbers taken from one NACK: no honest one names more than a frame or two.
const MAX_NACKED: usize = 512;

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

    pub(super) fn forwarder<'a>(
        &'a mut self,
        now: Instant,
        id: TrackId,
        srtp: &'a mut dyn Srtp,
        timers: &'a mut TimerTable,
    ) -> Result<Forwarder<'a>, SendError> {
        let track = self.place(id).and_then(|place| self.tracks.get_mut(place));
        Ok(Forwarder::new(
            now,
            track.ok_or(SendError::NoSuchTrack)?,
            &mut self.transport,
            srtp,
            timers,
        ))
    }

    fn place(&self, id: TrackId) -> Option<usize> {
        // Where all tracks are sent, the id is the place.
        let place = usize::from(id.0);
        match self.tracks.get(place) {
            Some(track) if track.id == id => Some(place),
            _ => self.tracks.iter().position(|t| t.id == id),
        }
    }

    /// Asks for where the tracks are.
    pub(super) fn prefetch(&self) {
        prefetch_line(&self.tracks);
    }

    /// Asks for what of the track forwarding reads. Where it lies is told by its number
    /// alone: the first line of each is not here yet.
    pub(super) fn prefetch_track(&self, id: TrackId) {
        if let Some(track) = self.tracks.get(usize::from(id.0)) {
            track.prefetch();
        }
    }

    /// The source of a track's packets.
    pub(super) fn ssrc_of(&self, id: TrackId) -> Option<Ssrc> {
        self.track(id).map(|track| track.sealer.ssrc)
    }

    fn track(&self, id: TrackId) -> Option<&SendTrack> {
        self.tracks.get(self.place(id)?)
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
        track.tally.report.nacked += nack.lost().take(MAX_NACKED).count() as u64;
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
        if active().any(|t| t.reports == 0) {
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

/// Which of the seed's streams the send side draws from.
const SEND_STREAM: u64 = 2;

fn random_name(rng: &mut ChaCha8Rng) -> String {
    alloc::format!("{:016x}", rng.next_u64())
}
