//! Somebody's own program, in any language: one line of JSON a message, over its standard input and output or
//! over a Unix socket. `docs/program.md` tells what it has to do.

mod bridge;
mod child;
mod fence;
mod guard;
mod heard;
mod lines;
mod listener;
mod output;
mod said;
mod session;
#[cfg(test)]
mod tests;

pub use bridge::JsonDrive;
pub use child::{ChildSeat, PATH};
pub use guard::{GUARD, guard};
pub(crate) use heard::plain;
pub use heard::{Heard, HeardError, MAX_LINE, Pose, Telemetry};
pub use lines::{LineBuffer, TooLong};
pub use listener::SocketSeat;
pub use output::Output;
pub use session::{Session, SessionConfig, Trouble};

use std::io::Result;

use crate::wire::Wire;

/// The version of the protocol.
pub const VERSION: u32 = 1;

/// Where a program may sit: one at a time.
pub trait Seat {
    /// Looks whether there is a new one, at `now_us`; the former one is gone then. What is worth a line in the
    /// log goes to `note`.
    fn look(&mut self, now_us: u64, note: &mut dyn FnMut(String)) -> Result<Option<Box<dyn Wire>>>;

    /// Sends the present one away, whatever it does.
    fn dismiss(&mut self, now_us: u64);

    /// What it is called in errors.
    fn name(&self) -> &'static str;

    /// Whether one that a former actuator started may be there still, without a wire.
    fn has_leftover(&self) -> bool {
        false
    }

    /// Whether a program should be there by itself.
    fn is_owed(&self) -> bool;
}
