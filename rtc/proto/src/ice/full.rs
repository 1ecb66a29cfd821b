//! The full side: it sends checks, and as the controlling agent it nominates
//! (RFC 8445). This file has its reactions; how it pairs candidates is in
//! `checklist.rs`, what it sends in `checks.rs`, which pair it takes in `nomination.rs`.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use super::consent::Consent;
use super::events::EventQueue;
use super::pair::{Pair, PairState};
use super::responder::{CheckRequest, ReplyKind};
use super::{Candidate, IceConfig, IceEvent, IceRole, IceTimers, Path, StunDrop};
use crate::stun::{Class, ErrorCode, IntegrityKey, Message, TieBreaker, TransactionId};
use crate::time::Instant;

/// A failed pair is tried again after this, as long as none works: the network
/// of a device that starts is often not ready.
const RETRY: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Full {
    pub(super) role: IceRole,
    pub(super) tie_breaker: u64,
    pub(super) remote_lite: bool,
    pub(super) timers: IceTimers,
    pub(super) rng: ChaCha20Rng,
    /// "theirs:ours" (RFC 8445 section 7.1.2).
    pub(super) username: String,
    pub(super) remote_key: IntegrityKey,
    pub(super) locals: Vec<Candidate>,
    pub(super) remotes: Vec<Candidate>,
    pub(super) pairs: Vec<Pair>,
    pub(super) selected: Option<Path>,
    /// The selected pair seems dead: the others are being tried.
    pub(super) recovering: bool,
    /// Since when there is a valid pair.
    pub(super) first_valid: Option<Instant>,
    /// Pacing: no new check before this.
    pub(super) next_start: Instant,
    /// From the first nomination on.
    pub(super) consent: Option<Consent>,
    connect_by: Instant,
    pub(super) requests_sent: u64,
    pub(super) responses_received: u64,
}

impl Full {
    pub(super) fn new(now: Instant, config: &IceConfig, seed: [u8; 32]) -> Self {
        let mut rng = ChaCha20Rng::from_seed(seed);
        Self {
            role: if config.remote_lite {
                IceRole::Controlling
            } else {
                config.role
            },
            tie_breaker: rng.next_u64(),
            remote_lite: config.remote_lite,
            timers: config.timers,
            rng,
            username: format!("{}:{}", config.remote.ufrag(), config.local.ufrag()),
            remote_key: IntegrityKey::new(config.remote.pwd().as_bytes()),
            locals: Vec::new(),
            remotes: Vec::new(),
            pairs: Vec::new(),
            selected: None,
            recovering: false,
            first_valid: None,
            next_start: now,
            consent: None,
            connect_by: now + config.timers.connect_timeout,
            requests_sent: 0,
            responses_received: 0,
        }
    }

    pub(super) fn selected(&self) -> Option<Path> {
        let role = self.role;
        self.selected.or_else(|| {
            let valid = self.pairs.iter().filter(|p| p.is_succeeded());
            valid.max_by_key(|p| p.priority(role)).map(|p| p.path)
        })
    }

    pub(super) fn is_validated(&self, path: &Path) -> bool {
        self.pairs.iter().any(|p| p.heard && p.path == *path)
    }

    pub(super) fn rtt(&self) -> Option<Duration> {
        let selected = self.selected?;
        self.pairs.iter().find(|p| p.path == selected)?.rtt
    }

    /// RFC 8445 section 7.3.1.1: where both claim one role, the end with the
    /// larger tie-breaker becomes, or stays, controlling.
    pub(super) fn reply_to(&mut self, request: &CheckRequest) -> ReplyKind {
        let (claimed, theirs) = match request.tie_breaker {
            Some(TieBreaker::Controlling(theirs)) => (IceRole::Controlling, theirs),
            Some(TieBreaker::Controlled(theirs)) => (IceRole::Controlled, theirs),
            None => return ReplyKind::Success,
        };
        let ours = if self.tie_breaker >= theirs {
            IceRole::Controlling
        } else {
            IceRole::Controlled
        };
        if claimed != self.role {
            ReplyKind::Success
        } else if ours == self.role {
            ReplyKind::RoleConflict
        } else {
            self.switch_role();
            ReplyKind::Success
        }
    }

    /// RFC 8445 sections 7.3.1.3 to 7.3.1.5.
    pub(super) fn on_request(
        &mut self,
        now: Instant,
        path: Path,
        request: &CheckRequest,
        events: &mut EventQueue,
    ) -> Result<(), StunDrop> {
        if !self.pairs.iter().any(|p| p.path == path) && !self.learn(path, request.priority) {
            return Err(StunDrop::TooManyPairs);
        }
        let Some(pair) = self.pairs.iter_mut().find(|p| p.path == path) else {
            return Err(StunDrop::TooManyPairs);
        };
        pair.heard = true;
        if let Some(check) = &mut pair.check {
            check.hasten(now, self.timers.pace);
        } else if !pair.is_succeeded() {
            pair.trigger();
        }
        if request.use_candidate && self.role == IceRole::Controlled {
            pair.peer_nominated = true;
            if pair.is_succeeded() {
                self.select(now, path, events);
            }
        }
        self.nominate_if_due(now);
        Ok(())
    }

