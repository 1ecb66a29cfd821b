//! What comes to an HTTPS port: a TLS handshake in good time, or plain HTTP,
//! which is told where it is.

use std::io;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::header::{self, HeaderValue};
use axum::http::uri::Authority;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::problem::Problem;
use crate::tls::ServerTls;

/// A connection that has said what it is.
pub(super) enum Secured {
    Tls(Box<TlsStream<TcpStream>>),
    /// Its first byte begins a method, not a handshake.
    Plain(TcpStream),
}

/// Waits for the handshake, all in all for `limit`. What a client can make us
/// keep meanwhile is bounded by rustls: messages of 64 KiB.
pub(super) async fn accept(
    stream: TcpStream,
    tls: &ServerTls,
    limit: Duration,
) -> io::Result<Secured> {
    let accept = async {
        let mut first = [0];
        if stream.peek(&mut first).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if first[0].is_ascii_uppercase() {
            return Ok(Secured::Plain(stream));
        }
        let stream = TlsAcceptor::from(tls.config()).accept(stream).await?;
        Ok(Secured::Tls(Box::new(stream)))
    };
    timeout(limit, accept)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Answers plain HTTP.
pub(super) fn hint() -> Router {
    Router::new().fallback(any(speaks_https))
}

/// A browser is led on; anything else is told. What it sent has crossed the
/// network readable by all, so a token is named as lost.
async fn speaks_https(request: Request) -> Response {
    let host = request.headers().get(header::HOST);
    let host: Option<Authority> = host
        .and_then(|host| host.to_str().ok())
        .and_then(|host| host.parse().ok())
        .filter(|host: &Authority| !host.as_str().contains('@'));
    let Some(host) = host else {
        return refusal("https://HOST", false);
    };
    let url = format!("https://{host}");
    if request.headers().contains_key(header::AUTHORIZATION) {
        return refusal(&url, true);
    }
    let target = request.uri().path_and_query().map_or("/", |t| t.as_str());
    let location = HeaderValue::try_from(format!("{url}{target}"));
    match (request.method(), location) {
        (&Method::GET | &Method::HEAD, Ok(location)) => {
            // Not a permanent one: browsers would keep it for the day when
            // another program has the port.
            let headers = [(header::LOCATION, location)];
            let text = format!("This port speaks HTTPS: {url}\n");
            (StatusCode::TEMPORARY_REDIRECT, headers, close(text)).into_response()
        }
        _ => refusal(&url, false),
    }
}

fn refusal(url: &str, token_sent: bool) -> Response {
    let token = match token_sent {
        true => "; the token has crossed the network readable by all: change it where that matters",
        false => "",
    };
    let detail = format!("this port speaks HTTPS: begin the address with {url}{token}");
    close(Problem::bad_request(detail))
}

fn close(answer: impl IntoResponse) -> Response {
    let mut answer = answer.into_response();
    let close = HeaderValue::from_static("close");
    answer.headers_mut().insert(header::CONNECTION, close);
    answer
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::Instant;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio::sync::watch;

    use super::*;
    use crate::http::{ConnectionLimits, Door, serve};
    use crate::tls::Certificate;

    const LIMIT: Duration = Duration::from_millis(300);

    /// A plain door and a secure one.
    async fn start(per_address: usize) -> ([SocketAddr; 2], watch::Sender<bool>) {
        let made = rcgen::generate_simple_self_signed(vec!["door".into()]).unwrap();
        let (chain, key) = (made.cert.pem(), made.key_pair.serialize_pem());
        let certificate = Certificate::from_pem(chain.as_bytes(), key.as_bytes()).unwrap();
        let tls = ServerTls::new(&certificate).unwrap();
        let mut doors = Vec::new();
        let mut addresses = Vec::new();
        for tls in [None, Some(tls)] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            addresses.push(listener.local_addr().unwrap());
            doors.push(Door { listener, tls });
        }
        let limits = ConnectionLimits {
            total: 64,
            per_address,
            head_timeout: LIMIT,
        };
        let (stop, stopped) = watch::channel(false);
        let router = Router::new().fallback(any(|| async { "hello" }));
        tokio::spawn(serve(doors, router, limits, stopped));
        (addresses.try_into().unwrap(), stop)
    }

    /// Sends `bytes`, and reads what comes until the end, which must come soon.
    async fn exchange(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let _ = stream.write_all(bytes).await;
        let mut answer = Vec::new();
        let read = timeout(Duration::from_secs(10), stream.read_to_end(&mut answer));
        // A reset is an end as well.
        let _ = read.await.unwrap();
        answer
    }

    async fn told(address: SocketAddr, request: &str) -> String {
        String::from_utf8(exchange(address, request.as_bytes()).await).unwrap()
    }

    #[tokio::test]
    async fn a_browser_that_forgot_the_s_is_led_on() {
        let ([_, secure], _stop) = start(8).await;
        let answer = told(
            secure,
            "GET /web/app.js?x HTTP/1.1\r\nhost: door:8443\r\n\r\n",
        )
        .await;
        assert!(answer.starts_with("HTTP/1.1 307"), "{answer}");
        let location = "location: https://door:8443/web/app.js?x\r\n";
        assert!(answer.contains(location), "{answer}");
    }

    #[tokio::test]
    async fn others_are_told_and_named_what_they_gave_away() {
        let ([_, secure], _stop) = start(8).await;
        let answer = told(
            secure,
            "POST /whip/door HTTP/1.1\r\nhost: door:8443\r\n\r\n",
        )
        .await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
        assert!(answer.contains("https://door:8443"), "{answer}");
        assert!(answer.contains("application/problem+json"), "{answer}");
        assert!(!answer.contains("token"), "{answer}");
        let answer = told(
            secure,
            "GET / HTTP/1.1\r\nhost: door\r\nauthorization: Bearer hush\r\n\r\n",
        )
        .await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
        assert!(answer.contains("token has crossed") && !answer.contains("hush"));
        for odd in ["", "host: a b\r\n", "host: me@door\r\n"] {
            let answer = told(secure, &format!("GET / HTTP/1.1\r\n{odd}\r\n")).await;
            assert!(answer.starts_with("HTTP/1.1 400"), "{odd}: {answer}");
        }
    }

    #[tokio::test]
    async fn silence_and_nonsense_end() {
        let ([_, secure], _stop) = start(64).await;
        let begun = Instant::now();
        // The head of a record whose hello never comes, and one too long to be one.
        let unfinished = [0x16, 3, 1, 0, 200, 1, 0, 0, 196];
        let too_long = [[0x16, 3, 1, 0xff, 0xff].to_vec(), vec![1; 70_000]].concat();
        for bytes in [&b""[..], &unfinished, &too_long, &[0; 1000], b"get / http"] {
            let answer = exchange(secure, bytes).await;
            // A TLS alert at most.
            assert!(answer.len() <= 7, "{answer:?}");
        }
        assert!(begun.elapsed() < 20 * LIMIT, "{:?}", begun.elapsed());
    }

    #[tokio::test]
    async fn handshakes_that_wait_count_as_connections_at_every_door() {
        let ([plain, secure], _stop) = start(2).await;
        let _one = TcpStream::connect(secure).await.unwrap();
        let _two = TcpStream::connect(secure).await.unwrap();
        tokio::time::sleep(LIMIT / 3).await;
        let hello = "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        assert_eq!(told(plain, hello).await, "", "both places are taken");
        tokio::time::sleep(2 * LIMIT).await;
        let answer = told(plain, hello).await;
        assert!(
            answer.ends_with("hello"),
            "the silent ones are gone: {answer}"
        );
    }
}
