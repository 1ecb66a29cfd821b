//! The device's side.

mod acks;
mod config;
#[cfg(test)]
mod explorer;
mod motion;
mod report;
mod switches;
#[cfg(test)]
mod tests;

pub use config::KernelConfig;
pub use motion::{AxisLimit, Limits};
pub use report::{Measurements, Transmit};
pub use switches::Switch;

use crate::axes::Axes;
use crate::counters::{Counters, count};
use crate::numbers::{Channel, Epoch, Lease, Press, Seq, Source, Stamp};
use crate::state::{AckResult, Refused, State, StopReason};
use crate::wire::{Command, CommandKind, Order, WireError};
use acks::{Ack, Acks};
use motion::Motion;

/// So many messages that are no commands stop what moves, if they come within a second.
const MALFORMED_MOST: u32 = 5;
const MALFORMED_WITHIN_US: u64 = 1_000_000;
/// Between two looks at the outputs while they are on their way to a setpoint, in microseconds.
const SLEW_EVERY_US: u64 = 10_000;

/// Why a command was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// It is no command.
    Malformed(WireError),
    /// Its lease is lower than the highest seen.
    Lease,
    /// A setpoint that is not applied.
    Setpoint(Refused),
    /// It is answered with this.
    Answered(AckResult),
}

/// Decides whether the device moves. See the crate's documentation for the rules.
///
/// Its driver gives it what comes in ([`handle_message`](Self::handle_message)) and the time when it asked
/// for it ([`poll_timeout`](Self::poll_timeout), [`handle_timeout`](Self::handle_timeout)), and after
/// either one applies [`output`](Self::output) and sends what [`poll_transmit`](Self::poll_transmit) has.
/// Should the driver come late, `output` is zero all the same.
#[derive(Clone, Debug)]
pub struct Kernel {
    config: KernelConfig,
    /// The latest time told; time never goes back.
    now: Stamp,
    /// Since when the device has had the latest command.
    came: Stamp,
    state: State,
    fault: bool,
    epoch: Epoch,
    lease: Lease,
    source: Source,
    seen: Seen,
    motion: Motion,
    /// The latest picture that a setpoint of the open epoch named.
    picture: Stamp,
    /// What its age left of the speed, in percent.
    speed: u8,
    /// When the latest fresh arm or setpoint of the open epoch came to the device.
    fresh_at: Stamp,
    /// The latest stop that anybody sent.
    stopped: Option<Stopped>,
    /// Why the latest setpoint was refused, if it was.
    refused: Option<Refused>,
    /// Since when there were how many messages that are no commands.
    malformed: (Stamp, u32),
    /// What is to be switched.
    switch: Option<Switch>,
    /// Each sender's latest press, and what became of it. It outlives the lease: a press is done once, whoever
    /// stopped the device since.
    presses: [Option<(Source, Press, AckResult)>; PRESSERS],
    /// The latest emergency stop, whatever lesser stop came since.
    emergency: Option<(Lease, Seq)>,
    age_us: u64,
    measurements: Measurements,
    counters: Counters,
    acks: Acks,
    next_beacon: Stamp,
    next_telemetry: Stamp,
}

/// A stop that somebody sent.
#[derive(Clone, Copy, Debug)]
struct Stopped {
    at: Stamp,
    lease: Lease,
    seq: Seq,
}

/// Sequence numbers of one lease.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    /// The highest of all commands, and when it came.
    heard: Option<(Seq, Stamp)>,
    /// The highest of all arms.
    arm: Option<Seq>,
    /// That of the arm that opened the epoch.
    opened: Option<Seq>,
    /// The highest of all stops and disarms.
    end: Option<Seq>,
    /// The highest of the setpoints applied.
    applied: Option<Seq>,
    /// That of the latest reset that was done.
    reset: Option<Seq>,
}

/// Whose latest press is known, at a time.
const PRESSERS: usize = 8;

