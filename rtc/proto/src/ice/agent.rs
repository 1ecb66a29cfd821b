use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use super::{Candidate, IceConfig, IceRole, Path};
use crate::stun::StunError;
use crate::time::Instant;

/// One end of an ICE session: one stream, one component.
#[derive(Debug)]
pub struct IceAgent {
    role: IceRole,
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
    /// A lite agent has no use for it: it learns paths from checks.
    #[error("a lite agent pairs no candidates")]
    Lite,
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
    pub fn new(_now: Instant, config: IceConfig, _seed: [u8; 32]) -> Self {
        Self { role: config.role }
    }

    /// Our role at present: a conflict may change it.
    pub fn role(&self) -> IceRole {
        self.role
    }

    /// The path to send by: the nominated one, before any nomination the best
    /// that is valid. Ask at each send; it changes with the network.
    pub fn selected(&self) -> Option<Path> {
        None
    }

    /// Whether a datagram by this path may be from the peer: an authenticated
    /// check or response came by it.
    pub fn is_validated(&self, _path: &Path) -> bool {
        false
    }

    /// Smoothed round trip time of the selected path, from our checks; a lite
    /// agent never knows.
    pub fn rtt(&self) -> Option<Duration> {
        None
    }

    /// Counters.
    pub fn stats(&self) -> IceStats {
        IceStats::default()
    }

    /// Takes an address of ours.
    pub fn add_local_candidate(
        &mut self,
        _now: Instant,
        _candidate: Candidate,
    ) -> Result<(), CandidateDrop> {
        Ok(())
    }

    /// Forgets an address of ours that is gone, with all its pairs. If the
    /// selected pair is among them, the others are tried at once.
    pub fn remove_local_candidate(&mut self, _now: Instant, _addr: SocketAddr) {}

    /// Takes an address of the peer's.
    pub fn add_remote_candidate(
        &mut self,
        _now: Instant,
        _candidate: Candidate,
    ) -> Result<(), CandidateDrop> {
        Ok(())
    }

    /// Nominates a valid pair instead of the selected one. `false` where we are
    /// not the controlling agent or the pair is not valid.
    pub fn nominate(&mut self, _now: Instant, _path: &Path) -> bool {
        false
    }

    /// Takes a datagram of the STUN range (RFC 7983) that came by `path`.
    pub fn handle_stun(
        &mut self,
        _now: Instant,
        _path: Path,
        _datagram: &[u8],
    ) -> Result<(), StunDrop> {
        Ok(())
    }

    /// Tells that an authenticated packet (SRTP, SRTCP, DTLS) came by `path`.
    /// A lite agent takes it as consent, a full one as a sign that the path works.
    pub fn note_authenticated(&mut self, _now: Instant, _path: &Path) {}

    /// Does what is due. Call when [`Self::poll_timeout`] has passed, then poll.
    pub fn handle_timeout(&mut self, _now: Instant) {}

    /// Appends the next datagram to `buf`. Call until `None`, after each of
    /// the calls above.
    pub fn poll_transmit(&mut self, _now: Instant, _buf: &mut Vec<u8>) -> Option<IceTransmit> {
        None
    }

    /// When to call [`Self::handle_timeout`] next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// The next event. Call until `None`.
    pub fn poll_event(&mut self) -> Option<IceEvent> {
        None
    }
}
