//! `transom-agent board`: what a board file has, which lines there are, and whether they do something.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand, ValueEnum};
use transom_boards_linux::list_lines;
use transom_control::{Axes, Axis, KernelConfig, Operator, OperatorConfig, Phase};

use super::detect::machine_model;
use super::library::{AUTO, BoardError, Selected, names, select};
use super::wiring::Wiring;
use crate::actuator::{ActuatorConfig, Board, OutputKind, OutputOrder, OutputState};
use crate::control::{ActuatorLink, Control};
use crate::logging;

/// How long the actuator may take to open the lines and to say what became of an order.
const ANSWER: Duration = Duration::from_secs(5);
/// The longest that a board file lets an output be on by itself.
const LONGEST: Duration = Duration::from_secs(30);
/// Speed of the wheels in a test: enough for lines without pulses.
const SPEED: i16 = 20_000;

/// What is asked of boards.
#[derive(Clone, Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct BoardOptions {
    /// auto, the name of a board file, or the path of one [default: auto]
    #[arg(value_name = "BOARD")]
    board: Option<String>,
    /// Print the file, to make one's own of it
    #[arg(long)]
    print: bool,
    /// What else
    #[command(subcommand)]
    command: Option<BoardCommand>,
}

/// What else is asked of boards.
#[derive(Clone, Debug, Subcommand)]
pub enum BoardCommand {
    /// Switch one output for a moment, while you watch. End the agent first: it has the lines.
    ///
    /// The lock opens and locks itself again; drive turns both wheels for as long: lift them off the
    /// ground. Whatever ends this command, all is safe at once.
    Test {
        /// Which output
        output: TestedOutput,
        /// auto, the name of a board file, or the path of one
        #[arg(long, value_name = "BOARD", default_value = AUTO)]
        board: String,
        /// For how many milliseconds; the board's own bounds hold
        #[arg(long, value_name = "MS", default_value_t = 1000)]
        ms: u16,
    },
}

/// An output to be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TestedOutput {
    /// The door.
    Lock,
    /// The light.
    Light,
    /// The chime.
    Chime,
    /// The horn.
    Horn,
    /// The wheels.
    Drive,
}

