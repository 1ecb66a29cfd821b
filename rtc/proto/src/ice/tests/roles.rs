use super::link::*;
use crate::ice::IceRole;

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
