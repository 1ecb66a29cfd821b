//! The actuator's loop: the kernel between the socket and the board.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};
use transom_boards_hal::{Drive, DriveError, Motion};
use transom_control::{Axes, Epoch, Kernel, KernelConfig, Measurements, Stamp, State, StopReason};

use super::frame::{FromActuator, MAX_FRAME, ToActuator};
use super::socket::{AgentSocket, Received};

/// Messages taken before the outputs and the clock get their turn.
const BATCH: usize = 32;
/// Between two tries to make a board safe that did not obey, in microseconds.
const RETRY_US: u64 = 100_000;

/// Why the loop ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// The agent closed the socket, or died.
    EndOfFile,
    /// The socket cannot be used.
    Failed(Errno),
}

/// One run.
pub(super) struct Service<'a> {
    socket: &'a AgentSocket,
    kernel: Kernel,
    /// What the board was told last; `None` if it did not obey.
    told: Option<Motion>,
    retry_at: Stamp,
    shown: State,
    dropped: u64,
}

impl<'a> Service<'a> {
    /// A disarmed one.
    pub(super) fn new(socket: &'a AgentSocket, config: KernelConfig) -> Self {
        let now = clock();
        // Rises with the clock by 15 a second, more than anybody arms: no epoch of a former process of
        // this boot comes again.
        let first = Epoch(u32::try_from(now.micros() >> 16).unwrap_or(0));
        Self {
            socket,
            kernel: Kernel::new(config, now, first),
            told: Some(Motion::STILL),
            retry_at: now,
            shown: State::Disarmed,
            dropped: 0,
        }
    }

    /// Runs until the agent is gone.
    pub(super) fn run(&mut self, drive: &mut dyn Drive) -> Ended {
        loop {
            match self.take() {
                Ok(true) => {}
                Ok(false) => {
                    self.kernel.stop(clock(), StopReason::AgentDied);
                    self.apply(drive, clock());
                    return Ended::EndOfFile;
                }
                Err(error) => return Ended::Failed(error),
            }
            let now = clock();
            self.kernel.handle_timeout(now);
            // How far it came as it was told before.
            let measured = drive.measure(now.micros());
            self.kernel.set_measurements(Measurements {
                x_mm: measured.x_mm,
                y_mm: measured.y_mm,
                heading_mrad: measured.heading_mrad,
                battery_mv: measured.battery_mv,
            });
            self.apply(drive, now);
            self.report(now);
            if let Err(error) = self.wait(clock()) {
                return Ended::Failed(error);
            }
        }
    }

    /// Takes what came; `false` at the end of file.
    fn take(&mut self) -> Result<bool, Errno> {
        let mut frame = [0; MAX_FRAME];
        for _ in 0..BATCH {
            let len = match self.socket.receive(&mut frame)? {
                Received::Frame(len) => len,
                Received::Nothing => break,
                Received::EndOfFile => return Ok(false),
            };
            let now = clock();
            match frame.get(..len).and_then(ToActuator::parse) {
                // Why it was refused is in the counters, and in the answer where there is one.
                Some(ToActuator::Message(channel, came, message)) => {
                    let _ = self.kernel.handle_held_message(now, came, channel, message);
                }
                Some(ToActuator::Stop(reason)) => self.kernel.stop(now, reason),
                None => self.socket.warn("the agent sent what is no frame"),
            }
        }
        Ok(true)
    }

    /// Brings the lines to what the kernel says.
    fn apply(&mut self, drive: &mut dyn Drive, now: Stamp) {
        if self.told.is_none() && now < self.retry_at {
            return;
        }
        let wanted = match self.told {
            Some(_) => motion(self.kernel.output(now)),
            None => Motion::STILL,
        };
        if self.told == Some(wanted) {
            return;
        }
        match drive.set(wanted) {
            Ok(()) => {
                if self.told.is_none() {
                    self.kernel.mend();
                    self.socket
                        .note("the board obeys again; it wants to be armed");
                }
                self.told = Some(wanted);
            }
            Err(error) => self.on_fault(now, &error),
        }
    }

    fn on_fault(&mut self, now: Stamp, error: &DriveError) {
        if self.told.is_some() {
            self.socket.warn(&error.to_string());
        }
        self.kernel.fail(now);
        self.told = None;
        self.retry_at = now.plus(RETRY_US);
    }

    fn report(&mut self, now: Stamp) {
        let state = self.kernel.state();
        if state != self.shown {
            self.shown = state;
            let epoch = self.kernel.epoch().0;
            match state {
                State::Disarmed => self.socket.note("disarmed"),
                State::Armed => self.socket.note(&format!("armed, epoch {epoch}")),
                State::Stopped(reason) => self.socket.note(&format!("stopped: {}", reason.name())),
            }
        }
        while let Some(out) = self.kernel.poll_transmit(now) {
            // An agent that does not read gets nothing for now: reports are of the moment.
            let frame = FromActuator::Message(out.channel, &out.message);
            if !self.socket.send(&frame) {
                self.dropped = self.dropped.saturating_add(1);
            }
        }
    }

    /// Until something comes, or the kernel wants the time.
    fn wait(&self, now: Stamp) -> Result<(), Errno> {
        let mut until = self.kernel.poll_timeout();
        if self.told.is_none() {
            until = until.min(self.retry_at);
        }
        let micros = until.since(now);
        let timeout = Timespec {
            tv_sec: i64::try_from(micros / 1_000_000).unwrap_or(1),
            tv_nsec: i64::try_from(micros % 1_000_000 * 1000).unwrap_or(0),
        };
        let mut fds = [PollFd::new(self.socket, PollFlags::IN)];
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn motion(axes: Axes) -> Motion {
    Motion {
        linear: axes.linear.raw(),
        angular: axes.angular.raw(),
        spare: axes.spare.map(|axis| axis.raw()),
    }
}

/// CLOCK_MONOTONIC: all of this machine have the same.
pub(crate) fn clock() -> Stamp {
    let now = clock_gettime(ClockId::Monotonic);
    let micros = now.tv_sec * 1_000_000 + now.tv_nsec / 1000;
    Stamp::from_micros(u64::try_from(micros).unwrap_or(0))
}
