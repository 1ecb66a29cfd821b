//! What the process does when its board misbehaves.

use std::os::fd::OwnedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use rustix::time::{ClockId, clock_gettime};
use transom_boards_hal::{Drive, DriveError, Measured, Motion};
use transom_control::{Axes, Axis, Operator, OperatorConfig, Phase, State, StopReason};

use super::outputs::Switches;
use super::*;

#[derive(Clone, Copy, PartialEq)]
enum Mood {
    Obeys,
    Refuses,
    Panics,
}

/// A board that writes down what it is told, and has moods where it shall move.
#[derive(Clone)]
struct Moody(Arc<Mutex<(Mood, Vec<Motion>)>>);

impl Moody {
    fn new(mood: Mood) -> Self {
        Self(Arc::new(Mutex::new((mood, Vec::new()))))
    }

    fn told(&self) -> Vec<Motion> {
        self.lock().1.clone()
    }

    fn lock(&self) -> MutexGuard<'_, (Mood, Vec<Motion>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cheer_up(&self) {
        self.lock().0 = Mood::Obeys;
    }
}

impl Drive for Moody {
    fn set(&mut self, motion: Motion) -> Result<(), DriveError> {
        let mut held = self.lock();
        held.1.push(motion);
        match held.0 {
            Mood::Panics if motion != Motion::STILL => panic!("a moody board"),
            Mood::Refuses => Err(DriveError::Failed {
                line: "the left motor",
                told: "moody".to_owned(),
            }),
            Mood::Obeys | Mood::Panics => Ok(()),
        }
    }

    fn measure(&mut self, _now_us: u64) -> Measured {
        Measured::default()
    }
}

/// The agent's end, with an operator that drives ahead whenever it may.
struct Agent {
    socket: OwnedFd,
    operator: Operator,
    notes: Vec<String>,
}

impl Agent {
    /// Drives until `done`, for ten seconds at most; false where the actuator is gone.
    fn until(&mut self, mut done: impl FnMut(&mut Operator, u64) -> bool) -> bool {
        let deadline = Instant::now() + Duration::from_secs(10);
        let mut frame = [0; MAX_FRAME];
        loop {
            let now = micros();
            match recv(&self.socket, frame.as_mut_slice(), RecvFlags::DONTWAIT) {
                Ok((0, _)) | Err(Errno::CONNRESET) => return false,
                Ok((len, _)) => match FromActuator::parse(&frame[..len]).expect("a frame") {
                    FromActuator::Note(text) | FromActuator::Warning(text) => {
                        self.notes.push(text.to_owned());
                    }
                    FromActuator::Output(..) | FromActuator::Timing(_) => {}
                    FromActuator::Message(_, message) => {
                        self.operator
                            .handle_message(now, message)
                            .expect("a report");
                    }
                },
                Err(Errno::AGAIN) => thread::sleep(Duration::from_millis(1)),
                Err(error) => panic!("{error}"),
            }
            if done(&mut self.operator, now) {
                return true;
            }
            self.operator
                .drive(now, Axes::drive(Axis::FULL, Axis::ZERO));
            while let Some(out) = self.operator.poll_transmit(now) {
                let frame = ToActuator::Message(out.channel, clock(), &out.message).emit();
                if send(&self.socket, &frame, SendFlags::NOSIGNAL).is_err() {
                    return false;
                }
            }
            assert!(Instant::now() < deadline, "{:?}", self.notes);
        }
    }

    fn arm(&mut self) -> bool {
        self.until(|operator, now| operator.arm(now).is_ok())
    }
}

fn micros() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    u64::try_from(now.tv_sec * 1_000_000 + now.tv_nsec / 1000).expect("after the boot")
}

/// Runs the actuator over `board`, `act` at its other end; returns what the actuator ended with.
fn with(board: &Moody, act: impl FnOnce(&mut Agent)) -> Result<(), String> {
    let (socket, actuator) = pair().expect("sockets");
    let drive = board.clone();
    let serving = thread::spawn(move || {
        let socket = AgentSocket(actuator);
        let mut outputs = Outputs::new(Box::new(drive), Switches::default());
        serve(&socket, &mut outputs, KernelConfig::default()).map_err(|error| error.to_string())
    });
    let mut agent = Agent {
        socket,
        operator: Operator::new(OperatorConfig::default()),
        notes: Vec::new(),
    };
    act(&mut agent);
    drop(agent);
    serving.join().expect("no panic gets out")
}

#[test]
fn a_panic_ends_the_process_with_safe_lines() {
    let board = Moody::new(Mood::Panics);
    let ended = with(&board, |agent| {
        assert!(agent.arm());
        assert!(!agent.until(|_, _| false), "it ends");
    });
    assert_eq!(
        ended,
        Err("panicked: a moody board; the outputs are safe".to_owned())
    );
    let told = board.told();
    assert_ne!(told[0], Motion::STILL);
    assert_eq!(told[1..], [Motion::STILL]);
}

#[test]
fn a_board_that_refuses_stops_the_drive_until_it_obeys_and_is_armed_again() {
    let board = Moody::new(Mood::Refuses);
    let ended = with(&board, |agent| {
        assert!(agent.arm());
        let fault = Phase::Resting(State::Stopped(StopReason::Fault));
        assert!(agent.until(|operator, now| operator.status(now).phase == fault));
        board.cheer_up();
        let later = Instant::now() + Duration::from_millis(400);
        assert!(agent.until(|operator, now| {
            assert_eq!(operator.status(now).phase, fault);
            Instant::now() > later
        }));
        assert_eq!(board.told().last(), Some(&Motion::STILL));
        assert!(agent.arm());
        assert!(agent.until(|operator, now| operator.status(now).phase == Phase::Armed));
        let moves = |board: &Moody| board.told().last() != Some(&Motion::STILL);
        assert!(agent.until(|_, _| moves(&board)));
    });
    assert_eq!(ended, Ok(()));
    assert_eq!(board.told().last(), Some(&Motion::STILL));
}
