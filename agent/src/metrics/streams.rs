//! The figures of what is published: the stream, and the second one where there is one. Its samples
//! have a label that the stream's do not: `stream="second"`.

use std::sync::Arc;

use transom_rtc_telemetry::{Exposition, Family, Number};

use crate::publish::{FeedControl, FeedCount as F};
use crate::publisher::{PublishCount as P, PublishFigures, PublisherState};

const SECOND: &[(&str, &str)] = &[("stream", "second")];

/// Where the figures of one stream come from.
#[derive(Clone, Debug, Default)]
pub struct StreamFigures {
    /// Capture and encoders.
    pub feed: FeedControl,
    /// Sessions.
    pub publisher: Arc<PublishFigures>,
}

type Labels<'a> = &'a [(&'a str, &'a str)];

/// All of them, each with what tells its samples apart.
pub(super) struct Streams<'a>(Vec<(Labels<'static>, &'a StreamFigures)>);

impl<'a> Streams<'a> {
    pub(super) fn new(main: &'a StreamFigures, second: Option<&'a StreamFigures>) -> Self {
        let mut all: Vec<(Labels<'static>, _)> = vec![(&[], main)];
        all.extend(second.map(|second| (SECOND, second)));
        Self(all)
    }

    pub(super) fn write_feed(&self, to: &mut Exposition) {
        self.count_feed(
            to,
            "transom_agent_frames_captured_total",
            "Pictures that the source gave: drawn, from a camera, or of a recording.",
            F::Captured,
        );
        self.count_feed(
            to,
            "transom_agent_frames_encoded_total",
            "Coded pictures handed to the publisher, coded here or by the source.",
            F::Frames,
        );
        let mut dropped = to.counter(
            "transom_agent_frames_dropped_total",
            "Pictures that were left out, by why: before the encoder, in it, behind it, and on the way to the network (sound as well). \
             A pause leaves out more, uncounted: then nobody is there.",
        );
        for (reason, count) in [
            ("encoder_busy", F::EncoderBusy),
            ("encoder_skipped", F::EncoderSkipped),
            ("encoder_failed", F::EncoderFailed),
            ("publisher_late", F::Late),
            ("refers_to_lost", F::Undecodable),
        ] {
            self.each(&mut dropped, &[("reason", reason)], |s| s.feed.count(count));
        }
        for (reason, count) in [
            ("not_connected", P::FramesEarly),
            ("driver_busy", P::FramesDriverBusy),
            ("path_slow", P::FramesPathSlow),
            ("unusable", P::FramesUnusable),
        ] {
            self.each(&mut dropped, &[("reason", reason)], |s| {
                s.publisher.count(count)
            });
        }
        let mut took = to.histogram(
            "transom_agent_encode_seconds",
            "How long our encoder took for a picture.",
        );
        for (labels, stream) in &self.0 {
            took.sample(labels, stream.feed.encode_time());
        }
        let mut busy = to.counter(
            "transom_agent_encode_cpu_seconds_total",
            "Processor time of our encoder's own thread.",
        );
        self.each(&mut busy, &[], |s| s.feed.encode_cpu());
        self.write_encoders(to);
        let mut target = to.gauge(
            "transom_agent_video_bitrate_target_bits_per_second",
            "What the picture may use now; 0 before the first session.",
        );
        self.each(&mut target, &[], |s| s.feed.bitrate().unwrap_or(0));
    }

    fn write_encoders(&self, to: &mut Exposition) {
        let named = self.0.iter().map(|(of, s)| (*of, s.feed.encoder()));
        let named: Vec<_> = named.filter(|(_, name)| !name.is_empty()).collect();
        if named.is_empty() {
            return;
        }
        let mut encoders = to.gauge(
            "transom_agent_encoder_info",
            "Always 1; the encoder in use is in the label: openh264, or v4l2 for one in hardware.",
        );
        for (of, name) in named {
            let kind = name.split(':').next().unwrap_or_default();
            encoders.sample(&[&[("encoder", kind)][..], of].concat(), 1_u64);
        }
    }

    pub(super) fn write_sessions(&self, to: &mut Exposition) {
        let mut states = to.gauge(
            "transom_agent_publisher_state",
            "1 for what the publisher is at, 0 for the others.",
        );
        for state in PublisherState::ALL {
            self.each(&mut states, &[("state", state.name())], |s| {
                s.publisher.state() == state
            });
        }
        self.count_all(to, SESSIONS);
        let mut rtt = to.gauge(
            "transom_agent_rtt_seconds",
            "Round trip to the server; NaN while unknown.",
        );
        self.each(&mut rtt, &[], |s| {
            s.publisher.rtt().map_or(f64::NAN, |rtt| rtt.as_secs_f64())
        });
        let mut lost = to.gauge(
            "transom_agent_video_lost_ratio",
            "The part of the picture's packets that the server missed over its last report, 0 to 1.",
        );
        self.each(&mut lost, &[], |s| s.publisher.fraction_lost());
        self.write_sent(to);
        self.write_udp(to);
    }

    fn write_sent(&self, to: &mut Exposition) {
        for (name, help, audio, video) in [
            (
                "transom_agent_sent_packets_total",
                "RTP packets sent, repairs apart.",
                P::AudioPackets,
                P::VideoPackets,
            ),
            (
                "transom_agent_sent_bytes_total",
                "RTP bytes sent, headers and repairs included.",
                P::AudioBytes,
                P::VideoBytes,
            ),
        ] {
            let mut sent = to.counter(name, help);
            for (kind, count) in [("audio", audio), ("video", video)] {
                self.each(&mut sent, &[("kind", kind)], |s| s.publisher.count(count));
            }
        }
        self.count_all(to, REPAIRS);
    }

    fn write_udp(&self, to: &mut Exposition) {
        self.count_all(to, UDP);
        let mut gso = to.gauge(
            "transom_agent_udp_gso_in_use",
            "1 where the kernel segments what is sent (GSO), 0 where not; NaN without a session.",
        );
        self.each(&mut gso, &[], |s| match s.publisher.gso_in_use() {
            Some(in_use) => f64::from(u8::from(in_use)),
            None => f64::NAN,
        });
        let mut refused = to.counter(
            "transom_agent_datagrams_refused_total",
            "Datagrams that came and were not taken, by why. Strangers can raise it.",
        );
        for (of, stream) in &self.0 {
            for (reason, count) in stream.publisher.datagrams_not_taken() {
                refused.sample(&[&[("reason", reason)][..], *of].concat(), count);
            }
        }
    }

    fn count_feed(&self, to: &mut Exposition, name: &'static str, help: &'static str, count: F) {
        let mut family = to.counter(name, help);
        self.each(&mut family, &[], |s| s.feed.count(count));
    }

    fn count_all(&self, to: &mut Exposition, counts: &[(&'static str, &'static str, P)]) {
        for (name, help, count) in counts {
            let mut family = to.counter(name, help);
            self.each(&mut family, &[], |s| s.publisher.count(*count));
        }
    }

    /// A sample of each stream, its labels behind `labels`.
    fn each<N: Into<Number>>(
        &self,
        family: &mut Family<'_>,
        labels: Labels<'_>,
        figure: impl Fn(&StreamFigures) -> N,
    ) {
        for (of, stream) in &self.0 {
            family.sample(&[labels, *of].concat(), figure(stream));
        }
    }
}

const SESSIONS: &[(&str, &str, P)] = &[
    (
        "transom_agent_sessions_accepted_total",
        "Offers that the server answered.",
        P::Accepted,
    ),
    (
        "transom_agent_sessions_connected_total",
        "Sessions over which media could flow; all but the first are reconnects.",
        P::Connected,
    ),
    (
        "transom_agent_sessions_failed_total",
        "Sessions that did not begin or were lost; another try follows each.",
        P::Failed,
    ),
];

const REPAIRS: &[(&str, &str, P)] = &[
    (
        "transom_agent_nacks_received_total",
        "Packets that the server asked for again.",
        P::RepairsWanted,
    ),
    (
        "transom_agent_retransmissions_total",
        "Packets sent again, by RTX.",
        P::Repairs,
    ),
    (
        "transom_agent_key_frame_requests_received_total",
        "Key frames that the server asked for (PLI, FIR).",
        P::KeyFramesWanted,
    ),
];

const UDP: &[(&str, &str, P)] = &[
    (
        "transom_agent_udp_received_datagrams_total",
        "Datagrams that came.",
        P::DatagramsReceived,
    ),
    (
        "transom_agent_udp_sent_datagrams_total",
        "Datagrams that the kernel took.",
        P::DatagramsSent,
    ),
    (
        "transom_agent_udp_send_calls_total",
        "System calls that it took them by.",
        P::SendCalls,
    ),
    (
        "transom_agent_udp_refused_total",
        "Datagrams that the kernel refused: no route, no permission, too long.",
        P::DatagramsRefused,
    ),
    (
        "transom_agent_udp_gso_refused_total",
        "Sends that left a datagram at a time because the kernel would not segment them.",
        P::GsoRefused,
    ),
];
