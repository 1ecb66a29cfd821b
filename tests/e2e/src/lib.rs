//! The real programs as processes: a bare HTTP client that sends them bad input, and a player of our
//! own that watches what they do with media, over a path that loses some.
//!
//! The tests run built programs: `cargo xtask test --only e2e` builds them and says where they are.
//! By hand, `cargo build -p transom-sfu -p transom-agent` comes first.
//!
//! Everything here panics where it fails, as a test does.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "this crate is tests only"
)]

mod agent;
mod backdating;
mod clock;
mod doctor;
mod http;
mod lines;
mod offer;
mod player;
mod program;
mod proxy;
mod remote;
mod sfu;
mod signals;
mod standstill;
mod state_dir;
mod stolen_socket;

pub use agent::{agent, agent_to};
pub use backdating::backdating_relay;
pub use clock::monotonic_us;
pub use doctor::{Diagnosis, agent_doctor, sfu_doctor};
pub use http::{Request, Response, exchange};
pub use lines::{Edge, Lines};
pub use offer::Offer;
pub use player::{Packet, Player, Watched};
pub use program::{Ended, Program, binary};
pub use proxy::LossyProxy;
pub use remote::Remote;
pub use sfu::{Sfu, sfu};
pub use signals::{Signal, is_alive, signal};
pub use standstill::{LIMIT_US, ProcessorWatch, Standstill, tell};
pub use state_dir::StateDir;
pub use stolen_socket::StolenSocket;
