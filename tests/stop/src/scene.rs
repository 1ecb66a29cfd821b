//! A server, an agent with a simulated robot, and an operator: processes of their own, on one machine or on two,
//! with or without bad cables between them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use transom_tests_e2e::{Lines, ProcessorWatch, Program, Sfu, StateDir, binary, monotonic_us};

use crate::cable::{Cable, Weather};
use crate::detour::detour;
use crate::machines::{HOUSE, Machines};
use crate::memory::MemoryGroup;

/// How long anything but a stop may take.
pub const SOON: Duration = Duration::from_secs(30);
/// Past which a picture is too old, where the agent asks for one.
pub const PICTURE_LIMIT_US: u64 = 400_000;
/// Of somebody who may drive, and take the lease from others.
const CHIEF: &str = "the-token-of-the-chief";

/// What a scene is made of.
#[derive(Clone, Debug)]
pub struct Setting {
    /// What the operator does.
    pub habit: &'static str,
    /// What its clock is ahead, in seconds.
    pub ahead: u64,
    /// Cables between the programs and the server.
    pub weather: Option<Weather>,
    /// The agent is on a machine of its own.
    pub two_machines: bool,
    /// The agent has a memory limit.
    pub limited: bool,
    /// The agent logs a lot.
    pub talkative: bool,
    /// The agent asks for pictures.
    pub pictures: bool,
    /// Of everything random.
    pub seed: u64,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            habit: "drives",
            ahead: 0,
            weather: None,
            two_machines: false,
            limited: false,
            talkative: false,
            pictures: false,
            seed: 1,
        }
    }
}

/// All of it, running. The order is that in which it ends.
pub struct Scene {
    /// The process that drives.
    pub operator: Program,
    /// The agent's main process.
    pub agent: Program,
    /// The actuator's pid.
    pub actuator: u32,
    /// What the robot does.
    pub lines: Lines,
    /// The server.
    pub sfu: Sfu,
    /// On the operator's and on the agent's side, where there are any.
    pub cables: Option<[Cable; 2]>,
    /// Where there are two.
    pub machines: Option<Machines>,
    /// Where the agent has a limit.
    pub memory: Option<MemoryGroup>,
    whep: String,
    _folder: StateDir,
}

impl Scene {
    /// Starts everything, up to an operator that is about to drive. The error is why it cannot be had here.
    pub fn start(setting: &Setting) -> Result<Self, String> {
        let machines = setting.two_machines.then(Machines::start).transpose()?;
        let memory = setting.limited.then(MemoryGroup::new).transpose()?;
        let sfu = match &machines {
            None => Sfu::start_with(&format!(
                "[[token]]\nname = \"chief\"\ntoken = \"{CHIEF}\"\nscopes = [\"watch\", \"drive\", \"admin\"]\n"
            )),
            Some(machines) => {
                let command = machines.house.command(&binary("transom-sfu"));
                // Nobody else can read on that cable.
                let config = "allow_plain_http = true\n";
                Sfu::start_command(command, StateDir::new(), &format!("{HOUSE}:0"), config)
            }
        };
        let cables = setting.weather.as_ref().map(|weather| {
            let server = ([127, 0, 0, 1], sfu.udp_port).into();
            [2, 3].map(|salt| Cable::start(server, weather.clone(), setting.seed * 10 + salt))
        });
        let [to_whep, to_whip] = match &cables {
            None => [sfu.http; 2],
            Some(cables) => cables.each_ref().map(|cable| detour(sfu.http, cable.addr)),
        };
        let folder = StateDir::new();
        let trace = folder.path().join("trace");
        let agent = start_agent(
            setting,
            &sfu,
            &to_whip.to_string(),
            &folder,
            &trace,
            |program| match (&machines, &memory) {
                (Some(machines), _) => machines.robot.command(program),
                (_, Some(memory)) => memory.command(program),
                _ => Command::new(program),
            },
        );
        let started = agent.line("actuator: started pid=", SOON);
        let (_, actuator) = started.split_once("pid=").expect("a pid");
        let actuator = actuator.trim().parse().expect("a number");
        let whep = format!("http://{to_whep}/whep/robot");
        let token = sfu.token("drive");
        let operator = start_operator(setting, &token, &whep, machines.as_ref(), setting.habit);
        Ok(Self {
            operator,
            agent,
            actuator,
            lines: Lines::new(&trace),
            sfu,
            cables,
            machines,
            memory,
            whep,
            _folder: folder,
        })
    }

