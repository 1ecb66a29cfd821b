//! The socket between the agent and its actuator: whole messages in order, and an end of file.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socketpair, sockopt,
};

use super::frame::{FromActuator, MAX_FRAME};

/// Bytes that may wait in one direction, bookkeeping included: some 30 messages. More would be stale.
const WAITING: usize = 16 * 1024;

/// Both ends; neither is inherited by chance.
///
/// Packets in sequence, since of Unix sockets a datagram one has no end of file and a stream no messages.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let (agent, actuator) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    for end in [&agent, &actuator] {
        sockopt::set_socket_send_buffer_size(end, WAITING)?;
    }
    Ok((agent, actuator))
}

/// The actuator's end, which it got as its standard input.
#[derive(Debug)]
pub(super) struct AgentSocket(pub(super) OwnedFd);

/// What came.
#[derive(Debug)]
pub(super) enum Received {
    /// So many bytes.
    Frame(usize),
    /// Nothing more for now.
    Nothing,
    /// The agent is gone.
    EndOfFile,
}

impl AgentSocket {
    /// The standard input, if it is such a socket.
    pub(super) fn from_stdin() -> io::Result<Self> {
        let stdin = io::stdin();
        match sockopt::socket_type(stdin.as_fd()) {
            Ok(SocketType::SEQPACKET) => Ok(Self(stdin.as_fd().try_clone_to_owned()?)),
            Ok(_) | Err(_) => Err(io::Error::other(
                "it is started by transom-agent itself, with a socket as its standard input: write `board` into [control] of transom-agent.toml",
            )),
        }
    }

    pub(super) fn receive(&self, buffer: &mut [u8; MAX_FRAME]) -> Result<Received, Errno> {
        match recv(&self.0, buffer.as_mut_slice(), RecvFlags::DONTWAIT) {
            Ok((0, _)) => Ok(Received::EndOfFile),
            Ok((len, _)) => Ok(Received::Frame(len.min(MAX_FRAME))),
            Err(Errno::AGAIN) => Ok(Received::Nothing),
            // It died with messages of ours unread.
            Err(Errno::CONNRESET) => Ok(Received::EndOfFile),
            Err(Errno::INTR) => Ok(Received::Nothing),
            Err(error) => Err(error),
        }
    }

    /// Sends without waiting; what finds no room is dropped, which is told by `false`.
    pub(super) fn send(&self, frame: &FromActuator<'_>) -> bool {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        send(&self.0, &frame.emit(), flags).is_ok()
    }

    /// A line for the agent's log.
    pub(super) fn note(&self, text: &str) {
        self.send(&FromActuator::Note(text));
    }

    /// One that somebody should read.
    pub(super) fn warn(&self, text: &str) {
        self.send(&FromActuator::Warning(text));
    }
}

impl AsFd for AgentSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
