//! The program as a drive.

use std::collections::VecDeque;
use std::fmt::{self, Debug};
use std::time::Duration;

use transom_boards_hal::{Drive, DriveError, DriveState, DriveSwitch, Measured, Motion};

use super::Seat;
use super::lines::LineBuffer;
use super::session::{REPEAT_US, Session, SessionConfig, Trouble};
use crate::clock::wait_for;
use crate::wire::Wire;

/// Bytes that are read at a time, and how often a turn.
const CHUNK: usize = 1024;
const CHUNKS: usize = 4;
/// Notes that wait; more are dropped.
const NOTES: usize = 8;
/// What an answer to the last stop may take.
const LAST_ANSWER: Duration = Duration::from_millis(200);
/// What one that a former actuator left may take to go; who asks asks again.
const LEFTOVER: Duration = Duration::from_millis(700);
/// What a program that was just started may take for it.
const LAST_START: Duration = Duration::from_millis(400);

/// A robot that a program drives. Programs come and go; while none is well, nothing is armed.
pub struct JsonDrive {
    seat: Box<dyn Seat>,
    config: SessionConfig,
    present: Option<Present>,
    state: DriveState,
    motion: Motion,
    now_us: u64,
    /// Why there is no program.
    trouble: String,
    /// One that was to move is gone, and none has stood since.
    uncertain: bool,
    /// There was one.
    met: bool,
    /// One was sent away since the last check: whoever is there now, what was armed was another.
    parted: Option<String>,
    notes: VecDeque<String>,
}

/// The program that is there.
struct Present {
    wire: Box<dyn Wire>,
    session: Session,
    lines: LineBuffer,
}

impl JsonDrive {
    /// Whoever sits in `seat` drives.
    pub fn new(seat: Box<dyn Seat>, config: SessionConfig) -> Self {
        Self {
            seat,
            config,
            present: None,
            state: DriveState::Disarmed,
            motion: Motion::STILL,
            now_us: 0,
            trouble: "it is not there yet".to_owned(),
            uncertain: false,
            met: false,
            parted: None,
            notes: VecDeque::new(),
        }
    }

    /// Takes what came, says what is due, and looks who is there.
    fn turn(&mut self, now_us: u64) {
        self.now_us = now_us;
        // Who come while another is there hear that they have to wait.
        self.look();
        if let Some(present) = &mut self.present {
            let notes = &mut self.notes;
            let outcome = present
                .take(|name| note(notes, format!("the program says hello: {name}")))
                .and_then(|()| {
                    present
                        .session
                        .handle_timeout(now_us)
                        .map_err(|trouble| trouble.to_string())
                });
            if present.session.is_known_to_stand() {
                self.uncertain = false;
            }
            if let Err(trouble) = outcome {
                self.part(trouble);
            }
        }
        self.say();
    }

    fn look(&mut self) {
        let notes = &mut self.notes;
        match self.seat.look(self.now_us, &mut |text| note(notes, text)) {
            Ok(Some(wire)) => {
                self.met = true;
                self.present = Some(Present {
                    wire,
                    session: Session::new(self.config, self.now_us, self.state),
                    lines: LineBuffer::default(),
                });
            }
            Ok(None) => {}
            Err(error) => {
                self.trouble = error.to_string();
            }
        }
    }

    fn say(&mut self) {
        let Some(Present { wire, session, .. }) = &mut self.present else {
            return;
        };
        while let Some(line) = session.poll_line(self.now_us) {
            if let Err(error) = wire.send(line.as_bytes()) {
                self.part(error.to_string());
                return;
            }
        }
    }

    /// Closes the wire, which is what tells a program to stop, and sends it away.
    fn part(&mut self, trouble: String) {
        if let Some(present) = self.present.take() {
            self.uncertain |= present.session.may_move();
        }
        self.seat.dismiss(self.now_us);
        note(
            &mut self.notes,
            format!("the program is sent away: {trouble}"),
        );
        self.parted = Some(trouble.clone());
        self.trouble = trouble;
    }

    fn fitness(&self) -> Result<(), DriveError> {
        let told = match &self.present {
            None => self.trouble.clone(),
            Some(present) => match present.session.fitness() {
                Ok(()) => return Ok(()),
                Err(told) => told,
            },
        };
        let robot = self.seat.name();
        Err(DriveError::Robot { robot, told })
    }

    fn is_known_to_stand(&self) -> bool {
        let present = self.present.as_ref();
        present.is_some_and(|present| present.session.is_known_to_stand())
    }
}

impl Present {
    fn take(&mut self, mut hello: impl FnMut(&str)) -> Result<(), String> {
        let mut chunk = [0; CHUNK];
        for _ in 0..CHUNKS {
            let len = self
                .wire
                .receive(&mut chunk)
                .map_err(|error| error.to_string())?;
            if len == 0 {
                break;
            }
            let mut outcome: Result<(), Trouble> = Ok(());
            let session = &mut self.session;
            let bytes = chunk.get(..len).unwrap_or_default();
            let whole = self.lines.push(bytes, |line| {
                outcome = session.handle_line(line).map(|name| {
                    if let Some(name) = name {
                        hello(name);
                    }
                });
                outcome.is_ok()
            });
            outcome.map_err(|trouble| trouble.to_string())?;
            whole.map_err(|error| Trouble::from(error).to_string())?;
        }
        Ok(())
    }
}

