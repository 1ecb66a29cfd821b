use std::sync::Mutex as StdMutex;

use axum::body::Body;
use axum::http::header::{HeaderMap, HeaderName};
use axum::http::{Request as HttpRequest, StatusCode};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use serde_json::Value;
use tower::ServiceExt as _;
use transom_rtc_proto::ice::IceCredentials;
use transom_rtc_proto::id::Ssrc;
use transom_rtc_proto::sdp::{
    Codec, Fingerprint, HashAlgorithm, LocalOffer, MediaKind, Msid, OfferConfig, OfferedTrack,
    ProfileLevelId, SendSsrc, Session, SessionDescription,
};
use transom_rtc_telemetry::Scrape;

use super::*;
use crate::auth::{Grant, Scope, StreamPattern, Token};
use crate::control::CandidatePolicy;
use crate::directory::DirectoryConfig;
use crate::media::api::{
    GoneReason, MediaBusy, MediaCommand, MediaEvent, MediaPort, RemoveReason, SessionId,
};
use crate::settings::Family;

const PUBLISH: &str = "publish-publish-publish";
const WATCH: &str = "watch-watch-watch-watch";
const METRICS: &str = "metrics-metrics-metrics";
const H264: Codec = Codec::H264 {
    profile_level_id: ProfileLevelId::CONSTRAINED_BASELINE_31,
    packetization_mode: 1,
};
const OPUS: Codec = Codec::Opus {
    stereo: true,
    fec: true,
};

/// Takes note of what the media thread would have been told.
#[derive(Default)]
struct NotedMedia {
    commands: StdMutex<Vec<MediaCommand>>,
    full: StdMutex<bool>,
}

impl MediaPort for NotedMedia {
    fn send(&self, command: MediaCommand) -> Result<(), MediaBusy> {
        if *self.full.lock().unwrap() {
            return Err(MediaBusy(command));
        }
        self.commands.lock().unwrap().push(command);
        Ok(())
    }
}

struct Server {
    router: Router,
    control: Arc<Control>,
    media: Arc<NotedMedia>,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &'static str) -> &str {
        self.headers
            .get(HeaderName::from_static(name))
            .map_or("", |v| v.to_str().unwrap())
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Checks that it is a problem with a detail, and gives the detail.
    fn problem(&self, status: u16) -> String {
        assert_eq!(
            self.status,
            status,
            "{}",
            String::from_utf8_lossy(&self.body)
        );
        assert_eq!(self.header("content-type"), "application/problem+json");
        let json = self.json();
        assert_eq!(json["status"], status);
        assert!(json["type"].is_string() && json["title"].is_string());
        json["detail"].as_str().unwrap().to_owned()
    }
}

impl Server {
    fn new() -> Self {
        Self::with_limit(RateLimit {
            per_second: 1.0,
            burst: 1000.0,
        })
    }

    fn with_limit(limit: RateLimit) -> Self {
        let media = Arc::new(NotedMedia::default());
        let control = Arc::new(Control::new(
            DirectoryConfig {
                max_streams: 2,
                ..DirectoryConfig::default()
            },
            Arc::clone(&media) as Arc<dyn MediaPort>,
            Fingerprint::of(HashAlgorithm::Sha256, b"server"),
            CandidatePolicy {
                udp_port: 7082,
                advertise: vec!["203.0.113.7".parse().unwrap()],
                interfaces: Vec::new(),
                exclude_interfaces: Vec::new(),
                families: vec![Family::Ipv4, Family::Ipv6],
                loopback: true,
            },
        ));
        let mut tokens = TokenTable::default();
        for (token, scope, streams) in [
            (PUBLISH, Scope::Publish, "door*"),
            (WATCH, Scope::Watch, "*"),
            (METRICS, Scope::Metrics, "door1*"),
        ] {
            let grant = Grant {
                holder: "test".into(),
                scopes: vec![scope],
                streams: vec![StreamPattern::new(streams).unwrap()],
            };
            assert!(tokens.add(&Token::new(token).unwrap(), grant));
        }
        let router = router(Arc::new(App {
            control: Arc::clone(&control),
            tokens,
            metrics: Metrics::default(),
            rate_limiter: Mutex::new(RateLimiter::new(limit)),
            started: Instant::now(),
            instance: "0123456789abcdef".into(),
        }));
        Self {
            router,
            control,
            media,
        }
    }

