//! How long commands take on their way through this machine, and how old setpoints are.

use std::time::Duration;

use transom_control::{Command, CommandKind, Order, Report, Stamp, Unanswered};
use transom_rtc_telemetry::{Exposition, Histogram, bounds};

use crate::actuator::{Tally, Timing, ToActuator};

/// Nothing that is told is older: who drives may write any stamp.
const OLDEST: Duration = Duration::from_secs(60);

/// What was measured since the agent's start.
#[derive(Debug)]
pub(super) struct Delays {
    ages: Histogram,
    pictures: Histogram,
    handed_over: Histogram,
    /// Of the present actuator.
    unanswered: Unanswered,
    answers: [Histogram; CommandKind::ANSWERED.len()],
    reports: Histogram,
    woke_late: FromAfar,
    applied: FromAfar,
}

/// What an actuator counts, over all of them.
#[derive(Debug)]
struct FromAfar {
    histogram: Histogram,
    /// What the present one told last.
    told: Tally,
    /// The most that any of them told.
    longest_us: u32,
}

impl Default for FromAfar {
    fn default() -> Self {
        Self {
            histogram: Histogram::new(bounds::LOCAL),
            told: Tally::default(),
            longest_us: 0,
        }
    }
}

impl FromAfar {
    fn take(&mut self, tally: &Tally) {
        let before = std::mem::replace(&mut self.told, *tally);
        let counts = tally.counts.iter().zip(before.counts);
        let more = counts.map(|(now, before)| now.saturating_sub(before).into());
        self.histogram
            .add(more, tally.sum_us.saturating_sub(before.sum_us));
        self.longest_us = self.longest_us.max(tally.longest_us);
    }

    fn longest(&self) -> Duration {
        Duration::from_micros(self.longest_us.into())
    }
}

impl Default for Delays {
    fn default() -> Self {
        Self {
            ages: Histogram::new(bounds::NETWORK),
            pictures: Histogram::new(bounds::NETWORK),
            handed_over: Histogram::new(bounds::LOCAL),
            unanswered: Unanswered::default(),
            answers: CommandKind::ANSWERED.map(|_| Histogram::new(bounds::LOCAL)),
            reports: Histogram::new(bounds::LOCAL),
            woke_late: FromAfar::default(),
            applied: FromAfar::default(),
        }
    }
}

impl Delays {
    /// A new actuator answers nothing of before.
    pub(super) fn on_start(&mut self) {
        self.unanswered = Unanswered::default();
        self.woke_late.told = Tally::default();
        self.applied.told = Tally::default();
    }

    /// The actuator tells how its loop fares.
    pub(super) fn on_timing(&mut self, timing: &Timing) {
        self.woke_late.take(&timing.woke_late);
        self.applied.take(&timing.applied);
    }

    /// A frame that came at `since` is in the actuator's socket; `armed` is whether it takes setpoints.
    pub(super) fn on_handed_over(&mut self, now: Stamp, frame: &[u8], since: Stamp, armed: bool) {
        self.handed_over.observe(micros(now.since(since)));
        let Some(ToActuator::Message(_, _, message)) = ToActuator::parse(frame) else {
            return;
        };
        let Ok(command) = Command::parse(message) else {
            return;
        };
        self.unanswered.on_command(now.micros(), &command);
        if let Order::Setpoint { echo, picture, .. } = command.order
            && armed
        {
            observe_age(&self.ages, now, echo);
            observe_age(&self.pictures, now, picture);
        }
    }

    /// The actuator said this.
    pub(super) fn on_report(&mut self, now: Stamp, report: &Report) {
        // Its stamp is of the clock that `now` is of.
        if report.stamp <= now {
            self.reports.observe(micros(now.since(report.stamp)));
        }
        if let Some((of, took)) = self.unanswered.on_report(now.micros(), report) {
            let mut answers = CommandKind::ANSWERED.iter().zip(&self.answers);
            if let Some((_, answers)) = answers.find(|(kind, _)| **kind == of) {
                answers.observe(micros(took));
            }
        }
    }

