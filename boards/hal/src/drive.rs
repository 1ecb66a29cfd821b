//! What moves: motion as plain data, and the trait of what does it.

use alloc::string::String;

use crate::line::LineError;

/// How to move: each axis a speed, in 32767ths of full scale.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Motion {
    /// Forwards is positive.
    pub linear: i16,
    /// Counter-clockwise, seen from above, is positive.
    pub angular: i16,
    /// The camera turns to the left.
    pub pan: i16,
    /// The camera turns upwards.
    pub tilt: i16,
    /// For what the board has besides.
    pub custom: [i16; 4],
}

impl Motion {
    /// Standing still.
    pub const STILL: Self = Self {
        linear: 0,
        angular: 0,
        pan: 0,
        tilt: 0,
        custom: [0; 4],
    };
}

/// What two driven wheels do, in 32767ths of full scale; never -32768.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wheels {
    /// Forwards is positive.
    pub left: i16,
    /// Forwards is positive.
    pub right: i16,
}

impl Wheels {
    /// Both at rest.
    pub const STILL: Self = Self { left: 0, right: 0 };

    /// The wheels of a differential drive. Where a wheel would exceed full scale both are slowed alike, so
    /// that the curve stays the one that was asked for.
    pub fn mix(motion: Motion) -> Self {
        let (linear, angular) = (i32::from(motion.linear), i32::from(motion.angular));
        let (left, right) = (linear - angular, linear + angular);
        let full = i32::from(i16::MAX);
        let most = left.abs().max(right.abs()).max(full);
        let scaled = |wheel: i32| i16::try_from(wheel * full / most).unwrap_or(0);
        Self {
            left: scaled(left),
            right: scaled(right),
        }
    }
}

/// What a drive measures of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// Millimetres in the frame of the start, ahead.
    pub x_mm: i32,
    /// Millimetres in the frame of the start, to the left.
    pub y_mm: i32,
    /// Milliradians, counter-clockwise, within half a turn.
    pub heading_mrad: i16,
    /// Millivolts of the battery; zero where it is not known.
    pub battery_mv: u16,
    /// Millimetres to what is ahead; zero where it is not known.
    pub range_mm: u16,
    /// Where the camera points, in milliradians to the left.
    pub pan_mrad: i16,
    /// Where the camera points, in milliradians upwards.
    pub tilt_mrad: i16,
    /// Temperatures of the board's choice, in tenths of a degree Celsius.
    pub temperatures: [Option<i16>; 2],
    /// The user's own.
    pub user: [i32; 4],
}

/// What of a drive is switched and does not move: a bridge's horn, its light.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DriveSwitch {
    /// Which, as on the wire of `control`: 1 the lock, 2 the light, 3 the chime, 4 the horn, from 128 on the
    /// user's own.
    pub output: u8,
    /// Zero is off, one is on; what else it means is the output's affair.
    pub value: u16,
    /// For how many milliseconds; zero: as the drive has it.
    pub ms: u16,
}

/// What the safety kernel is about: for drives that have something to arm, or somebody to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriveState {
    /// Nobody has armed it.
    Disarmed,
    /// Motion may come.
    Armed,
    /// It was stopped: the word for the reason.
    Stopped(&'static str),
}

/// The output lines that make a thing move. Dropping it leaves them safe.
pub trait Drive {
    /// Moves so, from now on. [`Motion::STILL`] takes the power away and must do so even where an earlier
    /// call failed. After any error the lines are as safe as they can be made.
    fn set(&mut self, motion: Motion) -> Result<(), DriveError>;

    /// Switches what the board file has no line for. `false` where the drive has no such thing either.
    fn switch(&mut self, _switch: DriveSwitch) -> Result<bool, DriveError> {
        Ok(false)
    }

    /// What it measures, at `now_us` microseconds of a monotonic clock.
    fn measure(&mut self, now_us: u64) -> Measured;

    /// Tells of each new state, before the motion that goes with it. Unless it is [`DriveState::Armed`], the
    /// thing is to stand still already.
    fn set_state(&mut self, _state: DriveState) {}

    /// Whether it would obey now. Asked every turn: who drives a robot that is absent is to hear of it before
    /// it matters.
    fn check(&mut self) -> Result<(), DriveError> {
        Ok(())
    }

    /// When to call [`measure`](Self::measure) at the latest, in microseconds of its clock; `None` where it is
    /// all the same.
    fn poll_timeout(&self) -> Option<u64> {
        None
    }

    /// A line for the log.
    fn poll_note(&mut self) -> Option<String> {
        None
    }

    /// One that somebody should read.
    fn poll_warning(&mut self) -> Option<String> {
        None
    }

    /// The end, in order: it may wait for a fifth of a second until it knows that the thing stands. An error
    /// where it may not.
    fn end(&mut self) -> Result<(), DriveError> {
        self.set(Motion::STILL)
    }
}

/// Why a drive does not do what it is told. Each text is one line and names the mend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DriveError {
    /// The board is not the one that was configured.
    #[error("not a {board}: {told}; choose another `board` in [control] of transom-agent.toml")]
    NotThisBoard {
        /// The configured one.
        board: &'static str,
        /// What its driver says.
        told: String,
    },
    /// The lines may not be used.
    #[error(
        "{board}: {told}: add the user to the group `gpio`, and see that nothing else uses the pin"
    )]
    Denied {
        /// Which board.
        board: &'static str,
        /// What its driver says.
        told: String,
    },
    /// A line cannot be what it was configured for.
    #[error("{line}: {told}; see [control.pins] in transom-agent.toml")]
    Line {
        /// Which line.
        line: &'static str,
        /// What is wrong with it.
        told: String,
    },
    /// A line of a board file.
    #[error(transparent)]
    Wired(#[from] LineError),
    /// What drives by itself and is only told: somebody's program, or a vehicle with an autopilot.
    #[error("{robot}: {told}")]
    Robot {
        /// Which robot.
        robot: &'static str,
        /// What is wrong with it, and the mend.
        told: String,
    },
    /// A line failed while it was driven.
    #[error("{line} does not do what it is told ({told}): check the wiring and the driver")]
    Failed {
        /// Which line.
        line: &'static str,
        /// What its driver says.
        told: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mix(linear: i16, angular: i16) -> (i16, i16) {
        let wheels = Wheels::mix(Motion {
            linear,
            angular,
            ..Motion::STILL
        });
        (wheels.left, wheels.right)
    }

    #[test]
    fn wheels_follow_the_axes_and_keep_the_curve() {
        assert_eq!(mix(0, 0), (0, 0));
        assert_eq!(mix(1000, 0), (1000, 1000));
        assert_eq!(mix(-32767, 0), (-32767, -32767));
        // Counter-clockwise: the right wheel goes forwards.
        assert_eq!(mix(0, 1000), (-1000, 1000));
        assert_eq!(mix(32767, 32767), (0, 32767));
        assert_eq!(mix(32767, -16384), (32767, 10921));
        assert_eq!(mix(i16::MIN, i16::MIN), (0, -32767));
        for linear in (-32768..=32767).step_by(257) {
            for angular in (-32768..=32767).step_by(257) {
                let (left, right) = mix(linear as i16, angular as i16);
                assert!(left > i16::MIN && right > i16::MIN);
            }
        }
    }
}
