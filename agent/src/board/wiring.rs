//! What a board file says.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use transom_boards_hal::{Active, Pull};
use transom_boards_raspberry_pi::{DrivePins, PwmKind};

use super::line::Line;

/// A board and what is wired to it. Every table is optional: what is not named is not there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wiring {
    /// For people.
    #[serde(default)]
    pub name: String,
    /// Beginnings of `/proc/device-tree/model`: machines that the file is for.
    #[serde(default)]
    pub detect: Vec<String>,
    /// Who drives the output lines.
    #[serde(default)]
    pub outputs: Outputs,
    /// The GPIO chip of the button, and of the outputs where `outputs = "gpiochip"`: path, name or label.
    pub chip: Option<String>,
    /// With `outputs = "sim"`: where edges are written down.
    pub trace: Option<PathBuf>,
    /// Rings.
    pub button: Option<ButtonWiring>,
    /// Opens the door.
    pub lock: Option<LockWiring>,
    /// A light.
    pub light: Option<LightWiring>,
    /// A gong or buzzer that a line rings.
    pub chime: Option<ChimeWiring>,
    /// A horn.
    pub horn: Option<HornWiring>,
    /// Two motors.
    pub drive: Option<DriveWiring>,
    /// Two motors behind a microcontroller.
    pub serial_drive: Option<SerialDriveWiring>,
    /// A robot that a program of the owner's drives.
    pub program: Option<ProgramWiring>,
    /// A vehicle with ArduPilot.
    pub mavlink: Option<MavlinkWiring>,
    /// What points the camera.
    pub pan_tilt: Option<PanTiltWiring>,
    /// What tells the battery's voltage.
    pub battery: Option<BatteryWiring>,
    /// What starts a machine anew that hangs.
    pub watchdog: Option<WatchdogWiring>,
    /// The board's camera.
    pub camera: Option<CameraNames>,
    /// The board's sound.
    pub sound: Option<SoundNames>,
}

/// Who drives output lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outputs {
    /// rppal, on a Raspberry Pi.
    Rppal,
    /// The kernel's GPIO character device, on any board.
    #[default]
    Gpiochip,
    /// Nobody: edges are written down.
    Sim,
}

/// The level at which a line is on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ActiveLevel {
    /// High.
    #[default]
    High,
    /// Low.
    Low,
}

/// What the chip holds an input at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PullResistor {
    /// What is wired outside decides.
    #[default]
    None,
    /// The supply.
    Up,
    /// Ground.
    Down,
}

/// Who makes pulses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pwm {
    /// A thread.
    Software,
    /// The chip.
    Hardware,
    /// Nobody: half speed and more is on, less is off.
    None,
}

/// A button.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ButtonWiring {
    /// Its line; with `outputs = "sim"` the path of a named pipe that takes `1` and `0`.
    pub line: Line,
    /// The level while it is pressed.
    #[serde(default)]
    pub active: ActiveLevel,
    /// What holds it at the other.
    #[serde(default)]
    pub pull: PullResistor,
    /// How long its contacts must be the same.
    #[serde(default = "debounce_ms")]
    pub debounce_ms: u16,
}

/// A lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockWiring {
    /// Its relay's line.
    pub line: Line,
    /// The level at which the door can be opened.
    #[serde(default)]
    pub active: ActiveLevel,
    /// How long it is open at most, whoever asks.
    #[serde(default = "longest_ms")]
    pub longest_ms: u16,
}

/// A light.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LightWiring {
    /// Its line.
    pub line: Line,
    /// The level while it shines.
    #[serde(default)]
    pub active: ActiveLevel,
}

/// A chime.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChimeWiring {
    /// Its line.
    pub line: Line,
    /// The level while it rings.
    #[serde(default)]
    pub active: ActiveLevel,
    /// How long it rings.
    #[serde(default = "ring_ms")]
    pub ring_ms: u16,
}

