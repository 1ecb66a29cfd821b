//! One program of a kind at a time, whoever started it and however its guard ended.

use std::ffi::OsString;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;

use rustix::io::{FdFlags, fcntl_setfd};

/// A name of the kernel's that only one may have: held by who raised it and by all that are started from there,
/// until the last of them has ended. A file would outlive them, and want a folder that both may write to.
#[derive(Debug)]
pub(super) struct Fence {
    _socket: UnixDatagram,
}

impl Fence {
    /// What `command` in `folder` is called.
    pub(super) fn name(command: &[OsString], folder: &Path) -> String {
        let words = command.iter().map(OsString::as_os_str);
        let bytes = words
            .chain([folder.as_os_str()])
            .flat_map(|word| word.as_bytes().iter().copied().chain([0]));
        // FNV-1a: a name for what may be longer than a name.
        let hash = bytes.fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        format!("transom-program-{hash:016x}")
    }

    /// Whether somebody has the name.
    pub(super) fn stands(name: &str) -> bool {
        let address = SocketAddr::from_abstract_name(name);
        let raised = address.and_then(|address| UnixDatagram::bind_addr(&address));
        raised.is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse)
    }

    /// Takes the name.
    ///
    /// # Errors
    ///
    /// `AddrInUse` while somebody has it.
    pub(super) fn raise(name: &str) -> io::Result<Self> {
        let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(name)?)?;
        // What is started from here has it too.
        fcntl_setfd(&socket, FdFlags::empty())?;
        Ok(Self { _socket: socket })
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn it_stands_until_the_last_one_behind_it_ends() {
        let mine = std::process::id().to_string();
        let name = Fence::name(&["robot".into(), mine.into()], Path::new("/"));
        assert!(!Fence::stands(&name));
        let fence = Fence::raise(&name).expect("free");
        let second = Fence::raise(&name).expect_err("taken");
        assert_eq!(second.kind(), io::ErrorKind::AddrInUse);
        assert!(Fence::stands(&name));
        let mut program = Command::new("cat")
            .stdin(Stdio::piped())
            .spawn()
            .expect("started");
        // As if the guard had been killed.
        drop(fence);
        assert!(Fence::stands(&name), "the program is behind it still");
        program.kill().expect("killed");
        program.wait().expect("ended");
        // Another test of this process may be between its fork and its exec.
        let until = Instant::now() + Duration::from_secs(5);
        while Fence::stands(&name) {
            assert!(Instant::now() < until);
        }
    }

    #[test]
    fn other_words_and_other_folders_are_other_programs() {
        let name = |words: &[&str], folder: &str| {
            let words: Vec<OsString> = words.iter().map(OsString::from).collect();
            Fence::name(&words, Path::new(folder))
        };
        let first = name(&["robot", "left"], "/");
        assert_eq!(first, name(&["robot", "left"], "/"));
        for other in [
            name(&["robot", "right"], "/"),
            name(&["robotleft"], "/"),
            name(&["robot"], "left/"),
            name(&["robot", "left"], "/srv"),
        ] {
            assert_ne!(first, other);
        }
    }
}
