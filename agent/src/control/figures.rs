use std::time::Duration;

use transom_control::{
    AckResult, Command, CommandKind, Order, Report, ReportKind, Stamp, State, StopReason,
    Telemetry, Unanswered,
};
use transom_rtc_telemetry::{Exposition, Histogram};

use crate::actuator::ToActuator;

/// The limit is 300 ms by default, and 2 s at most.
const AGE_BOUNDS: &[Duration] = &[
    Duration::from_millis(10),
    Duration::from_millis(20),
    Duration::from_millis(40),
    Duration::from_millis(80),
    Duration::from_millis(160),
    Duration::from_millis(320),
    Duration::from_millis(640),
    Duration::from_millis(1280),
];

/// Within a machine: a wake-up or two, unless it is overloaded.
const LOCAL_BOUNDS: &[Duration] = &[
    Duration::from_micros(100),
    Duration::from_micros(250),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_micros(2500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(50),
    Duration::from_millis(250),
];

/// Nothing that is told is older: who drives may write any stamp.
const OLDEST: Duration = Duration::from_secs(60);

/// Commands that are answered, and what figures call them.
const ANSWERED: [(CommandKind, &str); 3] = [
    (CommandKind::Arm, "arm"),
    (CommandKind::Disarm, "disarm"),
    (CommandKind::Stop, "stop"),
];

/// How an actuator's time was over, besides in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ActuatorEnd {
    NotStarted,
    Died,
    Silent,
    Failed,
}

const ENDS: [&str; 4] = ["not_started", "died", "silent", "failed"];
const REPORTS: [&str; 3] = ["beacon", "ack", "telemetry"];
const SETPOINTS: [&str; 5] = ["applied", "stale", "old", "void", "refused"];

/// What the actuator told, and how its processes fared. The kernel counts in a
/// process that may die: here the sums of all of them go on.
#[derive(Debug)]
pub(super) struct ControlFigures {
    starts: u64,
    ends: [u64; ENDS.len()],
    reports: [u64; REPORTS.len()],
    acks: [u64; AckResult::ALL.len()],
    stops: [u64; StopReason::ALL.len()],
    setpoints: [u64; SETPOINTS.len()],
    /// The present actuator's state, as it said last, and its own counts.
    state: State,
    told: [u32; SETPOINTS.len()],
    ages: Histogram,
    handed_over: Histogram,
    unanswered: Unanswered,
    answers: [Histogram; ANSWERED.len()],
}

impl Default for ControlFigures {
    fn default() -> Self {
        Self {
            starts: 0,
            ends: [0; ENDS.len()],
            reports: [0; REPORTS.len()],
            acks: [0; AckResult::ALL.len()],
            stops: [0; StopReason::ALL.len()],
            setpoints: [0; SETPOINTS.len()],
            state: State::Disarmed,
            told: [0; SETPOINTS.len()],
            ages: Histogram::new(AGE_BOUNDS),
            handed_over: Histogram::new(LOCAL_BOUNDS),
            unanswered: Unanswered::default(),
            answers: ANSWERED.map(|_| Histogram::new(LOCAL_BOUNDS)),
        }
    }
}

impl ControlFigures {
    /// A new process, which counts from the beginning.
    pub(super) fn on_start(&mut self) {
        self.starts += 1;
        self.state = State::Disarmed;
        self.told = [0; SETPOINTS.len()];
        self.unanswered = Unanswered::default();
    }

    /// Whether the lines may be powered, as far as is told.
    pub(super) fn is_armed(&self) -> bool {
        self.state == State::Armed
    }

    pub(super) fn on_end(&mut self, end: ActuatorEnd) {
        self.state = State::Disarmed;
        if let Some(count) = self.ends.get_mut(end as usize) {
            *count += 1;
        }
    }

    /// A frame that came at `since` is in the actuator's socket.
    pub(super) fn on_handed_over(&mut self, now: Stamp, frame: &[u8], since: Stamp) {
        self.handed_over.observe(micros(now.since(since)));
        let Some(ToActuator::Message(_, message)) = ToActuator::parse(frame) else {
            return;
        };
        let Ok(command) = Command::parse(message) else {
            return;
        };
        self.unanswered.on_command(now.micros(), &command);
        // The stamp that it echoes is of the clock that `now` is of. One that is none, or of the future,
        // the kernel refuses.
        if let Order::Setpoint { echo, .. } = command.order
            && self.is_armed()
            && echo != Stamp::NONE
            && echo <= now
        {
            self.ages.observe(micros(now.since(echo)).min(OLDEST));
        }
    }

