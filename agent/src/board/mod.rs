//! Boards as plain data: files that say which line is what, and which file is for this machine.

mod command;
mod detect;
mod library;
mod line;
mod mistakes;
mod wiring;
mod wish;

pub use command::{BoardCommand, BoardOptions, run};
pub use detect::machine_model;
pub use library::{BoardError, Selected, names, select};
pub use line::Line;
pub use mistakes::WiringError;
pub use wiring::{
    ActiveLevel, BatteryWiring, ButtonWiring, CameraNames, ChimeWiring, DriveWiring, HornWiring,
    Ina219Wiring, LightWiring, LockWiring, MavlinkWiring, Outputs, PanTiltWiring, ProgramWiring,
    PullResistor, Pwm, SerialDriveWiring, ServoWiring, SoundNames, WatchdogWiring, Wiring,
};
pub use wish::Wished;
