//! The real programs as processes, and a bare HTTP client to talk to the server with. What they do
//! with good input the browser tests show; here they get bad input.
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
mod http;
mod offer;
mod program;
mod sfu;
mod state_dir;

pub use agent::{agent, agent_to};
pub use http::{Request, Response, exchange};
pub use offer::Offer;
pub use program::{Ended, Program, binary};
pub use sfu::{Sfu, sfu};
pub use state_dir::StateDir;
