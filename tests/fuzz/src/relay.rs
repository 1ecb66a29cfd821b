//! Whole evenings of drivers, watchers and devices at the server's relay.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use transom_control::wire::{LEASE_AT, LeaseName, LeaseNotice, MAX_COMMAND, MAX_MESSAGE};
use transom_control::{Channel, Command, Lease, Order, Report, Source};
use transom_rtc_proto::channel::MessageKind;
use transom_rtc_proto::time::Instant;
use transom_sfu::media::api::{DriveRights, SessionId, StreamKey};
use transom_sfu::media::relay::{ChannelNote, Happening, Relay, RelayStats, Speaker};

/// Two devices for one stream, three drivers, two who may only watch, and one
/// on a stream of its own.
const PEERS: u32 = 8;
const FIRST: StreamKey = StreamKey(1);
const SECOND: StreamKey = StreamKey(2);
const LABELS: [&str; 3] = ["control", "control-reliable", "chat"];

/// The input is steps of four bytes (what, who, where, how much), messages with
/// that many bytes behind them. Taken is what made a command reach a device.
pub fn relay(data: &[u8]) -> bool {
    let mut town = Town::new();
    let mut rest = data;
    while let [what, who, place, much, tail @ ..] = rest {
        rest = tail;
        let speaker = speaker(u32::from(*who) % PEERS);
        let label = LABELS[usize::from(*place) % LABELS.len()];
        match what % 8 {
            0 => town.note(speaker, label, Happening::Opened),
            1 => town.note(speaker, label, Happening::Closed),
            2 => town.gone(speaker.key),
            3 => town.pass(Duration::from_millis(u64::from(*much) * 10)),
            4 => town.drain(),
            kind => {
                let (message, tail) = tail.split_at(usize::from(*much).min(tail.len()));
                rest = tail;
                let mut data = message.to_vec();
                if kind == 5 && speaker.publisher {
                    // Whatever its lease was, it is the one that the device heard.
                    let heard = town.leases.get(&speaker.key).map_or(0, |lease| lease.0);
                    if let Some(lease) = data.get_mut(4..8) {
                        lease.copy_from_slice(&heard.to_be_bytes());
                    }
                }
                let kind = match kind {
                    7 => MessageKind::Text,
                    _ => MessageKind::Binary,
                };
                town.note(speaker, label, Happening::Message { kind, data });
            }
        }
        town.check();
    }
    let stats = Arc::clone(&town.stats);
    for key in 0..PEERS {
        town.gone(key);
    }
    assert!(town.relay.is_empty(), "who is gone leaves something");
    assert_eq!(town.relay.poll_timeout(), None);
    town.drain();
    stats.commands.load(Ordering::Relaxed) > 0
}

struct Town {
    relay: Relay,
    stats: Arc<RelayStats>,
    now: Instant,
    /// Who may be on the first stream.
    present: HashSet<u32>,
    /// Who drove under which lease, since somebody has been there.
    drivers: HashMap<Lease, Source>,
    /// The highest lease that each device was sent.
    leases: HashMap<u32, Lease>,
}

impl Town {
    fn new() -> Self {
        let stats = Arc::new(RelayStats::default());
        Self {
            relay: Relay::new(Arc::clone(&stats)),
            stats,
            now: Instant::from_millis(1000),
            present: HashSet::new(),
            drivers: HashMap::new(),
            leases: HashMap::new(),
        }
    }

    fn note(&mut self, speaker: Speaker, label: &str, what: Happening) {
        let enters = what == Happening::Opened && Channel::from_label(label).is_some();
        if enters && speaker.stream == FIRST {
            self.present.insert(speaker.key);
        }
        let label = label.into();
        let note = ChannelNote {
            speaker,
            label,
            what,
        };
        self.relay.handle_note(self.now, &note);
    }

    fn gone(&mut self, key: u32) {
        self.relay.handle_gone(self.now, key);
        self.present.remove(&key);
        if self.present.is_empty() {
            // What they said is still for the former life.
            self.drain();
            self.drivers.clear();
        }
    }

    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(at) = self.relay.poll_timeout().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.relay.handle_timeout(self.now);
            let next = self.relay.poll_timeout();
            assert!(next.is_none_or(|next| next > self.now), "a timer spins");
        }
        self.now = until;
        let _ = self.relay.poll_dropped(self.now);
    }

    fn check(&self) {
        for stream in [FIRST, SECOND] {
            if let Some(holder) = self.relay.holder(stream) {
                let holder = speaker(holder);
                assert!(holder.rights.drive && !holder.publisher && holder.stream == stream);
            }
        }
    }

    /// Takes what is to be sent; all of it is well formed, for the right peer,
    /// and stamped.
    fn drain(&mut self) {
        let mut setpoints = [0; PEERS as usize];
        let mut sent = 0;
        while let Some(outgoing) = self.relay.poll_send() {
            sent += 1;
            assert!(sent <= 2048, "more waits than may");
            assert!(Channel::from_label(&outgoing.label).is_some());
            assert_eq!(outgoing.kind, MessageKind::Binary);
            let receiver = speaker(outgoing.key);
            if LeaseNotice::is_meant(&outgoing.data) {
                let notice = LeaseNotice::parse(&outgoing.data).expect("an operator gets notices");
                assert!(receiver.rights.drive && !receiver.publisher);
                assert_eq!(notice.you.0, receiver.session.tag_bits());
                assert_eq!(notice.emit(), *outgoing.data);
                continue;
            }
            assert!(outgoing.data.len() <= MAX_MESSAGE);
            if !receiver.publisher {
                Report::parse(&outgoing.data).expect("a viewer gets reports");
                continue;
            }
            assert!(outgoing.data.len() <= MAX_COMMAND);
            let command = Command::parse(&outgoing.data).expect("a device gets commands");
            let at_lease = outgoing.data.get(LEASE_AT..).expect("a lease");
            assert!(at_lease.starts_with(&command.lease.0.to_be_bytes()));
            let highest = self.leases.entry(outgoing.key).or_default();
            *highest = command.lease.max(*highest);
            if matches!(command.order, Order::Stop { .. } | Order::Emergency { .. }) {
                continue;
            }
            let setpoint = matches!(command.order, Order::Setpoint { .. });
            assert_eq!(setpoint, outgoing.newest);
            setpoints[outgoing.key as usize] += u32::from(setpoint);
            assert!(setpoints[outgoing.key as usize] <= 1, "setpoints queue");
            let may_drive = |key: &u32| speaker(*key).session.tag_bits() == command.source.0;
            let driver = speaker((0..PEERS).find(may_drive).expect("somebody's"));
            assert!(driver.rights.drive && driver.stream == receiver.stream);
            let first = self.drivers.entry(command.lease).or_insert(command.source);
            assert_eq!(*first, command.source, "two drive under one lease");
        }
    }
}

const fn speaker(key: u32) -> Speaker {
    Speaker {
        key,
        session: SessionId::from_bytes([key as u8 + 1; SessionId::LEN]),
        stream: if key == 7 { SECOND } else { FIRST },
        publisher: key < 2,
        rights: DriveRights {
            drive: key >= 2 && key != 5 && key != 6,
            admin: key == 4,
            name: LeaseName::EMPTY,
        },
    }
}
