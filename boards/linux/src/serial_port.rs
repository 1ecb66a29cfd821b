//! A serial port as the kernel has it.

use std::fs::File;
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::Path;

use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
use rustix::io::Errno;
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use transom_boards_hal::{LineError, SerialPort};

const LINE: &str = "the drive's port";

/// An open port: raw bytes, eight bits, no parity, no flow control. Locked (`flock`), so that no other agent
/// has it meanwhile, nor any program that asks: two that speak into one line drive one robot.
#[derive(Debug)]
pub struct TtyPort(File);

impl TtyPort {
    /// Opens and sets up the port at `path`.
    pub fn open(path: &Path, baud: u32) -> Result<Self, LineError> {
        let what = || path.display().to_string();
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let port = open(path, flags, Mode::empty()).map_err(|error| match error {
            Errno::NOENT | Errno::NXIO | Errno::NODEV => LineError::Absent {
                line: LINE,
                what: what(),
            },
            Errno::ACCESS | Errno::PERM => LineError::Denied {
                line: LINE,
                what: what(),
                group: "dialout",
            },
            Errno::BUSY => busy(path),
            error => failed(path, &error),
        })?;
        // It ends with this process, however that ends. TIOCEXCL is the port's: as long as anybody else has it
        // open it would keep the next actuator out.
        flock(&port, FlockOperation::NonBlockingLockExclusive).map_err(|error| match error {
            Errno::WOULDBLOCK => busy(path),
            error => failed(path, &error),
        })?;
        let mut attributes = tcgetattr(&port).map_err(|error| failed(path, &error))?;
        attributes.make_raw();
        attributes
            .set_speed(baud)
            .map_err(|error| failed(path, &error))?;
        tcsetattr(&port, OptionalActions::Flush, &attributes)
            .map_err(|error| failed(path, &error))?;
        Ok(Self(File::from(port)))
    }
}

impl TtyPort {
    /// What came: so many bytes of `buffer`, zero where nothing did. A port that is gone is an error.
    pub fn receive(&mut self, buffer: &mut [u8]) -> Result<usize, LineError> {
        let told = match self.0.read(buffer) {
            // A terminal that was hung up reads so.
            Ok(0) => "it is gone".to_owned(),
            Ok(len) => return Ok(len),
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) =>
            {
                return Ok(0);
            }
            Err(error) => error.to_string(),
        };
        Err(LineError::Failed { line: LINE, told })
    }
}

impl SerialPort for TtyPort {
    fn send(&mut self, bytes: &[u8]) -> Result<(), LineError> {
        let told = match self.0.write(bytes) {
            Ok(len) if len == bytes.len() => return Ok(()),
            Ok(_) => "it takes only a part of what is sent".to_owned(),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                "it takes nothing any more".to_owned()
            }
            Err(error) => error.to_string(),
        };
        Err(LineError::Failed { line: LINE, told })
    }
}

fn busy(path: &Path) -> LineError {
    LineError::Busy {
        line: LINE,
        what: path.display().to_string(),
        by: "another program (`fuser` tells which)".to_owned(),
    }
}

fn failed(path: &Path, error: &Errno) -> LineError {
    LineError::Failed {
        line: LINE,
        told: format!("{}: {error}", path.display()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::fd::OwnedFd;
    use std::os::unix::ffi::OsStringExt;
    use std::path::PathBuf;

    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    use transom_boards_hal::{Drive, Motion, SerialDrive};

    use super::*;

    fn line() -> (OwnedFd, PathBuf) {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&master).expect("its owner");
        unlockpt(&master).expect("its other end");
        let name = ptsname(&master, Vec::new()).expect("its name").into_bytes();
        let path = PathBuf::from(std::ffi::OsString::from_vec(name));
        (master, path)
    }

    #[test]
    fn one_has_it_at_a_time() {
        let (_master, path) = line();
        let first = TtyPort::open(&path, 9600).expect("a port");
        let error = TtyPort::open(&path, 9600).expect_err("it is taken");
        assert!(error.to_string().contains("another program"), "{error}");
        drop(first);
        TtyPort::open(&path, 9600).expect("it is free again");
    }

    #[test]
    fn what_is_sent_comes_out_unaltered_and_a_full_port_is_told_at_once() {
        let (master, path) = line();
        let port = TtyPort::open(&path, 115_200).expect("a port");
        let mut drive = SerialDrive::new(port).expect("it takes a line");
        let ahead = Motion {
            linear: 100,
            ..Motion::STILL
        };
        drive.set(ahead).expect("it takes a line");
        let mut came = [0; 64];
        let len = File::from(master.try_clone().expect("a copy"))
            .read(&mut came)
            .expect("lines");
        let came = String::from_utf8_lossy(&came[..len]).into_owned();
        assert!("M 0 0*4D\nM 100 100*4D\n".starts_with(&came), "{came}");
        let refused = (0..100_000).find_map(|_| drive.set(ahead).err());
        let text = refused.expect("nobody reads").to_string();
        assert!(text.contains("the drive's port"), "{text}");
    }

    #[test]
    fn a_port_that_is_absent_is_told() {
        let error = TtyPort::open(Path::new("/dev/ttyNONE"), 9600).expect_err("absent");
        assert!(
            error.to_string().contains("/dev/ttyNONE is absent"),
            "{error}"
        );
    }
}
