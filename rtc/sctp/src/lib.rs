//! sctp-proto behind the SCTP port, and the guard before it.
//!
//! sctp-proto has no tasks and no sockets, so that an association is a plain
//! value; but it takes `std::time::Instant`s and randomness of its own, which
//! is why it is not in the core. [`GuardedSctp`] makes associations.
//!
//! What arrives is the content of DTLS records of an authenticated peer, which
//! may be hostile all the same. sctp-proto 0.10 keeps chunks without bound if
//! they are short or empty, makes a stream for any number, searches all it has
//! for each chunk, gives up a whole packet for a chunk that it does not know
//! and the association for an ERROR. The `guard` admits what an honest peer
//! sends, chunk by chunk, and hands it on in packets that it writes itself.
#![forbid(unsafe_code)]

#[cfg(panic = "abort")]
compile_error!(
    "a panic in sctp-proto must end one peer's channels, not the process: build with panic = \"unwind\""
);

mod association;
mod clock;
mod guard;
mod packet;

use transom_rtc_proto::port::{Sctp, SctpConfig, SctpFactory};
use transom_rtc_proto::time::Instant;

use association::Association;

/// Makes associations of sctp-proto, each behind its guard.
#[derive(Clone, Copy, Debug, Default)]
pub struct GuardedSctp;

impl SctpFactory for GuardedSctp {
    /// The seed is of no use: sctp-proto draws tags and TSNs from the
    /// operating system.
    fn create(&self, now: Instant, config: SctpConfig, _seed: [u8; 32]) -> Box<dyn Sctp> {
        Box::new(Association::new(now, config))
    }
}
