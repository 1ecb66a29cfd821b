//! The board's USB speaker: what it plays is kept in a file, and its plug can be pulled.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

/// Samples a second of what is kept.
pub const RATE: u32 = 48_000;

/// Bytes of a WAV file before its samples, as qemu writes it.
const HEADER: usize = 44;

/// A USB speaker on the virtual board.
pub struct Speaker {
    file: PathBuf,
    monitor: UnixStream,
}

impl Speaker {
    pub(crate) const fn new(file: PathBuf, monitor: UnixStream) -> Self {
        Self { file, monitor }
    }

    /// All that it has played since the board began, its left channel.
    pub fn heard(&self) -> Vec<i16> {
        let bytes = fs::read(&self.file).unwrap_or_default();
        let frames = bytes.get(HEADER..).unwrap_or_default().chunks_exact(4);
        frames
            .map(|frame| i16::from_le_bytes([frame[0], frame[1]]))
            .collect()
    }

    /// Pulls its plug.
    pub fn unplug(&mut self) {
        self.tell("device_del speaker");
    }

    /// Plugs it in again.
    pub fn plug(&mut self) {
        self.tell("device_add usb-audio,id=speaker,audiodev=heard");
    }

    fn tell(&mut self, command: &str) {
        writeln!(self.monitor, "{command}").expect("qemu listens");
        // It echoes, and prompts when it is done; what is wrong stands between.
        let wait = Duration::from_secs(1);
        self.monitor
            .set_read_timeout(Some(wait))
            .expect("a timeout");
        let (mut said, mut some) = (Vec::new(), [0; 4096]);
        while let Ok(n @ 1..) = self.monitor.read(&mut some) {
            said.extend_from_slice(&some[..n]);
        }
        let said = String::from_utf8_lossy(&said);
        assert!(!said.contains("Error"), "{command}: {said}");
    }
}
