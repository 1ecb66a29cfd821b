//! The operator's side. `sfu-edge/web/control/operator.js` is its twin.

mod config;
mod presses;
mod sent;
mod status;
#[cfg(test)]
mod tests;

pub use config::OperatorConfig;
pub use presses::Pressed;
pub use status::{ArmError, OperatorStatus, Phase, Refusal};

use crate::axes::Axes;
use crate::counters::count;
use crate::kernel::{KernelConfig, Transmit};
use crate::numbers::{Channel, Epoch, Lease, Seq, Stamp};
use crate::state::{AckResult, Refused, State, StopReason};
use crate::switch::Output;
use crate::wire::{Command, CommandKind, Order, Report, ReportKind, Telemetry, WireError};
use presses::Presses;
use sent::Sent;

const REPEAT_END_US: u64 = 50_000;
const REPEAT_ARM_US: u64 = 150_000;
const ARM_WITHIN_US: u64 = 2_000_000;
const PING_EVERY_US: u64 = 200_000;
/// No network reorders by this much: the device's clock began anew.
const RESTART_US: u64 = 5_000_000;

/// Builds commands, repeats what must arrive until it is acknowledged, measures.
///
/// Times are microseconds of the operator's own monotonic clock; it has nothing to do with the device's.
#[derive(Clone, Debug)]
pub struct Operator {
    config: OperatorConfig,
    seq: Seq,
    sent: Sent,
    latest: Option<Heard>,
    limit_us: u64,
    /// The epoch that this operator opened, and the stamp of the answer that said so.
    open: Option<(Epoch, Stamp)>,
    /// The lease under which this operator armed last.
    armed_under: Option<Lease>,
    arming: Option<Arming>,
    ending: Option<Ending>,
    presses: Presses,
    refusal: Option<Refusal>,
    input: Option<(u64, Axes)>,
    picture: Stamp,
    next_setpoint: u64,
    next_ping: u64,
    rtt_us: Option<u64>,
    command_age_ms: Option<u16>,
    telemetry: Option<Telemetry>,
    refused: Option<Refused>,
    speed: u8,
    malformed: u32,
}

#[derive(Clone, Copy, Debug)]
struct Heard {
    report: Report,
    at: u64,
}

#[derive(Clone, Copy, Debug)]
struct Arming {
    /// A reset, or an arm.
    resets: bool,
    /// Kept over all repetitions: one press opens one epoch at most.
    follows: Epoch,
    first: Option<Seq>,
    until: u64,
    next: u64,
}

#[derive(Clone, Copy, Debug)]
struct Ending {
    end: End,
    epoch: Epoch,
    first: Option<Seq>,
    /// The first copy waits to go by the other channel too.
    reliable: Option<Command>,
    next: u64,
}

/// From the weakest to the strongest.
#[derive(Clone, Copy, Debug)]
enum End {
    Disarm,
    Stop(StopReason),
    Emergency,
}

impl End {
    const fn kind(self) -> CommandKind {
        match self {
            Self::Disarm => CommandKind::Disarm,
            Self::Stop(_) => CommandKind::Stop,
            Self::Emergency => CommandKind::Emergency,
        }
    }

    const fn order(self, epoch: Epoch) -> Order {
        match self {
            Self::Disarm => Order::Disarm { epoch },
            Self::Stop(reason) => Order::Stop { epoch, reason },
            Self::Emergency => Order::Emergency { epoch },
        }
    }
}

impl Operator {
    /// One that has heard nothing.
    pub fn new(config: OperatorConfig) -> Self {
        Self {
            config,
            seq: Seq(0),
            sent: Sent::new(),
            latest: None,
            limit_us: KernelConfig::DEFAULT_LIMIT_US,
            open: None,
            armed_under: None,
            arming: None,
            ending: None,
            presses: Presses::default(),
            refusal: None,
            input: None,
            picture: Stamp::NONE,
            next_setpoint: 0,
            next_ping: 0,
            rtt_us: None,
            command_age_ms: None,
            telemetry: None,
            refused: None,
            speed: 100,
            malformed: 0,
        }
    }

