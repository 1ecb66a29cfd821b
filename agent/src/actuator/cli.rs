//! The actuator's command line, which the agent writes and nobody else.

use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use clap::Parser;
use clap::error::ErrorKind;
use transom_boards_raspberry_pi::{DrivePins, PwmKind};
use transom_control::{Axis, AxisLimit, KernelConfig, Limits};

use super::COMMAND;
use crate::board::{Outputs, Wiring};
use crate::cli::one_line;

/// From the kernel's time to the line's edge: what a processor that is busy with real-time work may add.
const LEAD_US: u64 = 10_000;

/// What the process is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActuatorConfig {
    /// What it drives.
    pub board: Board,
    /// Limits.
    pub kernel: KernelConfig,
}

/// What it drives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Board {
    /// A simulated robot.
    Sim {
        /// Where its edges are written down.
        trace: Option<PathBuf>,
    },
    /// A differential drive on a Raspberry Pi's header.
    RaspberryPi(DrivePins),
    /// What a board file says.
    Wired(Box<Wiring>),
}

impl Board {
    /// Whether nothing real moves.
    pub(super) fn is_simulated(&self) -> bool {
        match self {
            Self::Sim { .. } => true,
            Self::Wired(wiring) => wiring.outputs == Outputs::Sim && wiring.serial_drive.is_none(),
            _ => false,
        }
    }

    /// Whether it writes the registers of a Raspberry Pi's header, as rppal does: the kernel keeps nobody out.
    pub(super) fn is_on_header(&self) -> bool {
        match self {
            Self::Sim { .. } => false,
            Self::RaspberryPi(_) => true,
            Self::Wired(wiring) => wiring.outputs == Outputs::Rppal,
        }
    }
}

impl Board {
    /// What tells it from other boards.
    pub(super) fn identity(&self) -> Vec<u8> {
        match self {
            Self::Sim { trace } => {
                let path = trace.as_deref().map(|path| path.as_os_str().as_bytes());
                path.unwrap_or_default().to_owned()
            }
            Self::RaspberryPi(_) => Vec::new(),
            // Without what is no output; plain strings and numbers have a JSON.
            Self::Wired(wiring) => {
                let mut outputs = wiring.clone();
                outputs.watchdog = None;
                serde_json::to_vec(&outputs).unwrap_or_default()
            }
        }
    }
}

/// The name of a board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BoardKind {
    /// Nothing to drive.
    None,
    /// A simulated robot.
    Sim,
    /// A Raspberry Pi.
    RaspberryPi,
}

impl FromStr for BoardKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self::None),
            "sim" => Ok(Self::Sim),
            "raspberry-pi" => Ok(Self::RaspberryPi),
            _ => Err(format!(
                "`{text}` is no board: give none, sim or raspberry-pi"
            )),
        }
    }
}

impl fmt::Display for BoardKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Sim => "sim",
            Self::RaspberryPi => "raspberry-pi",
        })
    }
}

/// Owns the output lines; started by transom-agent itself.
///
/// Its standard input is a socket to the agent. It stops what moves when no fresh command comes within the
/// limit, and when the socket ends. Write `board` into the table `[control]` of transom-agent.toml to use it.
#[derive(Clone, Debug, Parser)]
#[command(name = "transom-agent actuator", version)]
pub struct ActuatorCli {
    /// sim or raspberry-pi
    #[arg(long, value_name = "BOARD", default_value_t = BoardKind::None)]
    board: BoardKind,
    /// A board file's contents as JSON
    #[arg(long, value_name = "JSON", conflicts_with = "board")]
    wiring: Option<String>,
    /// How old a command may be, and how long one lasts
    #[arg(long, value_name = "MS", default_value_t = 300)]
    limit_ms: u16,
    /// How old the operator's picture may be [default: not asked for]
    #[arg(long, value_name = "MS")]
    picture_limit_ms: Option<u16>,
    /// What an axis may have, and how quickly it may rise and fall, in 32767ths (a second)
    #[arg(long, value_name = "AXIS:MOST:RISE:FALL", value_parser = axis_limit)]
    axis: Vec<(usize, AxisLimit)>,
    /// From which age of the picture on it goes slower [default: not at all]
    #[arg(long, value_name = "MS")]
    picture_slow_ms: Option<u16>,
    /// sim: where edges are written down
    #[arg(long, value_name = "PATH")]
    trace: Option<PathBuf>,
    /// raspberry-pi: GPIO of left speed, left direction, right speed, right direction, enable
    #[arg(long, value_name = "GPIO", value_delimiter = ',')]
    pins: Vec<u8>,
    /// raspberry-pi: software or hardware
    #[arg(long, value_name = "PWM", default_value_t = PwmKind::Software)]
    pwm: PwmKind,
    /// raspberry-pi: pulses a second
    #[arg(long, value_name = "HZ", default_value_t = 200)]
    pwm_hz: u32,
}

