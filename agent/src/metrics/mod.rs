//! `/metrics`: what the agent tells Prometheus.
//!
//! Nothing here has labels that anybody chooses, and no address, token or name.

mod host;
mod server;
mod snapshot;
mod streams;

use std::sync::Arc;

pub use host::{HostName, HostNames};
pub use server::MetricsServer;
pub use streams::StreamFigures;
use streams::Streams;
use transom_rtc_telemetry::{Exposition, Process};

use crate::bell::BellFigures;
use crate::control::ActuatorLink;
use crate::publish::FeedCount;
use crate::sound::SoundCount;
use crate::still::Stills;

/// Where the figures come from.
#[derive(Debug)]
pub struct Metrics {
    /// The stream.
    pub main: StreamFigures,
    /// The second, smaller one, where there is one.
    pub second: Option<StreamFigures>,
    /// Still pictures of the source.
    pub stills: Stills,
    /// The bell.
    pub bell: Arc<BellFigures>,
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
        let streams = Streams::new(&self.main, self.second.as_ref());
        streams.write_feed(&mut to);
        self.write_sound(&mut to);
        streams.write_sessions(&mut to);
        if let Some(control) = &self.control {
            control.write_metrics(&mut to);
        }
        self.bell.write_metrics(&mut to);
        self.process.write(&mut to);
        to.finish()
    }

    fn write_sound(&self, to: &mut Exposition) {
        let feed = &self.main.feed;
        to.counter(
            "transom_agent_sound_packets_total",
            "Opus packets handed to the publisher.",
        )
        .value(feed.count(FeedCount::Sound));
        to.counter(
            "transom_agent_sound_packets_dropped_total",
            "Opus packets that the publisher was too slow for.",
        )
        .value(feed.count(FeedCount::SoundLate));
        to.counter(
            "transom_agent_sound_overruns_total",
            "Times that the sound card lost sound because it was not taken in time.",
        )
        .value(feed.count(FeedCount::SoundOverruns));
        let sound = feed.sound();
        let mut levels = to.gauge(
            "transom_agent_sound_level_dbfs",
            "How loud the last second was, mean and peak; NaN while there is no such device.",
        );
        for (device, level) in [
            ("microphone", sound.microphone()),
            ("speaker", sound.speaker()),
        ] {
            let of = |value: Option<f32>| value.map_or(f64::NAN, f64::from);
            levels.sample(
                &[("device", device), ("kind", "rms")],
                of(level.map(|level| level.rms)),
            );
            levels.sample(
                &[("device", device), ("kind", "peak")],
                of(level.map(|level| level.peak)),
            );
        }
        to.gauge(
            "transom_agent_microphone_drift_ppm",
            "How much faster the microphone's clock runs than the board's; NaN while unknown.",
        )
        .value(sound.microphone_drift_ppm().map_or(f64::NAN, f64::from));
        to.gauge(
            "transom_agent_talk_drift_ppm",
            "How much faster than by the speaker's clock the sound of who talks back is played, so that what waits stays the same; NaN while nobody talks.",
        )
        .value(sound.talk_drift_ppm().map_or(f64::NAN, f64::from));
        to.counter(
            "transom_agent_sound_devices_lost_total",
            "Times that a card in use went away or broke; it is taken up again when it is back.",
        )
        .sample(
            &[("device", "microphone")],
            sound.count(SoundCount::MicrophoneLost),
        )
        .sample(
            &[("device", "speaker")],
            sound.count(SoundCount::SpeakerLost),
        );
        for (name, help, count) in [
            (
                "transom_agent_sound_underruns_total",
                "Times that the speaker ran out of sound because none was written in time.",
                SoundCount::Underruns,
            ),
            (
                "transom_agent_chimes_total",
                "Chimes that began to play.",
                SoundCount::Chimes,
            ),
            (
                "transom_agent_chimes_unheard_total",
                "Chimes that nobody heard: no speaker was there.",
                SoundCount::ChimesUnheard,
            ),
            (
                "transom_agent_talk_packets_total",
                "Sound packets of who talks back that were played.",
                SoundCount::TalkPackets,
            ),
            (
                "transom_agent_talk_missing_total",
                "Sound packets of who talks back that never came; the decoder made up for them.",
                SoundCount::TalkMissing,
            ),
            (
                "transom_agent_talk_dry_total",
                "Gaps because sound of who talks back came too late.",
                SoundCount::TalkDry,
            ),
            (
                "transom_agent_talk_left_out_samples_total",
                "Samples of who talks back left out because too many waited.",
                SoundCount::TalkLeftOut,
            ),
        ] {
            to.counter(name, help).value(sound.count(count));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use transom_rtc_telemetry::Scrape;

    fn metrics(second: Option<StreamFigures>) -> Metrics {
        Metrics {
            main: StreamFigures::default(),
            second,
            stills: Stills::default(),
            bell: Arc::default(),
            control: None,
            process: Process::new(),
        }
    }

    #[test]
    fn the_figures_are_of_the_format() {
        let metrics = metrics(None);
        metrics.main.feed.add(FeedCount::Captured, 5);
        let scrape = Scrape::parse(&metrics.write()).expect("the format");
        let captured = scrape.value("transom_agent_frames_captured_total", &[]);
        assert_eq!(captured, Some(5.0));
        let connecting = [("state", "connecting")];
        let state = scrape.value("transom_agent_publisher_state", &connecting);
        assert_eq!(state, Some(1.0));
    }

    #[test]
    fn the_second_stream_is_told_apart_by_its_label() {
        let metrics = metrics(Some(StreamFigures::default()));
        metrics.main.feed.add(FeedCount::Captured, 5);
        let second = metrics.second.as_ref().expect("a second stream");
        second.feed.add(FeedCount::Captured, 2);
        second.feed.set_bitrate(100_000);
        let told = Scrape::parse(&metrics.write()).expect("the format");
        let (stream, video) = (("stream", "second"), ("kind", "video"));
        for (name, labels, expected) in [
            ("transom_agent_frames_captured_total", &[][..], 5.0),
            ("transom_agent_frames_captured_total", &[stream], 2.0),
            (
                "transom_agent_video_bitrate_target_bits_per_second",
                &[stream],
                100_000.0,
            ),
            ("transom_agent_encode_seconds_count", &[stream], 0.0),
            ("transom_agent_sent_packets_total", &[stream, video], 0.0),
            (
                "transom_agent_publisher_state",
                &[stream, ("state", "connecting")],
                1.0,
            ),
            ("transom_agent_udp_sent_datagrams_total", &[stream], 0.0),
        ] {
            assert_eq!(told.value(name, labels), Some(expected), "{name}{labels:?}");
        }
    }
}