impl Kernel {
    /// A disarmed one. `first` is an epoch that no kernel of this device had before within the limit: a
    /// command to a former self must find its epoch closed.
    pub fn new(config: KernelConfig, now: Stamp, first: Epoch) -> Self {
        Self {
            config,
            now,
            came: now,
            state: State::Disarmed,
            fault: false,
            epoch: first,
            lease: Lease::default(),
            source: Source::default(),
            seen: Seen::default(),
            motion: Motion::STILL,
            picture: Stamp::NONE,
            speed: 100,
            fresh_at: now,
            stopped: None,
            refused: None,
            malformed: (now, 0),
            switch: None,
            presses: [None; PRESSERS],
            emergency: None,
            age_us: 0,
            measurements: Measurements::default(),
            counters: Counters::default(),
            acks: Acks::default(),
            next_beacon: now,
            next_telemetry: now,
        }
    }

    /// Whether the device may move.
    pub fn state(&self) -> State {
        self.state
    }

    /// The latest epoch: open if armed, void else.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Who sent the latest command, and the highest lease.
    pub fn holder(&self) -> (Source, Lease) {
        (self.source, self.lease)
    }

    /// What happened so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What the outputs must have at `now`, within the limits of the axes. Zero unless armed and fresh.
    pub fn output(&self, now: Stamp) -> Axes {
        if self.state == State::Armed && now < self.expiry() {
            self.motion.at(&self.config.limits, now)
        } else {
            Axes::ZERO
        }
    }

    /// Takes a message that came by `channel`.
    pub fn handle_message(
        &mut self,
        now: Stamp,
        channel: Channel,
        bytes: &[u8],
    ) -> Result<(), Rejection> {
        self.handle_held_message(now, now, channel, bytes)
    }

    /// Takes one that the device has had since `came`, in a process that was busy, or stopped: what it sets
    /// in motion ends the sooner.
    pub fn handle_held_message(
        &mut self,
        now: Stamp,
        came: Stamp,
        channel: Channel,
        bytes: &[u8],
    ) -> Result<(), Rejection> {
        match Command::parse(bytes) {
            Ok(command) => self.on_command(now, came, channel, &command),
            Err(error) => {
                self.handle_timeout(now);
                self.on_malformed();
                Err(Rejection::Malformed(error))
            }
        }
    }

    /// Takes a command that came by `channel`.
    pub fn handle_command(
        &mut self,
        now: Stamp,
        channel: Channel,
        command: &Command,
    ) -> Result<(), Rejection> {
        self.on_command(now, now, channel, command)
    }

    fn on_command(
        &mut self,
        now: Stamp,
        came: Stamp,
        channel: Channel,
        command: &Command,
    ) -> Result<(), Rejection> {
        // What expired before the command came must not be prolonged by it.
        self.handle_timeout(now);
        self.came = came.min(self.now);
        self.on_lease(command)?;
        let seq = command.seq;
        if self.seen.heard.is_none_or(|(heard, _)| heard < seq) {
            self.seen.heard = Some((seq, self.now));
        }
        match command.order {
            Order::Setpoint {
                epoch,
                echo,
                picture,
                axes,
            } => self.on_setpoint(seq, epoch, echo, picture, axes),
            Order::Arm { follows, echo } => {
                let result = self.on_arm(seq, follows, echo);
                if result != AckResult::Done {
                    count(&mut self.counters.arms_refused);
                }
                self.answer(channel, seq, CommandKind::Arm, result)
            }
            Order::Disarm { epoch } => {
                // Told of a stop that was there first, it is still done.
                if self.ends(seq, epoch) && self.state == State::Armed {
                    self.enter(State::Disarmed);
                }
                self.acknowledge(channel, seq, CommandKind::Disarm, AckResult::Done);
                Ok(())
            }
            Order::Stop { epoch, reason } => {
                // A copy is no news.
                let is_new = self.seen.end.is_none_or(|end| end < seq);
                if self.ends(seq, epoch) {
                    self.on_stop(reason);
                    if is_new {
                        self.note_stop(self.lease, seq);
                    }
                }
                self.acknowledge(channel, seq, CommandKind::Stop, AckResult::Done);
                Ok(())
            }
            Order::Ping => Ok(()),
            Order::Emergency { epoch } => {
                let is_new = self.seen.end.is_none_or(|end| end < seq);
                // A late copy of one that its sender has reset since holds nothing.
                let was_reset =
                    epoch < self.epoch && self.seen.reset.is_some_and(|reset| seq <= reset);
                if self.ends(seq, epoch) && !was_reset {
                    self.on_stop(StopReason::Emergency);
                    if is_new {
                        self.note_stop(self.lease, seq);
                        self.emergency = self.emergency.max(Some((self.lease, seq)));
                    }
                }
                self.answer(channel, seq, CommandKind::Emergency, AckResult::Done)
            }
            Order::Reset { epoch, echo } => {
                let result = self.on_reset(seq, epoch, echo);
                self.answer(channel, seq, CommandKind::Reset, result)
            }
            Order::Switch { .. } => self.on_switch(channel, command),
        }
    }

