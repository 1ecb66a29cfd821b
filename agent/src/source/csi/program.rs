//! `rpicam-vid` or `libcamera-vid` as a process.

use std::env;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::pipe::fcntl_setpipe_size;
use transom_boards_hal::{
    CameraControls, CameraError, Exposure, Focus, FrameSize, PowerLine, ProgramEnd,
};

/// The newer name first; it is the same program.
const NAMES: [&str; 2] = ["rpicam-vid", "libcamera-vid"];
/// A frame fits into the pipe, so that it comes in one piece.
const PIPE: usize = 1024 * 1024;
/// `--help` is asked for so long.
const HELP: Duration = Duration::from_secs(3);
/// Much longer than any help.
const MAX_HELP: u64 = 256 * 1024;
/// Longest line kept of what the program says.
const MAX_LINE: usize = 300;
/// What says a program that ends is read for so long.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// A program that captures, and which of the newer options it knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Program {
    path: PathBuf,
    help: String,
}

/// What it is to capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) camera: u8,
    pub(super) size: FrameSize,
    pub(super) fps: u32,
    pub(super) bitrate_bps: u32,
    pub(super) controls: CameraControls,
}

impl Program {
    /// The one that is installed.
    pub(super) fn find() -> Result<Self, CameraError> {
        let folders = env::var_os("PATH").unwrap_or_default();
        let found = NAMES.iter().find_map(|name| {
            let mut paths = env::split_paths(&folders).map(|folder| folder.join(name));
            paths.find(|path| path.is_file())
        });
        let path = found.ok_or_else(|| CameraError::NoProgram {
            looked_for: NAMES.join(", "),
        })?;
        Ok(Self::at(path))
    }

    /// The one at `path`.
    pub(super) fn at(path: PathBuf) -> Self {
        let help = help_of(&path).unwrap_or_default();
        Self { path, help }
    }

    /// Its name, for people.
    pub(super) fn name(&self) -> String {
        let name = self.path.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// The command line: a stream of H.264 without B-frames to standard
    /// output, each frame at once, parameter sets before each key frame, of
    /// which there is one a second: the program takes no request for one.
    fn arguments(&self, settings: &Settings) -> Vec<String> {
        let Settings {
            camera, size, fps, ..
        } = settings;
        let level = match (size.area(), fps) {
            (..=2_088_960, ..=30) => "4",
            _ => "4.2",
        };
        let mut words: Vec<String> = Vec::new();
        let mut option = |name: &str, value: &dyn ToString| {
            words.push(name.to_owned());
            let value = value.to_string();
            if !value.is_empty() {
                words.push(value);
            }
        };
        option("--camera", camera);
        option("--timeout", &0);
        option("--nopreview", &"");
        option("--width", &size.width);
        option("--height", &size.height);
        option("--framerate", fps);
        option("--codec", &"h264");
        option("--profile", &"baseline");
        option("--level", &level);
        option("--bitrate", &settings.bitrate_bps);
        option("--intra", fps);
        option("--inline", &"");
        option("--flush", &"");
        if self.knows("--low-latency") {
            option("--low-latency", &"");
        }
        for told in self.controls(&settings.controls) {
            option(&told.0, &told.1);
        }
        option("--output", &"-");
        words
    }

    fn controls(&self, controls: &CameraControls) -> Vec<(String, String)> {
        let mut told = Vec::new();
        let mut option = |name: &str, value: String| {
            if self.knows(name) {
                told.push((name.to_owned(), value));
            } else {
                tracing::warn!("{} has no {name}: {value} is not set", self.name());
            }
        };
        if let Some(Exposure::Time(time)) = controls.exposure {
            option("--shutter", time.as_micros().to_string());
        }
        match controls.focus {
            Some(Focus::Auto) => option("--autofocus-mode", "continuous".to_owned()),
            Some(Focus::At(tenths)) => {
                option("--autofocus-mode", "manual".to_owned());
                option(
                    "--lens-position",
                    format!("{:.1}", f64::from(tenths) / 10.0),
                );
            }
            None => {}
        }
        for (name, flip) in [("--hflip", controls.hflip), ("--vflip", controls.vflip)] {
            if flip == Some(true) {
                option(name, String::new());
            }
        }
        match controls.power_line {
            Some(PowerLine::Hz50) => option("--flicker-period", "10000us".to_owned()),
            Some(PowerLine::Hz60) => option("--flicker-period", "8333us".to_owned()),
            Some(PowerLine::Auto) => option("--flicker-period", "auto".to_owned()),
            Some(PowerLine::Off) | None => {}
        }
        for (name, _) in &controls.other {
            tracing::warn!("{} takes no control \"{name}\"", self.name());
        }
        told
    }

    fn knows(&self, option: &str) -> bool {
        let mut words = self.help.split_whitespace();
        words.any(|word| word.trim_end_matches(',') == option)
    }

    /// Starts it.
    pub(super) fn start(&self, settings: &Settings) -> Result<Running, CameraError> {
        let failed = |error: io::Error| CameraError::Driver {
            device: self.name(),
            operation: "starting the program",
            code: error.raw_os_error().unwrap_or(0),
        };
        let mut child = Command::new(&self.path)
            .args(self.arguments(settings))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let said = Arc::new(Mutex::new(String::new()));
        // From here on an error drops it, which ends the process.
        let mut running = Running {
            program: self.name(),
            child,
            stdout: None,
            said: Arc::clone(&said),
        };
        if let Some(stderr) = stderr {
            let thread = thread::Builder::new().name("csi-said".to_owned());
            thread
                .spawn(move || listen(stderr, &said))
                .map_err(failed)?;
        }
        let stdout = stdout.ok_or_else(|| failed(io::ErrorKind::BrokenPipe.into()))?;
        // Where the system allows less, frames come in more pieces.
        let _ = fcntl_setpipe_size(&stdout, PIPE);
        running.stdout = Some(stdout);
        Ok(running)
    }
}

/// The process. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Running {
    program: String,
    child: Child,
    stdout: Option<ChildStdout>,
    /// The line of its standard error that tells most.
    said: Arc<Mutex<String>>,
}

