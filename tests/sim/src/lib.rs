//! Whole peers in simulated time over a seeded link.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "this crate is tests only: it fails where a test fails"
)]

pub mod drive;
pub mod fake;
pub mod link;
pub mod pair;
