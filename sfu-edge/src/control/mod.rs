//! The control plane: what WHIP and WHEP requests do to the directory and to
//! the media thread.

mod answer;
mod candidates;
mod figures;
mod report;
mod sessions;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ring::rand::{SecureRandom as _, SystemRandom};
use transom_rtc_proto::sdp::{Fingerprint, NegotiationError, SessionDescription};
use transom_rtc_proto::time::Instant;
use transom_rtc_telemetry::Exposition;

pub use answer::Randomness;
pub use candidates::{CandidatePolicy, gather, network_addresses, unmatched_interfaces};
pub use report::{PublisherReport, StreamReport, TrackReport};

use crate::auth::Grant;
use crate::directory::{
    Directory, DirectoryConfig, PublishError, Role, SessionStatus, StreamName, SubscribeError,
};
use crate::media::api::{DriveRights, MediaEvent, MediaPort, SessionId, SessionState};
use answer::{Answerer, publish_role, subscribe_role};
use figures::End;
use sessions::Sessions;

/// The control plane. Its lock is held for the time of an answer, never across
/// a wait.
pub struct Control {
    state: Mutex<State>,
    candidates: CandidatePolicy,
    fingerprint: Fingerprint,
    origin: std::time::Instant,
}

struct State {
    directory: Directory,
    sessions: Sessions,
}

/// A session that was opened, and what its client is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The session.
    pub session: SessionId,
    /// The answer, as text.
    pub answer: String,
}

