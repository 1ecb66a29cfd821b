//! The board's speaker, heard from outside.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails where it fails"
)]

use std::f64::consts::TAU;
use std::thread;
use std::time::{Duration, Instant};

use transom_tests_device::{Board, HOST, Machine, RATE, Speaker};
use transom_tests_e2e::{Player, Program, Sfu, binary};

const SOON: Duration = Duration::from_secs(60);
/// The chime's two tones, and the beep of the source `test`.
const DING_HZ: f64 = 659.255;
const DONG_HZ: f64 = 523.251;
const BEEP_HZ: f64 = 880.0;
/// What the board's loopback card is made to hear.
const TONE: &str = "speaker-test -D hw:Loopback,0,0 -F S16_LE -r 48000 -c 1 -t sine -f 440";
const TONE_HZ: f64 = 440.0;
/// The card's driver, which lets go of it as it would of one that is pulled out.
const DRIVER: &str = "/sys/bus/platform/drivers/snd_aloop";
/// What is listened to at a time: 50 ms.
const WINDOW: usize = RATE as usize / 20;
/// Samples quieter than this on average are silence.
const LOUD: f64 = 1_000.0;

/// For each 50 ms from `begin` on: whether it is loud and most of it is of this frequency.
fn windows(samples: &[i16], hz: f64) -> Vec<bool> {
    let of = |window: &[i16]| {
        let (mut re, mut im, mut energy) = (0.0, 0.0, 0.0);
        for (n, sample) in window.iter().enumerate() {
            let (angle, sample) = (TAU * hz * n as f64 / f64::from(RATE), f64::from(*sample));
            re += sample * angle.cos();
            im += sample * angle.sin();
            energy += sample * sample;
        }
        let share = (re * re + im * im) * 2.0 / (window.len() as f64 * energy.max(1.0));
        (energy / window.len() as f64).sqrt() > LOUD && share > 0.6
    };
    samples.chunks_exact(WINDOW).map(of).collect()
}

fn count(samples: &[i16], hz: f64) -> usize {
    windows(samples, hz).iter().filter(|heard| **heard).count()
}

