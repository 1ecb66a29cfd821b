use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use transom_rtc_proto::sdp::Codec;
use transom_rtc_proto::time::Instant;

use super::OpenError;
use super::figures::{End, SessionCounts};
use crate::directory::{Action, Directory, Role};
use crate::media::api::{
    MediaBusy, MediaCommand, MediaPort, PeerSetup, SessionId, SessionState, SessionStats,
};

/// The sessions as the media thread knows them: their figures, and the
/// commands that found its queue full.
pub(super) struct Sessions {
    media: Arc<dyn MediaPort>,
    known: HashMap<SessionId, Known>,
    pub(super) counts: SessionCounts,
    /// Removals must not be lost, so they wait here. Nothing is added while
    /// any wait, which bounds them by the number of sessions and streams.
    waiting: VecDeque<MediaCommand>,
}

/// What is read when a session is asked after.
pub(super) struct Known {
    pub(super) stats: Arc<SessionStats>,
    /// The chosen codec of each track, in the order of the figures.
    pub(super) codecs: Vec<Codec>,
    pub(super) role: Role,
    opened: Instant,
    /// It was seen connected.
    joined: bool,
    /// RTP packets so far, and since when none was added.
    packets: u64,
    quiet_since: Instant,
}

impl Known {
    /// How long no packet has come or gone; nothing before it is connected.
    pub(super) fn quiet_for(&self, now: Instant) -> Duration {
        match self.stats.state() {
            SessionState::Connected => now.since(self.quiet_since),
            SessionState::Connecting | SessionState::Gone => Duration::ZERO,
        }
    }

    fn note_joined(&mut self, now: Instant, counts: &SessionCounts) {
        if !std::mem::replace(&mut self.joined, true) {
            counts.on_joined(self.role, now.since(self.opened));
        }
    }

    fn look(&mut self, now: Instant) {
        let counts = self.stats.tracks.iter().map(|t| t.packets.load(Relaxed));
        let packets = counts.sum();
        if packets != self.packets || self.stats.state() != SessionState::Connected {
            (self.packets, self.quiet_since) = (packets, now);
        }
    }
}

impl Sessions {
    pub(super) fn new(media: Arc<dyn MediaPort>) -> Self {
        Self {
            media,
            known: HashMap::new(),
            counts: SessionCounts::default(),
            waiting: VecDeque::new(),
        }
    }

    /// Whether a command would go through now.
    pub(super) fn check_room(&mut self) -> Result<(), OpenError> {
        self.flush();
        match self.waiting.is_empty() {
            true => Ok(()),
            false => Err(OpenError::Busy),
        }
    }

    /// Tells the media thread of a new session.
    pub(super) fn add(
        &mut self,
        now: Instant,
        role: Role,
        setup: PeerSetup,
    ) -> Result<(), OpenError> {
        let session = setup.session;
        let chosen = setup.negotiated.tracks.iter().filter_map(|t| t.codec());
        let known = Known {
            stats: Arc::clone(&setup.stats),
            codecs: chosen.map(|c| c.codec).collect(),
            role,
            opened: now,
            joined: false,
            packets: 0,
            quiet_since: now,
        };
        let command = match role {
            Role::Publisher => MediaCommand::AddPublisher(Box::new(setup)),
            Role::Subscriber => MediaCommand::AddSubscriber(Box::new(setup)),
        };
        // Behind removals that wait, it would come out of order.
        if !self.waiting.is_empty() {
            return Err(OpenError::Busy);
        }
        self.media.send(command).map_err(|_| OpenError::Busy)?;
        self.known.insert(session, known);
        self.counts.on_opened(role);
        Ok(())
    }

    /// Tells the media thread what the directory decided.
    pub(super) fn carry_out(&mut self, directory: &mut Directory) {
        while let Some(action) = directory.poll_action() {
            let command = match action {
                Action::Remove(session, reason) => {
                    self.forget(session, End::Removed(reason));
                    tracing::debug!(%session, ?reason, "session removed");
                    MediaCommand::Remove { session, reason }
                }
                Action::Forget(stream) => MediaCommand::ForgetStream { stream },
            };
            self.waiting.push_back(command);
        }
        self.flush();
    }

    /// Finds out from the figures what a dropped event would have told, and
    /// who has fallen silent.
    pub(super) fn sweep(&mut self, now: Instant, directory: &mut Directory) {
        let counts = &mut self.counts;
        self.known.retain(|session, known| {
            known.look(now);
            match known.stats.state() {
                SessionState::Connecting => true,
                SessionState::Connected => {
                    known.note_joined(now, counts);
                    // Of a subscriber there is nothing to find out.
                    if known.role == Role::Publisher {
                        directory.handle_connected(now, *session);
                    }
                    true
                }
                SessionState::Gone => {
                    if let Some((stream, role)) = directory.handle_gone(now, *session) {
                        tracing::debug!(%session, %stream, ?role, "session forgotten");
                    }
                    counts.on_ended(End::Unknown);
                    false
                }
            }
        });
    }

    /// Media can flow.
    pub(super) fn on_connected(&mut self, now: Instant, session: SessionId) {
        if let Some(known) = self.known.get_mut(&session) {
            known.note_joined(now, &self.counts);
        }
    }

    pub(super) fn forget(&mut self, session: SessionId, end: End) {
        if self.known.remove(&session).is_some() {
            self.counts.on_ended(end);
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// How many sessions of this role are in this state.
    pub(super) fn count(&self, role: Role, state: SessionState) -> usize {
        let known = self.known.values();
        known
            .filter(|k| k.role == role && k.stats.state() == state)
            .count()
    }

    pub(super) fn get(&self, session: SessionId) -> Option<&Known> {
        self.known.get(&session)
    }

    fn flush(&mut self) {
        while let Some(command) = self.waiting.pop_front() {
            if let Err(MediaBusy(command)) = self.media.send(command) {
                self.waiting.push_front(command);
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_counted_from_the_last_packet() {
        let stats = Arc::new(SessionStats::new(1));
        let at = Instant::from_millis;
        let mut known = Known {
            stats: Arc::clone(&stats),
            codecs: Vec::new(),
            role: Role::Publisher,
            opened: at(0),
            joined: false,
            packets: 0,
            quiet_since: at(0),
        };
        known.look(at(5000));
        assert!(known.quiet_for(at(9000)).is_zero(), "not connected yet");
        stats.set_state(SessionState::Connected);
        known.look(at(6000));
        assert_eq!(known.quiet_for(at(8000)), Duration::from_secs(3));
        stats.tracks[0].packets.store(1, Relaxed);
        known.look(at(8000));
        known.look(at(8250));
        assert_eq!(known.quiet_for(at(8500)), Duration::from_millis(500));
    }
}
