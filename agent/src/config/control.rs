//! The table `[control]`: what is driven.

use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;
use transom_boards_raspberry_pi::{DrivePins, PinsError, PwmKind};
use transom_control::KernelConfig;

use super::limits::{self, LimitError, LimitTables};
use crate::actuator::{ActuatorConfig, Board, BoardKind};
use crate::board::{BoardError, MavlinkWiring, ProgramWiring, Wiring, WiringError, Wished};

/// How old a picture may be by which somebody drives. A stream on a bad network shows its pictures within half a
/// second; at walking pace a robot goes a metre in this.
const PICTURE_LIMIT_US: u64 = 800_000;

/// What a file may say; everything is optional.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Control {
    board: Option<String>,
    limit_ms: Option<u16>,
    picture_limit_ms: Option<u16>,
    picture_slow_ms: Option<u16>,
    trace: Option<PathBuf>,
    #[serde(default)]
    limits: LimitTables,
    pins: Option<Pins>,
    program: Option<ProgramWiring>,
    mavlink: Option<MavlinkWiring>,
}

/// Boards that need no file: each is one table of it.
const PROGRAM: &str = "program";
const MAVLINK: &str = "mavlink";

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pins {
    left_pwm: Option<u8>,
    left_direction: Option<u8>,
    right_pwm: Option<u8>,
    right_direction: Option<u8>,
    enable: Option<u8>,
    pwm: Option<String>,
    pwm_hz: Option<u32>,
}

/// Why `[control]` makes no sense. Each text is one line and names the mend.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// A word that is none.
    #[error("[control] {0}")]
    Word(String),
    /// What a board file says itself.
    #[error(
        "[control] trace and pins are for boards without a file: write them into the board file"
    )]
    InTheFile,
    /// A limit beyond reason.
    #[error("[control] {name} {ms}: choose 50 to 2000")]
    Limit {
        /// Which limit.
        name: &'static str,
        /// Its milliseconds.
        ms: u16,
    },
    /// A limit of an axis beyond reason.
    #[error("[control.limits] {0}")]
    Axis(#[from] LimitError),
    /// Slower from an age on at which it stands already.
    #[error(
        "[control] picture_slow_ms {slow}: choose less than picture_limit_ms, which is {limit}, or leave it out"
    )]
    Slow {
        /// From which age on it goes slower, in milliseconds.
        slow: u16,
        /// At which it stands, in milliseconds; zero where no picture is asked for.
        limit: u64,
    },
    /// Something for another board.
    #[error("[control] {key} is for board = \"{board}\": remove it, or choose that board")]
    OtherBoard {
        /// What was given.
        key: &'static str,
        /// What it is for.
        board: BoardKind,
    },
    /// A table that goes with another board, or is missing.
    #[error("[control.{key}] and board = \"{key}\" go together: write both, or neither")]
    Together {
        /// Which.
        key: &'static str,
    },
    /// What one of them says makes no sense.
    #[error("[control] {0}")]
    Robot(#[from] WiringError),
    /// The board is not to be had.
    #[error("[control] {0}")]
    Board(#[from] BoardError),
    /// The pins cannot be so.
    #[error("[control.pins] {0}")]
    Pins(PinsError),
}

/// What is wired and driven.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ControlConfig {
    /// What the process that owns the outputs is told; `None` where there are none.
    pub actuator: Option<ActuatorConfig>,
    /// What the board file says, where there is one.
    pub wiring: Option<Wiring>,
    /// Which board that is, or why there is none.
    pub board: Option<String>,
}

impl ControlConfig {
    /// Whether something moves.
    pub fn drives(&self) -> bool {
        match &self.actuator {
            Some(ActuatorConfig {
                board: Board::Wired(wiring),
                ..
            }) => wiring.drives(),
            Some(_) => true,
            None => false,
        }
    }
}

impl Control {
    /// What is wired, and how it is driven.
    pub(super) fn check(self) -> Result<ControlConfig, ControlError> {
        let word = self.board.as_deref().unwrap_or("none");
        for (key, there) in [
            (PROGRAM, self.program.is_some()),
            (MAVLINK, self.mavlink.is_some()),
        ] {
            if there != (word == key) {
                return Err(ControlError::Together { key });
            }
        }
        if self.program.is_some() || self.mavlink.is_some() {
            return self.check_robot();
        }
        match word.parse::<BoardKind>() {
            Ok(kind) => Ok(ControlConfig {
                actuator: self.check_kind(kind)?,
                ..ControlConfig::default()
            }),
            Err(_) => {
                let wished = Wished::of(word)?;
                self.check_wired(wished)
            }
        }
    }

