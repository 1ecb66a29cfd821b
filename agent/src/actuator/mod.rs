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
mod claim;
mod cli;
mod frame;
mod gauge;
mod last;
mod moving;
mod outputs;
mod pin;
mod priority;
mod robot;
mod service;
mod socket;
mod spared;
#[cfg(test)]
mod tests;
mod timing;
mod wired;

pub use cli::{ActuatorCli, ActuatorConfig, Board, BoardKind};
pub use frame::{FromActuator, MAX_FRAME, OutputKind, OutputOrder, OutputState, ToActuator};
pub use last::make_safe;
pub(crate) use pin::place;
#[cfg(feature = "mavlink")]
pub(crate) use robot::open_wire;
pub(crate) use service::{clock, stamp_of};
pub use socket::pair;
pub use spared::share_the_risk;
pub use timing::{Tally, Timing};

use std::error::Error;
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use transom_boards_bridge::json::{GUARD, guard};
use transom_control::KernelConfig;

use outputs::Outputs;
use service::{Ended, Service};
use socket::AgentSocket;

/// The word that the command line begins with.
pub const COMMAND: &str = "actuator";

/// In place of arguments: only ask for what [`priority::raise`] asks for, tell what is refused, and end.
pub(crate) const REHEARSE: &str = "--rehearse";

/// Runs the process, from the arguments after the program's name to its exit code.
pub fn main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let mut arguments = arguments.peekable();
    if arguments.peek().is_some_and(|word| word == REHEARSE) {
        for refused in priority::raise() {
            println!("{refused}");
        }
        return ExitCode::SUCCESS;
    }
    if arguments.next_if(|word| word == GUARD).is_some() {
        // What the actuator is allowed is not for programs of others, nor what it is spared.
        priority::lower();
        share_the_risk(false);
        return guard(arguments);
    }
    let config = match ActuatorCli::config_from(arguments) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let socket = match AgentSocket::from_stdin() {
        Ok(socket) => socket,
        Err(error) => {
            eprintln!("transom-agent actuator: {error}");
            return ExitCode::FAILURE;
        }
    };
    match run(&socket, &config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            socket.warn(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

fn run(socket: &AgentSocket, config: &ActuatorConfig) -> Result<(), Box<dyn Error>> {
    // The agent ends it, in order, by closing the socket; a signal meant for all must not be quicker.
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)))?;
    }
    let _refused = spared::spare();
    // Before any line is touched: another's may be moving.
    let _claim = match config.board.is_on_header() {
        true => Some(claim::header()?),
        // Two simulated robots may be alike.
        false if config.board.is_simulated() => claim::board(&config.board.identity()).ok(),
        // One's own lines the kernel gives to one alone; serial lines, programs and vehicles it does not.
        false => Some(claim::board(&config.board.identity()).map_err(|error| {
            format!(
                "the board is in use by transom-agent already ({error}): end that one first (`pgrep -a transom-agent` tells which)"
            )
        })?),
    };
    let mut outputs = board::open(&config.board, &mut |told| socket.warn(told))?;
    for refused in priority::raise() {
        socket.warn(&refused);
    }
    // Told after the lines are safe: a hook that writes might wait for a reader.
    panic::set_hook(Box::new(|_| {}));
    serve(socket, &mut outputs, config.kernel)
}

/// Says what nobody is left to write into a log, on standard error, which the agent's log goes to. Only where that
/// takes a line at once: who hangs in a pipe that nobody reads would be in the way of the next actuator.
fn last_word(told: String) {
    let error = io::stderr();
    let mut ready = [PollFd::new(&error, PollFlags::OUT)];
    if poll(&mut ready, Some(&Timespec::default())).is_ok_and(|ready| ready > 0) {
        // Where it is closed there is nobody to tell that to.
        let _ = writeln!(io::stderr(), "transom-agent actuator: {told}");
    }
}

/// Drives until the agent is gone; whatever ends it, the lines are made safe before it is told.
fn serve(
    socket: &AgentSocket,
    outputs: &mut Outputs,
    config: KernelConfig,
) -> Result<(), Box<dyn Error>> {
    let mut service = Service::new(socket, config);
    let outcome = panic::catch_unwind(AssertUnwindSafe(|| service.run(outputs)));
    let safe = outputs.end(clock().micros());
    match outcome {
        Ok(Ended::EndOfFile) => Ok(safe?),
        Ok(Ended::AgentDied) => {
            last_word(match &safe {
                Ok(()) => "stopped: agent-died; the outputs are safe".to_owned(),
                Err(error) => format!("stopped: agent-died; the outputs may be powered: {error}"),
            });
            Ok(safe?)
        }
        Ok(Ended::Failed(error)) => {
            safe?;
            Err(format!("the socket to the agent: {error}; the outputs are safe").into())
        }
        Err(panicked) => {
            safe?;
            let told = panicked.downcast_ref::<&str>().copied();
            let told = told.or_else(|| panicked.downcast_ref::<String>().map(String::as_str));
            let told = told.unwrap_or("for no reason given");
            Err(format!("panicked: {told}; the outputs are safe").into())
        }
    }
}
