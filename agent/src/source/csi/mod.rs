//! A CSI camera through the program that Raspberry Pi OS has for it.

mod program;
mod splitter;

use std::io::{ErrorKind, Read as _};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use transom_boards_hal::{
    Camera, CameraControls, CameraError, CameraFormat, CapturedFrame, FrameSize, PixelFormat,
};

use program::{Program, Running, Settings};
use splitter::{Pushed, Splitter};

/// Read at once.
const PIECE: usize = 64 * 1024;
/// A pause of this part of a frame's time is taken for the frame's end...
const PAUSE_PARTS: u32 = 8;
/// ...until that was wrong; then of twice as much, and so on.
const MAX_PAUSE_PARTS: u32 = 1;
/// The program is started anew for another bitrate only where that differs by
/// half, and not more often than this: it costs a second of pictures.
const RESTART_SPACING: Duration = Duration::from_secs(15);
/// The program needs so long for its first picture.
const FIRST_FRAME: Duration = Duration::from_secs(5);

/// Starts the program for one CSI camera whenever it is asked to.
#[derive(Clone, Debug)]
pub struct CsiSource {
    settings: Settings,
    path: Option<PathBuf>,
    found: Option<Program>,
}

impl CsiSource {
    /// A source of the camera that `rpicam-vid --list-cameras` shows as `camera`.
    pub fn new(
        camera: u8,
        size: FrameSize,
        fps: u32,
        bitrate_bps: u32,
        controls: CameraControls,
    ) -> Self {
        let settings = Settings {
            camera,
            size,
            fps: fps.max(1),
            bitrate_bps,
            controls,
        };
        Self {
            settings,
            path: None,
            found: None,
        }
    }

    /// The same by another program.
    #[must_use]
    pub fn with_program(mut self, path: PathBuf) -> Self {
        self.path = Some(path);
        self
    }

    /// Starts the program.
    ///
    /// # Errors
    /// Where there is none, or it cannot be started.
    pub fn open(&mut self) -> Result<CsiCamera, CameraError> {
        let program = match (&self.found, &self.path) {
            (Some(found), _) => found.clone(),
            (None, Some(path)) => Program::at(path.clone()),
            (None, None) => Program::find()?,
        };
        let running = program.start(&self.settings)?;
        tracing::info!(
            "CSI camera {} by {}: H.264 {}@{}, a key frame every second",
            self.settings.camera,
            program.name(),
            self.settings.size,
            self.settings.fps
        );
        self.found = Some(program.clone());
        Ok(CsiCamera::new(program, self.settings.clone(), running))
    }
}

/// The program while it runs. Its stream has no times of capture: a picture is
/// as old as its arrival.
pub struct CsiCamera {
    program: Program,
    settings: Settings,
    running: Running,
    splitter: Splitter,
    piece: Vec<u8>,
    unit: Vec<u8>,
    pause_parts: u32,
    wished_bps: u32,
    started: Instant,
    /// It was started anew, and until then its first picture is waited for.
    first_due: Option<Instant>,
}

impl CsiCamera {
    fn new(program: Program, settings: Settings, running: Running) -> Self {
        Self {
            wished_bps: settings.bitrate_bps,
            program,
            settings,
            running,
            splitter: Splitter::default(),
            piece: vec![0; PIECE],
            unit: Vec::new(),
            pause_parts: PAUSE_PARTS,
            started: Instant::now(),
            first_due: None,
        }
    }

    fn frame_time(&self) -> Duration {
        Duration::from_secs(1) / self.settings.fps
    }

    fn is_another_rate_due(&self) -> bool {
        let (is, wished) = (self.settings.bitrate_bps, self.wished_bps);
        let far = wished > is.saturating_mul(3) / 2 || wished < is / 3 * 2;
        far && self.started.elapsed() >= RESTART_SPACING
    }

    fn restart(&mut self) -> Result<(), CameraError> {
        tracing::info!(
            "{} is started anew for {} instead of {} bit/s",
            self.program.name(),
            self.wished_bps,
            self.settings.bitrate_bps
        );
        self.settings.bitrate_bps = self.wished_bps;
        // The old one must have let go of the camera first.
        self.running.stop();
        self.running = self.program.start(&self.settings)?;
        self.splitter = Splitter::default();
        self.started = Instant::now();
        self.first_due = Some(self.started + FIRST_FRAME);
        Ok(())
    }

    /// Reads once, waiting at most `wait`; false where nothing came.
    fn read(&mut self, wait: Duration) -> Result<bool, CameraError> {
        let Some(stdout) = self.running.stdout() else {
            return Err(self.running.end());
        };
        let ready = {
            let mut fds = [PollFd::new(&*stdout, PollFlags::IN)];
            let wait = Timespec::try_from(wait).ok();
            match poll(&mut fds, wait.as_ref()) {
                Ok(ready) => ready > 0,
                Err(rustix::io::Errno::INTR) => false,
                Err(_) => return Err(self.running.end()),
            }
        };
        if !ready {
            return Ok(false);
        }
        let len = match stdout.read(&mut self.piece) {
            Ok(0) => return Err(self.running.end()),
            Ok(len) => len,
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(true),
            Err(_) => return Err(self.running.end()),
        };
        let bytes = self.piece.get(..len).unwrap_or_default();
        match self.splitter.push(bytes, Instant::now()) {
            Pushed::Good => Ok(true),
            Pushed::Torn => {
                self.pause_parts = (self.pause_parts / 2).max(MAX_PAUSE_PARTS);
                tracing::debug!("a picture came in pieces; waiting longer for its end");
                Err(CameraError::BadFrame)
            }
            Pushed::Garbage => Err(CameraError::NotH264 {
                program: self.program.name(),
            }),
        }
    }
}

impl Camera for CsiCamera {
    fn format(&self) -> CameraFormat {
        CameraFormat {
            pixels: PixelFormat::H264,
            size: self.settings.size,
            stride: 0,
            millifps: self.settings.fps.saturating_mul(1000),
        }
    }

    fn next_frame(&mut self, timeout: Duration) -> Result<CapturedFrame<'_>, CameraError> {
        if self.is_another_rate_due() {
            self.restart()?;
        }
        let deadline = Instant::now() + timeout;
        let deadline = self.first_due.unwrap_or(deadline).max(deadline);
        loop {
            let now = Instant::now();
            let mut unit = self.splitter.next_unit(now);
            if unit.is_none() {
                let left = deadline.saturating_duration_since(now);
                if left.is_zero() {
                    return Err(CameraError::Timeout);
                }
                let pause = self.frame_time() / self.pause_parts;
                let paused = self.splitter.has_picture();
                let wait = if paused { pause.min(left) } else { left };
                if !self.read(wait)? && paused && wait == pause {
                    unit = self.splitter.flush(Instant::now());
                }
            }
            if let Some((data, began)) = unit {
                self.unit = data;
                self.first_due = None;
                return Ok(CapturedFrame {
                    data: &self.unit,
                    age: began.elapsed(),
                });
            }
        }
    }

    fn set_bitrate(&mut self, bps: u32) -> bool {
        self.wished_bps = bps;
        true
    }

    fn key_frame_interval(&self) -> Option<Duration> {
        Some(Duration::from_secs(1))
    }
}

#[cfg(test)]
mod tests;
