//! Who publishes which stream, and who reads it: a value, with time as argument.
//!
//! A publisher owns a named stream. A second one takes it over once it is
//! connected, and not before: a request alone displaces nobody who sends. The
//! displaced session is remembered for a while, so that its client learns
//! `taken-over` and not merely "gone". When a publisher goes, its subscribers
//! stay for a grace and go on with the next one, if it brings the same formats.

mod name;
mod stream;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use transom_rtc_proto::time::Instant;

use crate::media::api::{RemoveReason, SessionId, SessionState, StreamKey};
pub use name::{MAX_NAME_LEN, StreamName};
pub use stream::{Formats, PublisherView, StreamView};
use stream::{Publisher, Stream};

/// Bounds and times of a [`Directory`].
#[derive(Clone, Copy, Debug)]
pub struct DirectoryConfig {
    /// Most streams that are published or waited for.
    pub max_streams: usize,
    /// Most subscribers of one stream.
    pub max_subscribers: usize,
    /// Most sessions of all streams together.
    pub max_sessions: usize,
    /// How long subscribers stay when their publisher is gone.
    pub grace: Duration,
    /// How long a displaced session is remembered.
    pub taken_over_memory: Duration,
}

impl Default for DirectoryConfig {
    fn default() -> Self {
        Self {
            max_streams: 64,
            max_subscribers: 256,
            max_sessions: 512,
            grace: Duration::from_secs(30),
            // The displaced agent backs off to minutes: it must still be told then.
            taken_over_memory: Duration::from_secs(600),
        }
    }
}

/// Most displaced sessions remembered; the oldest is forgotten first.
const MAX_TAKEN_OVER: usize = 256;

/// The streams and their sessions.
#[derive(Debug)]
pub struct Directory {
    config: DirectoryConfig,
    streams: BTreeMap<StreamName, Stream>,
    sessions: HashMap<SessionId, Place>,
    /// Displaced sessions and when to forget them, oldest first.
    taken_over: VecDeque<(Instant, SessionId, StreamName)>,
    next_key: u64,
    actions: VecDeque<Action>,
}

/// Where a session belongs.
#[derive(Clone, Debug)]
struct Place {
    stream: StreamName,
    role: Role,
}

/// What a session does with its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// It sends: WHIP.
    Publisher,
    /// It receives: WHEP.
    Subscriber,
}

/// What the media thread must be told, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// End a session.
    Remove(SessionId, RemoveReason),
    /// Forget a stream.
    Forget(StreamKey),
}

/// Why a stream cannot be published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The bound on streams is reached.
    #[error(
        "{0} streams are published already; end one, or raise `max_streams` in the [limits] of transom-sfu.toml"
    )]
    TooManyStreams(usize),
    /// The bound on sessions is reached.
    #[error(
        "{0} sessions are open already; end one, or raise `max_sessions` in the [limits] of transom-sfu.toml"
    )]
    TooManySessions(usize),
}

/// Why a stream cannot be subscribed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubscribeError {
    /// Nobody publishes it now. It may have been published, or never.
    #[error(
        "nobody publishes this stream now; start its publisher, or look at GET /api/streams for what there is"
    )]
    NotPublished,
    /// The bound on subscribers of one stream is reached.
    #[error(
        "this stream has {0} subscribers already; try again later, or raise `max_subscribers` in the [limits] of transom-sfu.toml"
    )]
    TooManySubscribers(usize),
    /// The bound on sessions is reached.
    #[error(
        "{0} sessions are open already; try again later, or raise `max_sessions` in the [limits] of transom-sfu.toml"
    )]
    TooManySessions(usize),
}

/// What is known of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionStatus {
    /// It is there.
    Live,
    /// Another publisher displaced it, not long ago.
    TakenOver,
    /// It ended, or never was.
    Unknown,
}

impl Directory {
    /// An empty directory.
    pub fn new(config: DirectoryConfig) -> Self {
        Self {
            config,
            streams: BTreeMap::new(),
            sessions: HashMap::new(),
            taken_over: VecDeque::new(),
            next_key: 1,
            actions: VecDeque::new(),
        }
    }

    // -- What is there --------------------------------------------------------

    /// What the live publisher of a stream sends: subscribers are offered this.
    pub fn published(&self, name: &StreamName) -> Option<&Formats> {
        let publisher = self.streams.get(name)?.publisher.as_ref()?;
        Some(&publisher.formats)
    }

