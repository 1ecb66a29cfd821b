//! What of all that passes is worth a place on the disk.

use std::collections::VecDeque;

use transom_control::{
    Axes, Channel, Command, CommandKind, Order, Report, ReportKind, Stamp, State, StopReason,
    Telemetry, Unanswered,
};

use crate::event::{
    ActuatorChange, CommandSeen, Event, LinkChange, LossReason, Note, Setpoint, StateSeen, Summary,
};

/// Between two setpoints that differ, microseconds.
const SETPOINTS_APART_US: u64 = 200_000;
/// A command like the one before is a repetition for so long; an answer likewise.
const REPEATED_FOR_US: u64 = 1_000_000;
/// So is a line of the actuator's.
const NOTED_FOR_US: u64 = 10_000_000;
/// A summary while something is going on, and while nothing is.
const SUMMARY_US: u64 = 1_000_000;
const IDLE_SUMMARY_US: u64 = 600_000_000;
/// Whoever sends what: entries a second, and as many at once.
const ENTRIES_A_SECOND: u64 = 50;
const BURST: u64 = 400;

/// Sees commands, reports and what else happens, and says what is to be recorded: each command that is no
/// setpoint once, setpoints when they differ, every change of state, and a summary a second.
///
/// A value: time is an argument, CLOCK_MONOTONIC. After each call [`poll_event`](Self::poll_event) is to be
/// asked until it has nothing.
#[derive(Debug)]
pub struct Observer {
    ready: VecDeque<(Stamp, Event)>,
    unanswered: Unanswered,
    state: Option<(State, u32, u32)>,
    command: Option<(Stamp, (CommandKind, u32, u32, u32))>,
    ack: Option<(Stamp, (CommandKind, u8, u32))>,
    note: Option<(Stamp, String)>,
    recorded: Axes,
    recorded_at: Option<Stamp>,
    /// The latest setpoint, where it is not recorded.
    latest: Option<(Stamp, Setpoint)>,
    period: Period,
    /// What the present actuator has counted, as it told last.
    told: [u32; 5],
    allowance: Allowance,
    left_out: u64,
    left_out_told: Stamp,
}

/// Since the latest summary.
#[derive(Debug, Default)]
struct Period {
    since: Option<Stamp>,
    summary: Summary,
    ages: Ages,
    speed_min: Option<u8>,
}

#[derive(Debug, Default)]
struct Ages {
    count: u64,
    sum: u64,
    least: u64,
    greatest: u64,
}

/// Entries that may still be written; grows with time.
#[derive(Debug)]
struct Allowance {
    /// In millionths of one.
    micros: u64,
    at: Stamp,
}

impl Allowance {
    fn take(&mut self, now: Stamp) -> bool {
        let grown = now.since(self.at).saturating_mul(ENTRIES_A_SECOND);
        self.micros = self.micros.saturating_add(grown).min(BURST * 1_000_000);
        self.at = self.at.max(now);
        match self.micros.checked_sub(1_000_000) {
            Some(left) => {
                self.micros = left;
                true
            }
            None => false,
        }
    }
}

impl Default for Observer {
    fn default() -> Self {
        Self {
            ready: VecDeque::new(),
            unanswered: Unanswered::default(),
            state: None,
            command: None,
            ack: None,
            note: None,
            recorded: Axes::ZERO,
            recorded_at: None,
            latest: None,
            period: Period::default(),
            told: [0; 5],
            allowance: Allowance {
                micros: BURST * 1_000_000,
                at: Stamp::NONE,
            },
            left_out: 0,
            left_out_told: Stamp::NONE,
        }
    }
}

impl Observer {
    /// What is to be recorded, oldest first, and when it was.
    pub fn poll_event(&mut self) -> Option<(Stamp, Event)> {
        self.ready.pop_front()
    }

