//! The agent on a board: its camera, its network, and what a viewer elsewhere sees of it.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails where it fails"
)]

use std::time::Duration;

use openh264::decoder::{DecodedYUV, Decoder};
use openh264::formats::YUVSource as _;
use transom_tests_device::{Board, HOST, Machine};
use transom_tests_e2e::{Player, Sfu};

const SOON: Duration = Duration::from_secs(60);
const WATCH: Duration = Duration::from_secs(8);
const RATE: u32 = 48_000;
/// A whole number of waves in 100 ms.
const TONE_HZ: u32 = 440;

/// A server on this machine that a board reaches, by HTTPS as any other machine would.
fn sfu() -> Sfu {
    Sfu::start_with(&format!(
        "listen = [\"0.0.0.0:0\"]\nadvertise = [\"{HOST}\"]\n"
    ))
}

/// What the agent on the board is to be given.
fn link(sfu: &Sfu, stream: &str) -> String {
    sfu.pairing_link(stream, &sfu.fingerprint())
        .replace("127.0.0.1", HOST)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_camera_on_the_board_is_seen_elsewhere() {
    let mut board = Board::boot(Machine::Virt);
    let mut sfu = sfu();
    let camera = "--source v4l2:/dev/video0 --size 320x180 --fps 15";
    let link = link(&sfu, "door");

    let doctor = board.run(
        &format!("transom-agent doctor --whip '{link}' {camera} --audio none"),
        SOON,
    );
    println!("{}", doctor.said);
    assert!(
        doctor.said.contains("/dev/video0 offers") && doctor.said.contains("320x180"),
        "{}",
        doctor.said
    );

    board.start(
        "agent",
        &format!("transom-agent --whip '{link}' {camera} --audio test"),
    );
    let connected = board.wait_for("grep -m1 connected /tmp/agent.log", SOON);
    println!("{connected}");
    let mut player = Player::open(&sfu, "door", None).await.expect("a session");
    player.connected().await;
    let watched = player.watch(WATCH).await;
    let (units, missing) = watched.units();
    let log = board.run("cat /tmp/agent.log", SOON).said;
    println!(
        "{} pictures and {} sound packets in {WATCH:?}; its log:\n{log}",
        units.len(),
        watched.audio
    );
    assert!(log.contains("camera opened"), "{log}");
    assert!(units.len() > 10, "{} pictures", units.len());
    assert!(units[0].key_frame && missing == 0);
    assert!(watched.audio > 100, "{} sound packets", watched.audio);
    assert_eq!(bars(&units[0].data), [true; 7], "no colour bars");
    sfu.still_serves();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_camera_over_a_bad_network_is_repaired() {
    let mut board = Board::boot(Machine::Virt);
    let mut sfu = sfu();
    let link = link(&sfu, "door");
    board.send("/tmp/agent.toml", b"metrics = \"127.0.0.1:9101\"\n");
    board.start(
        "agent",
        &format!(
            "transom-agent --config /tmp/agent.toml --whip '{link}' --source v4l2:/dev/video0 \
             --size 320x180 --fps 15 --audio none"
        ),
    );
    board.wait_for("grep -m1 connected /tmp/agent.log", SOON);
    // After a while, what leaves the board is late, and a tenth of it lost; then the network heals.
    board.start(
        "netem",
        "(sleep 3; /sbin/tc qdisc add dev eth0 root netem delay 50ms loss 10%; sleep 8; \
         /sbin/tc -s qdisc show dev eth0; /sbin/tc qdisc del dev eth0 root; echo healed)",
    );
    let mut player = Player::open(&sfu, "door", None).await.expect("a session");
    player.connected().await;
    let watched = player.watch(Duration::from_secs(15)).await;
    board.wait_for("grep healed /tmp/netem.log", SOON);
    let lost = board.run("grep dropped /tmp/netem.log", SOON).said;
    let repairs = board.run(
        "wget -q -O - http://127.0.0.1:9101/metrics | grep ^transom_agent_retransmissions",
        SOON,
    );

    let (units, missing) = watched.units();
    let mut decoder = Decoder::new().expect("a decoder");
    let decoded = units.iter().filter(|unit| {
        let decoded = decoder.decode(&unit.data);
        matches!(decoded, Ok(Some(picture)) if bars_of(&picture) == [true; 7])
    });
    let shown = decoded.count();
    println!(
        "{} pictures, {shown} of them with bars; {missing} packets missing;\n{lost}\n{}",
        units.len(),
        repairs.said
    );
    let number_behind = |text: &str, mark: &str| {
        let (_, rest) = text.split_once(mark).expect(mark);
        let mut words = rest.split([' ', ',', '\n']).filter(|word| !word.is_empty());
        words
            .next()
            .expect("a word")
            .parse::<u64>()
            .expect("a count")
    };
    let dropped = number_behind(&lost, "dropped");
    let repaired = number_behind(&repairs.said, "retransmissions_total");
    assert!(
        dropped > 5 && repaired > 3,
        "{dropped} lost, {repaired} sent again"
    );
    // Nearly all that was lost came after all, and what was not there in time did not end the picture.
    assert!(missing * 5 < dropped, "{missing} missing of {dropped} lost");
    assert!(shown > 60, "{shown} pictures of {}", units.len());
    sfu.still_serves();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_microphone_on_the_board_is_heard_elsewhere() {
    let mut board = Board::boot(Machine::Virt);
    let mut sfu = sfu();
    let link = link(&sfu, "door");
    // The card hears on one side what is played on the other.
    board.start(
        "tone",
        &format!("speaker-test -D hw:Loopback,0,0 -F S16_LE -r 48000 -c 1 -t sine -f {TONE_HZ}"),
    );
    board.start(
        "agent",
        &format!(
            "transom-agent --whip '{link}' --source test --size 160x120 --fps 5 \
             --audio alsa:plughw:CARD=Loopback,DEV=1"
        ),
    );
    // It was started while the network was still coming up.
    board.wait_for("grep -m1 connected /tmp/agent.log", SOON / 3);
    let mut player = Player::open(&sfu, "door", None).await.expect("a session");
    player.connected().await;
    let packets = player.listen(WATCH).await;
    let log = board.run("cat /tmp/agent.log; tail -3 /tmp/tone.log", SOON);
    let (seconds, share) = tone(&packets);
    println!(
        "{} packets, {seconds:.1} s of sound in {WATCH:?}, {:.0} % of it the tone; the logs:\n{}",
        packets.len(),
        share * 100.0,
        log.said
    );
    assert!(seconds > 5.0, "{seconds} s of sound in {WATCH:?}");
    assert!(share > 0.8, "{share} of the sound is the tone");
    sfu.still_serves();
}

/// How long the sound is, and how much of its energy is of the tone's frequency.
fn tone(packets: &[Vec<u8>]) -> (f64, f64) {
    let mut decoder = opus::Decoder::new(RATE, opus::Channels::Mono).expect("a decoder");
    let mut samples: Vec<f64> = Vec::new();
    let mut pcm = [0_i16; 5760];
    for packet in packets {
        let n = decoder.decode(packet, &mut pcm, false).expect("Opus");
        samples.extend(pcm[..n].iter().map(|&sample| f64::from(sample)));
    }
    let (mut energy, mut in_tone) = (0.0, 0.0);
    // Windows of 100 ms: phases leap where a late card left a gap.
    for window in samples.chunks_exact(4800) {
        let (mut re, mut im) = (0.0, 0.0);
        for (n, sample) in window.iter().enumerate() {
            let angle = std::f64::consts::TAU * f64::from(TONE_HZ) * n as f64 / f64::from(RATE);
            re += sample * angle.cos();
            im += sample * angle.sin();
        }
        energy += window.iter().map(|sample| sample * sample).sum::<f64>();
        in_tone += (re * re + im * im) * 2.0 / window.len() as f64;
    }
    let seconds = samples.len() as f64 / f64::from(RATE);
    (seconds, in_tone / energy.max(1.0))
}

/// The camera shows eight bars from white to black: whether each is darker than the one before.
fn bars(unit: &[u8]) -> [bool; 7] {
    let mut decoder = Decoder::new().expect("a decoder");
    bars_of(&decoder.decode(unit).expect("H.264").expect("a picture"))
}

fn bars_of(decoded: &DecodedYUV<'_>) -> [bool; 7] {
    let (width, height) = decoded.dimensions();
    let (stride, _, _) = decoded.strides();
    // Below the text that the camera writes over them.
    let row = &decoded.y()[height * 7 / 8 * stride..][..width];
    let middle = |bar: usize| u32::from(row[width * (2 * bar + 1) / 16]);
    [0, 1, 2, 3, 4, 5, 6].map(|bar| middle(bar) > middle(bar + 1))
}
