//! HTTP/1.1 by hand, so that a request can be wrong in every way.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A request that is sent as it stands.
#[derive(Clone, Debug)]
pub struct Request {
    method: &'static str,
    path: String,
    host: Option<String>,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// What came back.
#[derive(Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The body as text.
    pub body: String,
    headers: Vec<(String, String)>,
}

impl Request {
    /// A request without headers or body.
    pub fn new(method: &'static str, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            host: None,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// A POST of an offer to `/whip/...` or `/whep/...`.
    pub fn offer(path: &str, sdp: impl Into<Vec<u8>>) -> Self {
        Self::new("POST", path)
            .header("content-type", "application/sdp")
            .body(sdp)
    }

    /// Names this host, in place of the address that it is sent to.
    #[must_use]
    pub fn host(mut self, host: &str) -> Self {
        self.host = Some(host.to_owned());
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds a bearer token.
    #[must_use]
    pub fn token(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sends it on a connection of its own.
    pub fn send(&self, to: SocketAddr) -> Response {
        let host = self.host.clone().unwrap_or_else(|| to.to_string());
        let mut head = format!(
            "{} {} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n",
            self.method, self.path
        );
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !self.body.is_empty() || self.method == "POST" {
            head.push_str(&format!("content-length: {}\r\n", self.body.len()));
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(&self.body);
        let answer = exchange(to, &bytes);
        Response::parse(&answer)
            .unwrap_or_else(|| panic!("no HTTP: {}", String::from_utf8_lossy(&answer)))
    }
}

impl Response {
    /// A header's value, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(header, _)| header == name)
            .map(|(_, value)| value.as_str())
    }

    /// Asserts an error as the contract has it: this status, RFC 9457 problem details that say the
    /// same and a sentence for a human, and a length (some WHIP clients cannot read chunks).
    #[track_caller]
    pub fn is_problem(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{self:?}"
        );
        let length: usize = self
            .header("content-length")
            .and_then(|length| length.parse().ok())
            .unwrap_or(0);
        assert_eq!(length, self.body.len(), "{self:?}");
        let problem: serde_json::Value = serde_json::from_str(&self.body).expect("JSON");
        assert_eq!(problem["status"], status, "{self:?}");
        assert!(
            problem["title"]
                .as_str()
                .is_some_and(|title| !title.is_empty()),
            "{self:?}"
        );
        let detail = problem["detail"].as_str().unwrap_or_default().to_owned();
        assert!(detail.len() > 10, "{self:?}");
        println!("{status}: {detail}");
        detail
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = std::str::from_utf8(bytes.get(..end)?).ok()?;
        let mut lines = head.split("\r\n");
        let status = lines
            .next()?
            .strip_prefix("HTTP/1.1 ")?
            .split(' ')
            .next()?
            .parse()
            .ok()?;
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let body = String::from_utf8_lossy(bytes.get(end + 4..)?).into_owned();
        Some(Self {
            status,
            headers,
            body,
        })
    }
}

/// Sends `bytes` and reads until the server closes. A server that answers early and closes may reset
/// the connection under what it did not read; what it said before counts.
pub fn exchange(to: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect_timeout(&to, Duration::from_secs(5)).expect("connect");
    stream
        .set_read_timeout(Some(Duration::from_secs(15)))
        .expect("set a timeout");
    stream
        .set_write_timeout(Some(Duration::from_secs(15)))
        .expect("set a timeout");
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(n @ 1..) = stream.read(&mut buffer) {
        answer.extend_from_slice(buffer.get(..n).unwrap_or_default());
    }
    answer
}
