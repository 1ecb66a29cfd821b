//! Drives a peer on tokio, and finds it its other end.
//!
//! - [`client`]: the WHIP and WHEP client.
//! - [`call`]: a session from nothing, by way of all of these.
//! - [`reach`](mod@reach): whether the other end's candidates answer, without a session.
//! - [`address`]: this machine's addresses, as candidates.
//! - [`Socket`]: the one UDP socket of a peer.
//! - [`driver`]: the task that carries datagrams, DTLS, timers and frames
//!   between a [`Peer`](transom_rtc_proto::peer::Peer) and the world.
//!
//! In this order: a socket is bound, its port and the addresses make the
//! candidates of the offer, the client trades the offer for an answer, and
//! the driver takes the socket and what was negotiated.
#![forbid(unsafe_code)]

pub mod address;
pub mod call;
pub mod client;
mod clock;
pub mod driver;
pub mod reach;
mod socket;

pub use clock::Clock;
pub use socket::Socket;
