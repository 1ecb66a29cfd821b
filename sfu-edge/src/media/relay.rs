//! Who drives: passes the commands of one driver to a stream's device, and the
//! device's reports to all who watch. No socket and no clock: notes of what peers
//! did come in, messages for peers are polled.
//!
//! - A viewer may send commands if its token has the drive scope. The first that
//!   arms holds the **lease**; what others send is dropped. It is free again when
//!   the holder's session ends or one of its control channels closes, and may be
//!   taken while the device is not armed: an idle page locks nobody out. That the
//!   device is armed, and not by them, its reports tell all who watch.
//! - A lease that was asked for by a [`LeaseRequest`] is **firm**: nobody else arms, whether or not its holder
//!   does, until it is released, handed over to one who asked, taken by an administrator, or not renewed
//!   for six seconds. Who has asked for anything gets a notice whenever that changes.
//! - A stop is the exception: it passes from whoever has the drive scope, since
//!   the one who sees the danger need not be the one who drives. It takes the
//!   lease from the holder, who has to arm again.
//! - Every command leaves stamped with its session and the lease, a number that
//!   rises with every holder and never falls: the device refuses lower ones, so
//!   that nothing late of a former holder moves it. It begins at what the device
//!   reports, so that a restart of ours does not lock anybody out.
//! - An answer goes to the one whose lease it was given under: sequence numbers of
//!   others would be taken for their own. Beacons, telemetry and what is told of pictures go to all; the last of
//!   these in each viewer's own time, which only its worker knows (`media/pictures`).
//! - When the holder is lost the device is told to stop, under a lease of its own,
//!   again and again until a report shows that it knows that lease.
//! - All else on these channels, and all on any other, is dropped and counted.

mod counters;
mod lease;
mod need;
mod pace;
mod party;
mod room;
mod watch;

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

pub use counters::{DropReason, LeaseChange, RelayStats};
use transom_control::wire::{LeaseRequest, MAX_COMMAND, MAX_MESSAGE, Picture};
use transom_control::{Channel, Command, Report, ReportKind};
use transom_rtc_proto::channel::MessageKind;
use transom_rtc_proto::time::Instant;

use super::api::StreamKey;
pub use super::channels::{ChannelNote, Happening, Outgoing, Speaker};
use counters::{Told, add};
use party::Party;
use room::Room;
pub use watch::DeviceStats;

/// Messages that may wait to be sent; more are dropped, the newest first. They wait
/// for the end of a call only: a report goes to every subscriber of a stream. Stops of
/// our own find as much room again, at the front.
const MAX_OUTGOING: usize = 1024;

/// Decides what becomes of what peers say. There is one, with the ingress thread.
#[derive(Debug, Default)]
pub struct Relay {
    /// Who has opened a control channel, by key.
    parties: HashMap<u32, Party>,
    rooms: HashMap<StreamKey, Room>,
    outgoing: VecDeque<Outgoing>,
    /// When a stop is to be said again.
    due: Option<Instant>,
    stats: Arc<RelayStats>,
    told: Told,
}

impl Relay {
    /// One without peers, that counts in `stats`.
    pub fn new(stats: Arc<RelayStats>) -> Self {
        Self {
            stats,
            ..Self::default()
        }
    }

    /// Takes a note of what a peer did.
    pub fn handle_note(&mut self, now: Instant, note: &ChannelNote) {
        let (speaker, label) = (note.speaker, &*note.label);
        let stream = speaker.stream;
        match &note.what {
            Happening::Opened => self.on_opened(now, speaker, label),
            Happening::Closed => self.on_closed(now, speaker.key, label),
            Happening::Message { kind, data } => {
                if let Err(reason) = self.on_message(now, speaker.key, label, *kind, data) {
                    let (session, len) = (speaker.session, data.len());
                    tracing::trace!(%session, label, len, ?reason, "message dropped");
                    self.stats.count(reason);
                }
            }
        }
        self.tell_lease(now, stream);
        self.schedule(stream);
    }

    /// The peer of this key is gone, and its channels with it.
    pub fn handle_gone(&mut self, now: Instant, key: u32) {
        self.outgoing.retain(|o| o.key != key);
        let Some(party) = self.parties.remove(&key) else {
            return;
        };
        let stream = party.speaker.stream;
        if let Some(room) = self.rooms.get_mut(&stream) {
            room.leave(now, key, &mut self.outgoing);
        }
        self.tell_lease(now, stream);
        if self.rooms.get(&stream).is_some_and(Room::is_empty) {
            self.rooms.remove(&stream);
        }
        self.reschedule();
    }