    async fn send(&self, request: HttpRequest<Body>) -> Answer {
        self.send_from([192, 0, 2, 1].into(), request).await
    }

    async fn send_from(&self, client: IpAddr, request: HttpRequest<Body>) -> Answer {
        let mut request = request;
        request.extensions_mut().insert(ClientAddr(client));
        let response = self.router.clone().oneshot(request).await.unwrap();
        assert_eq!(
            response
                .headers()
                .get("access-control-allow-origin")
                .unwrap(),
            "*"
        );
        let (head, body) = response.into_parts();
        // A body of known length is what makes hyper write Content-Length.
        assert!(axum::body::HttpBody::size_hint(&body).exact().is_some());
        let body = axum::body::to_bytes(body, 1 << 20).await.unwrap().to_vec();
        Answer {
            status: head.status,
            headers: head.headers,
            body,
        }
    }

    async fn ask(&self, method: &str, path: &str, token: &str) -> Answer {
        self.send(request(method, path, token).body(Body::empty()).unwrap())
            .await
    }

    async fn post(&self, path: &str, token: &str, offer: impl Into<Body>) -> Answer {
        let request = request("POST", path, token).header("content-type", "application/sdp");
        self.send(request.body(offer.into()).unwrap()).await
    }

    async fn publish(&self, stream: &str, codecs: &[Codec]) -> Answer {
        let answer = self
            .post(&format!("/whip/{stream}"), PUBLISH, offer(codecs, true).0)
            .await;
        assert_eq!(
            answer.status,
            201,
            "{}",
            String::from_utf8_lossy(&answer.body)
        );
        answer
    }

    fn commands(&self) -> Vec<MediaCommand> {
        std::mem::take(&mut self.media.commands.lock().unwrap())
    }

    /// The session of the only new peer.
    fn added(&self) -> SessionId {
        match self.commands().pop() {
            Some(MediaCommand::AddPublisher(s) | MediaCommand::AddSubscriber(s)) => s.session,
            other => panic!("{other:?}"),
        }
    }
}

fn request(method: &str, path: &str, token: &str) -> axum::http::request::Builder {
    let builder = HttpRequest::builder().method(method).uri(path);
    match token {
        "" => builder,
        token => builder.header("authorization", format!("Bearer {token}")),
    }
}

fn offer(codecs: &[Codec], send: bool) -> (String, LocalOffer) {
    let mut rng = ChaCha20Rng::from_seed([3; 32]);
    let track = |(n, codec): (u32, &Codec)| OfferedTrack {
        kind: codec.media(),
        codecs: vec![*codec],
        send: send.then(|| SendSsrc {
            ssrc: Ssrc(100 + n),
            rtx: None,
            cname: "camera".into(),
            msid: Msid {
                stream: "camera".into(),
                track: format!("t{n}"),
            },
        }),
    };
    let (description, local) = LocalOffer::create(&OfferConfig {
        tracks: (0..).zip(codecs).map(track).collect(),
        ice: IceCredentials::generate(&mut rng),
        ice_lite: false,
        candidates: Vec::new(),
        fingerprint: Fingerprint::of(HashAlgorithm::Sha256, b"client"),
        session_id: 1,
        transport_cc: true,
        playout_delay: false,
        data_channel: false,
    });
    (description.to_string(), local)
}

fn agreed(local: LocalOffer, answer: &Answer) -> Session {
    let text = std::str::from_utf8(&answer.body).unwrap();
    local
        .accept(&SessionDescription::parse(text).unwrap())
        .unwrap()
}

#[tokio::test]
async fn whip_answers_with_all_that_a_publisher_needs() {
    let server = Server::new();
    let (text, local) = offer(&[H264, OPUS], true);
    let answer = server.post("/whip/door", PUBLISH, text).await;
    assert_eq!(answer.status, 201);
    assert_eq!(answer.header("content-type"), "application/sdp");
    let session = agreed(local, &answer);
    assert!(session.remote_lite);
    assert_eq!(
        session.remote_candidates.first().unwrap().addr,
        "203.0.113.7:7082".parse::<std::net::SocketAddr>().unwrap()
    );
    assert_eq!(session.codec(MediaKind::Video), Some(H264));
    assert_eq!(session.tracks.len(), 2);

    let [MediaCommand::AddPublisher(setup)] = &server.commands()[..] else {
        panic!()
    };
    assert_eq!(
        answer.header("location"),
        format!("/whip/door/{}", setup.session.to_path_segment())
    );
    assert_eq!(setup.negotiated.local_ice, session.remote_ice);
    assert_eq!(setup.negotiated.remote_ice, session.local_ice);
    assert_ne!(setup.negotiated.dtls_role, session.dtls_role);
    assert_eq!(setup.stats.tracks.len(), 2);
    assert_eq!(&*setup.name, "door");
}