    /// A robot that drives by itself is a board file of one table.
    fn check_robot(self) -> Result<ControlConfig, ControlError> {
        if self.trace.is_some() || self.pins.is_some() {
            return Err(ControlError::InTheFile);
        }
        let kernel = self.kernel()?;
        let (name, board) = match &self.mavlink {
            Some(mavlink) => ("a vehicle with MAVLink", format!("{MAVLINK}, {mavlink}")),
            None => ("a program", PROGRAM.to_owned()),
        };
        let wiring = Wiring {
            name: name.to_owned(),
            program: self.program,
            mavlink: self.mavlink,
            ..Wiring::default()
        };
        if let Some(mistake) = wiring.mistakes().into_iter().next() {
            return Err(mistake.into());
        }
        Ok(ControlConfig {
            actuator: Some(ActuatorConfig {
                board: Board::Wired(Box::new(wiring.clone())),
                kernel,
            }),
            wiring: Some(wiring),
            board: Some(board),
        })
    }

    fn check_wired(self, wished: Wished) -> Result<ControlConfig, ControlError> {
        // Both are of the boards that have no file.
        if self.trace.is_some() || self.pins.is_some() {
            return Err(ControlError::InTheFile);
        }
        let kernel = self.kernel()?;
        Ok(match wished {
            Wished::Unknown(why) => ControlConfig {
                board: Some(why),
                ..ControlConfig::default()
            },
            Wished::Found(selected) => ControlConfig {
                actuator: selected.wiring.has_outputs().then(|| ActuatorConfig {
                    board: Board::Wired(Box::new(selected.wiring.clone())),
                    kernel,
                }),
                board: Some(match &selected.detected {
                    Some(model) => format!("{} for this machine, {model}", selected.from),
                    None => selected.from.clone(),
                }),
                wiring: Some(selected.wiring),
            },
        })
    }

    fn kernel(&self) -> Result<KernelConfig, ControlError> {
        let picture_limit_us = match self.picture_limit_ms {
            Some(0) => None,
            ms => Some(micros("picture_limit_ms", ms)?.unwrap_or(PICTURE_LIMIT_US)),
        };
        Ok(KernelConfig {
            limit_us: micros("limit_ms", self.limit_ms)?.unwrap_or(KernelConfig::DEFAULT_LIMIT_US),
            limits: limits::check(&self.limits)?,
            picture_limit_us,
            picture_slow_us: slow_us(self.picture_slow_ms, picture_limit_us)?,
            ..KernelConfig::default()
        })
    }

    /// What the actuator is told of a board without a file; `None` where there is nothing to drive.
    fn check_kind(self, kind: BoardKind) -> Result<Option<ActuatorConfig>, ControlError> {
        let other = |key, board| Err(ControlError::OtherBoard { key, board });
        if self.trace.is_some() && kind != BoardKind::Sim {
            return other("trace", BoardKind::Sim);
        }
        if self.pins.is_some() && kind != BoardKind::RaspberryPi {
            return other("pins", BoardKind::RaspberryPi);
        }
        let kernel = self.kernel()?;
        let board = match kind {
            BoardKind::None => return Ok(None),
            BoardKind::Sim => Board::Sim { trace: self.trace },
            BoardKind::RaspberryPi => {
                let pins = self.pins.unwrap_or_default().over_defaults()?;
                pins.check().map_err(ControlError::Pins)?;
                Board::RaspberryPi(pins)
            }
        };
        Ok(Some(ActuatorConfig { board, kernel }))
    }
}

impl Pins {
    fn over_defaults(self) -> Result<DrivePins, ControlError> {
        let default = DrivePins::default();
        let pwm: Option<PwmKind> = self
            .pwm
            .map(|word| word.parse().map_err(ControlError::Word))
            .transpose()?;
        Ok(DrivePins {
            left_pwm: self.left_pwm.unwrap_or(default.left_pwm),
            left_direction: self.left_direction.unwrap_or(default.left_direction),
            right_pwm: self.right_pwm.unwrap_or(default.right_pwm),
            right_direction: self.right_direction.unwrap_or(default.right_direction),
            enable: self.enable.unwrap_or(default.enable),
            pwm: pwm.unwrap_or(default.pwm),
            pwm_hz: self.pwm_hz.unwrap_or(default.pwm_hz),
        })
    }
}

