//! The real agent writes down what happens while it is driven through a real server, and is killed in the midst
//! of it. What it wrote is read, by the program and by this test.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails where it fails"
)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use transom_control::StopReason;
use transom_record::{ActuatorChange, Entry, Event, Found, LinkChange, Reader, Tail};
use transom_tests_e2e::{
    Lines, Program, Remote, Sfu, Signal, StateDir, agent, binary, is_alive, monotonic_us, signal,
};

const SOON: Duration = Duration::from_secs(30);
/// What waits in memory waits no longer, and what a busy machine adds.
const UNWRITTEN_US: u64 = 1_000_000 + 500_000;
const ARMED: u8 = 1;
const OPERATOR: u8 = 1;
const STOP: u8 = 4;

/// A robot that is driven and recorded.
struct Robot {
    folder: StateDir,
    config: PathBuf,
}

impl Robot {
    fn new() -> Self {
        let folder = StateDir::new();
        let at = |name: &str| folder.path().join(name).display().to_string();
        let table = format!(
            "[control]\nboard = \"sim\"\npicture_limit_ms = 0\ntrace = \"{}\"\n[record]\ndir = \"{}\"\nmax_mb = 1\n",
            at("trace"),
            at("record")
        );
        let config = folder.write("transom-agent.toml", table);
        Self { folder, config }
    }

    fn record(&self) -> PathBuf {
        self.folder.path().join("record")
    }

    fn lines(&self) -> Lines {
        Lines::new(&self.folder.path().join("trace"))
    }

    /// The agent and its actuator's process id.
    fn start(&self, sfu: &Sfu) -> (Program, u32) {
        let mut command = Command::new(binary("transom-agent"));
        command.args(["--whip", &format!("http://{}/whip/door", sfu.http)]);
        command.args(["--token", &sfu.token("publish")]);
        command.args(["--source", "test", "--size", "160x120", "--fps", "5"]);
        command
            .args(["--audio", "none", "--config"])
            .arg(&self.config);
        let agent = Program::start(command);
        let started = agent.line("actuator: started pid=", SOON);
        let (_, pid) = started.split_once("pid=").expect("a pid");
        let pid = pid.trim().parse().expect("a number");
        (agent, pid)
    }

    /// As systemd runs it when the service is gone: the token cannot be read any more. Nor is all else in order.
    fn make_safe(&self) -> (bool, String) {
        let config = self.without_token();
        make_safe(&["--config", config.to_str().expect("a path")])
    }

    /// A configuration that nothing can be published by.
    fn without_token(&self) -> PathBuf {
        let table = std::fs::read_to_string(&self.config).expect("the configuration");
        let table = format!("token_file = \"/nowhere\"\n[video]\nsize = \"wide\"\n{table}");
        self.folder.write("without-token.toml", table)
    }
}

fn make_safe(arguments: &[&str]) -> (bool, String) {
    let mut command = agent();
    command.arg("make-safe").args(arguments);
    let output = command.output().expect("it runs");
    let told = [output.stdout, output.stderr].concat();
    let told = String::from_utf8_lossy(&told).into_owned();
    (output.status.success(), told)
}

fn runtime() -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(2).enable_all();
    builder.build().expect("a runtime")
}

/// All entries; nothing else may be in it.
fn read(dir: &Path) -> Vec<Entry> {
    let mut reader = Reader::open(dir).expect("a log");
    let mut entries = Vec::new();
    while let Some(found) = reader.next(Tail::Final).expect("a log") {
        match found {
            Found::Entry(entry) => entries.push(*entry),
            other => panic!("{other:?}"),
        }
    }
    entries
}

fn last(entries: &[Entry], is: impl Fn(&Event) -> bool) -> &Entry {
    let found = entries.iter().rfind(|entry| is(&entry.event));
    found.unwrap_or_else(|| panic!("not there: {entries:#?}"))
}

