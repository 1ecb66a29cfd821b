//! A session's life over HTTP, as WHIP (RFC 9725) has it.

use transom_tests_e2e::{Offer, Request, Sfu};

#[test]
fn a_session_is_made_looked_at_and_deleted() {
    let mut sfu = Sfu::start();
    let publish = sfu.token("publish");
    let made = sfu.send(Request::offer("/whip/door", Offer::publish()).token(&publish));
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(made.header("content-type"), Some("application/sdp"));
    // FFmpeg's client reads no chunks and wants a candidate.
    assert_eq!(
        made.header("content-length"),
        Some(made.body.len().to_string().as_str())
    );
    assert!(made.body.contains("a=candidate:"), "{}", made.body);
    assert!(!made.body.contains("a=setup:actpass"), "{}", made.body);
    let session = path_of(made.header("location").expect("a Location"));
    assert!(session.starts_with("/whip/door/"), "{session}");

    assert_eq!(
        sfu.send(Request::new("HEAD", &session).token(&publish))
            .status,
        200
    );
    assert_eq!(
        sfu.send(Request::new("DELETE", &session).token(&publish))
            .status,
        200
    );
    sfu.send(Request::new("DELETE", &session).token(&publish))
        .is_problem(404);
    sfu.still_serves();
}

#[test]
fn a_second_publisher_takes_over_and_the_first_is_told() {
    let mut sfu = Sfu::start();
    let publish = sfu.token("publish");
    let offer = || Request::offer("/whip/door", Offer::publish()).token(&publish);
    let first = sfu.send(offer());
    let second = sfu.send(offer());
    assert_eq!((first.status, second.status), (201, 201));
    let displaced = path_of(first.header("location").expect("a Location"));
    let answer = sfu.send(Request::new("GET", &displaced).token(&publish));
    assert_eq!(answer.status, 409, "{answer:?}");
    assert!(answer.body.contains("taken-over"), "{answer:?}");
    sfu.still_serves();
}

#[test]
fn a_page_of_another_origin_may_ask() {
    let sfu = Sfu::start();
    let preflight = Request::new("OPTIONS", "/whep/door")
        .header("origin", "http://robots.example")
        .header("access-control-request-method", "POST")
        .header(
            "access-control-request-headers",
            "authorization,content-type",
        );
    let answer = sfu.send(preflight);
    assert!((200..300).contains(&answer.status), "{answer:?}");
    assert!(
        answer.header("access-control-allow-origin").is_some(),
        "{answer:?}"
    );
    let headers = answer
        .header("access-control-allow-headers")
        .unwrap_or_default()
        .to_ascii_lowercase();
    assert!(headers.contains("authorization"), "{answer:?}");

    let refused = sfu.send(
        Request::offer("/whep/door", Offer::play()).header("origin", "http://robots.example"),
    );
    assert!(
        refused.header("access-control-allow-origin").is_some(),
        "{refused:?}"
    );
}

#[test]
fn the_streams_are_listed() {
    let sfu = Sfu::start();
    let made =
        sfu.send(Request::offer("/whip/door", Offer::publish()).token(&sfu.token("publish")));
    assert_eq!(made.status, 201, "{made:?}");
    let answer = sfu.send(Request::new("GET", "/api/streams").token(&sfu.token("watch")));
    assert_eq!(answer.status, 200, "{answer:?}");
    let list: serde_json::Value = serde_json::from_str(&answer.body).expect("JSON");
    let stream = list["streams"]
        .as_array()
        .and_then(|streams| streams.first())
        .expect("a stream");
    assert_eq!(stream["name"], "door");
    assert_eq!(stream["subscribers"], 0);
    assert!(stream["publisher"].is_object(), "{stream}");
}

/// A Location may be a path or a whole URL.
fn path_of(location: &str) -> String {
    match location.split_once("://") {
        None => location.to_owned(),
        Some((_, rest)) => rest
            .find('/')
            .map_or(String::from("/"), |slash| rest[slash..].to_owned()),
    }
}
