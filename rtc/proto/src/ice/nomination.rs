//! Which pair a full agent takes (RFC 8445 section 8.1.1): regular nomination,
//! and another one when the selected pair seems dead.

use super::consent::Consent;
use super::events::EventQueue;
use super::full::Full;
use super::pair::{Pair, PairState};
use super::{IceEvent, IceRole, Path};
use crate::time::Instant;

impl Full {
    pub(super) fn select(&mut self, now: Instant, path: Path, events: &mut EventQueue) {
        self.recovering = false;
        if self.selected == Some(path) {
            return;
        }
        self.selected = Some(path);
        let timers = &self.timers;
        self.consent = Some(Consent::new(
            now,
            timers.consent_interval,
            timers.consent_expiry,
            &mut self.rng,
        ));
        for pair in &mut self.pairs {
            if pair.path != path {
                // RFC 8445 section 8.1.2: the checks of the others end.
                pair.triggered = false;
                pair.check = None;
                pair.peer_nominated = false;
            }
        }
        events.push(IceEvent::Nominated(path));
    }

    /// The owner's choice.
    pub(super) fn nominate(&mut self, now: Instant, path: &Path) -> bool {
        let valid = |p: &Pair| p.path == *path && p.is_succeeded();
        match self.pairs.iter().position(valid) {
            Some(at) if self.role == IceRole::Controlling => {
                self.start_nominating(now, at);
                true
            }
            _ => false,
        }
    }

    pub(super) fn nominate_if_due(&mut self, now: Instant) {
        if self.nomination_at().is_some_and(|at| at <= now)
            && let Some(best) = self.best_valid()
        {
            self.start_nominating(now, best);
        }
    }

    /// When the best valid pair is to be nominated. At once where no better
    /// one can be expected; the wait is for the first connection only.
    pub(super) fn nomination_at(&self) -> Option<Instant> {
        if self.role != IceRole::Controlling || (self.selected.is_some() && !self.recovering) {
            return None;
        }
        let best = self.pairs.get(self.best_valid()?)?;
        if best.is_nominating() {
            return None;
        }
        let valid_since = self.first_valid?;
        if self.is_top(best) {
            Some(valid_since)
        } else {
            Some(valid_since + self.timers.nomination_delay)
        }
    }

    /// A lite peer does nothing with a check but answer, so that nothing is
    /// gained by a first check without nomination. Only one pair at a time gets
    /// it, the best comes first: the peer takes the last one that it sees.
    pub(super) fn nominates_at_first(&self) -> bool {
        self.remote_lite
            && self.role == IceRole::Controlling
            && self.consent.is_none()
            && !self.pairs.iter().any(Pair::is_nominating)
    }

    pub(super) fn overdue_at(&self) -> Option<Instant> {
        // The controlled end waits for the other to find a way.
        let controlling = self.role == IceRole::Controlling && self.selected.is_some();
        self.consent.as_ref().filter(|_| controlling)?.overdue_at()
    }

    /// An answer is missing and nothing else came by the selected pair: try
    /// that one and all the others, and nominate whichever answers first.
    pub(super) fn recover_if_overdue(&mut self, now: Instant) {
        if self.overdue_at().is_none_or(|at| at > now) {
            return;
        }
        if let Some(consent) = &mut self.consent {
            consent.quiet();
        }
        self.recovering = true;
        let probe = self.new_check(now, false);
        for pair in &mut self.pairs {
            if pair.check.is_some() {
                continue;
            }
            if self.selected == Some(pair.path) {
                pair.check = Some(probe.clone());
            } else {
                pair.trigger();
            }
        }
    }

    fn start_nominating(&mut self, now: Instant, at: usize) {
        let check = self.new_check(now, true);
        for pair in &mut self.pairs {
            if pair.is_nominating() {
                pair.check = None;
            }
        }
        if let Some(pair) = self.pairs.get_mut(at) {
            pair.check = Some(check);
        }
    }

    fn best_valid(&self) -> Option<usize> {
        self.pairs
            .iter()
            .enumerate()
            .filter(|(_, p)| p.state == PairState::Succeeded && self.selected != Some(p.path))
            .max_by_key(|(_, p)| p.priority(self.role))
            .map(|(at, _)| at)
    }

    fn is_top(&self, pair: &Pair) -> bool {
        let priority = pair.priority(self.role);
        !self
            .pairs
            .iter()
            .any(|p| !p.is_failed() && p.priority(self.role) > priority)
    }
}
