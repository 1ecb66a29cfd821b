use alloc::vec::Vec;

use super::{Codec, CodecKind, Direction, Fingerprint, MediaKind, SendSsrc};
use crate::ice::{Candidate, IceCredentials};
use crate::port::DtlsRole;

/// What an answer is made of, besides the offer.
#[derive(Clone, Debug)]
pub struct AnswerConfig {
    /// Whether the offerer publishes or subscribes.
    pub role: AnswerRole,
    /// Our ICE credentials.
    pub ice: IceCredentials,
    /// Whether we are an ICE lite agent.
    pub ice_lite: bool,
    /// Our candidates; all of them stand in the answer.
    pub candidates: Vec<Candidate>,
    /// Of our certificate.
    pub fingerprint: Fingerprint,
    /// Our end of the handshake where the offer leaves the choice (`actpass`).
    pub dtls_role: DtlsRole,
    /// `sess-id` of the `o=` line; random, below 2^62 (RFC 9429 section 5.2.1).
    pub session_id: u64,
    /// Take transport-wide congestion control where it is offered.
    pub transport_cc: bool,
    /// Take the playout-delay extension where it is offered.
    pub playout_delay: bool,
    /// Take m=application; otherwise it is rejected.
    pub data_channel: bool,
}

/// Which side of the stream the offerer is on.
#[derive(Clone, Debug)]
pub enum AnswerRole {
    /// WHIP: the offerer sends, we receive.
    Publish {
        /// Codecs we take, the preferred first. A kind without any is rejected.
        accept: Vec<CodecKind>,
    },
    /// WHEP: we send what is published, as it is.
    Subscribe {
        /// The published sound, if any.
        audio: Option<Outgoing>,
        /// The published picture, if any.
        video: Option<Outgoing>,
    },
}

/// A track as we would send it to a subscriber.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// The codec as published.
    pub codec: Codec,
    /// The sources it would leave under.
    pub send: SendSsrc,
}

/// What an offer is made of.
#[derive(Clone, Debug)]
pub struct OfferConfig {
    /// The tracks, in the order of their m-lines.
    pub tracks: Vec<OfferedTrack>,
    /// Our ICE credentials.
    pub ice: IceCredentials,
    /// Whether we are an ICE lite agent.
    pub ice_lite: bool,
    /// Our candidates.
    pub candidates: Vec<Candidate>,
    /// Of our certificate.
    pub fingerprint: Fingerprint,
    /// `sess-id` of the `o=` line; random, below 2^62 (RFC 9429 section 5.2.1).
    pub session_id: u64,
    /// Offer transport-wide congestion control.
    pub transport_cc: bool,
    /// Offer the playout-delay extension.
    pub playout_delay: bool,
    /// Offer m=application.
    pub data_channel: bool,
}

/// One m-line of an offer.
#[derive(Clone, Debug)]
pub struct OfferedTrack {
    /// Sound or picture.
    pub kind: MediaKind,
    /// Codecs, the preferred first; those of the other kind, and more than
    /// eight, are passed over.
    pub codecs: Vec<Codec>,
    /// `Some`: we send (`sendonly`); `None`: we receive (`recvonly`).
    pub send: Option<SendSsrc>,
}

impl OfferedTrack {
    /// Which way the media goes, seen from here.
    pub const fn direction(&self) -> Direction {
        match self.send {
            Some(_) => Direction::Send,
            None => Direction::Receive,
        }
    }
}
