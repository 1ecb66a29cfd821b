use std::collections::VecDeque;
use std::time::Duration;

use transom_control::wire::{LeaseAction, LeaseNotice, LeaseRequest, LeaseResult, stamp_lease};
use transom_control::{
    Channel, Command, Epoch, Lease, Order, Report, Seq, Source, State, StopReason,
};
use transom_rtc_proto::channel::MessageKind;
use transom_rtc_proto::time::Instant;

use super::counters::{DropReason, LeaseChange};
use super::lease::{Answer, DriveLease, LAST_LEASE, Outline, Who, source_of};
use super::need::Need;
use super::watch::Watch;
use crate::media::channels::{Outgoing, Speaker};

/// Between two copies of a stop of ours that no report has confirmed.
const REPEAT_STOP: Duration = Duration::from_millis(50);
/// After this a device has stopped by itself: no limit of age is above 2 s.
const REPEAT_FOR: Duration = Duration::from_secs(3);

/// One stream's device, who drives it and who listens.
#[derive(Debug, Default)]
pub(super) struct Room {
    /// Publishers with a control channel. The latest has the stream; those
    /// before it are displaced, and have it again should it be gone first.
    devices: Vec<Device>,
    lease: DriveLease,
    stop: Option<Stop>,
    /// Keys of all viewers with a control channel.
    viewers: Vec<u32>,
    /// Of them, those who have asked for anything about the lease: they are told when it changes.
    operators: Vec<u32>,
    news: News,
    /// What the operators know.
    told: Outline,
    /// How the device fares.
    pub(super) watch: Watch,
}

/// What there is to tell and to count.
#[derive(Debug, Default)]
pub(super) struct News {
    /// Of the requests that have one now.
    pub(super) answers: Vec<Answer>,
    pub(super) changes: Vec<LeaseChange>,
    /// All operators are to hear of it.
    pub(super) for_all: bool,
}

#[derive(Clone, Copy, Debug)]
struct Device {
    key: u32,
    /// What it said last since it has the stream; only then is its lease known.
    state: Option<State>,
}

/// A stop of ours that is repeated until a report shows that it was heard: it is
/// the one command that nobody else repeats.
#[derive(Clone, Copy, Debug)]
struct Stop {
    /// Of the device.
    key: u32,
    lease: Lease,
    reason: StopReason,
    again: Instant,
    until: Instant,
}

impl Room {
    /// A peer opened its first control channel.
    pub(super) fn enter(&mut self, now: Instant, speaker: Speaker, out: &mut VecDeque<Outgoing>) {
        let key = speaker.key;
        if !speaker.publisher {
            self.viewers.push(key);
            return;
        }
        // Nobody has armed this one; the former is not to drive on.
        self.void(now, out);
        for device in &mut self.devices {
            device.state = None;
        }
        // A device that claimed the last number takes no other's driving with it when it goes.
        self.lease.unlock();
        // Channels come of connected peers only, so this one has the stream.
        self.devices.push(Device { key, state: None });
    }

    /// The peer is gone. If it drove, the device stops; if it was the device,
    /// nobody drives.
    pub(super) fn leave(&mut self, now: Instant, key: u32, out: &mut VecDeque<Outgoing>) {
        self.on_lost(now, key, out);
        self.viewers.retain(|k| *k != key);
        self.operators.retain(|k| *k != key);
        self.lease.forget(key);
        if self.device() == Some(key) {
            self.lease.take_away();
            self.end_asking(LeaseResult::Over);
        }
        self.devices.retain(|device| device.key != key);
        self.stop = self.stop.filter(|stop| stop.key != key);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.viewers.is_empty() && self.devices.is_empty()
    }

    pub(super) fn viewers(&self) -> &[u32] {
        &self.viewers
    }

    /// Those who hear of the lease.
    pub(super) fn operators(&self) -> &[u32] {
        &self.operators
    }

    /// Those who see what the device of this key films; `None` where another one has the stream.
    pub(super) fn viewers_of(&self, key: u32) -> Option<&[u32]> {
        (self.device() == Some(key)).then_some(self.viewers.as_slice())
    }

