//! Robots that drive by themselves and are only told: somebody's own program by lines of JSON, vehicles with
//! ArduPilot by MAVLink 2.
//!
//! What they say is a stranger's: bounded, checked, and never waited for. A robot that is absent, silent or in
//! trouble is an error of the [`Drive`](transom_boards_hal::Drive), so that the safety kernel arms nothing. What
//! decides is free of clocks and files ([`json::Session`], [`mavlink::Vehicle`]); what reads and writes never
//! waits.

#![forbid(unsafe_code)]

mod clock;
mod wire;

pub mod json;
#[cfg(feature = "mavlink")]
pub mod mavlink;

pub use wire::{UdpWire, Wire};
