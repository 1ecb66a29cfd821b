//! A server on free ports.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::{Program, Request, Response, StateDir, binary};

/// A server that runs until the value is dropped.
pub struct Sfu {
    /// The process.
    pub program: Program,
    /// Where it listens for HTTP.
    pub http: SocketAddr,
    /// Where it listens for HTTPS, if it does: on this machine's loopback.
    pub https: Option<SocketAddr>,
    /// Its UDP port.
    pub udp_port: u16,
    secrets: String,
    /// Its state folder.
    pub state: StateDir,
}

/// The bare command, with a state folder but without ports.
pub fn sfu(state: &Path) -> Command {
    let mut command = Command::new(binary("transom-sfu"));
    command.arg("--state-dir").arg(state);
    command
}

impl Sfu {
    /// Starts one and waits until it listens.
    pub fn start() -> Self {
        Self::start_with("")
    }

    /// Starts one with this for its transom-sfu.toml.
    pub fn start_with(config: &str) -> Self {
        Self::start_in(StateDir::new(), config)
    }

    /// The same with a state folder that was prepared, or that another has left.
    pub fn start_in(state: StateDir, config: &str) -> Self {
        Self::start_at(state, "127.0.0.1:0", config)
    }

    /// The same with HTTP on this address. Where that is not loopback, loopback is not offered
    /// for media either.
    pub fn start_on(http: &str, config: &str) -> Self {
        Self::start_at(StateDir::new(), http, config)
    }

    fn start_at(state: StateDir, http: &str, config: &str) -> Self {
        Self::start_command(Command::new(binary("transom-sfu")), state, http, config)
    }

    /// The same by a command of the caller's: another build, or one under an emulator.
    pub fn start_command(mut command: Command, state: StateDir, http: &str, config: &str) -> Self {
        let config = state.write("transom-sfu.toml", config);
        command.arg("--state-dir").arg(state.path());
        command.arg("--config").arg(config);
        command.args(["--http", http, "--udp-port", "0"]);
        let program = Program::start(command);
        let line = program.line("listening http=", Duration::from_secs(20));
        let after = |mark: &str| {
            let (_, rest) = line
                .split_once(mark)
                .unwrap_or_else(|| panic!("no {mark} in {line}"));
            rest.split_whitespace()
                .next()
                .unwrap_or_default()
                .to_owned()
        };
        let secrets = fs::read_to_string(state.path().join("secrets.toml")).expect("secrets.toml");
        Self {
            program,
            http: after("http=").parse().expect("the HTTP address"),
            https: line.contains("https=").then(|| {
                let port = after("https=").rsplit(':').next().map(str::parse);
                let port = port.and_then(Result::ok).expect("the HTTPS port");
                (Ipv4Addr::LOCALHOST, port).into()
            }),
            udp_port: after("udp=")
                .rsplit(':')
                .next()
                .and_then(|port| port.parse().ok())
                .expect("the UDP port"),
            secrets,
            state,
        }
    }

    /// The token of a scope: `publish`, `watch` or `drive`.
    pub fn token(&self, scope: &str) -> String {
        self.secrets
            .lines()
            .filter_map(|line| line.split_once('='))
            .find(|(name, _)| name.trim() == scope)
            .map(|(_, token)| token.trim().trim_matches('"').to_owned())
            .unwrap_or_else(|| panic!("no {scope} in secrets.toml"))
    }

    /// The fingerprint of its certificate, as it told at the start.
    pub fn fingerprint(&self) -> String {
        let line = self
            .program
            .line("certificate sha256:", Duration::from_secs(5));
        let told = line.split_whitespace().find(|w| w.starts_with("sha256:"));
        told.expect("a fingerprint").to_owned()
    }

    /// What an agent is to be given to publish `stream` over HTTPS.
    pub fn pairing_link(&self, stream: &str, fingerprint: &str) -> String {
        let address = self.https.expect("an HTTPS address");
        let token = self.token("publish");
        format!("https://{address}/whip/{stream}#token={token}&fp={fingerprint}")
    }

    /// Ends it as systemd would, and leaves what it kept.
    pub fn into_state(self) -> StateDir {
        let ended = self.program.terminate();
        assert!(ended.status.success(), "{ended:?}");
        self.state
    }

    /// Sends a request and reads the answer.
    pub fn send(&self, request: Request) -> Response {
        request.send(self.http)
    }

    /// Asserts that it is alive and well: it answers, and has not panicked anywhere.
    #[track_caller]
    pub fn still_serves(&mut self) {
        assert!(
            self.program.runs(),
            "the server ended:\n{}",
            self.program.lines().join("\n")
        );
        let health = self.send(Request::new("GET", "/healthz"));
        assert_eq!(health.status, 200, "{health:?}");
        let panics: Vec<String> = self
            .program
            .lines()
            .into_iter()
            .filter(|line| line.contains("panicked"))
            .collect();
        assert!(panics.is_empty(), "{panics:?}");
    }
}
