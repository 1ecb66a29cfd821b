//! One actuator process and the socket to it.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown};
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, sleep};

use crate::actuator::{self, ActuatorConfig, MAX_FRAME};

/// Runs until it is ended or dropped: the end of its socket is what ends it.
#[derive(Debug)]
pub(super) struct ActuatorProcess {
    child: Child,
    socket: AsyncFd<OwnedFd>,
}

impl ActuatorProcess {
    pub(super) fn start(program: &Path, config: &ActuatorConfig) -> io::Result<Self> {
        let (agent, actuator) = actuator::pair()?;
        let child = Command::new(program)
            .arg0("transom-agent")
            .args(config.arguments())
            // It needs no secret and no other setting.
            .env_clear()
            .stdin(actuator)
            .stdout(Stdio::null())
            // Ctrl-C and Ctrl-Z are for the agent; stopped in mid-drive it could not stop the wheels.
            .process_group(0)
            .spawn()?;
        Ok(Self {
            child,
            socket: AsyncFd::register(agent)?,
        })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a frame without waiting; false where there is no room.
    pub(super) fn send(&self, frame: &[u8]) -> io::Result<bool> {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        match send(self.socket.get_ref(), frame, flags) {
            Ok(_) => Ok(true),
            Err(Errno::AGAIN | Errno::INTR | Errno::NOBUFS) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits until there is room.
    pub(super) async fn writable(&self) -> io::Result<()> {
        self.socket.writable().await?.clear_ready();
        Ok(())
    }

    /// The next frame's length; zero at the end of file.
    pub(super) async fn receive(&self, buffer: &mut [u8; MAX_FRAME]) -> io::Result<usize> {
        loop {
            let mut guard = self.socket.readable().await?;
            match recv(
                self.socket.get_ref(),
                buffer.as_mut_slice(),
                RecvFlags::DONTWAIT,
            ) {
                Ok((len, _)) => return Ok(len.min(MAX_FRAME)),
                Err(Errno::AGAIN) => guard.clear_ready(),
                Err(Errno::INTR) => {}
                Err(Errno::CONNRESET) => return Ok(0),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Closes the socket, which makes it safe and ends it; kills it where it does not end within `limit`.
    pub(super) async fn end(mut self, limit: Duration) -> io::Result<ExitStatus> {
        // Both ends see it, whoever else might hold a copy.
        let _ = shutdown(self.socket.get_ref(), Shutdown::Both);
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if Instant::now() >= deadline {
                self.child.kill()?;
                return self.child.wait();
            }
            sleep(Duration::from_millis(5)).await;
        }
    }
}
