//! Who may have had the lease, kept apart from the relay: every change of its holder must have a cause in what
//! the server was just told, or in time that went by.

use std::collections::HashMap;

use transom_control::wire::{LeaseAction, LeaseNotice, LeaseRequest};
use transom_control::{Command, Lease, Order, Report, Source, State};

use crate::findings::Findings;

/// A holder that is silent for so long may have lost it: the relay's six seconds, but for what it dropped of a
/// burst.
const SILENT_US: u64 = 5_000_000;
/// How long an asking counts, and what a delayed timer adds.
const ASKED_US: u64 = 10_000_000;
/// How long an arm keeps it by itself.
const ARMING_US: u64 = 2_000_000;

/// What the server hears of.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Heard<'a> {
    Opened,
    Said(&'a [u8]),
    /// A channel of it is closed, or it is gone.
    Lost,
    Gone,
    /// Nothing; time goes by.
    Time,
}

/// Whom the server hears of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    pub(crate) key: u32,
    pub(crate) device: bool,
    pub(crate) drives: bool,
    pub(crate) admin: bool,
}

#[derive(Default)]
pub(crate) struct Audit {
    /// When somebody said something last.
    words: HashMap<u32, u64>,
    /// Since when somebody asks.
    asks: HashMap<u32, u64>,
    /// When somebody armed last.
    arms: HashMap<u32, u64>,
    /// Publishers, the latest last, and what they reported.
    devices: Vec<(u32, Option<State>)>,
    /// The holder asked for it, and not only armed.
    firm: bool,
    /// Whose commands each lease is for.
    leases: HashMap<Lease, Source>,
    /// The highest that the device was sent, and that each operator was told.
    highest: Lease,
    told: HashMap<u32, Lease>,
}

impl Audit {
    /// Something was heard, and the holder was this one before and is that one now.
    pub(crate) fn heard(
        &mut self,
        now: u64,
        peer: Option<Peer>,
        what: Heard<'_>,
        [before, after]: [Option<u32>; 2],
        findings: &mut Findings,
    ) {
        let request = match what {
            Heard::Said(bytes) => LeaseRequest::parse(bytes).ok(),
            _ => None,
        };
        let action = request.map(|request| request.action);
        let order = match what {
            Heard::Said(bytes) => Command::parse(bytes).ok().map(|command| command.order),
            _ => None,
        };
        let by = peer.map(|peer| peer.key);
        if before != after {
            let cause = self.cause(now, peer, what, action, order, [before, after]);
            let Some(cause) = cause else {
                panic!(
                    "at {now} us the lease went from {before:?} to {after:?} by {peer:?}: {what:?}; firm: {}, devices {:?}, arms {:?}, asks {:?}, words {:?}",
                    self.firm, self.devices, self.arms, self.asks, self.words
                );
            };
            *findings.leases.entry(cause).or_default() += 1;
            self.firm = order.is_none();
        }
        let Some(peer) = peer else { return };
        let key = peer.key;
        if peer.drives {
            self.words.insert(key, now);
            match action {
                Some(LeaseAction::Ask) if after != by => {
                    self.asks.insert(key, now);
                }
                Some(LeaseAction::Acquire | LeaseAction::Ask) if after == by => self.firm = true,
                Some(LeaseAction::Override) if after == by && peer.admin => self.firm = true,
                Some(LeaseAction::Release) => {
                    self.asks.remove(&key);
                }
                _ => {}
            }
            if matches!(order, Some(Order::Arm { .. })) && after == by {
                self.arms.insert(key, now);
            }
        }
        match what {
            Heard::Opened if peer.device && self.devices.iter().all(|(k, _)| *k != key) => {
                self.devices.iter_mut().for_each(|device| device.1 = None);
                self.devices.push((key, None));
            }
            Heard::Said(bytes) if peer.device => {
                if let (Some((last, state)), Ok(report)) =
                    (self.devices.last_mut(), Report::parse(bytes))
                    && *last == key
                {
                    *state = Some(report.state);
                }
            }
            Heard::Lost | Heard::Gone => {
                self.asks.remove(&key);
                if matches!(what, Heard::Gone) {
                    self.devices.retain(|(k, _)| *k != key);
                }
            }
            _ => {}
        }
        if let Some(holder) = after {
            self.asks.remove(&holder);
        }
    }

