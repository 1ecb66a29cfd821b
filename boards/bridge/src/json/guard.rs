//! What stands between the actuator and the program that it started, and outlives both.
//!
//! An actuator that is killed closes the pipes, and a program that reads sees that and stops. One that hangs or
//! does not care must not go on beside the one that the next actuator starts: two would drive one robot. So a
//! small process waits for either end: when the actuator is gone the program gets its time to stop, and is then
//! killed with everything that it started. The next guard waits for that behind a [`Fence`].

use std::env;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, ExitCode};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, getpgrp, kill_process_group, pidfd_open};

use super::fence::Fence;

/// The word that has this done; the command follows.
pub const GUARD: &str = "--guard";

/// What a program may take to stop its robot once nobody speaks to it.
const GRACE: Timespec = Timespec {
    tv_sec: 1,
    tv_nsec: 0,
};
/// What the former program may take to be gone: its grace, and as much again.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between two looks whether it is.
const LOOK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 5_000_000,
};

/// Starts `command` with this process' standard input and output, waits for its end or for that of who reads
/// the output, and ends itself. While the same command still runs for another guard, in the same folder, it
/// waits, and fails after 2 s.
pub fn guard(command: impl Iterator<Item = OsString>) -> ExitCode {
    let command: Vec<OsString> = command.collect();
    let Some((program, words)) = command.split_first() else {
        eprintln!("transom-agent actuator: {GUARD} wants a command");
        return ExitCode::from(2);
    };
    let name = program.display();
    // Held until the program ends, which has it too.
    let _fence = match alone(&command) {
        Ok(Some(fence)) => fence,
        Ok(None) => return ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("transom-agent actuator: {name}: {error}");
            return ExitCode::from(126);
        }
    };
    let child = Command::new(program).args(words).spawn();
    let ended = child.and_then(|mut child| {
        watch(&child)?;
        child.wait()
    });
    match ended {
        Ok(status) => {
            let code = status
                .code()
                .or_else(|| status.signal().map(|signal| 128 + signal));
            ExitCode::from(
                code.and_then(|code| u8::try_from(code).ok())
                    .unwrap_or(u8::MAX),
            )
        }
        Err(error) => {
            eprintln!(
                "transom-agent actuator: {name}: {error}: check `command` in [program] of the board file"
            );
            ExitCode::from(127)
        }
    }
}

/// Waits until nobody else runs `command`; `None` once the actuator is gone meanwhile.
fn alone(command: &[OsString]) -> io::Result<Option<Fence>> {
    let name = Fence::name(command, &env::current_dir()?);
    let until = Instant::now() + PATIENCE;
    let output = io::stdout();
    loop {
        match Fence::raise(&name) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            raised => return raised.map(Some),
        }
        if Instant::now() >= until {
            return Err(io::Error::other(format!(
                "another of it still runs, so this one was not started: end that one first (`ss -xap | grep {name}` tells which)"
            )));
        }
        let mut reader = [PollFd::new(&output, PollFlags::empty())];
        wait(&mut reader, Some(&LOOK))?;
        if reader.iter().any(|end| !end.revents().is_empty()) {
            return Ok(None);
        }
    }
}

/// Waits for the end of either; where the actuator is gone, kills the group, and so this process, once the program
/// has gone or had its time.
fn watch(child: &Child) -> io::Result<()> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| io::Error::other("a process without a number"))?;
    let program: OwnedFd = pidfd_open(pid, PidfdFlags::empty())?;
    let output = io::stdout();
    // Of a pipe's writing end an error is told when its reader is gone.
    let mut ends = [
        PollFd::new(&program, PollFlags::IN),
        PollFd::new(&output, PollFlags::empty()),
    ];
    wait(&mut ends, None)?;
    let [program, _] = &mut ends;
    if !program.revents().is_empty() {
        return Ok(());
    }
    let mut program = [program.clone()];
    wait(&mut program, Some(&GRACE))?;
    // Also what a program that has ended leaves behind: nobody else is left to end that.
    kill_process_group(getpgrp(), Signal::KILL)?;
    Ok(())
}

fn wait(ends: &mut [PollFd<'_>], limit: Option<&Timespec>) -> io::Result<()> {
    loop {
        match poll(ends, limit) {
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
