//! The load generator against our own server: every publisher and cipher, a few
//! subscribers, a few seconds. Nothing may be lost or altered, and joining is quick.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests are tests"
)]

mod support;

use std::process::Command;

use support::{Figures, all_is_well, run, server};
use transom_tests_e2e::Sfu;

const SUBSCRIBERS: usize = 5;

/// Loads a fresh server and asserts what holds for every kind of load.
fn load(words: &[&str]) -> Figures {
    let mut sfu = Sfu::start();
    let n = SUBSCRIBERS.to_string();
    let f = run(&sfu, &[&["-n", &n, "--warmup", "0.5"], words].concat());
    all_is_well(&f, SUBSCRIBERS);
    let n = SUBSCRIBERS as f64;
    assert!(f.number("sampled") >= n * 5.0);
    assert!(f.number("reports") >= n);
    assert!(f.number("sender_reports") >= n);
    assert!(f.number("cpu_seconds") > 0.0);
    assert!(f.number("rss") > 1e6);
    assert!(f.number("join_ms_p50") < 1000.0);
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
fn two_workers_share_forty_subscribers() {
    let mut sfu = server("workers = 2");
    let f = run(&sfu, &["-n", "40", "--warmup", "0.5", "--seconds", "4"]);
    all_is_well(&f, 40);
    let cpu = f.of_media_threads("cpu_by_thread");
    let share = cpu[0] / (cpu[0] + cpu[1]);
    assert!((0.3..=0.7).contains(&share), "{cpu:?}");
    sfu.still_serves();
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
