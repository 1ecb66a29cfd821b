//! Candidate pairs (RFC 8445 section 6.1.2). One stream and one component
//! leave nothing to unfreeze: every pair begins in the state Waiting.

use core::net::{IpAddr, SocketAddr, SocketAddrV6};
use core::time::Duration;

use super::{CandidateKind, IceRole, Path};
use crate::stun::TransactionId;
use crate::time::Instant;

/// Transmissions of one check: Rc of RFC 8489 section 6.2.1.
const MAX_SENT: u8 = 7;
/// The retransmission timeout doubles up to this.
const MAX_RTO: Duration = Duration::from_millis(1600);

#[derive(Debug)]
pub(super) struct Pair {
    pub(super) path: Path,
    pub(super) local_priority: u32,
    pub(super) remote_priority: u32,
    pub(super) state: PairState,
    /// The check under way; with it, Waiting is what RFC 8445 calls In-Progress.
    pub(super) check: Option<Check>,
    /// In the triggered-check queue (RFC 8445 section 6.1.4.1).
    pub(super) triggered: bool,
    /// The controlling peer nominated it; select it as soon as it is valid.
    pub(super) peer_nominated: bool,
    /// Something authenticated came by it.
    pub(super) heard: bool,
    /// The owner was told that it is valid.
    pub(super) announced: bool,
    pub(super) rtt: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PairState {
    Waiting,
    Succeeded,
    /// May be tried again from this time on, where nothing else works.
    Failed(Instant),
}

impl Pair {
    pub(super) fn new(path: Path, local_priority: u32, remote_priority: u32) -> Self {
        Self {
            path,
            local_priority,
            remote_priority,
            state: PairState::Waiting,
            check: None,
            triggered: false,
            peer_nominated: false,
            heard: false,
            announced: false,
            rtt: None,
        }
    }

    /// RFC 8445 section 6.1.2.3.
    pub(super) fn priority(&self, role: IceRole) -> u64 {
        let (g, d) = match role {
            IceRole::Controlling => (self.local_priority, self.remote_priority),
            IceRole::Controlled => (self.remote_priority, self.local_priority),
        };
        (u64::from(g.min(d)) << 32) + 2 * u64::from(g.max(d)) + u64::from(g > d)
    }

    /// What the peer is to take as the priority of our end if it does not know
    /// it: the type preference of a peer-reflexive candidate over the local
    /// preference of ours (RFC 8445 section 7.1.1).
    pub(super) fn reflexive_priority(&self) -> u32 {
        let [_, local_preference @ ..] = self.local_priority.to_be_bytes();
        let [preference, ..] =
            super::Candidate::priority_of(CandidateKind::PeerReflexive, 0).to_be_bytes();
        let [a, b, c] = local_preference;
        u32::from_be_bytes([preference, a, b, c])
    }

    pub(super) fn is_succeeded(&self) -> bool {
        self.state == PairState::Succeeded
    }

    pub(super) fn is_failed(&self) -> bool {
        matches!(self.state, PairState::Failed(_))
    }

    pub(super) fn is_nominating(&self) -> bool {
        self.check.as_ref().is_some_and(|c| c.nominating)
    }

    /// Has it checked again, whatever came of the last time.
    pub(super) fn trigger(&mut self) {
        self.state = PairState::Waiting;
        self.triggered = true;
    }

    pub(super) fn note_rtt(&mut self, sample: Duration) {
        self.rtt = Some(self.rtt.map_or(sample, |rtt| {
            rtt.saturating_mul(7).saturating_add(sample) / 8
        }));
    }
}

/// A connectivity check: one transaction and its retransmissions (RFC 8489
/// section 6.2.1).
#[derive(Clone, Debug)]
pub(super) struct Check {
    pub(super) id: TransactionId,
    pub(super) role: IceRole,
    pub(super) nominating: bool,
    sent: u8,
    last_sent: Instant,
    rto: Duration,
    next_at: Instant,
}

impl Check {
    /// Due at once.
    pub(super) fn new(
        now: Instant,
        id: TransactionId,
        role: IceRole,
        nominating: bool,
        rto: Duration,
    ) -> Self {
        Self {
            id,
            role,
            nominating,
            sent: 0,
            last_sent: now,
            rto,
            next_at: now,
        }
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.sent < MAX_SENT && self.next_at <= now
    }

    pub(super) fn is_given_up(&self, now: Instant) -> bool {
        self.sent >= MAX_SENT && self.next_at <= now
    }

    pub(super) const fn next_at(&self) -> Instant {
        self.next_at
    }

