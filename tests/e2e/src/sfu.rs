//! A server on free ports.

use std::fs;
use std::net::SocketAddr;
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
    /// Its UDP port.
    pub udp_port: u16,
    secrets: String,
    _state: StateDir,
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
        Self::start_on("127.0.0.1:0", config)
    }

    /// The same with HTTP on this address. Where that is not loopback, loopback is not offered
    /// for media either.
    pub fn start_on(http: &str, config: &str) -> Self {
        let state = StateDir::new();
        let config = state.write("transom-sfu.toml", config);
        let mut command = sfu(state.path());
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
            udp_port: after("udp=")
                .rsplit(':')
                .next()
                .and_then(|port| port.parse().ok())
                .expect("the UDP port"),
            secrets,
            _state: state,
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
