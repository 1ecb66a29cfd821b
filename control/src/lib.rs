//! The safety kernel: what decides whether a thing with wheels may move.
//!
//! - [`Command`] and [`Report`] are what travels on the data channels, `parse` and `emit` their one binary
//!   form ([`wire`] draws it).
//! - [`Kernel`] is the device's side as a value: commands in, axes out. Motion needs an arm, fresh
//!   setpoints of the epoch that the arm opened, and nothing that stopped it since.
//! - [`Operator`] is the other side: sequence, echo, repetition, acknowledgements, round trip.
//! - [`Unanswered`] measures, on the way between the two, how long answers take.
//!
//! # The rules
//!
//! 1. **Freshness without clocks.** Every report carries the device's own monotonic stamp, every setpoint
//!    and arm echoes the latest one its sender saw. It is fresh if the device's clock has gone on by at
//!    most [`KernelConfig::limit_us`] since. The two clocks need not agree, and a queue anywhere on the way
//!    shows as age. A stamp from the future is refused.
//! 2. **Dead-man.** Without a fresh setpoint for the limit, the device stops. So the output is zero no
//!    later than the last fresh command's arrival plus the limit, whatever the link does afterwards. It
//!    counts from the arrival at the device's first process: what waits in there prolongs no motion.
//! 3. **Epochs.** An arm opens one, every setpoint carries it, and every stop, disarm, expiry or change of
//!    the lease voids it. Nothing reopens an epoch: motion resumes with a fresh arm only. An arm names the
//!    epoch it follows, so that one press of a button opens one epoch, however often it is repeated.
//! 4. **Stop wins.** A stop needs no freshness. It ends the epoch that it names and all before, and also
//!    any epoch whose arm was sent before it (its sender had not heard of the epoch yet). A late copy of a
//!    stop that was sent before the arm stops nothing any more: its sender armed knowing of it. But it does
//!    forbid arms sent before it, whatever way they come; also those of other operators, who are known by
//!    an echo from before the stop.
//! 5. **One sequence over both channels.** Setpoints and arms are taken in rising sequence only, which ends
//!    replays and reordering. It begins anew with every lease.
//! 6. **Lease.** The server stamps who sent a command and under which lease (a fencing token that rises
//!    with every holder). A lower lease than the highest seen is refused, a higher one stops what moves. But a
//!    stop of a lower lease that was not here before still stops: an arm has overtaken it, of one who had not
//!    heard of it.
//! 7. **Emergency.** An emergency stop is a stop that holds: no arm opens an epoch until somebody resets it, who
//!    has heard of it. A reset moves nothing; it closes the epoch, so that an arm from before it comes to
//!    nothing.
//! 8. **Blind stop.** Where a picture is asked for, every setpoint names the one that its sender saw. The
//!    older it is, the slower the device goes, and from [`KernelConfig::picture_limit_us`] on it stands.
//! 9. **Limits.** No axis has more than its limit, nor grows more quickly ([`Limits`]). A stop is at once.
//! 10. **A press is done once.** What does not drive ([`Output`]) is switched without an epoch, by a fresh
//!     command, once a press, and answered when it is done.
//!
//! No dependency, no allocation, no clock, no panic: time is an argument.

#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

mod axes;
mod counters;
mod kernel;
mod numbers;
mod operator;
mod state;
mod switch;
mod unanswered;
pub mod wire;

pub use axes::{Axes, Axis};
pub use counters::Counters;
pub use kernel::{
    AxisLimit, Kernel, KernelConfig, Limits, Measurements, Rejection, Switch, Transmit,
};
pub use numbers::{Channel, Epoch, Lease, Press, Seq, Source, Stamp};
pub use operator::{ArmError, Operator, OperatorConfig, OperatorStatus, Phase, Pressed, Refusal};
pub use state::{AckResult, Refused, State, StopReason};
pub use switch::Output;
pub use unanswered::Unanswered;
pub use wire::{
    Command, CommandKind, Message, Order, Picture, Report, ReportKind, Telemetry, WireError,
};
