use std::sync::Arc;

use transom_control::Channel;
use transom_control::wire::{LeaseName, LeaseNotice, LeaseResult};
use transom_rtc_proto::channel::MessageKind;
use transom_rtc_proto::time::Instant;
use transom_sfu::media::api::{DriveRights, SessionId, StreamKey};
use transom_sfu::media::relay::{ChannelNote, DropReason, Happening, Relay, RelayStats, Speaker};
use transom_tests_sim::drive::{Path, PathConfig, Sent};

use crate::audit::{Audit, Heard, Peer};
use crate::findings::Findings;
use crate::person::{Author, Said};
use crate::witness::Witness;

/// What the server's clock is ahead of the simulation's.
const OFFSET_US: u64 = 77_000_000;
const STREAM: StreamKey = StreamKey(1);

/// Which of the people may override.
const ADMIN: usize = 1;

/// Whose session it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Device,
    Person { at: usize, may_drive: bool },
}

/// A peer's session: two directions.
pub(crate) struct Session {
    pub(crate) key: u32,
    pub(crate) who: Who,
    pub(crate) up: Path,
    pub(crate) down: Path,
    /// Nothing passes any more; the server does not know of it yet.
    cut: bool,
}

/// The relay, and who has a session.
pub(crate) struct Server {
    relay: Relay,
    stats: Arc<RelayStats>,
    pub(crate) sessions: Vec<Session>,
    audit: Audit,
    last_key: u32,
    emitted: u64,
}

impl Server {
    pub(crate) fn new() -> Self {
        let stats = Arc::new(RelayStats::default());
        Self {
            relay: Relay::new(Arc::clone(&stats)),
            stats,
            sessions: Vec::new(),
            audit: Audit::default(),
            last_key: 0,
            emitted: 0,
        }
    }

    /// It ends and is started again: it knows nothing, and nobody has a session.
    pub(crate) fn restart(&mut self) {
        self.relay = Relay::new(Arc::clone(&self.stats));
        self.sessions.clear();
        self.audit = Audit::default();
    }

    pub(crate) fn open(
        &mut self,
        who: Who,
        author: Author,
        path: PathConfig,
        seed: u64,
        witness: &mut Witness,
    ) -> u32 {
        self.last_key += 1;
        let key = self.last_key;
        witness.session(key, author);
        self.sessions.push(Session {
            key,
            who,
            up: Path::new(path, seed),
            down: Path::new(path, seed ^ 0xd0fe),
            cut: false,
        });
        key
    }

    /// From now on nothing passes, and what is on its way is lost.
    pub(crate) fn cut(&mut self, key: u32) {
        if let Some(session) = self.sessions.iter_mut().find(|s| s.key == key) {
            session.cut = true;
        }
    }

    /// What is sent from now on passes again.
    pub(crate) fn mend(&mut self, key: u32) {
        if let Some(session) = self.sessions.iter_mut().find(|s| s.key == key) {
            session.cut = false;
        }
    }

    /// Nothing comes to a session's peer until then, and, if `both`, nothing from it.
    pub(crate) fn stall(&mut self, key: u32, until: u64, both: bool) {
        if let Some(session) = self.sessions.iter_mut().find(|s| s.key == key) {
            session.down.stall(until);
            if both {
                session.up.stall(until);
            }
        }
    }

    /// Something old comes again: of what these sessions' peers said, and of what they were told.
    pub(crate) fn replay(&mut self, now: u64, keys: &[u32]) {
        let sessions = self.sessions.iter_mut();
        for session in sessions.filter(|session| keys.contains(&session.key)) {
            session.up.replay(now);
            session.down.replay(now);
        }
    }

    pub(crate) fn opened(&mut self, now: u64, key: u32, channel: Channel, witness: &mut Witness) {
        self.note(now, key, channel, Happening::Opened, witness);
        self.drain(now, witness);
    }

    pub(crate) fn closed(&mut self, now: u64, key: u32, channel: Channel, witness: &mut Witness) {
        witness.lost(now, key);
        self.note(now, key, channel, Happening::Closed, witness);
        self.drain(now, witness);
    }

    pub(crate) fn gone(&mut self, now: u64, key: u32, witness: &mut Witness) {
        witness.lost(now, key);
        let peer = self.peer(key);
        self.sessions.retain(|session| session.key != key);
        let before = self.relay.holder(STREAM);
        self.relay.handle_gone(instant(now), key);
        let holders = [before, self.relay.holder(STREAM)];
        let findings = witness.findings();
        self.audit.heard(now, peer, Heard::Gone, holders, findings);
        self.drain(now, witness);
    }

    /// What somebody says goes its way.
    pub(crate) fn send(&mut self, now: u64, key: u32, said: Said) {
        let session = self.sessions.iter_mut().find(|s| s.key == key);
        if let Some(session) = session.filter(|s| !s.cut) {
            let Said { channel, bytes } = said;
            session.up.send(
                now,
                Sent {
                    at: now,
                    bytes,
                    channel,
                },
            );
        }
    }

