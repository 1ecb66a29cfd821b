//! One track and its tally.

use core::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::RngCore;
use transom_rtc_prefetch::{prefetch, prefetch_line};

use super::frames::FrameQueue;
use super::packet::{ClockReference, SendTrackStats};
use super::sealer::{MAX_HEADER, Sealer};
use super::template::HeaderTemplate;
use crate::id::{MediaTime, SeqNo};
use crate::peer::config::SendMode;
use crate::peer::event::TrackId;
use crate::port::MAX_SRTP_OVERHEAD;
use crate::rtcp::SenderInfo;
use crate::sdp::{Extensions, MediaKind, Track};
use crate::stream::{SendStats, rtx};
use crate::time::Instant;

#[derive(Debug)]
pub(super) struct SendTrack {
    pub(super) id: TrackId,
    pub(super) kind: MediaKind,
    pub(super) sealer: Sealer,
    pub(super) tally: Tally,
    pub(super) clock_rate: u32,
    pub(super) clock: Option<ClockReference>,
    /// Something was sent since the last report.
    pub(super) active: bool,
    /// Sender reports so far, as far as they are counted.
    pub(super) reports: u8,
    /// The frames, where we packetize.
    pub(super) frames: Option<FrameQueue>,
}

/// What was sent, and what the receiver says of it.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) stats: SendStats,
    pub(super) report: SendTrackStats,
}

impl SendTrack {
    pub(super) fn new(
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
                template: HeaderTemplate::empty(),
            },
            tally: Tally {
                stats: SendStats::new(send.ssrc),
                report: SendTrackStats::default(),
            },
            clock_rate: codec.codec.clock_rate(),
            clock: None,
            active: false,
            reports: 0,
            frames: (mode == SendMode::Frames)
                .then(|| FrameQueue::new(codec.codec, max_payload, first_seq)),
        })
    }

    /// Asks for each part that forwarding reads.
    pub(super) fn prefetch(&self) {
        let sealer = &self.sealer;
        prefetch_line(&self.id);
        prefetch_line(&self.active);
        prefetch_line(&sealer.ssrc);
        prefetch_line(&sealer.extensions);
        prefetch_line(&sealer.sealed);
        prefetch(&sealer.template);
        prefetch_line(&self.tally.report.bytes);
        self.tally.stats.prefetch();
    }

    pub(super) fn report(&mut self, now: Instant) -> Option<SenderInfo> {
        if !core::mem::take(&mut self.active) {
            return None;
        }
        let clock = self.clock?;
        self.reports = self.reports.saturating_add(1);
        let elapsed = now.since(clock.at);
        let units = elapsed.as_micros() * u128::from(self.clock_rate) / 1_000_000;
        #[allow(clippy::cast_possible_truncation)] // the clock wraps
        let timestamp = MediaTime(clock.timestamp.0.wrapping_add(units as u32));
        let ntp = clock.ntp.wrapping_add(ntp_units(elapsed));
        Some(self.tally.stats.report(now, ntp, timestamp))
    }
}

impl Tally {
    pub(super) fn note_sent(&mut self, repair: bool, payload_len: usize, len: usize) {
        self.report.bytes += len as u64;
        if repair {
            self.report.repairs += 1;
        } else {
            self.stats.on_sent(payload_len);
        }
    }
}

/// RFC 3550 section 5.1 asks for a random start. The upper half is left out, so
/// that no rollover can hide in a loss at the very beginning, where the
/// receiver could not count it (RFC 3711 section 3.3.1).
pub(super) fn random_seq(rng: &mut ChaCha8Rng) -> SeqNo {
    #[allow(clippy::cast_possible_truncation)] // 15 bits are meant
    SeqNo((rng.next_u32() & 0x7fff) as u16)
}

pub(super) fn ntp_units(d: Duration) -> u64 {
    let fraction = (u64::from(d.subsec_nanos()) << 32) / 1_000_000_000;
    (d.as_secs() << 32) | fraction
}
