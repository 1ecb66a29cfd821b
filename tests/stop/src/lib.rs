//! Everything that goes wrong while a robot moves, with real processes: how long until it stands, by its own
//! trace, and whether it moves again.
//!
//! [`Fault`] is the list. [`run()`] drives a [`Scene`] and lets one of them happen; `transom-stop` (`cargo xtask
//! bench stop`) does so many times and prints a table. Those that take a browser are played by
//! `tests/browser/bench/stop.js`.
//!
//! Everything here panics where it fails, as a test does.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "this crate is tests only"
)]

mod bare;
mod cable;
mod detour;
mod fault;
mod latency;
mod machines;
mod many;
mod memory;
mod run;
mod scene;
mod table;

pub use bare::Bare;
pub use cable::{Cable, Weather};
pub use detour::detour;
pub use fault::{Fault, From};
pub use latency::{Answers, Times, ages, answers, latency};
pub use machines::{Machine, Machines};
pub use many::{in_browser, run_many};
pub use memory::{MemoryGroup, be_greedy};
pub use run::{Ended, TOLERANCE_US, impossible, run};
pub use scene::{PICTURE_LIMIT_US, SOON, Scene, Setting, ours};
pub use table::Table;