#[test]
fn a_killed_agent_leaves_a_log_up_to_its_last_second_and_the_next_goes_on_with_it() {
    let sfu = Sfu::start();
    let robot = Robot::new();
    let runtime = runtime();
    let (agent, actuator) = robot.start(&sfu);
    let mut driver = runtime.block_on(Remote::open(&sfu, "drive"));
    // Drives, is stopped, and drives again.
    let stopped = runtime.block_on(async {
        driver.arm().await;
        driver.drive(Duration::from_millis(1500)).await;
        driver.operator.stop(monotonic_us(), StopReason::Operator);
        driver.drive(Duration::from_millis(300)).await;
        let stopped = monotonic_us();
        driver.arm().await;
        driver.drive(Duration::from_millis(1800)).await;
        stopped
    });
    let killed = monotonic_us();
    signal(agent.pid(), Signal::KILL);
    agent.ended(SOON);
    robot.lines().wait_for_power(false, SOON);

    let entries = read(&robot.record());
    let end = entries.last().expect("an entry").mono_us;
    println!(
        "{} entries, the last {} ms before the kill",
        entries.len(),
        killed.saturating_sub(end) / 1000
    );
    assert!(
        end <= killed && killed - end <= UNWRITTEN_US,
        "{end} {killed}"
    );
    let stop = last(
        &entries,
        |event| matches!(event, Event::Command(seen) if seen.command == STOP && seen.reason == OPERATOR),
    );
    assert!(stop.mono_us <= stopped && stopped - stop.mono_us < 1_000_000);
    last(
        &entries,
        |event| matches!(event, Event::State(seen) if seen.reason == OPERATOR),
    );
    last(&entries, |event| {
        matches!(
            event,
            Event::Ack {
                of: STOP,
                result: 0,
                took_us: Some(_),
                ..
            }
        )
    });
    last(&entries, |event| {
        matches!(
            event,
            Event::Link {
                change: LinkChange::Open
            }
        )
    });
    let change = ActuatorChange::Started;
    last(&entries, |event| {
        *event
            == Event::Actuator {
                change,
                pid: actuator,
            }
    });
    // Two seconds of driving at 50 Hz and its summary.
    let summary = last(
        &entries,
        |event| matches!(event, Event::Summary(summary) if summary.state == ARMED && summary.setpoints > 10),
    );
    let Event::Summary(summary) = &summary.event else {
        panic!("a summary");
    };
    assert!(
        summary.age_max_us.is_some() && summary.applied > 0,
        "{summary:?}"
    );
    assert!(summary.late_max_us.is_some(), "{summary:?}");
    let setpoints = entries
        .iter()
        .filter(|entry| matches!(entry.event, Event::Setpoint(_)));
    let setpoints = setpoints.count();
    assert!((6..=30).contains(&setpoints), "{setpoints}");
    runtime.block_on(driver.vanish());

    // The next one.
    let (agent, _) = robot.start(&sfu);
    agent.line("connected", SOON);
    let ended = agent.terminate();
    assert!(ended.status.success(), "{ended:?}");
    let after = read(&robot.record());
    assert_eq!(after[..entries.len()], entries);
    let boots = after
        .iter()
        .filter(|entry| matches!(&entry.event, Event::Boot(boot) if boot.starts));
    assert_eq!(boots.count(), 2);
    assert_eq!(
        after.last().expect("an end").event,
        Event::End { safe: true }
    );
    let seqs: Vec<u64> = after.iter().map(|entry| entry.seq).collect();
    assert!(
        seqs.windows(2).all(|pair| pair[0] + 1 == pair[1]),
        "{seqs:?}"
    );

    show_and_export(&robot, &after);
}

