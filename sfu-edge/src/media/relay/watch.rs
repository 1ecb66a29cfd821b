//! How devices fare, as their commands and reports pass by.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use transom_control::{Command, CommandKind, Report, State, StopReason, Unanswered};
use transom_rtc_proto::time::Instant;
use transom_rtc_telemetry::{Histogram, bounds};

use super::counters::add;

/// Of all devices since the start. Written by the relay, read by whoever asks.
#[derive(Debug)]
pub struct DeviceStats {
    answers: [Histogram; CommandKind::ANSWERED.len()],
    stops: [AtomicU64; StopReason::ALL.len()],
    unanswered: AtomicU64,
}

impl Default for DeviceStats {
    fn default() -> Self {
        Self {
            answers: CommandKind::ANSWERED.map(|_| Histogram::new(bounds::NETWORK)),
            stops: Default::default(),
            unanswered: AtomicU64::new(0),
        }
    }
}

impl DeviceStats {
    /// From passing a command on until its answer came back, by the command's kind.
    pub fn answers(&self) -> impl Iterator<Item = (&'static str, &Histogram)> {
        let names = CommandKind::ANSWERED.iter().map(|of| of.name());
        names.zip(&self.answers)
    }

    /// Stops that reports showed, by why.
    pub fn stops(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let names = StopReason::ALL.iter().map(|reason| reason.name());
        names.zip(self.stops.iter().map(|count| count.load(Ordering::Relaxed)))
    }

    /// Commands that were never answered.
    pub fn unanswered(&self) -> u64 {
        self.unanswered.load(Ordering::Relaxed)
    }
}

/// What is known of one stream's device: bounded, whatever it or its drivers say.
#[derive(Debug, Default)]
pub(super) struct Watch {
    unanswered: Unanswered,
    /// Of what it has forgotten, so much is in the figures.
    told: u64,
    state: Option<State>,
}

impl Watch {
    /// A command goes to the device, under the lease that it carries.
    pub(super) fn on_command(&mut self, now: Instant, command: &Command) {
        self.unanswered.on_command(now.as_micros(), command);
    }

    /// The device that has the stream says how it is. What it was in before its first
    /// report is not known: that it is stopped then is no stop.
    pub(super) fn on_report(&mut self, now: Instant, report: &Report, stats: &DeviceStats) {
        let before = self.state.replace(report.state);
        if let Some(reason) = report.state.reason()
            && before.is_some_and(|before| before != report.state)
        {
            let mut stops = StopReason::ALL.iter().zip(&stats.stops);
            if let Some((_, count)) = stops.find(|(r, _)| **r == reason) {
                add(count);
            }
        }
        let forgotten = self.unanswered.forgotten();
        let more = forgotten - std::mem::replace(&mut self.told, forgotten);
        stats.unanswered.fetch_add(more, Ordering::Relaxed);
        if let Some((of, micros)) = self.unanswered.on_report(now.as_micros(), report) {
            let mut answers = CommandKind::ANSWERED.iter().zip(&stats.answers);
            if let Some((_, histogram)) = answers.find(|(kind, _)| **kind == of) {
                histogram.observe(Duration::from_micros(micros));
            }
        }
    }
}
