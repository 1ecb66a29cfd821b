//! What an operator shows.

use core::fmt;

use super::Pressed;
use crate::numbers::{Epoch, Lease};
use crate::state::{AckResult, Refused, State};
use crate::wire::Telemetry;

/// Where the drive stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// No report came yet.
    Unheard,
    /// The device is not armed, and says why.
    Resting(State),
    /// An arm waits for its answer.
    Arming,
    /// A reset waits for its answer.
    Resetting,
    /// Armed by this operator.
    Armed,
    /// Armed by another.
    Foreign,
    /// A stop waits for its answer.
    Stopping,
    /// A disarm waits for its answer.
    Disarming,
}

/// Why the latest arm or reset came to nothing, or has not yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The device said so.
    Device(AckResult),
    /// Nobody answered in two seconds.
    Timeout,
}

/// Why [`Operator::arm`](super::Operator::arm) or [`Operator::reset`](super::Operator::reset) asks for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArmError {
    /// No report within the limit: nothing fresh can be said.
    Unheard,
    /// The device is armed: stop it first.
    Armed,
    /// A stop or disarm waits for its answer.
    Stopping,
    /// An emergency stop holds the device: reset it first.
    Emergency,
    /// No emergency stop holds the device.
    NoEmergency,
}

impl fmt::Display for ArmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unheard => "the device was not heard lately: wait for the link",
            Self::Armed => "the device is armed: stop it first",
            Self::Stopping => "a stop waits for its answer: wait for it",
            Self::Emergency => "an emergency stop holds the device: reset it first",
            Self::NoEmergency => "no emergency stop holds the device: there is nothing to reset",
        })
    }
}

impl core::error::Error for ArmError {}

/// Everything there is to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OperatorStatus {
    /// Where the drive stands.
    pub phase: Phase,
    /// The latest press that switches something.
    pub pressed: Option<Pressed>,
    /// Why the latest arm or reset came to nothing.
    pub refusal: Option<Refusal>,
    /// The epoch and the lease of the latest report.
    pub heard: Option<(Epoch, Lease)>,
    /// Round trip of commands, smoothed, in microseconds.
    pub rtt_us: Option<u64>,
    /// Since the latest report, in microseconds.
    pub report_age_us: Option<u64>,
    /// How old the latest setpoint's echo was when it came, in milliseconds.
    pub command_age_ms: Option<u16>,
    /// The device's limit, in milliseconds.
    pub limit_ms: u16,
    /// The latest telemetry.
    pub telemetry: Option<Telemetry>,
    /// Why the device refused the latest setpoint, if it did.
    pub refused: Option<Refused>,
    /// What the age of the picture leaves of the speed, in percent.
    pub speed: u8,
    /// Messages that were none.
    pub malformed: u32,
}
