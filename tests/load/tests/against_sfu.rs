//! The load generator against our own server: every publisher and cipher, a few
//! subscribers, a few seconds. Nothing may be lost or altered, and joining is quick.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests are tests"
)]

use std::collections::BTreeMap;
use std::process::{Command, Output};

use transom_tests_e2e::Sfu;

const SUBSCRIBERS: usize = 5;

struct Figures(BTreeMap<String, String>);

impl Figures {
    #[track_caller]
    fn number(&self, key: &str) -> f64 {
        let value = self.0.get(key).map(String::as_str);
        value
            .and_then(|value| value.parse().ok())
            .unwrap_or_else(|| panic!("no {key} among {:?}", self.0))
    }
}

fn transom_load(sfu: &Sfu, pid: u32, words: &[&str]) -> Output {
    let url = |protocol| format!("http://{}/{protocol}/load", sfu.http);
    let mut command = Command::new(env!("CARGO_BIN_EXE_transom-load"));
    command
        .args(["run", "--whip", &url("whip"), "--whep", &url("whep")])
        .args(["--whip-token", &sfu.token("publish")])
        .args(["--whep-token", &sfu.token("watch")])
        .args(["--pid", &pid.to_string(), "-n", &SUBSCRIBERS.to_string()])
        .args(["--plain", "--warmup", "0.5"])
        .args(words);
    command.output().expect("transom-load runs")
}

fn figures(output: &Output) -> Figures {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let text = String::from_utf8_lossy(&output.stdout);
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    Figures(
        pairs
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect(),
    )
}

/// Loads a fresh server and asserts what holds for every kind of load.
fn load(words: &[&str]) -> Figures {
    let mut sfu = Sfu::start();
    let pid = sfu.program.pid();
    let f = figures(&transom_load(&sfu, pid, words));
    let n = SUBSCRIBERS as f64;
    assert_eq!(f.number("connected"), n);
    assert_eq!(f.number("lost"), 0.0);
    assert_eq!(f.number("bad"), 0.0);
    assert_eq!(f.number("strange"), 0.0);
    assert!(f.number("sampled") >= n * 5.0);
    // 290 packets a second make the made-up publishers.
    assert!(f.number("datagrams") > 200.0 * n * f.number("seconds"));
    assert!(f.number("reports") >= n);
    assert!(f.number("sender_reports") >= n);
    assert!(f.number("cpu_seconds") > 0.0);
    assert!(f.number("rss") > 1e6);
    // Loose: tests may run beside others.
    assert!(f.number("join_ms_p50") < 1000.0);
    assert!(f.number("delay_ms_p50") < 100.0);
    assert_eq!(f.number("unclosed"), 0.0);
    sfu.still_serves();
    f
}

#[test]
fn bursts_to_gcm() {
    load(&["--publisher", "burst", "--cipher", "gcm", "--seconds", "3"]);
}

#[test]
fn chromium_to_counter_mode() {
    load(&[
        "--publisher",
        "chromium",
        "--cipher",
        "cm",
        "--seconds",
        "3",
    ]);
}

#[test]
fn paced_to_both() {
    load(&[
        "--publisher",
        "paced",
        "--cipher",
        "mixed",
        "--seconds",
        "3",
    ]);
}

#[test]
fn what_subscribers_drop_is_repaired() {
    let f = load(&["--loss", "5", "--seconds", "3"]);
    let (dropped, repaired) = (f.number("dropped"), f.number("repaired"));
    assert!(dropped > 50.0, "{dropped}");
    // The last ones are still on their way, as were some at the beginning.
    assert!(
        (repaired - dropped).abs() < 0.2 * dropped,
        "{repaired} of {dropped}"
    );
    assert!(f.number("nacks") > 20.0);
}

#[test]
fn a_token_that_is_not_taken_is_told_in_one_line() {
    let sfu = Sfu::start();
    let url = format!("http://{}/whip/load", sfu.http);
    let output = Command::new(env!("CARGO_BIN_EXE_transom-load"))
        .args(["run", "--whip", &url, "--whep", &url, "--token", "wrong"])
        .output()
        .expect("transom-load runs");
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains(&url) && said.contains("token"), "{said}");
}