/// Waits until the speaker has played so many windows of a frequency more.
#[track_caller]
fn hear(speaker: &Speaker, hz: f64, from: usize, wanted: usize) {
    let deadline = Instant::now() + SOON;
    loop {
        let heard = count(speaker.heard().get(from..).unwrap_or_default(), hz);
        if heard >= wanted {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "{heard} of {wanted} windows of {hz} Hz"
        );
        thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn a_chime_on_the_board_is_heard_outside() {
    let mut board = Board::boot(Machine::Virt);
    let speaker = board.speaker();
    board.wait_for("grep USB-Audio /proc/asound/cards", SOON);
    let done = board.run(
        "transom-agent sound --speaker 'alsa:QEMU USB Audio' --audio alsa:plughw:CARD=Loopback,DEV=1",
        SOON,
    );
    println!("{}", done.said);
    assert_eq!(done.status, 0, "{}", done.said);
    assert!(
        done.said.contains("plughw:CARD=Loopback,DEV=0"),
        "{}",
        done.said
    );
    let heard = speaker.heard();
    let first = |hz| windows(&heard, hz).iter().position(|heard| *heard);
    let (ding, dong) = (first(DING_HZ), first(DONG_HZ));
    println!(
        "{:.1} s were played; ding in {} windows of 50 ms, dong in {}, at {ding:?} and {dong:?}",
        heard.len() as f64 / f64::from(RATE),
        count(&heard, DING_HZ),
        count(&heard, DONG_HZ)
    );
    assert!(count(&heard, DING_HZ) >= 5 && count(&heard, DONG_HZ) >= 5);
    assert!(ding < dong, "{ding:?} {dong:?}");

    let absent = board.run(
        "transom-agent sound --speaker alsa:Gramophone --audio alsa:Gramophone",
        SOON,
    );
    println!("{}", absent.said);
    assert_eq!(absent.status, 1);
    assert!(
        absent
            .said
            .contains("Gramophone is absent; present: plughw:CARD=")
    );
}

#[test]
fn who_talks_back_is_heard_though_the_speaker_is_unplugged_meanwhile() {
    let mut board = Board::boot(Machine::Virt);
    let mut speaker = board.speaker();
    board.wait_for("grep USB-Audio /proc/asound/cards", SOON);
    let mut sfu = Sfu::start_with(&format!(
        "listen = [\"0.0.0.0:0\"]\nadvertise = [\"{HOST}\"]\n"
    ));
    let publish = sfu
        .pairing_link("door", &sfu.fingerprint())
        .replace("127.0.0.1", HOST);
    let talk = publish
        .replace("/whip/door", "/whep/door-talk")
        .replace(&sfu.token("publish"), &sfu.token("watch"));
    let mut talker = std::process::Command::new(binary("transom-agent"));
    talker
        .args(["--whip", &format!("http://{}/whip/door-talk", sfu.http)])
        .args(["--source", "test", "--size", "160x120", "--fps", "5"])
        .env("TRANSOM_TOKEN", sfu.token("publish"));
    let talker = Program::start(talker);
    talker.line("connected", SOON);
    board.start(
        "agent",
        &format!(
            "transom-agent --whip '{publish}' --source test --size 160x120 --fps 5 --audio none \
             --metrics 127.0.0.1:9101 --speaker alsa:plughw:CARD=Audio --talk '{talk}'"
        ),
    );
    board.wait_for("grep -m1 'somebody talks back' /tmp/agent.log", SOON);
    hear(&speaker, BEEP_HZ, 0, 6);

    speaker.unplug();
    board.wait_for("grep -m1 unplugged /tmp/agent.log", SOON);
    let before = speaker.heard().len();
    speaker.plug();
    board.wait_for("test $(grep -c 'speaker opened' /tmp/agent.log) = 2", SOON);
    hear(&speaker, BEEP_HZ, before, 6);

    let figures = board.run(
        "wget -qO- http://127.0.0.1:9101/metrics | grep -e sound_ -e talk_; cat /tmp/agent.log",
        SOON,
    );
    println!("{}", figures.said);
    assert!(
        figures
            .said
            .contains("transom_agent_sound_devices_lost_total{device=\"speaker\"} 1"),
        "{}",
        figures.said
    );
    sfu.still_serves();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_microphone_that_is_unplugged_is_taken_up_again() {
    let mut board = Board::boot(Machine::Virt);
    let mut sfu = Sfu::start_with(&format!(
        "listen = [\"0.0.0.0:0\"]\nadvertise = [\"{HOST}\"]\n"
    ));
    let publish = sfu
        .pairing_link("door", &sfu.fingerprint())
        .replace("127.0.0.1", HOST);
    board.start("tone", TONE);
    board.start(
        "agent",
        &format!(
            "transom-agent --whip '{publish}' --source test --size 160x120 --fps 5 \
             --metrics 127.0.0.1:9101 --audio alsa:plughw:CARD=Loopback,DEV=1"
        ),
    );
    board.wait_for("grep -m1 connected /tmp/agent.log", SOON);
    let mut player = Player::open(&sfu, "door", None).await.expect("a session");
    player.connected().await;
    assert!(heard_by(&mut player).await >= 20, "before");

    // The driver waits until nobody holds the card any more, as it does for one that is pulled out.
    board.start(
        "unbind",
        &format!("sh -c 'echo snd_aloop.0 >{DRIVER}/unbind'"),
    );
    board.wait_for("grep -m1 unplugged /tmp/agent.log", SOON);
    board.run("kill $(cat /tmp/tone.pid)", SOON);
    board.wait_for("! grep Loopback /proc/asound/cards", SOON);
    board.wait_for(
        "wget -qO- http://127.0.0.1:9101/metrics | grep 'microphone\",kind=\"rms\"} NaN'",
        SOON,
    );
    board.wait_for(&format!("echo snd_aloop.0 >{DRIVER}/bind"), SOON);
    board.start("tone", TONE);
    board.wait_for(
        "test $(grep -c 'microphone opened' /tmp/agent.log) = 2",
        SOON,
    );
    player.listen(Duration::from_secs(2)).await;
    assert!(heard_by(&mut player).await >= 20, "after");

    let told = board.run(
        "wget -qO- http://127.0.0.1:9101/metrics | grep -e sound_ -e drift; grep stats /tmp/agent.log",
        SOON,
    );
    println!("{}", told.said);
    assert!(
        told.said
            .contains("transom_agent_sound_devices_lost_total{device=\"microphone\"} 1"),
        "{}",
        told.said
    );
    sfu.still_serves();
}

/// In how many windows of four seconds a viewer hears the tone.
async fn heard_by(player: &mut Player) -> usize {
    let mut decoder = opus::Decoder::new(RATE, opus::Channels::Mono).expect("a decoder");
    let (mut samples, mut pcm) = (Vec::new(), [0_i16; 5760]);
    for packet in player.listen(Duration::from_secs(4)).await {
        let n = decoder.decode(&packet, &mut pcm, false).expect("Opus");
        samples.extend_from_slice(&pcm[..n]);
    }
    let heard = count(&samples, TONE_HZ);
    println!(
        "the tone in {heard} of {} windows of 50 ms",
        samples.len() / WINDOW
    );
    heard
}
