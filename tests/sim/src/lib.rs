//! Whole peers in simulated time over a seeded link.
