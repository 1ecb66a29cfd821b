//! The configured board.

use std::path::Path;

use transom_boards_hal::{Drive, DriveError};
use transom_boards_sim::{RobotConfig, SimRobot, Trace};

use super::cli::Board;

/// Opens it, its lines safe.
pub(super) fn open(board: &Board) -> Result<Box<dyn Drive>, DriveError> {
    match board {
        Board::Sim { trace } => {
            let trace = trace.as_deref().map(open_trace).transpose()?;
            Ok(Box::new(SimRobot::new(RobotConfig::default(), trace)))
        }
        Board::RaspberryPi(pins) => Ok(Box::new(transom_boards_raspberry_pi::open(pins)?)),
    }
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
