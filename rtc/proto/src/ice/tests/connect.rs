use std::string::{String, ToString};
use std::vec::Vec;

use super::link::*;
use crate::ice::{IceAgent, IceEvent, IceRole, Path};
use crate::stun::Message;

fn path(local: &str, remote: &str) -> Path {
    Path {
        local: addr(local),
        remote: addr(remote),
    }
}

#[test]
fn full_and_lite_connect_in_one_round_trip() {
    let mut link = Link::full_lite(1);
    let start = link.now;
    link.run(ms(50));
    // The nomination rode on the first check.
    assert_eq!(link.ends[B].nominated_at(), Some(start + ms(1)));
    assert_eq!(link.ends[A].nominated_at(), Some(start + ms(2)));
    assert_eq!(
        link.ends[A].agent.selected(),
        Some(path("10.0.0.1:1000", "192.0.2.1:7082"))
    );
    assert_eq!(
        link.ends[B].agent.selected(),
        Some(path("192.0.2.1:7082", "10.0.0.1:1000"))
    );
    assert_eq!(link.ends[A].agent.rtt(), Some(ms(2)));
    assert_eq!(link.ends[A].agent.stats().requests_sent, 1);
    assert_eq!(link.ends[B].agent.stats().responses_sent, 1);
}

#[test]
fn full_and_full_connect_in_two_round_trips() {
    let mut link = Link::full_full(1);
    let start = link.now;
    link.run(ms(50));
    for end in &link.ends {
        assert!(end.nominated_at().unwrap() <= start + ms(4));
        assert_eq!(end.nominated().len(), 1);
    }
}

#[test]
fn connects_through_loss_reordering_and_duplication() {
    for seed in 0..40 {
        for mut link in [Link::full_lite(seed), Link::full_full(seed)] {
            (link.loss, link.duplication) = (300, 50);
            (link.delay, link.jitter) = (ms(20), ms(60));
            link.run(ms(15_000));
            for end in &link.ends {
                assert!(end.nominated_at().is_some(), "seed {seed}");
                assert!(end.agent.selected().is_some(), "seed {seed}");
            }
            let (a, b) = (link.ends[A].agent.selected(), link.ends[B].agent.selected());
            assert_eq!(a.unwrap().local, b.unwrap().remote);
        }
    }
}

#[test]
fn same_seed_same_transmits() {
    let run = |seed| {
        let mut link = Link::full_full(seed);
        (link.loss, link.jitter) = (200, ms(30));
        link.run(ms(60_000));
        link.ends.map(|end| end.sent)
    };
    assert_eq!(run(3), run(3));
    assert_ne!(run(3), run(4));
}

#[test]
fn the_best_pair_of_several_is_taken() {
    for (lite, seed) in [(false, 1), (true, 2)] {
        let mut link = Link::new(
            config(A, IceRole::Controlling, false, lite),
            config(B, IceRole::Controlled, lite, false),
            seed,
        );
        link.introduce(
            &[
                "[2001:db8::1]:1",
                "[fe80::1%2]:1",
                "10.0.0.1:1",
                "127.0.0.1:1",
            ],
            &["[2001:db8::2]:2", "[fe80::2%2]:2", "192.0.2.1:2"],
        );
        link.run(ms(2000));
        for end in &link.ends {
            let selected = end.agent.selected().unwrap();
            assert!(
                selected.local.to_string().starts_with("[2001"),
                "{selected}"
            );
            assert_eq!(end.nominated().len(), 1);
        }
        for (_, path, _) in &link.ends[A].sent {
            assert_eq!(path.local.is_ipv4(), path.remote.is_ipv4());
            assert!(!path.local.ip().is_loopback());
        }
    }
}

#[test]
fn a_dead_best_pair_costs_little() {
    for (lite, seed) in [(false, 1), (true, 2)] {
        let mut link = Link::new(
            config(A, IceRole::Controlling, false, lite),
            config(B, IceRole::Controlled, lite, false),
            seed,
        );
        link.introduce(
            &["[2001:db8::1]:1", "10.0.0.1:1"],
            &["[2001:db8::2]:2", "192.0.2.1:2"],
        );
        link.dead.push(addr("[2001:db8::2]:2"));
        let start = link.now;
        link.run(ms(20_000));
        for end in &link.ends {
            assert!(end.nominated_at().unwrap() < start + ms(200), "lite {lite}");
            assert!(end.agent.selected().unwrap().local.is_ipv4());
            assert_eq!(end.nominated().len(), 1);
        }
        // Once connected there is nothing left to find out.
        let connected = link.ends[A].nominated_at().unwrap();
        let late = |(at, path, _): &&(_, Path, _)| *at > connected && path.local.is_ipv6();
        assert_eq!(link.ends[A].sent.iter().filter(late).count(), 0);
    }
}