    /// A command that came at `since` went to the actuator.
    pub fn on_command(&mut self, now: Stamp, channel: Channel, command: &Command, since: Stamp) {
        self.unanswered.on_command(now.micros(), command);
        let handover = clip(now.since(since));
        let longest = self.period.summary.handover_max_us.unwrap_or(0);
        self.period.summary.handover_max_us = Some(longest.max(handover));
        let mut seen = CommandSeen {
            command: command.order.kind().code(),
            channel: match channel {
                Channel::Control => 0,
                Channel::Reliable => 1,
            },
            source: command.source.0,
            lease: command.lease.0,
            seq: command.seq.0,
            ..CommandSeen::default()
        };
        match command.order {
            Order::Setpoint { echo, axes, .. } => {
                self.on_setpoint(now, command.seq.0, age(now, echo), axes);
                return;
            }
            Order::Ping => return,
            Order::Arm { follows, echo } => {
                seen.epoch = follows.0;
                seen.age_us = age(now, echo);
            }
            Order::Disarm { epoch } => seen.epoch = epoch.0,
            Order::Stop { epoch, reason } => {
                seen.epoch = epoch.0;
                seen.reason = reason.code();
            }
            Order::Emergency { epoch } => seen.epoch = epoch.0,
            Order::Reset { epoch, echo } => {
                seen.epoch = epoch.0;
                seen.age_us = age(now, echo);
            }
            Order::Switch {
                press,
                echo,
                output,
                value,
                ms,
            } => {
                seen.press = press.0;
                seen.age_us = age(now, echo);
                seen.output = output.code();
                seen.value = value;
                seen.ms = ms;
            }
        }
        let key = (
            command.order.kind(),
            command.source.0,
            command.lease.0,
            // One press is one command, however often it is said.
            seen.epoch.max(seen.press),
        );
        match self.command {
            Some((at, before)) if before == key && now.since(at) < REPEATED_FOR_US => {
                let repeated = &mut self.period.summary.repeated;
                *repeated = repeated.saturating_add(1);
            }
            _ => {
                self.command = Some((now, key));
                self.put(now, Event::Command(seen));
            }
        }
        self.summarise(now);
    }

    /// The agent itself stopped the device.
    pub fn on_stop(&mut self, now: Stamp, reason: StopReason) {
        self.settle();
        let reason = reason.code();
        self.put(now, Event::Stop { reason });
    }

    /// What the device says.
    pub fn on_report(&mut self, now: Stamp, report: &Report) {
        let took = self.unanswered.on_report(now.micros(), report);
        let seen = (report.state, report.epoch.0, report.lease.0);
        if self.state.replace(seen) != Some(seen) {
            self.settle();
            self.put(
                now,
                Event::State(StateSeen {
                    state: report.state.code(),
                    reason: report.state.reason().map_or(0, StopReason::code),
                    epoch: report.epoch.0,
                    lease: report.lease.0,
                    stamp_us: report.stamp.micros(),
                }),
            );
        }
        self.period.summary.state = report.state.code();
        match &report.kind {
            ReportKind::Ack { seq, of, result } => {
                let key = (*of, result.code(), report.lease.0);
                let known = self
                    .ack
                    .filter(|(at, before)| *before == key && now.since(*at) < REPEATED_FOR_US);
                if known.is_none() || took.is_some() {
                    self.ack = Some((now, key));
                    let ack = Event::Ack {
                        of: of.code(),
                        result: result.code(),
                        lease: report.lease.0,
                        seq: seq.0,
                        took_us: took.map(|(_, micros)| clip(micros)),
                    };
                    self.put(now, ack);
                }
            }
            ReportKind::Telemetry(telemetry) => self.on_telemetry(telemetry),
            ReportKind::Beacon { speed, .. } => {
                let least = &mut self.period.speed_min;
                *least = Some(least.unwrap_or(u8::MAX).min(*speed));
            }
        }
        self.summarise(now);
    }

    /// What became of the actuator process.
    pub fn on_actuator(&mut self, now: Stamp, change: ActuatorChange, pid: u32) {
        self.settle();
        if change == ActuatorChange::Started {
            // It counts from the beginning, and answers nothing of before.
            self.told = [0; 5];
            self.unanswered = Unanswered::default();
            self.state = None;
        }
        self.put(now, Event::Actuator { change, pid });
    }

