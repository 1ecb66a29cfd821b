//! Everything that goes wrong while a robot moves, a thousand seeds each, in simulated time. The same with real
//! processes is `tests/stop`.

use transom_tests_drive::{Incident, LIMIT_US};
use transom_tests_sim::drive::told;

const SEEDS: u64 = 1000;
/// What processors may add to the limit.
const TOLERANCE_US: u64 = 20_000;

macro_rules! incidents {
    ($($name:ident: $incident:ident),* $(,)?) => {
        $(#[test]
        fn $name() {
            stands_in_time(Incident::$incident);
        })*
    };
}

incidents! {
    the_page_is_closed: PageClosed,
    the_browser_is_killed: BrowserKilled,
    the_server_is_killed: SfuKilled,
    the_agents_network_is_cut: NetworkCut,
    the_agents_runtime_is_blocked: RuntimeBlocked,
    the_main_process_is_killed: MainKilled,
    the_main_process_aborts: MainAborted,
    the_main_process_is_out_of_memory: MainOutOfMemory,
    the_main_process_is_stopped: MainStopped,
    a_third_of_the_messages_is_lost: Loss,
    a_stall_and_then_a_burst: StallBurst,
    everything_is_replayed: Replay,
    the_lease_is_taken_over: LeaseTaken,
    the_operators_clock_is_an_hour_wrong: ClockWrong,
    the_page_is_blind: BlindPage,
}

fn stands_in_time(incident: Incident) {
    let ends: Vec<_> = (0..SEEDS).map(|seed| incident.run(seed)).collect();
    let within = ends
        .iter()
        .filter(|end| end.after_us <= LIMIT_US + TOLERANCE_US);
    println!("{incident:?}: {} of {SEEDS} in time", within.count());
    let mut after: Vec<_> = ends.iter().map(|end| end.after_us).collect();
    let most = told("from what it counts from until it stands", &mut after);
    let mut since: Vec<_> = ends.iter().map(|end| end.since_us).collect();
    told("since it happened", &mut since);
    assert!(most <= LIMIT_US + TOLERANCE_US, "{most} us");
}

#[test]
fn the_same_seed_gives_the_same_end() {
    let run = |seed| format!("{:?}", Incident::Replay.run(seed));
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}
