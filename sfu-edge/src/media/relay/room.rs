use std::collections::VecDeque;
use std::time::Duration;

use transom_control::wire::stamp_lease;
use transom_control::{
    Channel, Command, Epoch, Lease, Order, Report, Seq, Source, State, StopReason,
};
use transom_rtc_proto::channel::MessageKind;
use transom_rtc_proto::time::Instant;

use super::counters::DropReason;
use super::watch::Watch;
use crate::media::channels::{Outgoing, Speaker};

/// How long nobody else may take the lease after an arm: as long as it is
/// repeated. By then the device's reports say whether it is armed.
const ARMING: Duration = Duration::from_secs(2);

/// Between two copies of a stop of ours that no report has confirmed.
const REPEAT_STOP: Duration = Duration::from_millis(50);
/// After this a device has stopped by itself: no limit of age is above 2 s.
const REPEAT_FOR: Duration = Duration::from_secs(3);

/// Leases whose answers may be under way. Those who press stop at the same time take the lease from each other
/// until each has an answer; these are enough for a second's way there and back.
const ASKED: usize = 32;

/// None is above it, so that nobody drives any more.
const LAST_LEASE: Lease = Lease(u32::MAX);

/// One stream's device, who drives it and who listens.
#[derive(Debug, Default)]
pub(super) struct Room {
    /// Publishers with a control channel. The latest has the stream; those
    /// before it are displaced, and have it again should it be gone first.
    devices: Vec<Device>,
    /// The highest given so far.
    lease: Lease,
    voice: Voice,
    /// Who had the latest leases; the oldest goes first.
    asked: VecDeque<(Lease, u32)>,
    stop: Option<Stop>,
    /// Keys of all viewers with a control channel.
    viewers: Vec<u32>,
    /// How the device fares.
    pub(super) watch: Watch,
}

#[derive(Clone, Copy, Debug)]
struct Device {
    key: u32,
    /// What it said last since it has the stream; only then is its lease known.
    state: Option<State>,
}

/// Whose the present lease is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Voice {
    /// Nobody's, or ours.
    #[default]
    None,
    /// The one who drives, and when it armed last.
    Holder(u32, Instant),
    /// One who stopped the holder. Nobody drives.
    Stopper(u32),
}

