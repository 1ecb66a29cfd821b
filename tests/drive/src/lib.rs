//! Whole drives in simulated time: two who may drive, who ask each other for the
//! lease and of whom one may override, and one who may only watch, the server's relay, the
//! agent's mailbox and the safety kernel, with hostile paths between all of them. The parts are the real
//! ones; what is played is what lies between them: channels, sockets, processes that hang, and people.
//!
//! Not here: the queue of a server's thread that holds the newest setpoint while a channel is stopped up.
//! A path that stalls and then delivers all at once is the harder case.
//!
//! ```text
//! Person ─ Path ─► Relay ─ Path ─► Mailbox ─ socket ─► Kernel ─► lines
//!    ▲                                                    │
//!    └───── Path ◄─ Relay ◄─ Path ◄─ socket ◄─────────────┘       Witness sees all of it
//! ```

//! [`Scene`] is all of that for a while, at random. [`Incident`] is a drive that one named thing ends.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "this crate is tests only: it fails where a test fails"
)]

mod audit;
mod dice;
mod driver;
mod findings;
mod hops;
mod incident;
mod person;
mod robot;
mod scene;
mod server;
mod witness;

pub use findings::Findings;
pub use hops::Hops;
pub use incident::{Incident, Stood};
pub use scene::Scene;

/// The device's dead-man.
pub const LIMIT_US: u64 = 300_000;
