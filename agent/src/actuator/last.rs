//! `transom-agent make-safe`: all outputs off, once, where no actuator is left to do it.

use std::error::Error;
use std::thread;
use std::time::{Duration, Instant};

use super::cli::Board;
use super::{board, claim, clock};

/// An actuator that lives may be making the lines safe itself just now; one that hangs is the service manager's
/// to end.
const PATIENCE: Duration = Duration::from_secs(3);
/// Between two tries.
const AGAIN: Duration = Duration::from_millis(20);

/// Makes the outputs of a board safe. Never against an actuator that drives by it: that one is waited for.
///
/// # Errors
/// Something may still be on: somebody has the lines, or the board does not do what it is told.
pub fn make_safe(board: &Board) -> Result<(), String> {
    let until = Instant::now() + PATIENCE;
    let board = without_watchdog(board);
    loop {
        match once(&board) {
            Ok(()) => return Ok(()),
            Err(error) if Instant::now() >= until => return Err(error.to_string()),
            Err(_) => thread::sleep(AGAIN),
        }
    }
}

fn once(board: &Board) -> Result<(), Box<dyn Error>> {
    // Held until all is done: an actuator that starts meanwhile is not to be fought either.
    let _claim = match board.is_on_header() {
        true => claim::header()?,
        false => claim::board(&board.identity()).map_err(|error| {
            format!(
                "an actuator still drives by this board ({error}): end its transom-agent first (`pgrep -a transom-agent` tells which)"
            )
        })?,
    };
    let mut complaints = Vec::new();
    let mut outputs = board::open(board, &mut |told| complaints.push(told.to_owned()))?;
    let end = outputs.end(clock().micros());
    end.map_err(|error| match complaints.is_empty() {
        true => error.to_string(),
        false => complaints.join("; "),
    })?;
    Ok(())
}

/// To open the watchdog is to start it, and nobody would feed it.
fn without_watchdog(board: &Board) -> Board {
    match board {
        Board::Wired(wiring) => {
            let mut wiring = wiring.clone();
            wiring.watchdog = None;
            Board::Wired(wiring)
        }
        other => other.clone(),
    }
}
