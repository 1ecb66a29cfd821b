//! What a full agent sends: paced checks (RFC 8445 section 6.1.4), their
//! retransmissions, and consent checks (RFC 7675).

use alloc::vec::Vec;
use core::time::Duration;

use rand_chacha::rand_core::RngCore;

use super::full::Full;
use super::pair::{Check, Pair, PairState};
use super::{IceRole, IceTransmit};
use crate::stun::{Class, IntegrityKey, MessageWriter, Method, TieBreaker, TransactionId};
use crate::time::Instant;

impl Full {
    pub(super) fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> Option<IceTransmit> {
        if let Some(transmit) = self.send_consent(now, buf) {
            return Some(transmit);
        }
        self.start_next(now);
        let due = |p: &Pair| p.check.as_ref().is_some_and(|c| c.is_due(now));
        let at = self.pairs.iter().position(due)?;
        let pair = self.pairs.get_mut(at)?;
        let priority = pair.reflexive_priority();
        let check = pair.check.as_mut()?;
        check.on_sent(now);
        let request = Request {
            username: &self.username,
            id: check.id,
            priority,
            nominating: check.nominating,
            tie_breaker: self.tie_breaker,
            role: check.role,
        };
        let len = request.emit(&self.remote_key, buf);
        let path = pair.path;
        self.requests_sent += 1;
        Some(IceTransmit { path, len })
    }

    /// When there is something to send again, or a check to give up.
    pub(super) fn next_check_at(&self) -> Option<Instant> {
        let checks = self
            .pairs
            .iter()
            .filter_map(|p| Some(p.check.as_ref()?.next_at()));
        let starts = self.pairs.iter().filter_map(|p| self.startable_at(p));
        let consent = self.consent.as_ref().filter(|_| self.selected.is_some());
        checks
            .chain(starts)
            .chain(consent.map(|c| c.next_at()))
            .min()
    }

    pub(super) fn new_check(&mut self, now: Instant, nominating: bool) -> Check {
        let id = draw_id(&mut self.rng);
        let active = self
            .pairs
            .iter()
            .filter(|p| p.state == PairState::Waiting)
            .count();
        // RFC 8445 section 14.3: the more pairs, the slower each.
        let active = u32::try_from(active).unwrap_or(u32::MAX);
        let rto = self.timers.rto.max(self.timers.pace.saturating_mul(active));
        Check::new(now, id, self.role, nominating, rto)
    }

    /// Starts the check of the next pair, one each Ta: first the triggered
    /// ones, then by priority.
    fn start_next(&mut self, now: Instant) {
        if now < self.next_start {
            return;
        }
        let role = self.role;
        let next = self
            .pairs
            .iter()
            .enumerate()
            .filter(|(_, p)| self.startable_at(p).is_some_and(|at| at <= now))
            .max_by_key(|(_, p)| (p.triggered, p.priority(role)));
        let Some((at, _)) = next else {
            return;
        };
        let nominating = self.nominates_at_first();
        let check = self.new_check(now, nominating);
        if let Some(pair) = self.pairs.get_mut(at) {
            pair.state = PairState::Waiting;
            pair.triggered = false;
            pair.check = Some(check);
        }
        // Time may stand still or be coarse: never two checks at once.
        self.next_start = now + self.timers.pace.max(Duration::from_micros(1));
    }

    /// When the check of this pair may begin, if it is to be checked at all.
    fn startable_at(&self, pair: &Pair) -> Option<Instant> {
        if pair.check.is_some() {
            return None;
        }
        match pair.state {
            PairState::Waiting if pair.triggered || self.recovering || self.selected.is_none() => {
                Some(self.next_start)
            }
            PairState::Failed(retry_at)
                if self.selected.is_none() && !self.pairs.iter().any(Pair::is_succeeded) =>
            {
                Some(retry_at.max(self.next_start))
            }
            _ => None,
        }
    }

    fn send_consent(&mut self, now: Instant, buf: &mut Vec<u8>) -> Option<IceTransmit> {
        let path = self.selected?;
        let pair = self.pairs.iter().find(|p| p.path == path)?;
        let consent = self.consent.as_mut().filter(|c| c.next_at() <= now)?;
        let id = draw_id(&mut self.rng);
        consent.on_sent(now, id, pair.rtt, &mut self.rng);
        let request = Request {
            username: &self.username,
            id,
            priority: pair.reflexive_priority(),
            // A lite peer goes by the latest nomination: saying it again heals
            // what loss or reordering made of our nominations.
            nominating: self.role == IceRole::Controlling && self.remote_lite,
            tie_breaker: self.tie_breaker,
            role: self.role,
        };
        let len = request.emit(&self.remote_key, buf);
        self.requests_sent += 1;
        Some(IceTransmit { path, len })
    }
}

fn draw_id(rng: &mut impl RngCore) -> TransactionId {
    let mut id = TransactionId([0; 12]);
    rng.fill_bytes(&mut id.0);
    id
}

/// A Binding request (RFC 8445 section 7.1).
struct Request<'a> {
    username: &'a str,
    id: TransactionId,
    priority: u32,
    nominating: bool,
    tie_breaker: u64,
    role: IceRole,
}

impl Request<'_> {
    fn emit(&self, key: &IntegrityKey, buf: &mut Vec<u8>) -> usize {
        let mut writer = MessageWriter::new(buf, Class::Request, Method::BINDING, self.id);
        writer.username(self.username);
        writer.priority(self.priority);
        writer.tie_breaker(match self.role {
            IceRole::Controlling => TieBreaker::Controlling(self.tie_breaker),
            IceRole::Controlled => TieBreaker::Controlled(self.tie_breaker),
        });
        if self.nominating && self.role == IceRole::Controlling {
            writer.use_candidate();
        }
        writer.finish(Some(key))
    }
}
