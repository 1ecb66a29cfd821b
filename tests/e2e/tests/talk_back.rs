//! Who publishes a stream of its own is heard by the agent's speaker: real processes, and in place
//! of the speaker a file that keeps what would be played.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails where it fails"
)]

use std::f64::consts::TAU;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use transom_tests_e2e::{Program, Sfu, StateDir, binary};

const RATE: f64 = 48_000.0;
/// The beep of the source `test`.
const BEEP_HZ: f64 = 880.0;
/// 5 ms.
const WINDOW: usize = 240;

/// An agent that publishes `stream` with test picture and sound, and more flags.
fn agent(sfu: &Sfu, stream: &str, more: &[&str]) -> Program {
    let mut command = Command::new(binary("transom-agent"));
    command
        .args(["--whip", &format!("http://{}/whip/{stream}", sfu.http)])
        .args(["--source", "test", "--size", "160x120", "--fps", "5"])
        .args(["--audio", "test"])
        .args(more)
        .env("TRANSOM_TOKEN", sfu.token("publish"));
    Program::start(command)
}

/// How long the beep was heard, in windows that are loud and of its frequency, and how long
/// anything else was loud.
fn beeps(file: &Path) -> (Duration, Duration) {
    let bytes = fs::read(file).unwrap_or_default();
    let samples: Vec<f64> = bytes
        .chunks_exact(2)
        .map(|two| f64::from(i16::from_le_bytes([two[0], two[1]])))
        .collect();
    let (mut beep, mut other) = (0, 0);
    for window in samples.chunks_exact(WINDOW) {
        let (mut re, mut im, mut energy) = (0.0, 0.0, 0.0);
        for (n, sample) in window.iter().enumerate() {
            let angle = TAU * BEEP_HZ * n as f64 / RATE;
            re += sample * angle.cos();
            im += sample * angle.sin();
            energy += sample * sample;
        }
        let share = (re * re + im * im) * 2.0 / (WINDOW as f64 * energy.max(1.0));
        // A beep at full level has 5800; at its edges, and beside a gap, less.
        if (energy / WINDOW as f64).sqrt() > 4_000.0 {
            match share > 0.7 {
                true => beep += 5,
                false => other += 5,
            }
        }
    }
    (Duration::from_millis(beep), Duration::from_millis(other))
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !done() {
        assert!(Instant::now() < deadline, "too late: {what}");
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn who_talks_back_is_heard_goes_and_comes_again() {
    let mut sfu = Sfu::start();
    let folder = StateDir::new();
    let heard = folder.path().join("heard");
    let speaker = format!("alsa:file:FILE={},FORMAT=raw", heard.display());
    let talk = format!(
        "http://{}/whep/door-talk#token={}",
        sfu.http,
        sfu.token("watch")
    );
    let door = agent(&sfu, "door", &["--speaker", &speaker, "--talk", &talk]);
    door.line("speaker opened", Duration::from_secs(20));
    for turn in 0..2 {
        let (before, _) = beeps(&heard);
        let talker = agent(&sfu, "door-talk", &[]);
        until("somebody talks", || {
            let lines = door.lines();
            lines
                .iter()
                .any(|line| line.contains("somebody talks back"))
        });
        until("three beeps", || {
            beeps(&heard).0 > before + Duration::from_millis(200)
        });
        let ended = talker.terminate();
        assert!(ended.status.success(), "{turn}: {ended:?}");
    }
    let (beep, other) = beeps(&heard);
    println!("{beep:?} of the beep, {other:?} of anything else as loud");
    assert!(other < beep / 4, "{beep:?} of the beep, {other:?} of noise");
    let ended = door.terminate();
    assert!(ended.status.success(), "{ended:?}");
    sfu.still_serves();
}

#[test]
fn a_talk_without_a_speaker_is_refused_in_one_line() {
    let mut command = Command::new(binary("transom-agent"));
    command
        .args(["--whip", "http://127.0.0.1:9/whip/door"])
        .args(["--talk", "http://127.0.0.1:9/whep/door-talk"]);
    let ended = Program::start(command).ended(Duration::from_secs(20));
    ended.refused_with(&["talk: there is no speaker", "--speaker alsa:default"]);
}
