use std::collections::VecDeque;

use transom_control::wire::stamp_lease;
use transom_control::{Channel, Command, Epoch, Lease, Order, Seq, Source, StopReason};
use transom_rtc_proto::channel::MessageKind;

use super::counters::Reason;
use crate::media::channels::{Outgoing, Speaker};

/// One stream's device, who drives it and who listens.
#[derive(Debug, Default)]
pub(super) struct Room {
    device: Option<Device>,
    /// The highest given so far.
    lease: Lease,
    voice: Voice,
    /// Keys of all viewers with a control channel.
    viewers: Vec<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Device {
    key: u32,
    /// It has reported since it came, so that its lease is known.
    heard: bool,
}

/// Whose the present lease is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Voice {
    /// Nobody's, or ours.
    #[default]
    None,
    /// The one who drives.
    Holder(u32),
    /// One who stopped the holder, and this is the stop. Nobody drives.
    Stopper(u32, Seq),
}

impl Room {
    /// A peer opened a control channel.
    pub(super) fn enter(&mut self, speaker: Speaker, out: &mut VecDeque<Outgoing>) {
        let key = speaker.key;
        if !speaker.publisher {
            if !self.viewers.contains(&key) {
                self.viewers.push(key);
            }
        } else if self.device.is_none_or(|device| device.key != key) {
            // Channels come of connected peers only, so this one has the stream.
            self.device = Some(Device { key, heard: false });
            // Nobody has armed this one.
            self.release(out);
        }
    }

    /// The peer is gone.
    pub(super) fn leave(&mut self, key: u32) {
        self.viewers.retain(|k| *k != key);
        if self.device.is_some_and(|device| device.key == key) {
            self.device = None;
            self.voice = Voice::None;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.viewers.is_empty() && self.device.is_none()
    }

    pub(super) fn viewers(&self) -> &[u32] {
        &self.viewers
    }

    /// The peer is gone, or one of its channels: if it drove, the device stops.
    pub(super) fn on_lost(&mut self, key: u32, out: &mut VecDeque<Outgoing>) {
        if self.voice == Voice::Holder(key) {
            self.release(out);
        }
    }

    /// The device of this key says what lease it heard of last.
    pub(super) fn on_report(
        &mut self,
        key: u32,
        lease: Lease,
        out: &mut VecDeque<Outgoing>,
    ) -> Result<(), Reason> {
        let device = self.device.as_mut().filter(|device| device.key == key);
        device.ok_or(Reason::NoDevice)?.heard = true;
        if lease > self.lease {
            // One of a former life of ours. It would refuse what the holder sends.
            self.lease = lease;
            self.release(out);
        }
        Ok(())
    }

    /// The command as it is to be sent, if it is.
    pub(super) fn on_command(
        &mut self,
        speaker: Speaker,
        channel: Channel,
        command: &Command,
        data: &[u8],
    ) -> Result<Outgoing, Reason> {
        let device = self.device.filter(|device| device.heard);
        let device = device.ok_or(Reason::NoDevice)?;
        let key = speaker.key;
        match (self.voice, &command.order) {
            (Voice::Holder(holder), _) if holder == key => {}
            (Voice::Stopper(by, seq), Order::Stop { .. }) if by == key && seq == command.seq => {
                // It goes by both channels and again until it is acknowledged. Under
                // the same lease: what was armed since has a higher one.
            }
            (_, Order::Stop { .. }) => {
                // At the end of the numbers a stop still passes.
                let _ = self.raise();
                self.voice = Voice::Stopper(key, command.seq);
                tracing::info!(session = %speaker.session, lease = self.lease.0, "stopped by a viewer");
            }
            (Voice::None | Voice::Stopper(..), Order::Arm { .. }) => {
                self.raise()?;
                self.voice = Voice::Holder(key);
                tracing::info!(session = %speaker.session, lease = self.lease.0, "drives");
            }
            _ => return Err(Reason::NotHolder),
        }
        let mut data = data.to_vec();
        stamp_lease(&mut data, Source(speaker.session.tag_bits()), self.lease);
        Ok(Outgoing {
            key: device.key,
            label: channel.label().into(),
            kind: MessageKind::Binary,
            data: data.into(),
            newest: matches!(command.order, Order::Setpoint { .. }),
        })
    }

    fn raise(&mut self) -> Result<(), Reason> {
        let next = self.lease.0.checked_add(1).ok_or(Reason::NoLease)?;
        self.lease = Lease(next);
        Ok(())
    }

    /// Takes the lease from who drives, and tells the device to stop: before all
    /// that waits, and whether or not there is room.
    fn release(&mut self, out: &mut VecDeque<Outgoing>) {
        let voice = std::mem::take(&mut self.voice);
        let (Voice::Holder(_), Some(device)) = (voice, self.device) else {
            return;
        };
        let _ = self.raise(); // at the end of the numbers a stop still passes
        tracing::info!(lease = self.lease.0, "the driver is lost: stop");
        let stop = Command {
            source: Source(0),
            lease: self.lease,
            seq: Seq(1),
            order: Order::Stop {
                epoch: Epoch::ALL,
                reason: StopReason::LinkLost,
            },
        };
        let message = stop.emit();
        for channel in [Channel::Control, Channel::Reliable] {
            out.push_front(Outgoing {
                key: device.key,
                label: channel.label().into(),
                kind: MessageKind::Binary,
                data: (*message).into(),
                newest: false,
            });
        }
    }
}
