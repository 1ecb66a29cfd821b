//! Vehicles with ArduPilot, by MAVLink 2. `docs/mavlink.md` tells what is said when, and why.

mod axes;
mod bridge;
mod frames;
mod listen;
mod pose;
mod said;
#[cfg(test)]
mod tests;
mod vehicle;

pub use axes::{Kind, Sticks};
pub use bridge::{MavlinkDrive, Opener};
pub use frames::{Frame, Frames};
pub use listen::listen;
pub use said::Said;
pub use vehicle::{Heard, Vehicle, VehicleConfig};
