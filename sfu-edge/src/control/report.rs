use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use serde::Serialize;
use transom_rtc_proto::sdp::Codec;
use transom_rtc_proto::time::Instant;

use super::sessions::{Known, Sessions};
use crate::directory::{PublisherView, StreamView};
use crate::media::api::{SessionState, TrackStats};

/// A stream in `GET /api/streams`.
#[derive(Clone, Debug, Serialize)]
pub struct StreamReport {
    /// Its name.
    pub name: String,
    /// Who publishes it; `null` while its subscribers wait for a new one.
    pub publisher: Option<PublisherReport>,
    /// How many read it or wait for it.
    pub subscribers: usize,
}

/// A publisher in `GET /api/streams`.
#[derive(Clone, Debug, Serialize)]
pub struct PublisherReport {
    /// The tag of its session: the first eight digits of the id.
    pub session: String,
    /// Seconds since its POST.
    pub since_s: u64,
    /// `connecting`, `connected`, or `silent`: connected, but no packet has
    /// come for more than two seconds.
    pub state: &'static str,
    /// Whole seconds since the last packet; 0 while it connects.
    pub silent_s: u64,
    /// Its tracks, in the order of its offer.
    pub tracks: Vec<TrackReport>,
    /// RTP bits a second, all tracks.
    pub bitrate_bps: u64,
    /// RTP packets received.
    pub packets: u64,
    /// RTP packets lost for good.
    pub lost: u64,
    /// The part of the packets lost for good since the session began, 0 to 1.
    pub loss: f64,
    /// Round trip time, milliseconds; `null` while unknown.
    pub rtt_ms: Option<f64>,
}

/// A track in `GET /api/streams`.
#[derive(Clone, Debug, Serialize)]
pub struct TrackReport {
    /// `audio` or `video`.
    pub kind: String,
    /// Such as `H264 42e01f`.
    pub codec: String,
    /// RTP packets received.
    pub packets: u64,
    /// RTP bytes received.
    pub bytes: u64,
    /// RTP packets lost for good.
    pub lost: u64,
    /// RTP packets repaired by retransmission.
    pub repaired: u64,
    /// Interarrival jitter, milliseconds.
    pub jitter_ms: f64,
    /// Frames begun.
    pub frames: u64,
    /// Key frames begun.
    pub key_frames: u64,
}

/// Silence for longer than this is no pause between packets.
const SILENCE: Duration = Duration::from_secs(2);

pub(super) fn of(now: Instant, view: &StreamView<'_>, sessions: &Sessions) -> StreamReport {
    StreamReport {
        name: view.name.as_str().into(),
        publisher: view
            .publisher
            .as_ref()
            .map(|p| publisher(now, p, sessions.get(p.session))),
        subscribers: view.subscribers,
    }
}

fn publisher(now: Instant, view: &PublisherView, session: Option<&Known>) -> PublisherReport {
    let stats = session.map(|s| s.stats.as_ref());
    let tracks = stats.map_or(&[][..], |s| &s.tracks);
    let sum = |count: fn(&TrackStats) -> u64| tracks.iter().map(count).sum::<u64>();
    let packets = sum(|t| t.packets.load(Relaxed));
    let lost = sum(|t| t.lost.load(Relaxed));
    let rtt_us = stats.map_or(0, |s| s.rtt_us.load(Relaxed));
    let quiet = session.map_or(Duration::ZERO, |s| s.quiet_for(now));
    let codecs = session.map_or(&[][..], |s| &s.codecs);
    PublisherReport {
        session: view.session.tag(),
        since_s: view.since.as_secs(),
        state: match view.state {
            SessionState::Connecting => "connecting",
            SessionState::Connected if quiet > SILENCE => "silent",
            SessionState::Connected => "connected",
            SessionState::Gone => "gone",
        },
        silent_s: quiet.as_secs(),
        tracks: codecs.iter().zip(tracks).map(|(codec, stats)| track(codec, stats)).collect(),
        bitrate_bps: stats.map_or(0, |s| s.bitrate_bps.load(Relaxed)),
        packets,
        lost,
        #[allow(clippy::cast_precision_loss)] // a ratio for display
        loss: match packets.saturating_add(lost) {
            0 => 0.0,
            all => lost as f64 / all as f64,
        },
        rtt_ms: (rtt_us > 0).then(|| f64::from(rtt_us) / 1000.0),
    }
}

fn track(codec: &Codec, stats: &TrackStats) -> TrackReport {
    TrackReport {
        kind: codec.media().to_string(),
        codec: codec.to_string(),
        packets: stats.packets.load(Relaxed),
        bytes: stats.bytes.load(Relaxed),
        lost: stats.lost.load(Relaxed),
        repaired: stats.repaired.load(Relaxed),
        jitter_ms: f64::from(stats.jitter_us.load(Relaxed)) / 1000.0,
        frames: stats.frames.load(Relaxed),
        key_frames: stats.key_frames.load(Relaxed),
    }
}