#[tokio::test]
async fn whep_offers_what_is_published() {
    let server = Server::new();
    server.publish("door", &[H264, OPUS]).await;
    let stream = match &server.commands()[..] {
        [MediaCommand::AddPublisher(setup)] => setup.stream,
        other => panic!("{other:?}"),
    };
    let (text, local) = offer(&[H264, OPUS], false);
    let answer = server.post("/whep/door", WATCH, text).await;
    assert_eq!(answer.status, 201);
    assert!(answer.header("location").starts_with("/whep/door/"));
    assert_eq!(agreed(local, &answer).tracks.len(), 2);
    let [MediaCommand::AddSubscriber(setup)] = &server.commands()[..] else {
        panic!()
    };
    assert_eq!(setup.stream, stream);
    let sources: Vec<Ssrc> = setup
        .negotiated
        .tracks
        .iter()
        .flat_map(|t| t.send.as_ref())
        .flat_map(|s| [Some(s.ssrc), s.rtx])
        .flatten()
        .collect();
    let mut distinct = sources.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(
        (distinct.len(), sources.len()),
        (3, 3),
        "sound, picture and its repairs"
    );
}

#[tokio::test]
async fn an_unpublished_stream_is_409_with_retry_after() {
    let server = Server::new();
    let answer = server
        .post("/whep/door", WATCH, offer(&[H264], false).0)
        .await;
    assert!(answer.problem(409).contains("start its publisher"));
    assert_eq!(answer.header("retry-after"), "1");
    assert!(
        answer
            .header("access-control-expose-headers")
            .contains("Retry-After")
    );

    // The same in the grace after a publisher.
    server.publish("door", &[H264]).await;
    let publisher = server.added();
    server
        .post("/whep/door", WATCH, offer(&[H264], false).0)
        .await;
    let reason = GoneReason::ConsentLost;
    server.control.handle_event(MediaEvent::Gone {
        session: publisher,
        reason,
    });
    let answer = server
        .post("/whep/door", WATCH, offer(&[H264], false).0)
        .await;
    answer.problem(409);
}

#[tokio::test]
async fn tokens_are_asked_for_and_explained() {
    let server = Server::new();
    let text = || offer(&[H264], true).0;
    let none = server.post("/whip/door", "", text()).await;
    assert!(none.problem(401).contains("Authorization: Bearer"));
    assert_eq!(none.header("www-authenticate"), "Bearer realm=\"transom\"");
    let wrong = server
        .post("/whip/door", "not-the-token-not-it", text())
        .await;
    wrong.problem(401);
    assert!(wrong.header("www-authenticate").contains("invalid_token"));
    let scope = server.post("/whip/door", WATCH, text()).await;
    assert!(scope.problem(403).contains("`publish`"));
    assert!(
        scope
            .header("www-authenticate")
            .contains("insufficient_scope")
    );
    server
        .post("/whip/garage", PUBLISH, text())
        .await
        .problem(403);
    server
        .post("/whep/door", PUBLISH, text())
        .await
        .problem(403);
    server.ask("GET", "/api/streams", "").await.problem(401);
    assert!(server.commands().is_empty());
}

#[tokio::test]
async fn a_token_tells_what_it_is_good_for() {
    let server = Server::new();
    let answer = server.ask("GET", "/api/token", PUBLISH).await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.json(),
        serde_json::json!({ "name": "test", "scopes": ["publish"], "streams": ["door*"] })
    );
    let answer = server.ask("GET", "/api/token", WATCH).await;
    assert_eq!(answer.json()["scopes"], serde_json::json!(["watch"]));
    server.ask("GET", "/api/token", "").await.problem(401);
    let unknown = server
        .ask("GET", "/api/token", "not-the-token-not-it")
        .await;
    unknown.problem(401);
    server.ask("POST", "/api/token", PUBLISH).await.problem(405);
}

