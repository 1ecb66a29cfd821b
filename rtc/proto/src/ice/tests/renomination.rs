use std::string::{String, ToString};
use std::vec::Vec;

use super::link::*;
use crate::ice::{Candidate, IceRole, Path};
use crate::stun::{Class, IntegrityKey, MessageWriter, Method, TransactionId};

/// A has Wi-Fi (preferred) and a modem.
fn two_ways(lite: bool, seed: u8) -> Link {
    let mut link = Link::new(
        config(A, IceRole::Controlling, false, lite),
        config(B, IceRole::Controlled, lite, false),
        seed,
    );
    link.introduce(&["10.0.0.1:1", "10.9.9.9:1"], &["192.0.2.1:2"]);
    link
}

fn remotes(paths: &[Path]) -> Vec<String> {
    paths.iter().map(|p| p.remote.to_string()).collect()
}

#[test]
fn a_dead_path_is_left_for_a_living_one() {
    for lite in [true, false] {
        for seed in 0..10 {
            let mut link = two_ways(lite, seed);
            link.delay = ms(20);
            link.run(ms(10_000));
            assert_eq!(remotes(&link.ends[B].nominated()), ["10.0.0.1:1"]);
            link.dead.push(addr("10.0.0.1:1"));
            link.run(ms(8_500)); // a consent interval, our patience, the checks
            let expected = ["10.0.0.1:1", "10.9.9.9:1"];
            assert_eq!(remotes(&link.ends[B].nominated()), expected);
            let [a, b] = link
                .ends
                .each_ref()
                .map(|end| end.agent.selected().unwrap());
            assert_eq!(a.local, addr("10.9.9.9:1"));
            assert_eq!(b.remote, addr("10.9.9.9:1"));
            // And there it stays.
            link.run(ms(120_000));
            assert_eq!(remotes(&link.ends[B].nominated()), expected);
            assert_eq!(link.ends[A].nominated().len(), 2);
        }
    }
}

#[test]
fn a_removed_address_is_left_at_once() {
    for lite in [true, false] {
        let mut link = two_ways(lite, 1);
        link.run(ms(10_000));
        let now = link.now;
        link.dead.push(addr("10.0.0.1:1"));
        link.ends[A]
            .agent
            .remove_local_candidate(now, addr("10.0.0.1:1"));
        assert_eq!(link.ends[A].agent.selected(), None);
        link.run(ms(30));
        let selected = link.ends[B].agent.selected().unwrap();
        assert_eq!(selected.remote, addr("10.9.9.9:1"));
    }
}

#[test]
fn a_new_address_takes_over_from_a_lost_one() {
    for lite in [true, false] {
        let mut link = two_ways(lite, 1);
        link.dead.push(addr("10.9.9.9:1"));
        link.run(ms(10_000));
        let now = link.now;
        link.dead.push(addr("10.0.0.1:1"));
        link.ends[A]
            .agent
            .remove_local_candidate(now, addr("10.0.0.1:1"));
        link.run(ms(2_000));
        let now = link.now;
        let new = Candidate::host(addr("10.1.1.1:1"), 5);
        link.ends[A].agent.add_local_candidate(now, new).unwrap();
        link.run(ms(200));
        let selected = link.ends[B].agent.selected().unwrap();
        assert_eq!(selected.remote, addr("10.1.1.1:1"));
        link.run(ms(60_000));
        assert_eq!(
            link.ends[A].agent.selected().unwrap().local,
            addr("10.1.1.1:1")
        );
    }
}

