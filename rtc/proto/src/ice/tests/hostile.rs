use std::vec;
use std::vec::Vec;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use super::link::*;
use crate::ice::{Candidate, IceAgent, IceRole, Path, StunDrop};
use crate::stun::{
    AttributeKind, Class, ErrorCode, IntegrityKey, Message, MessageWriter, Method, StunError,
    TieBreaker, TransactionId,
};

fn key_of(name: &str) -> IntegrityKey {
    IntegrityKey::new(credentials(name).pwd().as_bytes())
}

/// A nominating check of alice's for bobb.
fn check(n: u64, key: &IntegrityKey) -> Vec<u8> {
    plain_or_nominating(n, key, true)
}

fn plain_or_nominating(n: u64, key: &IntegrityKey, nominating: bool) -> Vec<u8> {
    let mut id = [0; 12];
    id[..8].copy_from_slice(&n.to_be_bytes());
    let mut buf = Vec::new();
    let mut writer =
        MessageWriter::new(&mut buf, Class::Request, Method::BINDING, TransactionId(id));
    writer.username("bobb:alice");
    writer.priority(1);
    writer.tie_breaker(TieBreaker::Controlling(1));
    if nominating {
        writer.use_candidate();
    }
    writer.finish(Some(key));
    buf
}

fn path_from(port: u16) -> Path {
    Path {
        local: addr("192.0.2.1:7082"),
        remote: core::net::SocketAddr::from(([198, 51, 100, 1], port)),
    }
}

fn lite(link: &Link) -> IceAgent {
    IceAgent::new(
        link.now,
        config(B, IceRole::Controlled, true, false),
        [1; 32],
    )
}

fn drain(agent: &mut IceAgent, link: &Link) -> Vec<Vec<u8>> {
    let mut sent = Vec::new();
    let mut buf = Vec::new();
    while agent.poll_transmit(link.now, &mut buf).is_some() {
        sent.push(core::mem::take(&mut buf));
    }
    sent
}

#[test]
fn a_request_replayed_from_elsewhere_moves_nothing() {
    let link = Link::full_lite(1);
    let mut bob = lite(&link);
    let request = check(1, &key_of("bobb"));
    bob.handle_stun(link.now, path_from(1), &request).unwrap();
    drain(&mut bob, &link);
    assert_eq!(
        bob.handle_stun(link.now, path_from(2), &request),
        Err(StunDrop::Replayed)
    );
    assert_eq!(bob.selected(), Some(path_from(1)));
    assert!(!bob.is_validated(&path_from(2)));
    assert!(drain(&mut bob, &link).is_empty());
}

#[test]
fn a_late_duplicate_does_not_nominate_again() {
    let link = Link::full_lite(1);
    let mut bob = lite(&link);
    let (first, second) = (check(1, &key_of("bobb")), check(2, &key_of("bobb")));
    bob.handle_stun(link.now, path_from(1), &first).unwrap();
    bob.handle_stun(link.now, path_from(2), &second).unwrap();
    bob.handle_stun(link.now, path_from(1), &first).unwrap();
    assert_eq!(bob.selected(), Some(path_from(2)));
    assert_eq!(drain(&mut bob, &link).len(), 3); // answered all the same
}

#[test]
fn strangers_get_no_answer_and_leave_no_trace() {
    let link = Link::full_lite(1);
    let mut bob = lite(&link);
    let before = std::format!("{bob:?}");
    let dropped_before = bob.stats().dropped;
    let wrong = key_of("alice");
    let mut unsigned = Vec::new();
    let mut writer = MessageWriter::new(
        &mut unsigned,
        Class::Request,
        Method::BINDING,
        TransactionId([1; 12]),
    );
    writer.username("bobb:alice");
    writer.finish(None);
    let mut other_name = Vec::new();
    let mut writer = MessageWriter::new(
        &mut other_name,
        Class::Request,
        Method::BINDING,
        TransactionId([1; 12]),
    );
    writer.username("bobby:alice");
    writer.finish(Some(&key_of("bobb")));
    for (datagram, expected) in [
        (check(1, &wrong), StunDrop::Message(StunError::BadIntegrity)),
        (unsigned, StunDrop::Message(StunError::NoIntegrity)),
        (other_name, StunDrop::Username),
        (vec![0; 40], StunDrop::Message(StunError::NotStun)),
    ] {
        let outcome = bob.handle_stun(link.now, path_from(1), &datagram);
        assert_eq!(outcome, Err(expected));
    }
    assert!(drain(&mut bob, &link).is_empty());
    let traces = std::format!("{bob:?}").replace(
        &std::format!("dropped: {}", dropped_before + 4),
        &std::format!("dropped: {dropped_before}"),
    );
    assert_eq!(traces, before);
}