#[tokio::test]
async fn figures_are_for_tokens_with_their_scope_wherever_one_asks_from() {
    let server = Server::new();
    for from in [[192, 0, 2, 1], [127, 0, 0, 1]] {
        for (token, status) in [("", 401), ("unknown-unknown-unknown", 401), (WATCH, 403)] {
            let request = request("GET", "/metrics", token).body(Body::empty());
            let refused = server.send_from(from.into(), request.unwrap()).await;
            let detail = refused.problem(status);
            assert!(detail.contains("scopes = [\"metrics\"]"), "{detail}");
            assert!(!refused.header("www-authenticate").is_empty());
        }
    }
    server.ask("POST", "/metrics", METRICS).await.problem(405);
}

#[tokio::test]
async fn figures_are_of_the_format_and_of_covered_streams() {
    let server = Server::new();
    server.publish("door1", &[OPUS, H264]).await;
    let session = server.added();
    server.publish("door2", &[H264]).await;
    server
        .control
        .handle_event(MediaEvent::Connected { session });
    let answer = server.ask("GET", "/metrics", METRICS).await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("content-type"),
        "text/plain; version=0.0.4; charset=utf-8"
    );
    let text = String::from_utf8(answer.body).unwrap();
    let scrape = Scrape::parse(&text).unwrap();
    let value = |name, labels: &[(&str, &str)]| scrape.value(name, labels);
    let opened = value(
        "transom_sfu_sessions_opened_total",
        &[("role", "publisher")],
    );
    assert_eq!(opened, Some(2.0));
    let joined = value("transom_sfu_join_seconds_count", &[("role", "publisher")]);
    assert_eq!(joined, Some(1.0));
    let packets = "transom_sfu_stream_received_packets_total";
    let of = |stream| value(packets, &[("stream", stream), ("kind", "audio")]);
    assert_eq!((of("door1"), of("door2")), (Some(0.0), None));
    assert!(!text.contains("door2"), "not this token's");
    let gone = MediaEvent::Gone {
        session,
        reason: GoneReason::ConsentLost,
    };
    server.control.handle_event(gone);
    let answer = server.ask("GET", "/metrics", METRICS).await;
    let scrape = Scrape::parse(std::str::from_utf8(&answer.body).unwrap()).unwrap();
    let ended = "transom_sfu_sessions_ended_total";
    assert_eq!(
        scrape.value(ended, &[("reason", "consent_lost")]),
        Some(1.0)
    );
    assert_eq!(scrape.sum(ended), 1.0);
}

#[tokio::test]
async fn what_is_not_an_offer_is_refused_by_class() {
    let server = Server::new();
    assert!(
        server
            .post("/whip/door", PUBLISH, "hello")
            .await
            .problem(400)
            .contains("v=0")
    );
    server
        .post("/whip/door", PUBLISH, vec![0xff, 0xfe])
        .await
        .problem(400);
    server.post("/whip/door", PUBLISH, "").await.problem(400);
    server
        .post("/whip/.door", PUBLISH, offer(&[H264], true).0)
        .await
        .problem(400);
    server
        .post("/whip/door", PUBLISH, vec![b'v'; 65 * 1024])
        .await
        .problem(413);
    let untyped = request("POST", "/whip/door", PUBLISH).body(Body::from(offer(&[H264], true).0));
    let answer = server.send(untyped.unwrap()).await;
    answer.problem(415);
    assert_eq!(answer.header("accept-post"), "application/sdp");

    let (text, _) = offer(&[H264], true);
    let lines = |keep: fn(&str) -> bool| {
        text.lines()
            .filter(|l| keep(l))
            .map(|l| format!("{l}\r\n"))
            .collect::<String>()
    };
    let unprinted = lines(|l| !l.starts_with("a=fingerprint"));
    assert!(
        server
            .post("/whip/door", PUBLISH, unprinted)
            .await
            .problem(422)
            .contains("fingerprint")
    );
    let unknown = text.replace("H264", "H266");
    assert!(
        server
            .post("/whip/door", PUBLISH, unknown)
            .await
            .problem(422)
            .contains("codec")
    );
    // A subscriber's offer publishes nothing.
    server
        .post("/whip/door", PUBLISH, offer(&[H264], false).0)
        .await
        .problem(422);
    assert!(server.commands().is_empty());
}

#[tokio::test]
async fn a_path_that_is_no_text_is_a_problem() {
    let server = Server::new();
    for path in ["/whip/%ff", "/whep/%ff", "/whip/door/%ff", "/web/%ff"] {
        let answer = server.ask("GET", path, PUBLISH).await;
        assert!(answer.problem(400).contains("UTF-8"), "{path}");
    }
}