/// A horn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HornWiring {
    /// Its line.
    pub line: Line,
    /// The level while it sounds.
    #[serde(default)]
    pub active: ActiveLevel,
    /// How long it sounds at most, whoever asks.
    #[serde(default = "horn_ms")]
    pub longest_ms: u16,
}

/// A differential drive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DriveWiring {
    /// Speed of the left motor.
    pub left_pwm: Line,
    /// Its direction; high is backwards.
    pub left_direction: Line,
    /// Speed of the right motor.
    pub right_pwm: Line,
    /// Its direction; high is backwards.
    pub right_direction: Line,
    /// High while it moves: give it a pull-down resistor.
    pub enable: Line,
    /// Who makes the pulses.
    pub pwm: Pwm,
    /// Pulses a second.
    #[serde(default = "pwm_hz")]
    pub pwm_hz: u32,
}

/// A drive behind a serial port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SerialDriveWiring {
    /// The port.
    pub device: PathBuf,
    /// Bits a second.
    #[serde(default = "baud")]
    pub baud: u32,
}

/// A program that drives: started, or connecting to a socket. docs/program.md has the protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProgramWiring {
    /// The program and its arguments; the protocol goes over its standard input and output.
    pub command: Option<Vec<String>>,
    /// In which folder it is started.
    pub folder: Option<PathBuf>,
    /// The path of the Unix socket that it connects to.
    pub socket: Option<PathBuf>,
    /// The user that may connect, besides root and the agent's own.
    pub uid: Option<u32>,
    /// How long it may take to answer a line.
    #[serde(default = "answer_ms")]
    pub answer_ms: u16,
}

/// A vehicle that speaks MAVLink 2, over a serial port or over UDP.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MavlinkWiring {
    /// The serial port.
    pub device: Option<PathBuf>,
    /// Its bits a second.
    #[serde(default = "mavlink_baud")]
    pub baud: u32,
    /// The address and UDP port to take here.
    pub listen: Option<SocketAddr>,
    /// The vehicle's; nobody else is heard.
    pub peer: Option<SocketAddr>,
    /// The vehicle's number: its parameter SYSID_THISMAV.
    #[serde(default = "vehicle_system")]
    pub system: u8,
    /// The number that we have: its parameter SYSID_MYGCS.
    #[serde(default = "station_system")]
    pub station: u8,
}

/// Two servos.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PanTiltWiring {
    /// To the left is positive.
    pub pan: ServoWiring,
    /// Up is positive.
    pub tilt: ServoWiring,
}

/// A servo.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServoWiring {
    /// Its line.
    pub line: Line,
    /// Its pulse at the negative end.
    #[serde(default = "min_us")]
    pub min_us: u16,
    /// At the positive one.
    #[serde(default = "max_us")]
    pub max_us: u16,
}

/// A battery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatteryWiring {
    /// A file of the kernel's.
    pub file: Option<PathBuf>,
    /// A chip.
    pub ina219: Option<Ina219Wiring>,
}

/// An INA219.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ina219Wiring {
    /// `/dev/i2c-N`.
    pub bus: u8,
    /// Its address.
    pub address: u8,
}

/// A watchdog.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WatchdogWiring {
    /// The device.
    pub device: PathBuf,
}

/// A camera's name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CameraNames {
    /// As `[video] source` has it.
    pub source: String,
}

/// Sound's names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SoundNames {
    /// As `[audio] source` has it.
    pub source: String,
}

fn debounce_ms() -> u16 {
    30
}

fn longest_ms() -> u16 {
    5000
}

fn horn_ms() -> u16 {
    2000
}

fn ring_ms() -> u16 {
    1000
}

fn pwm_hz() -> u32 {
    200
}

fn baud() -> u32 {
    115_200
}

fn answer_ms() -> u16 {
    300
}

fn mavlink_baud() -> u32 {
    57_600
}

fn vehicle_system() -> u8 {
    1
}

fn station_system() -> u8 {
    255
}

fn min_us() -> u16 {
    1000
}