    pub(super) fn holder(&self) -> Option<u32> {
        self.lease.hold().map(|hold| hold.who.key)
    }

    /// Whose commands an answer under this lease is about.
    pub(super) fn asked_by(&self, lease: Lease) -> Option<u32> {
        self.lease.given_to(lease)
    }

    /// The peer is gone, or one of its channels: if it drove, the device stops.
    pub(super) fn on_lost(&mut self, now: Instant, key: u32, out: &mut VecDeque<Outgoing>) {
        self.lease.withdraw(key);
        if self.lease.is_held_by(key) {
            self.end(now, StopReason::LinkLost, Stops::Anyway, out);
            self.pass_to_asker(now, LeaseChange::Lost, out);
        }
    }

    /// The device of this key says how it is, and what lease it heard of last.
    pub(super) fn on_report(
        &mut self,
        now: Instant,
        key: u32,
        report: &Report,
        out: &mut VecDeque<Outgoing>,
    ) -> Result<(), DropReason> {
        if self
            .stop
            .is_some_and(|stop| stop.key == key && stop.lease <= report.lease)
        {
            self.stop = None;
        }
        let device = self.devices.last_mut().filter(|device| device.key == key);
        device.ok_or(DropReason::NoDevice)?.state = Some(report.state);
        if self.lease.follow(report.lease) {
            // One of a former life of ours. It would refuse what the holder sends.
            self.void(now, out);
            if self.lease.number() == LAST_LEASE {
                tracing::warn!(
                    "the device is at the last lease: nobody can arm it before it starts anew"
                );
            }
        }
        Ok(())
    }

    /// The command as it is to be sent, if it is.
    pub(super) fn on_command(
        &mut self,
        now: Instant,
        speaker: Speaker,
        channel: Channel,
        command: &Command,
        data: &[u8],
    ) -> Result<Outgoing, DropReason> {
        let device = self.devices.last();
        let Some((device, state)) = device.and_then(|d| Some((d.key, d.state?))) else {
            return Err(DropReason::NoDevice);
        };
        let (key, need) = (speaker.key, Need::of(&command.order));
        match need {
            _ if self.lease.is_held_by(key) => self.lease.renew(now, false),
            // It goes by both channels and again until it is acknowledged, under
            // the one lease: what was armed since has a higher one.
            Need::Stops if self.lease.is_stopped_by(key) => {}
            Need::Stops => self.stop_by(&speaker),
            Need::Arms | Need::Takes if !self.lease.is_taken(now, state) => {
                let who = Who::new(&speaker);
                self.lease.give(now, who, false)?;
                self.on_given(who, LeaseChange::Armed);
            }
            Need::Idle => return Err(DropReason::IdlePing),
            Need::Arms | Need::Takes | Need::Lease => return Err(DropReason::NotHolder),
        }
        if need == Need::Arms {
            self.lease.arm(now);
        }
        let mut data = data.to_vec();
        stamp_lease(&mut data, source_of(&speaker), self.lease.number());
        let newest = matches!(command.order, Order::Setpoint { .. });
        Ok(outgoing(device, channel, &data, newest))
    }

    /// A command of whoever has the lease is on its way.
    pub(super) fn watch_command(&mut self, now: Instant, command: &Command) {
        let lease = self.lease.number();
        self.watch.on_command(now, &Command { lease, ..*command });
    }

    /// An operator asks for something about the lease.
    pub(super) fn on_request(
        &mut self,
        now: Instant,
        speaker: Speaker,
        request: LeaseRequest,
        out: &mut VecDeque<Outgoing>,
    ) {
        let key = speaker.key;
        if !self.operators.contains(&key) {
            self.operators.push(key);
        }
        let result = self.decide(now, &speaker, request, out);
        self.news.answers.push((key, request.number, result));
    }