    /// What became of the way to the operator.
    pub fn on_link(&mut self, now: Stamp, change: LinkChange) {
        self.put(now, Event::Link { change });
    }

    /// What a single output is now.
    pub fn on_output(&mut self, now: Stamp, output: &str, state: &str) {
        let (output, state) = (output.to_owned(), state.to_owned());
        self.put(now, Event::Output { output, state });
    }

    /// What the actuator said.
    pub fn on_note(&mut self, now: Stamp, warning: bool, text: &str) {
        if let Some((at, before)) = &self.note
            && before == text
            && now.since(*at) < NOTED_FOR_US
        {
            self.leave_out();
            return;
        }
        let text = text.to_owned();
        self.note = Some((now, text.clone()));
        self.put(now, Event::Note(Note { warning, text }));
    }

    /// How late the actuator woke at most, of late.
    pub fn on_late(&mut self, micros: u64) {
        let late = &mut self.period.summary.late_max_us;
        *late = Some(late.unwrap_or(0).max(clip(micros)));
    }

    /// The agent ends; `safe` is whether an actuator made the outputs so.
    pub fn on_end(&mut self, now: Stamp, safe: bool) {
        self.settle();
        self.conclude(now);
        self.put(now, Event::End { safe });
    }

    fn on_setpoint(&mut self, now: Stamp, seq: u32, age_us: Option<u32>, axes: Axes) {
        let summary = &mut self.period.summary;
        summary.setpoints = summary.setpoints.saturating_add(1);
        if let Some(age) = age_us {
            self.period.ages.add(age.into());
        }
        let setpoint = Setpoint {
            seq,
            age_us,
            axes: raw(&axes),
        };
        let recent = |at: Stamp| now.since(at) < SETPOINTS_APART_US;
        if self.recorded_at.is_some() && axes == self.recorded {
            self.latest = None;
        } else if self.recorded_at.is_some_and(recent) {
            self.latest = Some((now, setpoint));
        } else {
            self.latest = None;
            self.recorded = axes;
            self.recorded_at = Some(now);
            self.put(now, Event::Setpoint(setpoint));
        }
        self.summarise(now);
    }

    /// What moved it last is written before what ended that.
    fn settle(&mut self) {
        if let Some((at, setpoint)) = self.latest.take() {
            self.put(at, Event::Setpoint(setpoint));
        }
        // The next one is told, whatever it is.
        self.recorded_at = None;
    }

    fn on_telemetry(&mut self, telemetry: &Telemetry) {
        let now = [
            telemetry.count_applied,
            telemetry.count_stale,
            telemetry.count_old,
            telemetry.count_void,
            telemetry.count_refused,
        ];
        let before = std::mem::replace(&mut self.told, now);
        let summary = &mut self.period.summary;
        let sums = [
            &mut summary.applied,
            &mut summary.stale,
            &mut summary.old,
            &mut summary.void,
            &mut summary.refused,
        ];
        for ((sum, now), before) in sums.into_iter().zip(now).zip(before) {
            *sum = sum.saturating_add(now.saturating_sub(before));
        }
        summary.battery_mv = telemetry.battery_mv;
        summary.x_mm = telemetry.x_mm;
        summary.y_mm = telemetry.y_mm;
        summary.heading_mrad = telemetry.heading_mrad;
        summary.range_mm = telemetry.range_mm;
    }

    fn summarise(&mut self, now: Stamp) {
        let since = *self.period.since.get_or_insert(now);
        let summary = &self.period.summary;
        let armed = matches!(self.state, Some((State::Armed, ..)));
        let limit = match armed || summary.setpoints > 0 || summary.repeated > 0 {
            true => SUMMARY_US,
            false => IDLE_SUMMARY_US,
        };
        if now.since(since) >= limit {
            self.conclude(now);
        }
    }

