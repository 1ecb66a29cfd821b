//! RTP ciphers in place, and webrtc-srtp for RTCP, behind the SRTP port and its guard.
//!
//! | | `AES128_CM_SHA1_80` | `AEAD_AES_128_GCM` |
//! | --- | --- | --- |
//! | RTP, both ways | aes, ctr, sha1, in place | ring, in place |
//! | RTCP, both ways | webrtc-srtp | webrtc-srtp |
//!
//! In place, because webrtc-srtp allocates three times a packet; it is the oracle
//! of both ciphers in `tests/oracle.rs`. Before all stands one guard, because of
//! what an unauthenticated packet can do:
//!
//! - forged header extensions make the parsers behind us panic or read past the
//!   header: `guard` walks every element first;
//! - `decrypt_rtcp` panics on short packets, and in counter mode takes a packet
//!   whose E bit is clear for good **without looking at its tag**: `guard`
//!   refuses both;
//! - it keeps state for each SSRC before the tag verified: an unknown
//!   SSRC's RTCP is tried in a scratch context (`probation`) and admitted only then;
//! - its replay detectors take their starting point from the first packet, good
//!   or forged, so that one forgery can shut a stream out: they stay off, and
//!   `window` does that work on verified 48-bit indices.
#![forbid(unsafe_code)]

#[cfg(panic = "abort")]
compile_error!(
    "a panic in webrtc-srtp must end one peer, not the process: build with panic = \"unwind\""
);

mod aead;
mod cipher;
mod claim;
mod contained;
mod counter;
mod derivation;
mod guard;
mod hmac_sha1;
mod layer;
mod open;
mod preference;
mod probation;
mod seal;
mod window;

pub use contained::caught_panics;
pub use layer::GuardedSrtp;
pub use preference::{Preference, PreferenceReason};
