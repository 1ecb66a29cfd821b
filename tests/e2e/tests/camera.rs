//! What an agent makes of one camera besides its stream: a still picture, a second stream; and a CSI
//! camera, by a stand-in for `rpicam-vid` that plays a recorded clip.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails where it fails"
)]

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::{Duration, Instant};

use transom_rtc_proto::codec::h264::{AnnexB, Sps};
use transom_rtc_telemetry::Scrape;
use transom_tests_e2e::{Player, Program, Request, Sfu, StateDir, access_units, binary, exchange};

const SOON: Duration = Duration::from_secs(20);

const CLIP: &[u8] = include_bytes!("../../data/media/baseline.h264");

fn publisher(sfu: &Sfu, folder: &StateDir, config: &str) -> Command {
    let config = folder.write("transom-agent.toml", config);
    let mut command = Command::new(binary("transom-agent"));
    command
        .args(["--whip", &format!("http://{}/whip/door", sfu.http)])
        .arg("--config")
        .arg(config)
        .env("TRANSOM_TOKEN", sfu.token("publish"));
    command
}

fn metrics_of(agent: &Program) -> SocketAddr {
    let line = agent.line("metrics at http://", SOON);
    let (_, address) = line.split_once("http://").expect("an address");
    let address = address.trim_end_matches("/metrics").parse();
    address.expect("an address")
}

