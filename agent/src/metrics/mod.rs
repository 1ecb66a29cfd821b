//! `/metrics`: what the agent tells Prometheus.
//!
//! Nothing here has labels that anybody chooses, and no address, token or name.

mod host;
mod server;

use std::sync::Arc;

pub use host::{HostName, HostNames};
pub use server::MetricsServer;
use transom_rtc_telemetry::{Exposition, Process};

use crate::control::ActuatorLink;
use crate::publish::{FeedControl, FeedCount};
use crate::publisher::{PublishCount, PublishFigures, PublisherState};

/// Where the figures come from.
#[derive(Debug)]
pub struct Metrics {
    /// Capture and encoders.
    pub feed: FeedControl,
    /// Sessions.
    pub publisher: Arc<PublishFigures>,
    /// Driving, where there is a board.
    pub control: Option<ActuatorLink>,
    /// The process.
    pub process: Process,
}

impl Metrics {
    /// Everything.
    pub fn write(&self) -> String {
        let mut to = Exposition::new();
        to.gauge(
            "transom_agent_build_info",
            "Always 1; the version is in the label.",
        )
        .sample(&[("version", env!("CARGO_PKG_VERSION"))], 1_u64);
        self.write_feed(&mut to);
        self.write_sessions(&mut to);
        self.write_sent(&mut to);
        self.write_udp(&mut to);
        if let Some(control) = &self.control {
            control.write_metrics(&mut to);
        }
        self.process.write(&mut to);
        to.finish()
    }

    fn write_feed(&self, to: &mut Exposition) {
        use FeedCount as F;
        use PublishCount as P;
        let (feed, sent) = (&self.feed, &self.publisher);
        to.counter(
            "transom_agent_frames_captured_total",
            "Pictures that the source gave: drawn, from a camera, or of a recording.",
        )
        .value(feed.count(F::Captured));
        to.counter(
            "transom_agent_frames_encoded_total",
            "Coded pictures handed to the publisher, coded here or by the source.",
        )
        .value(feed.count(F::Frames));
        let mut dropped = to.counter(
            "transom_agent_frames_dropped_total",
            "Pictures that were left out, by why: before the encoder, in it, behind it, and on the way to the network (sound as well). \
             A pause leaves out more, uncounted: then nobody is there.",
        );
        for (reason, count) in [
            ("encoder_busy", feed.count(F::EncoderBusy)),
            ("encoder_skipped", feed.count(F::EncoderSkipped)),
            ("encoder_failed", feed.count(F::EncoderFailed)),
            ("publisher_late", feed.count(F::Late)),
            ("refers_to_lost", feed.count(F::Undecodable)),
            ("not_connected", sent.count(P::FramesEarly)),
            ("driver_busy", sent.count(P::FramesDriverBusy)),
            ("path_slow", sent.count(P::FramesPathSlow)),
            ("unusable", sent.count(P::FramesUnusable)),
        ] {
            dropped.sample(&[("reason", reason)], count);
        }
        to.histogram(
            "transom_agent_encode_seconds",
            "How long our encoder took for a picture.",
        )
        .sample(&[], feed.encode_time());
        to.gauge(
            "transom_agent_video_bitrate_target_bits_per_second",
            "What the picture may use now; 0 before the first session.",
        )
        .value(feed.bitrate().unwrap_or(0));
        to.counter(
            "transom_agent_sound_packets_total",
            "Opus packets handed to the publisher.",
        )
        .value(feed.count(F::Sound));
        to.counter(
            "transom_agent_sound_packets_dropped_total",
            "Opus packets that the publisher was too slow for.",
        )
        .value(feed.count(F::SoundLate));
        to.counter(
            "transom_agent_sound_overruns_total",
            "Times that the sound card lost sound because it was not taken in time.",
        )
        .value(feed.count(F::SoundOverruns));
    }

