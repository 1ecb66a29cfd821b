//! webrtc-dtls as a coprocessor behind the DTLS port, the guard before it, and the
//! records after it.
//!
//! [`Dtls`] is one peer's DTLS neighbour. The core's [`DtlsAction`]s go in by
//! [`Dtls::handle_action`], its [`DtlsEvent`]s come out by
//! [`Dtls::poll_event`]; both return at once and may be called from any
//! thread. A `wake` callback says that events of a handshake wait, so that a media thread
//! (an eventfd) and an async driver (a `Notify`) use the same type.
//!
//! Handshakes run in one tokio task a peer, which owns a
//! `guard`: what arrives is parsed and reassembled there, under caps, and
//! webrtc-dtls sees only whole handshake messages in order. Once both ends
//! have the keys, task and webrtc-dtls are gone, and records are sealed and
//! opened by whoever calls (`established`).
//!
//! [`DtlsAction`]: transom_rtc_proto::port::DtlsAction
//! [`DtlsEvent`]: transom_rtc_proto::port::DtlsEvent
#![forbid(unsafe_code)]

#[cfg(panic = "abort")]
compile_error!(
    "a panic in webrtc-dtls must end one peer, not the process: build with panic = \"unwind\""
);

mod certificate;
mod config;
mod coprocessor;
mod established;
mod flights;
mod guard;
mod mailbox;
mod session;
mod transport;

pub use certificate::{Certificate, CertificateError};
pub use config::DtlsConfig;
pub use coprocessor::Dtls;
pub use mailbox::DtlsStats;
