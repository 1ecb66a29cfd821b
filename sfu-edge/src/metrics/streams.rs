use transom_rtc_telemetry::{Exposition, Number};

use super::MAX_STREAMS;
use crate::control::{PublisherReport, StreamReport, TrackReport};

/// A family with a sample a track: name, help, and what of the track.
type OfTrack = (&'static str, &'static str, fn(&TrackReport) -> u64);

const COUNTERS: [OfTrack; 5] = [
    (
        "transom_sfu_stream_received_packets_total",
        "RTP packets that the stream's publisher sent, repairs apart.",
        |t| t.packets,
    ),
    (
        "transom_sfu_stream_received_bytes_total",
        "The same in bytes, headers included.",
        |t| t.bytes,
    ),
    (
        "transom_sfu_stream_repaired_packets_total",
        "Packets of the stream's publisher that came by retransmission.",
        |t| t.repaired,
    ),
    ("transom_sfu_stream_frames_total", "Frames begun.", |t| {
        t.frames
    }),
    (
        "transom_sfu_stream_key_frames_total",
        "Frames begun that a decoder can begin with.",
        |t| t.key_frames,
    ),
];

/// A family with a sample a publisher.
type OfPublisher = (&'static str, &'static str, fn(&PublisherReport) -> Number);

const GAUGES: [OfPublisher; 4] = [
    (
        "transom_sfu_stream_connected",
        "1 where the stream's publisher is connected.",
        |p| (p.state == "connected" || p.state == "silent").into(),
    ),
    (
        "transom_sfu_stream_silence_seconds",
        "Whole seconds since the publisher's last packet.",
        |p| p.silent_s.into(),
    ),
    (
        "transom_sfu_stream_rtt_seconds",
        "Round trip to the publisher; NaN while unknown.",
        |p| p.rtt_ms.map_or(f64::NAN, |ms| ms / 1e3).into(),
    ),
    (
        "transom_sfu_stream_lost_packets",
        "Packets of the publisher's session that are missing and not repaired so far.",
        |p| p.lost.into(),
    ),
];

/// Writes the figures of each stream. Those of a publisher begin anew with the next one.
pub(super) fn write(streams: &[StreamReport], to: &mut Exposition) {
    let published = streams.iter().filter(|s| s.publisher.is_some()).count();
    to.gauge("transom_sfu_streams", "Streams that there are.")
        .sample(&[("state", "published")], published)
        .sample(&[("state", "waiting")], streams.len() - published);
    let told = streams.get(..MAX_STREAMS).unwrap_or(streams);
    to.gauge(
        "transom_sfu_streams_untold",
        "Streams too many to have figures of their own here.",
    )
    .value(streams.len() - told.len());

    let mut family = to.gauge(
        "transom_sfu_stream_subscribers",
        "Sessions that read the stream or wait for it.",
    );
    for stream in told {
        family.sample(&[("stream", &stream.name)], stream.subscribers);
    }
    let publishers = || {
        let told = told.iter();
        told.filter_map(|s| Some((s.name.as_str(), s.publisher.as_ref()?)))
    };
    for (name, help, value) in GAUGES {
        let mut family = to.gauge(name, help);
        for (stream, publisher) in publishers() {
            family.sample(&[("stream", stream)], value(publisher));
        }
    }
    for (name, help, value) in COUNTERS {
        let mut family = to.counter(name, help);
        for (stream, publisher) in publishers() {
            // One a kind: of a second one nobody gets anything.
            for kind in ["audio", "video"] {
                if let Some(track) = publisher.tracks.iter().find(|t| t.kind == kind) {
                    family.sample(&[("stream", stream), ("kind", kind)], value(track));
                }
            }
        }
    }
}