/// A stop of ours that is repeated until a report shows that it was heard: it is
/// the one command that nobody else repeats.
#[derive(Clone, Copy, Debug)]
struct Stop {
    /// Of the device.
    key: u32,
    lease: Lease,
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
        self.release(now, out);
        for device in &mut self.devices {
            device.state = None;
        }
        // A device that claimed the last number takes no other's driving with it when it goes.
        if self.lease == LAST_LEASE {
            self.lease = Lease(0);
        }
        // Channels come of connected peers only, so this one has the stream.
        self.devices.push(Device { key, state: None });
    }

    /// The peer is gone. If it drove, the device stops; if it was the device,
    /// nobody drives. Whether it drove.
    pub(super) fn leave(&mut self, now: Instant, key: u32, out: &mut VecDeque<Outgoing>) -> bool {
        let lost = self.on_lost(now, key, out);
        self.viewers.retain(|k| *k != key);
        self.asked.retain(|(_, k)| *k != key);
        if self.device() == Some(key) {
            self.voice = Voice::None;
        }
        self.devices.retain(|device| device.key != key);
        self.stop = self.stop.filter(|stop| stop.key != key);
        lost
    }

    pub(super) fn is_empty(&self) -> bool {
        self.viewers.is_empty() && self.devices.is_empty()
    }

    pub(super) fn viewers(&self) -> &[u32] {
        &self.viewers
    }

    pub(super) fn holder(&self) -> Option<u32> {
        match self.voice {
            Voice::Holder(key, _) => Some(key),
            Voice::None | Voice::Stopper(_) => None,
        }
    }

    /// Whose commands an answer under this lease is about.
    pub(super) fn asked_by(&self, lease: Lease) -> Option<u32> {
        let asked = self.asked.iter().rev().find(|(l, _)| *l == lease);
        asked.map(|(_, key)| *key)
    }

    /// The peer is gone, or one of its channels: if it drove, the device stops.
    /// Whether it drove.
    pub(super) fn on_lost(&mut self, now: Instant, key: u32, out: &mut VecDeque<Outgoing>) -> bool {
        self.holder() == Some(key) && self.release(now, out)
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
        if report.lease > self.lease {
            // One of a former life of ours. It would refuse what the holder sends.
            self.lease = report.lease;
            self.release(now, out);
            if self.lease == LAST_LEASE {
                tracing::warn!(
                    "the device is at the last lease: nobody can arm it before it starts anew"
                );
            }
        }
        Ok(())
    }

    /// The command as it is to be sent, if it is, and whether it took the lease.
    pub(super) fn on_command(
        &mut self,
        now: Instant,
        speaker: Speaker,
        channel: Channel,
        command: &Command,
        data: &[u8],
    ) -> Result<(Outgoing, bool), DropReason> {
        let device = self.devices.last();
        let Some((device, state)) = device.and_then(|d| Some((d.key, d.state?))) else {
            return Err(DropReason::NoDevice);
        };
        let (key, arms) = (speaker.key, matches!(command.order, Order::Arm { .. }));
        let mut begins = false;
        match (self.voice, &command.order) {
            (Voice::Holder(holder, since), _) if holder == key => {
                let since = if arms { now } else { since };
                self.voice = Voice::Holder(key, since);
            }
            // It goes by both channels and again until it is acknowledged, under
            // the one lease: what was armed since has a higher one.
            (Voice::Stopper(by), Order::Stop { .. } | Order::Emergency { .. }) if by == key => {}
            (_, Order::Stop { .. } | Order::Emergency { .. }) => {
                // At the end of the numbers a stop still passes.
                let _ = self.raise();
                self.voice = Voice::Stopper(key);
                self.note_asked(key);
                tracing::info!(session = %speaker.session, lease = self.lease.0, "stopped by a viewer");
            }
            // A light is switched, and a door opened, by whoever asks while nobody drives.
            (voice, Order::Arm { .. } | Order::Reset { .. } | Order::Switch { .. })
                if !is_driven(now, voice, state) =>
            {
                self.raise()?;
                self.voice = Voice::Holder(key, now);
                self.note_asked(key);
                begins = true;
                tracing::info!(session = %speaker.session, lease = self.lease.0, "drives");
            }
            (_, Order::Ping) => return Err(DropReason::IdlePing),
            _ => return Err(DropReason::NotHolder),
        }
        let mut data = data.to_vec();
        stamp_lease(&mut data, Source(speaker.session.tag_bits()), self.lease);
        let newest = matches!(command.order, Order::Setpoint { .. });
        Ok((outgoing(device, channel, &data, newest), begins))
    }

    /// A command of whoever has the lease is on its way.
    pub(super) fn watch_command(&mut self, now: Instant, command: &Command) {
        let lease = self.lease;
        self.watch.on_command(now, &Command { lease, ..*command });
    }

    /// Says a stop again that no report has confirmed.
    pub(super) fn handle_timeout(&mut self, now: Instant, out: &mut VecDeque<Outgoing>) {
        let Some(stop) = self.stop.as_mut().filter(|stop| stop.again <= now) else {
            return;
        };
        stop.again = now + REPEAT_STOP;
        // A repetition must not wait behind what the ordered channel retransmits.
        out.push_front(outgoing(
            stop.key,
            Channel::Control,
            &link_lost(stop.lease).emit(),
            false,
        ));
        if stop.until <= now {
            tracing::warn!(lease = stop.lease.0, "the device confirms no stop");
            self.stop = None;
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.stop.map(|stop| stop.again)
    }

    /// Who has the stream.
    fn device(&self) -> Option<u32> {
        self.devices.last().map(|device| device.key)
    }

    fn raise(&mut self) -> Result<(), DropReason> {
        let next = self.lease.0.checked_add(1).ok_or(DropReason::NoLease)?;
        self.lease = Lease(next);
        Ok(())
    }

    fn note_asked(&mut self, key: u32) {
        if self.asked.len() >= ASKED {
            self.asked.pop_front();
        }
        self.asked.push_back((self.lease, key));
    }

    /// Takes the lease from who drives, and tells the device to stop: before all
    /// that waits, and whether or not there is room. Whether somebody drove.
    fn release(&mut self, now: Instant, out: &mut VecDeque<Outgoing>) -> bool {
        let voice = std::mem::take(&mut self.voice);
        let (Voice::Holder(..), Some(key)) = (voice, self.device()) else {
            return false;
        };
        let _ = self.raise(); // at the end of the numbers a stop still passes
        tracing::info!(lease = self.lease.0, "the driver is lost: stop");
        let stop = link_lost(self.lease);
        self.watch.on_command(now, &stop);
        for channel in [Channel::Reliable, Channel::Control] {
            out.push_front(outgoing(key, channel, &stop.emit(), false));
        }
        self.stop = Some(Stop {
            key,
            lease: self.lease,
            again: now + REPEAT_STOP,
            until: now + REPEAT_FOR,
        });
        true
    }
}

/// Whether the holder drives, or is about to: then nobody else may arm.
fn is_driven(now: Instant, voice: Voice, state: State) -> bool {
    match voice {
        Voice::Holder(_, since) => state == State::Armed || now.since(since) < ARMING,
        Voice::None | Voice::Stopper(_) => false,
    }
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

fn link_lost(lease: Lease) -> Command {
    Command {
        source: Source(0),
        lease,
        seq: Seq(1),
        order: Order::Stop {
            epoch: Epoch::ALL,
            reason: StopReason::LinkLost,
        },
    }
}