/// Runs it.
pub fn run(options: &BoardOptions) -> ExitCode {
    let done = match &options.command {
        Some(BoardCommand::Test { output, board, ms }) => test(board, *output, *ms),
        None => show(options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(told) => {
            for line in told {
                eprintln!("transom-agent board: {line}");
            }
            ExitCode::FAILURE
        }
    }
}

fn chosen(word: &str) -> Result<Selected, Vec<String>> {
    let told = |mistakes: Vec<BoardError>| mistakes.iter().map(BoardError::to_string).collect();
    select(word).map_err(told)
}

fn show(options: &BoardOptions) -> Result<(), Vec<String>> {
    let word = options.board.as_deref().unwrap_or(AUTO);
    let board = chosen(word);
    if options.print {
        // Nobody reads on where this cannot be written.
        let _ = io::stdout().write_all(board?.text.as_bytes());
        return Ok(());
    }
    let mut text = String::new();
    let model = machine_model();
    text.push_str(&format!(
        "This machine: {}\nBoard files: {}, or the path of your own\n\n",
        model.as_deref().unwrap_or("no model in its device tree"),
        names().collect::<Vec<_>>().join(", ")
    ));
    let unknown = match board {
        Ok(board) => {
            text.push_str(&described(&board));
            None
        }
        Err(told) => Some(told),
    };
    text.push_str(&lines());
    let _ = io::stdout().write_all(text.as_bytes());
    unknown.map_or(Ok(()), Err)
}

/// What a board file has.
fn described(board: &Selected) -> String {
    let wiring = &board.wiring;
    let mut text = format!("{}: {}", board.from, wiring.name);
    if board.detected.is_some() {
        text.push_str(", detected");
    }
    text.push_str(&format!("\n  outputs by {}", wiring.outputs));
    if let Some(chip) = &wiring.chip {
        text.push_str(&format!(", GPIO chip {chip}"));
    }
    text.push('\n');
    for (key, line) in wiring.lines() {
        text.push_str(&format!("  {key:<24} {line}\n"));
    }
    for (key, value) in others(wiring) {
        text.push_str(&format!("  {key:<24} {value}\n"));
    }
    text.push('\n');
    text
}

fn others(wiring: &Wiring) -> Vec<(&'static str, String)> {
    let mut others = Vec::new();
    if let Some(serial) = &wiring.serial_drive {
        let told = format!("{}, {} baud", serial.device.display(), serial.baud);
        others.push(("[serial_drive] device", told));
    }
    if let Some(program) = &wiring.program {
        if let Some(command) = &program.command {
            others.push(("[program] command", command.join(" ")));
        }
        if let Some(socket) = &program.socket {
            others.push(("[program] socket", socket.display().to_string()));
        }
    }
    if let Some(mavlink) = &wiring.mavlink {
        others.push(("[mavlink]", mavlink.to_string()));
    }
    if let Some(battery) = &wiring.battery {
        let key = match battery.file {
            Some(_) => "[battery] file",
            None => "[battery] ina219",
        };
        others.push((key, battery.to_string()));
    }
    if let Some(watchdog) = &wiring.watchdog {
        others.push(("[watchdog] device", watchdog.device.display().to_string()));
    }
    if let Some(camera) = &wiring.camera {
        others.push(("[camera] source", camera.source.clone()));
    }
    if let Some(sound) = &wiring.sound {
        others.push(("[sound] source", sound.source.clone()));
    }
    others
}

/// The lines that the kernel has.
fn lines() -> String {
    let chips = match list_lines() {
        Ok(chips) if chips.is_empty() => return "No GPIO chips.\n".to_owned(),
        Ok(chips) => chips,
        Err(error) => return format!("GPIO chips cannot be listed: {error}\n"),
    };
    let mut text = String::new();
    for chip in chips {
        let chip = match chip {
            Ok(chip) => chip,
            Err(error) => {
                text.push_str(&format!("{error}\n"));
                continue;
            }
        };
        text.push_str(&format!("{} ({})\n", chip.path.display(), chip.label));
        for line in chip.lines {
            let direction = if line.is_output { "output" } else { "input" };
            let used = match line.used_by.as_deref() {
                None => String::new(),
                Some("") => "in use by the kernel".to_owned(),
                Some(consumer) => format!("in use by {consumer}"),
            };
            let row = format!(
                "  {:>3} {:<16} {direction:<6} {used}",
                line.offset, line.name
            );
            text.push_str(row.trim_end());
            text.push('\n');
        }
    }
    text
}

/// Switches an output by an actuator as the agent has it.
fn test(word: &str, output: TestedOutput, ms: u16) -> Result<(), Vec<String>> {
    let wiring = chosen(word)?.wiring;
    let one = |told: String| vec![told];
    logging::start("info").map_err(|error| one(error.to_string()))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| one(error.to_string()))?;
    runtime.block_on(async {
        let control = Control::start(ActuatorConfig {
            board: Board::Wired(Box::new(wiring)),
            kernel: KernelConfig::default(),
        });
        let time = Duration::from_millis(ms.into());
        let link = control.link();
        let done = tokio::select! {
            done = try_output(link, output, time) => done,
            _ = tokio::signal::ctrl_c() => Err("ended before its time".to_owned()),
        };
        // Whatever is still on goes off.
        let safe = control.shutdown().await;
        done.map_err(one)?;
        safe.map_err(|error| one(error.to_string()))
    })
}

