//! Drives a peer on tokio: sockets and the WHIP and WHEP client.
#![forbid(unsafe_code)]

pub mod client;
