//! What a server, or whoever sits in its place, can answer instead.
#![allow(clippy::unwrap_used, clippy::panic)] // a test

mod server;

use std::time::{Duration, Instant};

use server::{SILENCE, Server, created, reply};
use tokio::net::TcpListener;
use transom_rtc_tokio::client::{ClientError, Endpoint, EndpointConfig, Retry, TransportError};

async fn open(url: &str) -> ClientError {
    let mut config = EndpointConfig::new(url, Some("secret"));
    config.timeout = Duration::from_millis(800);
    let opened = Endpoint::new(config).unwrap().open("v=0\r\n").await;
    opened.unwrap_err()
}

async fn open_at(response: &str) -> ClientError {
    let server = Server::new([response]).await;
    open(&server.url("/whip/door")).await
}

fn problem(kind: &str, detail: &str) -> String {
    format!(r#"{{"type":"{kind}","title":"T","status":1,"detail":"{detail}"}}"#)
}

#[tokio::test]
async fn errors_come_by_class() {
    let json = "Content-Type: application/problem+json\r\n";
    let body = problem("about:blank", "name the mend");
    for (status, class, retry) in [
        ("400 Bad Request", "Negotiation", Retry::Slowly),
        ("401 Unauthorized", "Unauthorized", Retry::Slowly),
        ("403 Forbidden", "Forbidden", Retry::Slowly),
        ("404 Not Found", "NotFound", Retry::Soon),
        ("406 Not Acceptable", "Negotiation", Retry::Slowly),
        ("410 Gone", "NotFound", Retry::Soon),
        ("413 Too Large", "Negotiation", Retry::Slowly),
        ("415 Bad Type", "Negotiation", Retry::Slowly),
        ("422 Unprocessable", "Negotiation", Retry::Slowly),
        ("409 Conflict", "NotLive", Retry::Soon),
        ("200 OK", "Unexpected", Retry::Slowly),
        ("418 Teapot", "Unexpected", Retry::Slowly),
        ("500 Broken", "Unexpected", Retry::Soon),
    ] {
        let error = open_at(&reply(status, json, &body)).await;
        assert!(
            format!("{error:?}").starts_with(class),
            "{status}: {error:?}"
        );
        assert!(error.to_string().contains("name the mend"), "{error}");
        assert_eq!(error.retry(), retry, "{status}");
    }
}

#[tokio::test]
async fn a_takeover_is_told_from_a_stream_not_live() {
    let json = "Content-Type: application/problem+json\r\nRetry-After: 3\r\n";
    let error = open_at(&reply("409 C", json, &problem("/problems/taken-over", ""))).await;
    assert!(matches!(error, ClientError::TakenOver));
    assert_eq!(error.retry(), Retry::Slowly);
    let error = open_at(&reply("409 C", json, &problem("/problems/not-live", ""))).await;
    assert_eq!(error.retry(), Retry::After(Duration::from_secs(3)));
}

#[tokio::test]
async fn a_displaced_session_says_so_without_a_body() {
    let server = Server::new([&created("/s"), &reply("409 Conflict", "", "")]).await;
    let config = EndpointConfig::new(&server.url("/whip/door"), None);
    let opened = Endpoint::new(config).unwrap().open("v=0\r\n").await;
    let error = opened.unwrap().session.check().await.unwrap_err();
    assert!(matches!(error, ClientError::TakenOver));
}

#[tokio::test]
async fn retry_after_is_heeded_within_reason() {
    for (header, expected) in [
        ("Retry-After: 2\r\n", Retry::After(Duration::from_secs(2))),
        (
            "Retry-After: 999999999\r\n",
            Retry::After(Duration::from_secs(300)),
        ),
        ("Retry-After: -1\r\n", Retry::Soon),
        (
            "Retry-After: Wed, 21 Oct 2026 07:28:00 GMT\r\n",
            Retry::Soon,
        ),
        ("", Retry::Soon),
    ] {
        for status in ["429 Too Many", "503 Overload"] {
            let error = open_at(&reply(status, header, "")).await;
            assert!(matches!(error, ClientError::TooMany { .. }));
            assert_eq!(error.retry(), expected, "{header}");
        }
    }
}

#[tokio::test]
async fn a_long_body_is_not_taken() {
    let declared = format!(
        "HTTP/1.1 201 Created\r\nContent-Length: 65537\r\n\r\n{}",
        "x".repeat(65_537)
    );
    let endless = format!(
        "HTTP/1.1 400 Bad\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        format!("4000\r\n{}\r\n", "x".repeat(0x4000)).repeat(100)
    );
    let until_close = format!("HTTP/1.1 400 Bad\r\n\r\n{}", "x".repeat(1 << 20));
    for response in [declared, endless, until_close] {
        let error = open_at(&response).await;
        assert!(
            matches!(error, ClientError::Transport(TransportError::TooLong)),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn what_is_no_http_is_an_error() {
    let long_head = format!("HTTP/1.1 201 Created\r\nX: {}\r\n\r\n", "x".repeat(1 << 20));
    let many_heads = format!("HTTP/1.1 201 Created\r\n{}\r\n", "X: y\r\n".repeat(5000));
    for response in [
        "SSH-2.0-OpenSSH_9.9\r\n",
        "",
        "HTTP/1.1 2",
        "HTTP/1.1 201 Created\r\nContent-Length: 10\r\n\r\nshort",
        "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 201 Created\r\nContent-Length: -1\r\n\r\n",
        &long_head,
        &many_heads,
    ] {
        let error = open_at(response).await;
        assert!(
            matches!(error, ClientError::Transport(TransportError::Http(_))),
            "{:.40}: {error:?}",
            response
        );
        assert_eq!(error.retry(), Retry::Soon);
    }
}

#[tokio::test]
async fn silence_ends_at_the_time_limit() {
    let begun = Instant::now();
    let error = open_at(SILENCE).await;
    assert!(matches!(
        error,
        ClientError::Transport(TransportError::Timeout)
    ));
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_closed_port_is_a_connect_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let error = open(&format!("http://127.0.0.1:{port}/")).await;
    assert!(
        matches!(error, ClientError::Transport(TransportError::Connect(_))),
        "{error:?}"
    );
}
