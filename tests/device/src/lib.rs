//! The programs as boards run them: one process under an emulator, or on a board made of software; and
//! the packages that bring them there.
//!
//! `cargo xtask test --only cross` builds them for this and says where they are.
//!
//! Everything here panics where it fails, as a test does.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "this crate is tests only"
)]

mod board;
mod debs;
mod emulated;
mod pins;
mod root;
mod speaker;

pub use board::{Board, Done, HOST, Machine};
pub use debs::{Deb, debs};
pub use emulated::emulated;
pub use pins::Pins;
pub use root::Root;
pub use speaker::{RATE, Speaker};
