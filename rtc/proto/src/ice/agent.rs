use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use super::events::EventQueue;
use super::full::Full;
use super::lite::{self, Lite};
use super::responder::{CheckRequest, ReplyKind, Responder, Seen};
use super::{Candidate, IceConfig, IceCredentials, IceRole, Path};
use crate::stun::{Class, IntegrityKey, Message, Method, StunError};
use crate::time::Instant;

/// One end of an ICE session: one stream, one component.
///
/// Addresses of paths are in their canonical form (see [`Path::canonical`]),
/// those that go in are brought into it.
#[derive(Debug)]
pub struct IceAgent {
    local: IceCredentials,
    /// Verifies requests and seals the responses to them.
    local_key: IntegrityKey,
    kind: Kind,
    responder: Responder,
    events: EventQueue,
    ended: bool,
    stats: IceStats,
}

#[derive(Debug)]
enum Kind {
    Lite(Lite),
    Full(Box<Full>),
}

/// A datagram that [`IceAgent::poll_transmit`] appended to the caller's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IceTransmit {
    /// Which way it has to go.
    pub path: Path,
    /// Bytes appended.
    pub len: usize,
}

/// What the owner of an agent has to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IceEvent {
    /// This path works: packets may be sent by it. Once a path.
    PairValidated(Path),
    /// [`IceAgent::selected`] is now this path, by the controlling end's choice.
    /// Comes again when the controlling end changes its mind.
    Nominated(Path),
    /// The peer was silent for too long: nothing may be sent any more. Final.
    ConsentLost,
    /// No pair was nominated in time. Final.
    Failed,
}

/// Why a STUN message had no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum StunDrop {
    /// Not a message that we take, or its integrity does not verify.
    #[error(transparent)]
    Message(#[from] StunError),
    /// Not of method Binding.
    #[error("not a binding message")]
    NotBinding,
    /// USERNAME is missing or not for us.
    #[error("username is not ours")]
    Username,
    /// The same request came before by another path.
    #[error("request replayed from another address")]
    Replayed,
    /// A response to nothing that is under way.
    #[error("response to no request of ours")]
    UnknownTransaction,
    /// A response from elsewhere than the request went to (RFC 8445 section 7.2.5.2.1).
    #[error("response from another address")]
    Asymmetric,
    /// A response with an attribute that we would have to understand.
    #[error("response with an unknown attribute")]
    UnknownAttribute,
    /// The answer's queue is full; the peer will ask again.
    #[error("too many requests at once")]
    Overload,
    /// The bound on pairs is reached.
    #[error("too many pairs")]
    TooManyPairs,
    /// Consent is lost, or the agent failed.
    #[error("agent has ended")]
    Ended,
}

/// Why a candidate was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum CandidateDrop {
    /// Only UDP is paired.
    #[error("candidate is not UDP")]
    NotUdp,
    /// Unspecified, multicast or broadcast address, or port 0.
    #[error("candidate address cannot be sent to")]
    Unusable,
    /// Known already.
    #[error("candidate is known")]
    Duplicate,
    /// The bound on candidates is reached.
    #[error("too many candidates")]
    TooMany,
}

/// Counters since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IceStats {
    /// Authenticated requests.
    pub requests_received: u64,
    /// Responses of all kinds, error responses too.
    pub responses_sent: u64,
    /// Requests, retransmissions and consent checks too.
    pub requests_sent: u64,
    /// Responses that matched a request.
    pub responses_received: u64,
    /// STUN messages without effect, see [`StunDrop`].
    pub dropped: u64,
    /// Events that pushed out an older one because nobody polled.
    pub events_dropped: u64,
}

impl IceAgent {
    /// An agent that begins now. The seed makes transaction ids, the
    /// tie-breaker and the jitter of consent checks.
    pub fn new(now: Instant, config: IceConfig, seed: [u8; 32]) -> Self {
        let kind = if config.lite {
            Kind::Lite(Lite::new(now, config.timers))
        } else {
            Kind::Full(Box::new(Full::new(now, &config, seed)))
        };
        Self {
            local_key: IntegrityKey::new(config.local.pwd().as_bytes()),
            local: config.local,
            kind,
            responder: Responder::new(),
            events: EventQueue::new(),
            ended: false,
            stats: IceStats::default(),
        }
    }