/// Head and body of the answer to a GET with this `Host`.
fn get(to: SocketAddr, host: &str) -> (String, Vec<u8>) {
    let request =
        format!("GET /snapshot.jpg HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    let answer = exchange(to, request.as_bytes());
    let end = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .expect("a head");
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    (head, answer[end + 4..].to_vec())
}

/// Width and height of the first key frame that comes.
async fn size_of(player: &mut Player) -> (u32, u32) {
    let deadline = Instant::now() + SOON;
    while Instant::now() < deadline {
        let (units, _) = player.watch(Duration::from_secs(1)).await.units();
        let sps = units
            .iter()
            .flat_map(|unit| AnnexB::new(&unit.data))
            .find_map(|nal| Sps::parse(nal).ok());
        if let Some(sps) = sps {
            return (sps.width, sps.height);
        }
    }
    panic!("no key frame");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_still_and_a_second_stream_come_of_the_same_pictures() {
    let sfu = Sfu::start();
    let folder = StateDir::new();
    let agent = Program::start(publisher(
        &sfu,
        &folder,
        "metrics = \"127.0.0.1:0\"\n[video]\nsize = \"640x480\"\n[audio]\nsource = \"none\"\n\
         [video.second]\nstream = \"door-low\"\nsize = \"200x200\"\nfps = 10\n",
    ));
    let address = metrics_of(&agent);
    // Before anybody watches, and before there is a session.
    let (head, jpeg) = get(address, &address.to_string());
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert!(
        head.contains("content-type: image/jpeg") && head.contains("x-age-ms: "),
        "{head}"
    );
    assert!(
        head.contains("cache-control: no-store") && !head.contains("access-control"),
        "{head}"
    );
    assert!(jpeg.starts_with(&[0xff, 0xd8, 0xff]) && jpeg.ends_with(&[0xff, 0xd9]));
    assert!(jpeg.len() > 5_000, "{} bytes", jpeg.len());
    // A page that points a name of its own at this machine sees nothing.
    let (head, _) = get(address, "rebound.example");
    let refused = head.starts_with("http/1.1 403") || head.starts_with("http/1.1 421");
    assert!(refused, "{head}");
    let posted = Request::new("POST", "/snapshot.jpg").send(address);
    assert_eq!(posted.status, 405);

    agent.line(" connected", SOON);
    let mut main = Player::open(&sfu, "door", None).await.expect("a session");
    main.connected().await;
    let deadline = Instant::now() + SOON;
    let mut low = loop {
        match Player::open(&sfu, "door-low", None).await {
            Ok(player) => break player,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    low.connected().await;
    assert_eq!(size_of(&mut main).await, (640, 480));
    assert_eq!(size_of(&mut low).await, (200, 150));
    let watched = low.watch(Duration::from_secs(3)).await;
    let (pictures, missing) = watched.units();
    println!("{} pictures of the second stream in 3 s", pictures.len());
    assert!(
        (15..=36).contains(&pictures.len()) && missing == 0,
        "{}",
        pictures.len()
    );
    // While both are watched, a still comes all the same.
    let (head, _) = get(address, "localhost");
    assert!(head.starts_with("http/1.1 200"), "{head}");
    // Every ten seconds the log tells what encoding costs.
    let line = agent.line("encode_ms=", SOON);
    assert!(
        line.contains("encoder=openh264") && line.contains("encode_cpu="),
        "{line}"
    );
    // Both have figures, the second one's by its label.
    let told = Request::new("GET", "/metrics").send(address);
    let told = Scrape::parse(&told.body).expect("figures");
    let (second, video) = (("stream", "second"), ("kind", "video"));
    for (name, label) in [
        ("transom_agent_frames_encoded_total", None),
        ("transom_agent_encode_seconds_count", None),
        ("transom_agent_sessions_connected_total", None),
        ("transom_agent_sent_packets_total", Some(video)),
        ("transom_agent_encoder_info", Some(("encoder", "openh264"))),
    ] {
        let both = [None, Some(second)].map(|of| {
            let labels: Vec<_> = label.into_iter().chain(of).collect();
            told.value(name, &labels).unwrap_or_default()
        });
        assert!(both.iter().all(|value| *value >= 1.0), "{name}: {both:?}");
    }
    let frames = |labels: &[_]| told.value("transom_agent_frames_encoded_total", labels);
    assert!(
        frames(&[second]) < frames(&[]),
        "10 of 30 pictures a second"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_csi_camera_comes_through_a_program_that_may_die() {
    let sfu = Sfu::start();
    let folder = StateDir::new();
    // It plays two seconds; then it dies.
    let frames = folder.path().join("frames");
    fs::create_dir(&frames).expect("a folder");
    for (n, unit) in access_units(CLIP).iter().enumerate() {
        fs::write(frames.join(format!("{n:03}")), unit).expect("a picture");
    }
    let program = folder.path().join("rpicam-vid");
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = --help ] && exit\nfolder={}\necho \"$@\" >>$folder/started\n\
         for frame in $folder/frames/*; do cat $frame; sleep 0.03; done\n\
         echo 'ERROR: *** the camera is gone ***' >&2\nexit 1\n",
        folder.path().display()
    );
    fs::write(&program, script).expect("a script");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("permissions");
    let mut command = publisher(&sfu, &folder, "[audio]\nsource = \"none\"\n");
    let path = std::env::var("PATH").unwrap_or_default();
    command
        .args(["--source", "csi:1", "--size", "160x120"])
        .env("PATH", format!("{}:{path}", folder.path().display()));
    let agent = Program::start(command);
    agent.line("CSI camera 1 by rpicam-vid", SOON);
    agent.line(" connected", SOON);
    let mut player = Player::open(&sfu, "door", None).await.expect("a session");
    player.connected().await;
    assert_eq!(size_of(&mut player).await, (160, 120));
    let (pictures, _) = player.watch(Duration::from_secs(6)).await.units();
    println!("{} pictures in 6 s", pictures.len());
    let keys = pictures.iter().filter(|unit| unit.key_frame).count();
    assert!(
        pictures.len() > 30 && keys > 3,
        "{} pictures",
        pictures.len()
    );
    let line = agent.line("rpicam-vid ended with status 1", SOON);
    assert!(line.contains("the camera is gone"), "{line}");
    let started = fs::read_to_string(folder.path().join("started")).expect("its calls");
    assert!(started.lines().count() >= 2, "{started}");
    assert!(
        started.contains("--camera 1") && started.contains("--width 160"),
        "{started}"
    );
}
