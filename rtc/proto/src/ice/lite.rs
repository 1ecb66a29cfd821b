//! The lite side (RFC 8445 section 2.5): it answers, learns paths from the
//! checks that reach it and sends by the one that the peer nominated last.

use alloc::vec::Vec;

use super::events::EventQueue;
use super::responder::{CheckRequest, ReplyKind};
use super::{IceEvent, IceTimers, Path};
use crate::stun::TieBreaker;
use crate::time::Instant;

/// Paths by which a peer is known. One more pushes out the one that was
/// silent for longest, so that a peer that roams is never locked out.
const MAX_PATHS: usize = 16;

#[derive(Debug)]
pub(super) struct Lite {
    timers: IceTimers,
    paths: Vec<LitePath>,
    nominated: Option<Path>,
    /// When to look for silence. Packets do not move it, it is looked at anew
    /// when it has passed: a lively peer costs one wakeup per consent time.
    wake_at: Instant,
}

#[derive(Clone, Copy, Debug)]
struct LitePath {
    path: Path,
    last_heard: Instant,
}

impl Lite {
    pub(super) fn new(now: Instant, timers: IceTimers) -> Self {
        Self {
            timers,
            paths: Vec::with_capacity(MAX_PATHS),
            nominated: None,
            wake_at: now + timers.connect_timeout,
        }
    }

    /// Before any nomination every path by which a check came is as good as
    /// another; the latest is the most likely to work still.
    pub(super) fn selected(&self) -> Option<Path> {
        self.nominated.or_else(|| {
            let latest = self.paths.iter().max_by_key(|p| p.last_heard)?;
            Some(latest.path)
        })
    }

    pub(super) fn is_validated(&self, path: &Path) -> bool {
        self.paths.iter().any(|p| p.path == *path)
    }

    pub(super) fn on_request(
        &mut self,
        now: Instant,
        path: Path,
        request: &CheckRequest,
        events: &mut EventQueue,
    ) {
        match self.paths.iter_mut().find(|p| p.path == path) {
            Some(known) => known.last_heard = now,
            None => self.learn(now, path, events),
        }
        // The latest nomination counts, not the first: a browser that changes
        // network nominates anew, without an ICE restart.
        if request.use_candidate && self.nominated != Some(path) {
            self.nominated = Some(path);
            events.push(IceEvent::Nominated(path));
        }
    }

    pub(super) fn note_authenticated(&mut self, now: Instant, path: &Path) {
        if let Some(known) = self.paths.iter_mut().find(|p| p.path == *path) {
            known.last_heard = now;
        }
    }

    /// `true` where the agent has ended.
    pub(super) fn handle_timeout(&mut self, now: Instant, events: &mut EventQueue) -> bool {
        if now < self.wake_at {
            return false;
        }
        if self.paths.is_empty() {
            events.push(IceEvent::Failed);
            return true;
        }
        let expiry = self.timers.consent_expiry;
        self.paths.retain(|p| now.since(p.last_heard) < expiry);
        let Some(first_silence) = self.paths.iter().map(|p| p.last_heard).min() else {
            events.push(IceEvent::ConsentLost);
            return true;
        };
        self.wake_at = first_silence + expiry;
        if self.nominated.is_some_and(|n| !self.is_validated(&n)) {
            // The peer went on elsewhere and its nomination got lost.
            self.nominated = None;
            self.nominated = self.selected();
            if let Some(path) = self.nominated {
                events.push(IceEvent::Nominated(path));
            }
        }
        false
    }

    pub(super) fn poll_timeout(&self) -> Instant {
        self.wake_at
    }

    fn learn(&mut self, now: Instant, path: Path, events: &mut EventQueue) {
        if self.paths.len() >= MAX_PATHS {
            let silent = self
                .paths
                .iter()
                .enumerate()
                .filter(|(_, p)| self.nominated != Some(p.path))
                .min_by_key(|(_, p)| p.last_heard);
            if let Some((at, _)) = silent {
                self.paths.swap_remove(at);
            }
        }
        self.paths.push(LitePath {
            path,
            last_heard: now,
        });
        self.wake_at = self.wake_at.min(now + self.timers.consent_expiry);
        events.push(IceEvent::PairValidated(path));
    }
}

/// A lite agent is always controlled: a peer that thinks the same is told
/// (RFC 8445 section 6.1.1).
pub(super) fn reply_to(request: &CheckRequest) -> ReplyKind {
    match request.tie_breaker {
        Some(TieBreaker::Controlled(_)) => ReplyKind::RoleConflict,
        _ => ReplyKind::Success,
    }
}