    /// Stops for a reason that the device finds itself. [`StopReason::Emergency`] holds until a reset.
    pub fn stop(&mut self, now: Stamp, reason: StopReason) {
        self.handle_timeout(now);
        self.on_stop(reason);
    }

    /// The board does not do what it is told: stops, and refuses arms until [`mend`](Self::mend).
    pub fn fail(&mut self, now: Stamp) {
        self.stop(now, StopReason::Fault);
        self.fault = true;
    }

    /// The board does what it is told again. It stays stopped.
    pub fn mend(&mut self) {
        self.fault = false;
    }

    /// What telemetry says of the board from now on.
    pub fn set_measurements(&mut self, measurements: Measurements) {
        self.measurements = measurements;
    }

    /// Lets time pass.
    pub fn handle_timeout(&mut self, now: Stamp) {
        self.now = self.now.max(now);
        if self.state == State::Armed && self.now >= self.expiry() {
            let sees = self.now < self.blind_at() && self.refused != Some(Refused::Blind);
            self.on_stop(match sees {
                true => StopReason::Stale,
                false => StopReason::Blind,
            });
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) and to poll again: the setpoint's end, or the
    /// next report.
    pub fn poll_timeout(&self) -> Stamp {
        let report = if self.acks.is_empty() {
            self.next_beacon.min(self.next_telemetry)
        } else {
            self.now
        };
        let limits = &self.config.limits;
        match self.state {
            State::Armed if self.motion.has_settled(limits, self.now) => report.min(self.expiry()),
            State::Armed => report.min(self.expiry()).min(self.now.plus(SLEW_EVERY_US)),
            State::Disarmed | State::Stopped(_) | State::Emergency => report,
        }
    }

    /// When the motion ends if nothing fresh comes.
    fn expiry(&self) -> Stamp {
        self.fresh_at.plus(self.lasts_us()).min(self.blind_at())
    }

    /// When the picture is too old to drive by.
    fn blind_at(&self) -> Stamp {
        match self.config.picture_limit_us {
            // Before the first setpoint nothing moves, and no picture was named.
            Some(limit) if self.picture != Stamp::NONE => self.picture.plus(limit),
            _ => Stamp::MAX,
        }
    }

    /// How long a setpoint lasts since it came.
    fn lasts_us(&self) -> u64 {
        let KernelConfig {
            limit_us, lead_us, ..
        } = self.config;
        limit_us.saturating_sub(lead_us)
    }

    /// Rule 6.
    fn on_lease(&mut self, command: &Command) -> Result<(), Rejection> {
        if command.lease < self.lease {
            count(&mut self.counters.lease);
            self.on_overtaken(command);
            return Err(Rejection::Lease);
        }
        if command.lease > self.lease {
            self.lease = command.lease;
            self.seen = Seen::default();
            self.switch = None;
            if self.state == State::Armed {
                self.on_stop(match command.order {
                    Order::Stop { reason, .. } => reason,
                    Order::Emergency { .. } => StopReason::Emergency,
                    _ => StopReason::Replaced,
                });
            }
        }
        self.source = command.source;
        Ok(())
    }

    /// Rule 6: an arm of another came before a stop that was sent before it. It had not heard of the stop.
    fn on_overtaken(&mut self, command: &Command) {
        let (lease, seq) = (command.lease, command.seq);
        let stopped = self.stopped.map(|stopped| (stopped.lease, stopped.seq));
        let (reason, known) = match command.order {
            Order::Stop { reason, .. } => (reason, stopped),
            // A lesser stop that came before it does not make it old.
            Order::Emergency { .. } => (StopReason::Emergency, self.emergency),
            _ => return,
        };
        if known.is_none_or(|known| known < (lease, seq)) {
            self.on_stop(reason);
            self.note_stop(lease, seq);
            if reason == StopReason::Emergency {
                self.emergency = Some((lease, seq));
            }
        }
    }

    fn note_stop(&mut self, lease: Lease, seq: Seq) {
        let at = self.now;
        let former = self.stopped.map(|stopped| (stopped.lease, stopped.seq));
        let (lease, seq) = former.map_or((lease, seq), |former| former.max((lease, seq)));
        self.stopped = Some(Stopped { at, lease, seq });
    }

    fn on_setpoint(
        &mut self,
        seq: Seq,
        epoch: Epoch,
        echo: Stamp,
        picture: Stamp,
        axes: Axes,
    ) -> Result<(), Rejection> {
        let checked = self.check_setpoint(seq, epoch, echo, picture);
        self.refused = checked.err();
        checked.map_err(Rejection::Setpoint)?;
        self.seen.applied = Some(seq);
        self.picture = self.picture.max(picture);
        self.speed = self.speed_at(self.picture);
        self.motion
            .turn(&self.config.limits, self.now, axes, self.speed);
        self.fresh_at = self.fresh_at.max(self.came);
        self.age_us = self.now.since(echo);
        count(&mut self.counters.applied);
        Ok(())
    }

    /// Rules 1, 3, 5 and 8.
    fn check_setpoint(
        &mut self,
        seq: Seq,
        epoch: Epoch,
        echo: Stamp,
        picture: Stamp,
    ) -> Result<(), Refused> {
        if self.state != State::Armed || epoch != self.epoch {
            count(&mut self.counters.void);
            return Err(Refused::Void);
        }
        let latest = self.seen.applied.max(self.seen.opened);
        if latest.is_some_and(|latest| seq <= latest) {
            count(&mut self.counters.old);
            return Err(Refused::Old);
        }
        self.check_age(echo).map_err(|stale| match stale {
            AckResult::Future => Refused::Future,
            _ => Refused::Stale,
        })?;
        if let Some(limit) = self.config.picture_limit_us
            && (picture == Stamp::NONE || picture > self.now || self.now.since(picture) >= limit)
        {
            count(&mut self.counters.blind);
            return Err(Refused::Blind);
        }
        Ok(())
    }

    /// Rule 8: what the age of the picture leaves of the speed, in percent: all until it is slow, nothing
    /// where it is blind.
    fn speed_at(&self, picture: Stamp) -> u8 {
        let Some(limit) = self.config.picture_limit_us else {
            return 100;
        };
        let slow = self.config.picture_slow_us.min(limit);
        let left = limit.saturating_sub(self.now.since(picture).max(slow));
        let share = left.saturating_mul(100).checked_div(limit - slow);
        u8::try_from(share.unwrap_or(100)).unwrap_or(100)
    }

    /// Rule 7.
    fn on_reset(&mut self, seq: Seq, epoch: Epoch, echo: Stamp) -> AckResult {
        // The same press again: its answer was lost.
        let ours = self.seen.reset.is_some_and(|reset| seq >= reset);
        let is_held = self.state == State::Emergency;
        if !is_held && ours && epoch.next() == Some(self.epoch) {
            return AckResult::Done;
        }
        let latest = self.seen.end.max(self.seen.reset);
        if latest.is_some_and(|latest| seq <= latest) {
            count(&mut self.counters.old);
            return AckResult::Old;
        }
        if let Err(refused) = self.check_age(echo) {
            return refused;
        }
        if !is_held || self.had_not_heard(echo) {
            return AckResult::Epoch;
        }
        let Some(next) = epoch.next().filter(|_| epoch == self.epoch) else {
            return AckResult::Epoch;
        };
        // An arm that was pressed before has its epoch behind it.
        self.epoch = next;
        self.seen.reset = Some(seq);
        count(&mut self.counters.resets);
        self.enter(State::Disarmed);
        AckResult::Done
    }

    /// Whether who echoes this had not heard of another operator's stop. Of one's own the sequence tells.
    fn had_not_heard(&self, echo: Stamp) -> bool {
        self.stopped
            .is_some_and(|stopped| stopped.lease != self.lease && echo < stopped.at)
    }

    /// A peer that is broken, or hostile, drives nothing.
    fn on_malformed(&mut self) {
        count(&mut self.counters.malformed);
        let (since, many) = self.malformed;
        self.malformed = match self.now.since(since) < MALFORMED_WITHIN_US {
            true => (since, many.saturating_add(1)),
            false => (self.now, 1),
        };
        if self.malformed.1 >= MALFORMED_MOST && self.state == State::Armed {
            self.on_stop(StopReason::Malformed);
        }
    }

    /// Rules 1, 3, 4 and 5.
    fn on_arm(&mut self, seq: Seq, follows: Epoch, echo: Stamp) -> AckResult {
        // The same press again: its answer was lost.
        let ours = self.seen.opened.is_some_and(|opened| seq >= opened);
        if self.state == State::Armed && ours && follows.next() == Some(self.epoch) {
            return AckResult::Done;
        }
        let latest = self.seen.arm.max(self.seen.end).max(self.seen.reset);
        if latest.is_some_and(|latest| seq <= latest) {
            count(&mut self.counters.old);
            return AckResult::Old;
        }
        self.seen.arm = Some(seq);
        if let Err(refused) = self.check_age(echo) {
            return refused;
        }
        match self.state {
            State::Armed => return AckResult::Armed,
            State::Emergency => return AckResult::Latched,
            State::Disarmed | State::Stopped(_) => {}
        }
        if self.fault {
            return AckResult::Fault;
        }
        if self.had_not_heard(echo) {
            return AckResult::Epoch;
        }
        let Some(next) = follows.next().filter(|_| follows == self.epoch) else {
            return AckResult::Epoch;
        };
        self.epoch = next;
        self.seen.opened = Some(seq);
        self.fresh_at = self.came;
        self.refused = None;
        count(&mut self.counters.arms);
        self.enter(State::Armed);
        AckResult::Done
    }

    /// Rules 1 and 2.
    fn check_age(&mut self, echo: Stamp) -> Result<(), AckResult> {
        if echo > self.now {
            count(&mut self.counters.future);
            return Err(AckResult::Future);
        }
        let held_us = self.now.since(self.came);
        if echo == Stamp::NONE
            || self.now.since(echo) > self.config.limit_us
            || held_us >= self.lasts_us().max(1)
        {
            count(&mut self.counters.stale);
            return Err(AckResult::Stale);
        }
        Ok(())
    }

    /// Rule 4: whether a stop or disarm ends what is open now.
    fn ends(&mut self, seq: Seq, epoch: Epoch) -> bool {
        self.seen.end = self.seen.end.max(Some(seq));
        epoch >= self.epoch || self.seen.opened.is_none_or(|opened| seq > opened)
    }

    fn on_stop(&mut self, reason: StopReason) {
        match (self.state, reason) {
            (State::Emergency, _) => {}
            (_, StopReason::Emergency) => {
                self.counters.count_stop(reason);
                self.enter(State::Emergency);
            }
            // The first reason is the one that ended the motion.
            (State::Stopped(_), _) => {}
            (State::Disarmed | State::Armed, _) => {
                self.counters.count_stop(reason);
                self.enter(State::Stopped(reason));
            }
        }
    }

    /// A change of state: without motion, and told at once.
    fn enter(&mut self, state: State) {
        self.state = state;
        self.motion = Motion::STILL;
        self.picture = Stamp::NONE;
        self.speed = 100;
        self.next_beacon = self.now;
    }

    /// Acknowledges, and says the same to the driver.
    fn answer(
        &mut self,
        channel: Channel,
        seq: Seq,
        of: CommandKind,
        result: AckResult,
    ) -> Result<(), Rejection> {
        self.acknowledge(channel, seq, of, result);
        match result {
            AckResult::Done => Ok(()),
            refused => Err(Rejection::Answered(refused)),
        }
    }

    fn acknowledge(&mut self, channel: Channel, seq: Seq, of: CommandKind, result: AckResult) {
        let ack = Ack {
            lease: self.lease,
            channel,
            seq,
            of,
            result,
        };
        if self.acks.push(ack) {
            count(&mut self.counters.acks_dropped);
        }
    }
}
