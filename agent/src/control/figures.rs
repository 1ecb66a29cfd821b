use transom_control::{
    AckResult, CommandKind, Report, ReportKind, Stamp, State, StopReason, Telemetry,
};
use transom_rtc_telemetry::Exposition;

use crate::actuator::{OutputKind, OutputState, Timing};

use super::delays::Delays;

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
    delays: Delays,
    /// An emergency stop holds the device.
    held: bool,
    outputs: [Option<OutputState>; OutputKind::ALL.len()],
    /// Times that each was switched on.
    switched: [u64; OutputKind::ALL.len()],
    /// What the present actuator measured last.
    battery_mv: Option<u16>,
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
            delays: Delays::default(),
            held: false,
            outputs: [None; OutputKind::ALL.len()],
            switched: [0; OutputKind::ALL.len()],
            battery_mv: None,
        }
    }
}

impl ControlFigures {
    /// A new process, which counts from the beginning.
    pub(super) fn on_start(&mut self) {
        self.starts += 1;
        self.state = State::Disarmed;
        self.told = [0; SETPOINTS.len()];
        self.delays.on_start();
        // It switched all off before it said anything.
        self.outputs = [None; OutputKind::ALL.len()];
    }

    /// The actuator tells how its loop fares.
    pub(super) fn on_timing(&mut self, timing: &Timing) {
        self.delays.on_timing(timing);
    }

    /// What an output is from now on.
    pub(super) fn on_output(&mut self, kind: OutputKind, state: OutputState) {
        let Some(held) = self.outputs.get_mut(kind as usize) else {
            return;
        };
        let before = held.replace(state);
        if state == OutputState::On
            && before != Some(state)
            && let Some(count) = self.switched.get_mut(kind as usize)
        {
            *count += 1;
        }
    }

    pub(super) fn output(&self, kind: OutputKind) -> Option<OutputState> {
        self.outputs.get(kind as usize).copied().flatten()
    }

    /// Whether the lines may be powered, as far as is told.
    pub(super) fn is_armed(&self) -> bool {
        self.state == State::Armed
    }

    /// Whether an emergency stop holds the device, this actuator's or a former one's.
    pub(super) fn is_held(&self) -> bool {
        self.held
    }

    /// A former agent left the device held, or an emergency stop is on its way.
    pub(super) fn hold(&mut self) {
        self.held = true;
    }

    pub(super) fn on_end(&mut self, end: ActuatorEnd) {
        self.state = State::Disarmed;
        self.battery_mv = None;
        if let Some(count) = self.ends.get_mut(end as usize) {
            *count += 1;
        }
    }

    /// A frame that came at `since` is in the actuator's socket.
    pub(super) fn on_handed_over(&mut self, now: Stamp, frame: &[u8], since: Stamp) {
        let armed = self.is_armed();
        self.delays.on_handed_over(now, frame, since, armed);
    }

    /// Takes what goes to the operator. The device reports at once when its
    /// state changes, so that every stop shows.
    pub(super) fn on_report(&mut self, now: Stamp, message: &[u8]) {
        let Ok(report) = Report::parse(message) else {
            return;
        };
        let before = std::mem::replace(&mut self.state, report.state);
        if let Some(reason) = report.state.reason()
            && before != report.state
        {
            let stops = StopReason::ALL.iter().zip(&mut self.stops);
            bump(stops.filter(|(r, _)| **r == reason));
        }
        self.delays.on_report(now, &report);
        // A new actuator is disarmed until it has read that it is held; only a reset lets go.
        self.held |= report.state == State::Emergency;
        if let ReportKind::Ack {
            of: CommandKind::Reset,
            result: AckResult::Done,
            ..
        } = report.kind
        {
            // Of one that came in the same moment the state tells.
            self.held = report.state == State::Emergency;
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
        self.battery_mv = (telemetry.battery_mv != 0).then_some(telemetry.battery_mv);
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
            "transom_agent_outputs_switched_total",
            "Times that an output was switched on: the lock opened, the light lit, the chime rung.",
        );
        for (kind, count) in OutputKind::ALL.iter().zip(self.switched) {
            if *kind != OutputKind::Watchdog {
                family.sample(&[("output", kind.name())], count);
            }
        }
        to.gauge(
            "transom_agent_battery_volts",
            "The battery's voltage; NaN where nothing measures it, or it cannot be read.",
        )
        .value(
            self.battery_mv
                .map_or(f64::NAN, |mv| f64::from(mv) / 1000.0),
        );
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
        self.delays.write(to);
    }
}

fn bump<'a, T>(counts: impl Iterator<Item = (T, &'a mut u64)>) {
    for (_, count) in counts {
        *count += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use transom_control::{Epoch, Lease, Seq};
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
            refused: None,
            speed: 100,
            picture_limit_ms: 0,
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
    fn a_voltage_is_told_while_somebody_measures_it() {
        let volts = |figures: &ControlFigures| {
            let volts = told(figures).value("transom_agent_battery_volts", &[]);
            volts.expect("there")
        };
        let mut figures = ControlFigures::default();
        let measured = |figures: &mut ControlFigures, battery_mv| {
            let telemetry = Telemetry {
                battery_mv,
                ..Telemetry::default()
            };
            let telemetry = report(State::Disarmed, ReportKind::Telemetry(telemetry));
            figures.on_report(NOW, &telemetry);
        };
        figures.on_start();
        assert!(volts(&figures).is_nan());
        measured(&mut figures, 11_850);
        assert_eq!(volts(&figures), 11.85);
        measured(&mut figures, 0);
        assert!(volts(&figures).is_nan(), "it cannot be read any more");
        measured(&mut figures, 11_800);
        figures.on_end(ActuatorEnd::Died);
        assert!(volts(&figures).is_nan(), "nobody measures it");
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
}