#[tokio::test]
async fn a_content_type_may_have_parameters() {
    let server = Server::new();
    let request = request("POST", "/whip/door", PUBLISH)
        .header("content-type", "Application/SDP; charset=utf-8")
        .body(Body::from(offer(&[H264], true).0));
    assert_eq!(server.send(request.unwrap()).await.status, 201);
}

#[tokio::test]
async fn a_session_lives_until_deleted() {
    let server = Server::new();
    let location = server
        .publish("door", &[H264])
        .await
        .header("location")
        .to_owned();
    let session = server.added();
    assert_eq!(server.ask("HEAD", &location, PUBLISH).await.status, 200);
    assert_eq!(server.ask("GET", &location, PUBLISH).await.status, 200);
    server.ask("GET", &location, "").await.problem(401);
    server.ask("DELETE", &location, WATCH).await.problem(403);
    server
        .ask("DELETE", &location.replace("whip", "whep"), WATCH)
        .await
        .problem(404);
    assert_eq!(
        server
            .ask("PATCH", &location, PUBLISH)
            .await
            .header("allow"),
        "GET, HEAD, DELETE, OPTIONS"
    );
    assert_eq!(server.ask("DELETE", &location, PUBLISH).await.status, 200);
    let commands = server.commands();
    let [
        MediaCommand::Remove {
            session: removed,
            reason: RemoveReason::Deleted,
        },
        MediaCommand::ForgetStream { .. },
    ] = &commands[..]
    else {
        panic!("{commands:?}")
    };
    assert_eq!(*removed, session);
    server.ask("DELETE", &location, PUBLISH).await.problem(404);
    server.ask("GET", &location, PUBLISH).await.problem(404);
    server
        .ask("GET", "/whip/door/00", PUBLISH)
        .await
        .problem(404);
    assert_eq!(server.ask("HEAD", &location, PUBLISH).await.status, 404);
}

#[tokio::test]
async fn a_displaced_publisher_is_told() {
    let server = Server::new();
    let first = server
        .publish("door", &[H264])
        .await
        .header("location")
        .to_owned();
    let live = server.added();
    server
        .control
        .handle_event(MediaEvent::Connected { session: live });
    let second = server
        .publish("door", &[H264])
        .await
        .header("location")
        .to_owned();
    let challenger = server.added();
    assert_eq!(server.ask("HEAD", &first, PUBLISH).await.status, 200);
    assert_eq!(server.ask("HEAD", &second, PUBLISH).await.status, 200);
    server.control.handle_event(MediaEvent::Connected {
        session: challenger,
    });
    let commands = server.commands();
    let [
        MediaCommand::Remove {
            session,
            reason: RemoveReason::TakenOver,
        },
    ] = &commands[..]
    else {
        panic!("{commands:?}");
    };
    assert_eq!(*session, live);
    assert_eq!(server.ask("HEAD", &first, PUBLISH).await.status, 409);
    let answer = server.ask("GET", &first, PUBLISH).await;
    assert!(answer.problem(409).contains("another publisher"));
    assert_eq!(answer.json()["type"], "urn:transom:problem:taken-over");
    assert_eq!(server.ask("HEAD", &second, PUBLISH).await.status, 200);
}

#[tokio::test]
async fn streams_are_listed_for_whoever_may_see_them() {
    let server = Server::new();
    server.publish("door", &[H264, OPUS]).await;
    let commands = server.commands();
    let [MediaCommand::AddPublisher(setup)] = &commands[..] else {
        panic!()
    };
    use std::sync::atomic::Ordering::Relaxed;
    setup.stats.tracks[0].packets.store(90, Relaxed);
    setup.stats.tracks[0].lost.store(10, Relaxed);
    setup.stats.bitrate_bps.store(1_500_000, Relaxed);
    server.control.handle_event(MediaEvent::Connected {
        session: setup.session,
    });
    server
        .post("/whep/door", WATCH, offer(&[H264], false).0)
        .await;

    setup
        .stats
        .set_state(crate::media::api::SessionState::Connected);
    let json = server.ask("GET", "/api/streams", WATCH).await.json();
    let stream = &json["streams"][0];
    assert_eq!(stream["publisher"]["silent_s"], 0);
    assert_eq!(stream["name"], "door");
    assert_eq!(stream["subscribers"], 1);
    let publisher = &stream["publisher"];
    assert_eq!(publisher["state"], "connected");
    assert_eq!(publisher["bitrate_bps"], 1_500_000);
    assert_eq!(publisher["loss"], 0.1);
    assert_eq!(publisher["tracks"][0]["codec"], "H264 42e01f");
    assert_eq!(publisher["tracks"][1]["kind"], "audio");
    assert_eq!(publisher["session"], setup.session.tag());
    assert!(
        !json.to_string().contains(&setup.session.to_path_segment()),
        "the address stays secret"
    );
}