#[test]
fn forged_responses_validate_nothing() {
    let mut link = Link::full_lite(1);
    link.dead.push(addr("192.0.2.1:7082")); // the forger answers instead
    link.pump();
    let (_, path, request) = link.ends[A].sent[0].clone();
    let id = Message::parse(&request).unwrap().transaction_id();
    let response = |id, key: Option<&IntegrityKey>| {
        let mut buf = Vec::new();
        let mut writer = MessageWriter::new(&mut buf, Class::Success, Method::BINDING, id);
        writer.xor_mapped_address(path.local);
        writer.finish(key);
        buf
    };
    let bob = key_of("bobb");
    let elsewhere = Path {
        remote: addr("192.0.2.66:7082"),
        ..path
    };
    let other_local = Path {
        local: addr("10.0.0.66:1000"),
        ..path
    };
    let now = link.now;
    let alice = &mut link.ends[A].agent;
    for (path, datagram, expected) in [
        (
            path,
            response(TransactionId([9; 12]), Some(&bob)),
            StunDrop::UnknownTransaction,
        ),
        (elsewhere, response(id, Some(&bob)), StunDrop::Asymmetric),
        (other_local, response(id, Some(&bob)), StunDrop::Asymmetric),
        (path, response(id, None), StunError::NoIntegrity.into()),
        (
            path,
            response(id, Some(&key_of("alice"))),
            StunError::BadIntegrity.into(),
        ),
    ] {
        assert_eq!(alice.handle_stun(now, path, &datagram), Err(expected));
        assert_eq!(alice.selected(), None);
        assert!(!alice.is_validated(&path));
    }
    let mut odd = Vec::new();
    let mut writer = MessageWriter::new(&mut odd, Class::Success, Method::BINDING, id);
    writer.raw(AttributeKind(0x7abc), b"?");
    writer.finish(Some(&bob));
    assert_eq!(
        alice.handle_stun(now, path, &odd),
        Err(StunDrop::UnknownAttribute)
    );
    // The true one still counts, and only once.
    let good = response(id, Some(&bob));
    alice.handle_stun(now, path, &good).unwrap();
    assert_eq!(alice.selected(), Some(path));
    assert_eq!(
        alice.handle_stun(now, path, &good),
        Err(StunDrop::UnknownTransaction)
    );
}

#[test]
fn unauthenticated_errors_change_nothing() {
    let mut link = Link::full_full(1);
    link.loss = 1000;
    link.pump();
    let (_, path, request) = link.ends[A].sent[0].clone();
    let id = Message::parse(&request).unwrap().transaction_id();
    let mut forged = Vec::new();
    let mut writer = MessageWriter::new(&mut forged, Class::Error, Method::BINDING, id);
    writer.error_code(ErrorCode::ROLE_CONFLICT);
    writer.finish(None);
    let now = link.now;
    assert!(link.ends[A].agent.handle_stun(now, path, &forged).is_err());
    assert_eq!(link.ends[A].agent.role(), IceRole::Controlling);
}

#[test]
fn unknown_attributes_are_named_in_the_refusal() {
    let link = Link::full_lite(1);
    let mut bob = lite(&link);
    let mut request = Vec::new();
    let mut writer = MessageWriter::new(
        &mut request,
        Class::Request,
        Method::BINDING,
        TransactionId([1; 12]),
    );
    writer.username("bobb:alice");
    writer.raw(AttributeKind(0x7abc), b"?");
    writer.raw(AttributeKind(0xfabc), b"may be ignored");
    writer.finish(Some(&key_of("bobb")));
    bob.handle_stun(link.now, path_from(1), &request).unwrap();
    assert_eq!(bob.selected(), None);
    let sent = drain(&mut bob, &link);
    let answer = Message::parse(&sent[0]).unwrap();
    assert_eq!(answer.error_code(), Some(ErrorCode::UNKNOWN_ATTRIBUTE));
    assert_eq!(
        answer.attribute(AttributeKind::UNKNOWN_ATTRIBUTES),
        Some([0x7a, 0xbc].as_slice())
    );
    answer.verify_integrity(&key_of("bobb")).unwrap();
}

#[test]
fn a_peer_from_a_thousand_ports_stays_bounded() {
    let link = Link::full_lite(1);
    let key = key_of("bobb");
    let full = IceAgent::new(
        link.now,
        config(B, IceRole::Controlled, false, false),
        [1; 32],
    );
    for mut bob in [lite(&link), full] {
        let local = Candidate::host(addr("192.0.2.1:7082"), 1);
        bob.add_local_candidate(link.now, local).unwrap();
        for n in 1..=1000_u16 {
            let request = check(n.into(), &key);
            bob.handle_stun(link.now, path_from(n), &request).unwrap();
            bob.poll_transmit(link.now, &mut Vec::new()).unwrap();
        }
        let known = (1..=1000).filter(|n| bob.is_validated(&path_from(*n)));
        assert!((1..=100).contains(&known.count()));
        assert!(bob.is_validated(&path_from(1000)), "the latest is kept");
        let events = core::iter::from_fn(|| bob.poll_event()).count();
        assert!(events <= 16);
    }
}

