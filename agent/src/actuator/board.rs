//! The configured board.

use std::path::Path;

use transom_boards_hal::{Drive, DriveError};
use transom_boards_sim::{RobotConfig, SimRobot, Trace};

use super::cli::Board;
use super::outputs::{Outputs, Switches};
use super::wired;

/// Opens it, its lines safe. What of a wired board is absent is told to `complain`.
pub(super) fn open(board: &Board, complain: &mut dyn FnMut(&str)) -> Result<Outputs, DriveError> {
    let drive: Box<dyn Drive> = match board {
        Board::Sim { trace } => {
            let trace = trace.as_deref().map(open_trace).transpose()?;
            Box::new(SimRobot::new(RobotConfig::default(), trace))
        }
        Board::RaspberryPi(pins) => Box::new(transom_boards_raspberry_pi::open(pins)?),
        Board::Wired(wiring) => return Ok(wired::open(wiring, complain)),
    };
    Ok(Outputs::new(drive, Switches::default()))
}

fn open_trace(path: &Path) -> Result<Trace, DriveError> {
    Trace::open(path).map_err(|error| DriveError::Line {
        line: "the trace",
        told: format!(
            "{}: {error}: check `trace` in [control]; a pipe needs its reader first",
            path.display()
        ),
    })
}
