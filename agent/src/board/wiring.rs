//! What a board file says.

use std::fmt;
use std::ops::RangeInclusive;
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
    /// Two motors.
    pub drive: Option<DriveWiring>,
    /// Two motors behind a microcontroller.
    pub serial_drive: Option<SerialDriveWiring>,
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

fn ring_ms() -> u16 {
    1000
}

fn pwm_hz() -> u32 {
    200
}

fn baud() -> u32 {
    115_200
}

fn min_us() -> u16 {
    1000
}

fn max_us() -> u16 {
    2000
}

/// Why a board cannot be wired so. Each text is one line and names the mend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WiringError {
    /// Two things on one line.
    #[error("{first} and {second} are both on line {line}: give each its own")]
    Twice {
        /// The line.
        line: Line,
        /// One thing.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
    /// The header has no such line.
    #[error("{key} = {line}: not on a Raspberry Pi's header: choose 2 to 27")]
    NotOnTheHeader {
        /// What it is for.
        key: &'static str,
        /// Which it is.
        line: Line,
    },
    /// A number beyond reason.
    #[error("{key} = {value}: choose {least} to {most}")]
    Range {
        /// Which number.
        key: &'static str,
        /// What it is.
        value: u32,
        /// What it may be.
        least: u32,
        /// What it may be.
        most: u32,
    },
    /// The motors' lines do not go together.
    #[error("[drive] {0}")]
    Drive(String),
    /// Two that exclude each other, or neither.
    #[error("{0}")]
    Choice(&'static str),
}

impl Wiring {
    /// Everything that cannot be so.
    pub fn mistakes(&self) -> Vec<WiringError> {
        let mut mistakes = Vec::new();
        let lines = self.lines();
        for (at, (key, line)) in lines.iter().enumerate() {
            let others = lines.iter().take(at);
            let same = |other: &&(&'static str, &Line)| match (other.1.gpio(), line.gpio()) {
                (Some(a), Some(b)) if self.outputs == Outputs::Rppal => a == b,
                _ => other.1 == *line,
            };
            if let Some((first, _)) = others.into_iter().find(same) {
                mistakes.push(WiringError::Twice {
                    line: (*line).clone(),
                    first,
                    second: key,
                });
            }
            if self.outputs == Outputs::Rppal && line.gpio().is_none() {
                mistakes.push(WiringError::NotOnTheHeader {
                    key,
                    line: (*line).clone(),
                });
            }
        }
        self.check_numbers(&mut mistakes);
        self.check_choices(&mut mistakes);
        mistakes
    }

    /// Whether something moves.
    pub fn drives(&self) -> bool {
        self.drive.is_some() || self.serial_drive.is_some()
    }

    /// Whether there is anything for the process that owns the outputs.
    pub fn has_outputs(&self) -> bool {
        self.drives()
            || self.lock.is_some()
            || self.light.is_some()
            || self.chime.is_some()
            || self.pan_tilt.is_some()
            || self.watchdog.is_some()
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

    fn check_numbers(&self, mistakes: &mut Vec<WiringError>) {
        let mut within = |key, value: u32, bounds: RangeInclusive<u32>| {
            if !bounds.contains(&value) {
                mistakes.push(WiringError::Range {
                    key,
                    value,
                    least: *bounds.start(),
                    most: *bounds.end(),
                });
            }
        };
        if let Some(button) = &self.button {
            within("[button] debounce_ms", button.debounce_ms.into(), 1..=500);
        }
        if let Some(lock) = &self.lock {
            within("[lock] longest_ms", lock.longest_ms.into(), 100..=30_000);
        }
        if let Some(chime) = &self.chime {
            within("[chime] ring_ms", chime.ring_ms.into(), 50..=10_000);
        }
        if let Some(serial) = &self.serial_drive {
            within("[serial_drive] baud", serial.baud, 1200..=4_000_000);
        }
        if let Some(both) = &self.pan_tilt {
            for (key, us) in [
                ("[pan_tilt] pan.min_us", both.pan.min_us),
                ("[pan_tilt] pan.max_us", both.pan.max_us),
                ("[pan_tilt] tilt.min_us", both.tilt.min_us),
                ("[pan_tilt] tilt.max_us", both.tilt.max_us),
            ] {
                within(key, us.into(), 300..=2700);
            }
        }
        if let Some(chip) = self.battery.as_ref().and_then(|b| b.ina219.as_ref()) {
            within("[battery] ina219.address", chip.address.into(), 0x40..=0x4f);
        }
    }

    fn check_choices(&self, mistakes: &mut Vec<WiringError>) {
        let mut refuse = |when: bool, why| {
            if when {
                mistakes.push(WiringError::Choice(why));
            }
        };
        refuse(
            self.drive.is_some() && self.serial_drive.is_some(),
            "[drive] and [serial_drive] are both there: remove one",
        );
        refuse(
            self.battery
                .as_ref()
                .is_some_and(|b| b.file.is_some() == b.ina219.is_some()),
            "[battery] wants one of `file` and `ina219`",
        );
        refuse(
            self.pan_tilt.is_some() && self.outputs == Outputs::Gpiochip,
            "[pan_tilt] wants outputs = \"rppal\": the kernel's GPIO device makes no pulses",
        );
        refuse(
            self.trace.is_some() && self.outputs != Outputs::Sim,
            "trace is for outputs = \"sim\": remove it",
        );
        let named = |line: &Line| matches!(line, Line::Name(_));
        refuse(
            self.outputs == Outputs::Gpiochip
                && self.chip.is_none()
                && self.lines().iter().any(|(_, line)| !named(line)),
            "chip is missing: lines with numbers want the chip that they are of, such as \"/dev/gpiochip0\"",
        );
        let Some(drive) = &self.drive else { return };
        match (self.outputs, drive.pwm) {
            (Outputs::Rppal, Pwm::None) => mistakes.push(WiringError::Drive(
                "pwm = \"none\": a Raspberry Pi makes pulses: choose software or hardware"
                    .to_owned(),
            )),
            (Outputs::Gpiochip, Pwm::Software | Pwm::Hardware) => {
                mistakes.push(WiringError::Drive(
                    "pwm: the kernel's GPIO device makes no pulses: write pwm = \"none\""
                        .to_owned(),
                ));
            }
            (Outputs::Rppal, _) => {
                if let Some(Err(error)) = drive.pins().map(|pins| pins.check()) {
                    mistakes.push(WiringError::Drive(error.to_string()));
                }
            }
            (Outputs::Gpiochip | Outputs::Sim, _) => {}
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(text: &str) -> Vec<String> {
        let wiring: Wiring = toml::from_str(text).expect("good TOML");
        let mistakes = wiring.mistakes();
        mistakes.iter().map(WiringError::to_string).collect()
    }

    #[test]
    fn every_mistake_is_told_with_its_mend() {
        let text = r#"
            outputs = "gpiochip"
            [button]
            line = 3
            debounce_ms = 5000
            [lock]
            line = 3
            longest_ms = 60000
            [pan_tilt]
            pan = { line = "A", min_us = 1 }
            tilt = { line = "B" }
            [battery]
            [drive]
            left_pwm = 5
            left_direction = 6
            right_pwm = 7
            right_direction = 8
            enable = 9
            pwm = "hardware"
        "#;
        let told = mistakes(text);
        for (part, mend) in [
            (
                "[button] line and [lock] line are both on line 3",
                "its own",
            ),
            ("[button] debounce_ms = 5000", "choose 1 to 500"),
            ("[lock] longest_ms = 60000", "choose 100 to 30000"),
            ("[pan_tilt] pan.min_us = 1", "choose 300 to 2700"),
            ("[pan_tilt] wants", "rppal"),
            ("[battery]", "one of"),
            ("[drive] pwm", "pwm = \"none\""),
            ("chip is missing", "/dev/gpiochip0"),
        ] {
            let found = told.iter().find(|told| told.contains(part));
            assert!(
                found.is_some_and(|told| told.contains(mend)),
                "{part}: {told:#?}"
            );
        }
        assert_eq!(told.len(), 8, "{told:#?}");
        assert!(told.iter().all(|told| !told.contains('\n')));
    }

    #[test]
    fn a_raspberry_pis_header_has_names_and_numbers_for_the_same() {
        let text = "outputs = \"rppal\"\n[button]\nline = 17\n[lock]\nline = \"GPIO17\"\n[light]\nline = 28";
        let told = mistakes(text);
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].contains("line GPIO17") && told[1].contains("2 to 27"));
    }

    #[test]
    fn what_is_unknown_is_refused_with_what_there_is() {
        for (text, words) in [
            ("colour = 1", "unknown field `colour`"),
            ("[lock]\nline = 1\nopen_ms = 5", "`longest_ms`"),
            ("[lock]\nline = -1", "counted from 0"),
            ("[lock]\nline = true", "such as 17"),
            ("[lock]\nline = 1\nactive = \"up\"", "`high` or `low`"),
            ("outputs = \"gpio\"", "`gpiochip`"),
            ("[lock]\nactive = \"low\"", "missing field `line`"),
        ] {
            let error = toml::from_str::<Wiring>(text).expect_err(text).to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn a_wiring_survives_the_way_to_the_actuator() {
        let text = "name = \"A\"\nchip = \"pl061\"\n[lock]\nline = \"X\"\nactive = \"low\"\n[battery]\nina219 = { bus = 1, address = 0x40 }";
        let wiring: Wiring = toml::from_str(text).expect("good TOML");
        let json = serde_json::to_string(&wiring).expect("JSON");
        let read: Wiring = serde_json::from_str(&json).expect("JSON");
        assert_eq!(read, wiring);
        assert!(wiring.has_outputs() && !wiring.drives());
    }
}
