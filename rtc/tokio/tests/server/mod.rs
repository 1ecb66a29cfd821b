//! An HTTP server that answers from a script, byte by byte as told, and keeps
//! what it was asked.
#![allow(dead_code, unreachable_pub)] // not every test uses all of it

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;

pub struct Server {
    pub port: u16,
    requests: Arc<Mutex<Vec<Request>>>,
    task: JoinHandle<()>,
}

#[derive(Clone, Debug)]
pub struct Request {
    /// Method and target, such as `POST /whip/door`.
    pub line: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut named = self.headers.iter().filter(|(n, _)| n == name);
        let found = named.next().map(|(_, value)| value.as_str());
        assert!(named.next().is_none(), "{name} twice");
        found
    }
}

impl Server {
    /// Answers the n-th request with the n-th response, further ones with 500.
    pub async fn new<const N: usize>(responses: [&str; N]) -> Self {
        Self::start(None, responses.map(str::to_owned).into()).await
    }

    /// The same over TLS.
    pub async fn with_tls<const N: usize>(tls: TlsAcceptor, responses: [&str; N]) -> Self {
        Self::start(Some(tls), responses.map(str::to_owned).into()).await
    }

    async fn start(tls: Option<TlsAcceptor>, responses: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let task = tokio::spawn(async move {
            let mut responses = responses.into_iter();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let response = responses.next();
                let response = response.unwrap_or_else(|| reply("500 Script Over", "", ""));
                match &tls {
                    None => serve(stream, &response, &seen).await,
                    Some(tls) => {
                        if let Ok(stream) = tls.accept(stream).await {
                            serve(stream, &response, &seen).await;
                        }
                    }
                }
            }
        });
        Self {
            port,
            requests,
            task,
        }
    }

    pub fn url(&self, target: &str) -> String {
        format!("http://127.0.0.1:{}{target}", self.port)
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A response with a Content-Length. `headers` are whole lines.
pub fn reply(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\n\r\n{body}")
}

/// What a server sends when it takes an offer.
pub fn created(location: &str) -> String {
    let headers = format!("Content-Type: application/sdp\r\nLocation: {location}\r\n");
    reply("201 Created", &headers, "v=0\r\n")
}

/// In place of a response: keep silent.
pub const SILENCE: &str = "silence";

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    response: &str,
    seen: &Mutex<Vec<Request>>,
) {
    let Some(request) = read(&mut stream).await else {
        return;
    };
    seen.lock().unwrap().push(request);
    if response == SILENCE {
        sleep(Duration::from_secs(60)).await;
    }
    // The client may turn away in the middle of it.
    let _ = stream.write_all(response.as_bytes()).await;
    let _ = stream.shutdown().await;
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<Request> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(i) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            break i;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let line = lines.next().unwrap().strip_suffix(" HTTP/1.1").unwrap();
    let headers: Vec<_> = lines
        .map(|l| l.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.map_or(0, |(_, value)| value.parse().unwrap());
    while bytes.len() < end + 4 + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    Some(Request {
        line: line.to_owned(),
        headers,
        body: String::from_utf8(bytes[end + 4..].to_vec()).unwrap(),
    })
}
