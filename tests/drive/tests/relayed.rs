//! A thousand drives through the server's relay and the agent's mailbox, by two who may drive, while sessions
//! end, channels close, servers, devices and actuators begin anew, and agents hang. What must never happen
//! is asserted by the witness, at every event.

use std::time::Duration;

use transom_control::wire::LeaseResult;
use transom_sfu::media::relay::DropReason;
use transom_tests_drive::{Findings, LIMIT_US, Scene};
use transom_tests_sim::drive::told;

const DRIVE: Duration = Duration::from_secs(40);

/// Which of the thousand are one test, so that they run side by side.
macro_rules! hundreds {
    ($($name:ident: $first:literal),* $(,)?) => {
        $(#[test]
        fn $name() {
            drives($first);
        })*
    };
}

hundreds! {
    drives_0: 0,
    drives_100: 100,
    drives_200: 200,
    drives_300: 300,
    drives_400: 400,
    drives_500: 500,
    drives_600: 600,
    drives_700: 700,
    drives_800: 800,
    drives_900: 900,
}

fn drives(first: u64) {
    let mut all: Findings = (first..first + 100)
        .map(|seed| Scene::new(seed).run(DRIVE))
        .sum();
    println!(
        "{} starts, {} of them by another; {} s of motion; while it moved: {} servers, {} devices, {} actuators, {} hung agents",
        all.starts,
        all.handovers,
        all.moved_us / 1_000_000,
        all.servers,
        all.devices,
        all.actuators,
        all.hangs,
    );
    println!("the lease: {:?}", all.leases);
    let answers = LeaseResult::ALL.into_iter().zip(all.answers);
    let answers: Vec<_> = answers.map(|(r, count)| (r.name(), count)).collect();
    println!("requests about it: {answers:?}");
    let [stale, old, void, lease] = all.refused;
    println!("the kernel refused: {stale} stale, {old} old, {void} void, {lease} of a lower lease");
    let counts = DropReason::ALL.map(|reason| (reason.name(), all.dropped(reason)));
    println!(
        "the relay dropped: {counts:?}; the mailbox {}",
        all.superseded
    );
    told(
        "last command at the kernel -> stands",
        &mut all.last_command_us,
    );
    let last = told(
        "last command at the agent -> stands",
        &mut all.last_received_us,
    );
    told("own stop pressed -> stands", &mut all.own_stop_us);
    told("stop of another pressed -> stands", &mut all.other_stop_us);
    told(
        "the server knows its driver lost -> stands",
        &mut all.lost_us,
    );
    told("stop pressed -> answered", &mut all.answered_us);
    assert!(last <= LIMIT_US, "{last} us");
    // It would prove nothing if nothing had moved or nothing had gone wrong.
    assert!(all.starts > 300 && all.handovers > 60);
    assert!(all.own_stop_us.len() > 20 && all.other_stop_us.len() > 20 && all.lost_us.len() > 10);
    assert!(all.servers > 5 && all.devices > 5 && all.actuators > 2 && all.hangs > 5);
    assert!([stale, old, void, lease].iter().all(|count| *count > 10));
    for reason in [
        DropReason::NoDriveScope,
        DropReason::NotHolder,
        DropReason::NoDevice,
        DropReason::ChannelClosed,
    ] {
        assert!(all.dropped(reason) > 10, "{}", reason.name());
    }
    assert!(all.superseded > 0);
    for why in [
        "acquired",
        "armed",
        "handed over",
        "overridden",
        "released",
        "expired",
        "lost",
        "stopped",
        "taken at rest",
        "another device",
    ] {
        let count = all.leases.get(why).copied().unwrap_or_default();
        assert!(
            count > if why == "expired" { 0 } else { 5 },
            "{why}: {count}"
        );
    }
    // What takes ten seconds is seldom, and what takes three who may drive; and the numbers do not come to
    // their end.
    let seldom = [
        LeaseResult::Busy,
        LeaseResult::NobodyAsks,
        LeaseResult::Lapsed,
        LeaseResult::NoLease,
    ];
    let seldom = seldom.map(LeaseResult::name);
    for (name, count) in &answers {
        assert!(seldom.contains(name) || *count > 5, "{name}: {count}");
    }
}

/// Two who stop, arm and steer as they like, and nothing else: a stop of either is a matter of milliseconds, and
/// is answered.
#[test]
fn on_a_cable_every_stop_is_done_and_answered_at_once() {
    let mut all: Findings = (0..100).map(|seed| Scene::calm(seed).run(DRIVE)).sum();
    println!(
        "{} starts, {} of them by another",
        all.starts, all.handovers
    );
    let own = told("own stop pressed -> stands", &mut all.own_stop_us);
    let other = told("stop of another pressed -> stands", &mut all.other_stop_us);
    let answered = told("stop pressed -> answered", &mut all.answered_us);
    // Two cables of at most 3 ms, and an actuator that is late by 10.
    assert!(own <= 16_000 && other <= 16_000, "{own} us, {other} us");
    // Who stops at the same time may have to say it again.
    assert!(answered <= 1_000_000, "{answered} us");
    assert!(all.own_stop_us.len() > 100 && all.other_stop_us.len() > 100);
    assert!(all.handovers > 100);
}

#[test]
fn the_same_seed_gives_the_same_drive() {
    let run = |seed| format!("{:?}", Scene::new(seed).run(DRIVE));
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}
