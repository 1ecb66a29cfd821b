//! HTTPS for other machines: how they know the server, and what strangers can do at that door.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails where it fails"
)]

use std::fs::{self, File};
use std::io::Write as _;
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use transom_rtc_tokio::client::{
    CertificateFingerprint, ClientError, Endpoint, EndpointConfig, TransportError, Trust,
};
use transom_tests_e2e::{
    Offer, Player, Program, Request, Sfu, StateDir, agent_to, binary, exchange, sfu,
};

const SOON: Duration = Duration::from_secs(10);

/// HTTPS on a free port, besides loopback's plain HTTP.
const HTTPS: &str = "listen = [\"0.0.0.0:0\"]\n";

/// An agent that was given nothing but this link, by environment.
fn paired(link: &str) -> Program {
    let mut command = Command::new(binary("transom-agent"));
    command
        .args(["--source", "test", "--audio", "test", "--log", "trace"])
        .env("TRANSOM_AGENT_WHIP", link);
    Program::start(command)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pairing_link_is_all_that_an_agent_needs() {
    let mut sfu = Sfu::start_with(HTTPS);
    let agent = paired(&sfu.pairing_link("door", &sfu.fingerprint()));
    agent.line("connected", Duration::from_secs(20));
    let mut player = Player::open(&sfu, "door", None).await.expect("a session");
    player.connected().await;
    let watched = player.watch(Duration::from_secs(2)).await;
    let (units, missing) = watched.units();
    assert!(units.len() > 40 && missing == 0, "{} frames", units.len());
    sfu.still_serves();
}

#[test]
fn another_certificate_is_refused_with_both_fingerprints_and_the_mend() {
    let mut sfu = Sfu::start_with(HTTPS);
    let seen = sfu.fingerprint();
    let expected = CertificateFingerprint::of(b"another server").to_string();
    let agent = paired(&sfu.pairing_link("door", &expected));
    let line = agent.line("lost:", SOON);
    for word in [seen.as_str(), &expected, "transom-sfu link", "retry in"] {
        assert!(line.contains(word), "no {word} in {line}");
    }
    let sessions = sfu.program.lines();
    let opened = sessions.iter().any(|l| l.contains("session opened"));
    assert!(!opened, "{sessions:?}");
    sfu.still_serves();
}

#[test]
fn without_a_fingerprint_a_public_authority_must_have_signed() {
    let sfu = Sfu::start_with(HTTPS);
    let link = sfu.pairing_link("door", &sfu.fingerprint());
    let (unpinned, _) = link.split_once("&fp=").expect("a fingerprint");
    let line = paired(unpinned).line("lost:", SOON);
    assert!(
        line.contains("TLS handshake") && line.contains("transom-sfu link"),
        "{line}"
    );
}

#[test]
fn plain_http_at_the_https_port_is_told_so() {
    let mut sfu = Sfu::start_with(HTTPS);
    let https = sfu.https.expect("an HTTPS address");
    let answer = Request::new("GET", "/?x").send(https);
    assert_eq!(answer.status, 307, "{answer:?}");
    let expected = format!("https://{https}/?x");
    assert_eq!(answer.header("location"), Some(expected.as_str()));

    let offer = Request::offer("/whip/door", Offer::publish()).token(&sfu.token("publish"));
    let detail = offer.send(https).is_problem(400);
    assert!(detail.contains("https://") && detail.contains("readable by all"));

    let line = Program::start(agent_to(&format!("http://{https}/whip/door"))).line("lost:", SOON);
    assert!(line.contains("this port speaks HTTPS"), "{line}");
    sfu.still_serves();
}

#[test]
fn strangers_who_do_not_shake_hands_are_shown_out() {
    let mut sfu = Sfu::start_with(&format!(
        "{HTTPS}[limits]\nmax_connections = 40\nmax_connections_per_address = 30\n"
    ));
    let https = sfu.https.expect("an HTTPS address");
    for nonsense in [
        // A hello that announces more than it brings; a record of 64 KiB; an alert; SSLv2; noise.
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        &[&b"\x16\x03\x01\xff\xff"[..], &[0; 70_000]].concat(),
        b"\x15\x03\x01\x00\x02\x02\x28",
        b"\x80\x2e\x01\x03\x01\x00\x15",
        &[0xff; 5000],
    ] {
        let mut stream = TcpStream::connect(https).expect("connect");
        let _ = stream.write_all(nonsense);
    }
    // Silent ones, more than there is room for. Theirs is the time of one head.
    let begun = Instant::now();
    let mut silent: Vec<_> = (0..50)
        .filter_map(|_| TcpStream::connect(https).ok())
        .collect();
    // Those shown out above may give up their places only now: a few more silent ones take them.
    while !exchange(https, b"GET / HTTP/1.1\r\n\r\n").is_empty() {
        assert!(silent.len() < 60, "strangers find room again and again");
        silent.extend(TcpStream::connect(https).ok());
    }
    let served = loop {
        let answer = exchange(
            sfu.http,
            b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        );
        if answer.starts_with(b"HTTP/1.1 200") {
            break begun.elapsed();
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "they stay");
        std::thread::sleep(Duration::from_millis(200));
    };
    println!("room again after {served:.1?}");
    drop(silent);
    sfu.still_serves();
}

#[test]
fn the_certificate_stays_from_start_to_start_and_is_made_anew_when_damaged() {
    let sfu = Sfu::start_with(HTTPS);
    let first = sfu.fingerprint();
    let sfu = Sfu::start_in(sfu.into_state(), HTTPS);
    assert_eq!(sfu.fingerprint(), first);
    let state = sfu.into_state();
    let pem = fs::read_to_string(state.path().join("tls.pem")).expect("tls.pem");
    state.write("tls.pem", &pem[..pem.len() / 2]);
    let sfu = Sfu::start_in(state, HTTPS);
    let told = sfu.program.line("a new one was made", SOON);
    assert!(told.contains("paired again"), "{told}");
    assert_ne!(sfu.fingerprint(), first);
}

/// Writes a certificate and its key, and gives the fingerprint.
fn issue(folder: &Path) -> CertificateFingerprint {
    let made = rcgen::generate_simple_self_signed(vec!["door.example".into()]).expect("made");
    fs::write(folder.join("cert.pem"), made.cert.pem()).expect("cert.pem");
    fs::write(folder.join("key.pem"), made.key_pair.serialize_pem()).expect("key.pem");
    CertificateFingerprint::of(made.cert.der())
}

/// What a client that trusts `fingerprint` is answered.
async fn asked(sfu: &Sfu, fingerprint: CertificateFingerprint) -> ClientError {
    let url = format!("https://{}/whip/door", sfu.https.expect("an HTTPS address"));
    let mut config = EndpointConfig::new(&url, Some("guessed"));
    config.trust = Trust::Fingerprint(fingerprint);
    let endpoint = Endpoint::new(config).expect("an endpoint");
    endpoint.open("v=0\r\n").await.expect_err("a guessed token")
}

#[tokio::test]
async fn a_configured_certificate_is_read_again_when_it_changes() {
    let state = StateDir::new();
    let first = issue(state.path());
    let path = state.path().display().to_string();
    let config = format!(
        "{HTTPS}tls_cert = \"{path}/cert.pem\"\ntls_key = \"{path}/key.pem\"\nlog = \"info\"\n"
    );
    let mut sfu = Sfu::start_in(state, &config);
    assert_eq!(sfu.fingerprint(), first.to_string());
    assert!(matches!(
        asked(&sfu, first).await,
        ClientError::Unauthorized { .. }
    ));

    // Not whole: the former one goes on.
    sfu.state.write("cert.pem", "-----BEGIN");
    sfu.program.line("the former certificate stays", 3 * SOON);
    assert!(matches!(
        asked(&sfu, first).await,
        ClientError::Unauthorized { .. }
    ));

    let second = issue(sfu.state.path());
    sfu.program.line("new certificate", 3 * SOON);
    assert!(matches!(
        asked(&sfu, second).await,
        ClientError::Unauthorized { .. }
    ));
    assert!(matches!(
        asked(&sfu, first).await,
        ClientError::Transport(TransportError::Pin(_))
    ));
    sfu.still_serves();
}

#[test]
fn a_configured_certificate_that_is_none_is_told_at_the_start() {
    let state = StateDir::new();
    issue(state.path());
    let refused = |cert: &Path, key: &Path, words: &[&str]| {
        let mut command = sfu(state.path());
        command.args(["--http", "127.0.0.1:0", "--udp-port", "0"]);
        command
            .args(["--listen", "0.0.0.0:0", "--tls-cert"])
            .arg(cert);
        command.arg("--tls-key").arg(key);
        Program::start(command).ended(SOON).refused_with(words);
    };
    let (cert, key) = (state.path().join("cert.pem"), state.path().join("key.pem"));
    refused(
        &cert,
        Path::new("/no/such.pem"),
        &["/no/such.pem", "--tls-key"],
    );
    refused(&key, &key, &["key.pem", "no certificate", "--tls-cert"]);
    let other = StateDir::new();
    issue(other.path());
    let other = other.path().join("key.pem");
    refused(&cert, &other, &["do not belong together"]);
}

#[test]
fn the_links_are_printed_again_when_asked_for() {
    let sfu = Sfu::start_with(HTTPS);
    let link = |words: &[&str]| {
        let mut command = Command::new(binary("transom-sfu"));
        command.arg("link").arg("--state-dir").arg(sfu.state.path());
        command.args(words);
        let ended = Program::start(command).ended(SOON);
        assert!(ended.status.success(), "{ended:?}");
        ended.lines.join("\n")
    };
    let text = link(&[]);
    let watch = format!("http://{}/#token={}", sfu.http, sfu.token("watch"));
    assert!(text.contains(&watch), "{text}");
    let started = sfu.program.lines().join("\n");
    // As many of them as this machine has addresses.
    let pairing = |text: &str| text.matches("/whip/door#token=").count();
    assert_eq!(pairing(&text), pairing(&started), "{text}\n{started}");
    assert_eq!(text.matches(&sfu.fingerprint()).count(), pairing(&text));
    assert!(!text.contains('█'), "{text}");
    assert!(link(&["--qr"]).contains(if pairing(&text) > 0 { "█" } else { "--lan" }));
    // The one that moves wheels is told to nobody who did not ask for it.
    let drive = sfu.token("drive");
    assert!(!text.contains(&drive) && !started.contains(&drive));
    let text = link(&["--drive"]);
    assert!(
        text.contains(&format!("http://{}/#token={drive}", sfu.http)),
        "{text}"
    );
    assert_eq!(
        text.matches("#token=").count(),
        text.matches(&drive).count()
    );
}

/// At the level that says most, of everything that goes right and wrong.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_token_stands_in_any_log() {
    let mut sfu = Sfu::start_with(&format!("{HTTPS}log = \"trace\"\n"));
    let https = sfu.https.expect("an HTTPS address");
    let [publish, watch, drive] = ["publish", "watch", "drive"].map(|scope| sfu.token(scope));
    let guessed = "a-token-that-somebody-guessed";
    let agent = paired(&sfu.pairing_link("door", &sfu.fingerprint()));
    agent.line("connected", Duration::from_secs(20));
    let wrong = sfu
        .pairing_link("door", &sfu.fingerprint())
        .replace(&publish, guessed);
    let wrong = paired(&wrong);
    wrong.line("lost:", SOON);
    let mut player = Player::open(&sfu, "door", None).await.expect("a session");
    player.connected().await;
    player.watch(Duration::from_millis(300)).await;
    player.whep.close().await.expect("closed");
    for token in [&publish, &watch, &drive, guessed] {
        for request in [
            Request::new("GET", "/api/streams").token(token),
            Request::new("GET", format!("/api/streams?token={token}")),
            Request::new("GET", format!("/{token}")),
            Request::offer("/whip/door", "nonsense").token(token),
            Request::offer("/whep/nobody", Offer::play()).token(token),
            Request::new("DELETE", "/whip/door/0").token(token),
            Request::new("GET", "/").header("authorization", token),
            Request::new("GET", "/").header("referer", &format!("http://x/?{token}")),
        ] {
            sfu.send(request.clone());
            request.send(https);
        }
        exchange(https, &[b"\x16\x03\x01\xff\xff", token.as_bytes()].concat());
        exchange(sfu.http, format!("GET {token}\r\n\r\n").as_bytes());
    }
    sfu.still_serves();
    let (log, agents) = (sfu.program.log(), [agent.lines(), wrong.lines()].concat());
    assert!(log.iter().any(|line| line.contains("TRACE")), "{log:?}");
    assert!(agents.iter().any(|line| line.contains("DEBUG")));
    for line in log.iter().chain(&agents) {
        for token in [&publish, &watch, &drive, guessed] {
            assert!(!line.contains(token), "{line}");
        }
    }
    println!("{} and {} lines", log.len(), agents.len());
}

