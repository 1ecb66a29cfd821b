//! How a full agent forms its checklist: candidates in, pairs out, both
//! bounded (RFC 8445 section 6.1.2).

use core::net::SocketAddr;

use super::full::Full;
use super::pair::{Pair, is_usable, pairable};
use super::path::canonical;
use super::{Candidate, CandidateDrop, CandidateKind, Path, Transport};
use crate::time::Instant;

/// Addresses of ours: interfaces, times families, times relays.
const MAX_LOCAL: usize = 32;
/// Addresses of the peer's, those that its checks revealed too.
const MAX_REMOTE: usize = 64;
/// RFC 8445 section 6.1.2.5 recommends 100.
const MAX_PAIRS: usize = 100;

impl Full {
    pub(super) fn add_local_candidate(
        &mut self,
        mut candidate: Candidate,
    ) -> Result<(), CandidateDrop> {
        candidate.addr = canonical(candidate.addr);
        admit(&candidate, &self.locals, MAX_LOCAL)?;
        self.locals.push(candidate);
        // What a server saw is paired as its base, which is a host candidate
        // of ours already (RFC 8445 section 6.1.2.4).
        if is_base(&candidate) {
            for at in 0..self.remotes.len() {
                self.pair_up(candidate, self.remotes[at]);
            }
        }
        Ok(())
    }

    pub(super) fn add_remote_candidate(
        &mut self,
        mut candidate: Candidate,
    ) -> Result<(), CandidateDrop> {
        candidate.addr = canonical(candidate.addr);
        admit(&candidate, &self.remotes, MAX_REMOTE)?;
        self.remotes.push(candidate);
        for at in 0..self.locals.len() {
            if is_base(&self.locals[at]) {
                self.pair_up(self.locals[at], candidate);
            }
        }
        Ok(())
    }

    pub(super) fn remove_local_candidate(&mut self, now: Instant, addr: SocketAddr) {
        let addr = canonical(addr);
        self.locals.retain(|c| c.addr != addr);
        self.pairs.retain(|p| p.path.local != addr);
        if self.selected.is_some_and(|s| s.local == addr) {
            self.selected = None;
            self.recovering = false;
            self.next_start = now;
            for pair in &mut self.pairs {
                pair.trigger();
            }
        }
    }

    /// A peer-reflexive candidate (RFC 8445 section 7.3.1.3). `false` where
    /// there is no room.
    pub(super) fn learn(&mut self, path: Path, priority: Option<u32>) -> bool {
        let remote = Candidate {
            kind: CandidateKind::PeerReflexive,
            transport: Transport::Udp,
            addr: path.remote,
            priority: priority
                .unwrap_or_else(|| Candidate::priority_of(CandidateKind::PeerReflexive, 0)),
        };
        // Known or no room for one more: its pair counts nevertheless.
        if admit(&remote, &self.remotes, MAX_REMOTE).is_ok() {
            self.remotes.push(remote);
        }
        let local = self.locals.iter().find(|c| c.addr == path.local);
        let local_priority = local.map_or_else(
            || Candidate::priority_of(CandidateKind::Host, 0),
            |c| c.priority,
        );
        let mut pair = Pair::new(path, local_priority, remote.priority);
        pair.heard = true;
        self.insert(pair)
    }

    fn pair_up(&mut self, local: Candidate, remote: Candidate) {
        let Some(path) = pairable(local.addr, remote.addr) else {
            return;
        };
        if !self.pairs.iter().any(|p| p.path == path) {
            let mut pair = Pair::new(path, local.priority, remote.priority);
            // Once connected, only what is triggered is checked.
            pair.triggered = self.consent.is_some();
            self.insert(pair);
        }
    }

    /// At the bound the least promising pair goes (RFC 8445 section 6.1.2.5):
    /// a failed one, else one that was never heard of, else the one of lowest
    /// priority; for a pair that is itself only a guess, none that is better.
    fn insert(&mut self, pair: Pair) -> bool {
        if self.pairs.len() >= MAX_PAIRS {
            let role = self.role;
            let worst = self
                .pairs
                .iter()
                .enumerate()
                .filter(|(_, p)| self.selected != Some(p.path))
                .min_by_key(|(_, p)| (!p.is_failed(), p.heard, p.priority(role)));
            match worst {
                Some((at, worst))
                    if pair.heard
                        || worst.is_failed()
                        || (!worst.heard && worst.priority(role) < pair.priority(role)) =>
                {
                    self.pairs.swap_remove(at);
                }
                _ => return false,
            }
        }
        self.pairs.push(pair);
        true
    }
}

fn is_base(candidate: &Candidate) -> bool {
    matches!(candidate.kind, CandidateKind::Host | CandidateKind::Relayed)
}

fn admit(candidate: &Candidate, known: &[Candidate], max: usize) -> Result<(), CandidateDrop> {
    if candidate.transport != Transport::Udp {
        Err(CandidateDrop::NotUdp)
    } else if !is_usable(candidate.addr) {
        Err(CandidateDrop::Unusable)
    } else if known.iter().any(|c| c.addr == candidate.addr) {
        Err(CandidateDrop::Duplicate)
    } else if known.len() >= max {
        Err(CandidateDrop::TooMany)
    } else {
        Ok(())
    }
}
