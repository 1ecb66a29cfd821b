use std::vec::Vec;

use super::link::*;
use crate::ice::{IceEvent, IceRole, Path};
use crate::stun::{Class, IntegrityKey, MessageWriter, Method, TransactionId};
use crate::time::Instant;

const LOST: fn(&IceEvent) -> bool = |e| *e == IceEvent::ConsentLost;

#[test]
fn silence_ends_both_ends_after_thirty_seconds() {
    for mut link in [Link::full_lite(1), Link::full_full(1)] {
        link.run(ms(20_000));
        let cut = link.now;
        link.loss = 1000;
        link.run(ms(60_000));
        for end in &link.ends {
            let lost = end.at(LOST).unwrap().since(cut);
            assert!(lost > ms(23_000) && lost <= ms(30_000), "{lost:?}");
            assert_eq!(end.agent.selected(), None);
            assert_eq!(end.agent.poll_timeout(), None);
            let path = end.nominated()[0];
            assert!(!end.agent.is_validated(&path));
        }
    }
}

#[test]
fn ten_percent_loss_ends_nobody() {
    for seed in 0..4 {
        for mut link in [Link::full_lite(seed), Link::full_full(seed)] {
            (link.loss, link.delay, link.jitter) = (100, ms(50), ms(40));
            link.run(ms(3_600_000));
            for end in &link.ends {
                assert_eq!(end.at(LOST), None);
                assert_eq!(end.nominated().len(), 1);
            }
        }
    }
}

#[test]
fn an_idle_hour_is_cheap() {
    let mut link = Link::full_lite(1);
    link.run(ms(3_600_000));
    let [full, lite] = &link.ends;
    let checks = full.agent.stats().requests_sent;
    assert!((600..=900).contains(&checks), "{checks}"); // every 4 to 6 s
    assert!(lite.wakeups <= 3600 / 24, "{}", lite.wakeups);
    assert!(full.wakeups <= 3600, "{}", full.wakeups);
}

#[test]
fn packets_keep_a_lite_end_alive_and_their_end_ends_it() {
    let mut link = Link::full_lite(1);
    link.run(ms(100));
    let path = link.ends[B].agent.selected().unwrap();
    link.loss = 1000; // the peer checks no more
    let wakeups = link.ends[B].wakeups;
    for _ in 0..6_000 {
        link.run(ms(20));
        let now = link.now;
        link.ends[B].agent.note_authenticated(now, &path);
    }
    let last = link.now;
    assert_eq!(link.ends[B].at(LOST), None);
    assert!(link.ends[B].wakeups - wakeups <= 6);
    link.run(ms(60_000));
    assert_eq!(link.ends[B].at(LOST), Some(last + ms(30_000)));
}

#[test]
fn packets_are_no_consent_to_a_full_end() {
    let mut link = Link::full_lite(1);
    link.run(ms(100));
    let path = link.ends[A].agent.selected().unwrap();
    link.loss = 1000;
    for _ in 0..400 {
        link.run(ms(100));
        let now = link.now;
        link.ends[A].agent.note_authenticated(now, &path);
    }
    assert!(link.ends[A].at(LOST).is_some());
    // Yet they kept it from looking for another way: nothing but consent checks.
    assert!(link.ends[A].agent.stats().requests_sent <= 10);
}

#[test]
fn nothing_is_done_after_the_end() {
    let mut link = Link::full_lite(1);
    link.loss = 1000;
    link.run(ms(40_000));
    link.loss = 0;
    let sent = link.ends.each_ref().map(|end| end.sent.len());
    link.run(ms(40_000));
    assert_eq!(sent, link.ends.each_ref().map(|end| end.sent.len()));
    let far = Instant::from_millis(u64::MAX / 1000);
    for end in &mut link.ends {
        end.agent.handle_timeout(far);
        assert_eq!(end.agent.poll_event(), None);
    }
}

#[test]
fn a_lite_end_goes_where_the_peer_still_is() {
    let mut link = Link::full_lite(1);
    link.run(ms(500));
    let [first] = link.ends[B].nominated()[..] else {
        panic!("not connected");
    };
    let second = Path {
        remote: addr("10.9.9.9:1"),
        ..first
    };
    // A check without nomination, then packets, by the second; the first is silent.
    let mut plain = Vec::new();
    let id = TransactionId([5; 12]);
    let mut writer = MessageWriter::new(&mut plain, Class::Request, Method::BINDING, id);
    writer.username("bobb:alice");
    writer.finish(Some(&IntegrityKey::new(
        credentials("bobb").pwd().as_bytes(),
    )));
    link.loss = 1000;
    let now = link.now;
    link.ends[B].agent.handle_stun(now, second, &plain).unwrap();
    assert_eq!(link.ends[B].agent.selected(), Some(first));
    for _ in 0..60 {
        link.run(ms(1000));
        let now = link.now;
        link.ends[B].agent.note_authenticated(now, &second);
    }
    assert_eq!(link.ends[B].nominated(), [first, second]);
    assert_eq!(link.ends[B].agent.selected(), Some(second));
    assert!(!link.ends[B].agent.is_validated(&first));
}

#[test]
fn expiry_is_exact_however_long_connecting_may_take() {
    let mut b = config(B, IceRole::Controlled, true, false);
    b.timers.connect_timeout = ms(300_000);
    let mut link = Link::new(config(A, IceRole::Controlling, false, true), b, 1);
    link.introduce(&["10.0.0.1:1"], &["192.0.2.1:2"]);
    let start = link.now;
    link.run(ms(100));
    link.loss = 1000;
    link.run(ms(60_000));
    assert_eq!(link.ends[B].at(LOST), Some(start + ms(1) + ms(30_000)));
}