    pub(super) fn write(&self, to: &mut Exposition) {
        to.histogram(
            "transom_agent_control_setpoint_age_seconds",
            "How old what the operator knew was as a setpoint was handed to the armed actuator: the round trip from the device and back. A sample a setpoint, applied or not.",
        )
        .sample(&[], &self.ages);
        to.histogram(
            "transom_agent_control_picture_age_seconds",
            "How old the picture that the operator saw was as a setpoint was handed to the armed actuator: from its capture to the screen, and the command's way back. A sample a setpoint that names one.",
        )
        .sample(&[], &self.pictures);
        to.histogram(
            "transom_agent_control_handover_seconds",
            "From a command's arrival by a data channel, or a stop of the agent's own, to the actuator's socket.",
        )
        .sample(&[], &self.handed_over);
        let mut family = to.histogram(
            "transom_agent_control_answer_seconds",
            "From there until the actuator's answer; of copies by both channels the first counts.",
        );
        for (command, answers) in CommandKind::ANSWERED.iter().zip(&self.answers) {
            family.sample(&[("command", command.name())], answers);
        }
        to.histogram(
            "transom_agent_actuator_apply_seconds",
            "From the actuator's taking a command out of its socket until the board has what follows from it.",
        )
        .sample(&[], &self.applied.histogram);
        to.histogram(
            "transom_agent_control_report_seconds",
            "From the actuator's saying something until it is handed to the data channels.",
        )
        .sample(&[], &self.reports);
        to.histogram(
            "transom_agent_actuator_late_seconds",
            "The jitter of the actuator's loop: how late it woke, against the time that it had asked for.",
        )
        .sample(&[], &self.woke_late.histogram);
        to.gauge(
            "transom_agent_actuator_late_max_seconds",
            "The latest of all.",
        )
        .value(self.woke_late.longest());
    }
}

/// A stamp in a setpoint is of the clock that `now` is of. One that is none, or of the future, the kernel refuses.
fn observe_age(ages: &Histogram, now: Stamp, stamp: Stamp) {
    if stamp != Stamp::NONE && stamp <= now {
        ages.observe(micros(now.since(stamp)).min(OLDEST));
    }
}

fn micros(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

#[cfg(test)]
mod tests {
    use super::*;
    use transom_control::{
        AckResult, Axes, Channel, Epoch, Lease, ReportKind, Seq, Source, State, StopReason,
    };
    use transom_rtc_telemetry::Scrape;

    const NOW: Stamp = Stamp::from_micros(5_000_000);

    fn handed_over(delays: &mut Delays, seq: u32, order: Order, armed: bool) {
        let command = Command {
            source: Source(0),
            lease: Lease(1),
            seq: Seq(seq),
            order,
        };
        let since = Stamp::from_micros(NOW.micros() - 300);
        let frame = ToActuator::Message(Channel::Control, since, &command.emit()).emit();
        delays.on_handed_over(NOW, &frame, since, armed);
    }

    #[test]
    fn setpoints_have_an_age_and_stops_an_answer() {
        let mut delays = Delays::default();
        let setpoint = |echo| Order::Setpoint {
            epoch: Epoch(1),
            echo,
            // Older than what its sender knew of the device.
            picture: match echo.micros().checked_sub(50_000) {
                Some(earlier) => Stamp::from_micros(earlier),
                None => Stamp::NONE,
            },
            axes: Axes::ZERO,
        };
        let fresh = Stamp::from_micros(NOW.micros() - 70_000);
        // Not armed: nothing is driven by it.
        handed_over(&mut delays, 1, setpoint(fresh), false);
        for (seq, echo) in [(2, fresh), (3, Stamp::NONE), (4, NOW.plus(9))] {
            handed_over(&mut delays, seq, setpoint(echo), true);
        }
        let stop = Order::Stop {
            epoch: Epoch(1),
            reason: StopReason::Operator,
        };
        handed_over(&mut delays, 5, stop, true);
        delays.on_handed_over(NOW, b"no frame", NOW, true);
        let answer = Report {
            state: State::Disarmed,
            lease: Lease(1),
            epoch: Epoch(1),
            stamp: NOW,
            kind: ReportKind::Ack {
                seq: Seq(5),
                of: CommandKind::Stop,
                result: AckResult::Done,
            },
        };
        for _ in 0..2 {
            delays.on_report(NOW.plus(400), &answer);
        }

        let mut exposition = Exposition::new();
        delays.write(&mut exposition);
        let scrape = Scrape::parse(&exposition.finish()).expect("the format");
        let told = |name: &str, labels: &[(&str, &str)]| {
            ["count", "sum"].map(|part| scrape.value(&format!("{name}_{part}"), labels))
        };
        let ages = told("transom_agent_control_setpoint_age_seconds", &[]);
        assert_eq!(ages, [Some(1.0), Some(0.07)]);
        let pictures = told("transom_agent_control_picture_age_seconds", &[]);
        assert_eq!(pictures, [Some(2.0), Some(0.169_991)]);
        let over = told("transom_agent_control_handover_seconds", &[]);
        assert_eq!(over, [Some(6.0), Some(0.0015)]);
        let stop = [("command", "stop")];
        let answers = told("transom_agent_control_answer_seconds", &stop);
        assert_eq!(answers, [Some(1.0), Some(0.0004)]);
    }
}