    pub(super) fn on_sent(&mut self, now: Instant) {
        self.sent = self.sent.saturating_add(1);
        self.last_sent = now;
        self.next_at = now + self.rto;
        self.rto = self.rto.saturating_mul(2).min(MAX_RTO.max(self.rto));
    }

    /// The peer's own check shows that the way is open now: repeat ours
    /// without waiting for the timeout, though not at the pace of the peer.
    pub(super) fn hasten(&mut self, now: Instant, pace: Duration) {
        if self.sent < MAX_SENT {
            self.next_at = self.next_at.min(now.max(self.last_sent + pace));
        }
    }

    /// A sample only where it is plain which transmission was answered (Karn).
    pub(super) fn rtt(&self, now: Instant) -> Option<Duration> {
        (self.sent == 1).then(|| now.since(self.last_sent))
    }
}

/// The path between two candidates, if packets can take it: same family,
/// link-local only with link-local on the same link (RFC 8445 section 6.1.2.2),
/// and nothing from the loopback to elsewhere.
pub(super) fn pairable(local: SocketAddr, remote: SocketAddr) -> Option<Path> {
    let remote = match (local, remote) {
        (SocketAddr::V4(_), SocketAddr::V4(_)) => remote,
        (SocketAddr::V6(l), SocketAddr::V6(r)) => {
            match (
                l.ip().is_unicast_link_local(),
                r.ip().is_unicast_link_local(),
            ) {
                (false, false) => remote,
                // Signalling carries no scope: the link is the one of our end.
                (true, true) if r.scope_id() == 0 || r.scope_id() == l.scope_id() => {
                    SocketAddr::V6(SocketAddrV6::new(*r.ip(), r.port(), 0, l.scope_id()))
                }
                _ => return None,
            }
        }
        _ => return None,
    };
    (!local.ip().is_loopback() || remote.ip().is_loopback()).then_some(Path { local, remote })
}

/// Whether datagrams can be sent to, or from, this address at all.
pub(super) fn is_usable(addr: SocketAddr) -> bool {
    let ip = addr.ip();
    let broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
    addr.port() != 0 && !ip.is_unspecified() && !ip.is_multicast() && !broadcast
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paired(local: &str, remote: &str) -> Option<Path> {
        pairable(local.parse().unwrap(), remote.parse().unwrap())
    }

    #[test]
    fn only_addresses_that_can_talk_are_paired() {
        for (local, remote) in [
            ("10.0.0.1:1", "192.0.2.1:2"),
            ("10.0.0.1:1", "127.0.0.1:2"),
            ("127.0.0.1:1", "127.0.0.1:2"),
            ("[2001:db8::1]:1", "[fd00::1]:2"),
            ("[fe80::1%3]:1", "[fe80::2%3]:2"),
        ] {
            assert!(paired(local, remote).is_some(), "{local} {remote}");
        }
        for (local, remote) in [
            ("10.0.0.1:1", "[2001:db8::1]:2"),
            ("[2001:db8::1]:1", "10.0.0.1:2"),
            ("127.0.0.1:1", "192.0.2.1:2"),
            ("[2001:db8::1]:1", "[fe80::2]:2"),
            ("[fe80::1%3]:1", "[2001:db8::1]:2"),
            ("[fe80::1%3]:1", "[fe80::2%4]:2"),
        ] {
            assert!(paired(local, remote).is_none(), "{local} {remote}");
        }
    }

    #[test]
    fn a_signalled_link_local_address_gets_our_scope() {
        let path = paired("[fe80::1%3]:1", "[fe80::2]:2").unwrap();
        assert_eq!(path.remote, "[fe80::2%3]:2".parse().unwrap());
    }

    #[test]
    fn priority_of_the_rfcs_formula() {
        let path = paired("10.0.0.1:1", "192.0.2.1:2").unwrap();
        let pair = Pair::new(path, 5, 3);
        assert_eq!(pair.priority(IceRole::Controlling), (3 << 32) + 10 + 1);
        assert_eq!(pair.priority(IceRole::Controlled), (3 << 32) + 10);
    }

    #[test]
    fn reflexive_priority_keeps_the_local_preference() {
        let path = paired("10.0.0.1:1", "192.0.2.1:2").unwrap();
        let host = super::super::Candidate::priority_of(CandidateKind::Host, 777);
        assert_eq!(
            Pair::new(path, host, 0).reflexive_priority(),
            super::super::Candidate::priority_of(CandidateKind::PeerReflexive, 777)
        );
    }
}
