//! Everything that goes wrong while a robot moves, twice each; `cargo xtask bench stop` does so twenty times. What
//! takes a browser is in `tests/browser/test/drive.test.js`.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails where it fails"
)]

use transom_tests_stop::{Ended, Fault, ages, answers, impossible, run_many};

/// Runs that may be repeated: the actuator provably had no processor. Nobody has to grant it a priority.
const SPOILED: usize = 2;

macro_rules! faults {
    ($($name:ident: $fault:ident),* $(,)?) => {
        $(#[test]
        fn $name() {
            stands_in_time(Fault::$fault);
        })*

        /// That none is left out.
        #[test]
        fn they_are_all() {
            let here = [$(Fault::$fault),*];
            let left_out = |fault: &Fault| !here.contains(fault) && !fault.is_in_browser();
            let left_out: Vec<_> = Fault::ALL.into_iter().filter(left_out).collect();
            assert!(left_out.is_empty(), "{left_out:?}");
        }
    };
}

faults! {
    an_operator_leaves: OperatorLeaves,
    an_operator_is_killed: OperatorKilled,
    the_server_is_killed: SfuKilled,
    the_agents_network_is_cut: NetworkCut,
    the_agents_runtime_is_blocked: RuntimeBlocked,
    the_main_process_is_killed: MainKilled,
    the_main_process_aborts: MainAborted,
    the_main_process_is_out_of_memory: MainOutOfMemory,
    the_main_process_is_stopped: MainStopped,
    a_third_of_the_packets_is_lost: Loss,
    a_stall_and_then_a_burst: StallBurst,
    packets_are_replayed: ReplayedPackets,
    commands_are_replayed: ReplayedCommands,
    the_lease_is_taken_over: LeaseTaken,
    the_operators_clock_is_an_hour_wrong: ClockWrong,
    the_page_is_blind: BlindPage,
}

fn stands_in_time(fault: Fault) {
    if let Some(why) = impossible(fault) {
        println!("{fault}: SKIPPED, THIS IS NOT TESTED HERE: {why}");
        return;
    }
    let mut ends = run_many(fault, 2, 2);
    for _ in 0..SPOILED {
        if ends.iter().any(Ended::is_spoiled) {
            println!("A RUN IS REPEATED, its actuator had no processor: {ends:?}");
            ends.retain(|end| !end.is_spoiled());
            ends.extend(run_many(fault, 1, 1));
        }
    }
    println!("{fault}: {ends:?}");
    assert!(ends.iter().all(Ended::is_good), "{ends:?}");
}

/// The goals are 30 and 80 ms; `cargo xtask bench commands` measures.
#[test]
fn setpoints_are_young_over_a_bad_network() {
    let (ages, rate) = ages(8, 7);
    let (median, most) = (ages.at(0.5), ages.at(0.99));
    println!("{rate:.1} Hz: p50 {median:.1} ms, p99 {most:.1} ms");
    assert!(rate > 25.0, "{rate} commands a second");
    // Below the way itself it would be no age.
    assert!(median > 10.0 && median < 100.0 && most < 300.0);
}

/// The goal is 5 ms for 99 of 100.
#[test]
fn answers_come_at_once() {
    let answers = answers(40);
    println!("bare sockets: p50 {:.2} ms", answers.bare.at(0.5));
    for (channel, times) in answers.channels {
        let median = times.at(0.5);
        println!(
            "{channel:?}: p50 {median:.2} ms, p99 {:.2} ms",
            times.at(0.99)
        );
        assert!(times.count() == 40 && median < 25.0);
    }
}