    /// What is known of the session that `role` and `stream` of its address name.
    pub fn status(&self, name: &StreamName, role: Role, session: SessionId) -> SessionStatus {
        if let Some(place) = self.sessions.get(&session) {
            return match place.role == role && place.stream == *name {
                true => SessionStatus::Live,
                false => SessionStatus::Unknown,
            };
        }
        let displaced =
            |(_, id, of): &(Instant, SessionId, StreamName)| *id == session && of == name;
        match role == Role::Publisher && self.taken_over.iter().any(displaced) {
            true => SessionStatus::TakenOver,
            false => SessionStatus::Unknown,
        }
    }

    /// Every stream that is published or waited for, by name.
    pub fn streams(&self, now: Instant) -> impl Iterator<Item = StreamView<'_>> {
        self.streams
            .iter()
            .map(move |(name, stream)| stream.view(name, now))
    }

    /// How many sessions there are.
    pub fn session_count(&self) -> usize {
        self.sessions.len()
    }

    // -- Commands -------------------------------------------------------------

    /// Whether [`Directory::publish`] would find room.
    pub fn may_publish(&self, name: &StreamName) -> Result<(), PublishError> {
        let stream = self.streams.get(name);
        if stream.is_none() && self.streams.len() >= self.config.max_streams {
            return Err(PublishError::TooManyStreams(self.config.max_streams));
        }
        // Whose place is taken at once frees a session. A publisher that sends
        // keeps its own until the new one is connected.
        let replaces = stream.is_some_and(|s| match s.is_live() {
            true => s.challenger.is_some(),
            false => s.publisher.is_some(),
        });
        if !replaces && self.sessions.len() >= self.config.max_sessions {
            return Err(PublishError::TooManySessions(self.config.max_sessions));
        }
        Ok(())
    }

    /// Makes `session` the publisher of a stream, or the challenger of the one
    /// that sends it. Another one that has not connected is displaced. What a
    /// new publisher means for the former and for subscribers happens in
    /// [`Directory::handle_connected`]. Carry the actions out before the media
    /// thread hears of the new session.
    pub fn publish(
        &mut self,
        now: Instant,
        name: &StreamName,
        session: SessionId,
        formats: Formats,
    ) -> Result<StreamKey, PublishError> {
        self.may_publish(name)?;
        let key = StreamKey(self.next_key);
        let stream = self.streams.entry(name.clone()).or_insert_with(|| {
            self.next_key += 1;
            Stream::new(key)
        });
        let displaced = stream.pending().replace(Publisher {
            session,
            since: now,
            state: SessionState::Connecting,
            formats,
        });
        stream.absent_since = None;
        let key = stream.key;
        if let Some(displaced) = displaced {
            self.displace(now, name, displaced.session);
        }
        let place = Place {
            stream: name.clone(),
            role: Role::Publisher,
        };
        self.sessions.insert(session, place);
        Ok(key)
    }

    /// Whether [`Directory::subscribe`] would find the stream and room.
    pub fn may_subscribe(&self, name: &StreamName) -> Result<(), SubscribeError> {
        let stream = self.streams.get(name).filter(|s| s.publisher.is_some());
        // During the grace as well: the next publisher may bring other formats,
        // and an answer is final.
        let stream = stream.ok_or(SubscribeError::NotPublished)?;
        if stream.subscribers.len() >= self.config.max_subscribers {
            return Err(SubscribeError::TooManySubscribers(
                self.config.max_subscribers,
            ));
        }
        if self.sessions.len() >= self.config.max_sessions {
            return Err(SubscribeError::TooManySessions(self.config.max_sessions));
        }
        Ok(())
    }

    /// Makes `session` a subscriber of a published stream.
    pub fn subscribe(
        &mut self,
        name: &StreamName,
        session: SessionId,
    ) -> Result<StreamKey, SubscribeError> {
        self.may_subscribe(name)?;
        let stream = self
            .streams
            .get_mut(name)
            .ok_or(SubscribeError::NotPublished)?;
        let publisher = stream.publisher.as_ref();
        let formats = publisher
            .ok_or(SubscribeError::NotPublished)?
            .formats
            .clone();
        stream.subscribers.insert(session, formats);
        let place = Place {
            stream: name.clone(),
            role: Role::Subscriber,
        };
        self.sessions.insert(session, place);
        Ok(stream.key)
    }

    /// Ends a session because its client asked to. False where there is none.
    pub fn delete(
        &mut self,
        now: Instant,
        name: &StreamName,
        role: Role,
        session: SessionId,
    ) -> bool {
        if self.status(name, role, session) != SessionStatus::Live {
            return false;
        }
        self.actions
            .push_back(Action::Remove(session, RemoveReason::Deleted));
        self.drop_session(now, session);
        true
    }

    // -- What the media thread reports ----------------------------------------

    /// ICE and DTLS of a session are through. A challenger displaces the
    /// publisher now; subscribers whose formats no longer fit are removed, the
    /// others go on.
    pub fn handle_connected(&mut self, now: Instant, session: SessionId) {
        let Some(place) = self.sessions.get(&session) else {
            return;
        };
        let name = place.stream.clone();
        let Some(stream) = self.streams.get_mut(&name) else {
            return;
        };
        let challenges = stream
            .challenger
            .as_ref()
            .is_some_and(|c| c.session == session);
        let displaced = match challenges {
            true => std::mem::replace(&mut stream.publisher, stream.challenger.take()),
            false => None,
        };
        let Some(publisher) = stream.publisher.as_mut().filter(|p| p.session == session) else {
            return;
        };
        publisher.state = SessionState::Connected;
        let (sessions, actions) = (&mut self.sessions, &mut self.actions);
        stream.subscribers.retain(|subscriber, formats| {
            let fits = formats.fits(&publisher.formats);
            if !fits {
                sessions.remove(subscriber);
                actions.push_back(Action::Remove(*subscriber, RemoveReason::TracksChanged));
            }
            fits
        });
        if let Some(displaced) = displaced {
            self.displace(now, &name, displaced.session);
        }
    }

    /// A session ended by itself. Its stream and role, if it was known.
    pub fn handle_gone(&mut self, now: Instant, session: SessionId) -> Option<(StreamName, Role)> {
        let place = self.drop_session(now, session)?;
        Some((place.stream, place.role))
    }

    // -- Time -----------------------------------------------------------------

    /// Ends graces and forgets displaced sessions whose time has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        while self.taken_over.front().is_some_and(|(at, ..)| *at <= now) {
            self.taken_over.pop_front();
        }
        let grace = self.config.grace;
        let Self {
            streams,
            sessions,
            actions,
            ..
        } = self;
        streams.retain(|_, stream| {
            let over = stream
                .absent_since
                .is_some_and(|since| since + grace <= now);
            if over || stream.is_deserted() {
                for subscriber in stream.subscribers.keys() {
                    sessions.remove(subscriber);
                    actions.push_back(Action::Remove(*subscriber, RemoveReason::PublisherAbsent));
                }
                actions.push_back(Action::Forget(stream.key));
            }
            !over && !stream.is_deserted()
        });
    }

    /// When [`Directory::handle_timeout`] has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let forget = self.taken_over.front().map(|(at, ..)| *at);
        let absent = self.streams.values().filter_map(|s| s.absent_since).min();
        [forget, absent.map(|since| since + self.config.grace)]
            .into_iter()
            .flatten()
            .min()
    }

    /// What the media thread must be told next.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    // -------------------------------------------------------------------------

    /// Ends a publisher in favour of another one, and remembers that.
    fn displace(&mut self, now: Instant, name: &StreamName, session: SessionId) {
        self.sessions.remove(&session);
        self.actions
            .push_back(Action::Remove(session, RemoveReason::TakenOver));
        if self.taken_over.len() >= MAX_TAKEN_OVER {
            self.taken_over.pop_front();
        }
        let forget_at = now + self.config.taken_over_memory;
        self.taken_over
            .push_back((forget_at, session, name.clone()));
    }

    fn drop_session(&mut self, now: Instant, session: SessionId) -> Option<Place> {
        let place = self.sessions.remove(&session)?;
        let stream = self.streams.get_mut(&place.stream)?;
        match place.role {
            Role::Publisher => {
                let challenger = stream.challenger.take();
                // Either the challenger ends, or it has nobody to outdo any more.
                if challenger.as_ref().is_none_or(|c| c.session != session) {
                    stream.publisher = challenger;
                }
                if stream.publisher.is_none() {
                    stream.absent_since = Some(now);
                }
            }
            Role::Subscriber => {
                stream.subscribers.remove(&session);
            }
        }
        if stream.is_deserted() {
            self.actions.push_back(Action::Forget(stream.key));
            self.streams.remove(&place.stream);
        }
        Some(place)
    }
}