#[test]
fn the_nominated_path_is_never_pushed_out() {
    let link = Link::full_lite(1);
    let key = key_of("bobb");
    let mut bob = lite(&link);
    bob.handle_stun(link.now, path_from(1), &check(1, &key))
        .unwrap();
    drain(&mut bob, &link);
    for n in 2..=100 {
        let request = plain_or_nominating(n.into(), &key, false);
        bob.handle_stun(link.now + ms(n.into()), path_from(n), &request)
            .unwrap();
        drain(&mut bob, &link);
    }
    assert_eq!(bob.selected(), Some(path_from(1)));
    assert!(bob.is_validated(&path_from(1)));
}

#[test]
fn requests_that_nobody_polls_for_are_bounded() {
    let link = Link::full_lite(1);
    let mut bob = lite(&link);
    let key = key_of("bobb");
    let mut refused = 0;
    for n in 0..1000 {
        match bob.handle_stun(link.now, path_from(1), &check(n, &key)) {
            Ok(()) => {}
            Err(StunDrop::Overload) => refused += 1,
            Err(other) => panic!("{other}"),
        }
    }
    let sent = drain(&mut bob, &link);
    assert_eq!(sent.len() + refused, 1000);
    assert!(sent.len() <= 16);
    // An answer is never larger than the request.
    assert!(
        sent.iter()
            .all(|answer| answer.len() <= check(0, &key).len())
    );
}

#[test]
fn candidates_and_pairs_are_bounded() {
    let mut link = Link::full_full(1);
    let now = link.now;
    let alice = &mut link.ends[A].agent;
    for n in 1..=1000_u16 {
        let host = |a| core::net::SocketAddr::from(([10, a, 0, 1], n));
        let _ = alice.add_local_candidate(now, Candidate::host(host(1), n));
        let _ = alice.add_remote_candidate(now, Candidate::host(host(2), n));
    }
    link.loss = 1000;
    link.run(ms(29_000));
    let mut paths: Vec<_> = link.ends[A].sent.iter().map(|(_, path, _)| *path).collect();
    paths.sort_unstable();
    paths.dedup();
    assert!((50..=100).contains(&paths.len()), "{}", paths.len());
}

#[test]
fn useless_candidates_are_refused() {
    let mut link = Link::full_full(1);
    let now = link.now;
    let alice = &mut link.ends[A].agent;
    for text in [
        "0.0.0.0:5",
        "224.0.0.1:5",
        "255.255.255.255:5",
        "10.0.0.7:0",
        "[::]:5",
        "[ff02::1]:5",
        "192.0.2.1:7082",
    ] {
        let candidate = Candidate::host(addr(text), 1);
        assert!(
            alice.add_remote_candidate(now, candidate).is_err(),
            "{text}"
        );
    }
}

#[test]
fn random_and_mutated_bytes_do_no_harm() {
    let mut rng = ChaCha20Rng::from_seed([9; 32]);
    for seed in 0..20 {
        let mut link = if seed % 2 == 0 {
            Link::full_lite(seed)
        } else {
            Link::full_full(seed)
        };
        link.run(ms(500));
        let known: Vec<_> = link.ends[A]
            .sent
            .iter()
            .chain(&link.ends[B].sent)
            .cloned()
            .collect();
        for _ in 0..2000 {
            let (_, path, mut data) = known[rng.next_u32() as usize % known.len()].clone();
            if rng.next_u32().is_multiple_of(4) {
                data = vec![0; rng.next_u32() as usize % 200];
                rng.fill_bytes(&mut data);
            } else {
                for _ in 0..=rng.next_u32() % 4 {
                    let at = rng.next_u32() as usize % data.len();
                    data[at] = rng.next_u32().to_be_bytes()[0];
                }
                if rng.next_u32().is_multiple_of(4) {
                    data.truncate(rng.next_u32() as usize % data.len());
                }
            }
            let now = link.now;
            for end in &mut link.ends {
                let back = Path {
                    local: path.remote,
                    remote: path.local,
                };
                let _ = crate::stun::peek_username(&data);
                let _ = end.agent.handle_stun(now, path, &data);
                let _ = end.agent.handle_stun(now, back, &data);
            }
        }
        link.run(ms(60_000));
        for end in &link.ends {
            assert!(end.agent.selected().is_some(), "seed {seed}");
            assert_eq!(end.nominated().len(), 1, "seed {seed}");
        }
    }
}
