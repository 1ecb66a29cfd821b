//! Edges of lines, written down as they happen.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use rustix::fs::{Mode, OFlags, open};
use rustix::time::{ClockId, clock_gettime};

/// One line of text an edge: `CLOCK_MONOTONIC-microseconds line value`, as a logic analyser would see it.
///
/// It writes to a file or a named pipe and never waits while the robot runs: what finds no room is kept, some
/// hundred edges of it, and tried again with the next edge and at the end. More are lost ([`Trace::dropped`]), not
/// the robot its time.
#[derive(Debug)]
pub struct Trace {
    file: File,
    /// Whole lines that found no room: the reader is slow, or the machine has no page of memory left for the file.
    kept: Vec<u8>,
    dropped: u64,
}

/// Bytes that are kept.
const KEPT: usize = 4096;
/// What the end may wait for room.
const LAST_TRIES: u32 = 50;
const LAST_PAUSE: Duration = Duration::from_millis(2);

impl Trace {
    /// Opens `path`, which is made where there is none; what is there stays. A named pipe needs its reader
    /// first.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags =
            OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = open(path, flags, Mode::from_raw_mode(0o644))?;
        Ok(Self {
            file: File::from(file),
            kept: Vec::with_capacity(KEPT),
            dropped: 0,
        })
    }

    /// Writes an edge down, stamped with the time of this call.
    pub fn edge(&mut self, line: &str, value: i32) {
        let now = clock_gettime(ClockId::Monotonic);
        let micros = now.tv_sec * 1_000_000 + now.tv_nsec / 1000;
        let text = format!("{micros} {line} {value}\n");
        match self.kept.len() + text.len() <= KEPT {
            true => self.kept.extend_from_slice(text.as_bytes()),
            false => self.dropped = self.dropped.saturating_add(1),
        }
        self.write_kept();
    }

    /// Writes what is kept; whether that was all of it. A pipe takes all of it or nothing (`PIPE_BUF`), so lines
    /// of several writers stay whole.
    fn write_kept(&mut self) -> bool {
        match self.file.write(&self.kept) {
            Ok(len) => drop(self.kept.drain(..len)),
            // Nobody reads any more.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.kept.clear(),
            Err(_) => {}
        }
        self.kept.is_empty()
    }

    /// Edges that could not be written.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        for _ in 0..LAST_TRIES {
            if self.write_kept() {
                return;
            }
            sleep(LAST_PAUSE);
        }
    }
}