    /// Asks for an epoch.
    pub fn arm(&mut self, now_us: u64) -> Result<(), ArmError> {
        self.ask(now_us, false)
    }

    /// Asks for the end of an emergency stop. It takes an arm besides to move.
    pub fn reset(&mut self, now_us: u64) -> Result<(), ArmError> {
        self.ask(now_us, true)
    }

    fn ask(&mut self, now_us: u64, resets: bool) -> Result<(), ArmError> {
        if self.ending.is_some() {
            return Err(ArmError::Stopping);
        }
        let Some(latest) = self.latest.filter(|heard| self.is_fresh(heard, now_us)) else {
            return Err(ArmError::Unheard);
        };
        if self.arming.is_some() {
            return Ok(());
        }
        match (latest.report.state, resets) {
            (State::Armed, _) => return Err(ArmError::Armed),
            (State::Emergency, false) => return Err(ArmError::Emergency),
            (State::Disarmed | State::Stopped(_), true) => return Err(ArmError::NoEmergency),
            _ => {}
        }
        self.refusal = None;
        self.arming = Some(Arming {
            resets,
            follows: latest.report.epoch,
            first: None,
            until: now_us.saturating_add(ARM_WITHIN_US),
            next: now_us,
        });
        Ok(())
    }

    /// Stops, whatever the state; repeated until acknowledged. `reason` is one that
    /// [may be sent](StopReason::may_be_sent); any other counts as the operator's.
    pub fn stop(&mut self, now_us: u64, reason: StopReason) {
        let reason = if reason.may_be_sent() {
            reason
        } else {
            StopReason::Operator
        };
        // An emergency stop that is not acknowledged yet is the stronger of the two.
        if !matches!(self.ending, Some(ending) if matches!(ending.end, End::Emergency)) {
            self.end(now_us, End::Stop(reason));
        }
    }

    /// Stops, and holds the device until a [`reset`](Self::reset); repeated until acknowledged.
    pub fn emergency(&mut self, now_us: u64) {
        self.end(now_us, End::Emergency);
    }

    /// Switches what does not drive; repeated until it is answered, for two seconds at most. A press takes the
    /// place of the one before.
    pub fn switch(&mut self, now_us: u64, output: Output, value: u16, ms: u16) {
        self.presses.push(now_us, output, value, ms);
    }

    /// Ends the drive in order; repeated until acknowledged.
    pub fn disarm(&mut self, now_us: u64) {
        // A stop that is not acknowledged yet is the stronger of the two.
        let is_weaker = |ending: Ending| matches!(ending.end, End::Disarm);
        if self.ending.is_none_or(is_weaker) {
            self.end(now_us, End::Disarm);
        }
    }

    /// What is to be driven; to be said again within [`OperatorConfig::input_hold_us`].
    pub fn drive(&mut self, now_us: u64, axes: Axes) {
        self.input = Some((now_us, axes));
    }

    /// The device's stamp of the picture that is seen.
    pub fn saw_picture(&mut self, stamp: Stamp) {
        self.picture = stamp;
    }

    /// The channels are gone: the epoch is given up, and nothing is repeated but a stop. Who pressed it while
    /// the link was failing means it when there is one again.
    pub fn handle_closed(&mut self) {
        let means_it = |ending: &Ending| !matches!(ending.end, End::Disarm);
        let stop = self.ending.filter(means_it);
        self.forget();
        self.ending = stop.map(|stop| Ending {
            epoch: Epoch::ALL,
            first: None,
            reliable: None,
            ..stop
        });
    }

    fn forget(&mut self) {
        let kept = (self.config, self.seq, self.malformed, self.presses);
        *self = Self::new(self.config);
        (self.config, self.seq, self.malformed, self.presses) = kept;
        self.presses.forget();
    }

    /// A lease was granted: the sequence begins anew, nothing of before counts.
    pub fn take_lease(&mut self, lease: Lease) {
        self.forget();
        self.config.lease = lease;
        self.seq = Seq(0);
    }

