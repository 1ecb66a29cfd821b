use std::vec::Vec;

use super::link::*;
use crate::ice::{IceAgent, IceRole, Path};
use crate::stun::{
    Class, ErrorCode, IntegrityKey, Message, MessageWriter, Method, TieBreaker, TransactionId,
};
use crate::time::Instant;

#[test]
fn a_conflict_is_settled_either_way() {
    for role in [IceRole::Controlling, IceRole::Controlled] {
        for seed in 0..20 {
            let mut link = Link::new(
                config(A, role, false, false),
                config(B, role, false, false),
                seed,
            );
            link.introduce(&["10.0.0.1:1", "10.0.0.2:1"], &["192.0.2.1:2"]);
            if seed % 2 == 1 {
                (link.loss, link.jitter) = (200, ms(20));
            }
            link.run(ms(10_000));
            let [a, b] = &link.ends;
            assert_eq!(a.agent.role(), b.agent.role().opposite(), "seed {seed}");
            let (pa, pb) = (a.agent.selected().unwrap(), b.agent.selected().unwrap());
            assert_eq!(pa.local, pb.remote, "seed {seed}");
            assert!(a.nominated_at().is_some() && b.nominated_at().is_some());
        }
    }
}

#[test]
fn a_conflict_costs_no_more_than_milliseconds() {
    for role in [IceRole::Controlling, IceRole::Controlled] {
        let mut link = Link::new(
            config(A, role, false, false),
            config(B, role, false, false),
            1,
        );
        link.introduce(&["10.0.0.1:1"], &["192.0.2.1:2"]);
        link.run(ms(100));
        assert!(link.ends.iter().all(|end| end.nominated_at().is_some()));
    }
}

#[test]
fn a_lite_end_tells_its_controlled_peer_to_control() {
    // The peer does not know that we are lite.
    let mut link = Link::new(
        config(A, IceRole::Controlled, false, false),
        config(B, IceRole::Controlled, true, false),
        1,
    );
    link.introduce(&["10.0.0.1:1"], &["192.0.2.1:2"]);
    link.run(ms(100));
    assert_eq!(link.ends[A].agent.role(), IceRole::Controlling);
    assert!(link.ends[B].nominated_at().is_some());
}

#[test]
fn roles_follow_from_lite() {
    let full = Link::new(
        config(A, IceRole::Controlled, false, true),
        config(B, IceRole::Controlling, true, false),
        1,
    );
    assert_eq!(full.ends[A].agent.role(), IceRole::Controlling);
    assert_eq!(full.ends[B].agent.role(), IceRole::Controlled);
}

/// The table of RFC 8445 section 7.3.1.1.
#[test]
fn the_larger_tie_breaker_controls() {
    for (role, theirs, becomes, conflict) in [
        (
            IceRole::Controlling,
            TieBreaker::Controlling(0),
            IceRole::Controlling,
            true,
        ),
        (
            IceRole::Controlling,
            TieBreaker::Controlling(u64::MAX),
            IceRole::Controlled,
            false,
        ),
        (
            IceRole::Controlled,
            TieBreaker::Controlled(0),
            IceRole::Controlling,
            false,
        ),
        (
            IceRole::Controlled,
            TieBreaker::Controlled(u64::MAX),
            IceRole::Controlled,
            true,
        ),
        (
            IceRole::Controlling,
            TieBreaker::Controlled(u64::MAX),
            IceRole::Controlling,
            false,
        ),
        (
            IceRole::Controlled,
            TieBreaker::Controlling(0),
            IceRole::Controlled,
            false,
        ),
    ] {
        let now = Instant::from_millis(1);
        let mut agent = IceAgent::new(now, config(A, role, false, false), [1; 32]);
        let key = IntegrityKey::new(credentials("alice").pwd().as_bytes());
        let mut request = Vec::new();
        let id = TransactionId([1; 12]);
        let mut writer = MessageWriter::new(&mut request, Class::Request, Method::BINDING, id);
        writer.username("alice:bobb");
        writer.tie_breaker(theirs);
        writer.finish(Some(&key));
        let path = Path {
            local: addr("10.0.0.1:1"),
            remote: addr("192.0.2.1:2"),
        };
        agent.handle_stun(now, path, &request).unwrap();
        let mut answer = Vec::new();
        agent.poll_transmit(now, &mut answer).unwrap();
        let answer = Message::parse(&answer).unwrap();
        let code = conflict.then_some(ErrorCode::ROLE_CONFLICT);
        assert_eq!(answer.error_code(), code, "{role:?} {theirs:?}");
        assert_eq!(agent.role(), becomes, "{role:?} {theirs:?}");
        // What came with the right password is from the peer.
        assert_eq!(agent.is_validated(&path), !conflict);
    }
}

#[test]
fn after_a_conflict_the_tie_breaker_is_new() {
    let mut link = Link::full_full(1);
    link.loss = 1000;
    link.pump();
    let (_, path, request) = link.ends[A].sent[0].clone();
    let before = Message::parse(&request).unwrap();
    let mut refusal = Vec::new();
    let id = before.transaction_id();
    let mut writer = MessageWriter::new(&mut refusal, Class::Error, Method::BINDING, id);
    writer.error_code(ErrorCode::ROLE_CONFLICT);
    let key = IntegrityKey::new(credentials("bobb").pwd().as_bytes());
    writer.finish(Some(&key));
    let now = link.now;
    link.ends[A].agent.handle_stun(now, path, &refusal).unwrap();
    link.run(ms(100));
    let (.., again) = &link.ends[A].sent[1];
    let (Some(TieBreaker::Controlling(old)), Some(TieBreaker::Controlled(new))) = (
        before.tie_breaker(),
        Message::parse(again).unwrap().tie_breaker(),
    ) else {
        panic!("the role did not change");
    };
    assert_ne!(old, new);
}