impl ActuatorCli {
    /// Reads the arguments after `actuator`; what is to be said of them is said, and the exit code
    /// returned.
    pub fn config_from(
        arguments: impl Iterator<Item = OsString>,
    ) -> Result<ActuatorConfig, ExitCode> {
        let words = std::iter::once(COMMAND.into()).chain(arguments);
        let cli = Self::try_parse_from(words).map_err(|error| match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
                // Nobody reads on where this cannot be written.
                let _ = error.print();
                ExitCode::SUCCESS
            }
            _ => {
                eprintln!("transom-agent actuator: {}", one_line(&error));
                ExitCode::from(2)
            }
        })?;
        cli.config().map_err(|error| {
            eprintln!("transom-agent actuator: {error}");
            ExitCode::from(2)
        })
    }

    fn config(self) -> Result<ActuatorConfig, String> {
        let board = match (self.board, self.wiring) {
            (_, Some(json)) => Board::Wired(
                serde_json::from_str(&json).map_err(|error| format!("--wiring: {error}"))?,
            ),
            (BoardKind::None, None) => {
                return Err("without a board there is nothing to do".to_owned());
            }
            (BoardKind::Sim, None) => Board::Sim { trace: self.trace },
            (BoardKind::RaspberryPi, None) => Board::RaspberryPi(match *self.pins.as_slice() {
                [left_pwm, left_direction, right_pwm, right_direction, enable] => DrivePins {
                    left_pwm,
                    left_direction,
                    right_pwm,
                    right_direction,
                    enable,
                    pwm: self.pwm,
                    pwm_hz: self.pwm_hz,
                },
                _ => return Err("raspberry-pi wants --pins with five numbers".to_owned()),
            }),
        };
        let micros = |ms: u16| u64::from(ms) * 1000;
        let mut limits = Limits::default();
        for (axis, limit) in self.axis {
            if let Some(place) = limits.0.get_mut(axis) {
                *place = limit;
            }
        }
        Ok(ActuatorConfig {
            board,
            kernel: KernelConfig {
                limit_us: micros(self.limit_ms),
                lead_us: LEAD_US,
                picture_limit_us: self.picture_limit_ms.map(micros),
                limits,
                picture_slow_us: self
                    .picture_slow_ms
                    .map_or(KernelConfig::default().picture_slow_us, micros),
                ..KernelConfig::default()
            },
        })
    }
}

fn axis_limit(text: &str) -> Result<(usize, AxisLimit), String> {
    let mut parts = text.split(':');
    let mut part = || parts.next().unwrap_or_default().parse::<u32>();
    let read = |error: std::num::ParseIntError| error.to_string();
    let axis = part().map_err(read)?;
    let most = part().map_err(read)?;
    let most = i16::try_from(most).map_err(|error| error.to_string())?;
    let limit = AxisLimit {
        most: Axis::new(most).ok_or("no share")?,
        rise: part().map_err(read)?,
        fall: part().map_err(read)?,
    };
    let axis = usize::try_from(axis).map_err(|error| error.to_string())?;
    Ok((axis, limit))
}

impl ActuatorConfig {
    /// The arguments after the program's name that say all this.
    pub fn arguments(&self) -> Vec<OsString> {
        let mut words: Vec<OsString> = vec![COMMAND.into()];
        let mut say = |flag: &str, value: OsString| words.extend([flag.into(), value]);
        let millis = |micros: u64| (micros / 1000).to_string().into();
        say("--limit-ms", millis(self.kernel.limit_us));
        if let Some(limit) = self.kernel.picture_limit_us {
            say("--picture-limit-ms", millis(limit));
            say(
                "--picture-slow-ms",
                millis(self.kernel.picture_slow_us.min(limit)),
            );
        }
        for (axis, limit) in self.kernel.limits.0.iter().enumerate() {
            let AxisLimit { most, rise, fall } = *limit;
            if *limit != AxisLimit::NONE {
                let most = most.raw();
                say("--axis", format!("{axis}:{most}:{rise}:{fall}").into());
            }
        }
        match &self.board {
            Board::Sim { trace } => {
                say("--board", "sim".into());
                if let Some(trace) = trace {
                    say("--trace", trace.into());
                }
            }
            Board::Wired(wiring) => {
                // Plain strings and numbers have a JSON.
                let json = serde_json::to_string(wiring).unwrap_or_default();
                say("--wiring", json.into());
            }
            Board::RaspberryPi(pins) => {
                say("--board", "raspberry-pi".into());
                let numbers = [
                    pins.left_pwm,
                    pins.left_direction,
                    pins.right_pwm,
                    pins.right_direction,
                    pins.enable,
                ];
                say(
                    "--pins",
                    numbers.map(|pin| pin.to_string()).join(",").into(),
                );
                say("--pwm", pins.pwm.to_string().into());
                say("--pwm-hz", pins.pwm_hz.to_string().into());
            }
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        ActuatorCli::command().debug_assert();
    }

    #[test]
    fn what_the_agent_writes_is_what_the_actuator_reads() {
        let kernel = KernelConfig {
            limit_us: 250_000,
            lead_us: LEAD_US,
            picture_limit_us: Some(800_000),
            picture_slow_us: 400_000,
            ..KernelConfig::default()
        };
        let mut kernel = kernel;
        kernel.limits.0[3] = AxisLimit {
            most: Axis::from_fraction(0.25),
            rise: 20_000,
            fall: 0,
        };
        let pins = DrivePins {
            left_pwm: 18,
            pwm: PwmKind::Hardware,
            pwm_hz: 20_000,
            ..DrivePins::default()
        };
        for board in [
            Board::Sim { trace: None },
            Board::Sim {
                trace: Some("/tmp/a b".into()),
            },
            Board::RaspberryPi(pins),
            Board::Wired(Box::new(
                crate::board::select("raspberry-pi-4")
                    .expect("a board")
                    .wiring,
            )),
        ] {
            let config = ActuatorConfig { board, kernel };
            let words = config.arguments();
            assert_eq!(words.first(), Some(&COMMAND.into()));
            let read = ActuatorCli::config_from(words.into_iter().skip(1));
            assert_eq!(read.expect("good arguments"), config);
        }
    }
}
