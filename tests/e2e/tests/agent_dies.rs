//! The real agent, driven through a real server by a peer that plays the page, is killed, aborted, stopped and
//! held up while its robot moves and the page goes on. Twenty of twenty each stand within the limit since the
//! last command, by the robot's own account of when it obeyed.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails where it fails"
)]

use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use transom_tests_e2e::{
    LIMIT_US, Lines, ProcessorWatch, Program, Remote, Sfu, Signal, Standstill, StateDir, binary,
    is_alive, monotonic_us, signal, tell,
};

const ROUNDS: usize = 20;
/// At a time, each with an agent and a stream of its own.
const PARALLEL: usize = 4;
/// What an end of file may take, on a quiet machine.
const END_OF_FILE_US: u64 = 50_000;
/// Rounds that may be repeated: the robot stood before anything had happened to its agent, since the machine
/// was too slow to drive it; or its actuator provably waited for a processor.
const SPOILED: usize = 10;
const SOON: Duration = Duration::from_secs(30);

/// What happens to the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Gets(Signal),
    /// Nobody reads what it logs. The threads of its runtime wait to write, one after the other, and first the
    /// one that has the data channels.
    HeldUp,
}

#[test]
fn an_agent_that_is_killed() {
    rounds(Fate::Gets(Signal::KILL));
}

#[test]
fn an_agent_that_aborts() {
    rounds(Fate::Gets(Signal::ABORT));
}

#[test]
fn an_agent_that_is_stopped() {
    rounds(Fate::Gets(Signal::STOP));
}

#[test]
fn an_agent_whose_runtime_is_blocked() {
    rounds(Fate::HeldUp);
}

/// Commands that wait in its socket meanwhile prolong nothing: the limit counts from when they came.
#[test]
fn an_agent_that_is_stopped_for_a_while_with_commands_waiting() {
    let mut sfu = Sfu::start();
    let runtime = runtime();
    let mut stood = Vec::new();
    for group in 0..ROUNDS / PARALLEL {
        stood.extend(thread::scope(|scope| {
            let (sfu, runtime) = (&sfu, &runtime);
            let rounds: Vec<_> = (0..PARALLEL)
                .map(|at| {
                    let stream = format!("robot-{group}-{at}");
                    scope.spawn(move || stalled(sfu, runtime, &stream))
                })
                .collect();
            let joined = rounds.into_iter().map(|round| round.join());
            joined
                .map(|round| round.expect("a round"))
                .collect::<Vec<_>>()
        }));
    }
    tell("last command sent", LIMIT_US, stood.iter().copied());
    // What the network and this machine's processors may take besides.
    assert!(stood.iter().all(|us| *us <= LIMIT_US + 30_000), "{stood:?}");
    sfu.still_serves();
}

/// Microseconds from the last command until it stood.
fn stalled(sfu: &Sfu, runtime: &Runtime, stream: &str) -> u64 {
    let robot = DrivenRobot::start(sfu, stream, false);
    let mut driver = runtime.block_on(Remote::open_stream(sfu, "drive", stream));
    runtime.block_on(async {
        driver.arm().await;
        driver.drive(Duration::from_millis(300)).await;
    });
    signal(robot.agent.pid(), Signal::STOP);
    runtime.block_on(driver.drive(Duration::from_millis(30)));
    let last = monotonic_us();
    thread::sleep(Duration::from_millis(200));
    signal(robot.agent.pid(), Signal::CONT);
    let stands = robot.lines.wait_for_power(false, SOON);
    stands.saturating_sub(last)
}

impl Fate {
    /// Whether the agent is gone then.
    fn ends(self) -> bool {
        matches!(self, Self::Gets(signal) if signal != Signal::STOP)
    }
}