    /// Takes what goes to the operator. The device reports at once when its
    /// state changes, so that every stop shows.
    pub(super) fn on_report(&mut self, now: Stamp, message: &[u8]) {
        let Ok(report) = Report::parse(message) else {
            return;
        };
        let before = std::mem::replace(&mut self.state, report.state);
        if let State::Stopped(reason) = report.state
            && before != report.state
        {
            let stops = StopReason::ALL.iter().zip(&mut self.stops);
            bump(stops.filter(|(r, _)| **r == reason));
        }
        if let Some((of, took)) = self.unanswered.on_report(now.micros(), &report) {
            let mut answers = ANSWERED.iter().zip(&self.answers);
            if let Some((_, answers)) = answers.find(|((kind, _), _)| *kind == of) {
                answers.observe(micros(took));
            }
        }
        let kind = match report.kind {
            ReportKind::Beacon { .. } => "beacon",
            ReportKind::Ack { result, .. } => {
                bump(
                    AckResult::ALL
                        .iter()
                        .zip(&mut self.acks)
                        .filter(|(r, _)| **r == result),
                );
                "ack"
            }
            ReportKind::Telemetry(telemetry) => {
                self.on_telemetry(&telemetry);
                "telemetry"
            }
        };
        bump(
            REPORTS
                .iter()
                .zip(&mut self.reports)
                .filter(|(k, _)| **k == kind),
        );
    }

    fn on_telemetry(&mut self, telemetry: &Telemetry) {
        let now = [
            telemetry.count_applied,
            telemetry.count_stale,
            telemetry.count_old,
            telemetry.count_void,
            telemetry.count_refused,
        ];
        for ((sum, now), before) in self.setpoints.iter_mut().zip(now).zip(self.told) {
            *sum += u64::from(now.saturating_sub(before));
        }
        self.told = now;
    }

    pub(super) fn write(&self, to: &mut Exposition) {
        to.counter(
            "transom_agent_actuator_starts_total",
            "Actuator processes started; all but the first are restarts.",
        )
        .value(self.starts);
        let mut family = to.counter(
            "transom_agent_actuator_failures_total",
            "Actuators that did not start, died, fell silent and were killed, or whose socket failed.",
        );
        for (reason, count) in ENDS.iter().zip(self.ends) {
            family.sample(&[("reason", reason)], count);
        }
        to.gauge(
            "transom_agent_control_armed",
            "1 while the device takes setpoints.",
        )
        .value(self.state == State::Armed);
        let mut family = to.counter(
            "transom_agent_control_reports_total",
            "Messages of the device for its operator.",
        );
        for (kind, count) in REPORTS.iter().zip(self.reports) {
            family.sample(&[("kind", kind)], count);
        }
        let mut family = to.counter(
            "transom_agent_control_acks_total",
            "Answers to arms, disarms and stops.",
        );
        for (result, count) in AckResult::ALL.iter().zip(self.acks) {
            family.sample(&[("result", result.name())], count);
        }
        let mut family = to.counter(
            "transom_agent_control_stops_total",
            "Times that the device stopped, by why; `stale` is the dead-man.",
        );
        for (reason, count) in StopReason::ALL.iter().zip(self.stops) {
            family.sample(&[("reason", reason.name())], count);
        }
        let mut family = to.counter(
            "transom_agent_control_setpoints_total",
            "What became of setpoints, as the device's telemetry tells; `stale` and `old` count arms too.",
        );
        for (result, count) in SETPOINTS.iter().zip(self.setpoints) {
            family.sample(&[("result", result)], count);
        }
        to.histogram(
            "transom_agent_control_setpoint_age_seconds",
            "How old what the operator knew was as a setpoint was handed to the armed actuator: the round trip from the device and back. A sample a setpoint, applied or not.",
        )
        .sample(&[], &self.ages);
        to.histogram(
            "transom_agent_control_handover_seconds",
            "From a command's arrival by a data channel, or a stop of the agent's own, to the actuator's socket.",
        )
        .sample(&[], &self.handed_over);
        let mut family = to.histogram(
            "transom_agent_control_answer_seconds",
            "From there until the actuator's answer; of copies by both channels the first counts.",
        );
        for ((_, command), answers) in ANSWERED.iter().zip(&self.answers) {
            family.sample(&[("command", command)], answers);
        }
    }
}

