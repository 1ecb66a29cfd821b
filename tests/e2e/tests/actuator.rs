//! What happens to the wheels when something happens to the agent: real processes, times of the lines'
//! edges. Twenty of twenty each.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "this crate is tests only"
)]

use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::Duration;

use transom_tests_e2e::{
    Lines, Program, Signal, StateDir, StolenSocket, binary, is_alive, monotonic_us, signal,
};

const ROUNDS: usize = 20;
/// At a time.
const PARALLEL: usize = 4;
const LIMIT_US: u64 = 300_000;
/// What an end of file may take.
const END_OF_FILE_US: u64 = 50_000;
/// What a loaded machine may add to either.
const SLACK_US: u64 = 200_000;
const SOON: Duration = Duration::from_secs(20);

/// A driver and the robot that it drives.
struct Drive {
    driver: Program,
    lines: Lines,
    actuator: u32,
    _folder: StateDir,
}

impl Drive {
    /// Under way, and to end as `end` says.
    fn start(end: &str) -> Self {
        let folder = StateDir::new();
        let trace = folder.path().join("trace");
        let mut command = Command::new(env!("CARGO_BIN_EXE_driver"));
        command.arg(binary("transom-agent"));
        command.arg(&trace).args([end, "250"]);
        let driver = Program::start(command);
        let started = driver.line("actuator: started pid=", SOON);
        let (_, pid) = started.split_once("pid=").expect("a pid");
        let drive = Self {
            driver,
            lines: Lines::new(&trace),
            actuator: pid.trim().parse().expect("a number"),
            _folder: folder,
        };
        drive.driver.line("armed", SOON);
        drive
    }

    /// The time that the last line with this mark tells.
    fn last(&self, mark: &str) -> u64 {
        let lines = self.driver.lines();
        let mut times = lines
            .iter()
            .rev()
            .filter_map(|line| line.strip_prefix(mark));
        let last = times.next().expect("such a line");
        last.trim().parse().expect("microseconds")
    }

    fn under_way(&self) {
        self.lines.wait_for_power(true, SOON);
        thread::sleep(Duration::from_millis(100));
        assert!(self.lines.is_powered(), "it stopped by itself");
    }

    fn stands_since(&self) -> u64 {
        self.lines.wait_for_power(false, SOON)
    }

    /// Nothing moves again within a while.
    fn stays(&self) {
        thread::sleep(Duration::from_millis(200));
        assert!(!self.lines.is_powered(), "it moves again");
    }