#[test]
fn a_better_pair_that_is_a_little_slower_is_waited_for() {
    let mut link = Link::new(
        config(A, IceRole::Controlling, false, false),
        config(B, IceRole::Controlled, false, false),
        1,
    );
    link.introduce(
        &["[2001:db8::1]:1", "10.0.0.1:1"],
        &["[2001:db8::2]:2", "192.0.2.1:2"],
    );
    link.slow.push((addr("[2001:db8::2]:2"), ms(40)));
    link.run(ms(1000));
    for end in &link.ends {
        assert_eq!(end.nominated().len(), 1);
        assert!(end.agent.selected().unwrap().local.is_ipv6());
    }
}

#[test]
fn a_check_of_the_peer_validates_for_receiving() {
    let mut link = Link::full_full(1);
    link.loss = 1000;
    link.pump();
    let (_, path, request) = link.ends[A].sent[0].clone();
    let back = Path {
        local: path.remote,
        remote: path.local,
    };
    let now = link.now;
    let bob = &mut link.ends[B].agent;
    assert!(!bob.is_validated(&back));
    bob.handle_stun(now, back, &request).unwrap();
    assert!(bob.is_validated(&back)); // the peer may send before our check is answered
    assert_eq!(bob.selected(), None); // we may not
}

#[test]
fn the_check_of_the_peer_hastens_ours() {
    let mut b = config(B, IceRole::Controlled, false, false);
    b.timers.rto = ms(50); // half as long as we take would do
    let mut link = Link::new(config(A, IceRole::Controlling, false, false), b, 1);
    link.introduce(&["10.0.0.1:1"], &["192.0.2.1:2"]);
    let start = link.now;
    link.loss = 1000; // as a firewall that the first check of the peer opens
    link.run(ms(10));
    link.loss = 0;
    link.run(ms(1000));
    assert!(link.ends[A].nominated_at().unwrap() < start + ms(60));
}

#[test]
fn an_ambiguous_round_trip_is_no_sample() {
    let mut link = Link::full_lite(1);
    link.loss = 1000;
    link.run(ms(10));
    link.loss = 0;
    link.run(ms(500));
    assert!(link.ends[A].nominated_at().is_some());
    assert_eq!(link.ends[A].agent.rtt(), None);
    link.run(ms(7_000)); // a consent check
    assert_eq!(link.ends[A].agent.rtt(), Some(ms(2)));
}

#[test]
fn link_local_addresses_connect_with_their_scope() {
    let mut link = Link::new(
        config(A, IceRole::Controlling, false, false),
        config(B, IceRole::Controlled, false, false),
        1,
    );
    link.introduce(&["[fe80::1%2]:1"], &["[fe80::2%2]:2"]);
    link.run(ms(50));
    assert_eq!(
        link.ends[A].agent.selected(),
        Some(path("[fe80::1%2]:1", "[fe80::2%2]:2"))
    );
}

#[test]
fn a_mapped_address_is_the_same_path() {
    let mut link = Link::full_lite(1);
    link.run(ms(50));
    let mapped = path("[::ffff:192.0.2.1]:7082", "[::ffff:10.0.0.1]:1000");
    assert!(link.ends[B].agent.is_validated(&mapped));
}

#[test]
fn behind_nat_the_peer_reflexive_address_is_learned() {
    for mut link in [Link::full_lite(1), Link::full_full(1)] {
        link.nat
            .push((addr("10.0.0.1:1000"), addr("203.0.113.9:40000")));
        // The private address leads nowhere from B.
        link.run(ms(500));
        let selected = link.ends[B].agent.selected().unwrap();
        assert_eq!(selected.remote, addr("203.0.113.9:40000"));
        assert!(link.ends[A].nominated_at().is_some());
    }
}

