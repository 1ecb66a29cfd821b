//! The vehicle as a drive.

use std::collections::VecDeque;
use std::fmt::{self, Debug};
use std::io::Result;
use std::time::Duration;

use transom_boards_hal::{Drive, DriveError, DriveState, Measured, Motion};

use super::frames::Frames;
use super::vehicle::{Heard, Vehicle, VehicleConfig};
use crate::clock::wait_for;
use crate::wire::Wire;

/// Bytes that are read at a time, and how often a turn: a serial port at 921,600 baud brings 2 KB in 20 ms.
const CHUNK: usize = 512;
const CHUNKS: usize = 16;
/// What may be said in a turn: sticks, a command, a heartbeat, streams.
const SAID: usize = 8;
/// Between two turns at most.
const TURN_US: u64 = 20_000;
/// Between two tries to open the port.
const RETRY_US: u64 = 500_000;
/// Notes that wait; more are dropped.
const NOTES: usize = 8;
/// What the acknowledgement of the last disarm may take, of a vehicle that is there, and of one that is not
/// known yet.
const LAST_ANSWER: Duration = Duration::from_millis(200);
const LAST_START: Duration = Duration::from_millis(400);

/// Opens the way to the vehicle.
pub type Opener = Box<dyn FnMut() -> Result<Box<dyn Wire>>>;

/// A vehicle with ArduPilot. While its heartbeat is not heard nothing is armed.
pub struct MavlinkDrive {
    open: Opener,
    wire: Option<Box<dyn Wire>>,
    retry_us: u64,
    frames: Frames,
    vehicle: Vehicle,
    now_us: u64,
    /// Why there is no wire.
    trouble: Option<String>,
    notes: VecDeque<String>,
}

impl MavlinkDrive {
    /// The vehicle behind what `open` opens, now or later. It is disarmed first of all.
    pub fn new(open: Opener, config: VehicleConfig) -> Self {
        let mut drive = Self {
            open,
            wire: None,
            retry_us: 0,
            frames: Frames::default(),
            vehicle: Vehicle::new(config),
            now_us: 0,
            trouble: None,
            notes: VecDeque::new(),
        };
        drive.turn(crate::clock::monotonic_us());
        drive
    }

    fn turn(&mut self, now_us: u64) {
        self.now_us = now_us;
        if self.wire.is_none() && now_us >= self.retry_us {
            self.retry_us = now_us + RETRY_US;
            match (self.open)() {
                Ok(wire) => {
                    self.frames.clear();
                    self.trouble = None;
                    self.wire = Some(wire);
                }
                Err(error) => self.trouble = Some(error.to_string()),
            }
        }
        self.hear();
        self.vehicle.handle_timeout(now_us);
        self.say();
    }

    fn hear(&mut self) {
        let mut chunk = [0; CHUNK];
        for _ in 0..CHUNKS {
            let Some(wire) = &mut self.wire else {
                return;
            };
            let len = match wire.receive(&mut chunk) {
                Ok(0) => return,
                Ok(len) => len,
                Err(error) => {
                    self.lose(error.to_string());
                    return;
                }
            };
            let (vehicle, notes, now_us) = (&mut self.vehicle, &mut self.notes, self.now_us);
            self.frames
                .push(chunk.get(..len).unwrap_or_default(), |frame| {
                    if let Some(heard) = vehicle.handle_frame(now_us, frame)
                        && notes.len() < NOTES
                    {
                        notes.push_back(told(&heard));
                    }
                });
        }
    }

    fn say(&mut self) {
        for _ in 0..SAID {
            let Some(wire) = &mut self.wire else {
                return;
            };
            let Some(said) = self.vehicle.poll_transmit(self.now_us) else {
                return;
            };
            if let Err(error) = wire.send(said.bytes()) {
                self.lose(error.to_string());
                return;
            }
        }
    }

    fn lose(&mut self, trouble: String) {
        self.wire = None;
        self.trouble = Some(trouble);
    }

    fn fitness(&self) -> std::result::Result<(), DriveError> {
        let told = match &self.trouble {
            Some(trouble) => trouble.clone(),
            None => match self.vehicle.fitness(self.now_us) {
                Ok(()) => return Ok(()),
                Err(told) => told,
            },
        };
        let robot = "the vehicle";
        Err(DriveError::Robot { robot, told })
    }
}

fn told(heard: &Heard) -> String {
    match heard {
        Heard::Present(kind) => format!("the vehicle is there: a {}", kind.name()),
        Heard::Armed(true) => "the vehicle is armed".to_owned(),
        Heard::Armed(false) => "the vehicle is disarmed".to_owned(),
        Heard::Left => "the vehicle refuses to be disarmed, and was not armed from here: it is left to its pilot".to_owned(),
        Heard::Text(text) => format!("the vehicle says: {text}"),
    }
}

impl Drive for MavlinkDrive {
    fn set(&mut self, motion: Motion) -> std::result::Result<(), DriveError> {
        self.vehicle.set_motion(motion);
        self.say();
        self.fitness()
    }

    fn measure(&mut self, now_us: u64) -> Measured {
        self.turn(now_us);
        self.vehicle.measured()
    }

    fn set_state(&mut self, state: DriveState) {
        self.vehicle.set_state(state);
        self.say();
    }

    fn check(&mut self) -> std::result::Result<(), DriveError> {
        self.fitness()
    }

    fn poll_timeout(&self) -> Option<u64> {
        Some(self.now_us + TURN_US)
    }

    fn poll_note(&mut self) -> Option<String> {
        self.notes.pop_front()
    }

    fn end(&mut self) -> std::result::Result<(), DriveError> {
        let _ = self.set(Motion::STILL);
        if self.vehicle.is_absent(self.now_us) {
            return Ok(());
        }
        let limit = match self.fitness() {
            Ok(()) => LAST_ANSWER,
            Err(_) => LAST_START,
        };
        let stands = wait_for(limit, |now| {
            self.turn(now);
            self.vehicle.is_known_to_stand()
        });
        match stands {
            true => Ok(()),
            false => {
                self.fitness()?;
                Err(DriveError::Robot {
                    robot: "the vehicle",
                    told: "it has not acknowledged that it is disarmed: one that flies hovers until its own failsafe; land it by the mode switch of its remote control".to_owned(),
                })
            }
        }
    }
}

impl Debug for MavlinkDrive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MavlinkDrive")
            .field("vehicle", &self.vehicle)
            .finish_non_exhaustive()
    }
}
