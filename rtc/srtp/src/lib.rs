//! webrtc-srtp and the in-place AEAD behind the SRTP port, and the guard before them.
//!
//! | | `AES128_CM_SHA1_80` | `AEAD_AES_128_GCM` |
//! | --- | --- | --- |
//! | RTP, both ways | webrtc-srtp | ring, in place |
//! | RTCP, both ways | webrtc-srtp | webrtc-srtp |
//!
//! Before either stands the same guard, because of what an unauthenticated
//! packet can do to webrtc-srtp 0.17:
//!
//! - its header parser panics on forged header extensions: `guard` walks
//!   every element first, and webrtc-srtp is handed a header of ours, so that
//!   its own parser never runs;
//! - `decrypt_rtcp` panics on short packets, and in counter mode takes a packet
//!   whose E bit is clear for good **without looking at its tag**: `guard`
//!   refuses both;
//! - it keeps state for each SSRC before the tag verified: an unknown SSRC
//!   is tried in a scratch context (`probation`) and admitted only then;
//! - its replay detectors take their starting point from the first packet, good
//!   or forged, so that one forgery can shut a stream out: they stay off, and
//!   `window` does that work on verified 48-bit indices.
#![forbid(unsafe_code)]

#[cfg(panic = "abort")]
compile_error!(
    "a panic in webrtc-srtp must end one peer, not the process: build with panic = \"unwind\""
);

mod aead;
mod contained;
mod derivation;
mod guard;
mod layer;
mod open;
mod probation;
mod seal;
mod window;

pub use contained::caught_panics;
pub use layer::GuardedSrtp;
