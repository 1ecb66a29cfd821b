//! The WebRTC peer as a value.
//!
//! Nothing here touches a socket, a clock, a thread or a random source: time
//! and seed are arguments, datagrams go in by `handle_*` and come out by
//! `poll_*`. The same inputs give the same outputs.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod channel;
pub mod codec;
pub mod ice;
pub mod id;
pub mod peer;
pub mod port;
pub mod rtcp;
pub mod rtp;
pub mod sdp;
pub mod stream;
pub mod stun;
pub mod time;
pub mod window;