    /// Another operator, a chief, who has heard of the robot and drives it not.
    pub fn another(&self, habit: &'static str) -> Program {
        let operator = start_operator(
            &Setting::default(),
            CHIEF,
            &self.whep,
            self.machines.as_ref(),
            habit,
        );
        operator.line("heard", SOON);
        operator
    }

    /// Waits until the robot moves, and then `time`.
    pub fn drive(&self, time: Duration) {
        self.operator.line("armed ", SOON);
        self.lines.wait_for_power(true, SOON);
        sleep(time);
    }

    /// When each setpoint was sent, and the speed by which it is known.
    pub fn sent(&self) -> Vec<(u64, i32)> {
        let lines = self.operator.lines();
        let sent = lines.iter().filter_map(|line| line.strip_prefix("sent "));
        sent.map(|line| {
            let (at, speed) = line.split_once(' ').expect("two words");
            (
                at.parse().expect("microseconds"),
                speed.parse().expect("a speed"),
            )
        })
        .collect()
    }

    /// The last number after `mark` that the operator said.
    pub fn last(&self, mark: &str) -> Option<u64> {
        let lines = self.operator.lines();
        let line = lines.iter().rev().find_map(|line| line.strip_prefix(mark));
        line.map(|line| line.trim().parse().expect("a number"))
    }

    /// Everything that the programs said.
    pub fn told(&self) -> String {
        let agent = self.agent.lines();
        // Of one that logs a lot the last of it.
        let agent = agent
            .get(agent.len().saturating_sub(60)..)
            .unwrap_or_default();
        [
            &self.sfu.program.lines()[..],
            agent,
            &self.operator.lines()[..],
        ]
        .concat()
        .join("\n")
    }

    /// Waits until it stands, since when it does; `None` where it moves on.
    pub fn stands(&self, within: Duration, processor: &mut ProcessorWatch) -> Option<u64> {
        let deadline = monotonic_us() + u64::try_from(within.as_micros()).unwrap_or(u64::MAX);
        loop {
            match self.lines.edges("enable").pop() {
                Some(edge) if edge.value == 0 => return Some(edge.at),
                _ if monotonic_us() > deadline => return None,
                _ => processor.look(),
            }
            sleep(Duration::from_millis(2));
        }
    }
}

fn start_agent(
    setting: &Setting,
    sfu: &Sfu,
    http: &str,
    folder: &StateDir,
    trace: &Path,
    command: impl FnOnce(&Path) -> Command,
) -> Program {
    let mut table = format!(
        "[control]\nboard = \"sim\"\ntrace = \"{}\"\n",
        trace.display()
    );
    let limit_us = if setting.pictures {
        PICTURE_LIMIT_US
    } else {
        0
    };
    table.push_str(&format!("picture_limit_ms = {}\n", limit_us / 1000));
    let config = folder.write("transom-agent.toml", &table);
    let mut command = command(&binary("transom-agent"));
    command.args(["--whip", &format!("http://{http}/whip/robot")]);
    command.args(["--token", &sfu.token("publish")]);
    command.args(["--source", "test", "--size", "160x120", "--fps", "5"]);
    command.args(["--audio", "none"]);
    if setting.talkative {
        // A few lines a packet.
        command.args(["--log", "info,sctp_proto=trace"]);
    }
    command.arg("--config").arg(config);
    Program::start(command)
}

fn start_operator(
    setting: &Setting,
    token: &str,
    whep: &str,
    machines: Option<&Machines>,
    habit: &str,
) -> Program {
    let program = ours("transom-operator");
    let mut command = match machines {
        Some(machines) => machines.house.command(&program),
        None => Command::new(program),
    };
    if setting.ahead > 0 {
        // By itself and not by `faketime`, which would be another process.
        let library = faketime().expect("libfaketime");
        command.env("LD_PRELOAD", library);
        command.env("FAKETIME", format!("+{}s", setting.ahead));
    }
    command.args([whep, token, habit]);
    command.arg(setting.ahead.to_string());
    Program::start(command)
}

/// A program of this crate, beside its tests or beside the one that runs.
pub fn ours(name: &str) -> PathBuf {
    let here = std::env::current_exe().expect("our own path");
    let folders = here.ancestors().skip(1).take(2);
    let found = folders
        .map(|folder| folder.join(name))
        .find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("{name} is not built: cargo build -p transom-tests-stop"))
}

/// The library that gives a process another time, where it is installed.
pub(crate) fn faketime() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").ok()?;
    let folders = folders.flatten().map(|folder| folder.path());
    let mut files = folders.map(|folder| folder.join("faketime").join("libfaketimeMT.so.1"));
    files.find(|file| file.is_file())
}