/// Why a session was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Offer and server have nothing in common.
    #[error(transparent)]
    Negotiation(#[from] NegotiationError),
    /// There is no room to publish.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The stream is not there, or there is no room to watch.
    #[error(transparent)]
    Subscribe(#[from] SubscribeError),
    /// The media thread takes no more commands now.
    #[error("the server is busy; try again in a second")]
    Busy,
    /// The system gives no randomness.
    #[error("the system gives no random bytes; try again in a second")]
    Random,
}

impl Control {
    /// A control plane without sessions.
    pub fn new(
        config: DirectoryConfig,
        media: Arc<dyn MediaPort>,
        fingerprint: Fingerprint,
        candidates: CandidatePolicy,
    ) -> Self {
        Self {
            state: Mutex::new(State {
                directory: Directory::new(config),
                sessions: Sessions::new(media),
            }),
            candidates,
            fingerprint,
            origin: std::time::Instant::now(),
        }
    }

    /// WHIP: opens a session that publishes `name`, for a client at `client`.
    /// Whoever publishes it now is displaced once the new session is connected.
    pub fn publish(
        &self,
        name: &StreamName,
        offer: &SessionDescription,
        client: IpAddr,
    ) -> Result<Opened, OpenError> {
        let answerer = self.answerer(client)?;
        let mut state = self.lock();
        let State {
            directory,
            sessions,
        } = &mut *state;
        sessions.check_room()?;
        directory.may_publish(name)?;
        let prepared = answerer.answer(offer, publish_role())?;
        let formats = prepared.formats();
        let stream = directory.publish(self.now(), name, prepared.session, formats)?;
        sessions.carry_out(directory);
        let opened = prepared.opened();
        match sessions.add(
            self.now(),
            Role::Publisher,
            prepared.into_setup(stream, name, DriveRights::default()),
        ) {
            Ok(()) => Ok(opened),
            Err(busy) => {
                directory.handle_gone(self.now(), opened.session);
                sessions.carry_out(directory);
                Err(busy)
            }
        }
    }

    /// WHEP: opens a session that reads `name`, for a client at `client`; which may do so
    /// much with the stream's robot.
    pub fn subscribe(
        &self,
        name: &StreamName,
        offer: &SessionDescription,
        client: IpAddr,
        rights: DriveRights,
    ) -> Result<Opened, OpenError> {
        let mut answerer = self.answerer(client)?;
        let mut state = self.lock();
        let State {
            directory,
            sessions,
        } = &mut *state;
        sessions.check_room()?;
        directory.may_subscribe(name)?;
        let formats = directory
            .published(name)
            .ok_or(SubscribeError::NotPublished)?;
        let role = subscribe_role(&mut answerer, name, formats);
        let prepared = answerer.answer(offer, role)?;
        let stream = directory.subscribe(name, prepared.session)?;
        let opened = prepared.opened();
        match sessions.add(
            self.now(),
            Role::Subscriber,
            prepared.into_setup(stream, name, rights),
        ) {
            Ok(()) => Ok(opened),
            Err(busy) => {
                directory.handle_gone(self.now(), opened.session);
                sessions.carry_out(directory);
                Err(busy)
            }
        }
    }

    /// Ends a session because its client asked to. False where there is none.
    pub fn delete(&self, name: &StreamName, role: Role, session: SessionId) -> bool {
        let mut state = self.lock();
        let State {
            directory,
            sessions,
        } = &mut *state;
        let deleted = directory.delete(self.now(), name, role, session);
        sessions.carry_out(directory);
        deleted
    }

    /// What is known of a session.
    pub fn status(&self, name: &StreamName, role: Role, session: SessionId) -> SessionStatus {
        self.lock().directory.status(name, role, session)
    }

    /// The streams that `grant` covers, with their figures.
    pub fn streams(&self, grant: &Grant) -> Vec<StreamReport> {
        let now = self.now();
        let state = self.lock();
        let views = state.directory.streams(now);
        let covered = views.filter(|view| grant.covers(view.name));
        covered
            .map(|view| report::of(now, &view, &state.sessions))
            .collect()
    }

    /// Writes what is counted of sessions.
    pub fn write_metrics(&self, to: &mut Exposition) {
        const ROLES: [(Role, &str); 2] = [
            (Role::Publisher, "publisher"),
            (Role::Subscriber, "subscriber"),
        ];
        let state = self.lock();
        let (sessions, counts) = (&state.sessions, &state.sessions.counts);
        let mut family = to.gauge("transom_sfu_sessions", "Sessions that there are.");
        for (role, name) in ROLES {
            for (state, of) in [
                (SessionState::Connecting, "connecting"),
                (SessionState::Connected, "connected"),
            ] {
                let count = sessions.count(role, state);
                family.sample(&[("role", name), ("state", of)], count);
            }
        }
        let mut family = to.counter(
            "transom_sfu_sessions_opened_total",
            "Sessions whose offer was answered.",
        );
        for (role, name) in ROLES {
            family.sample(&[("role", name)], counts.opened(role));
        }
        let mut family = to.counter(
            "transom_sfu_sessions_ended_total",
            "Sessions that are over, by why they ended.",
        );
        for (reason, count) in counts.ended() {
            family.sample(&[("reason", reason)], count);
        }
        let mut family = to.histogram(
            "transom_sfu_join_seconds",
            "From the answer until media can flow: connectivity checks and DTLS.",
        );
        for (role, name) in ROLES {
            family.sample(&[("role", name)], counts.joins(role));
        }
    }

    /// The media thread reports.
    pub fn handle_event(&self, event: MediaEvent) {
        let mut state = self.lock();
        let State {
            directory,
            sessions,
        } = &mut *state;
        match event {
            MediaEvent::Connected { session } => {
                tracing::debug!(%session, "connected");
                sessions.on_connected(self.now(), session);
                directory.handle_connected(self.now(), session);
            }
            MediaEvent::Gone { session, reason } => {
                if let Some((stream, role)) = directory.handle_gone(self.now(), session) {
                    tracing::debug!(%session, %stream, ?role, %reason, "session forgotten");
                }
                sessions.forget(session, End::Gone(reason));
            }
        }
        sessions.carry_out(directory);
    }

    /// To be called every quarter of a second or so: ends graces, and finds
    /// what an event that was dropped would have said.
    pub fn handle_timeout(&self) {
        let mut state = self.lock();
        let State {
            directory,
            sessions,
        } = &mut *state;
        directory.handle_timeout(self.now());
        sessions.sweep(self.now(), directory);
        sessions.carry_out(directory);
    }

    /// How many sessions there are.
    pub fn sessions(&self) -> usize {
        self.lock().sessions.len()
    }

    fn answerer(&self, client: IpAddr) -> Result<Answerer, OpenError> {
        let mut seed = [0; 32];
        SystemRandom::new()
            .fill(&mut seed)
            .map_err(|_| OpenError::Random)?;
        let random = Randomness::from_seed(seed);
        // To anybody else, loopback would be the own machine.
        let policy = CandidatePolicy {
            loopback: self.candidates.loopback && client.is_loopback(),
            ..self.candidates.clone()
        };
        Ok(Answerer::new(random, gather(&policy), self.fingerprint))
    }

    fn now(&self) -> Instant {
        let elapsed = self.origin.elapsed().as_micros();
        Instant::from_micros(u64::try_from(elapsed).unwrap_or(u64::MAX))
    }

    /// A panic under the lock is a defect, but no reason to refuse everybody after it.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
