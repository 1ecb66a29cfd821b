//! The actuator's loop: the kernel between the socket and the board.

use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};
use transom_boards_hal::{DriveError, DriveState, Motion};
use transom_control::{
    Axes, Command, Epoch, Kernel, KernelConfig, Measurements, Order, Stamp, State, StopReason,
};

use super::frame::{FromActuator, MAX_FRAME, OutputKind, OutputState, ToActuator};
use super::outputs::{Outputs, Told};
use super::socket::{AgentSocket, Received};
use super::timing::Timing;

/// Messages taken before the outputs and the clock get their turn.
const BATCH: usize = 32;
/// Between two tries to make a board safe that did not obey, in microseconds.
const RETRY_US: u64 = 100_000;
/// Between two accounts of how the loop fares, in microseconds.
const TELL_TIMING_US: u64 = 1_000_000;

/// Why the loop ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// The agent closed the socket.
    EndOfFile,
    /// The same without a word, though it had spoken before: it died.
    AgentDied,
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
    /// What the board knows of the state.
    announced: State,
    dropped: u64,
    timing: Timing,
    timing_told: Stamp,
    /// When the first command was taken of those that the board has not had yet.
    taken: Option<Stamp>,
    /// The agent has spoken, and not said that it ends.
    is_spoken_to: bool,
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
            announced: State::Disarmed,
            dropped: 0,
            timing: Timing::default(),
            timing_told: now,
            taken: None,
            is_spoken_to: false,
        }
    }

    /// Runs until the agent is gone.
    pub(super) fn run(&mut self, outputs: &mut Outputs) -> Ended {
        loop {
            match self.take(outputs) {
                Ok(true) => {}
                Ok(false) => {
                    self.kernel.stop(clock(), StopReason::AgentDied);
                    self.apply(outputs, clock());
                    return match self.is_spoken_to {
                        true => Ended::AgentDied,
                        false => Ended::EndOfFile,
                    };
                }
                Err(error) => return Ended::Failed(error),
            }
            let now = clock();
            self.kernel.handle_timeout(now);
            // How far it came as it was told before.
            let measured = outputs.drive.measure(now.micros());
            self.kernel.set_measurements(Measurements {
                x_mm: measured.x_mm,
                y_mm: measured.y_mm,
                heading_mrad: measured.heading_mrad,
                battery_mv: measured.battery_mv,
                range_mm: measured.range_mm,
                pan_mrad: measured.pan_mrad,
                tilt_mrad: measured.tilt_mrad,
                temperatures: measured.temperatures,
                user: measured.user,
            });
            if self.told.is_some()
                && let Err(error) = outputs.drive.check()
            {
                self.on_fault(now, &error);
            }
            self.apply(outputs, now);
            if let Some(taken) = self.taken.take() {
                self.timing.applied.observe(clock().since(taken));
            }
            outputs.handle_timeout(now.micros());
            self.report(now);
            self.tell(outputs);
            if let Err(error) = self.wait(outputs, clock()) {
                return Ended::Failed(error);
            }
        }
    }

    /// Takes what came; `false` at the end of file.
    fn take(&mut self, outputs: &mut Outputs) -> Result<bool, Errno> {
        let mut frame = [0; MAX_FRAME];
        for _ in 0..BATCH {
            let len = match self.socket.receive(&mut frame)? {
                Received::Frame(len) => len,
                Received::Nothing => break,
                Received::EndOfFile => return Ok(false),
            };
            let now = clock();
            let told = frame.get(..len).and_then(ToActuator::parse);
            self.is_spoken_to = !matches!(told, Some(ToActuator::Stop(StopReason::Shutdown)));
            match told {
                // Why it was refused is in the counters, and in the answer where there is one.
                Some(ToActuator::Message(channel, came, message)) => {
                    let order = Command::parse(message).map(|command| command.order);
                    if let Ok(Order::Stop { .. } | Order::Emergency { .. }) = order {
                        // Even where the wheels stand already, and whoever says it.
                        outputs.make_safe(now.micros());
                    }
                    let _ = self.kernel.handle_held_message(now, came, channel, message);
                    if let Some(switch) = self.kernel.poll_switch() {
                        let result = outputs.switch(now.micros(), &switch);
                        self.kernel.switched(&switch, result);
                    }
                    self.taken.get_or_insert(now);
                }
                Some(ToActuator::Stop(reason)) => {
                    self.kernel.stop(now, reason);
                    outputs.make_safe(now.micros());
                }
                Some(ToActuator::Output(order)) => {
                    outputs.order(now.micros(), order);
                }
                None => self.socket.warn("the agent sent what is no frame"),
            }
        }
        Ok(true)
    }

    /// Brings the lines to what the kernel says.
    fn apply(&mut self, outputs: &mut Outputs, now: Stamp) {
        if let State::Stopped(_) | State::Emergency = self.kernel.state()
            && self.kernel.state() != self.shown
        {
            // Whatever stopped the wheels: nobody is to hold the door open either.
            outputs.make_safe(now.micros());
        }
        if self.kernel.state() != self.announced {
            self.announced = self.kernel.state();
            outputs.drive.set_state(drive_state(self.announced));
        }
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
        match outputs.drive.set(wanted) {
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
                State::Emergency => self.socket.note("emergency stop: reset it to arm again"),
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
        if now.since(self.timing_told) >= TELL_TIMING_US {
            self.timing_told = now;
            if self.socket.send(&FromActuator::Timing(self.timing)) {
                self.timing.told();
            }
        }
    }

    /// What became of single outputs.
    fn tell(&mut self, outputs: &mut Outputs) {
        while let Some(note) = outputs.drive.poll_note() {
            self.socket.note(&note);
        }
        while let Some(warning) = outputs.drive.poll_warning() {
            self.socket.warn(&warning);
        }
        while let Some(told) = outputs.poll_told() {
            let (kind, state) = match told {
                Told::State(kind, state) => {
                    self.socket.note(said(kind, state));
                    (kind, state)
                }
                Told::Trouble(kind, error) => {
                    self.socket.warn(&error);
                    (kind, OutputState::Absent)
                }
                Told::Drive(error) => {
                    self.socket.warn(&error);
                    continue;
                }
            };
            if !self.socket.send(&FromActuator::Output(kind, state)) {
                self.dropped = self.dropped.saturating_add(1);
            }
        }
    }

    /// Until something comes, or the kernel or an output wants the time.
    fn wait(&mut self, outputs: &Outputs, now: Stamp) -> Result<(), Errno> {
        let mut until = self.kernel.poll_timeout();
        if let Some(at) = outputs.poll_timeout() {
            until = until.min(Stamp::from_micros(at));
        }
        if let Some(at) = outputs.drive.poll_timeout() {
            until = until.min(Stamp::from_micros(at));
        }
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
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
        let woke = clock();
        if woke >= until {
            self.timing.woke_late.observe(woke.since(until));
        }
        Ok(())
    }
}