    /// Takes a message from either channel.
    pub fn handle_message(&mut self, now_us: u64, bytes: &[u8]) -> Result<Report, WireError> {
        let report = Report::parse(bytes).inspect_err(|_| count(&mut self.malformed))?;
        if report.stamp.plus(RESTART_US) < self.echo() {
            // The device began anew. A stop that it has not answered is still meant.
            self.handle_closed();
        }
        if report.stamp >= self.echo() {
            self.on_news(now_us, &report);
        }
        match report.kind {
            ReportKind::Beacon {
                heard,
                held_us,
                limit_ms,
                ..
            } => {
                self.limit_us = u64::from(limit_ms) * 1000;
                self.on_heard(now_us, report.lease, heard, held_us);
            }
            ReportKind::Ack { seq, of, result } => self.on_ack(&report, seq, of, result),
            ReportKind::Telemetry(_) => {}
        }
        Ok(report)
    }

    /// The next message to the device; to be called until there is none.
    pub fn poll_transmit(&mut self, now_us: u64) -> Option<Transmit> {
        if self.ending.is_some() {
            return self.repeat_end(now_us);
        }
        if let Some(press) = self.repeat_press(now_us) {
            return Some(press);
        }
        if self.arming.is_some() {
            return self.repeat_arm(now_us).or_else(|| self.ping(now_us));
        }
        match self.open {
            Some((epoch, _)) => self.setpoint(now_us, epoch),
            None => self.ping(now_us),
        }
    }

    /// When [`poll_transmit`](Self::poll_transmit) will have something; `None`: not before the next message.
    pub fn poll_timeout(&self, now_us: u64) -> Option<u64> {
        if let Some(ending) = &self.ending {
            return Some(ending.reliable.map_or(ending.next, |_| now_us));
        }
        let others = self.poll_drive_timeout(now_us);
        others.into_iter().chain(self.presses.next()).min()
    }

    fn poll_drive_timeout(&self, now_us: u64) -> Option<u64> {
        if let Some(arming) = &self.arming {
            let repeated = arming.next.min(arming.until);
            return Some(match self.pings() {
                true => repeated.min(self.next_ping),
                false => repeated,
            });
        }
        let latest = self.latest?;
        match self.open {
            Some(_) => self.is_fresh(&latest, now_us).then_some(self.next_setpoint),
            None => self.pings().then_some(self.next_ping),
        }
    }

    /// Everything there is to show.
    pub fn status(&self, now_us: u64) -> OperatorStatus {
        OperatorStatus {
            phase: self.phase(),
            refusal: self.refusal,
            pressed: self.presses.latest(),
            heard: self
                .latest
                .map(|heard| (heard.report.epoch, heard.report.lease)),
            rtt_us: self.rtt_us,
            report_age_us: self.latest.map(|heard| now_us.saturating_sub(heard.at)),
            command_age_ms: self.command_age_ms,
            limit_ms: u16::try_from(self.limit_us / 1000).unwrap_or(u16::MAX),
            telemetry: self.telemetry,
            refused: self.refused,
            speed: self.speed,
            malformed: self.malformed,
        }
    }

    fn phase(&self) -> Phase {
        if let Some(ending) = &self.ending {
            return match ending.end {
                End::Stop(_) | End::Emergency => Phase::Stopping,
                End::Disarm => Phase::Disarming,
            };
        }
        if let Some(arming) = &self.arming {
            return match arming.resets {
                false => Phase::Arming,
                true => Phase::Resetting,
            };
        }
        match self.latest.map(|heard| heard.report) {
            None => Phase::Unheard,
            Some(report) if report.state != State::Armed => Phase::Resting(report.state),
            Some(report) if self.open.is_some_and(|(epoch, _)| epoch == report.epoch) => {
                Phase::Armed
            }
            Some(_) => Phase::Foreign,
        }
    }

    fn echo(&self) -> Stamp {
        self.latest.map_or(Stamp::NONE, |heard| heard.report.stamp)
    }

    fn is_fresh(&self, heard: &Heard, now_us: u64) -> bool {
        now_us.saturating_sub(heard.at) <= self.limit_us
    }

