//! A program that comes by itself, over a Unix socket.

use std::fs;
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::fs::Mode;
use rustix::net::sockopt::{set_socket_send_buffer_size, socket_peercred};
use rustix::process::{geteuid, umask};

use super::Seat;
use super::child::{come, whole};
use crate::wire::Wire;

/// Bytes that may wait, the kernel's bookkeeping included: some 30 lines.
const WAITING: usize = 16 * 1024;
/// Between two tries to get the path.
const RETRY_US: u64 = 1_000_000;
/// Who come at once and are looked at in one turn.
const GUESTS: usize = 4;
/// For those who come while another is there.
const BUSY: &[u8] = b"{\"type\":\"refused\",\"reason\":\"another program is connected\"}\n";
/// For those who may not.
const DENIED: &[u8] =
    b"{\"type\":\"refused\",\"reason\":\"your user may not: see uid in the board file\"}\n";

/// The seat of one program at a time that connects to a socket.
#[derive(Debug)]
pub struct SocketSeat {
    path: PathBuf,
    uid: Option<u32>,
    listener: Option<UnixListener>,
    retry_us: u64,
    taken: bool,
}

impl SocketSeat {
    /// At `path`, for programs of this process' user, of root, and of `uid` if there is one.
    pub fn new(path: PathBuf, uid: Option<u32>) -> Self {
        Self {
            path,
            uid,
            listener: None,
            retry_us: 0,
            taken: false,
        }
    }

    fn listener(&mut self, now_us: u64) -> Result<Option<&UnixListener>> {
        if self.listener.is_none() {
            if now_us < self.retry_us {
                return Ok(None);
            }
            self.retry_us = now_us + RETRY_US;
            self.listener = Some(listen(&self.path, self.uid.is_some())?);
        }
        Ok(self.listener.as_ref())
    }
}

impl Seat for SocketSeat {
    fn look(&mut self, now_us: u64, note: &mut dyn FnMut(String)) -> Result<Option<Box<dyn Wire>>> {
        let (uid, taken) = (self.uid, self.taken);
        let Some(listener) = self.listener(now_us)? else {
            return Ok(None);
        };
        for _ in 0..GUESTS {
            let mut guest = match listener.accept() {
                Ok((guest, _)) => guest,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            };
            guest.set_nonblocking(true)?;
            let who = socket_peercred(&guest)?;
            let their = who.uid.as_raw();
            let may = their == 0 || their == geteuid().as_raw() || Some(their) == uid;
            if !may {
                note(format!(
                    "a program of user {their} was refused: write its number into `uid` of [program] if it may drive"
                ));
                let _ = guest.write(DENIED);
            } else if taken {
                note("a second program was refused: one drives at a time".to_owned());
                let _ = guest.write(BUSY);
            } else {
                let _ = set_socket_send_buffer_size(&guest, WAITING);
                note(format!(
                    "a program has connected, process {}",
                    who.pid.as_raw_pid()
                ));
                self.taken = true;
                return Ok(Some(Box::new(SocketWire(guest))));
            }
        }
        Ok(None)
    }

    fn dismiss(&mut self, _now_us: u64) {
        self.taken = false;
    }

    fn name(&self) -> &'static str {
        "the program"
    }

    fn is_owed(&self) -> bool {
        false
    }
}

impl Drop for SocketSeat {
    fn drop(&mut self) {
        if self.listener.is_some() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Listens at `path`; what a killed process left there goes first.
fn listen(path: &Path, for_others: bool) -> Result<UnixListener> {
    // Nobody else may connect, from the first moment.
    let before = umask(Mode::RWXG | Mode::RWXO);
    let listener = match UnixListener::bind(path) {
        Err(error) if error.kind() == ErrorKind::AddrInUse && is_left_over(path)? => {
            fs::remove_file(path)?;
            UnixListener::bind(path)
        }
        bound => bound,
    };
    umask(before);
    let listener = listener?;
    listener.set_nonblocking(true)?;
    if for_others {
        // Whoever connects is asked who it is.
        fs::set_permissions(path, fs::Permissions::from_mode(0o666))?;
    }
    Ok(listener)
}

/// Whether it is a socket that nobody listens at.
fn is_left_over(path: &Path) -> Result<bool> {
    if !fs::symlink_metadata(path)?.file_type().is_socket() {
        return Err(Error::other(format!(
            "{} is there and no socket: name another path",
            path.display()
        )));
    }
    match UnixStream::connect(path) {
        Ok(_) => Ok(false),
        Err(error) => Ok(error.kind() == ErrorKind::ConnectionRefused),
    }
}

/// One guest.
#[derive(Debug)]
struct SocketWire(UnixStream);

impl Wire for SocketWire {
    fn send(&mut self, bytes: &[u8]) -> Result<()> {
        whole(self.0.write(bytes), bytes.len())
    }

    fn receive(&mut self, buffer: &mut [u8]) -> Result<usize> {
        come(self.0.read(buffer))
    }
}
