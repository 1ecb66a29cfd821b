//! A server, an agent whose board is a robot, and who drives.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use transom_control::{State, StopReason};
use transom_tests_e2e::{
    LIMIT_US, Lines, Program, Remote, Sfu, Signal, binary, is_alive, monotonic_us, signal, tell,
};

/// A library may take its time to be loaded.
pub const SOON: Duration = Duration::from_secs(60);
/// What an interpreter on a loaded machine may add to what the actuator keeps.
pub const SLACK_US: u64 = 100_000;

/// The Python that has what the robots need.
pub fn python() -> PathBuf {
    let named = std::env::var_os("TRANSOM_PYTHON");
    named.map(PathBuf::from).expect(
        "TRANSOM_PYTHON is not set: cargo xtask test --only robots, or name a Python with tests/robots/requirements.txt installed",
    )
}

/// A script of `peers`.
pub fn peer(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("peers")
        .join(name)
}

/// One of the examples for users.
pub fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../boards/bridge/examples")
        .join(name)
}

/// The rest of a `[control]` table whose robot is the program that these words start.
pub fn program(words: &[PathBuf]) -> String {
    let words: Vec<String> = words
        .iter()
        .map(|word| format!("{:?}", word.display().to_string()))
        .collect();
    format!(
        "board = \"program\"\n[control.program]\ncommand = [{}]",
        words.join(", ")
    )
}

/// Says how long each end took, in microseconds, and asserts that none took longer than it may.
#[track_caller]
pub fn within_the_limit(what: &str, ends: &[u64]) {
    tell(what, LIMIT_US, ends.iter().copied());
    assert!(
        ends.iter().all(|end| *end <= LIMIT_US + SLACK_US),
        "{ends:?}"
    );
}

/// A server and an agent.
pub struct Scene {
    /// The server; its state folder is everybody's.
    pub sfu: Sfu,
    /// The agent.
    pub agent: Program,
}

impl Scene {
    /// With this `[control]` table, made from the path of a folder for files.
    pub fn start(table: impl FnOnce(&Path) -> String) -> Self {
        let sfu = Sfu::start_with("");
        let table = format!(
            "[control]\npicture_limit_ms = 0\n{}\n",
            table(sfu.state.path())
        );
        let config = sfu.state.write("transom-agent.toml", &table);
        let mut command = Command::new(binary("transom-agent"));
        command.args(["--whip", &format!("http://{}/whip/door", sfu.http)]);
        command.args(["--token", &sfu.token("publish")]);
        command.args(["--source", "test", "--size", "320x240", "--audio", "none"]);
        command.arg("--config").arg(config);
        Self {
            agent: Program::start(command),
            sfu,
        }
    }

    /// Somebody who may drive.
    pub async fn driver(&self) -> Remote {
        Remote::open(&self.sfu, "drive").await
    }

    /// The same, who has driven for `time`; `lines` are the robot's.
    pub async fn driven(&self, lines: &Lines, time: Duration) -> Remote {
        let mut driver = self.driver().await;
        driver.arm().await;
        driver.drive(time).await;
        assert!(lines.is_powered(), "{}", self.agent.lines().join("\n"));
        driver
    }

    /// The number of the actuator that was started last.
    pub fn actuator(&self) -> u32 {
        self.agent.line("actuator: started pid=", SOON);
        let lines = self.agent.lines();
        let started = lines
            .iter()
            .rev()
            .find_map(|line| line.split_once("actuator: started pid="));
        started
            .expect("it was started")
            .1
            .trim()
            .parse()
            .expect("a number")
    }

    /// Waits for so many lines of the log with this mark.
    #[track_caller]
    pub fn told(&self, mark: &str, times: usize) {
        let told = |lines: &[String]| lines.iter().filter(|line| line.contains(mark)).count();
        self.until(mark, || told(&self.agent.lines()) >= times);
    }

    /// Waits until it is so.
    #[track_caller]
    pub fn until(&self, what: &str, mut so: impl FnMut() -> bool) {
        let deadline = Instant::now() + SOON;
        while !so() {
            assert!(
                Instant::now() < deadline,
                "not {what}:\n{}",
                self.agent.lines().join("\n")
            );
            sleep(Duration::from_millis(5));
        }
    }

    /// Kills a process, and waits until it is gone.
    pub fn kill(&self, pid: u32) {
        signal(pid, Signal::KILL);
        self.until("gone", || !is_alive(pid));
    }

    /// Waits for a report of this stop.
    pub async fn stopped(driver: &mut Remote, reason: StopReason) {
        let deadline = monotonic_us() + 10_000_000;
        while driver.report().await.state != State::Stopped(reason) {
            assert!(monotonic_us() < deadline, "not stopped for {reason:?}");
        }
    }
}
