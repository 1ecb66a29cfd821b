//! The servers that are loaded: ours, and any other by its URLs.

use std::fs::{self, File};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::generator;
use crate::failure::Failure;
use crate::{step, workspace};

/// A first start makes keys and secrets.
const READY_WITHIN: Duration = Duration::from_secs(20);

/// The token of our server, good for both. Nobody else reaches it: it listens on loopback.
const TOKEN: &str = "load-generator-on-loopback";

/// Room for all that is asked of it, and nothing that counts requests.
const CONFIG: &str = r#"
log = "warn"
interfaces = []

[limits]
max_subscribers = 4000
max_sessions = 4000
max_connections = 4000
max_connections_per_address = 4000
requests_per_second = 100000
request_burst = 100000

[[token]]
name = "load"
token = "load-generator-on-loopback"
scopes = ["publish", "watch"]
"#;

/// A server, and how it is come by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) name: String,
    /// What its subscribers offer whatever the case: for a server that takes
    /// one profile only, measured beside those that take the case's.
    pub(super) cipher: Option<String>,
    way: Way,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Way {
    /// `transom-sfu`, a build of it.
    Sfu {
        binary: PathBuf,
        workers: u64,
        /// A program that runs it, and its arguments.
        under: Vec<String>,
    },
    /// One that runs already.
    Running { urls: Urls, pid: u32 },
    /// Started by a command for each run.
    Started { urls: Urls, command: String },
}

