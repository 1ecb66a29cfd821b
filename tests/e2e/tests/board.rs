//! A doorbell whose board is simulated: the button is a pipe, and the lines write their edges down.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails where it fails"
)]

use std::fs::OpenOptions;
use std::io::Write;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use transom_rtc_telemetry::Scrape;
use transom_tests_e2e::{
    Edge, Lines, Program, Request, Signal, StateDir, agent, binary, monotonic_us, signal,
};

const SOON: Duration = Duration::from_secs(20);
/// From the agent's death to safe lines: the demand, and what a loaded machine may add.
const GOAL_US: u64 = 50_000;
const SLACK_US: u64 = 200_000;
/// A pulse counts from the beginning of the turn that begins it; its edge is stamped where it is made.
const EARLY_US: u64 = 1_000;

/// A board file in a folder with its pipe and its trace.
struct Scene {
    folder: StateDir,
    lines: Lines,
    file: String,
}

impl Scene {
    fn new() -> Self {
        let folder = StateDir::new();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let (button, trace) = (folder.path().join("button"), path("trace"));
        mknodat(CWD, &button, FileType::Fifo, Mode::from_raw_mode(0o600), 0).expect("a pipe");
        let text = format!(
            "name = \"a door\"\noutputs = \"sim\"\ntrace = \"{trace}\"\n\
             [button]\nline = \"{}\"\n[lock]\nline = 1\nlongest_ms = 2000\n\
             [light]\nline = 2\n[chime]\nline = 3\nring_ms = 200\n",
            button.display()
        );
        let file = folder.write("door.toml", text).display().to_string();
        Self {
            lines: Lines::new(&folder.path().join("trace")),
            folder,
            file,
        }
    }

    fn test(&self, words: &[&str]) -> Command {
        let mut command = Command::new(binary("transom-agent"));
        command.args(["board", "test"]).args(words);
        command.args(["--board", &self.file]);
        command
    }

    /// The edges of a line, once there are so many.
    #[track_caller]
    fn edges(&self, line: &str, count: usize) -> Vec<Edge> {
        let deadline = Instant::now() + SOON;
        loop {
            let edges = self.lines.edges(line);
            if edges.len() >= count {
                return edges;
            }
            assert!(Instant::now() < deadline, "{line}: {edges:?}");
            sleep(Duration::from_millis(2));
        }
    }
}

#[test]
fn a_press_rings_the_chime_tells_the_owners_program_and_is_counted() {
    let scene = Scene::new();
    let said = scene.folder.path().join("said");
    let hook = format!(
        "metrics = \"127.0.0.1:0\"\n[control]\npicture_limit_ms = 0\nboard = \"{}\"\n\
         [bell]\nrun = [\"/bin/cp\", \"/proc/self/environ\", \"{}\"]\n",
        scene.file,
        said.display()
    );
    let mut command = agent();
    command
        .arg("--config")
        .arg(scene.folder.write("agent.toml", hook));
    let agent = Program::start(command);
    agent.line("waiting for the button", SOON);
    agent.line("actuator: started", SOON);
    let address = agent.line("metrics at http://", SOON);
    scene.edges("chime", 1);
    let mut finger = OpenOptions::new()
        .write(true)
        .open(scene.folder.path().join("button"))
        .expect("the button");
    // Its contacts bounce.
    for contact in [b"1", b"0", b"1"] {
        finger.write_all(contact).expect("a press");
        sleep(Duration::from_millis(3));
    }
    let ring = agent.line("ring: somebody is at the door", SOON);
    assert!(ring.contains("number=1"), "{ring}");
    let chime = scene.edges("chime", 3);
    let values: Vec<i32> = chime.iter().map(|edge| edge.value).collect();
    assert_eq!(values, [0, 1, 0]);
    let rang = chime[2].at - chime[1].at;
    assert!(
        (200_000 - EARLY_US..200_000 + SLACK_US).contains(&rang),
        "{rang}"
    );
    let deadline = Instant::now() + SOON;
    let told = loop {
        match std::fs::read(&said) {
            Ok(told) if !told.is_empty() => break String::from_utf8_lossy(&told).into_owned(),
            _ => assert!(Instant::now() < deadline, "the program was not told"),
        }
        sleep(Duration::from_millis(10));
    };
    assert!(
        told.contains("TRANSOM_RING=1") && !told.contains("TOKEN"),
        "{told}"
    );
    finger.write_all(b"0").expect("it is let go");

    let (_, address) = address.split_once("http://").expect("an address");
    let address = address
        .trim_end_matches("/metrics")
        .parse()
        .expect("an address");
    let response = Request::new("GET", "/metrics").send(address);
    let scrape = Scrape::parse(&response.body).expect("the format");
    assert_eq!(scrape.value("transom_agent_rings_total", &[]), Some(1.0));
    let switched = "transom_agent_outputs_switched_total";
    assert_eq!(scrape.value(switched, &[("output", "chime")]), Some(1.0));
    assert_eq!(scrape.value(switched, &[("output", "lock")]), Some(0.0));
    let ended = agent.terminate();
    assert!(ended.status.success(), "{ended:?}");
}