const fn said(kind: OutputKind, state: OutputState) -> &'static str {
    use OutputKind as K;
    use OutputState as S;
    match (kind, state) {
        (K::Lock, S::On) => "the lock is open",
        (K::Lock, S::Off) => "the lock is locked",
        (K::Lock, S::Absent) => "there is no lock: name one in the board file",
        (K::Light, S::On) => "the light is on",
        (K::Light, S::Off) => "the light is off",
        (K::Light, S::Absent) => "there is no light: name one in the board file",
        (K::Chime, S::On) => "the chime rings",
        (K::Chime, S::Off) => "the chime is silent",
        (K::Chime, S::Absent) => "there is no chime: name one in the board file",
        (K::Horn, S::On) => "the horn sounds",
        (K::Horn, S::Off) => "the horn is silent",
        (K::Horn, S::Absent) => "there is no horn: name one in the board file",
        (K::Watchdog, _) => "the watchdog",
    }
}

fn drive_state(state: State) -> DriveState {
    match state {
        State::Disarmed => DriveState::Disarmed,
        State::Armed => DriveState::Armed,
        State::Emergency => DriveState::Stopped("emergency"),
        State::Stopped(reason) => DriveState::Stopped(reason.name()),
    }
}

fn motion(axes: Axes) -> Motion {
    Motion {
        linear: axes.linear.raw(),
        angular: axes.angular.raw(),
        pan: axes.pan.raw(),
        tilt: axes.tilt.raw(),
        custom: axes.custom.map(|axis| axis.raw()),
    }
}

/// What [`clock`] said at a moment of the past. Should we be interrupted in here the moment comes out too early,
/// never too late.
pub(crate) fn stamp_of(at: Instant) -> Stamp {
    let now = clock();
    let ago = u64::try_from(at.elapsed().as_micros()).unwrap_or(u64::MAX);
    Stamp::from_micros(now.micros().saturating_sub(ago))
}

/// CLOCK_MONOTONIC: all of this machine have the same.
pub(crate) fn clock() -> Stamp {
    let now = clock_gettime(ClockId::Monotonic);
    let micros = now.tv_sec * 1_000_000 + now.tv_nsec / 1000;
    Stamp::from_micros(u64::try_from(micros).unwrap_or(0))
}