    fn conclude(&mut self, now: Stamp) {
        let Period {
            since,
            mut summary,
            ages,
            speed_min,
        } = std::mem::take(&mut self.period);
        self.period.since = Some(now);
        // The state goes on, and so does where the device is.
        self.period.summary = Summary {
            state: summary.state,
            battery_mv: summary.battery_mv,
            x_mm: summary.x_mm,
            y_mm: summary.y_mm,
            heading_mrad: summary.heading_mrad,
            range_mm: summary.range_mm,
            ..Summary::default()
        };
        let Some(since) = since else {
            return;
        };
        summary.speed_min = speed_min.unwrap_or(100);
        summary.period_ms = clip(now.since(since) / 1000);
        if let Some(mean) = ages.sum.checked_div(ages.count) {
            summary.age_min_us = Some(clip(ages.least));
            summary.age_mean_us = Some(clip(mean));
            summary.age_max_us = Some(clip(ages.greatest));
        }
        self.put(now, Event::Summary(summary));
    }

    fn put(&mut self, now: Stamp, event: Event) {
        if !self.allowance.take(now) {
            self.leave_out();
            return;
        }
        let told = self.left_out_told;
        if self.left_out > 0 && (told == Stamp::NONE || now.since(told) >= SUMMARY_US) {
            self.left_out_told = now;
            let count = std::mem::take(&mut self.left_out);
            let why = LossReason::Flood;
            self.ready.push_back((now, Event::Lost { why, count }));
        }
        self.ready.push_back((now, event));
    }

    fn leave_out(&mut self) {
        self.left_out = self.left_out.saturating_add(1);
    }
}

impl Ages {
    fn add(&mut self, age: u64) {
        self.least = match self.count {
            0 => age,
            _ => self.least.min(age),
        };
        self.greatest = self.greatest.max(age);
        self.sum = self.sum.saturating_add(age);
        self.count += 1;
    }
}

/// A stamp that is none, or of the future, has no age.
fn age(now: Stamp, echo: Stamp) -> Option<u32> {
    (echo != Stamp::NONE && echo <= now).then(|| clip(now.since(echo)))
}

/// All ones mean that it is not known.
fn clip(micros: u64) -> u32 {
    u32::try_from(micros).unwrap_or(u32::MAX).min(u32::MAX - 1)
}

fn raw(axes: &Axes) -> [i16; 8] {
    axes.all().map(|axis| axis.raw())
}

#[cfg(test)]
mod tests {
    use super::*;
    use transom_control::{AckResult, Axis, Epoch, Lease, Seq, Source};

    fn ms(ms: u64) -> Stamp {
        Stamp::from_micros(1_000_000 + ms * 1000)
    }

    fn command(seq: u32, order: Order) -> Command {
        Command {
            source: Source(3),
            lease: Lease(2),
            seq: Seq(seq),
            order,
        }
    }

    fn setpoint(seq: u32, echo: Stamp, speed: f32) -> Command {
        let axes = Axes::drive(Axis::from_fraction(speed), Axis::ZERO);
        command(
            seq,
            Order::Setpoint {
                epoch: Epoch(1),
                echo,
                picture: Stamp::NONE,
                axes,
            },
        )
    }

    fn stop(seq: u32) -> Command {
        command(
            seq,
            Order::Stop {
                epoch: Epoch(1),
                reason: StopReason::Operator,
            },
        )
    }

    fn report(state: State, kind: ReportKind) -> Report {
        Report {
            state,
            lease: Lease(2),
            epoch: Epoch(1),
            stamp: ms(0),
            kind,
        }
    }

    const BEACON: ReportKind = ReportKind::Beacon {
        heard: Seq(1),
        held_us: 0,
        applied: Seq(1),
        limit_ms: 300,
        age_ms: 50,
        refused: None,
        speed: 100,
        picture_limit_ms: 0,
    };

    fn drain(observer: &mut Observer) -> Vec<Event> {
        std::iter::from_fn(|| observer.poll_event())
            .map(|(_, event)| event)
            .collect()
    }