    pub(super) fn on_response(
        &mut self,
        now: Instant,
        path: Path,
        message: &Message<'_>,
        events: &mut EventQueue,
    ) -> Result<(), StunDrop> {
        let id = message.transaction_id();
        let (asked, check_of) = self
            .find_transaction(id)
            .ok_or(StunDrop::UnknownTransaction)?;
        if asked != path {
            return Err(StunDrop::Asymmetric);
        }
        message.verify_integrity(&self.remote_key)?;
        if message.unknown_required().next().is_some() {
            return Err(StunDrop::UnknownAttribute);
        }
        self.responses_received += 1;
        match (message.class(), check_of) {
            (Class::Success, Asked::Check(at)) => self.on_check_succeeded(now, at, events),
            (Class::Success, Asked::Consent(sent_at)) => {
                self.note_rtt(&path, now.since(sent_at));
                self.on_consent(now);
            }
            (_, asked) => self.on_error(now, asked, message.error_code()),
        }
        self.nominate_if_due(now);
        Ok(())
    }

    pub(super) fn note_authenticated(&mut self, path: &Path) {
        if self.selected == Some(*path) {
            if let Some(consent) = &mut self.consent {
                consent.quiet();
            }
            self.recovering = false;
        }
    }

    /// `true` where the agent has ended.
    pub(super) fn handle_timeout(&mut self, now: Instant, events: &mut EventQueue) -> bool {
        let end = match &self.consent {
            Some(consent) if now >= consent.expires_at() => Some(IceEvent::ConsentLost),
            None if now >= self.connect_by => Some(IceEvent::Failed),
            _ => None,
        };
        if let Some(event) = end {
            self.selected = None;
            self.pairs.clear();
            events.push(event);
            return true;
        }
        self.give_up_checks(now);
        self.recover_if_overdue(now);
        self.nominate_if_due(now);
        false
    }

    pub(super) fn poll_timeout(&self) -> Instant {
        let mut at = match &self.consent {
            Some(consent) => consent.expires_at(),
            None => self.connect_by,
        };
        let checks = self.next_check_at();
        let nomination = self.nomination_at();
        for other in [checks, nomination, self.overdue_at()]
            .into_iter()
            .flatten()
        {
            at = at.min(other);
        }
        at
    }

    /// The role changed hands; so does the order of the pairs, which is
    /// computed when needed.
    pub(super) fn switch_role(&mut self) {
        self.role = self.role.opposite();
        for pair in &mut self.pairs {
            pair.peer_nominated = false;
        }
    }

    pub(super) fn on_consent(&mut self, now: Instant) {
        self.recovering = false;
        if let Some(consent) = &mut self.consent {
            consent.renew(now);
        }
    }

    /// RFC 8445 section 7.2.5.3. The mapped address in the answer is of no
    /// use: a pair's local end is its base.
    fn on_check_succeeded(&mut self, now: Instant, at: usize, events: &mut EventQueue) {
        let Some(pair) = self.pairs.get_mut(at) else {
            return;
        };
        let Some(check) = pair.check.take() else {
            return;
        };
        let path = pair.path;
        pair.state = PairState::Succeeded;
        pair.triggered = false;
        pair.heard = true;
        if let Some(sample) = check.rtt(now) {
            pair.note_rtt(sample);
        }
        if !pair.announced {
            pair.announced = true;
            events.push(IceEvent::PairValidated(path));
        }
        let nominated = match self.role {
            IceRole::Controlling => check.nominating,
            IceRole::Controlled => pair.peer_nominated,
        };
        self.first_valid.get_or_insert(now);
        if nominated {
            self.select(now, path, events);
        }
        if self.selected == Some(path) {
            self.on_consent(now);
        }
    }

    /// RFC 8445 sections 7.2.5.1 and 7.2.5.2.4.
    fn on_error(&mut self, now: Instant, asked: Asked, code: Option<ErrorCode>) {
        let Asked::Check(at) = asked else {
            return; // as good as no answer
        };
        let Some(pair) = self.pairs.get_mut(at) else {
            return;
        };
        let Some(check) = pair.check.take() else {
            return;
        };
        if code == Some(ErrorCode::ROLE_CONFLICT) {
            pair.trigger();
            if check.role == self.role {
                self.switch_role();
                self.tie_breaker = self.rng.next_u64();
            }
        } else if self.selected != Some(pair.path) {
            pair.state = PairState::Failed(now + RETRY);
        }
    }

    fn give_up_checks(&mut self, now: Instant) {
        for pair in &mut self.pairs {
            if pair.check.as_ref().is_some_and(|c| c.is_given_up(now)) {
                pair.check = None;
                // The selected pair ends by its consent alone.
                if self.selected != Some(pair.path) {
                    pair.state = PairState::Failed(now + RETRY);
                    pair.triggered = false;
                }
            }
        }
    }

    /// Where the request `id` went, if it is under way.
    fn find_transaction(&self, id: TransactionId) -> Option<(Path, Asked)> {
        let of_pair = |p: &Pair| p.check.as_ref().is_some_and(|c| c.id == id);
        if let Some(at) = self.pairs.iter().position(of_pair) {
            return Some((self.pairs[at].path, Asked::Check(at)));
        }
        let sent_at = self.consent.as_ref()?.sent_at(id)?;
        Some((self.selected?, Asked::Consent(sent_at)))
    }

    fn note_rtt(&mut self, path: &Path, sample: Duration) {
        if let Some(pair) = self.pairs.iter_mut().find(|p| p.path == *path) {
            pair.note_rtt(sample);
        }
    }
}

/// What a response answers.
#[derive(Clone, Copy, Debug)]
enum Asked {
    /// The check of the pair at this index.
    Check(usize),
    /// A consent check, sent then.
    Consent(Instant),
}
