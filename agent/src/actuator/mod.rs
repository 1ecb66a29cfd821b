//! `transom-agent actuator`: the process that owns the output lines.
//!
//! Encoders, sound cards and DTLS may crash, hang or be killed; what drives the wheels must not go down
//! with them, nor wait for them. So it is a process of its own, started by the agent: one thread, no async,
//! memory locked, real-time where it may be, nothing but the safety kernel, the board and one socket, on
//! which it waits no longer than the kernel lets it. It stops on staleness by itself and on end of file at
//! once.
//!
//! It writes to nothing that could block: what it has to say goes to the agent as notes, or is lost.

mod board;
mod cli;
mod frame;
mod priority;
mod service;
mod socket;

pub use cli::{ActuatorCli, ActuatorConfig, Board, BoardKind};
pub use frame::{FromActuator, MAX_FRAME, ToActuator};
pub use socket::pair;

use std::ffi::OsString;
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use transom_boards_hal::Motion;

use service::{Ended, Service};
use socket::AgentSocket;

/// The word that the command line begins with.
pub const COMMAND: &str = "actuator";

/// Runs the process, from the arguments after the program's name to its exit code.
pub fn main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let config = match ActuatorCli::config_from(arguments) {
        Ok(config) => config,
        Err(code) => return code,
    };
    match run(&config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("transom-agent actuator: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(config: &ActuatorConfig) -> Result<(), Box<dyn std::error::Error>> {
    let socket = AgentSocket::from_stdin()?;
    // The agent ends it, in order, by closing the socket; a signal meant for all must not be quicker.
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)))?;
    }
    let mut drive = board::open(&config.board).inspect_err(|error| {
        socket.note(&error.to_string());
    })?;
    for refused in priority::raise() {
        socket.note(&refused);
    }
    // Told below, after the lines are safe: a hook that writes might wait for a reader.
    panic::set_hook(Box::new(|_| {}));
    let mut service = Service::new(&socket, config.kernel);
    let outcome = panic::catch_unwind(AssertUnwindSafe(|| service.run(&mut *drive)));
    let safe = drive.set(Motion::STILL);
    match outcome {
        Ok(Ended::EndOfFile) => {}
        Ok(Ended::Failed(error)) => socket.note(&format!("the socket to the agent: {error}")),
        Err(panicked) => {
            let told = panicked.downcast_ref::<&str>().copied();
            let told = told.or_else(|| panicked.downcast_ref::<String>().map(String::as_str));
            socket.note(&format!(
                "panicked: {}",
                told.unwrap_or("for no reason given")
            ));
            safe?;
            return Err("panicked; the outputs are safe".into());
        }
    }
    Ok(safe?)
}