    fn actuator_ends(&self) {
        let deadline = monotonic_us() + 5_000_000;
        while is_alive(self.actuator) {
            assert!(monotonic_us() < deadline, "the actuator outlives its agent");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Runs all rounds; each gives the microseconds from cause to edge.
fn rounds(what: &str, goal: u64, round: fn() -> u64) {
    let mut times: Vec<u64> = Vec::new();
    while times.len() < ROUNDS {
        let some: Vec<_> = (0..PARALLEL).map(|_| thread::spawn(round)).collect();
        times.extend(some.into_iter().map(|round| round.join().expect("a round")));
    }
    times.sort_unstable();
    let within = times.iter().filter(|time| **time <= goal).count();
    let (median, most) = (times[times.len() / 2], times[times.len() - 1]);
    println!(
        "{what}: p50 {:.1} ms, max {:.1} ms; {within} of {} within {} ms",
        median as f64 / 1e3,
        most as f64 / 1e3,
        times.len(),
        goal / 1000
    );
    assert!(most <= goal + SLACK_US, "{times:?}");
}

#[test]
fn the_agent_is_killed() {
    rounds("SIGKILL -> no power", END_OF_FILE_US, || {
        let drive = Drive::start("none");
        drive.under_way();
        let killed = monotonic_us();
        signal(drive.driver.pid(), Signal::KILL);
        let stands = drive.stands_since();
        drive.actuator_ends();
        stands - killed
    });
}

#[test]
fn the_agent_aborts() {
    rounds("abort -> no power", END_OF_FILE_US, || {
        let drive = Drive::start("abort");
        drive.driver.line("end ", SOON);
        let stands = drive.stands_since();
        drive.actuator_ends();
        stands - drive.last("end ")
    });
}

#[test]
fn the_agent_closes_the_socket() {
    rounds("closed socket -> no power", END_OF_FILE_US, || {
        let drive = Drive::start("close");
        drive.driver.line("end ", SOON);
        let stands = drive.stands_since();
        drive.actuator_ends();
        stands - drive.last("end ")
    });
}

#[test]
fn the_agent_ends_in_order() {
    rounds("shutdown -> no power", END_OF_FILE_US, || {
        let drive = Drive::start("shutdown");
        drive.driver.line("end ", SOON);
        let stands = drive.stands_since();
        drive.actuator_ends();
        drive.driver.line("ended, the outputs are safe", SOON);
        stands - drive.last("end ")
    });
}

#[test]
fn the_agent_falls_silent() {
    rounds("last command -> no power", LIMIT_US, || {
        let drive = Drive::start("silent");
        drive.driver.line("end ", SOON);
        let stands = drive.stands_since();
        drive.driver.line("stopped: stale", SOON);
        drive.stays();
        stands - drive.last("sent ")
    });
}

#[test]
fn the_agent_is_stopped_and_goes_on() {
    rounds("last command -> no power", LIMIT_US, || {
        let drive = Drive::start("none");
        drive.under_way();
        signal(drive.driver.pid(), Signal::STOP);
        let stands = drive.stands_since();
        let sent = drive.last("sent ");
        // What it had in mind comes in a burst now, and moves nothing.
        signal(drive.driver.pid(), Signal::CONT);
        drive.stays();
        stands - sent
    });
}

/// What is meant for the whole group must not be quicker than the agent.
#[test]
fn signals_do_not_end_the_actuator() {
    let drive = Drive::start("none");
    drive.under_way();
    for each in [Signal::INT, Signal::TERM, Signal::HUP] {
        signal(drive.actuator, each);
    }
    thread::sleep(Duration::from_millis(300));
    assert!(drive.lines.is_powered(), "it drives on");
    signal(drive.driver.pid(), Signal::KILL);
    drive.stands_since();
}

/// Its lines are made safe by the one that takes its place.
#[test]
fn an_actuator_that_is_killed_is_replaced_at_rest() {
    for death in [Signal::KILL, Signal::STOP] {
        let drive = Drive::start("none");
        drive.under_way();
        let killed = monotonic_us();
        signal(drive.actuator, death);
        let stands = drive.stands_since();
        drive.driver.line("it wants to be armed then", SOON);
        drive.stays();
        assert!(!is_alive(drive.actuator));
        println!("{death:?}: replaced within {} ms", (stands - killed) / 1000);
        assert!(stands - killed < 5_000_000);
    }
}

#[test]
fn by_hand_it_says_who_starts_it() {
    let mut command = Command::new(binary("transom-agent"));
    command.args(["actuator", "--board", "sim"]);
    Program::start(command)
        .ended(SOON)
        .refused_with(&["started by transom-agent", "[control]"]);
}

#[test]
fn a_machine_that_is_no_pi_says_so_and_the_agent_goes_on() {
    let folder = StateDir::new();
    let agent = agent(&folder, "board = \"raspberry-pi\"");
    let told = agent.line("not a Raspberry Pi: ", SOON);
    assert!(told.contains("choose another `board`"), "{told}");
    agent.line("retry in", SOON);
    assert!(agent.terminate().status.success());
}

/// The real agent with nobody at the other end: its actuator comes and goes with it.
#[test]
fn the_actuator_comes_and_goes_with_the_agent() {
    let folder = StateDir::new();
    let trace = folder.path().join("trace");
    let table = format!("board = \"sim\"\ntrace = \"{}\"", trace.display());
    let lines = Lines::new(&trace);

    let in_order = agent(&folder, &table);
    let pid = actuator_of(&in_order);
    assert!(is_alive(pid));
    // It can be heard: it took its memory and its place before it says anything.
    thread::sleep(Duration::from_millis(300));
    let ended = in_order.terminate();
    assert!(ended.status.success());
    let said = ended.lines.join("\n");
    assert!(said.contains("ended, the outputs are safe"), "{said}");
    assert!(!is_alive(pid));

    let killed = agent(&folder, &table);
    let pid = actuator_of(&killed);
    signal(killed.pid(), Signal::KILL);
    let deadline = monotonic_us() + 5_000_000;
    while is_alive(pid) {
        assert!(monotonic_us() < deadline, "the actuator outlives the agent");
        thread::sleep(Duration::from_millis(5));
    }
    assert!(!lines.is_powered());
}

/// The real agent again, stopped and then killed while its robot moves: nothing in it, no thread and no
/// other child, holds the socket open.
#[test]
fn the_real_agent_is_stopped_and_killed_in_mid_drive() {
    let mut times = Vec::new();
    for _ in 0..5 {
        let folder = StateDir::new();
        let trace = folder.path().join("trace");
        let table = format!("board = \"sim\"\ntrace = \"{}\"", trace.display());
        let agent = agent(&folder, &table);
        let lines = Lines::new(&trace);
        let pid = actuator_of(&agent);
        agent.line("retry in", SOON);
        signal(agent.pid(), Signal::STOP);
        let socket = match StolenSocket::of(agent.pid()) {
            Ok(socket) => socket,
            Err(error) => {
                println!("NOT CHECKED: this system hides a child's descriptors: {error}");
                return;
            }
        };
        // A stopped agent says nothing: the actuator stops by itself.
        socket.drive_ahead(Duration::from_millis(200));
        let said = monotonic_us();
        assert!(lines.is_powered());
        let stands = lines.wait_for_power(false, SOON);
        assert!(stands <= said + LIMIT_US + SLACK_US);
        // And once more, killed.
        socket.drive_ahead(Duration::from_millis(200));
        assert!(lines.is_powered());
        drop(socket);
        let killed = monotonic_us();
        signal(agent.pid(), Signal::KILL);
        let stands = lines.wait_for_power(false, SOON);
        times.push(stands.saturating_sub(killed));
        let deadline = monotonic_us() + 5_000_000;
        while is_alive(pid) {
            assert!(monotonic_us() < deadline, "the actuator outlives the agent");
            thread::sleep(Duration::from_millis(5));
        }
    }
    println!("the real agent: SIGKILL -> no power: {times:?} us");
    assert!(times.iter().all(|time| *time <= END_OF_FILE_US + SLACK_US));
}

#[test]
fn the_configuration_is_explained_and_slips_are_refused() {
    let explained = |table: &str| {
        let folder = StateDir::new();
        let mut command = agent_command(&folder, table);
        command.arg("--check-config");
        Program::start(command).ended(SOON)
    };
    let said = explained("board = \"sim\"\nlimit_ms = 250")
        .lines
        .join("\n");
    for words in ["control.board", "a simulated robot", "250"] {
        assert!(said.contains(words), "{said}");
    }
    explained("board = \"robot\"").refused_with(&["raspberry-pi"]);
    explained("board = \"sim\"\nlimit_ms = 5").refused_with(&["50 to 2000"]);
}

fn agent(folder: &StateDir, table: &str) -> Program {
    let mut command = agent_command(folder, table);
    command.args(["--source", "test", "--audio", "none"]);
    Program::start(command)
}

fn agent_command(folder: &StateDir, table: &str) -> Command {
    let config: PathBuf = folder.write("transom-agent.toml", format!("[control]\n{table}\n"));
    let mut command = transom_tests_e2e::agent();
    command.arg("--config").arg(config);
    command
}

fn actuator_of(agent: &Program) -> u32 {
    let started = agent.line("actuator: started pid=", SOON);
    let (_, pid) = started.split_once("pid=").expect("a pid");
    pid.trim().parse().expect("a number")
}
