//! A button that is pressed by writing into a named pipe.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, open};
use rustix::time::{ClockId, clock_gettime};
use transom_boards_hal::{Button, ButtonEvent, Debounce, LineError};

const LINE: &str = "the button";

/// Contacts that are closed by a `1` and opened by a `0`; anything else in the pipe is nothing. They bounce
/// as whoever writes makes them.
#[derive(Debug)]
pub struct SimButton {
    pipe: File,
    closed: bool,
    debounce: Debounce,
}

impl SimButton {
    /// Opens the named pipe at `path`.
    pub fn open(path: &Path, period: Duration) -> Result<Self, LineError> {
        // For writing too: so it has no end of file, whoever comes and goes.
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let pipe = open(path, flags, Mode::empty()).map_err(|error| match error {
            rustix::io::Errno::NOENT => LineError::Absent {
                line: LINE,
                what: format!("the pipe {}", path.display()),
            },
            error => failed(error.to_string()),
        })?;
        Ok(Self {
            pipe: File::from(pipe),
            closed: false,
            debounce: Debounce::new(u64::try_from(period.as_micros()).unwrap_or(u64::MAX), false),
        })
    }

    /// Takes what is in the pipe.
    fn take(&mut self, now: u64) {
        let mut bytes = [0; 64];
        while let Ok(len @ 1..) = self.pipe.read(&mut bytes) {
            for byte in bytes.get(..len).unwrap_or_default() {
                match byte {
                    b'0' => self.closed = false,
                    b'1' => self.closed = true,
                    _ => continue,
                }
                self.debounce.handle_edge(now);
            }
        }
    }
}

impl Button for SimButton {
    fn wait(&mut self, timeout: Duration) -> Result<Option<ButtonEvent>, LineError> {
        let deadline = micros() + u64::try_from(timeout.as_micros()).unwrap_or(0);
        loop {
            let now = micros();
            self.take(now);
            let event = self.debounce.handle_level(now, self.closed);
            if event.is_some() || now >= deadline {
                return Ok(event);
            }
            let until = self
                .debounce
                .poll_timeout()
                .unwrap_or(deadline)
                .min(deadline);
            let left = until.saturating_sub(now);
            let left = Timespec {
                tv_sec: i64::try_from(left / 1_000_000).unwrap_or(1),
                tv_nsec: i64::try_from(left % 1_000_000 * 1000).unwrap_or(0),
            };
            let mut fds = [PollFd::new(&self.pipe, PollFlags::IN)];
            match poll(&mut fds, Some(&left)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(failed(error.to_string())),
            }
        }
    }
}

fn failed(told: String) -> LineError {
    LineError::Failed { line: LINE, told }
}

/// CLOCK_MONOTONIC.
fn micros() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    u64::try_from(now.tv_sec * 1_000_000 + now.tv_nsec / 1000).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use rustix::fs::{CWD, FileType, mknodat};

    use super::*;

    #[test]
    fn what_is_written_presses_it_once_it_has_settled() {
        let path = std::env::temp_dir().join(format!("transom-button-{}", std::process::id()));
        assert!(SimButton::open(&path, Duration::ZERO).is_err());
        mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).expect("a pipe");
        let mut button = SimButton::open(&path, Duration::from_millis(30)).expect("a pipe");
        let mut finger = File::options().write(true).open(&path).expect("a writer");
        let soon = Duration::from_millis(200);
        assert_eq!(button.wait(Duration::from_millis(20)), Ok(None));
        finger.write_all(b"1 0 1\n").expect("room");
        let begun = micros();
        assert_eq!(button.wait(soon), Ok(Some(ButtonEvent::Pressed)));
        assert!(micros() - begun >= 30_000);
        assert_eq!(button.wait(Duration::from_millis(50)), Ok(None));
        finger.write_all(b"0").expect("room");
        assert_eq!(button.wait(soon), Ok(Some(ButtonEvent::Released)));
        finger.write_all(b"10").expect("room");
        assert_eq!(button.wait(soon), Ok(None));
        std::fs::remove_file(&path).expect("its removal");
    }
}
