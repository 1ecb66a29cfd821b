//! A microcontroller that drives motors as the line protocol of `[serial_drive]` says, behind a pseudo terminal.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::Duration;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use transom_tests_e2e::monotonic_us;

/// What a line holds for.
const HOLD_US: u64 = 200_000;

/// It runs until the value is dropped, and writes a trace: `left`, `enable`, `expired` where it stopped by itself,
/// `bad` for what is no line.
pub struct Microcontroller {
    device: PathBuf,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Microcontroller {
    /// Switched on; the trace is at `trace`.
    pub fn start(trace: &Path) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&master).expect("its owner");
        unlockpt(&master).expect("its other end");
        let name = ptsname(&master, Vec::new()).expect("its name");
        let device = PathBuf::from(std::ffi::OsString::from_vec(name.into_bytes()));
        let flags = fcntl_getfl(&master).expect("its flags");
        fcntl_setfl(&master, flags | OFlags::NONBLOCK).expect("its flags");
        let over = Arc::new(AtomicBool::new(false));
        let mut motors = Motors {
            trace: File::create(trace).expect("a trace"),
            left: 0,
            heard_us: 0,
        };
        motors.edge("enable", 0);
        let (until, mut port) = (Arc::clone(&over), File::from(master));
        let thread = spawn(move || {
            let mut waits = Vec::new();
            while !until.load(Ordering::Relaxed) {
                motors.hear(&mut port, &mut waits);
                motors.expire();
                sleep(Duration::from_millis(1));
            }
        });
        Self {
            device,
            over,
            thread: Some(thread),
        }
    }

    /// The serial port that leads to it.
    pub fn device(&self) -> &Path {
        &self.device
    }
}

impl Drop for Microcontroller {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Motors {
    trace: File,
    left: i32,
    heard_us: u64,
}

impl Motors {
    fn hear(&mut self, port: &mut File, waits: &mut Vec<u8>) {
        let mut chunk = [0; 256];
        match port.read(&mut chunk) {
            Ok(len) => waits.extend_from_slice(&chunk[..len]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            // Nobody has the other end open.
            Err(_) => {}
        }
        while let Some(end) = waits.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = waits.drain(..=end).collect();
            match speeds(&line) {
                Some((left, right)) => {
                    self.heard_us = monotonic_us();
                    self.turn(left, left != 0 || right != 0);
                }
                None => self.edge("bad", 1),
            }
        }
    }

    fn turn(&mut self, left: i32, moves: bool) {
        if left == self.left {
            return;
        }
        let moved = self.left != 0;
        self.edge("left", left);
        self.left = left;
        if moves != moved {
            self.edge("enable", moves.into());
        }
    }

    fn expire(&mut self) {
        if self.left != 0 && monotonic_us() - self.heard_us > HOLD_US {
            self.edge("expired", 1);
            self.turn(0, false);
        }
    }

    fn edge(&mut self, line: &str, value: i32) {
        let text = format!("{} {line} {value}\n", monotonic_us());
        self.trace.write_all(text.as_bytes()).expect("a trace");
    }
}

/// `M <left> <right>*<checksum>`.
fn speeds(line: &[u8]) -> Option<(i32, i32)> {
    let text = std::str::from_utf8(line).ok()?.strip_suffix('\n')?;
    let (said, checksum) = text.split_once('*')?;
    let sum = said.bytes().fold(0, |sum, byte| sum ^ byte);
    if u8::from_str_radix(checksum, 16) != Ok(sum) {
        return None;
    }
    let (left, right) = said.strip_prefix("M ")?.split_once(' ')?;
    Some((left.parse().ok()?, right.parse().ok()?))
}