    /// A report that is at least as late as all before: its stamp is what commands echo from now on.
    fn on_news(&mut self, now_us: u64, report: &Report) {
        self.latest = Some(Heard {
            report: *report,
            at: now_us,
        });
        match report.kind {
            ReportKind::Telemetry(telemetry) => self.telemetry = Some(telemetry),
            ReportKind::Beacon {
                applied,
                age_ms,
                refused,
                speed,
                ..
            } => {
                if applied != Seq(0) {
                    self.command_age_ms = Some(age_ms);
                }
                (self.refused, self.speed) = (refused, speed);
            }
            ReportKind::Ack { .. } => {}
        }
        if let Some((epoch, since)) = self.open {
            let stands = report.state == State::Armed && report.epoch == epoch;
            if !stands && report.stamp >= since {
                self.open = None;
            }
        }
    }

    fn on_heard(&mut self, now_us: u64, lease: Lease, heard: Seq, held_us: u32) {
        if self.config.lease != Lease(0) && lease != self.config.lease {
            return;
        }
        // A program that was started again goes on where its former self was.
        if !self.config.relayed {
            self.seq = self.seq.max(heard);
        }
        // Else what the device heard is somebody else's.
        if !self.pings() {
            return;
        }
        let round_trip = self
            .sent
            .find(heard)
            .and_then(|at| now_us.checked_sub(at)?.checked_sub(u64::from(held_us)));
        if let Some(rtt) = round_trip {
            let former = self.rtt_us.unwrap_or(rtt);
            self.rtt_us = Some((former - former / 8).saturating_add(rtt / 8));
        }
    }

    fn on_ack(&mut self, report: &Report, seq: Seq, of: CommandKind, result: AckResult) {
        let ours = |first: Option<Seq>| first.is_some_and(|first| seq >= first);
        match of {
            CommandKind::Arm | CommandKind::Reset => {
                let asked = self.arming.filter(|arming| ours(arming.first));
                match asked {
                    Some(arming) if arming.resets != (of == CommandKind::Reset) => {}
                    Some(_) if of == CommandKind::Reset => self.on_reset_ack(result),
                    Some(arming) => self.on_arm_ack(report, &arming, result),
                    None => {}
                }
            }
            CommandKind::Stop | CommandKind::Disarm | CommandKind::Emergency => {
                let answered = |ending: &Ending| ours(ending.first) && ending.end.kind() == of;
                if self.ending.as_ref().is_some_and(answered) {
                    self.ending = None;
                }
            }
            CommandKind::Switch => self.presses.on_ack(seq, result),
            CommandKind::Setpoint | CommandKind::Ping => {}
        }
    }

    fn on_reset_ack(&mut self, result: AckResult) {
        if !matches!(result, AckResult::Done) {
            self.refusal = Some(Refusal::Device(result));
        }
        // What was stale, or overtaken, is said again.
        if !matches!(
            result,
            AckResult::Stale | AckResult::Future | AckResult::Old
        ) {
            self.arming = None;
        }
    }

    fn on_arm_ack(&mut self, report: &Report, arming: &Arming, result: AckResult) {
        if result == AckResult::Done && arming.follows.next() == Some(report.epoch) {
            self.arming = None;
            self.armed_under = Some(report.lease);
            // What was held before the device was armed does not count.
            self.input = None;
            self.next_setpoint = 0;
            // The answer may have been overtaken by news of the end.
            let ended = self.latest.is_some_and(|heard| {
                let news = heard.report;
                news.stamp > report.stamp
                    && (news.state != State::Armed || news.epoch != report.epoch)
            });
            self.open = (!ended).then_some((report.epoch, report.stamp));
            return;
        }
        self.refusal = Some(Refusal::Device(result));
        if matches!(
            result,
            AckResult::Armed | AckResult::Epoch | AckResult::Fault | AckResult::Latched
        ) {
            self.arming = None;
        }
    }

    fn end(&mut self, now_us: u64, end: End) {
        self.arming = None;
        self.open = None;
        self.input = None;
        if let Some(ending) = &mut self.ending
            && ending.end.kind() == end.kind()
        {
            ending.next = now_us;
            return;
        }
        self.ending = Some(Ending {
            end,
            epoch: self.latest.map_or(Epoch::ALL, |heard| heard.report.epoch),
            first: None,
            reliable: None,
            next: now_us,
        });
    }

