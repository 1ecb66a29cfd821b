//! Who misbehaves harms nobody else.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests are tests"
)]

mod support;

use support::{Figures, all_is_well, run, server, transom_load};

#[test]
fn a_greedy_publisher_is_cut_and_another_stream_does_not_notice() {
    let mut sfu = server("");
    // 40 Mbit/s where 4 are allowed.
    let words = [
        "-n",
        "1",
        "--times",
        "20",
        "--warmup",
        "1",
        "--seconds",
        "5",
    ];
    let greedy = transom_load("run", &sfu, "greedy", &words).spawn();
    let greedy = greedy.expect("transom-load runs");
    let modest = run(&sfu, &["-n", "5", "--warmup", "1", "--seconds", "4"]);
    all_is_well(&modest, 5);
    let greedy = greedy.wait_with_output().expect("transom-load ends");
    let greedy = Figures::of(&greedy);
    let rate = 8.0 * greedy.number("bytes") / greedy.number("seconds");
    assert!((1e6..8e6).contains(&rate), "{rate} bit/s came through");
    assert_eq!(greedy.number("bad"), 0.0);
    sfu.still_serves();
}

#[test]
fn a_dead_and_a_slow_subscriber_cost_the_others_nothing() {
    let mut sfu = server("");
    let words = [
        "-n",
        "10",
        "--rogue",
        "dead,slow",
        "--warmup",
        "0.5",
        "--seconds",
        "5",
    ];
    all_is_well(&run(&sfu, &words), 10);
    sfu.still_serves();
}

#[test]
fn floods_of_nacks_and_plis_reach_neither_the_others_nor_the_publisher() {
    let mut sfu = server("");
    let words = [
        "-n",
        "8",
        "--rogue",
        "nack,pli",
        "--warmup",
        "1",
        "--seconds",
        "5",
    ];
    let f = run(&sfu, &words);
    all_is_well(&f, 8);
    let asked = f.number("asked_meanwhile") / f.number("seconds");
    assert!(asked < 3.0, "{asked} key frames a second asked for");
    sfu.still_serves();
}