async fn try_output(
    link: &ActuatorLink,
    output: TestedOutput,
    time: Duration,
) -> Result<(), String> {
    let ms = u16::try_from(time.as_millis()).unwrap_or(u16::MAX);
    let (kind, on, off) = match output {
        TestedOutput::Lock => (OutputKind::Lock, OutputOrder::Unlock { ms }, None),
        TestedOutput::Light => {
            let (on, off) = (OutputOrder::Light(true), OutputOrder::Light(false));
            (OutputKind::Light, on, Some(off))
        }
        TestedOutput::Chime => (OutputKind::Chime, OutputOrder::Chime, None),
        TestedOutput::Horn => (OutputKind::Horn, OutputOrder::Horn { ms }, None),
        TestedOutput::Drive => return turn_wheels(link, time).await,
    };
    // It hears nothing before it has opened its lines and reported.
    let mut reports = link.reports();
    let opened = tokio::time::timeout(ANSWER, reports.recv()).await;
    opened.map_err(|_| "the actuator does not start: the log says why".to_owned())?;
    link.order(on);
    match within(link, kind, |state| state.is_some()).await {
        Some(OutputState::On) => {}
        _ => {
            return Err(format!(
                "{}: it cannot be switched: the log says why",
                kind.name()
            ));
        }
    }
    if let Some(off) = off {
        tokio::time::sleep(time).await;
        link.order(off);
    }
    match within(link, kind, |state| state != Some(OutputState::On)).await {
        Some(OutputState::Off) => return Ok(()),
        Some(OutputState::Absent | OutputState::On) | None => {}
    }
    Err(format!(
        "{}: it did not go off: check the wiring",
        kind.name()
    ))
}

/// What an output is, once it is as wanted; as it is after a time without that.
async fn within(
    link: &ActuatorLink,
    kind: OutputKind,
    wanted: impl Fn(Option<OutputState>) -> bool,
) -> Option<OutputState> {
    let deadline = Instant::now() + ANSWER + LONGEST;
    while !wanted(link.output(kind)) && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    link.output(kind)
}

/// Arms and drives ahead, as an operator does.
async fn turn_wheels(link: &ActuatorLink, time: Duration) -> Result<(), String> {
    let mut operator = Operator::new(OperatorConfig::default());
    let mut reports = link.reports();
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    let begun = Instant::now();
    let micros = |at: Instant| u64::try_from((at - begun).as_micros()).unwrap_or(0);
    let mut armed: Option<Instant> = None;
    loop {
        tokio::select! {
            report = reports.recv() => {
                let report = report.ok_or("the actuator is gone")?;
                let _ = operator.handle_message(micros(Instant::now()), &report.message);
            }
            _ = ticks.tick() => {}
        }
        let now = Instant::now();
        let status = operator.status(micros(now));
        match (status.phase, armed) {
            (Phase::Armed, None) => armed = Some(now),
            (Phase::Armed, Some(_)) => {}
            (_, Some(_)) => return Err("drive: it stopped by itself: the log says why".to_owned()),
            (_, None) => {
                let _ = operator.arm(micros(now));
            }
        }
        match armed {
            Some(at) if now >= at + time => return Ok(()),
            None if now >= begun + ANSWER => {
                return Err("drive: it cannot be armed: the log says why".to_owned());
            }
            _ => {}
        }
        let ahead = Axis::new(SPEED).unwrap_or(Axis::ZERO);
        operator.drive(micros(now), Axes::drive(ahead, Axis::ZERO));
        while let Some(out) = operator.poll_transmit(micros(now)) {
            link.send(out.channel, &out.message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_has_is_told_line_by_line() {
        let mut board = select("raspberry-pi-4").expect("a board");
        board.detected = Some("Raspberry Pi 4 Model B".to_owned());
        let text = described(&board);
        for line in [
            "raspberry-pi-4: Raspberry Pi 4, detected",
            "  outputs by rppal, GPIO chip pinctrl-bcm2711",
            "  [lock] line              22",
            "  [camera] source          v4l2:/dev/video0",
        ] {
            assert!(text.lines().any(|told| told == line), "{line}:\n{text}");
        }
    }
}
