//! ICE and DTLS over bad links.

use std::hash::Hasher;
use std::time::Duration;

use transom_rtc_proto::peer::{CloseReason, Event};
use transom_tests_sim::link::LinkConfig;
use transom_tests_sim::pair::{Pair, PairConfig};

fn link(loss: f64, delay_ms: u64) -> LinkConfig {
    LinkConfig {
        loss,
        duplication: 0.02,
        reordering: 0.05,
        delay: Duration::from_millis(delay_ms),
        jitter: Duration::from_millis(delay_ms / 4),
    }
}

#[test]
fn a_clean_link_connects_within_a_few_round_trips() {
    for lite in [true, false] {
        let link = LinkConfig::clean(Duration::from_millis(10));
        let mut pair = Pair::new(PairConfig {
            link,
            lite,
            seed: 1,
        });
        let took = pair
            .run_until(Duration::from_secs(5), Pair::is_connected)
            .expect("connects");
        assert!(took <= Duration::from_millis(150), "lite {lite}: {took:?}");
    }
}

#[test]
fn every_link_connects() {
    for lite in [true, false] {
        for loss in [0.0, 0.02, 0.05, 0.10] {
            for delay in [20, 80, 200] {
                for seed in 0..20 {
                    let mut pair = Pair::new(PairConfig {
                        link: link(loss, delay),
                        lite,
                        seed,
                    });
                    let took = pair.run_until(Duration::from_secs(15), Pair::is_connected);
                    assert!(
                        took.is_some(),
                        "lite {lite}, loss {loss}, delay {delay}, seed {seed}"
                    );
                }
            }
        }
    }
}

#[test]
fn the_same_seed_sends_the_same_bytes_at_the_same_times() {
    let run = |seed| {
        let mut pair = Pair::new(PairConfig {
            link: link(0.1, 50),
            lite: true,
            seed,
        });
        pair.run_for(Duration::from_secs(10));
        (
            pair.offerer.transcript.finish(),
            pair.answerer.transcript.finish(),
            pair.offerer.sent,
        )
    };
    for seed in 0..10 {
        assert_eq!(run(seed), run(seed));
    }
    assert_ne!(run(1).0, run(2).0);
}

#[test]
fn silence_ends_both_peers_at_the_consent_time() {
    let clean = LinkConfig::clean(Duration::from_millis(20));
    let mut pair = Pair::new(PairConfig {
        link: clean,
        lite: true,
        seed: 3,
    });
    pair.run_until(Duration::from_secs(5), Pair::is_connected)
        .expect("connects");
    pair.run_for(Duration::from_secs(60));
    assert!(pair.is_connected(), "consent keeps an idle session alive");
    pair.set_link(clean.with_loss(1.0));
    pair.run_for(Duration::from_secs(25));
    assert!(pair.answerer.peer.is_connected(), "a pause is no end");
    pair.run_for(Duration::from_secs(15));
    for end in [&pair.offerer, &pair.answerer] {
        assert!(
            end.saw(|e| *e == Event::Closed(CloseReason::ConsentLost)),
            "{:?}",
            end.events
        );
    }
}

#[test]
fn a_goodbye_reaches_the_other_end() {
    let clean = LinkConfig::clean(Duration::from_millis(20));
    let mut pair = Pair::new(PairConfig {
        link: clean,
        lite: true,
        seed: 4,
    });
    pair.run_until(Duration::from_secs(5), Pair::is_connected)
        .expect("connects");
    let now = pair.now;
    pair.offerer.peer.close(now);
    assert_eq!(pair.offerer.peer.close_reason(), Some(CloseReason::Local));
    pair.run_for(Duration::from_millis(100));
    assert!(
        pair.offerer.peer.poll_timeout().is_none(),
        "nothing is left to do"
    );
}
