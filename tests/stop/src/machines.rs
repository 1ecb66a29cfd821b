//! Two machines and the cable between them: network namespaces of our own. What runs there reaches nothing else.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::geteuid;

/// The server and its operator are here.
pub(crate) const HOUSE: &str = "192.168.78.5";
const ROBOT: &str = "192.168.78.30";

/// A house with the server, and the robot in its Wi-Fi.
pub struct Machines {
    /// Where server and operator run.
    pub house: Machine,
    /// Where the agent runs.
    pub robot: Machine,
}

/// A process that holds a namespace open; both end with the value.
pub struct Machine(Child);

impl Machines {
    /// Makes them; the error is why that cannot be done here.
    pub fn start() -> Result<Self, String> {
        let house = Machine::start(Command::new("unshare"))?;
        let mut within = Command::new("nsenter");
        within.args(house.entry()).arg("unshare");
        let robot = Machine::start_with(within, &[])?;
        let peer = robot.0.id();
        house.run(&format!(
            "ip link add lan0 type veth peer name wlan0 netns {peer}"
        ))?;
        for (machine, address, device) in [(&house, HOUSE, "lan0"), (&robot, ROBOT, "wlan0")] {
            machine.run(&format!(
                "ip link set lo up; ip address add {address}/24 dev {device}; ip link set {device} up"
            ))?;
        }
        Ok(Self { house, robot })
    }

    /// The robot's Wi-Fi is gone, or is there again.
    pub fn cut(&self, cut: bool) {
        let to = if cut { "down" } else { "up" };
        let done = self.robot.run(&format!("ip link set wlan0 {to}"));
        done.expect("a device of ours");
    }
}

impl Machine {
    fn start(command: Command) -> Result<Self, String> {
        // Root keeps its rights to a real-time priority; others get none in a namespace of users either.
        match geteuid().is_root() {
            true => Self::start_with(command, &[]),
            false => Self::start_with(command, &["--map-root-user"]),
        }
    }

    fn start_with(mut command: Command, how: &[&str]) -> Result<Self, String> {
        command.args(how).args(["--net", "sleep", "infinity"]);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = command
            .spawn()
            .map_err(|error| format!("unshare: {error}"))?;
        let mut machine = Self(child);
        let deadline = Instant::now() + Duration::from_secs(5);
        // `unshare` becomes `sleep` once it has made them.
        while !machine.is_ready() {
            if let Ok(Some(status)) = machine.0.try_wait() {
                return Err(format!("no network namespace can be made here ({status})"));
            }
            if Instant::now() > deadline {
                return Err("no network namespace within 5 s".to_owned());
            }
            sleep(Duration::from_millis(5));
        }
        Ok(machine)
    }

    fn is_ready(&self) -> bool {
        let program = fs::read_link(format!("/proc/{}/exe", self.0.id()));
        let name = program
            .ok()
            .and_then(|path| path.file_name().map(ToOwned::to_owned));
        name.is_some_and(|name| ["sleep", "coreutils", "busybox"].iter().any(|n| name == *n))
    }

    fn entry(&self) -> Vec<String> {
        let mut words = vec!["--target".to_owned(), self.0.id().to_string()];
        if !geteuid().is_root() {
            words.extend(["--user", "--preserve-credentials"].map(str::to_owned));
        }
        words.extend(["--net", "--"].map(str::to_owned));
        words
    }

    /// What runs a program there.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("nsenter");
        command.args(self.entry()).arg(program);
        command
    }

    fn run(&self, line: &str) -> Result<(), String> {
        let mut command = self.command(Path::new("sh"));
        let output = command.args(["-ec", line]).output();
        let output = output.map_err(|error| format!("nsenter: {error}"))?;
        match output.status.success() {
            true => Ok(()),
            false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