#[test]
fn the_owner_may_nominate_another_pair() {
    for lite in [true, false] {
        let mut link = two_ways(lite, 1);
        let now = link.now;
        // Both pairs become valid before the nomination.
        link.run(ms(200));
        let first = link.ends[A].agent.selected().unwrap();
        let other = Candidate::host(addr("10.2.2.2:1"), 5);
        link.ends[A].agent.add_local_candidate(now, other).unwrap();
        link.run(ms(200));
        let second = Path {
            local: other.addr,
            ..first
        };
        assert!(link.ends[A].agent.is_validated(&second));
        assert_eq!(link.ends[A].agent.selected(), Some(first));
        let now = link.now;
        assert!(link.ends[A].agent.nominate(now, &second));
        link.run(ms(10));
        assert_eq!(link.ends[A].agent.selected(), Some(second));
        assert_eq!(link.ends[B].agent.selected().unwrap().remote, second.local);
        // Not what is unknown, and not by the controlled end.
        let unknown = Path {
            local: addr("10.3.3.3:1"),
            ..first
        };
        assert!(!link.ends[A].agent.nominate(now, &unknown));
        let theirs = link.ends[B].agent.selected().unwrap();
        assert!(!link.ends[B].agent.nominate(now, &theirs));
    }
}

#[test]
fn a_lost_answer_to_a_nomination_is_healed() {
    // The nomination of the second way reaches the lite peer late or twice,
    // whatever the link does: in the end both send by the same way.
    for seed in 0..30 {
        let mut link = two_ways(true, seed);
        (link.loss, link.duplication, link.delay, link.jitter) = (250, 100, ms(10), ms(150));
        link.run(ms(40_000));
        (link.loss, link.jitter) = (0, ms(0));
        link.run(ms(7_000));
        let [a, b] = link
            .ends
            .each_ref()
            .map(|end| end.agent.selected().unwrap());
        assert_eq!(a.local, b.remote, "seed {seed}");
    }
}

#[test]
fn a_stray_nomination_is_corrected_by_the_next_consent_check() {
    let mut link = two_ways(true, 1);
    link.run(ms(200));
    let good = link.ends[B].agent.selected().unwrap();
    // One that the network held back for long enough to look like the latest.
    let mut late = Vec::new();
    let id = TransactionId([5; 12]);
    let mut writer = MessageWriter::new(&mut late, Class::Request, Method::BINDING, id);
    writer.username("bobb:alice");
    writer.use_candidate();
    writer.finish(Some(&IntegrityKey::new(
        credentials("bobb").pwd().as_bytes(),
    )));
    let stray = Path {
        remote: addr("10.9.9.9:1"),
        ..good
    };
    let now = link.now;
    link.ends[B].agent.handle_stun(now, stray, &late).unwrap();
    assert_eq!(link.ends[B].agent.selected(), Some(stray));
    link.run(ms(6_010));
    assert_eq!(link.ends[B].agent.selected(), Some(good));
}

#[test]
fn what_was_valid_once_is_not_trusted_for_ever() {
    for lite in [true, false] {
        let mut link = two_ways(lite, 1);
        link.run(ms(200));
        // Validated later, so that it counts as valid when it dies in silence.
        let now = link.now;
        let third = Candidate::host(addr("10.2.2.2:1"), 62_000);
        link.ends[A].agent.add_local_candidate(now, third).unwrap();
        link.run(ms(200));
        link.dead.extend([addr("10.0.0.1:1"), addr("10.2.2.2:1")]);
        let now = link.now;
        link.ends[A]
            .agent
            .remove_local_candidate(now, addr("10.0.0.1:1"));
        link.run(ms(300));
        let selected = link.ends[A].agent.selected().unwrap();
        assert_eq!(selected.local, addr("10.9.9.9:1"));
    }
}

#[test]
fn packets_by_the_selected_path_end_the_search_for_another() {
    let mut link = two_ways(true, 1);
    link.run(ms(10_000));
    let first = link.ends[A].agent.selected().unwrap();
    link.loss = 1000;
    link.run(ms(8_000)); // the search is on
    let searched = |(_, path, _): &&(_, Path, _)| path.local == addr("10.9.9.9:1");
    assert!(link.ends[A].sent.iter().any(|sent| searched(&sent)));
    let now = link.now;
    link.ends[A].agent.note_authenticated(now, &first);
    link.dead.push(addr("10.0.0.1:1")); // only the checks of the other pair get through
    link.loss = 0;
    link.run(ms(2_000));
    assert_eq!(link.ends[A].agent.selected(), Some(first));
}