    fn decide(
        &mut self,
        now: Instant,
        speaker: &Speaker,
        request: LeaseRequest,
        out: &mut VecDeque<Outgoing>,
    ) -> LeaseResult {
        use LeaseAction::{Acquire, Ask, Deny, Grant, Override, Query, Release, Renew};
        let (who, action) = (Who::new(speaker), request.action);
        let holds = self.lease.is_held_by(who.key);
        let state = self.devices.last().and_then(|device| device.state);
        match (action, state) {
            (Query, _) => LeaseResult::Done,
            (Override, _) if !speaker.rights.admin => LeaseResult::NotAdmin,
            (Release, _) if !holds && self.lease.withdraw(who.key) => LeaseResult::Done,
            (_, None) => LeaseResult::NoDevice,
            (Acquire | Ask | Override | Renew, _) if holds => {
                self.lease.renew(now, action != Renew);
                LeaseResult::Done
            }
            (Acquire | Ask | Override, Some(state)) if !self.lease.is_taken(now, state) => {
                self.hand_over(now, who, LeaseChange::Acquired, out)
            }
            (Acquire, _) => LeaseResult::Held,
            (Override, _) => self.hand_over(now, who, LeaseChange::Overridden, out),
            (Ask, _) => {
                let before = self.lease.asker();
                let result = self.lease.ask(now, who, request.number);
                if before.is_none() {
                    self.news.changes.push(LeaseChange::Asked);
                }
                result
            }
            (Release, _) if holds => {
                self.end(now, StopReason::Operator, Stops::IfArmed, out);
                self.pass_to_asker(now, LeaseChange::Released, out);
                LeaseResult::Done
            }
            (Grant(about), _) if holds => match self.lease.asks(about) {
                Some(asker) => self.hand_over(now, asker, LeaseChange::HandedOver, out),
                None => LeaseResult::NobodyAsks,
            },
            (Deny(about), _) if holds => match self.lease.asks(about) {
                Some(_) => {
                    self.end_asking(LeaseResult::Denied);
                    self.news.changes.push(LeaseChange::Denied);
                    LeaseResult::Done
                }
                None => LeaseResult::NobodyAsks,
            },
            (Renew | Release | Grant(_) | Deny(_), _) => LeaseResult::NotHolder,
        }
    }

