use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use transom_rtc_proto::sdp::Codec;
use transom_rtc_proto::time::Instant;

use super::OpenError;
use crate::directory::{Action, Directory, Role};
use crate::media::api::{
    MediaBusy, MediaCommand, MediaPort, PeerSetup, SessionId, SessionState, SessionStats,
};

/// The sessions as the media thread knows them: their figures, and the
/// commands that found its queue full.
pub(super) struct Sessions {
    media: Arc<dyn MediaPort>,
    known: HashMap<SessionId, Known>,
    /// Removals must not be lost, so they wait here. Nothing is added while
    /// any wait, which bounds them by the number of sessions and streams.
    waiting: VecDeque<MediaCommand>,
}

/// What is read when a session is asked after.
pub(super) struct Known {
    pub(super) stats: Arc<SessionStats>,
    /// The chosen codec of each track, in the order of the figures.
    pub(super) codecs: Vec<Codec>,
}

impl Sessions {
    pub(super) fn new(media: Arc<dyn MediaPort>) -> Self {
        Self {
            media,
            known: HashMap::new(),
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
    pub(super) fn add(&mut self, role: Role, setup: PeerSetup) -> Result<(), OpenError> {
        let session = setup.session;
        let chosen = setup.negotiated.tracks.iter().filter_map(|t| t.codec());
        let known = Known {
            stats: Arc::clone(&setup.stats),
            codecs: chosen.map(|c| c.codec).collect(),
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
        Ok(())
    }

    /// Tells the media thread what the directory decided.
    pub(super) fn carry_out(&mut self, directory: &mut Directory) {
        while let Some(action) = directory.poll_action() {
            let command = match action {
                Action::Remove(session, reason) => {
                    self.known.remove(&session);
                    tracing::debug!(%session, ?reason, "session removed");
                    MediaCommand::Remove { session, reason }
                }
                Action::Forget(stream) => MediaCommand::ForgetStream { stream },
            };
            self.waiting.push_back(command);
        }
        self.flush();
    }

    /// Finds out from the figures what a dropped event would have told.
    pub(super) fn sweep(&mut self, now: Instant, directory: &mut Directory) {
        self.known
            .retain(|session, known| match known.stats.state() {
                SessionState::Connecting => true,
                SessionState::Connected => {
                    directory.handle_connected(now, *session);
                    true
                }
                SessionState::Gone => {
                    if let Some((stream, role)) = directory.handle_gone(now, *session) {
                        tracing::debug!(%session, %stream, ?role, "session forgotten");
                    }
                    false
                }
            });
    }

    pub(super) fn forget(&mut self, session: SessionId) {
        self.known.remove(&session);
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