#[test]
fn full_side_without_remote_candidates_learns_them_all() {
    let mut link = Link::new(
        config(A, IceRole::Controlling, false, false),
        config(B, IceRole::Controlled, false, false),
        1,
    );
    let now = link.now;
    let host = |text| crate::ice::Candidate::host(addr(text), 1);
    link.ends[A]
        .agent
        .add_local_candidate(now, host("10.0.0.1:1"))
        .unwrap();
    link.ends[B]
        .agent
        .add_local_candidate(now, host("10.0.0.2:2"))
        .unwrap();
    link.ends[A]
        .agent
        .add_remote_candidate(now, host("10.0.0.2:2"))
        .unwrap();
    link.run(ms(50));
    assert!(link.ends[B].nominated_at().is_some());
}

#[test]
fn checks_are_paced_and_back_off() {
    let mut link = Link::full_lite(1);
    link.introduce(
        &["10.0.0.2:1", "10.0.0.3:1", "10.0.0.4:1"],
        &["192.0.2.2:2", "192.0.2.3:2"],
    );
    link.loss = 1000;
    let start = link.now;
    link.run(ms(25_000));
    let sent = &link.ends[A].sent;
    let mut ids: Vec<_> = sent
        .iter()
        .map(|(_, _, data)| Message::parse(data).unwrap().transaction_id())
        .collect();
    let first: Vec<_> = sent.iter().take(12).map(|(at, ..)| *at).collect();
    assert_eq!(first[0], start);
    for pair in first.windows(2).take(9) {
        assert_eq!(pair[1].since(pair[0]), ms(20));
    }
    ids.sort_unstable();
    ids.dedup();
    // Seven transmissions of each of twelve pairs in about nine seconds,
    // again and again.
    assert!(
        sent.len() / ids.len() >= 4,
        "{} of {}",
        sent.len(),
        ids.len()
    );
    assert!(sent.len() < 12 * 7 * 4, "{}", sent.len());
}

#[test]
fn many_pairs_are_repeated_more_slowly() {
    let mut link = Link::full_lite(1);
    let more: Vec<_> = (2..60).map(|n| std::format!("10.0.0.{n}:1")).collect();
    let more: Vec<_> = more.iter().map(String::as_str).take(31).collect();
    link.introduce(&more, &[]);
    link.loss = 1000;
    let start = link.now;
    link.run(ms(3_000));
    let sent = &link.ends[A].sent;
    let of_first = |(_, path, _): &&(_, Path, _)| *path == sent[0].1;
    let second = sent.iter().filter(of_first).nth(1).unwrap().0;
    assert_eq!(second, start + ms(20) * 32); // Ta for each
}

#[test]
fn without_any_way_both_ends_fail_in_time() {
    for mut link in [Link::full_lite(1), Link::full_full(1)] {
        link.loss = 1000;
        let start = link.now;
        link.run(ms(60_000));
        for end in &link.ends {
            assert_eq!(end.events, [(start + ms(30_000), IceEvent::Failed)]);
            assert_eq!(end.agent.poll_timeout(), None);
            assert_eq!(end.agent.selected(), None);
        }
    }
}

#[test]
fn a_network_that_comes_late_is_used() {
    let mut link = Link::full_lite(1);
    link.dead.push(addr("10.0.0.1:1000"));
    link.run(ms(20_000));
    link.dead.clear();
    link.run(ms(3_000));
    assert!(link.ends[A].nominated_at().is_some());
}

#[test]
fn a_wrong_password_never_connects() {
    for lite in [false, true] {
        let mut wrong = config(A, IceRole::Controlling, false, lite);
        wrong.remote = crate::ice::IceCredentials::new(
            "bobb",
            "not-the-password-of-bob".replace('-', "x").as_str(),
        )
        .unwrap();
        let mut link = Link::new(wrong, config(B, IceRole::Controlled, lite, false), 1);
        link.introduce(&["10.0.0.1:1"], &["192.0.2.1:2"]);
        link.run(ms(60_000));
        assert_eq!(link.ends[A].events.last().unwrap().1, IceEvent::Failed);
        let b: &IceAgent = &link.ends[B].agent;
        assert_eq!(b.stats().requests_received, 0);
        assert_eq!(b.stats().responses_sent, 0);
        assert_eq!(b.stats().dropped, link.ends[A].agent.stats().requests_sent);
        assert!(link.ends[B].nominated().is_empty());
    }
}