    /// Says a stop again that no report has confirmed; ends what nobody renewed or answered.
    pub(super) fn handle_timeout(&mut self, now: Instant, out: &mut VecDeque<Outgoing>) {
        if self.lease.is_lapsed(now) {
            self.end_asking(LeaseResult::Lapsed);
            self.news.changes.push(LeaseChange::Lapsed);
        }
        if self.lease.is_expired(now) {
            self.end(now, StopReason::LinkLost, Stops::IfArmed, out);
            self.pass_to_asker(now, LeaseChange::Expired, out);
        }
        let Some(stop) = self.stop.as_mut().filter(|stop| stop.again <= now) else {
            return;
        };
        stop.again = now + REPEAT_STOP;
        // A repetition must not wait behind what the ordered channel retransmits.
        out.push_front(outgoing(
            stop.key,
            Channel::Control,
            &own_stop(stop.lease, stop.reason).emit(),
            false,
        ));
        if stop.until <= now {
            tracing::warn!(lease = stop.lease.0, "the device confirms no stop");
            self.stop = None;
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let stop = self.stop.map(|stop| stop.again);
        stop.into_iter().chain(self.lease.poll_timeout()).min()
    }

    /// What has changed since the last call, if anything did.
    pub(super) fn poll_news(&mut self) -> Option<News> {
        let outline = self.lease.outline();
        let for_all = std::mem::replace(&mut self.told, outline) != outline;
        if !for_all && self.news.answers.is_empty() && self.news.changes.is_empty() {
            return None;
        }
        let news = std::mem::take(&mut self.news);
        Some(News { for_all, ..news })
    }

    /// What to tell this one.
    pub(super) fn notice(
        &self,
        now: Instant,
        speaker: &Speaker,
        answer: Option<(u32, LeaseResult)>,
    ) -> LeaseNotice {
        LeaseNotice {
            lease: self.lease.number(),
            you: source_of(speaker),
            admin: speaker.rights.admin,
            holder: self.lease.told(now),
            answer,
        }
    }

    /// Who has the stream.
    fn device(&self) -> Option<u32> {
        self.devices.last().map(|device| device.key)
    }

    /// Gives the lease to this one, whoever had it. The device stops first, under a number of the server's own:
    /// that of the new holder is for the new holder's commands alone, so that the first of them counts.
    fn hand_over(
        &mut self,
        now: Instant,
        to: Who,
        change: LeaseChange,
        out: &mut VecDeque<Outgoing>,
    ) -> LeaseResult {
        if !self.lease.has_left(2) {
            return LeaseResult::NoLease;
        }
        self.end(now, StopReason::Replaced, Stops::IfArmed, out);
        if self.lease.give(now, to, true).is_err() {
            return LeaseResult::NoLease;
        }
        self.on_given(to, change);
        LeaseResult::Done
    }

    /// The holder has it no more; who has asked for it gets it.
    fn pass_to_asker(&mut self, now: Instant, change: LeaseChange, out: &mut VecDeque<Outgoing>) {
        self.news.changes.push(change);
        let hears = self.devices.last().is_some_and(|d| d.state.is_some());
        if let Some(asker) = self.lease.asker().filter(|_| hears) {
            self.hand_over(now, asker, LeaseChange::HandedOver, out);
        }
        self.end_asking(LeaseResult::Over);
    }

    /// Tells who asked what became of it, and counts.
    fn on_given(&mut self, to: Who, change: LeaseChange) {
        let asked = self.lease.asker();
        self.end_asking(match asked {
            Some(asker) if asker == to => LeaseResult::Done,
            _ => LeaseResult::Over,
        });
        tracing::info!(session = %to, lease = self.lease.number().0, how = change.name(), "drives");
        self.news.changes.push(change);
    }

    fn end_asking(&mut self, result: LeaseResult) {
        self.news.answers.extend(self.lease.end_asking(result));
    }

    /// Somebody stops the holder, who has the lease no more.
    fn stop_by(&mut self, speaker: &Speaker) {
        if self.lease.hold().is_some() {
            self.news.changes.push(LeaseChange::Stopped);
        }
        self.lease.stop(speaker.key);
        self.end_asking(LeaseResult::Over);
        let lease = self.lease.number().0;
        tracing::info!(session = %speaker.session, lease, "stopped by a viewer");
    }

    /// Nobody drives what is another device now, or knows a higher lease.
    fn void(&mut self, now: Instant, out: &mut VecDeque<Outgoing>) {
        self.end(now, StopReason::LinkLost, Stops::Anyway, out);
        self.end_asking(LeaseResult::Over);
    }

    /// Takes the lease from who drives, and tells the device to stop: before all
    /// that waits, and whether or not there is room.
    fn end(
        &mut self,
        now: Instant,
        reason: StopReason,
        stops: Stops,
        out: &mut VecDeque<Outgoing>,
    ) {
        let (Some(hold), Some(key)) = (self.lease.take_away(), self.device()) else {
            return;
        };
        // A number above the former holder's, whose commands are void with it.
        let _ = self.lease.raise(); // at the end of the numbers a stop still passes
        let lease = self.lease.number();
        tracing::info!(session = %hold.who, lease = lease.0, why = reason.name(), "drives no more");
        if stops == Stops::IfArmed && !hold.has_armed() {
            return;
        }
        let stop = own_stop(lease, reason);
        self.watch.on_command(now, &stop);
        for channel in [Channel::Reliable, Channel::Control] {
            out.push_front(outgoing(key, channel, &stop.emit(), false));
        }
        self.stop = Some(Stop {
            key,
            lease,
            reason,
            again: now + REPEAT_STOP,
            until: now + REPEAT_FOR,
        });
    }
}

/// When the end of a lease stops the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stops {
    Anyway,
    /// Where its holder has armed: else it stands.
    IfArmed,
}

fn outgoing(key: u32, channel: Channel, message: &[u8], newest: bool) -> Outgoing {
    Outgoing {
        key,
        label: channel.label().into(),
        kind: MessageKind::Binary,
        data: message.into(),
        newest,
    }
}

/// A stop of the server's own.
fn own_stop(lease: Lease, reason: StopReason) -> Command {
    Command {
        source: Source(0),
        lease,
        seq: Seq(1),
        order: Order::Stop {
            epoch: Epoch::ALL,
            reason,
        },
    }
}