fn max_us() -> u16 {
    2000
}

impl Wiring {
    /// Whether something moves.
    pub fn drives(&self) -> bool {
        self.drive.is_some()
            || self.serial_drive.is_some()
            || self.program.is_some()
            || self.mavlink.is_some()
    }

    /// Whether there is anything for the process that owns the outputs, and reads the battery.
    pub fn has_outputs(&self) -> bool {
        self.drives()
            || self.lock.is_some()
            || self.light.is_some()
            || self.chime.is_some()
            || self.horn.is_some()
            || self.pan_tilt.is_some()
            || self.watchdog.is_some()
            || self.battery.is_some()
    }

    /// Each line and what it is for.
    pub fn lines(&self) -> Vec<(&'static str, &Line)> {
        let mut lines = Vec::new();
        lines.extend(
            self.button
                .as_ref()
                .map(|wired| ("[button] line", &wired.line)),
        );
        lines.extend(self.lock.as_ref().map(|wired| ("[lock] line", &wired.line)));
        lines.extend(
            self.light
                .as_ref()
                .map(|wired| ("[light] line", &wired.line)),
        );
        lines.extend(
            self.chime
                .as_ref()
                .map(|wired| ("[chime] line", &wired.line)),
        );
        lines.extend(self.horn.as_ref().map(|wired| ("[horn] line", &wired.line)));
        if let Some(drive) = &self.drive {
            lines.extend([
                ("[drive] left_pwm", &drive.left_pwm),
                ("[drive] left_direction", &drive.left_direction),
                ("[drive] right_pwm", &drive.right_pwm),
                ("[drive] right_direction", &drive.right_direction),
                ("[drive] enable", &drive.enable),
            ]);
        }
        if let Some(both) = &self.pan_tilt {
            lines.push(("[pan_tilt] pan", &both.pan.line));
            lines.push(("[pan_tilt] tilt", &both.tilt.line));
        }
        lines
    }
}

impl DriveWiring {
    /// The lines as GPIO numbers of a header; `None` where one is not on it.
    pub fn pins(&self) -> Option<DrivePins> {
        Some(DrivePins {
            left_pwm: self.left_pwm.gpio()?,
            left_direction: self.left_direction.gpio()?,
            right_pwm: self.right_pwm.gpio()?,
            right_direction: self.right_direction.gpio()?,
            enable: self.enable.gpio()?,
            pwm: match self.pwm {
                Pwm::Hardware => PwmKind::Hardware,
                Pwm::Software | Pwm::None => PwmKind::Software,
            },
            pwm_hz: self.pwm_hz,
        })
    }
}

impl From<ActiveLevel> for Active {
    fn from(level: ActiveLevel) -> Self {
        match level {
            ActiveLevel::High => Self::High,
            ActiveLevel::Low => Self::Low,
        }
    }
}

impl From<PullResistor> for Pull {
    fn from(pull: PullResistor) -> Self {
        match pull {
            PullResistor::None => Self::None,
            PullResistor::Up => Self::Up,
            PullResistor::Down => Self::Down,
        }
    }
}

impl fmt::Display for Outputs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rppal => "rppal",
            Self::Gpiochip => "gpiochip",
            Self::Sim => "sim",
        })
    }
}

impl fmt::Display for BatteryWiring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.file, &self.ina219) {
            (Some(file), _) => write!(f, "{}", file.display()),
            (None, Some(chip)) => write!(f, "/dev/i2c-{} at {:#x}", chip.bus, chip.address),
            (None, None) => f.write_str("nothing"),
        }
    }
}

impl fmt::Display for MavlinkWiring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "system {}", self.system)?;
        if let Some(device) = &self.device {
            write!(f, " at {}, {} baud", device.display(), self.baud)?;
        }
        if let (Some(listen), Some(peer)) = (self.listen, self.peer) {
            write!(f, " at {peer}, from {listen}")?;
        }
        Ok(())
    }
}
