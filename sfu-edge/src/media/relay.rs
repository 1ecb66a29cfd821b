//! Who drives: passes the commands of one driver to a stream's device, and the
//! device's reports to all who watch.
//!
//! - A viewer may send commands if its token has the drive scope. The first that
//!   arms holds the **lease** until its session ends or one of its control
//!   channels closes; what others send is dropped.
//! - A stop is the exception: it passes from whoever has the drive scope, since
//!   the one who sees the danger need not be the one who drives. It takes the
//!   lease from the holder, who has to arm again.
//! - Every command leaves stamped with its session and the lease, a number that
//!   rises with every holder and never falls: the device refuses lower ones, so
//!   that nothing late of a former holder moves it. It begins at what the device
//!   reports, so that a restart of ours does not lock anybody out.
//! - When the holder is lost the device is told to stop, under a lease of its own.
//! - All else on these channels, and all on any other, is dropped and counted.

mod counters;
mod pace;
mod party;
mod room;

use std::collections::{HashMap, VecDeque};

use transom_control::wire::{MAX_COMMAND, MAX_MESSAGE};
use transom_control::{Channel, Command, Report};
use transom_rtc_proto::channel::MessageKind;
use transom_rtc_proto::time::Instant;

use super::api::StreamKey;
use super::channels::{ChannelNote, Happening, Message, Outgoing, Speaker};
use counters::{Counters, Reason};
use party::Party;
use room::Room;

/// Messages that may wait to be sent; more are dropped. They wait for the end of
/// a call only: a report goes to every subscriber of a stream.
const MAX_OUTGOING: usize = 1024;

/// Decides what becomes of what peers say. There is one, with the ingress thread.
#[derive(Debug, Default)]
pub(super) struct Relay {
    /// Who has opened a control channel, by key.
    parties: HashMap<u32, Party>,
    rooms: HashMap<StreamKey, Room>,
    outgoing: VecDeque<Outgoing>,
    counters: Counters,
}

impl Relay {
    /// Takes a note of a world's.
    pub(super) fn handle_note(&mut self, now: Instant, note: &ChannelNote) {
        let (speaker, label) = (note.speaker, &*note.label);
        match &note.what {
            Happening::Opened => self.on_opened(now, speaker, label),
            Happening::Closed => self.on_closed(speaker.key, label),
            Happening::Message { kind, data } => {
                let kind = *kind;
                let message = Message { label, kind, data };
                if let Err(reason) = self.on_message(now, speaker.key, message) {
                    let (session, len) = (speaker.session, data.len());
                    tracing::trace!(%session, label, len, ?reason, "message dropped");
                    self.counters.count(reason);
                }
            }
        }
    }

    /// The peer of this key is gone, and its channels with it.
    pub(super) fn on_gone(&mut self, key: u32) {
        self.outgoing.retain(|o| o.key != key);
        let Some(party) = self.parties.remove(&key) else {
            return;
        };
        let stream = party.speaker.stream;
        if let Some(room) = self.rooms.get_mut(&stream) {
            room.on_lost(key, &mut self.outgoing);
            room.leave(key);
            if room.is_empty() {
                self.rooms.remove(&stream);
            }
        }
    }

    /// The next message to be sent.
    pub(super) fn poll_send(&mut self) -> Option<Outgoing> {
        self.outgoing.pop_front()
    }

    /// What was dropped since the last call, once a second at most.
    pub(super) fn poll_dropped(&mut self, now: Instant) -> Option<String> {
        self.counters.poll(now)
    }

    fn on_opened(&mut self, now: Instant, speaker: Speaker, label: &str) {
        tracing::debug!(session = %speaker.session, label, "data channel opened");
        let Some(channel) = Channel::from_label(label) else {
            return;
        };
        let key = speaker.key;
        let party = self.parties.entry(key);
        let party = party.or_insert_with(|| Party::new(now, speaker));
        party.open(channel);
        let room = self.rooms.entry(speaker.stream).or_default();
        room.enter(speaker, &mut self.outgoing);
    }

    fn on_closed(&mut self, key: u32, label: &str) {
        let (Some(channel), Some(party)) = (Channel::from_label(label), self.parties.get_mut(&key))
        else {
            return;
        };
        tracing::debug!(session = %party.speaker.session, label, "control channel closed");
        party.close(channel);
        if let Some(room) = self.rooms.get_mut(&party.speaker.stream) {
            room.on_lost(key, &mut self.outgoing);
        }
    }

    fn on_message(&mut self, now: Instant, key: u32, message: Message<'_>) -> Result<(), Reason> {
        let channel = Channel::from_label(message.label).ok_or(Reason::Label)?;
        let party = self.parties.get_mut(&key).ok_or(Reason::Label)?;
        let speaker = party.speaker;
        let room = self.rooms.get_mut(&speaker.stream);
        let room = room.ok_or(Reason::NoDevice)?;
        if message.kind != MessageKind::Binary {
            return Err(Reason::Malformed);
        }
        if speaker.publisher {
            if message.data.len() > MAX_MESSAGE {
                return Err(Reason::TooLong);
            }
            party.take_report(now)?;
            let report = Report::parse(message.data).map_err(|_| Reason::Malformed)?;
            room.on_report(key, report.lease, &mut self.outgoing)?;
            return self.tell_all(speaker.stream, channel, message.data);
        }
        if !speaker.may_drive {
            return Err(Reason::Scope);
        }
        if message.data.len() > MAX_COMMAND {
            return Err(Reason::TooLong);
        }
        let command = Command::parse(message.data).map_err(|_| Reason::Malformed)?;
        party.take(now, &command.order)?;
        let outgoing = room.on_command(speaker, channel, &command, message.data)?;
        self.send(outgoing)
    }

    /// Passes a report to all who listen on that channel.
    fn tell_all(&mut self, stream: StreamKey, channel: Channel, data: &[u8]) -> Result<(), Reason> {
        let Some(room) = self.rooms.get(&stream) else {
            return Ok(());
        };
        let listeners: Vec<u32> = {
            let listens = |key: &&u32| self.parties.get(*key).is_some_and(|p| p.is_open(channel));
            room.viewers().iter().filter(listens).copied().collect()
        };
        let data: std::sync::Arc<[u8]> = data.into();
        let label: std::sync::Arc<str> = channel.label().into();
        let mut all = Ok(());
        for key in listeners {
            let sent = self.send(Outgoing {
                key,
                label: label.clone(),
                kind: MessageKind::Binary,
                data: data.clone(),
                newest: false,
            });
            all = all.and(sent);
        }
        all
    }

    /// Queues a message. Of setpoints only the newest waits.
    fn send(&mut self, outgoing: Outgoing) -> Result<(), Reason> {
        if outgoing.newest {
            let before = self.outgoing.len();
            self.outgoing
                .retain(|o| !(o.newest && o.key == outgoing.key));
            if self.outgoing.len() < before {
                self.counters.count(Reason::Superseded);
            }
        }
        if self.outgoing.len() >= MAX_OUTGOING {
            return Err(Reason::NoRoom);
        }
        self.outgoing.push_back(outgoing);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