/// From which age of the picture on it goes slower: half of what makes it stand, where nothing is said.
fn slow_us(slow: Option<u16>, limit_us: Option<u64>) -> Result<u64, ControlError> {
    let slow_us = slow.map(|ms| u64::from(ms) * 1000);
    match (slow, slow_us, limit_us) {
        (_, None, Some(limit)) => Ok(limit / 2),
        (_, Some(slow), Some(limit)) if slow < limit => Ok(slow),
        (Some(slow), ..) => Err(ControlError::Slow {
            slow,
            limit: limit_us.unwrap_or_default() / 1000,
        }),
        (None, ..) => Ok(KernelConfig::default().picture_slow_us),
    }
}

fn micros(name: &'static str, ms: Option<u16>) -> Result<Option<u64>, ControlError> {
    match ms {
        Some(ms) if !(50..=2000).contains(&ms) => Err(ControlError::Limit { name, ms }),
        ms => Ok(ms.map(|ms| u64::from(ms) * 1000)),
    }
}

/// Tells `line` everything about what is driven, as name, value and meaning.
pub(super) fn explain(
    control: &ControlConfig,
    mut line: impl FnMut(&str, &dyn fmt::Display, &str),
) {
    let Some(ActuatorConfig { board, kernel }) = &control.actuator else {
        match &control.board {
            Some(told) => line("control.board", told, "no output lines"),
            None => line(
                "control.board",
                &BoardKind::None,
                "nothing is wired; or auto, a board file, sim",
            ),
        }
        return;
    };
    match board {
        Board::Wired(wiring) => {
            let told = control.board.as_deref().unwrap_or(&wiring.name);
            line("control.board", &told, "`transom-agent board` tells more");
        }
        Board::Sim { .. } => line("control.board", &BoardKind::Sim, "a simulated robot"),
        Board::RaspberryPi(_) => line(
            "control.board",
            &BoardKind::RaspberryPi,
            "a differential drive on the header",
        ),
    }
    line(
        "control.limit_ms",
        &(kernel.limit_us / 1000),
        "without a command that fresh it stops",
    );
    line(
        "control.picture_limit_ms",
        &(kernel.picture_limit_us.unwrap_or_default() / 1000),
        match kernel.picture_limit_us {
            Some(_) => "by an older picture, or none, nobody drives: it stops",
            None => "it drives for those too who see nothing",
        },
    );
    if kernel.picture_limit_us.is_some() {
        line(
            "control.picture_slow_ms",
            &(kernel.picture_slow_us / 1000),
            "by an older picture it goes slower",
        );
    }
    for (axis, told) in limits::words(&kernel.limits) {
        let name = format!("control.limits.{axis}");
        line(
            &name,
            &told,
            "the most, and the time from nothing to full scale and back",
        );
    }
    match board {
        Board::Sim { trace: Some(trace) } => line(
            "control.trace",
            &trace.display(),
            "where the lines' edges are written",
        ),
        Board::Sim { trace: None } | Board::Wired(_) => {}
        Board::RaspberryPi(pins) => {
            let motor = |pwm, direction| format!("{pwm} {direction}");
            line(
                "control.pins",
                &format!(
                    "{} {} {}",
                    motor(pins.left_pwm, pins.left_direction),
                    motor(pins.right_pwm, pins.right_direction),
                    pins.enable
                ),
                "GPIO: left speed, direction, right likewise, enable",
            );
            line(
                "control.pins.pwm",
                &format!("{} {} Hz", pins.pwm, pins.pwm_hz),
                "who makes the pulses",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<ControlConfig, ControlError> {
        toml::from_str::<Control>(text).expect("good TOML").check()
    }

    fn read(text: &str) -> Result<Option<ActuatorConfig>, String> {
        let checked = check(text).map_err(|error| error.to_string());
        checked.map(|config| config.actuator)
    }

    #[test]
    fn nothing_is_driven_unless_it_is_asked_for() {
        assert_eq!(read(""), Ok(None));
        assert_eq!(read("board = \"none\""), Ok(None));
        let sim = read("board = \"sim\"\nlimit_ms = 200\ntrace = \"/tmp/t\"");
        let sim = sim.expect("good").expect("a board");
        assert_eq!(sim.kernel.limit_us, 200_000);
        let trace = Some("/tmp/t".into());
        assert_eq!(sim.board, Board::Sim { trace });
        let pi = read("board = \"raspberry-pi\"\n[pins]\nenable = 20\n");
        let pins = DrivePins {
            enable: 20,
            ..DrivePins::default()
        };
        let board = pi.expect("good").expect("a board").board;
        assert_eq!(board, Board::RaspberryPi(pins));
    }

    #[test]
    fn who_drives_has_to_see_something_unless_that_is_waived() {
        let ages = |text: &str| {
            let config = read(&format!("board = \"sim\"\n{text}")).expect(text);
            let kernel = config.expect("a board").kernel;
            (kernel.picture_limit_us, kernel.picture_slow_us)
        };
        assert_eq!(ages(""), (Some(800_000), 400_000));
        assert_eq!(ages("picture_limit_ms = 500"), (Some(500_000), 250_000));
        let both = "picture_limit_ms = 500\npicture_slow_ms = 0";
        assert_eq!(ages(both), (Some(500_000), 0));
        assert_eq!(ages("picture_slow_ms = 799"), (Some(800_000), 799_000));
        assert_eq!(ages("picture_limit_ms = 0").0, None);
    }

    #[test]
    fn a_board_file_says_what_is_wired_and_auto_may_find_none() {
        let config = check("board = \"virtual\"\nlimit_ms = 200").expect("a board");
        let wiring = config.wiring.clone().expect("a file");
        assert!(config.drives() && wiring.button.is_some());
        let actuator = config.actuator.expect("outputs");
        assert_eq!(actuator.kernel.limit_us, 200_000);
        assert_eq!(actuator.board, Board::Wired(Box::new(wiring)));
        // Whatever machine this is, it is no mistake.
        let auto = check("board = \"auto\"").expect("no mistake");
        assert!(auto.board.is_some());
    }

    #[test]
    fn a_robot_that_drives_by_itself_needs_no_file() {
        let config =
            check("board = \"program\"\n[program]\ncommand = [\"robot\"]").expect("a robot");
        assert!(config.drives());
        let wiring = config.wiring.expect("a board");
        assert_eq!(wiring.program.map(|program| program.answer_ms), Some(300));
        let text = "board = \"mavlink\"\n[mavlink]\ndevice = \"/dev/ttyACM0\"";
        let config = check(text).expect("a robot");
        let told = config.board.clone().unwrap_or_default();
        assert_eq!(told, "mavlink, system 1 at /dev/ttyACM0, 57600 baud");
        assert!(config.drives());
    }

    #[test]
    fn what_makes_no_sense_is_refused_in_one_line() {
        for (text, words) in [
            ("board = \"pi\"", "raspberry-pi-zero-2-w"),
            ("board = \"program\"", "[control.program]"),
            ("[mavlink]\ndevice = \"/dev/a\"", "board = \"mavlink\""),
            ("board = \"mavlink\"\n[mavlink]", "one of `device`"),
            ("board = \"/nonexistent/board.toml\"", "check `board`"),
            ("board = \"virtual\"\ntrace = \"/tmp/t\"", "board file"),
            ("board = \"sim\"\nlimit_ms = 10", "50 to 2000"),
            (
                "board = \"sim\"\npicture_limit_ms = 9000",
                "picture_limit_ms",
            ),
            (
                "board = \"sim\"\n[limits.linear]\nmost = 2",
                "[control.limits] linear: most",
            ),
            (
                "board = \"sim\"\npicture_slow_ms = 800",
                "picture_limit_ms, which is 800",
            ),
            (
                "board = \"sim\"\npicture_limit_ms = 0\npicture_slow_ms = 300",
                "which is 0, or leave it out",
            ),
            ("trace = \"/tmp/t\"", "board = \"sim\""),
            ("board = \"sim\"\n[pins]\nenable = 3", "raspberry-pi"),
            ("board = \"raspberry-pi\"\n[pins]\nenable = 40", "GPIO 40"),
            (
                "board = \"raspberry-pi\"\n[pins]\npwm = \"fast\"",
                "hardware",
            ),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.contains(words) && !error.contains('\n'), "{error}");
        }
    }
}
