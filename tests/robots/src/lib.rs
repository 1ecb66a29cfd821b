//! Robots that drive by themselves, driven by a real operator through a real server and agent: programs by JSON,
//! vehicles by MAVLink, a robot simulator and a DDS subscriber that others wrote.
//!
//! `cargo xtask test --only robots` installs what they need and says where it is.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "this crate is tests only"
)]

mod microcontroller;
mod scene;

pub use microcontroller::Microcontroller;
pub use scene::{SLACK_US, SOON, Scene, example, peer, program, python, within_the_limit};