    fn names(events: &[Event]) -> Vec<&'static str> {
        events.iter().map(Event::name).collect()
    }

    #[test]
    fn setpoints_are_thinned_and_the_last_before_a_stop_is_there() {
        let mut observer = Observer::default();
        observer.on_report(ms(0), &report(State::Armed, BEACON));
        // 50 a second that all differ, then the same for a while.
        for at in 0..20 {
            let speed = f32::from(u16::try_from(at).expect("small")) / 40.0;
            let command = setpoint(at, ms(at.into()), speed);
            observer.on_command(ms(u64::from(at) * 20), Channel::Control, &command, ms(0));
        }
        let told = drain(&mut observer);
        assert_eq!(names(&told), ["state", "setpoint", "setpoint"]);
        let stale = State::Stopped(StopReason::Stale);
        observer.on_report(ms(600), &report(stale, BEACON));
        let told = drain(&mut observer);
        assert_eq!(names(&told), ["setpoint", "state"]);
        assert!(matches!(&told[0], Event::Setpoint(last) if last.seq == 19));
    }

    #[test]
    fn a_command_is_told_once_and_its_repetitions_are_counted() {
        let mut observer = Observer::default();
        for at in 0..60 {
            let at_ms = u64::from(at) * 20;
            observer.on_command(ms(at_ms), Channel::Control, &stop(at), ms(at_ms));
        }
        let told = drain(&mut observer);
        // After a second it is told anew.
        assert_eq!(names(&told), ["command", "command", "summary"]);
        let Event::Summary(summary) = &told[2] else {
            panic!("a summary");
        };
        assert_eq!((summary.repeated, summary.period_ms), (49, 1000));
    }

    #[test]
    fn answers_have_their_time_and_a_second_of_driving_its_ages() {
        let mut observer = Observer::default();
        observer.on_report(ms(0), &report(State::Armed, BEACON));
        observer.on_command(ms(0), Channel::Reliable, &stop(1), ms(0));
        let ack = ReportKind::Ack {
            seq: Seq(1),
            of: CommandKind::Stop,
            result: AckResult::Done,
        };
        observer.on_report(ms(3), &report(State::Armed, ack));
        let told = drain(&mut observer);
        assert!(
            matches!(
                told.last(),
                Some(Event::Ack {
                    took_us: Some(3000),
                    ..
                })
            ),
            "{told:?}"
        );
        for at in 1..=50_u32 {
            let now = ms(u64::from(at) * 20);
            let echo = Stamp::from_micros(now.micros() - u64::from(at) * 1000);
            observer.on_command(now, Channel::Control, &setpoint(at, echo, 0.5), now);
        }
        observer.on_late(77);
        observer.on_report(ms(1001), &report(State::Armed, BEACON));
        let told = drain(&mut observer);
        let summary = told.iter().find_map(|event| match event {
            Event::Summary(summary) => Some(summary),
            _ => None,
        });
        let summary = summary.expect("a summary");
        assert_eq!(summary.setpoints, 50);
        let ages = (summary.age_min_us, summary.age_mean_us, summary.age_max_us);
        assert_eq!(ages, (Some(1000), Some(25_500), Some(50_000)));
    }

    #[test]
    fn a_flood_is_bounded_and_counted() {
        let mut observer = Observer::default();
        let mut told = Vec::new();
        for at in 0..20_000_u32 {
            let now = Stamp::from_micros(1_000_000 + u64::from(at) * 100);
            // Two who alternate, so that none repeats the one before.
            let mut command = stop(at);
            command.source = Source(at % 2);
            observer.on_command(now, Channel::Control, &command, now);
            told.extend(drain(&mut observer));
        }
        // A burst, and two seconds of what is allowed; told of once a second.
        assert!(told.len() <= 400 + 2 * 50 + 4, "{}", told.len());
        let lost: u64 = told
            .iter()
            .map(|event| match event {
                Event::Lost { count, .. } => *count,
                _ => 0,
            })
            .sum();
        assert!(lost > 9_000, "{lost}");
    }
}
