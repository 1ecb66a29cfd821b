//! A simulated board: a differential-drive robot and single lines that can be watched from outside, and a
//! button that can be pressed from there.

#![forbid(unsafe_code)]

mod button;
mod line;
mod robot;
mod trace;

pub use button::SimButton;
pub use line::SimLine;
pub use robot::{RobotConfig, SimRobot};
pub use trace::Trace;
