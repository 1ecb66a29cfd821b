//! Whole peers in simulated time over a seeded link.

pub mod fake;
pub mod link;
pub mod pair;
