//! What the programs tell systemd, by a socket that is ours.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails where it fails"
)]

use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use transom_tests_e2e::{Program, Sfu, Signal, StateDir, agent_to, binary, signal};

const SOON: Duration = Duration::from_secs(20);
/// As a unit's `WatchdogSec=` would be, in microseconds.
const WATCHDOG: &str = "1000000";

/// systemd's end.
struct Manager {
    socket: UnixDatagram,
    folder: StateDir,
}

impl Manager {
    fn new() -> Self {
        let folder = StateDir::new();
        let socket = UnixDatagram::bind(folder.path().join("notify")).expect("a socket");
        Self { socket, folder }
    }

    fn watches(&self, command: &mut Command) {
        command
            .env("NOTIFY_SOCKET", self.folder.path().join("notify"))
            .env("WATCHDOG_USEC", WATCHDOG);
    }

    /// The next thing said.
    fn next(&self, within: Duration) -> Option<String> {
        let timeout = within.max(Duration::from_millis(1));
        self.socket
            .set_read_timeout(Some(timeout))
            .expect("a timeout");
        let mut buffer = [0; 512];
        let len = self.socket.recv(&mut buffer).ok()?;
        Some(String::from_utf8_lossy(&buffer[..len]).into_owned())
    }

    #[track_caller]
    fn hears(&self, wanted: &str) {
        let deadline = Instant::now() + SOON;
        let mut heard = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.next(left) {
                Some(said) if said.starts_with(wanted) => return,
                Some(said) => heard.push(said),
                None => panic!("no `{wanted}` within {SOON:?}, but {heard:?}"),
            }
        }
    }

    fn forgets(&self) {
        while self.next(Duration::from_millis(1)).is_some() {}
    }
}

/// A process that stands still does not beat, and does again when it goes on.
fn stands_still(manager: &Manager, program: &Program) {
    manager.hears("WATCHDOG=1");
    manager.hears("WATCHDOG=1");
    signal(program.pid(), Signal::STOP);
    sleep(Duration::from_millis(100));
    manager.forgets();
    let said = manager.next(Duration::from_millis(1500));
    assert_eq!(said, None, "stopped, and speaks");
    signal(program.pid(), Signal::CONT);
    manager.hears("WATCHDOG=1");
}

#[test]
fn the_agent_tells_how_it_goes() {
    let sfu = Sfu::start();
    let manager = Manager::new();
    let mut command = Command::new(binary("transom-agent"));
    command
        .args(["--whip", &format!("http://{}/whip/door", sfu.http)])
        .args(["--audio", "none"])
        .env("TRANSOM_TOKEN", sfu.token("publish"));
    manager.watches(&mut command);
    let agent = Program::start(command);
    manager.hears("READY=1");
    manager.hears("STATUS=publishing");
    stands_still(&manager, &agent);
    let ended = sfu.program.terminate();
    assert!(ended.status.success());
    manager.hears("STATUS=no session");
    manager.forgets();
    assert!(agent.terminate().status.success());
    manager.hears("STOPPING=1");
}

/// A server that is away is no reason for a start to fail.
#[test]
fn the_agent_is_ready_without_a_server() {
    let manager = Manager::new();
    let mut command = agent_to("http://127.0.0.1:9/whip/door");
    command.args(["--audio", "none"]);
    manager.watches(&mut command);
    let _agent = Program::start(command);
    manager.hears("READY=1");
    manager.hears("WATCHDOG=1");
}

#[test]
fn the_server_is_ready_when_it_serves_and_beats_with_all_its_threads() {
    let manager = Manager::new();
    let mut command = Command::new(binary("transom-sfu"));
    manager.watches(&mut command);
    let mut sfu = Sfu::start_command(command, StateDir::new(), "127.0.0.1:0", "workers = 3\n");
    manager.hears("STATUS=serving; listening http=127.0.0.1:");
    manager.hears("READY=1");
    sfu.still_serves();
    stands_still(&manager, &sfu.program);
    assert!(sfu.program.terminate().status.success());
    manager.hears("STOPPING=1");
}

/// What starts an agent on the same machine takes the token from there.
#[test]
fn the_publishers_token_is_handed_out() {
    let sfu = Sfu::start();
    let path = sfu.state.path().join("publish-token");
    let told = std::fs::read_to_string(&path).expect("publish-token");
    assert_eq!(told.trim(), sfu.token("publish"));
    let folder = StateDir::new();
    let file = folder.write(
        "transom-agent.toml",
        format!(
            "whip = \"http://{}/whip/door\"\ntoken_file = \"{}\"\n[audio]\nsource = \"none\"\n",
            sfu.http,
            path.display()
        ),
    );
    let mut command = Command::new(binary("transom-agent"));
    command.arg("--config").arg(file);
    Program::start(command).line("connected", SOON);
}

#[test]
fn links_are_none_before_the_first_start_and_asking_makes_none() {
    let state = StateDir::new();
    let mut command = transom_tests_e2e::sfu(state.path());
    command.arg("link");
    Program::start(command)
        .ended(SOON)
        .refused_with(&["first start", "--state-dir"]);
    let left = std::fs::read_dir(state.path()).expect("the folder").count();
    assert_eq!(left, 0, "it made something");
}