#[tokio::test]
async fn a_full_queue_is_503_and_loses_no_removal() {
    let server = Server::new();
    let location = server
        .publish("door", &[H264])
        .await
        .header("location")
        .to_owned();
    server.commands();
    *server.media.full.lock().unwrap() = true;
    let answer = server
        .post("/whep/door", WATCH, offer(&[H264], false).0)
        .await;
    answer.problem(503);
    assert!(!answer.header("retry-after").is_empty());
    assert_eq!(server.ask("DELETE", &location, PUBLISH).await.status, 200);
    assert!(server.commands().is_empty());
    server
        .post("/whip/door", PUBLISH, offer(&[H264], true).0)
        .await
        .problem(503);

    *server.media.full.lock().unwrap() = false;
    server.control.handle_timeout();
    assert!(matches!(
        &server.commands()[..],
        [
            MediaCommand::Remove { .. },
            MediaCommand::ForgetStream { .. }
        ]
    ));
    assert_eq!(server.publish("door", &[H264]).await.status, 201);
}

#[tokio::test]
async fn a_lost_event_is_found_in_the_figures() {
    let server = Server::new();
    let location = server
        .publish("door", &[H264])
        .await
        .header("location")
        .to_owned();
    let commands = server.commands();
    let [MediaCommand::AddPublisher(setup)] = &commands[..] else {
        panic!()
    };
    setup.stats.set_state(crate::media::api::SessionState::Gone);
    server.control.handle_timeout();
    server.ask("GET", &location, PUBLISH).await.problem(404);
}

#[tokio::test]
async fn there_is_no_room_for_everybody() {
    let server = Server::new();
    server.publish("door1", &[H264]).await;
    server.publish("door2", &[H264]).await;
    let answer = server
        .post("/whip/door3", PUBLISH, offer(&[H264], true).0)
        .await;
    assert!(answer.problem(503).contains("max_streams"));
}

#[tokio::test]
async fn one_address_is_slowed_down() {
    let server = Server::with_limit(RateLimit {
        per_second: 0.5,
        burst: 2.0,
    });
    for _ in 0..2 {
        server.post("/whip/door", "", "").await.problem(401);
    }
    let answer = server.post("/whip/door", "", "").await;
    answer.problem(429);
    assert_eq!(answer.header("retry-after"), "2");
    assert_eq!(
        server.ask("GET", "/api/streams", WATCH).await.status,
        200,
        "reading is free"
    );
}

#[tokio::test]
async fn preflights_need_no_token() {
    let server = Server::new();
    for path in [
        "/whip/door",
        "/whep/door",
        "/whip/door/0",
        "/api/streams",
        "/",
    ] {
        let answer = server.ask("OPTIONS", path, "").await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(
            answer
                .header("access-control-allow-headers")
                .contains("Authorization")
        );
        assert!(
            answer
                .header("access-control-allow-methods")
                .contains("DELETE")
        );
    }
    assert_eq!(
        server
            .ask("OPTIONS", "/whip/door", "")
            .await
            .header("accept-post"),
        "application/sdp"
    );
    assert_eq!(server.ask("GET", "/whip/door", "").await.status, 204);
    let discovery = server.ask("HEAD", "/whep/door", "").await;
    assert_eq!(
        (discovery.status.as_u16(), discovery.header("content-type")),
        (200, "application/sdp")
    );
    assert_eq!(
        server.ask("PUT", "/whip/door", "").await.header("allow"),
        "GET, HEAD, POST, OPTIONS"
    );
}

