//! `/metrics`: what the server tells Prometheus.
//!
//! Sums of the whole server, and figures of each stream. The only label whose
//! values clients choose is a stream's name: [`StreamName`](crate::directory::StreamName)
//! bounds its characters, `max_streams` how many there are at a time, and
//! [`MAX_STREAMS`] how many are told. There are no figures of single subscribers.

mod media;
mod relay;
mod streams;

use std::sync::Arc;

use transom_rtc_telemetry::{Exposition, Process};

use crate::auth::Grant;
use crate::control::Control;
use crate::media::MediaFigures;
use crate::media::relay::RelayStats;

/// Streams with figures of their own, the first by name; how many more there are
/// is told.
pub const MAX_STREAMS: usize = 256;

/// Where the figures come from, besides the control plane.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Of the media threads.
    pub media: MediaFigures,
    /// Of the messages on data channels.
    pub relay: Arc<RelayStats>,
    /// Of the process.
    pub process: Process,
}

impl Metrics {
    /// Everything, with the streams that `grant` covers.
    pub fn write(&self, control: &Control, grant: &Grant) -> String {
        let mut to = Exposition::new();
        to.gauge(
            "transom_sfu_build_info",
            "Always 1; the version is in the label.",
        )
        .sample(&[("version", env!("CARGO_PKG_VERSION"))], 1_u64);
        control.write_metrics(&mut to);
        streams::write(&control.streams(grant), &mut to);
        media::write(&self.media, &mut to);
        relay::write(&self.relay, &mut to);
        self.process.write(&mut to);
        to.finish()
    }
}
