//! Driving over paths that lose, double, reorder, stall and replay: a thousand seeds. What must never
//! happen is asserted by the witness at every millisecond.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use transom_tests_sim::drive::{Drive, Findings, PathConfig, told};

const SEEDS: u64 = 1000;
const DRIVE: Duration = Duration::from_secs(15);
const LIMIT_US: u64 = 300_000;

#[test]
fn no_motion_but_fresh_armed_and_not_stopped() {
    let mut all = Findings::default();
    for seed in 0..SEEDS {
        let found = Drive::new(PathConfig::numbered(seed), seed).run(DRIVE);
        all.starts += found.starts;
        all.moved_us += found.moved_us;
        all.dead_man_us.extend(found.dead_man_us);
        all.stop_us.extend(found.stop_us);
        all.dropped.0 += found.dropped.0;
        all.dropped.1 += found.dropped.1;
        all.dropped.2 += found.dropped.2;
    }
    let (stale, old, void) = all.dropped;
    println!(
        "{SEEDS} seeds, {} starts, {} s of motion; dropped: {stale} stale, {old} old, {void} void",
        all.starts,
        all.moved_us / 1_000_000
    );
    let dead_man = told("last fresh setpoint -> stands", &mut all.dead_man_us);
    told("stop pressed -> stands", &mut all.stop_us);
    assert!(dead_man <= LIMIT_US + 1000, "{dead_man} us");
    // The test would prove nothing if nothing had moved or nothing had gone wrong.
    assert!(all.starts > 2000 && all.dead_man_us.len() > 200 && all.stop_us.len() > 200);
    assert!(stale > 1000 && old > 1000 && void > 1000);
}

#[test]
fn the_same_seed_gives_the_same_drive() {
    let run = |seed| {
        format!(
            "{:?}",
            Drive::new(PathConfig::numbered(seed), seed).run(DRIVE)
        )
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}
