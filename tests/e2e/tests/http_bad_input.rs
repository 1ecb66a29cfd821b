//! Bad requests to a real server: the right status, a sentence that helps, and a server that goes on.

use std::net::{Ipv4Addr, UdpSocket};

use transom_tests_e2e::{Offer, Request, Response, Sfu, exchange};

fn whip(sfu: &Sfu, sdp: impl Into<Vec<u8>>) -> Response {
    sfu.send(Request::offer("/whip/door", sdp).token(&sfu.token("publish")))
}

#[test]
fn what_is_not_sdp_is_400() {
    let mut sfu = Sfu::start();
    for nonsense in [
        &b"hello"[..],
        b"",
        b"v=0\r\nm=video",
        b"{\"type\":\"offer\"}",
        &[0xff; 300],
    ] {
        whip(&sfu, nonsense).is_problem(400);
    }
    sfu.still_serves();
}

#[test]
fn an_offer_without_a_fingerprint_is_422_and_says_so() {
    let mut sfu = Sfu::start();
    let detail = whip(&sfu, Offer::publish().without("a=fingerprint")).is_problem(422);
    assert!(detail.contains("fingerprint"), "{detail}");
    sfu.still_serves();
}

#[test]
fn an_offer_without_ice_credentials_is_422() {
    let mut sfu = Sfu::start();
    whip(&sfu, Offer::publish().without("a=ice-ufrag")).is_problem(422);
    sfu.still_serves();
}

#[test]
fn an_offer_of_unknown_codecs_only_is_422_and_names_what_is_taken() {
    let mut sfu = Sfu::start();
    let unknown = Offer::publish()
        .replacing("VP8/", "H269/")
        .replacing("H264/", "AV7/")
        .replacing("opus/", "mp4/");
    let detail = whip(&sfu, unknown).is_problem(422);
    assert!(
        detail.contains("H.264") || detail.contains("H264"),
        "{detail}"
    );
    sfu.still_serves();
}

#[test]
fn a_wrong_content_type_is_415() {
    let mut sfu = Sfu::start();
    let json = Request::new("POST", "/whip/door")
        .header("content-type", "application/json")
        .token(&sfu.token("publish"))
        .body(Offer::publish());
    let detail = sfu.send(json).is_problem(415);
    assert!(detail.contains("application/sdp"), "{detail}");
    sfu.still_serves();
}

#[test]
fn an_endless_offer_is_413() {
    let mut sfu = Sfu::start();
    let long = format!("v=0\r\n{}", "a=x\r\n".repeat(100_000));
    whip(&sfu, long).is_problem(413);
    sfu.still_serves();
}

#[test]
fn no_token_and_a_wrong_one_are_401_with_a_challenge() {
    let mut sfu = Sfu::start();
    let endpoints = [
        ("/whip/door", Offer::publish()),
        ("/whep/door", Offer::play()),
    ];
    for (path, offer) in endpoints {
        let none = Request::offer(path, offer);
        for request in [
            none.clone(),
            none.clone().token("guessed"),
            none.header("authorization", "Basic eDp5"),
        ] {
            let answer = sfu.send(request);
            answer.is_problem(401);
            assert!(
                answer
                    .header("www-authenticate")
                    .is_some_and(|how| how.starts_with("Bearer")),
                "{answer:?}"
            );
        }
    }
    sfu.send(Request::new("GET", "/api/streams"))
        .is_problem(401);
    sfu.still_serves();
}

#[test]
fn a_token_for_another_purpose_is_403() {
    let mut sfu = Sfu::start();
    let answer =
        sfu.send(Request::offer("/whip/door", Offer::publish()).token(&sfu.token("watch")));
    let detail = answer.is_problem(403);
    assert!(detail.contains("publish"), "{detail}");
    sfu.still_serves();
}

#[test]
fn a_stream_that_nobody_publishes_is_409_with_a_time_to_come_back() {
    let mut sfu = Sfu::start();
    let answer = sfu.send(Request::offer("/whep/nobody", Offer::play()).token(&sfu.token("watch")));
    answer.is_problem(409);
    let seconds = answer
        .header("retry-after")
        .and_then(|seconds| seconds.parse::<u32>().ok());
    assert!(
        seconds.is_some_and(|seconds| (1..=60).contains(&seconds)),
        "{answer:?}"
    );
    sfu.still_serves();
}

#[test]
fn impossible_stream_names_are_refused() {
    let mut sfu = Sfu::start();
    let long = format!("/whip/{}", "a".repeat(2000));
    for path in [
        "/whip/..%2f..%2fetc",
        "/whip/a%00b",
        "/whip/%ff",
        long.as_str(),
    ] {
        let answer = sfu.send(Request::offer(path, Offer::publish()).token(&sfu.token("publish")));
        assert!((400..500).contains(&answer.status), "{path}: {answer:?}");
        assert!(
            answer.header("content-length").is_some(),
            "{path}: {answer:?}"
        );
    }
    sfu.still_serves();
}

#[test]
fn a_session_that_is_not_there_is_404_and_patch_is_405() {
    let mut sfu = Sfu::start();
    for path in ["/whip/door/0123456789abcdef", "/whep/door/0123456789abcdef"] {
        for scope in ["publish", "watch"] {
            let answer = sfu.send(Request::new("DELETE", path).token(&sfu.token(scope)));
            assert!(matches!(answer.status, 403 | 404), "{path}: {answer:?}");
        }
    }
    let patch = Request::new("PATCH", "/whip/door/0123456789abcdef").token(&sfu.token("publish"));
    assert!(matches!(sfu.send(patch).status, 404 | 405));
    sfu.still_serves();
}

#[test]
fn what_is_not_http_does_no_harm() {
    let mut sfu = Sfu::start();
    for bytes in [
        &b"\x16\x03\x01\x02\x00"[..],
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        &[0; 100_000],
    ] {
        exchange(sfu.http, bytes);
    }
    sfu.still_serves();
}

#[test]
fn datagrams_from_strangers_do_no_harm() {
    let mut sfu = Sfu::start();
    let published = whip(&sfu, Offer::publish());
    assert_eq!(published.status, 201, "{published:?}");
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    let mut state = 0x2545_f491_u32;
    for n in 0..20_000_u32 {
        // xorshift32: any bytes will do, but the same each time.
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        let mut datagram: Vec<u8> = (0..state % 90).map(|i| (state >> (i % 25)) as u8).collect();
        // The first byte tells STUN, DTLS and SRTP apart (RFC 7983).
        if let Some(first) = datagram.first_mut() {
            *first = [0, 1, 20, 22, 63, 128, 144, 191, 255][n as usize % 9];
        }
        let _ = socket.send_to(&datagram, (Ipv4Addr::LOCALHOST, sfu.udp_port));
    }
    sfu.still_serves();
}
