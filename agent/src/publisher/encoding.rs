//! What encoding costs, for the line of figures in the log.

use std::time::{Duration, Instant};

use crate::publish::FeedControl;

/// Figures as they were when the last line was written.
#[derive(Debug)]
pub(super) struct EncodingFigures {
    at: Instant,
    count: u64,
    took: Duration,
    cpu: Duration,
}

impl EncodingFigures {
    pub(super) fn new(feed: &FeedControl) -> Self {
        Self {
            at: Instant::now(),
            count: feed.encode_time().count(),
            took: feed.encode_time().sum(),
            cpu: feed.encode_cpu(),
        }
    }

    /// The encoder, its mean milliseconds a picture, and its share of one
    /// processor core, since the last call.
    pub(super) fn since_last(&mut self, feed: &FeedControl) -> String {
        let now = Self::new(feed);
        let pictures = now.count.saturating_sub(self.count);
        let took = now.took.saturating_sub(self.took).as_secs_f64();
        let cpu = now.cpu.saturating_sub(self.cpu).as_secs_f64();
        let elapsed = now.at.saturating_duration_since(self.at).as_secs_f64();
        *self = now;
        let encoder = feed.encoder();
        if pictures == 0 || encoder.is_empty() {
            return "encoder=- encode_ms=- encode_cpu_ms=- encode_cpu=-".to_owned();
        }
        let each = |seconds: f64| seconds * 1e3 / pictures as f64;
        format!(
            "encoder={encoder} encode_ms={:.1} encode_cpu_ms={:.1} encode_cpu={:.0}%",
            each(took),
            each(cpu),
            cpu / elapsed.max(1e-3) * 100.0
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_is_of_what_is_new() {
        let feed = FeedControl::default();
        let mut figures = EncodingFigures::new(&feed);
        assert!(figures.since_last(&feed).starts_with("encoder=- "));
        feed.set_encoder("openh264");
        for ms in [4, 8] {
            let took = Duration::from_millis(ms);
            feed.encoded_in(took, took / 2);
        }
        let line = figures.since_last(&feed);
        assert!(
            line.starts_with("encoder=openh264 encode_ms=6.0 encode_cpu_ms=3.0 encode_cpu="),
            "{line}"
        );
        feed.encoded_in(Duration::from_millis(1), Duration::from_millis(1));
        assert!(figures.since_last(&feed).contains("encode_ms=1.0"));
    }
}