    /// What arrived here.
    pub(crate) fn turn(&mut self, now: u64, witness: &mut Witness) {
        for at in 0..self.sessions.len() {
            while let Some(sent) = self.sessions[at].up.receive(now) {
                let Session { key, cut, .. } = self.sessions[at];
                if cut {
                    continue;
                }
                let what = Happening::Message {
                    kind: MessageKind::Binary,
                    data: sent.bytes,
                };
                self.note(now, key, sent.channel, what, witness);
                self.drain(now, witness);
            }
        }
        let before = self.relay.holder(STREAM);
        self.relay.handle_timeout(instant(now));
        let holders = [before, self.relay.holder(STREAM)];
        let findings = witness.findings();
        self.audit.heard(now, None, Heard::Time, holders, findings);
        self.drain(now, witness);
    }

    /// What has arrived at the peer of a session.
    pub(crate) fn receive(&mut self, now: u64, key: u32) -> Option<Sent> {
        let session = self.sessions.iter_mut().find(|s| s.key == key)?;
        match session.cut {
            true => None,
            false => session.down.receive(now),
        }
    }

    /// When something arrives, or the relay wants the time. `listens` says which sessions are read.
    pub(crate) fn poll_timeout(&self, listens: impl Fn(&Session) -> bool) -> Option<u64> {
        let relay = self.relay.poll_timeout();
        let relay = relay.map(|at| at.as_micros() - OFFSET_US);
        let arrivals = self.sessions.iter().flat_map(|session| {
            let read = !session.cut && listens(session);
            let down = session.down.poll_timeout().filter(|_| read);
            [session.up.poll_timeout(), down]
        });
        arrivals.chain([relay]).flatten().min()
    }

    pub(crate) fn findings(&self, findings: &mut Findings) {
        for reason in DropReason::ALL {
            findings.dropped[reason as usize] = self.stats.dropped(reason);
        }
        for (count, result) in findings.answers.iter_mut().zip(LeaseResult::ALL) {
            *count = self.stats.lease_answers(result);
        }
    }

    fn peer(&self, key: u32) -> Option<Peer> {
        let session = self.sessions.iter().find(|session| session.key == key)?;
        let at = match session.who {
            Who::Person {
                at,
                may_drive: true,
            } => Some(at),
            _ => None,
        };
        Some(Peer {
            key,
            device: session.who == Who::Device,
            drives: at.is_some(),
            admin: at == Some(ADMIN),
        })
    }

    fn note(
        &mut self,
        now: u64,
        key: u32,
        channel: Channel,
        what: Happening,
        witness: &mut Witness,
    ) {
        let peer = self.peer(key);
        let Some(session) = self.sessions.iter().find(|session| session.key == key) else {
            return;
        };
        let mut id = [0; SessionId::LEN];
        id[..4].copy_from_slice(&key.to_be_bytes());
        let speaker = Speaker {
            key,
            session: SessionId::from_bytes(id),
            stream: STREAM,
            publisher: session.who == Who::Device,
            rights: DriveRights {
                drive: peer.is_some_and(|peer| peer.drives),
                admin: peer.is_some_and(|peer| peer.admin),
                name: LeaseName::new(&format!("operator {key}")),
            },
        };
        let note = ChannelNote {
            speaker,
            label: channel.label().into(),
            what,
        };
        let before = self.relay.holder(STREAM);
        self.relay.handle_note(instant(now), &note);
        let holders = [before, self.relay.holder(STREAM)];
        let what = match &note.what {
            Happening::Opened => Heard::Opened,
            Happening::Closed => Heard::Lost,
            Happening::Message { data, .. } => Heard::Said(data),
        };
        let findings = witness.findings();
        self.audit.heard(now, peer, what, holders, findings);
    }

    fn drain(&mut self, now: u64, witness: &mut Witness) {
        while let Some(outgoing) = self.relay.poll_send() {
            let holder = self.relay.holder(STREAM);
            if let Ok(notice) = LeaseNotice::parse(&outgoing.data) {
                self.audit.told(outgoing.key, &notice);
            }
            let session = self.sessions.iter_mut().find(|s| s.key == outgoing.key);
            let Some(session) = session.filter(|s| !s.cut) else {
                continue;
            };
            self.emitted += 1;
            if session.who == Who::Device {
                self.audit.relayed(&outgoing.data, holder);
                witness.relayed(self.emitted, &outgoing.data);
            }
            let sent = Sent {
                at: self.emitted,
                bytes: outgoing.data.to_vec(),
                channel: Channel::from_label(&outgoing.label).expect("one of the two"),
            };
            session.down.send(now, sent);
        }
    }
}

fn instant(now: u64) -> Instant {
    Instant::from_micros(OFFSET_US + now)
}
