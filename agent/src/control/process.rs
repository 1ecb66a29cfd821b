//! One actuator process and the socket to it.

use std::io::{self, ErrorKind};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::net::{Shutdown, shutdown};
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep};

use crate::actuator::{self, ActuatorConfig, MAX_FRAME};

/// How long the kernel may take to clean up after a killed process.
const AFTER_KILL: Duration = Duration::from_secs(1);

/// Runs until it is ended or dropped: the end of its socket is what ends it.
#[derive(Debug)]
pub(super) struct ActuatorProcess {
    child: Child,
    /// A socket of packets in sequence: one read is one message, one write as well. The type is that of
    /// streams for want of another that tokio waits on safely; nothing here treats it as one.
    socket: UnixStream,
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
            socket: UnixStream::from_std(StdUnixStream::from(agent))?,
        })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a frame without waiting; false where there is no room.
    pub(super) fn send(&self, frame: &[u8]) -> io::Result<bool> {
        match self.socket.try_write(frame) {
            Ok(_) => Ok(true),
            Err(error) if is_for_later(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Waits until there is room.
    pub(super) async fn writable(&self) -> io::Result<()> {
        self.socket.writable().await
    }

    /// The next frame's length; zero at the end of file.
    pub(super) async fn receive(&self, buffer: &mut [u8; MAX_FRAME]) -> io::Result<usize> {
        loop {
            self.socket.readable().await?;
            match self.socket.try_read(buffer) {
                Ok(len) => return Ok(len),
                Err(error) if is_for_later(&error) => {}
                // It died with messages of ours unread.
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(0),
                Err(error) => return Err(error),
            }
        }
    }

    /// Says no more, which makes it safe and ends it, and still listens.
    pub(super) fn finish(&self) {
        let _ = shutdown(&self.socket, Shutdown::Write);
    }

    /// Closes the socket, which makes it safe and ends it; kills it where it does not end within `limit`.
    pub(super) async fn end(mut self, limit: Duration) -> io::Result<ExitStatus> {
        // Both ends see it, whoever else might hold a copy.
        let _ = shutdown(&self.socket, Shutdown::Both);
        if let Some(status) = self.gone(limit).await? {
            return Ok(status);
        }
        self.child.kill()?;
        let gone = self.gone(AFTER_KILL).await?;
        gone.ok_or_else(|| io::Error::other("it is killed and does not go: a driver holds it"))
    }

    async fn gone(&mut self, within: Duration) -> io::Result<Option<ExitStatus>> {
        let deadline = Instant::now() + within;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Some(status));
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
            sleep(Duration::from_millis(5)).await;
        }
    }
}

fn is_for_later(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