    /// Says again what was not confirmed.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.due.is_none_or(|at| at > now) {
            return;
        }
        let mut late = Vec::new();
        for (stream, room) in &mut self.rooms {
            if room.poll_timeout().is_some_and(|at| at <= now) {
                room.handle_timeout(now, &mut self.outgoing);
                late.push(*stream);
            }
        }
        for stream in late {
            self.tell_lease(now, stream);
        }
        self.reschedule();
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }

    /// The next message to be sent; to be called until there is none.
    pub fn poll_send(&mut self) -> Option<Outgoing> {
        self.outgoing.pop_front()
    }

    /// What was dropped since the last call, as text for the log; once a second
    /// at most.
    pub fn poll_dropped(&mut self, now: Instant) -> Option<String> {
        self.told.poll(now, &self.stats)
    }

    /// Who holds the lease of a stream.
    pub fn holder(&self, stream: StreamKey) -> Option<u32> {
        self.rooms.get(&stream)?.holder()
    }

    /// Whether nobody has a control channel.
    pub fn is_empty(&self) -> bool {
        self.parties.is_empty() && self.rooms.is_empty()
    }

    /// After a room's turn. May leave a time at which nothing is to be done any more: looking at all rooms
    /// is for then, not for every message.
    fn schedule(&mut self, stream: StreamKey) {
        let at = self.rooms.get(&stream).and_then(Room::poll_timeout);
        self.due = self.due.into_iter().chain(at).min();
        self.bound();
    }

    fn reschedule(&mut self) {
        self.due = self.rooms.values().filter_map(Room::poll_timeout).min();
        self.bound();
    }

    fn bound(&mut self) {
        while self.outgoing.len() > 2 * MAX_OUTGOING {
            self.outgoing.pop_back();
            self.stats.count(DropReason::NoRoom);
        }
    }

    fn on_opened(&mut self, now: Instant, speaker: Speaker, label: &str) {
        tracing::debug!(session = %speaker.session, label, "data channel opened");
        let Some(channel) = Channel::from_label(label) else {
            return;
        };
        let party = match self.parties.entry(speaker.key) {
            Entry::Occupied(party) => party.into_mut(),
            Entry::Vacant(place) => {
                let room = self.rooms.entry(speaker.stream).or_default();
                room.enter(now, speaker, &mut self.outgoing);
                place.insert(Party::new(now, speaker))
            }
        };
        party.open(channel);
    }

    fn on_closed(&mut self, now: Instant, key: u32, label: &str) {
        let (Some(channel), Some(party)) = (Channel::from_label(label), self.parties.get_mut(&key))
        else {
            return;
        };
        tracing::debug!(session = %party.speaker.session, label, "control channel closed");
        party.close(channel);
        if let Some(room) = self.rooms.get_mut(&party.speaker.stream) {
            room.on_lost(now, key, &mut self.outgoing);
        }
    }

    fn on_message(
        &mut self,
        now: Instant,
        key: u32,
        label: &str,
        kind: MessageKind,
        data: &[u8],
    ) -> Result<(), DropReason> {
        let channel = Channel::from_label(label).ok_or(DropReason::UnknownChannel)?;
        let party = self.parties.get_mut(&key);
        let party = party.ok_or(DropReason::ChannelClosed)?;
        let speaker = party.speaker;
        let room = self.rooms.get_mut(&speaker.stream);
        let room = room.ok_or(DropReason::NoDevice)?;
        if kind != MessageKind::Binary {
            return Err(DropReason::Malformed);
        }
        if speaker.publisher {
            if data.len() > MAX_MESSAGE {
                return Err(DropReason::TooLong);
            }
            party.take_report(now)?;
            if Picture::is(data) {
                Picture::parse(data).map_err(|_| DropReason::Malformed)?;
                let viewers = room.viewers_of(key).ok_or(DropReason::NoDevice)?.to_vec();
                self.tell(&viewers, channel, data);
                return Ok(());
            }
            let report = Report::parse(data).map_err(|_| DropReason::Malformed)?;
            room.on_report(now, key, &report, &mut self.outgoing)?;
            room.watch.on_report(now, &report, &self.stats.devices);
            let listeners = match report.kind {
                ReportKind::Ack { .. } => {
                    let asked = room.asked_by(report.lease).ok_or(DropReason::NobodyAsked)?;
                    vec![asked]
                }
                ReportKind::Beacon { .. } | ReportKind::Telemetry(_) => room.viewers().to_vec(),
            };
            self.tell(&listeners, channel, data);
            return Ok(());
        }
        if !speaker.rights.drive {
            return Err(DropReason::NoDriveScope);
        }
        if data.len() > MAX_COMMAND {
            return Err(DropReason::TooLong);
        }
        if LeaseRequest::is_meant(data) && channel == Channel::Reliable {
            party.take_request(now)?;
            let request = LeaseRequest::parse(data).map_err(|_| DropReason::Malformed)?;
            room.on_request(now, speaker, request, &mut self.outgoing);
            return Ok(());
        }
        let command = Command::parse(data).map_err(|_| DropReason::Malformed)?;
        party.take(now, &command.order)?;
        let outgoing = room.on_command(now, speaker, channel, &command, data)?;
        room.watch_command(now, &command);
        let devices = &self.stats.devices;
        room.watch.on_passed(now, &command, devices);
        self.send(channel, outgoing)?;
        add(&self.stats.commands);
        Ok(())
    }

    /// Counts what became of the lease, and tells those who want to know.
    fn tell_lease(&mut self, now: Instant, stream: StreamKey) {
        let Some(room) = self.rooms.get_mut(&stream) else {
            return;
        };
        let Some(news) = room.poll_news() else {
            return;
        };
        for change in news.changes {
            self.stats.count_change(change);
        }
        // Who has an answer learns the rest from it.
        let answers = news.answers.iter();
        let answers = answers.map(|(key, number, result)| (*key, Some((*number, *result))));
        let others = room.operators().iter().filter(|_| news.for_all);
        let others = others.filter(|key| news.answers.iter().all(|(k, ..)| k != *key));
        let told: Vec<_> = answers.chain(others.map(|key| (*key, None))).collect();
        for (key, answer) in told {
            let Some(party) = self.parties.get(&key) else {
                continue;
            };
            let Some(room) = self.rooms.get(&stream) else {
                return;
            };
            let notice = room.notice(now, &party.speaker, answer);
            if let Some((_, result)) = answer {
                self.stats.count_answer(result);
            }
            let sent = self.send(
                Channel::Reliable,
                Outgoing {
                    key,
                    label: Channel::Reliable.label().into(),
                    kind: MessageKind::Binary,
                    data: notice.emit().as_slice().into(),
                    newest: false,
                },
            );
            match sent {
                Ok(()) => add(&self.stats.notices),
                Err(reason) => self.stats.count(reason),
            }
        }
    }

    /// Passes a report to those of them who listen on that channel.
    fn tell(&mut self, viewers: &[u32], channel: Channel, data: &[u8]) {
        let data: Arc<[u8]> = data.into();
        let label: Arc<str> = channel.label().into();
        for key in viewers {
            if !self.parties.get(key).is_some_and(|p| p.is_open(channel)) {
                continue;
            }
            let sent = self.send(
                channel,
                Outgoing {
                    key: *key,
                    label: Arc::clone(&label),
                    kind: MessageKind::Binary,
                    data: Arc::clone(&data),
                    newest: false,
                },
            );
            match sent {
                Ok(()) => add(&self.stats.reports),
                Err(reason) => self.stats.count(reason),
            }
        }
    }

    /// Queues a message. Of setpoints only the newest waits.
    fn send(&mut self, channel: Channel, outgoing: Outgoing) -> Result<(), DropReason> {
        let receiver = self.parties.get(&outgoing.key);
        if !receiver.is_some_and(|party| party.is_open(channel)) {
            return Err(DropReason::ChannelClosed);
        }
        if outgoing.newest {
            let before = self.outgoing.len();
            self.outgoing
                .retain(|o| !(o.newest && o.key == outgoing.key));
            if self.outgoing.len() < before {
                self.stats.count(DropReason::Superseded);
            }
        }
        if self.outgoing.len() >= MAX_OUTGOING {
            return Err(DropReason::NoRoom);
        }
        self.outgoing.push_back(outgoing);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