    /// Why the holder may have changed.
    fn cause(
        &self,
        now: u64,
        peer: Option<Peer>,
        what: Heard<'_>,
        action: Option<LeaseAction>,
        order: Option<Order>,
        [before, after]: [Option<u32>; 2],
    ) -> Option<&'static str> {
        use LeaseAction::{Acquire, Ask, Grant, Override, Release};
        let by = peer.map(|peer| peer.key);
        let asked = after.is_none_or(|to| {
            let since = self.asks.get(&to);
            since.is_some_and(|since| now - since <= ASKED_US)
        });
        if let Some(holder) = before {
            let silent = now - self.words.get(&holder).copied().unwrap_or_default();
            let ended = match what {
                Heard::Lost | Heard::Gone if by == before => Some("lost"),
                Heard::Said(_) if by == before && action == Some(Release) => Some("released"),
                Heard::Time if self.firm && silent >= SILENT_US => Some("expired"),
                _ => None,
            };
            if ended.is_some() {
                // To nobody, or to who asked for it.
                return ended.filter(|_| asked);
            }
        }
        let peer = peer?;
        if peer.device {
            return after.is_none().then_some("another device");
        }
        if !peer.drives {
            return None;
        }
        let stops = matches!(order, Some(Order::Stop { .. } | Order::Emergency { .. }));
        let arms = matches!(
            order,
            Some(Order::Arm { .. } | Order::Reset { .. } | Order::Switch { .. })
        );
        match (before, after) {
            (Some(holder), None) => (stops && peer.key != holder).then_some("stopped"),
            (Some(holder), Some(to)) => {
                let armed = self.arms.get(&holder);
                let arming = armed.is_some_and(|at| now - at < ARMING_US);
                let moves = self
                    .devices
                    .last()
                    .is_none_or(|d| d.1 == Some(State::Armed));
                let resting = !self.firm && !arming && !moves;
                let takes = arms || matches!(action, Some(Acquire | Ask | Override));
                match action {
                    Some(Grant(about)) if peer.key == holder && about == Source(to) => {
                        asked.then_some("handed over")
                    }
                    _ if peer.key != to => None,
                    Some(Override) if peer.admin && !resting => Some("overridden"),
                    _ if takes && resting => Some("taken at rest"),
                    _ => None,
                }
            }
            (None, Some(to)) => {
                let takes = arms || matches!(action, Some(Acquire | Ask | Override));
                (takes && peer.key == to).then_some(if arms { "armed" } else { "acquired" })
            }
            (None, None) => None,
        }
    }

    /// The relay sends this to the device while this one holds the lease.
    pub(crate) fn relayed(&mut self, bytes: &[u8], holder: Option<u32>) {
        let command = Command::parse(bytes).expect("a command");
        // A stop of the server's own is repeated, though another has the lease by now.
        let again = command.source == Source(0);
        assert!(
            again || command.lease >= self.highest,
            "a lease falls: {command:?}"
        );
        self.highest = self.highest.max(command.lease);
        if matches!(command.order, Order::Stop { .. } | Order::Emergency { .. }) {
            return;
        }
        assert_eq!(
            Some(command.source.0),
            holder,
            "a command of who does not hold the lease: {command:?}"
        );
        self.is_for(command.lease, command.source);
    }

    /// The relay tells this to an operator.
    pub(crate) fn told(&mut self, key: u32, notice: &LeaseNotice) {
        assert_eq!(notice.you, Source(key));
        let before = self.told.insert(key, notice.lease).unwrap_or_default();
        assert!(notice.lease >= before, "a lease falls: {notice:?}");
        if let Some(holder) = notice.holder {
            self.is_for(notice.lease, holder.party.source);
        }
    }

    /// One lease, one operator: whatever is sent and whatever is told.
    fn is_for(&mut self, lease: Lease, source: Source) {
        let first = self.leases.entry(lease).or_insert(source);
        assert_eq!(*first, source, "two under {lease:?}");
    }
}