fn micros(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

fn bump<'a, T>(counts: impl Iterator<Item = (T, &'a mut u64)>) {
    for (_, count) in counts {
        *count += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use transom_control::{Axes, Channel, Epoch, Lease, Seq, Source};
    use transom_rtc_telemetry::Scrape;

    const NOW: Stamp = Stamp::from_micros(5_000_000);

    fn report(state: State, kind: ReportKind) -> Vec<u8> {
        let report = Report {
            state,
            lease: Lease(1),
            epoch: Epoch(1),
            stamp: Stamp::from_micros(1),
            kind,
        };
        report.emit().to_vec()
    }

    fn beacon(state: State) -> Vec<u8> {
        let kind = ReportKind::Beacon {
            heard: Seq(1),
            held_us: 0,
            applied: Seq(1),
            limit_ms: 300,
            age_ms: 50,
        };
        report(state, kind)
    }

    fn applied(count: u32) -> Vec<u8> {
        let telemetry = Telemetry {
            count_applied: count,
            ..Telemetry::default()
        };
        report(State::Armed, ReportKind::Telemetry(telemetry))
    }

    fn told(figures: &ControlFigures) -> Scrape {
        let mut exposition = Exposition::new();
        figures.write(&mut exposition);
        Scrape::parse(&exposition.finish()).expect("the format")
    }

    #[test]
    fn stops_are_counted_once_each_and_sums_outlive_a_process() {
        let mut figures = ControlFigures::default();
        let stale = State::Stopped(StopReason::Stale);
        for _ in 0..2 {
            figures.on_start();
            for state in [State::Disarmed, State::Armed, stale, stale, State::Armed] {
                figures.on_report(NOW, &beacon(state));
            }
            figures.on_report(NOW, &applied(7));
            figures.on_report(NOW, &applied(9));
            figures.on_report(NOW, b"no report");
            figures.on_end(ActuatorEnd::Died);
        }
        let scrape = told(&figures);
        let value = |name, labels: &[(&str, &str)]| scrape.value(name, labels).expect("there");
        let stops = "transom_agent_control_stops_total";
        assert_eq!(value(stops, &[("reason", "stale")]), 2.0);
        assert_eq!(scrape.sum(stops), 2.0);
        let setpoints = "transom_agent_control_setpoints_total";
        assert_eq!(value(setpoints, &[("result", "applied")]), 18.0);
        assert_eq!(value("transom_agent_actuator_starts_total", &[]), 2.0);
        let failures = "transom_agent_actuator_failures_total";
        assert_eq!(value(failures, &[("reason", "died")]), 2.0);
        assert_eq!(value("transom_agent_control_armed", &[]), 0.0);
    }

    fn handed_over(figures: &mut ControlFigures, seq: u32, order: Order) {
        let command = Command {
            source: Source(0),
            lease: Lease(1),
            seq: Seq(seq),
            order,
        };
        let frame = ToActuator::Message(Channel::Control, &command.emit()).emit();
        let since = Stamp::from_micros(NOW.micros() - 300);
        figures.on_handed_over(NOW, &frame, since);
    }

    #[test]
    fn setpoints_have_an_age_and_stops_an_answer() {
        let mut figures = ControlFigures::default();
        let setpoint = |echo| Order::Setpoint {
            epoch: Epoch(1),
            echo,
            picture: Stamp::NONE,
            axes: Axes::ZERO,
        };
        let fresh = Stamp::from_micros(NOW.micros() - 70_000);
        // Not armed: nothing is driven by it.
        handed_over(&mut figures, 1, setpoint(fresh));
        figures.on_report(NOW, &beacon(State::Armed));
        for (seq, echo) in [(2, fresh), (3, Stamp::NONE), (4, NOW.plus(9))] {
            handed_over(&mut figures, seq, setpoint(echo));
        }
        let stop = Order::Stop {
            epoch: Epoch(1),
            reason: StopReason::Operator,
        };
        handed_over(&mut figures, 5, stop);
        let kind = ReportKind::Ack {
            seq: Seq(5),
            of: CommandKind::Stop,
            result: AckResult::Done,
        };
        let answered = NOW.plus(400);
        for _ in 0..2 {
            figures.on_report(answered, &report(State::Disarmed, kind));
        }
        figures.on_handed_over(NOW, b"no frame", NOW);
        let scrape = told(&figures);
        let value = |name: &str, labels: &[(&str, &str)]| scrape.value(name, labels);
        let ages = "transom_agent_control_setpoint_age_seconds";
        assert_eq!(value(&format!("{ages}_count"), &[]), Some(1.0));
        assert_eq!(value(&format!("{ages}_sum"), &[]), Some(0.07));
        let over = "transom_agent_control_handover_seconds";
        assert_eq!(value(&format!("{over}_count"), &[]), Some(6.0));
        assert_eq!(value(&format!("{over}_sum"), &[]), Some(0.0015));
        let answers = "transom_agent_control_answer_seconds";
        let stop = [("command", "stop")];
        assert_eq!(value(&format!("{answers}_count"), &stop), Some(1.0));
        assert_eq!(value(&format!("{answers}_sum"), &stop), Some(0.0004));
    }
}
