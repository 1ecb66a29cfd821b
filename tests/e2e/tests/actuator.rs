//! What happens to the wheels when something happens to the agent: real processes, times of the lines'
//! edges. Twenty of twenty each.
//!
//! Hard is what lies between the last command that the actuator obeyed and the loss of power, both by its own
//! account; what is timed from outside is asserted loosely.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "this crate is tests only"
)]

use std::cell::RefCell;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use transom_tests_e2e::{
    LIMIT_US, Lines, ProcessorWatch, Program, Signal, Standstill, StateDir, StolenSocket, binary,
    is_alive, monotonic_us, signal, tell,
};

const ROUNDS: usize = 20;
/// At a time.
const PARALLEL: usize = 4;
/// Rounds that may be repeated, since the actuator had no processor.
const SPOILED: usize = 5;
/// What an end of file may take.
const END_OF_FILE_US: u64 = 50_000;
/// What a loaded machine may add to that, and to whatever is timed from outside of the actuator.
const SLACK_US: u64 = 200_000;
const SOON: Duration = Duration::from_secs(20);

/// A driver and the robot that it drives.
struct Drive {
    driver: Program,
    lines: Lines,
    actuator: u32,
    processor: RefCell<ProcessorWatch>,
    folder: StateDir,
}

impl Drive {
    /// Under way, and to end as `end` says.
    fn start(end: &str) -> Self {
        Self::start_program(StateDir::new(), &binary("transom-agent"), end)
    }

    /// The same with another program as actuator.
    fn start_program(folder: StateDir, program: &Path, end: &str) -> Self {
        let trace = folder.path().join("trace");
        let mut command = Command::new(env!("CARGO_BIN_EXE_driver"));
        command.arg(program);
        command.arg(&trace).args([end, "250"]);
        let driver = Program::start(command);
        let started = driver.line("actuator: started pid=", SOON);
        let (_, pid) = started.split_once("pid=").expect("a pid");
        let actuator = pid.trim().parse().expect("a number");
        driver.line("armed", SOON);
        Self {
            driver,
            lines: Lines::new(&trace),
            actuator,
            processor: ProcessorWatch::new(actuator).into(),
            folder,
        }
    }

    /// No actuator opens the board any more, or again: a folder is where its trace was. They change places in
    /// one step: an actuator that starts in between would make a trace of its own, which nobody reads.
    fn lose_board(&self, lost: bool) {
        let trace = self.folder.path().join("trace");
        let aside = self.folder.path().join("aside");
        if lost {
            fs::create_dir(&aside).expect("a folder");
        }
        renameat_with(CWD, &trace, CWD, &aside, RenameFlags::EXCHANGE).expect("both are there");
        if !lost {
            fs::remove_dir(&aside).expect("a folder");
        }
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
        let deadline = monotonic_us() + SOON.as_micros() as u64;
        while self.lines.is_powered() && monotonic_us() < deadline {
            self.processor.borrow_mut().look();
            thread::sleep(Duration::from_millis(2));
        }
        self.lines.wait_for_power(false, SOON)
    }

