//! A simulated differential-drive robot whose lines can be watched from outside.

#![forbid(unsafe_code)]

mod robot;
mod trace;

pub use robot::{RobotConfig, SimRobot};
pub use trace::Trace;
