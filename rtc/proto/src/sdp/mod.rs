//! Session descriptions: offer and answer (RFC 3264, RFC 9429) as far as WHIP
//! and WHEP need them.
//!
//! [`SessionDescription`] is the text as a value. [`answer()`] and [`LocalOffer`]
//! turn two of them into a [`Session`], the only thing a peer takes from here.
//!
//! One transport carries everything: BUNDLE (RFC 9143) and rtcp-mux (RFC 5761)
//! are demanded, at most one track a kind is published, and there is no
//! renegotiation. What is left out: simulcast (without
//! `a=simulcast` in the answer a publisher sends its first layer alone, RFC
//! 8853 section 5.3.2), RED and FEC, and the two-byte extension ids.

mod answer;
mod attribute;
mod candidate;
mod codec;
mod config;
mod description;
mod emit;
mod error;
mod extension;
mod fingerprint;
mod h264;
mod offer;
mod parse;
mod payload;
mod session;
mod source;
mod transport;

/// Longest text taken for a session description, bytes.
pub const MAX_SDP_LEN: usize = 64 * 1024;

/// Largest message taken on a data channel, bytes: what our descriptions say in
/// `a=max-message-size`, and what RFC 8841 section 6 assumes of who says nothing.
pub const MAX_MESSAGE_SIZE: u32 = 65_536;

pub use answer::answer;
pub use candidate::{CandidateParseError, CandidateValue, parse_candidate};
pub use codec::{Codec, CodecKind, CodecParams};
pub use config::{AnswerConfig, AnswerRole, OfferConfig, OfferedTrack, Outgoing};
pub use description::SessionDescription;
pub use error::{CodecNames, NegotiationError, SdpError};
pub use extension::Extensions;
pub use fingerprint::{Fingerprint, HashAlgorithm};
pub use h264::{H264Profile, ProfileLevelId};
pub use offer::LocalOffer;
pub use session::{DataChannelParams, Direction, MediaKind, Msid, SendSsrc, Session, Track};

#[cfg(test)]
mod tests;