    fn repeat_end(&mut self, now_us: u64) -> Option<Transmit> {
        let mut ending = self.ending?;
        if let Some(first) = ending.reliable.take() {
            self.ending = Some(ending);
            return Some(transmit(Channel::Reliable, &first));
        }
        if !is_due(ending.next, now_us) {
            return None;
        }
        ending.next = now_us.saturating_add(REPEAT_END_US);
        let command = self.command(now_us, ending.end.order(ending.epoch));
        if ending.first.is_none() {
            ending.first = Some(command.seq);
            ending.reliable = Some(command);
        }
        self.ending = Some(ending);
        Some(transmit(Channel::Control, &command))
    }

    fn repeat_arm(&mut self, now_us: u64) -> Option<Transmit> {
        let mut arming = self.arming?;
        if now_us >= arming.until {
            self.arming = None;
            self.refusal = self.refusal.or(Some(Refusal::Timeout));
            return None;
        }
        if !is_due(arming.next, now_us) {
            return None;
        }
        arming.next = now_us.saturating_add(REPEAT_ARM_US);
        let (follows, echo) = (arming.follows, self.echo());
        let order = match arming.resets {
            false => Order::Arm { follows, echo },
            true => Order::Reset {
                epoch: follows,
                echo,
            },
        };
        let command = self.command(now_us, order);
        // A repetition must not wait behind what the ordered channel retransmits.
        let channel = match arming.first {
            None => Channel::Reliable,
            Some(_) => Channel::Control,
        };
        arming.first = arming.first.or(Some(command.seq));
        self.arming = Some(arming);
        Some(transmit(channel, &command))
    }

    fn repeat_press(&mut self, now_us: u64) -> Option<Transmit> {
        let (order, is_first) = self.presses.due(now_us, self.echo())?;
        let command = self.command(now_us, order);
        self.presses.said(command.seq);
        let channel = match is_first {
            true => Channel::Reliable,
            false => Channel::Control,
        };
        Some(transmit(channel, &command))
    }

    fn setpoint(&mut self, now_us: u64, epoch: Epoch) -> Option<Transmit> {
        // Nothing fresh can be said without a fresh report.
        let fresh = self
            .latest
            .is_some_and(|heard| self.is_fresh(&heard, now_us));
        if !is_due(self.next_setpoint, now_us) || !fresh {
            return None;
        }
        self.next_setpoint = now_us.saturating_add(self.config.interval_us);
        let held = self
            .input
            .filter(|(at, _)| now_us.saturating_sub(*at) <= self.config.input_hold_us);
        let order = Order::Setpoint {
            epoch,
            echo: self.echo(),
            picture: self.picture,
            axes: held.map_or(Axes::ZERO, |(_, axes)| axes),
        };
        Some(transmit(Channel::Control, &self.command(now_us, order)))
    }

    fn ping(&mut self, now_us: u64) -> Option<Transmit> {
        if !self.pings() || !is_due(self.next_ping, now_us) {
            return None;
        }
        self.next_ping = now_us.saturating_add(PING_EVERY_US);
        Some(transmit(
            Channel::Control,
            &self.command(now_us, Order::Ping),
        ))
    }

    /// Whether the device hears this operator's pings.
    fn pings(&self) -> bool {
        self.latest.is_some_and(|heard| {
            !self.config.relayed || Some(heard.report.lease) == self.armed_under
        })
    }

    fn command(&mut self, now_us: u64, order: Order) -> Command {
        self.seq = Seq(self.seq.0.saturating_add(1));
        self.sent.push(self.seq, now_us);
        Command {
            source: Default::default(),
            lease: self.config.lease,
            seq: self.seq,
            order,
        }
    }
}

/// The end of all time is never: what cannot be put off must not be due for ever.
const fn is_due(next: u64, now_us: u64) -> bool {
    now_us >= next && next != u64::MAX
}

fn transmit(channel: Channel, command: &Command) -> Transmit {
    Transmit {
        channel,
        message: command.emit(),
    }
}