fn show_and_export(robot: &Robot, entries: &[Entry]) {
    let log = |words: &[&str]| {
        let mut command = Command::new(binary("transom-agent"));
        command.arg("log").args(words);
        let output = command.output().expect("it runs");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        let text = String::from_utf8(output.stdout).expect("text");
        (output.status.success(), text, told)
    };
    let config = robot.config.to_str().expect("a path");
    let (shown, text, told) = log(&["show", "--config", config]);
    assert!(shown && told.is_empty(), "{told}");
    assert_eq!(text.lines().count(), entries.len());
    let stop = text
        .lines()
        .find(|line| line.contains(" command command=stop "));
    let stop = stop.unwrap_or_else(|| panic!("no stop: {text}"));
    assert!(
        stop.contains("reason=operator") && stop.contains("lease="),
        "{stop}"
    );
    println!("{stop}");
    // Who reads it may know no token.
    let without_token = robot.without_token();
    let without_token = without_token.to_str().expect("a path");
    let (shown, text, told) = log(&["show", "--config", without_token]);
    assert!(shown && told.is_empty(), "{told}");
    assert_eq!(text.lines().count(), entries.len());
    let (_, text, _) = log(&["show", "--since", "1h", "--config", config]);
    assert_eq!(text.lines().count(), entries.len());
    let (_, text, _) = log(&["show", "--since", "2099-01-01", "--config", config]);
    assert!(text.is_empty(), "{text}");

    let dir = robot.record();
    let dir = dir.to_str().expect("a path");
    let table = robot.folder.path().join("log.csv");
    let table = table.to_str().expect("a path");
    let export = ["--dir", dir, "export", "--format", "csv", "-o", table];
    let (exported, _, told) = log(&export);
    assert!(
        exported && told.contains(&format!("{} entries", entries.len())),
        "{told}"
    );
    let rows = std::fs::read_to_string(table).expect("a table");
    assert!(rows.starts_with("time,seq,mono_us,event,"), "{rows}");
    // Never over what is there, and every slip is told with its mend.
    let (exported, _, told) = log(&export);
    assert!(!exported && told.contains("remove it"), "{told}");
    let (shown, _, told) = log(&["--dir", "/nonexistent/log", "show"]);
    assert!(!shown && told.contains("[record]"), "{told}");
    let (shown, _, told) = log(&["show", "--config", "/nonexistent/agent.toml"]);
    assert!(!shown && told.contains("/nonexistent/agent.toml"), "{told}");
    let (shown, _, told) = log(&["--dir", dir, "show", "--since", "yesterday"]);
    assert!(!shown && told.contains("15min"), "{told}");
}

#[test]
fn nothing_that_the_disk_does_keeps_it_from_driving() {
    let sfu = Sfu::start();
    let robot = Robot::new();
    // A file where the directory is to be.
    robot.folder.write("record", "no directory");
    let runtime = runtime();
    let (agent, _) = robot.start(&sfu);
    let told = agent.line("record: nothing is recorded for now", SOON);
    assert!(told.contains("[record]"), "{told}");
    let mut driver = runtime.block_on(Remote::open(&sfu, "drive"));
    runtime.block_on(async {
        driver.arm().await;
        driver.drive(Duration::from_millis(300)).await;
    });
    assert!(robot.lines().is_powered());
    let ended = agent.terminate();
    assert!(ended.status.success(), "{ended:?}");
    robot.lines().wait_for_power(false, SOON);
}