#[test]
fn a_lock_opens_for_its_time_and_no_longer_than_the_board_allows() {
    let scene = Scene::new();
    for (asked, open_us) in [("300", 300_000), ("60000", 2_000_000)] {
        let before = scene.lines.edges("lock").len();
        let ended = Program::start(scene.test(&["lock", "--ms", asked])).ended(SOON);
        assert!(ended.status.success(), "{ended:?}");
        let edges = scene.edges("lock", before + 3);
        let [opened, locked] = [&edges[before + 1], &edges[before + 2]];
        assert_eq!((opened.value, locked.value), (1, 0), "{edges:?}");
        let open = locked.at - opened.at;
        println!("asked for {asked} ms, open for {open} us");
        assert!(
            (open_us - EARLY_US..open_us + SLACK_US).contains(&open),
            "{open}"
        );
    }
    let ended = Program::start(scene.test(&["light", "--ms", "100"])).ended(SOON);
    assert!(ended.status.success(), "{ended:?}");
    let values: Vec<i32> = scene.edges("light", 3).iter().map(|e| e.value).collect();
    assert!(values.ends_with(&[1, 0]), "{values:?}");
    let ended = Program::start(scene.test(&["drive", "--ms", "100"])).ended(SOON);
    assert!(!ended.status.success(), "there are no wheels");
}

#[test]
fn whatever_becomes_of_the_agent_the_door_is_locked_at_once() {
    for (what, with) in [
        ("killed", Signal::KILL),
        ("aborted", Signal::ABORT),
        ("interrupted", Signal::INT),
    ] {
        let scene = Scene::new();
        let command = scene.test(&["lock", "--ms", "2000"]);
        let opener = Program::start(command);
        scene.edges("lock", 2);
        sleep(Duration::from_millis(200));
        let at = monotonic_us();
        signal(opener.pid(), with);
        let edges = scene.edges("lock", 3);
        assert_eq!(edges[2].value, 0, "{edges:?}");
        let took = edges[2].at.saturating_sub(at);
        println!("{what}: locked after {took} us");
        assert!(took < GOAL_US + SLACK_US, "{what}: {took}");
    }
}

#[test]
fn an_actuator_that_is_killed_leaves_the_door_to_the_next_which_locks_it_first() {
    let scene = Scene::new();
    let opener = Program::start(scene.test(&["lock", "--ms", "2000"]));
    let started = opener.line("actuator: started", SOON);
    let (_, pid) = started.split_once("pid=").expect("its number");
    let pid = pid.split_whitespace().next().expect("a word");
    scene.edges("lock", 2);
    let at = monotonic_us();
    signal(pid.parse().expect("a number"), Signal::KILL);
    let edges = scene.edges("lock", 3);
    let took = edges[2].at - at;
    println!("the next actuator locked after {took} us");
    assert_eq!(edges[2].value, 0, "{edges:?}");
    // Half of the time that it would have been open for.
    assert!(took < 1_000_000, "{took}");
}

#[test]
fn a_board_without_its_devices_starts_and_says_what_is_absent() {
    let folder = StateDir::new();
    let board = folder.write(
        "board.toml",
        "chip = \"/dev/gpiochip99\"\n[button]\nline = 0\n[lock]\nline = 1\n\
         [battery]\nina219 = { bus = 99, address = 0x40 }\n",
    );
    let table = format!(
        "[control]\npicture_limit_ms = 0\nboard = \"{}\"\n",
        board.display()
    );
    let mut command = agent();
    command
        .arg("--config")
        .arg(folder.write("agent.toml", table));
    let mut agent = Program::start(command);
    for what in ["the lock", "the button"] {
        let told = agent.line(&format!("{what}: line"), SOON);
        assert!(
            told.contains("of /dev/gpiochip99 is absent") && told.contains("WARN"),
            "{told}"
        );
    }
    let told = agent.line("no voltage by", SOON);
    for part in ["WARN", "/dev/i2c-99 at 0x40", "dtparam=i2c_arm=on"] {
        assert!(told.contains(part), "{told}");
    }
    agent.line("connecting to", SOON);
    assert!(agent.runs());
    let test = |output: &str| {
        let mut command = Command::new(binary("transom-agent"));
        command
            .args(["board", "test", output, "--board"])
            .arg(&board);
        Program::start(command).ended(SOON)
    };
    let ended = test("lock");
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert!(
        ended
            .lines
            .iter()
            .any(|line| line.contains("the log says why")),
        "{ended:?}"
    );
}

#[test]
fn board_tells_what_is_wired_and_every_mistake() {
    let run = |words: &[&str]| {
        let mut command = Command::new(binary("transom-agent"));
        command.arg("board").args(words);
        Program::start(command).ended(SOON)
    };
    let told = run(&["raspberry-pi-zero-2-w"]);
    let text = told.lines.join("\n");
    assert!(told.status.success(), "{text}");
    for part in [
        "This machine:",
        "[button] line",
        "[drive] enable",
        "pinctrl-bcm2835",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let printed = run(&["raspberry-pi-5", "--print"]);
    let folder = StateDir::new();
    let copy = folder.write("mine.toml", printed.lines.join("\n"));
    let copy = copy.display().to_string();
    assert!(
        run(&[&copy]).status.success(),
        "a printed file is a good one"
    );
    let bad = folder.write(
        "bad.toml",
        "odd = 1\n[lock]\nline = 1\nlongest_ms = \"long\"\n",
    );
    let told = run(&[&bad.display().to_string()]);
    assert_eq!(told.status.code(), Some(1));
    let text = told.lines.join("\n");
    assert!(text.contains("bad.toml:1: unknown field `odd`"), "{text}");
    assert!(text.contains("bad.toml:4: "), "{text}");
}
