//! A line that drives.

use std::fmt;

use embedded_hal::digital::{Error, ErrorKind, ErrorType, OutputPin};
use gpiocdev::Request;
use gpiocdev::line::Value;
use transom_boards_hal::{Active, LineError};

use super::lines::{Place, failed};

/// What others see that it is used by.
const CONSUMER: &str = "transom-agent";

/// An output, held until it is dropped. What becomes of it then is the kernel driver's affair: it stays as
/// it was, or is an input again.
#[derive(Debug)]
pub struct OutputLine(Request);

/// What the kernel says.
pub struct OutputError(gpiocdev::Error);

impl OutputLine {
    /// Requests the line, off from the first moment. `line` says what it is for.
    pub fn open(place: &Place, active: Active, line: &'static str) -> Result<Self, LineError> {
        let found = place.find(line)?;
        let off = match active {
            Active::High => Value::Inactive,
            Active::Low => Value::Active,
        };
        Request::builder()
            .on_chip(&found.chip)
            .with_consumer(CONSUMER)
            .with_line(found.offset)
            .as_output(off)
            .request()
            .map(Self)
            .map_err(|error| failed(line, &error))
    }
}

impl fmt::Debug for OutputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Error for OutputError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

impl ErrorType for OutputLine {
    type Error = OutputError;
}

impl OutputPin for OutputLine {
    fn set_low(&mut self) -> Result<(), OutputError> {
        self.0.set_lone_value(Value::Inactive).map_err(OutputError)
    }

    fn set_high(&mut self) -> Result<(), OutputError> {
        self.0.set_lone_value(Value::Active).map_err(OutputError)
    }
}
