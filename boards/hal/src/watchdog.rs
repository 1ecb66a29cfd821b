//! A hardware watchdog: recovery from a machine that hangs, and no stop.

use crate::line::LineError;

/// What starts the machine anew unless it is fed in time.
pub trait Watchdog {
    /// Tells it that all is well.
    fn feed(&mut self) -> Result<(), LineError>;

    /// Ends it in order: the machine stays up though nobody feeds it.
    fn disarm(&mut self) -> Result<(), LineError>;
}