    /// What happened at `cause` made it stand at `stands`.
    fn ended(&self, cause: u64, stands: u64) -> Standstill {
        let waited = self.processor.borrow().waited();
        Standstill::new(&self.lines, cause, stands, waited)
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

/// Runs all rounds: all of them within the limit since the last command, and what `cause` causes loosely within
/// its goal.
fn rounds(cause: &str, goal: u64, round: fn() -> Standstill) {
    let (mut ends, mut spoiled) = (Vec::new(), 0);
    while ends.len() < ROUNDS {
        let count = PARALLEL.min(ROUNDS - ends.len());
        let some: Vec<_> = (0..count).map(|_| thread::spawn(round)).collect();
        for end in some.into_iter().map(|round| round.join().expect("a round")) {
            if spoiled < SPOILED && end.is_spoiled() {
                spoiled += 1;
            } else {
                ends.push(end);
            }
        }
    }
    tell(
        "last command obeyed",
        LIMIT_US,
        ends.iter().map(|end| end.command),
    );
    tell(cause, goal, ends.iter().map(|end| end.cause));
    assert!(ends.iter().all(Standstill::in_time), "{ends:?}");
    let in_time = |end: &Standstill| end.cause <= goal + SLACK_US;
    assert!(ends.iter().all(in_time), "{ends:?}");
}

#[test]
fn the_agent_is_killed() {
    rounds("SIGKILL", END_OF_FILE_US, || {
        let drive = Drive::start("none");
        drive.under_way();
        let killed = monotonic_us();
        signal(drive.driver.pid(), Signal::KILL);
        let stands = drive.stands_since();
        drive.actuator_ends();
        drive.ended(killed, stands)
    });
}

#[test]
fn the_agent_aborts() {
    rounds("abort", END_OF_FILE_US, || {
        let drive = Drive::start("abort");
        drive.driver.line("end ", SOON);
        let stands = drive.stands_since();
        drive.actuator_ends();
        drive.ended(drive.last("end "), stands)
    });
}

#[test]
fn the_agent_closes_the_socket() {
    rounds("closed socket", END_OF_FILE_US, || {
        let drive = Drive::start("close");
        drive.driver.line("end ", SOON);
        let stands = drive.stands_since();
        drive.actuator_ends();
        drive.ended(drive.last("end "), stands)
    });
}

#[test]
fn the_agent_ends_in_order() {
    rounds("shutdown", END_OF_FILE_US, || {
        let drive = Drive::start("shutdown");
        drive.driver.line("end ", SOON);
        let stands = drive.stands_since();
        drive.actuator_ends();
        drive.driver.line("ended, the outputs are safe", SOON);
        drive.ended(drive.last("end "), stands)
    });
}

/// Here and below the cause is the last command as the agent knows it, before it goes to the actuator.
#[test]
fn the_agent_falls_silent() {
    rounds("command given", LIMIT_US, || {
        let drive = Drive::start("silent");
        drive.driver.line("end ", SOON);
        let stands = drive.stands_since();
        drive.driver.line("stopped: stale", SOON);
        drive.stays();
        drive.ended(drive.last("sent "), stands)
    });
}

/// No thread of its runtime runs: it neither reads nor passes on anything, and lives.
#[test]
fn the_agents_runtime_is_blocked_and_goes_on() {
    rounds("command given", LIMIT_US, || {
        let drive = Drive::start("block");
        drive.driver.line("blocked ", SOON);
        let blocked = drive.last("blocked ");
        let stands = drive.stands_since();
        let ended = drive.ended(drive.last("sent "), stands);
        // It stood before the runtime had a thread again, and what waited moves nothing.
        drive.driver.line("goes on ", SOON);
        assert!(blocked < stands && stands < drive.last("goes on "));
        drive.driver.line("stopped: stale", SOON);
        drive.stays();
        assert!(is_alive(drive.actuator), "it was well all the time");
        ended
    });
}

#[test]
fn the_agent_is_stopped_and_goes_on() {
    rounds("command given", LIMIT_US, || {
        let drive = Drive::start("none");
        drive.under_way();
        signal(drive.driver.pid(), Signal::STOP);
        let stands = drive.stands_since();
        let ended = drive.ended(drive.last("sent "), stands);
        // What it had in mind comes in a burst now, and moves nothing.
        signal(drive.driver.pid(), Signal::CONT);
        drive.driver.line("stopped: stale", SOON);
        drive.stays();
        assert!(is_alive(drive.actuator), "it was well all the time");
        ended
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

/// Its lines are made safe by the one that takes its place: at once if it was killed, and after the limit if it
/// hangs, since nothing tells that sooner.
#[test]
fn an_actuator_that_is_killed_or_hangs_is_replaced_at_rest() {
    for (death, goal) in [(Signal::KILL, 100_000), (Signal::STOP, LIMIT_US + 50_000)] {
        let mut times = Vec::new();
        for _ in 0..5 {
            let drive = Drive::start("none");
            drive.under_way();
            let killed = monotonic_us();
            signal(drive.actuator, death);
            let stands = drive.stands_since();
            drive.driver.line("it wants to be armed then", SOON);
            drive.stays();
            assert!(!is_alive(drive.actuator));
            times.push(stands.saturating_sub(killed));
        }
        println!("an actuator gets {death:?} -> no power: {times:?} us; the goal is {goal}");
        assert!(times.iter().all(|time| *time <= 2 * goal + 2 * SLACK_US));
    }
}

/// However often it dies.
#[test]
fn an_actuator_that_spoke_is_replaced_at_once_each_time() {
    let drive = Drive::start("none");
    drive.under_way();
    let mut times = Vec::new();
    let mut pids = vec![drive.actuator];
    while times.len() < 5 {
        let killed = monotonic_us();
        signal(pids[pids.len() - 1], Signal::KILL);
        let deadline = killed + 10_000_000;
        // The next one makes its lines safe first.
        let safe = loop {
            let safe = drive.lines.edges("enable").pop().expect("edges");
            if safe.at > killed && safe.value == 0 {
                break safe.at;
            }
            assert!(
                monotonic_us() < deadline,
                "no actuator after {}",
                times.len()
            );
            thread::sleep(Duration::from_millis(2));
        };
        times.push(safe - killed);
        let mark = "actuator: started pid=";
        let started = |line: &String| line.split_once(mark)?.1.trim().parse::<u32>().ok();
        while pids.len() == times.len() {
            let lines = drive.driver.lines();
            pids = lines.iter().filter_map(started).collect();
            assert!(monotonic_us() < deadline, "no word of the next one");
        }
        // It has to speak before it dies.
        thread::sleep(Duration::from_millis(200));
    }
    println!("killed -> the next one's lines are safe: {times:?} us");
    assert!(times.iter().all(|time| *time <= 500_000));
}

/// A last one makes its lines safe, whatever became of the one that had them.
#[test]
fn an_agent_that_ends_while_its_actuator_is_dead_or_hangs_leaves_no_power() {
    for death in [Signal::KILL, Signal::STOP] {
        let mut times = Vec::new();
        for _ in 0..5 {
            let drive = Drive::start("term");
            drive.under_way();
            let asked = monotonic_us();
            signal(drive.actuator, death);
            signal(drive.driver.pid(), Signal::TERM);
            let stands = drive.stands_since();
            assert!(!is_alive(drive.actuator) || death == Signal::STOP);
            let lines = drive.lines;
            let ended = drive.driver.ended(SOON);
            let said = ended.lines.join("\n");
            assert!(ended.status.success(), "{said}");
            assert!(said.contains("the outputs are safe"), "{said}");
            assert!(!lines.is_powered(), "{said}");
            times.push(stands.saturating_sub(asked));
        }
        println!("{death:?} to the actuator, SIGTERM to the agent -> no power: {times:?} us");
        let goal = LIMIT_US + END_OF_FILE_US;
        assert!(times.iter().all(|time| *time <= 2 * goal + 2 * SLACK_US));
    }
}

#[test]
fn an_agent_that_cannot_make_its_outputs_safe_says_so_and_fails() {
    for death in [Signal::KILL, Signal::STOP] {
        let drive = Drive::start("term");
        drive.under_way();
        drive.lose_board(true);
        signal(drive.actuator, death);
        signal(drive.driver.pid(), Signal::TERM);
        let ended = drive.driver.ended(SOON);
        let said = ended.lines.join("\n");
        assert!(!ended.status.success(), "{said}");
        for words in ["ERROR", "THE OUTPUTS MAY BE POWERED", "cut their power"] {
            assert!(said.contains(words), "{said}");
        }
        assert!(!said.contains("the outputs are safe"), "{said}");
        // Why, by the last one's own word.
        assert!(said.contains("the trace: "), "{said}");
    }
}

/// Those that never spoke do not make the agent slow while lines may be powered.
#[test]
fn an_actuator_whose_board_is_away_for_a_while_is_replaced_soon_after() {
    let drive = Drive::start("term");
    drive.under_way();
    drive.lose_board(true);
    signal(drive.actuator, Signal::KILL);
    thread::sleep(Duration::from_secs(3));
    drive.lose_board(false);
    let back = monotonic_us();
    assert!(drive.lines.is_powered(), "nobody made it safe");
    let stands = drive.stands_since();
    let took = stands.saturating_sub(back);
    println!("the board is back -> no power: {took} us");
    assert!(took <= 250_000 + 2 * SLACK_US, "{took} us");
    signal(drive.driver.pid(), Signal::TERM);
    assert!(drive.driver.ended(SOON).status.success());
}

/// The real agent: its exit status tells as much, and what was never switched on is no reason to fail.
#[test]
fn the_real_agent_ends_with_a_last_actuator() {
    let folder = StateDir::new();
    let trace = folder.path().join("trace");
    let table = format!("board = \"sim\"\ntrace = \"{}\"", trace.display());
    let agent = agent(&folder, &table);
    let pid = actuator_of(&agent);
    thread::sleep(Duration::from_millis(300));
    signal(pid, Signal::STOP);
    let ended = agent.terminate();
    let said = ended.lines.join("\n");
    assert!(ended.status.success(), "{said}");
    assert!(
        said.contains("a last one ended, the outputs are safe"),
        "{said}"
    );
    assert!(!is_alive(pid));
}

/// Nothing moves, so there is no hurry: it may be the machine that is slow.
#[test]
fn an_actuator_that_hangs_at_rest_is_given_a_second() {
    let folder = StateDir::new();
    let agent = agent(&folder, "board = \"sim\"");
    let pid = actuator_of(&agent);
    thread::sleep(Duration::from_millis(300));
    signal(pid, Signal::STOP);
    let stopped = monotonic_us();
    thread::sleep(Duration::from_millis(700));
    let lives = is_alive(pid);
    // Unless it is this test that was slow.
    let waited = monotonic_us() - stopped;
    assert!(lives || waited > 900_000, "killed within {waited} us");
    agent.line("it hangs, and was killed", SOON);
    assert!(monotonic_us() - stopped < 5_000_000);
}

/// Each next one has longer.
#[test]
fn an_actuator_that_takes_its_time_to_start_is_there_in_the_end() {
    let folder = StateDir::new();
    let agent = binary("transom-agent").display().to_string();
    let script = format!("#!/bin/sh\n/bin/sleep 1.5\nexec {agent} \"$@\"\n");
    let slow = folder.write("slow", script);
    fs::set_permissions(&slow, fs::Permissions::from_mode(0o755)).expect("a program");
    let drive = Drive::start_program(folder, &slow, "none");
    drive.under_way();
    drive.driver.line("it hangs, and was killed", SOON);
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
    // When memory runs short the kernel does not take the actuator first.
    let (main, actuator) = (oom_score_adj(in_order.pid()), oom_score_adj(pid));
    assert!(actuator < main, "{actuator} {main}");
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

/// The real agent again, stopped and then killed or aborted while its robot moves: nothing in it, no thread and
/// no other child, holds the socket open. (A test speaks in its stead; through the server it is driven in
/// `agent_dies`.)
#[test]
fn the_real_agent_is_stopped_and_killed_in_mid_drive() {
    rounds("SIGKILL to the real agent", END_OF_FILE_US, || {
        stopped_and(Signal::KILL)
    });
}

#[test]
fn the_real_agent_is_stopped_and_aborted_in_mid_drive() {
    rounds("SIGABRT to the real agent", END_OF_FILE_US, || {
        stopped_and(Signal::ABORT)
    });
}

fn stopped_and(death: Signal) -> Standstill {
    let folder = StateDir::new();
    let trace = folder.path().join("trace");
    let table = format!(
        "board = \"sim\"\npicture_limit_ms = 0\ntrace = \"{}\"",
        trace.display()
    );
    let agent = agent(&folder, &table);
    let actuator = actuator_of(&agent);
    agent.line("retry in", SOON);
    signal(agent.pid(), Signal::STOP);
    let drive = Drive {
        driver: agent,
        lines: Lines::new(&trace),
        actuator,
        processor: ProcessorWatch::new(actuator).into(),
        folder,
    };
    let socket = match StolenSocket::of(drive.driver.pid()) {
        Ok(socket) => socket,
        Err(error) => {
            println!("NOT CHECKED: this system hides a child's descriptors: {error}");
            return Standstill {
                command: 0,
                cause: 0,
                waited: 0,
            };
        }
    };
    // A stopped agent says nothing: the actuator stops by itself.
    socket.drive_ahead(Duration::from_millis(200));
    let silent = drive.ended(monotonic_us(), drive.stands_since());
    // And once more, with its end.
    drive.processor.replace(ProcessorWatch::new(actuator));
    socket.drive_ahead(Duration::from_millis(200));
    drop(socket);
    let killed = monotonic_us();
    signal(drive.driver.pid(), death);
    if death != Signal::KILL {
        signal(drive.driver.pid(), Signal::CONT);
    }
    let dead = drive.ended(killed, drive.stands_since());
    drive.actuator_ends();
    // The slower of the two counts.
    match silent.command > dead.command {
        true => Standstill {
            command: silent.command,
            waited: silent.waited,
            ..dead
        },
        false => dead,
    }
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

fn oom_score_adj(pid: u32) -> i32 {
    let text = fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).expect("a process");
    text.trim().parse().expect("a number")
}

fn actuator_of(agent: &Program) -> u32 {
    let started = agent.line("actuator: started pid=", SOON);
    let (_, pid) = started.split_once("pid=").expect("a pid");
    pid.trim().parse().expect("a number")
}
