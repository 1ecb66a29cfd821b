//! How old what is driven by is, over two bad hops; the same with real processes is `cargo xtask bench commands`.

use std::time::Duration;

use transom_tests_drive::Hops;
use transom_tests_sim::link::LinkConfig;

const SEEDS: u64 = 20;
const DRIVE: Duration = Duration::from_secs(20);
/// Of each of two hops, one way: 20 ms there and back.
const HOP: Duration = Duration::from_millis(5);
const LOSS: f64 = 0.025;

#[test]
fn setpoints_are_young_over_two_hops_that_lose_some() {
    let link = LinkConfig::clean(HOP).with_loss(LOSS);
    let mut all = Vec::new();
    for seed in 0..SEEDS {
        all.extend(Hops::new(link, seed).run(DRIVE));
    }
    all.sort_unstable();
    let at = |part: usize| all[(all.len() - 1) * part / 1000] as f64 / 1e3;
    let (median, most) = (at(500), at(990));
    println!(
        "age of the newest setpoint: p50 {median:.1} ms, p99 {most:.1} ms, max {:.1} ms, n = {}",
        at(1000),
        all.len()
    );
    // No younger than the way is long.
    assert!(at(0) >= 10.0);
    assert!(median < 30.0 && most < 80.0);
}