#[tokio::test]
async fn the_page_is_closed_to_others_and_revalidated() {
    let server = Server::new();
    let page = server.ask("GET", "/", "").await;
    assert_eq!(page.status, 200);
    assert!(
        page.header("content-security-policy")
            .contains("frame-ancestors 'none'")
    );
    assert_eq!(page.header("referrer-policy"), "no-referrer");
    assert_eq!(page.header("cache-control"), "no-cache");
    let again = HttpRequest::builder()
        .uri("/")
        .header("if-none-match", page.header("etag"));
    let again = server.send(again.body(Body::empty()).unwrap()).await;
    assert_eq!((again.status.as_u16(), again.body.len()), (304, 0));
    server
        .ask("GET", "/web/secrets.toml", "")
        .await
        .problem(404);
    server.ask("GET", "/nowhere", "").await.problem(404);
}

/// Every file that the page names is in the binary.
#[tokio::test]
async fn the_page_is_whole() {
    let server = Server::new();
    let mut waiting = vec!["/".to_owned()];
    let mut seen = Vec::new();
    while let Some(path) = waiting.pop() {
        let answer = server.ask("GET", &path, "").await;
        assert_eq!(answer.status, 200, "{path}");
        let text = String::from_utf8(answer.body).unwrap();
        let quoted = text.split(['"', '\'']);
        // Modules name their neighbours, wherever they are.
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let absolute = |quoted: &str| {
            let neighbour = quoted.strip_prefix("./");
            let neighbour = neighbour.map(|name| format!("{folder}/{name}"));
            neighbour.or_else(|| quoted.starts_with("/web/").then(|| quoted.to_owned()))
        };
        for path in quoted.filter_map(absolute) {
            if !seen.contains(&path) {
                seen.push(path.clone());
                waiting.push(path);
            }
        }
    }
    assert!(
        seen.iter().any(|path| path == "/web/timecode.js"),
        "{seen:?}"
    );
}

#[tokio::test]
async fn the_operator_is_served_from_its_folder_and_nothing_from_above_it() {
    let server = Server::new();
    for name in ["operator.js", "wire.js"] {
        let path = format!("/web/control/{name}");
        let answer = server.ask("GET", &path, "").await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(
            answer.header("content-type"),
            "text/javascript; charset=utf-8"
        );
        assert!(answer.body.windows(7).any(|w| w == b"export "), "{path}");
        server
            .ask("GET", &format!("/web/{name}"), "")
            .await
            .problem(404);
    }
    for path in [
        "/web/control",
        "/web/control/",
        "/web/control/none.js",
        "/web/control/index.html",
        "/web/control/..",
        "/web/control/../index.html",
        "/web/control/..%2findex.html",
        "/web/control/%2e%2e/index.html",
        "/web/control/%2e%2e%2findex.html",
        "/web/control/..%5cindex.html",
        "/web/control/../../Cargo.toml",
        "/web/control/..%2f..%2fCargo.toml",
        "/web/control/%2fetc%2fpasswd",
        "/web/control//etc/passwd",
        "/web/control/operator.js/",
        "/web/control/operator.js%00",
        "/web/control%2f..%2findex.html",
    ] {
        let answer = server.ask("GET", path, "").await;
        assert_eq!(answer.status, 404, "{path}");
    }
    let answer = server.ask("GET", "/web/control/%ff", "").await;
    answer.problem(400);
}

#[tokio::test]
async fn the_clock_and_the_pulse_are_public() {
    let server = Server::new();
    let time = server.ask("GET", "/api/time", "").await;
    assert!(time.json()["unix_us"].as_u64().unwrap() > 1_700_000_000_000_000);
    assert_eq!(time.header("cache-control"), "no-store");
    let health = server.ask("GET", "/healthz", "").await.json();
    assert_eq!(
        (&health["status"], &health["instance"]),
        (&"ok".into(), &"0123456789abcdef".into())
    );
}

/// To anybody else, 127.0.0.1 would be the own machine.
#[tokio::test]
async fn loopback_is_offered_to_clients_on_this_machine_only() {
    let server = Server::new();
    for (client, offered) in [([127, 0, 0, 1], true), ([192, 168, 1, 5], false)] {
        let request = request("POST", "/whip/door", PUBLISH)
            .header("content-type", "application/sdp")
            .body(offer(&[H264], true).0.into())
            .unwrap();
        let answer = server.send_from(client.into(), request).await;
        assert_eq!(answer.status, 201);
        let sdp = String::from_utf8(answer.body).unwrap();
        assert!(sdp.contains(" 203.0.113.7 "), "{sdp}");
        let loopback = sdp.contains(" 127.0.0.1 7082 typ host");
        assert_eq!(loopback, offered, "{sdp}");
    }
}