/// systemd's journal keeps what it gets, and others may read it: no link goes there, in no form.
#[test]
fn the_journal_gets_no_token() {
    let state = StateDir::new();
    let journal = state.write("journal", "");
    let about = fs::metadata(&journal).expect("the file");
    let mut child = sfu(state.path())
        .args(["--http", "127.0.0.1:0", "--udp-port", "0", "--qr"])
        .args(["--listen", "0.0.0.0:0", "--log", "trace"])
        .env("JOURNAL_STREAM", format!("{}:{}", about.dev(), about.ino()))
        .stdout(File::options().append(true).open(&journal).expect("stdout"))
        .stderr(File::options().append(true).open(&journal).expect("stderr"))
        .spawn()
        .expect("starts");
    let begun = Instant::now();
    let text = loop {
        let text = fs::read_to_string(&journal).expect("text");
        if text.contains("listening http=") || begun.elapsed() > SOON {
            break text;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let _ = child.kill();
    let _ = child.wait();
    assert!(text.contains("plain HTTP, for this machine only"), "{text}");
    assert!(text.contains("transom-sfu link --state-dir"), "{text}");
    let secrets = fs::read_to_string(state.path().join("secrets.toml")).expect("secrets");
    let tokens: Vec<&str> = secrets.split('"').skip(1).step_by(2).collect();
    assert_eq!(tokens.len(), 3);
    assert!(!tokens.iter().any(|token| text.contains(token)), "{text}");
    assert!(!text.contains('█'), "{text}");
}

/// A slip in a link is told without what stands in it.
#[test]
fn a_refused_link_is_not_quoted() {
    let mut command = agent_to("https://127.0.0.1:9/whip/door#token=hush-hush-hush&fp=sha256:12");
    command.arg("--check-config");
    let ended = Program::start(command).ended(SOON);
    ended.refused_with(&["64 hexadecimal digits"]);
    assert!(!ended.lines.join("\n").contains("hush"), "{ended:?}");
}
