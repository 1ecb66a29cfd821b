//! A program that the actuator starts: its standard input and output are the wire.

use std::ffi::{OsStr, OsString};
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::pipe::fcntl_setpipe_size;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::Seat;
use super::fence::Fence;
use crate::wire::Wire;

/// This very program, even after it was replaced on the disk.
const MYSELF: &str = "/proc/self/exe";
/// What may wait in the pipe to the program: the smallest there is, some 40 lines.
const PIPE: usize = 4096;
/// Between an end and the next start, in microseconds; doubled for one that ended soon.
const FIRST_PAUSE_US: u64 = 500_000;
const LAST_PAUSE_US: u64 = 8_000_000;
/// It did not end soon.
const LONG_US: u64 = 10_000_000;
/// All of the environment.
const ENVIRONMENT: [(&str, &str); 2] = [("PATH", PATH), ("LANG", "C.UTF-8")];
/// Where programs are looked for whose names have no slash.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The seat of a program that is started, and started again.
#[derive(Debug)]
pub struct ChildSeat {
    command: Vec<OsString>,
    /// The words before the command that have [`guard`](super::guard()) called, if this program has such.
    guard: Vec<OsString>,
    folder: Option<PathBuf>,
    child: Option<Child>,
    /// Told to go.
    dismissed: bool,
    started_us: u64,
    /// The next one may come.
    next_us: u64,
    pause_us: u64,
}

impl ChildSeat {
    /// For `command`, which is started by this very program with the words of `guard` before it, in `folder`.
    pub fn new(command: Vec<OsString>, guard: Vec<OsString>, folder: Option<PathBuf>) -> Self {
        Self {
            command,
            guard,
            folder,
            child: None,
            dismissed: false,
            started_us: 0,
            next_us: 0,
            pause_us: FIRST_PAUSE_US,
        }
    }

    fn start(&mut self) -> Result<PipeWire> {
        let mut child = Command::new(MYSELF)
            .arg0("transom-agent")
            .args(&self.guard)
            .args(&self.command)
            .env_clear()
            .envs(ENVIRONMENT)
            .current_dir(self.folder.as_deref().unwrap_or("/".as_ref()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Theirs and all that they start: they go together.
            .process_group(0)
            .spawn()?;
        let pipes = (child.stdin.take(), child.stdout.take());
        self.child = Some(child);
        let (Some(to), Some(from)) = pipes else {
            return Err(Error::other("a program without pipes"));
        };
        let _ = fcntl_setpipe_size(&to, PIPE);
        fcntl_setfl(&to, fcntl_getfl(&to)? | OFlags::NONBLOCK)?;
        fcntl_setfl(&from, fcntl_getfl(&from)? | OFlags::NONBLOCK)?;
        Ok(PipeWire { to, from })
    }

    fn group(&self) -> Option<Pid> {
        let id = self.child.as_ref()?.id();
        Pid::from_raw(i32::try_from(id).ok()?)
    }

    fn kill(&mut self) {
        // Not waited for yet, so the number is still its own.
        if let Some(group) = self.group() {
            let _ = kill_process_group(group, Signal::KILL);
        }
        self.dismissed = true;
    }

    /// Whether the guard has ended; its number stays its own.
    fn is_over(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let status = self.group().map(|pid| waitid(WaitId::Pid(pid), options));
        matches!(status, Some(Ok(Some(_))))
    }
}

impl Seat for ChildSeat {
    fn look(&mut self, now_us: u64, note: &mut dyn FnMut(String)) -> Result<Option<Box<dyn Wire>>> {
        if self.child.is_some() && !self.dismissed {
            if !self.is_over() {
                return Ok(None);
            }
            // Whoever it leaves behind goes with it: the program too, where its guard was killed.
            self.kill();
        }
        if let Some(child) = &mut self.child {
            let Some(status) = child.try_wait()? else {
                return Ok(None);
            };
            self.child = None;
            self.pause_us = match now_us.saturating_sub(self.started_us) > LONG_US {
                true => FIRST_PAUSE_US,
                false => (self.pause_us * 2).min(LAST_PAUSE_US),
            };
            self.next_us = now_us + self.pause_us;
            note(format!(
                "the program ended ({status}); started again in {} ms",
                self.pause_us / 1000
            ));
        }
        if now_us < self.next_us {
            return Ok(None);
        }
        self.dismissed = false;
        self.started_us = now_us;
        match self.start() {
            Ok(wire) => {
                let pid = self.child.as_ref().map_or(0, Child::id);
                let name = self.command.first().map(OsString::as_os_str);
                note(format!(
                    "the program {} is started, process group {pid}",
                    name.unwrap_or(OsStr::new("without a name")).display()
                ));
                Ok(Some(Box::new(wire)))
            }
            Err(error) => {
                self.next_us = now_us + LAST_PAUSE_US;
                self.kill();
                Err(error)
            }
        }
    }

    fn dismiss(&mut self, _now_us: u64) {
        self.kill();
    }

    fn name(&self) -> &'static str {
        "the program"
    }

    fn has_leftover(&self) -> bool {
        let folder = self.folder.as_deref().unwrap_or("/".as_ref());
        // As its guard sees it.
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        Fence::stands(&Fence::name(&self.command, &folder))
    }

    fn is_owed(&self) -> bool {
        true
    }
}

/// The two pipes.
#[derive(Debug)]
struct PipeWire {
    to: ChildStdin,
    from: ChildStdout,
}

impl Wire for PipeWire {
    fn send(&mut self, bytes: &[u8]) -> Result<()> {
        whole(self.to.write(bytes), bytes.len())
    }

    fn receive(&mut self, buffer: &mut [u8]) -> Result<usize> {
        come(self.from.read(buffer))
    }
}

/// A write that was not of all is a failure: what is left would come too late.
pub(super) fn whole(written: Result<usize>, len: usize) -> Result<()> {
    let full = || {
        let told =
            "it does not read what it is told: read standard input, or the socket, without a pause";
        Err(Error::new(ErrorKind::WouldBlock, told))
    };
    match written {
        Ok(written) if written == len => Ok(()),
        Ok(_) => full(),
        Err(error) if error.kind() == ErrorKind::WouldBlock => full(),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(ended()),
        Err(error) => Err(error),
    }
}

/// Nothing is no failure, and the end is one.
pub(super) fn come(read: Result<usize>) -> Result<usize> {
    match read {
        Ok(0) => Err(ended()),
        Ok(len) => Ok(len),
        Err(error) => match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::Interrupted => Ok(0),
            ErrorKind::ConnectionReset => Err(ended()),
            _ => Err(error),
        },
    }
}

fn ended() -> Error {
    Error::new(ErrorKind::UnexpectedEof, "it is gone")
}
