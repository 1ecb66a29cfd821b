use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, OwnedFd};

use libc::{SO_RCVBUF, SO_RCVBUFFORCE, SO_SNDBUF, SO_SNDBUFFORCE, SOL_SOCKET, c_int};

pub(super) fn set(fd: &OwnedFd, level: c_int, name: c_int, value: c_int) -> io::Result<()> {
    // SAFETY: the pointer and the length are those of `value`, read within the call.
    let result = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            INT_LEN,
        )
    };
    checked(result)
}

pub(super) fn get(fd: &OwnedFd, level: c_int, name: c_int) -> io::Result<c_int> {
    let mut value: c_int = 0;
    let mut len = INT_LEN;
    // SAFETY: the pointers are those of `value` and `len`, written within the
    // call, and `len` says how much `value` takes.
    let result = unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            level,
            name,
            (&raw mut value).cast(),
            &raw mut len,
        )
    };
    checked(result).map(|()| value)
}

/// Asks for a receive buffer of `wanted` bytes and returns what was granted.
pub(super) fn grow_recv_buffer(fd: &OwnedFd, wanted: usize) -> io::Result<usize> {
    grow(fd, SO_RCVBUFFORCE, SO_RCVBUF, wanted)
}

/// Asks for a send buffer of `wanted` bytes and returns what was granted.
pub(super) fn grow_send_buffer(fd: &OwnedFd, wanted: usize) -> io::Result<usize> {
    grow(fd, SO_SNDBUFFORCE, SO_SNDBUF, wanted)
}

/// Past the system's limit only the privileged get; others get the limit.
fn grow(fd: &OwnedFd, force: c_int, plain: c_int, wanted: usize) -> io::Result<usize> {
    // The kernel doubles the value in an int of its own.
    let wanted = c_int::try_from(wanted).map_or(c_int::MAX / 2, |w| w.min(c_int::MAX / 2));
    if set(fd, SOL_SOCKET, force, wanted).is_err() {
        set(fd, SOL_SOCKET, plain, wanted)?;
    }
    let doubled = get(fd, SOL_SOCKET, plain)?;
    Ok(usize::try_from(doubled).unwrap_or(0) / 2)
}

#[allow(clippy::cast_possible_truncation)] // 4
const INT_LEN: libc::socklen_t = size_of::<c_int>() as libc::socklen_t;

pub(super) fn checked(result: c_int) -> io::Result<()> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