    fn write_sessions(&self, to: &mut Exposition) {
        let figures = &self.publisher;
        let now = figures.state();
        let mut states = to.gauge(
            "transom_agent_publisher_state",
            "1 for what the publisher is at, 0 for the others.",
        );
        for state in PublisherState::ALL {
            states.sample(&[("state", state.name())], state == now);
        }
        for (name, help, count) in [
            (
                "transom_agent_sessions_accepted_total",
                "Offers that the server answered.",
                PublishCount::Accepted,
            ),
            (
                "transom_agent_sessions_connected_total",
                "Sessions over which media could flow; all but the first are reconnects.",
                PublishCount::Connected,
            ),
            (
                "transom_agent_sessions_failed_total",
                "Sessions that did not begin or were lost; another try follows each.",
                PublishCount::Failed,
            ),
        ] {
            to.counter(name, help).value(figures.count(count));
        }
        to.gauge(
            "transom_agent_rtt_seconds",
            "Round trip to the server; NaN while unknown.",
        )
        .value(figures.rtt().map_or(f64::NAN, |rtt| rtt.as_secs_f64()));
        to.gauge(
            "transom_agent_video_lost_ratio",
            "The part of the picture's packets that the server missed over its last report, 0 to 1.",
        )
        .value(figures.fraction_lost());
    }

    fn write_udp(&self, to: &mut Exposition) {
        use PublishCount as P;
        let figures = &self.publisher;
        for (name, help, count) in [
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
        ] {
            to.counter(name, help).value(figures.count(count));
        }
        to.gauge(
            "transom_agent_udp_gso_in_use",
            "1 where the kernel segments what is sent (GSO), 0 where not; NaN without a session.",
        )
        .value(match figures.gso_in_use() {
            Some(in_use) => f64::from(u8::from(in_use)),
            None => f64::NAN,
        });
        let mut family = to.counter(
            "transom_agent_datagrams_refused_total",
            "Datagrams that came and were not taken, by why. Strangers can raise it.",
        );
        for (reason, count) in figures.datagrams_not_taken() {
            family.sample(&[("reason", reason)], count);
        }
    }

    fn write_sent(&self, to: &mut Exposition) {
        use PublishCount as P;
        let figures = &self.publisher;
        to.counter(
            "transom_agent_sent_packets_total",
            "RTP packets sent, repairs apart.",
        )
        .sample(&[("kind", "audio")], figures.count(P::AudioPackets))
        .sample(&[("kind", "video")], figures.count(P::VideoPackets));
        to.counter(
            "transom_agent_sent_bytes_total",
            "RTP bytes sent, headers and repairs included.",
        )
        .sample(&[("kind", "audio")], figures.count(P::AudioBytes))
        .sample(&[("kind", "video")], figures.count(P::VideoBytes));
        to.counter(
            "transom_agent_nacks_received_total",
            "Packets that the server asked for again.",
        )
        .value(figures.count(P::RepairsWanted));
        to.counter(
            "transom_agent_retransmissions_total",
            "Packets sent again, by RTX.",
        )
        .value(figures.count(P::Repairs));
        to.counter(
            "transom_agent_key_frame_requests_received_total",
            "Key frames that the server asked for (PLI, FIR).",
        )
        .value(figures.count(P::KeyFramesWanted));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use transom_rtc_telemetry::Scrape;

    #[test]
    fn the_figures_are_of_the_format() {
        let metrics = Metrics {
            feed: FeedControl::default(),
            publisher: Arc::default(),
            control: None,
            process: Process::new(),
        };
        metrics.feed.add(FeedCount::Captured, 5);
        let scrape = Scrape::parse(&metrics.write()).expect("the format");
        let captured = scrape.value("transom_agent_frames_captured_total", &[]);
        assert_eq!(captured, Some(5.0));
        let connecting = [("state", "connecting")];
        let state = scrape.value("transom_agent_publisher_state", &connecting);
        assert_eq!(state, Some(1.0));
    }
}
