//! The machine's watchdog, `/dev/watchdog` (Documentation/watchdog/watchdog-api.rst of Linux).

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::Path;

use transom_boards_hal::{LineError, Watchdog};

const LINE: &str = "the watchdog";
/// The letter before a close that is no death.
const IN_ORDER: &[u8] = b"V";

/// An open watchdog: it runs from now on, with its driver's own time.
#[derive(Debug)]
pub struct KernelWatchdog(File);

impl KernelWatchdog {
    /// Opens and so starts it. Whoever dies with it open has the machine start anew.
    pub fn open(path: &Path) -> Result<Self, LineError> {
        let what = path.display().to_string();
        let opened = File::options().write(true).open(path);
        opened.map(Self).map_err(|error| match error.kind() {
            ErrorKind::NotFound => LineError::Absent { line: LINE, what },
            ErrorKind::PermissionDenied => LineError::Denied {
                line: LINE,
                what,
                group: "watchdog",
            },
            ErrorKind::ResourceBusy => LineError::Busy {
                line: LINE,
                what,
                by: "another program (systemd, if RuntimeWatchdogSec is set)".to_owned(),
            },
            _ => failed(&error),
        })
    }
}

impl Watchdog for KernelWatchdog {
    fn feed(&mut self) -> Result<(), LineError> {
        self.0.write_all(b"\0").map_err(|error| failed(&error))
    }

    fn disarm(&mut self) -> Result<(), LineError> {
        self.0.write_all(IN_ORDER).map_err(|error| failed(&error))
    }
}

fn failed(error: &std::io::Error) -> LineError {
    LineError::Failed {
        line: LINE,
        told: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_fed_and_ends_with_the_letter() {
        let path = std::env::temp_dir().join(format!("transom-watchdog-{}", std::process::id()));
        std::fs::write(&path, "").expect("a file");
        let mut watchdog = KernelWatchdog::open(&path).expect("it opens");
        watchdog.feed().expect("it eats");
        watchdog.disarm().expect("it ends");
        assert_eq!(std::fs::read(&path).expect("bytes"), b"\0V");
        std::fs::remove_file(&path).expect("its removal");
        let absent = KernelWatchdog::open(&path).expect_err("absent");
        assert!(absent.to_string().contains("is absent"), "{absent}");
    }
}
