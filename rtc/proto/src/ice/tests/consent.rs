use super::link::*;
use crate::ice::IceEvent;
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