impl Drive for JsonDrive {
    fn set(&mut self, motion: Motion) -> Result<(), DriveError> {
        self.motion = motion;
        if let Some(present) = &mut self.present {
            present.session.set_motion(motion);
        }
        self.say();
        self.fitness()
    }

    fn measure(&mut self, now_us: u64) -> Measured {
        self.turn(now_us);
        let Some(present) = &self.present else {
            return Measured::default();
        };
        let telemetry = present.session.telemetry();
        let pose = telemetry.pose.unwrap_or_default();
        Measured {
            x_mm: pose.x_mm,
            y_mm: pose.y_mm,
            heading_mrad: within_half_a_turn(pose.heading_mrad),
            battery_mv: telemetry.battery_mv.unwrap_or(0),
            range_mm: telemetry.range_mm.unwrap_or(0),
            temperatures: telemetry.temperatures.map(|degrees| degrees.map(tenths)),
            user: telemetry.user.map(Option::unwrap_or_default),
            pan_mrad: pose.pan_mrad,
            tilt_mrad: pose.tilt_mrad,
        }
    }

    fn set_state(&mut self, state: DriveState) {
        self.state = state;
        if let Some(present) = &mut self.present {
            present.session.set_state(state);
        }
        self.say();
    }

    fn switch(&mut self, switch: DriveSwitch) -> Result<bool, DriveError> {
        // Of one that has not said hello it is not known what it has.
        self.fitness()?;
        let Some(present) = &mut self.present else {
            return Ok(false);
        };
        let taken = present.session.switch(switch);
        self.say();
        match self.present.is_some() {
            true => Ok(taken),
            // It took no more.
            false => self.fitness().map(|()| taken),
        }
    }

    fn check(&mut self) -> Result<(), DriveError> {
        match self.parted.take() {
            Some(told) => Err(DriveError::Robot {
                robot: self.seat.name(),
                told,
            }),
            None => self.fitness(),
        }
    }

    fn poll_timeout(&self) -> Option<u64> {
        let beat = self.now_us + REPEAT_US;
        let present = self.present.as_ref();
        let greeted = present.filter(|present| present.session.has_begun());
        // What it says is looked for as often; a beat at least, whoever is there.
        Some(greeted.map_or(beat, |present| {
            present.session.poll_timeout().clamp(self.now_us + 1, beat)
        }))
    }

    fn poll_note(&mut self) -> Option<String> {
        self.notes.pop_front()
    }

    fn end(&mut self) -> Result<(), DriveError> {
        if !self.met {
            // A former actuator's program has seen the end of its wire and is ended by its guard. To start another
            // only to tell it to stand would be two at one robot.
            return match wait_for(LEFTOVER, |_| !self.seat.has_leftover()) {
                true => Ok(()),
                false => Err(DriveError::Robot {
                    robot: self.seat.name(),
                    told: "a former actuator's still runs: end it, or cut the robot's power"
                        .to_owned(),
                }),
            };
        }
        let _ = self.set(Motion::STILL);
        let limit = match (&self.present, self.seat.is_owed()) {
            (Some(present), _) if present.session.fitness().is_ok() => LAST_ANSWER,
            (_, true) => LAST_START,
            // Whoever is not connected has seen the end of the wire, or never moved.
            (_, false) => Duration::ZERO,
        };
        let stands = wait_for(limit, |now| {
            self.turn(now);
            self.is_known_to_stand()
        });
        let nobody = self.present.is_none() && !self.seat.is_owed() && !self.uncertain;
        if stands || nobody {
            return Ok(());
        }
        self.fitness()?;
        Err(DriveError::Robot {
            robot: self.seat.name(),
            told: "it has not answered the last stop: cut its power".to_owned(),
        })
    }
}

impl Debug for JsonDrive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonDrive")
            .field(
                "session",
                &self.present.as_ref().map(|present| &present.session),
            )
            .finish_non_exhaustive()
    }
}

fn note(notes: &mut VecDeque<String>, text: String) {
    if notes.len() < NOTES {
        notes.push_back(text);
    }
}

/// Degrees into tenths of one.
#[allow(clippy::cast_possible_truncation, reason = "it saturates")]
fn tenths(degrees: f32) -> i16 {
    (degrees * 10.0).round() as i16
}

/// Milliradians, a whole turn taken off as often as it goes.
fn within_half_a_turn(mrad: i32) -> i16 {
    const TURN: f64 = std::f64::consts::TAU * 1000.0;
    let mrad = f64::from(mrad);
    let within = mrad - (mrad / TURN).round() * TURN;
    // Casts of floats saturate.
    #[allow(clippy::cast_possible_truncation, reason = "it saturates")]
    let within = within.round() as i16;
    within
}
