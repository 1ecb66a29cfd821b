//! How devices fare, as their commands and reports pass by.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use transom_control::{Command, CommandKind, Order, Report, Stamp, State, StopReason, Unanswered};
use transom_rtc_proto::time::Instant;
use transom_rtc_telemetry::{Histogram, bounds};

use super::counters::add;

/// Of all devices since the start. Written by the relay, read by whoever asks.
#[derive(Debug)]
pub struct DeviceStats {
    answers: [Histogram; CommandKind::ANSWERED.len()],
    stops: [AtomicU64; StopReason::ALL.len()],
    unanswered: AtomicU64,
    operators: Histogram,
}

impl Default for DeviceStats {
    fn default() -> Self {
        Self {
            answers: CommandKind::ANSWERED.map(|_| Histogram::new(bounds::NETWORK)),
            stops: Default::default(),
            unanswered: AtomicU64::new(0),
            operators: Histogram::new(bounds::NETWORK),
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

    /// From passing a report on until the first setpoint that was made by it.
    pub fn operators(&self) -> &Histogram {
        &self.operators
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
    passed: Passed,
}

/// Reports that may be echoed yet: those of more than a second. None so old moves anything.
const PASSED: usize = 64;

/// The latest reports' stamps, and when each was passed on.
#[derive(Debug)]
struct Passed {
    ring: [(Stamp, Instant); PASSED],
    at: usize,
}

impl Default for Passed {
    fn default() -> Self {
        Self {
            ring: [(Stamp::NONE, Instant::default()); PASSED],
            at: 0,
        }
    }
}

impl Passed {
    fn on_report(&mut self, now: Instant, stamp: Stamp) {
        if let Some(place) = self.ring.get_mut(self.at) {
            *place = (stamp, now);
        }
        self.at = (self.at + 1) % PASSED;
    }

    /// How long ago the report was passed on that a setpoint echoes; only the first of its setpoints tells, since the
    /// others waited for their turn.
    fn on_echo(&mut self, now: Instant, echo: Stamp) -> Option<Duration> {
        let mut known = self.ring.iter_mut();
        let (stamp, at) = known.find(|(stamp, _)| *stamp == echo && echo != Stamp::NONE)?;
        *stamp = Stamp::NONE;
        Some(now.since(*at))
    }
}

impl Watch {
    /// A command goes to the device, under the lease that it carries.
    pub(super) fn on_command(&mut self, now: Instant, command: &Command) {
        self.unanswered.on_command(now.as_micros(), command);
    }

    /// A command of a driver's was passed on.
    pub(super) fn on_passed(&mut self, now: Instant, command: &Command, stats: &DeviceStats) {
        if let Order::Setpoint { echo, .. } = command.order
            && let Some(took) = self.passed.on_echo(now, echo)
        {
            stats.operators.observe(took);
        }
    }

    /// The device that has the stream says how it is. What it was in before its first
    /// report is not known: that it is stopped then is no stop.
    pub(super) fn on_report(&mut self, now: Instant, report: &Report, stats: &DeviceStats) {
        self.passed.on_report(now, report.stamp);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_echo_of_a_report_tells_how_long_its_operator_took() {
        let mut passed = Passed::default();
        let (stamp, ms) = (Stamp::from_micros, Instant::from_millis);
        for at in 1..=100 {
            passed.on_report(ms(at), stamp(at));
        }
        assert_eq!(passed.on_echo(ms(130), Stamp::NONE), None);
        assert_eq!(
            passed.on_echo(ms(130), stamp(36)),
            None,
            "too long ago to move anything"
        );
        let took = passed.on_echo(ms(130), stamp(90));
        assert_eq!(took, Some(Duration::from_millis(40)));
        assert_eq!(passed.on_echo(ms(150), stamp(90)), None, "it waited");
    }
}
