//! A pin of a board file, whoever drives it.

use std::fmt::{self, Debug};
use std::path::Path;

use embedded_hal::digital::{Error, ErrorKind, ErrorType, OutputPin};
use transom_boards_hal::{Active, LineError};
use transom_boards_linux::{LineId, OutputLine, Place};
use transom_boards_raspberry_pi as pi;
use transom_boards_sim::{SimLine, Trace};

use crate::board::{Line, Outputs as Driver, Wiring};

/// A pin of any driver.
pub(super) enum AnyPin {
    Pi(pi::OutputPin),
    Line(OutputLine),
    Sim(SimLine),
}

impl ErrorType for AnyPin {
    type Error = PinError;
}

/// What its driver says.
pub(super) struct PinError(String);

impl Debug for PinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for PinError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

impl OutputPin for AnyPin {
    fn set_low(&mut self) -> Result<(), PinError> {
        let told = |error: &dyn Debug| PinError(format!("{error:?}"));
        match self {
            Self::Pi(pin) => OutputPin::set_low(pin).map_err(|e| told(&e)),
            Self::Line(line) => line.set_low().map_err(|e| told(&e)),
            Self::Sim(line) => line.set_low().map_err(|e| told(&e)),
        }
    }

    fn set_high(&mut self) -> Result<(), PinError> {
        let told = |error: &dyn Debug| PinError(format!("{error:?}"));
        match self {
            Self::Pi(pin) => OutputPin::set_high(pin).map_err(|e| told(&e)),
            Self::Line(line) => line.set_high().map_err(|e| told(&e)),
            Self::Sim(line) => line.set_high().map_err(|e| told(&e)),
        }
    }
}

/// Opens one, off. `what` says what it is for, `name` what a trace calls it.
pub(super) fn open_pin(
    wiring: &Wiring,
    line: &Line,
    active: Active,
    what: &'static str,
    name: &'static str,
) -> Result<AnyPin, LineError> {
    match wiring.outputs {
        Driver::Rppal => {
            let gpio = header(line, what)?;
            pi::output(gpio, active, what).map(AnyPin::Pi)
        }
        Driver::Gpiochip => OutputLine::open(&place(wiring, line), active, what).map(AnyPin::Line),
        Driver::Sim => Ok(AnyPin::Sim(SimLine::new(name, open_trace(wiring)?))),
    }
}

/// Where the kernel has a line of the board.
pub(crate) fn place(wiring: &Wiring, line: &Line) -> Place {
    Place {
        chip: wiring.chip.clone(),
        id: match line {
            Line::Number(number) => LineId::Offset(*number),
            Line::Name(name) => LineId::Name(name.clone()),
        },
    }
}

/// The GPIO of a Raspberry Pi's header.
pub(super) fn header(line: &Line, what: &'static str) -> Result<u8, LineError> {
    line.gpio().ok_or_else(|| LineError::Absent {
        line: what,
        what: format!("GPIO {line}"),
    })
}

/// Where a simulated board writes its edges down.
pub(super) fn open_trace(wiring: &Wiring) -> Result<Option<Trace>, LineError> {
    let open = |path: &Path| {
        Trace::open(path).map_err(|error| LineError::Failed {
            line: "the trace",
            told: format!("{}: {error}", path.display()),
        })
    };
    wiring.trace.as_deref().map(open).transpose()
}