#[test]
fn what_both_processes_left_powered_falls_by_one_call_and_a_living_actuator_is_let_be() {
    let sfu = Sfu::start();
    let robot = Robot::new();
    let runtime = runtime();
    let (agent, actuator) = robot.start(&sfu);
    let mut driver = runtime.block_on(Remote::open(&sfu, "drive"));
    runtime.block_on(async {
        driver.arm().await;
        driver.drive(Duration::from_millis(300)).await;
    });
    // It drives on meanwhile: three seconds are waited for the lines, which it never gets.
    let asked = std::thread::scope(|scope| {
        let asked = scope.spawn(|| robot.make_safe());
        runtime.block_on(driver.drive(Duration::from_millis(3500)));
        asked.join().expect("it ends")
    });
    assert!(!asked.0 && asked.1.contains("still drives"), "{}", asked.1);
    assert!(robot.lines().is_powered(), "it was fought");

    // Both at once, as the kernel does where memory is short: the agent must not see the other's end.
    signal(agent.pid(), Signal::STOP);
    signal(actuator, Signal::KILL);
    signal(agent.pid(), Signal::KILL);
    agent.ended(SOON);
    assert!(!is_alive(actuator));
    assert!(robot.lines().is_powered(), "nobody is left who could");
    let (safe, told) = robot.make_safe();
    assert!(safe, "{told}");
    assert!(!robot.lines().is_powered(), "{told}");
    // Once more harms nothing, and where nothing is wired there is nothing to do.
    assert!(robot.make_safe().0);
    let bare = make_safe(&[]);
    assert!(bare.0 && bare.1.contains("nothing is wired"), "{}", bare.1);
    // A slip in the table that names the board may hide outputs: that is no "nothing".
    let slip = robot
        .folder
        .write("slip.toml", "[control]\nbord = \"sim\"\n");
    let (safe, told) = make_safe(&["--config", slip.to_str().expect("a path")]);
    assert!(!safe && told.contains("bord"), "{told}");
}

/// It is recovery and no stop: fed while the actuator's loop turns, disarmed by an end in order and by nothing else.
#[test]
fn a_watchdog_is_fed_by_a_loop_that_turns_and_disarmed_by_an_end_in_order_alone() {
    let sfu = Sfu::start();
    let folder = StateDir::new();
    let device = folder.path().join("watchdog");
    let made = Command::new("mkfifo").arg(&device).status();
    assert!(made.expect("mkfifo").success());
    // A pipe with a reader takes every byte of all who open it.
    let mut options = std::fs::OpenOptions::new();
    let options = options.read(true).write(true);
    let mut pipe = options.open(&device).expect("the pipe");
    let flags = rustix::fs::fcntl_getfl(&pipe).expect("its flags");
    rustix::fs::fcntl_setfl(&pipe, flags | rustix::fs::OFlags::NONBLOCK).expect("its flags");
    let mut fed = || {
        let mut bytes = [0; 256];
        let len = std::io::Read::read(&mut pipe, &mut bytes).unwrap_or(0);
        bytes[..len].to_vec()
    };
    let board = folder.write(
        "board.toml",
        format!(
            "name = \"watched\"\noutputs = \"sim\"\n[light]\nline = 1\n[watchdog]\ndevice = \"{}\"\n",
            device.display()
        ),
    );
    let robot = Robot {
        config: folder.write(
            "transom-agent.toml",
            format!(
                "[control]\npicture_limit_ms = 0\nboard = \"{}\"\n",
                board.display()
            ),
        ),
        folder,
    };
    let (agent, actuator) = robot.start(&sfu);
    std::thread::sleep(Duration::from_millis(3500));
    let bytes = fed();
    assert!((3..=5).contains(&bytes.len()), "{bytes:?}");
    assert!(bytes.iter().all(|byte| *byte == 0), "{bytes:?}");
    signal(agent.pid(), Signal::STOP);
    signal(actuator, Signal::KILL);
    signal(agent.pid(), Signal::KILL);
    agent.ended(SOON);
    assert!(!fed().contains(&b'V'), "the machine would stay as it is");
    let (safe, told) = robot.make_safe();
    assert!(safe, "{told}");
    assert!(fed().is_empty(), "it is none of its business");
    let (agent, _) = robot.start(&sfu);
    agent.line("connected", SOON);
    std::thread::sleep(Duration::from_millis(500));
    let ended = agent.terminate();
    assert!(ended.status.success(), "{ended:?}");
    assert_eq!(fed().last(), Some(&b'V'));
}