fn rounds(fate: Fate) {
    let mut sfu = Sfu::start();
    let runtime = runtime();
    let (mut ends, mut started, mut spoiled) = (Vec::new(), 0, 0);
    while ends.len() < ROUNDS {
        let count = PARALLEL.min(ROUNDS - ends.len());
        let streams = (started..started + count).map(|number| format!("robot-{number}"));
        started += count;
        let some: Vec<_> = thread::scope(|scope| {
            let (sfu, runtime) = (&sfu, &runtime);
            let rounds: Vec<_> = streams
                .map(|stream| scope.spawn(move || round(sfu, runtime, &stream, fate)))
                .collect();
            let joined = rounds.into_iter().map(|round| round.join());
            joined.map(|end| end.expect("a round")).collect()
        });
        for end in some {
            match end {
                Some(end) if !end.is_spoiled() => ends.push(end),
                Some(_) => spoiled += 1,
                None => {
                    spoiled += 1;
                    println!("A ROUND IS REPEATED: it stood before anything had happened");
                }
            }
        }
        assert!(
            spoiled <= SPOILED,
            "{spoiled} rounds prove nothing: {ends:?}"
        );
    }
    println!("the real agent: {fate:?}");
    tell(
        "last command obeyed",
        LIMIT_US,
        ends.iter().map(|end| end.command),
    );
    if fate.ends() {
        tell("its end", END_OF_FILE_US, ends.iter().map(|end| end.cause));
    }
    assert!(ends.iter().all(Standstill::in_time), "{ends:?}");
    sfu.still_serves();
}

/// `None` where the machine is too slow to drive.
fn round(sfu: &Sfu, runtime: &Runtime, stream: &str, fate: Fate) -> Option<Standstill> {
    let robot = DrivenRobot::start(sfu, stream, fate == Fate::HeldUp);
    let DrivenRobot {
        agent,
        actuator,
        lines,
        ..
    } = &robot;
    let mut driver = runtime.block_on(Remote::open_stream(sfu, "drive", stream));
    runtime.block_on(async {
        driver.arm().await;
        driver.drive(Duration::from_millis(300)).await;
    });
    let mut processor = ProcessorWatch::new(*actuator);
    // It happens in the midst of it: the page goes on, and knows of nothing.
    let pid = agent.pid();
    let (happened, happens) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(100));
            let _ = happened.send(monotonic_us());
            match fate {
                Fate::Gets(death) => signal(pid, death),
                Fate::HeldUp => agent.turn_deaf(true),
            }
        });
        for turn in 0..200 {
            runtime.block_on(driver.drive(Duration::from_millis(50)));
            processor.look();
            if turn > 4 && !lines.is_powered() {
                break;
            }
        }
    });
    let cause = happens.recv().expect("it happened");
    let stands = lines.wait_for_power(false, SOON);
    if stands < cause {
        return None;
    }
    let ended = Standstill::new(lines, cause, stands, processor.waited());
    if !fate.ends() {
        // What it had in mind comes in a burst now, and moves nothing.
        match fate {
            Fate::Gets(_) => signal(pid, Signal::CONT),
            Fate::HeldUp => agent.turn_deaf(false),
        }
        agent.line("stopped: stale", SOON);
        runtime.block_on(driver.drive(Duration::from_millis(300)));
        assert!(!lines.is_powered(), "it moves again");
        assert!(is_alive(*actuator));
    }
    Some(ended)
}

fn runtime() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
}

/// A real agent with a simulated robot.
struct DrivenRobot {
    agent: Program,
    actuator: u32,
    lines: Lines,
    _folder: StateDir,
}

impl DrivenRobot {
    fn start(sfu: &Sfu, stream: &str, talkative: bool) -> Self {
        let folder = StateDir::new();
        let trace = folder.path().join("trace");
        let table = format!(
            "[control]\nboard = \"sim\"\npicture_limit_ms = 0\ntrace = \"{}\"\n",
            trace.display()
        );
        let config = folder.write("transom-agent.toml", &table);
        let mut command = Command::new(binary("transom-agent"));
        command.args(["--whip", &format!("http://{}/whip/{stream}", sfu.http)]);
        command.args(["--token", &sfu.token("publish")]);
        command.args(["--source", "test", "--size", "160x120", "--fps", "5"]);
        command.args(["--audio", "none"]);
        if talkative {
            // A few lines a packet.
            command.args(["--log", "info,sctp_proto=trace"]);
        }
        command.arg("--config").arg(config);
        let agent = Program::start(command);
        let started = agent.line("actuator: started pid=", SOON);
        let (_, actuator) = started.split_once("pid=").expect("a pid");
        let actuator: u32 = actuator.trim().parse().expect("a number");
        let lines = Lines::new(&trace);
        Self {
            agent,
            actuator,
            lines,
            _folder: folder,
        }
    }
}
