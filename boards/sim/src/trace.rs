//! Edges of lines, written down as they happen.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use rustix::fs::{Mode, OFlags, open};
use rustix::time::{ClockId, clock_gettime};

/// One line of text an edge: `CLOCK_MONOTONIC-microseconds line value`, as a logic analyser would see it.
///
/// It writes to a file or a named pipe and never waits: a reader that is slow loses edges
/// ([`Trace::dropped`]), not the robot its time.
#[derive(Debug)]
pub struct Trace {
    file: File,
    dropped: u64,
}

impl Trace {
    /// Opens `path`, which is made where there is none; what is there stays. A named pipe needs its reader
    /// first.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags =
            OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = open(path, flags, Mode::from_raw_mode(0o644))?;
        Ok(Self {
            file: File::from(file),
            dropped: 0,
        })
    }

    /// Writes an edge down, stamped with the time of this call.
    pub fn edge(&mut self, line: &str, value: i32) {
        let now = clock_gettime(ClockId::Monotonic);
        let micros = now.tv_sec * 1_000_000 + now.tv_nsec / 1000;
        // One write a line, so that lines stay whole.
        let text = format!("{micros} {line} {value}\n");
        match self.file.write(text.as_bytes()) {
            Ok(len) if len == text.len() => {}
            Ok(_) | Err(_) => self.dropped = self.dropped.saturating_add(1),
        }
    }

    /// Edges that could not be written.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}