    /// Our credentials, as the peer knows them.
    pub fn local_credentials(&self) -> &IceCredentials {
        &self.local
    }

    /// Our role at present: a conflict may change it.
    pub fn role(&self) -> IceRole {
        match &self.kind {
            Kind::Lite(_) => IceRole::Controlled,
            Kind::Full(full) => full.role,
        }
    }

    /// The path to send by: the nominated one, before any nomination the best
    /// that is valid. Ask at each send; it changes with the network. `None`
    /// means that nothing may be sent.
    pub fn selected(&self) -> Option<Path> {
        match &self.kind {
            _ if self.ended => None,
            Kind::Lite(lite) => lite.selected(),
            Kind::Full(full) => full.selected(),
        }
    }

    /// Whether a datagram by this path may be from the peer: an authenticated
    /// check or response came by it.
    pub fn is_validated(&self, path: &Path) -> bool {
        let path = path.canonical();
        match &self.kind {
            _ if self.ended => false,
            Kind::Lite(lite) => lite.is_validated(&path),
            Kind::Full(full) => full.is_validated(&path),
        }
    }

    /// Smoothed round trip time of the selected path, from our checks; a lite
    /// agent never knows.
    pub fn rtt(&self) -> Option<Duration> {
        match &self.kind {
            Kind::Lite(_) => None,
            Kind::Full(full) => full.rtt(),
        }
    }

    /// Counters.
    pub fn stats(&self) -> IceStats {
        let (requests_sent, responses_received) = match &self.kind {
            Kind::Lite(_) => (0, 0),
            Kind::Full(full) => (full.requests_sent, full.responses_received),
        };
        IceStats {
            requests_sent,
            responses_received,
            events_dropped: self.events.dropped(),
            ..self.stats
        }
    }

    /// Takes an address of ours. A lite agent has no use for it and takes
    /// anything: it learns its paths from checks.
    pub fn add_local_candidate(
        &mut self,
        _now: Instant,
        candidate: Candidate,
    ) -> Result<(), CandidateDrop> {
        match &mut self.kind {
            Kind::Lite(_) => Ok(()),
            Kind::Full(full) => full.add_local_candidate(candidate),
        }
    }

    /// Forgets an address of ours that is gone, with all its pairs. If the
    /// selected pair is among them, the others are tried at once.
    pub fn remove_local_candidate(&mut self, now: Instant, addr: SocketAddr) {
        if let Kind::Full(full) = &mut self.kind {
            full.remove_local_candidate(now, addr);
        }
    }

    /// Takes an address of the peer's. A lite agent takes anything, as above.
    pub fn add_remote_candidate(
        &mut self,
        _now: Instant,
        candidate: Candidate,
    ) -> Result<(), CandidateDrop> {
        match &mut self.kind {
            Kind::Lite(_) => Ok(()),
            Kind::Full(full) => full.add_remote_candidate(candidate),
        }
    }

    /// Nominates a valid pair instead of the selected one, which stays
    /// selected until the peer has answered. `false` where we are not the
    /// controlling agent or the pair is not valid.
    pub fn nominate(&mut self, now: Instant, path: &Path) -> bool {
        match &mut self.kind {
            Kind::Lite(_) => false,
            Kind::Full(full) => full.nominate(now, &path.canonical()),
        }
    }

    /// Takes a datagram of the STUN range (RFC 7983) that came by `path`.
    pub fn handle_stun(
        &mut self,
        now: Instant,
        path: Path,
        datagram: &[u8],
    ) -> Result<(), StunDrop> {
        let outcome = self.on_stun(now, path.canonical(), datagram);
        if outcome.is_err() {
            self.stats.dropped += 1;
        }
        outcome
    }