impl Running {
    /// Its stream.
    pub(super) fn stdout(&mut self) -> Option<&mut ChildStdout> {
        self.stdout.as_mut()
    }

    /// Why its stream ended.
    pub(super) fn end(&mut self) -> CameraError {
        let deadline = Instant::now() + LAST_WORDS;
        let mut status = None;
        while status.is_none() && Instant::now() < deadline {
            status = self.child.try_wait().ok().flatten();
            thread::sleep(Duration::from_millis(10));
        }
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        CameraError::ProgramEnded {
            program: self.program.clone(),
            end: ProgramEnd {
                status: status.and_then(|status| status.code()),
            },
            told: said.clone(),
        }
    }

    /// Ends it and waits for that: it has nothing to save, and the camera must
    /// be free for the next one.
    pub(super) fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Reads what the program says, keeps the line that tells most, and logs all.
fn listen(mut stderr: ChildStderr, said: &Mutex<String>) {
    let (mut line, mut piece) = (Vec::new(), [0; 1024]);
    while let Ok(len @ 1..) = stderr.read(&mut piece) {
        for byte in piece.get(..len).unwrap_or_default() {
            if *byte != b'\n' {
                if line.len() < MAX_LINE {
                    line.push(*byte);
                }
                continue;
            }
            let text = String::from_utf8_lossy(&line).trim().to_owned();
            line.clear();
            tracing::trace!("{text}");
            let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
            if !text.is_empty() && (!said.contains("ERROR") || text.contains("ERROR")) {
                *said = text;
            }
        }
    }
}

/// What `--help` says; `None` where it says nothing in time.
fn help_of(path: &Path) -> Option<String> {
    let mut child = Command::new(path)
        .arg("--help")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let stdout = child.stdout.take()?;
    let reading = thread::spawn(move || {
        let mut text = Vec::new();
        let _ = stdout.take(MAX_HELP).read_to_end(&mut text);
        text
    });
    let deadline = Instant::now() + HELP;
    while !reading.is_finished() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(5));
    }
    let _ = child.kill();
    let _ = child.wait();
    // A child of its own may hold the pipe: then it is not waited for.
    let text = reading.is_finished().then(|| reading.join().ok())??;
    Some(String::from_utf8_lossy(&text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(help: &str) -> Program {
        Program {
            path: "/usr/bin/rpicam-vid".into(),
            help: help.to_owned(),
        }
    }

    const SETTINGS: Settings = Settings {
        camera: 1,
        size: FrameSize::new(1280, 720),
        fps: 30,
        bitrate_bps: 1_500_000,
        controls: CameraControls {
            exposure: Some(Exposure::Time(Duration::from_millis(10))),
            focus: Some(Focus::At(25)),
            hflip: Some(true),
            vflip: Some(false),
            power_line: Some(PowerLine::Hz50),
            other: Vec::new(),
        },
    };

    #[test]
    fn the_command_line_is_for_low_delay() {
        let old = program("--inline --flush --hflip")
            .arguments(&SETTINGS)
            .join(" ");
        assert_eq!(
            old,
            "--camera 1 --timeout 0 --nopreview --width 1280 --height 720 --framerate 30 \
             --codec h264 --profile baseline --level 4 --bitrate 1500000 --intra 30 --inline \
             --flush --hflip --output -"
        );
        let new = program(
            "--low-latency\n  --shutter arg\n --autofocus-mode arg\n --lens-position arg\n \
             --hflip\n --flicker-period arg",
        );
        let new = new.arguments(&SETTINGS).join(" ");
        assert!(
            new.ends_with(
                "--flush --low-latency --shutter 10000 --autofocus-mode manual \
                 --lens-position 2.5 --hflip --flicker-period 10000us --output -"
            ),
            "{new}"
        );
        let fast = Settings {
            fps: 60,
            ..SETTINGS
        };
        assert!(
            program("")
                .arguments(&fast)
                .join(" ")
                .contains("--level 4.2")
        );
    }
}