impl Way {
    const fn sfu(binary: PathBuf) -> Self {
        Self::Sfu {
            binary,
            workers: 1,
            under: Vec::new(),
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Urls {
    whip: String,
    whep: String,
    token: Option<String>,
}

impl Server {
    /// Our own with so many media threads.
    pub(super) fn with_workers(binary: PathBuf, workers: u64) -> Self {
        Self {
            name: match workers {
                1 => "transom".to_owned(),
                n => format!("transom, {n} workers"),
            },
            cipher: None,
            way: Way::Sfu {
                binary,
                workers,
                under: Vec::new(),
            },
        }
    }

    /// Our own, run by another program.
    pub(super) fn under(binary: PathBuf, under: Vec<String>) -> Self {
        Self {
            name: "transom".to_owned(),
            cipher: None,
            way: Way::Sfu {
                binary,
                workers: 1,
                under,
            },
        }
    }

    /// What follows `--against`.
    pub(super) fn parse(text: &str) -> Result<Self, Failure> {
        let wrong = |what: &str| {
            Failure::new(format!(
                "--against {text}: {what}; `cargo xtask bench load --help` shows examples"
            ))
        };
        let (name, mut rest) = text.split_once(',').ok_or_else(|| wrong("only a name"))?;
        let mut urls = Urls::default();
        let mut cipher = None;
        let way = loop {
            // A command is the rest of the word: it may hold commas.
            if let Some(command) = rest.strip_prefix("run=") {
                let command = command.to_owned();
                break Way::Started { urls, command };
            }
            let (pair, after) = rest.split_once(',').unwrap_or((rest, ""));
            let (key, value) = pair
                .split_once('=')
                .ok_or_else(|| wrong("neither pid=, run= nor sfu="))?;
            match key {
                "whip" => urls.whip = value.to_owned(),
                "whep" => urls.whep = value.to_owned(),
                "cipher" => cipher = Some(value.to_owned()),
                "token" => urls.token = Some(value.to_owned()),
                "pid" => {
                    let pid = value.parse().map_err(|_| wrong("pid= is not a number"))?;
                    break Way::Running { urls, pid };
                }
                "sfu" => break Way::sfu(PathBuf::from(value)),
                _ => return Err(wrong(&format!("`{key}` is not known"))),
            }
            rest = after;
        };
        let complete = match &way {
            Way::Sfu { .. } => true,
            Way::Running { urls, .. } | Way::Started { urls, .. } => {
                !urls.whip.is_empty() && !urls.whep.is_empty()
            }
        };
        if !complete {
            return Err(wrong("whip= and whep= come first"));
        }
        Ok(Self {
            name: name.to_owned(),
            cipher,
            way,
        })
    }

    /// Starts it, if it is not running, and waits until it answers.
    pub(super) fn start(&self) -> Result<Running, Failure> {
        match &self.way {
            Way::Running { urls, pid } => Ok(Running {
                urls: urls.clone(),
                pid: *pid,
                child: None,
            }),
            Way::Started { urls, command } => {
                let mut shell = Command::new("sh");
                // `exec`, so that the process is the server's and not a shell's.
                shell.args(["-c", &format!("exec {command}")]);
                let (child, _) = spawn(shell, &self.name)?;
                let running = Running {
                    urls: urls.clone(),
                    pid: child.id(),
                    child: Some(child),
                };
                wait_for(&self.name, || answers(&urls.whip).then_some(()))?;
                Ok(running)
            }
            Way::Sfu {
                binary,
                workers,
                under,
            } => self.start_sfu(binary, *workers, under),
        }
    }

    fn start_sfu(&self, binary: &Path, workers: u64, under: &[String]) -> Result<Running, Failure> {
        let folder = folder()?;
        let config = folder.join("transom-sfu.toml");
        fs::write(&config, CONFIG).map_err(Failure::io(config.display()))?;
        let mut command = match under.split_first() {
            None => Command::new(binary),
            Some((program, arguments)) => {
                let mut command = Command::new(program);
                command.args(arguments).arg(binary);
                command
            }
        };
        command.arg("--config").arg(&config);
        command.args(["--workers", &workers.to_string()]);
        command.arg("--state-dir").arg(folder.join("state"));
        command.args(["--http", "127.0.0.1:0", "--udp-port", "0"]);
        let (child, log) = spawn(command, &self.name)?;
        let mut running = Running {
            urls: Urls::default(),
            pid: child.id(),
            child: Some(child),
        };
        let http = wait_for(&self.name, || {
            let said = fs::read_to_string(&log).ok()?;
            let (_, after) = said.split_once("listening http=")?;
            after.split_whitespace().next().map(str::to_owned)
        })?;
        running.urls = Urls {
            whip: format!("http://{http}/whip/load"),
            whep: format!("http://{http}/whep/load"),
            token: Some(TOKEN.to_owned()),
        };
        Ok(running)
    }
}

/// A server that runs; ended with the value if it was started here.
pub(super) struct Running {
    urls: Urls,
    pid: u32,
    child: Option<Child>,
}

impl Running {
    pub(super) const fn pid(&self) -> u32 {
        self.pid
    }

    /// A command of the load generator, pointed at it.
    pub(super) fn load(&self, what: &str) -> Command {
        let mut command = Command::new(generator());
        command.args([what, "--whip", &self.urls.whip, "--whep", &self.urls.whep]);
        command.args(["--pid", &self.pid.to_string()]);
        if let Some(token) = &self.urls.token {
            command.args(["--token", token]);
        }
        command
    }

    /// Asks it to end, as systemd would, and waits until it has.
    pub(super) fn end(mut self) -> Result<(), Failure> {
        if let Some(mut child) = self.child.take() {
            let line = format!("kill -TERM {}", child.id());
            let mut kill = Command::new("sh");
            step::output(kill.args(["-c", &line]));
            child.wait().map_err(Failure::io("transom-sfu"))?;
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Where all that belongs to a measurement is put.
pub(super) fn folder() -> Result<PathBuf, Failure> {
    let folder = workspace::target().join("bench");
    fs::create_dir_all(&folder).map_err(Failure::io(folder.display()))?;
    Ok(folder)
}

/// Starts `command` and lets it speak into a file.
fn spawn(mut command: Command, name: &str) -> Result<(Child, PathBuf), Failure> {
    let log = folder()?.join(format!("{name}.log"));
    let out = File::create(&log).map_err(Failure::io(log.display()))?;
    let err = out.try_clone().map_err(Failure::io(log.display()))?;
    let child = command
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(err)
        .spawn()
        .map_err(Failure::io(command.get_program().display()))?;
    Ok((child, log))
}

fn wait_for<T>(name: &str, mut ready: impl FnMut() -> Option<T>) -> Result<T, Failure> {
    let begun = Instant::now();
    while begun.elapsed() < READY_WITHIN {
        if let Some(ready) = ready() {
            return Ok(ready);
        }
        thread::sleep(Duration::from_millis(20));
    }
    let log = folder()?.join(format!("{name}.log"));
    Err(Failure::new(format!(
        "{name} does not answer; what it said is in {}",
        log.display()
    )))
}

/// Whether somebody listens where `url` leads.
fn answers(url: &str) -> bool {
    let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = after_scheme.split('/').next().unwrap_or_default();
    let addresses = host.to_socket_addrs().into_iter().flatten();
    addresses
        .into_iter()
        .any(|a| TcpStream::connect_timeout(&a, Duration::from_millis(200)).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_named_by_its_urls() {
        let server = Server::parse(
            "srs,cipher=cm,whip=http://h:1/whip/?app=live&stream=door,whep=http://h:1/whep/,token=t,run=srs -c a,b.conf",
        );
        let urls = Urls {
            whip: "http://h:1/whip/?app=live&stream=door".to_owned(),
            whep: "http://h:1/whep/".to_owned(),
            token: Some("t".to_owned()),
        };
        assert_eq!(
            server.expect("a server"),
            Server {
                name: "srs".to_owned(),
                cipher: Some("cm".to_owned()),
                way: Way::Started {
                    urls,
                    command: "srs -c a,b.conf".to_owned()
                }
            }
        );
        let running = Server::parse("x,whip=http://a/,whep=http://b/,pid=42");
        assert!(matches!(
            running.expect("a server").way,
            Way::Running { pid: 42, .. }
        ));
        assert!(Server::parse("base,sfu=/tmp/transom-sfu").is_ok());
    }

    #[test]
    fn slips_are_named() {
        for (text, mend) in [
            ("srs", "only a name"),
            ("srs,whip=http://a/", "neither pid="),
            ("srs,pid=1", "come first"),
            ("srs,whip=a,whep=b,pid=x", "not a number"),
            ("srs,wihp=a", "wihp"),
        ] {
            let error = Server::parse(text).expect_err(text).to_string();
            assert!(error.contains(mend), "{error}");
        }
    }

    #[test]
    fn what_was_started_ends_with_the_value() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        let server = Server::parse(&format!(
            "sleeper,whip=http://{address}/,whep=http://{address}/,run=sleep 60"
        ));
        let running = server.expect("a server").start().expect("answers");
        let process = PathBuf::from(format!("/proc/{}", running.pid));
        assert!(process.exists());
        drop(running);
        assert!(!process.exists());
    }
}