    /// Tells that an authenticated packet (SRTP, SRTCP, DTLS) came by `path`.
    /// A lite agent takes it as consent: FFmpeg checks once and never again. A
    /// full one, which sends consent checks, takes it as a sign that the path works.
    pub fn note_authenticated(&mut self, now: Instant, path: &Path) {
        let path = path.canonical();
        match &mut self.kind {
            Kind::Lite(lite) => lite.note_authenticated(now, &path),
            Kind::Full(full) => full.note_authenticated(&path),
        }
    }

    /// Does what is due. Call when [`Self::poll_timeout`] has passed, then poll.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.ended {
            return;
        }
        self.ended = match &mut self.kind {
            Kind::Lite(lite) => lite.handle_timeout(now, &mut self.events),
            Kind::Full(full) => full.handle_timeout(now, &mut self.events),
        };
        if self.ended {
            self.responder.clear();
        }
    }

    /// Appends the next datagram to `buf`. Call until `None`, after each of
    /// the calls above.
    pub fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> Option<IceTransmit> {
        if self.ended {
            return None;
        }
        if let Some(transmit) = self.responder.poll_transmit(&self.local_key, buf) {
            self.stats.responses_sent += 1;
            return Some(transmit);
        }
        match &mut self.kind {
            Kind::Lite(_) => None,
            Kind::Full(full) => full.poll_transmit(now, buf),
        }
    }

    /// When to call [`Self::handle_timeout`] next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.kind {
            _ if self.ended => None,
            Kind::Lite(lite) => Some(lite.poll_timeout()),
            Kind::Full(full) => Some(full.poll_timeout()),
        }
    }

    /// The next event. Call until `None`.
    pub fn poll_event(&mut self) -> Option<IceEvent> {
        self.events.pop()
    }

    fn on_stun(&mut self, now: Instant, path: Path, datagram: &[u8]) -> Result<(), StunDrop> {
        if self.ended {
            return Err(StunDrop::Ended);
        }
        let message = Message::parse(datagram)?;
        if message.method() != Method::BINDING {
            return Err(StunDrop::NotBinding);
        }
        match (message.class(), &mut self.kind) {
            (Class::Request, _) => self.on_request(now, path, &message),
            (Class::Indication, _) => Ok(()), // keepalive (RFC 8445 section 11), nobody vouches for it
            (_, Kind::Lite(_)) => Err(StunDrop::UnknownTransaction),
            (_, Kind::Full(full)) => full.on_response(now, path, &message, &mut self.events),
        }
    }

    /// RFC 8445 section 7.3. What is not authenticated gets no answer, against
    /// RFC 8489 section 9.1.3 (400 or 401): an answer tells strangers that we
    /// are here, and is of no use to the peer, which has the right password.
    fn on_request(
        &mut self,
        now: Instant,
        path: Path,
        message: &Message<'_>,
    ) -> Result<(), StunDrop> {
        let ours = |username: &str| username.split(':').next() == Some(self.local.ufrag());
        if !message.username().is_some_and(ours) {
            return Err(StunDrop::Username);
        }
        message.verify_integrity(&self.local_key)?;
        self.stats.requests_received += 1;
        if self.responder.is_full() {
            return Err(StunDrop::Overload);
        }
        let request = CheckRequest::of(message);
        if let Some(refusal) = ReplyKind::for_unknown(message) {
            self.responder.push(path, request.id, refusal);
            return Ok(());
        }
        let seen = self.responder.note(request.id, path);
        if seen == Seen::Elsewhere {
            return Err(StunDrop::Replayed);
        }
        let reply = match &mut self.kind {
            Kind::Lite(_) => lite::reply_to(&request),
            Kind::Full(full) => full.reply_to(&request),
        };
        if seen == Seen::First && matches!(reply, ReplyKind::Success) {
            match &mut self.kind {
                Kind::Lite(lite) => lite.on_request(now, path, &request, &mut self.events),
                Kind::Full(full) => full.on_request(now, path, &request, &mut self.events)?,
            }
        }
        self.responder.push(path, request.id, reply);
        Ok(())
    }
}
