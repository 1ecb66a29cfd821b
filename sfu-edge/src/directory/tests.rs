use transom_rtc_proto::sdp::Codec;

use super::*;

const GRACE: Duration = Duration::from_secs(30);

fn id(n: u8) -> SessionId {
    SessionId::from_bytes([n; SessionId::LEN])
}

fn door() -> StreamName {
    StreamName::new("door").unwrap()
}

fn at(seconds: u64) -> Instant {
    Instant::from_millis(seconds * 1000)
}

fn vp8() -> Formats {
    Formats {
        audio: None,
        video: Some(Codec::Vp8),
    }
}

fn silent() -> Formats {
    Formats {
        audio: None,
        video: None,
    }
}

fn directory() -> Directory {
    Directory::new(DirectoryConfig {
        max_streams: 2,
        max_subscribers: 3,
        max_sessions: 5,
        ..DirectoryConfig::default()
    })
}

fn actions(directory: &mut Directory) -> Vec<Action> {
    std::iter::from_fn(|| directory.poll_action()).collect()
}

#[test]
fn an_unpublished_stream_has_no_subscribers() {
    let mut d = directory();
    assert_eq!(
        d.subscribe(&door(), id(1)),
        Err(SubscribeError::NotPublished)
    );
    d.publish(at(0), &door(), id(2), vp8()).unwrap();
    assert!(d.subscribe(&door(), id(1)).is_ok());
    assert_eq!(
        d.status(&door(), Role::Subscriber, id(1)),
        SessionStatus::Live
    );
}

#[test]
fn a_session_is_known_by_its_own_address_only() {
    let mut d = directory();
    d.publish(at(0), &door(), id(1), vp8()).unwrap();
    let other = StreamName::new("other").unwrap();
    assert_eq!(
        d.status(&door(), Role::Publisher, id(1)),
        SessionStatus::Live
    );
    assert_eq!(
        d.status(&door(), Role::Subscriber, id(1)),
        SessionStatus::Unknown
    );
    assert_eq!(
        d.status(&other, Role::Publisher, id(1)),
        SessionStatus::Unknown
    );
    assert!(!d.delete(at(1), &door(), Role::Subscriber, id(1)));
    assert!(d.delete(at(1), &door(), Role::Publisher, id(1)));
    assert!(!d.delete(at(1), &door(), Role::Publisher, id(1)), "once");
}

#[test]
fn a_takeover_displaces_and_is_remembered_for_a_while() {
    let mut d = directory();
    let first = d.publish(at(0), &door(), id(1), vp8()).unwrap();
    d.handle_connected(at(1), id(1));
    d.subscribe(&door(), id(9)).unwrap();
    let second = d.publish(at(3), &door(), id(2), vp8()).unwrap();
    assert_eq!(first, second, "the stream goes on");
    assert!(actions(&mut d).is_empty(), "nothing but a request yet");
    d.handle_connected(at(5), id(2));
    d.handle_connected(at(5), id(2)); // told twice
    assert_eq!(
        actions(&mut d),
        [Action::Remove(id(1), RemoveReason::TakenOver)]
    );
    assert_eq!(
        d.status(&door(), Role::Publisher, id(1)),
        SessionStatus::TakenOver
    );
    assert_eq!(
        d.status(&door(), Role::Subscriber, id(9)),
        SessionStatus::Live
    );
    // The media thread's late word about the displaced one changes nothing.
    assert!(d.handle_gone(at(6), id(1)).is_none());
    assert_eq!(
        d.status(&door(), Role::Publisher, id(2)),
        SessionStatus::Live
    );

    let forget = d.poll_timeout().unwrap();
    assert_eq!(forget, at(605));
    d.handle_timeout(forget);
    assert_eq!(
        d.status(&door(), Role::Publisher, id(1)),
        SessionStatus::Unknown
    );
    assert!(d.poll_timeout().is_none());
}

/// A stream that is sent and watched.
fn live() -> Directory {
    let mut d = directory();
    d.publish(at(0), &door(), id(1), vp8()).unwrap();
    d.handle_connected(at(1), id(1));
    d.subscribe(&door(), id(9)).unwrap();
    d
}

fn publishes(d: &Directory) -> SessionId {
    let view = d.streams(at(0)).next().unwrap();
    view.publisher.unwrap().session
}

#[test]
fn a_publisher_that_never_connects_leaves_the_live_one_alone() {
    let mut d = live();
    d.publish(at(2), &door(), id(2), silent()).unwrap();
    assert_eq!(publishes(&d), id(1));
    assert_eq!(
        d.published(&door()),
        Some(&vp8()),
        "who joins is offered this"
    );
    assert!(d.subscribe(&door(), id(8)).is_ok());
    assert_eq!(
        d.handle_gone(at(32), id(2)),
        Some((door(), Role::Publisher))
    );
    assert!(actions(&mut d).is_empty());
    assert_eq!(publishes(&d), id(1));
    for (session, role) in [
        (id(1), Role::Publisher),
        (id(8), Role::Subscriber),
        (id(9), Role::Subscriber),
    ] {
        assert_eq!(d.status(&door(), role, session), SessionStatus::Live);
    }
    assert!(d.poll_timeout().is_none(), "no grace has begun");

    // Nor does one that is deleted.
    d.publish(at(40), &door(), id(3), silent()).unwrap();
    assert!(d.delete(at(41), &door(), Role::Publisher, id(3)));
    assert_eq!(
        actions(&mut d),
        [Action::Remove(id(3), RemoveReason::Deleted)]
    );
    assert_eq!(publishes(&d), id(1));
}

#[test]
fn of_two_challengers_the_second_stays() {
    let mut d = live();
    d.publish(at(2), &door(), id(2), vp8()).unwrap();
    d.publish(at(3), &door(), id(3), silent()).unwrap();
    assert_eq!(
        actions(&mut d),
        [Action::Remove(id(2), RemoveReason::TakenOver)]
    );
    // Too late.
    d.handle_connected(at(4), id(2));
    assert_eq!(publishes(&d), id(1));
    d.handle_connected(at(5), id(3));
    assert_eq!(publishes(&d), id(3));
    assert_eq!(
        actions(&mut d),
        [
            Action::Remove(id(9), RemoveReason::TracksChanged),
            Action::Remove(id(1), RemoveReason::TakenOver)
        ]
    );
    assert_eq!(d.session_count(), 1);
}

#[test]
fn a_challenger_goes_on_alone_when_the_publisher_ends() {
    let mut d = live();
    d.publish(at(2), &door(), id(2), vp8()).unwrap();
    d.handle_gone(at(3), id(1));
    assert_eq!(publishes(&d), id(2));
    assert!(d.poll_timeout().is_none());
    d.handle_connected(at(4), id(2));
    assert!(actions(&mut d).is_empty(), "there is nobody to displace");
    assert_eq!(
        d.status(&door(), Role::Subscriber, id(9)),
        SessionStatus::Live
    );
}

#[test]
fn a_challenger_needs_room_of_its_own() {
    let mut d = live();
    let other = StreamName::new("other").unwrap();
    d.publish(at(0), &other, id(4), vp8()).unwrap();
    d.subscribe(&other, id(5)).unwrap();
    d.subscribe(&other, id(6)).unwrap();
    assert_eq!(
        d.publish(at(2), &door(), id(2), vp8()),
        Err(PublishError::TooManySessions(5))
    );
    d.handle_gone(at(3), id(6));
    assert!(d.publish(at(4), &door(), id(2), vp8()).is_ok());
    assert!(d.publish(at(4), &door(), id(3), vp8()).is_ok());
    assert_eq!(d.session_count(), 5);
}

#[test]
fn subscribers_outlive_a_short_absence() {
    let mut d = directory();
    d.publish(at(0), &door(), id(1), vp8()).unwrap();
    let key = d.subscribe(&door(), id(9)).unwrap();
    d.handle_gone(at(10), id(1));
    assert_eq!(d.poll_timeout(), Some(at(10) + GRACE));
    assert_eq!(
        d.subscribe(&door(), id(8)),
        Err(SubscribeError::NotPublished)
    );
    d.handle_timeout(at(39));
    assert_eq!(d.publish(at(39), &door(), id(2), vp8()), Ok(key));
    assert!(actions(&mut d).is_empty(), "nobody is removed");
    assert_eq!(
        d.status(&door(), Role::Subscriber, id(9)),
        SessionStatus::Live
    );
    d.handle_timeout(at(100));
    assert_eq!(
        d.status(&door(), Role::Subscriber, id(9)),
        SessionStatus::Live
    );
}

#[test]
fn a_long_absence_ends_the_subscribers_and_the_stream() {
    let mut d = directory();
    let key = d.publish(at(0), &door(), id(1), vp8()).unwrap();
    d.subscribe(&door(), id(9)).unwrap();
    d.handle_gone(at(10), id(1));
    d.handle_timeout(at(40));
    assert_eq!(
        actions(&mut d),
        [
            Action::Remove(id(9), RemoveReason::PublisherAbsent),
            Action::Forget(key)
        ]
    );
    assert_eq!(d.streams(at(40)).count(), 0);
    assert_eq!(d.session_count(), 0);
    assert_ne!(
        d.publish(at(41), &door(), id(2), vp8()),
        Ok(key),
        "a new life, a new key"
    );
}

#[test]
fn a_publisher_with_other_formats_sends_subscribers_to_negotiate_again() {
    let mut d = directory();
    d.publish(at(0), &door(), id(1), vp8()).unwrap();
    d.subscribe(&door(), id(9)).unwrap();
    d.handle_gone(at(1), id(1));
    d.publish(at(2), &door(), id(2), silent()).unwrap();
    assert!(actions(&mut d).is_empty(), "it may never connect");
    d.handle_connected(at(3), id(2));
    assert_eq!(
        actions(&mut d),
        [Action::Remove(id(9), RemoveReason::TracksChanged)]
    );
    assert_eq!(
        d.status(&door(), Role::Subscriber, id(9)),
        SessionStatus::Unknown
    );
}

#[test]
fn a_deserted_stream_is_forgotten_at_once() {
    let mut d = directory();
    let key = d.publish(at(0), &door(), id(1), vp8()).unwrap();
    d.delete(at(1), &door(), Role::Publisher, id(1));
    assert_eq!(
        actions(&mut d),
        [
            Action::Remove(id(1), RemoveReason::Deleted),
            Action::Forget(key)
        ]
    );
    // The same, when the last one waiting leaves.
    let key = d.publish(at(2), &door(), id(2), vp8()).unwrap();
    d.subscribe(&door(), id(9)).unwrap();
    d.handle_gone(at(3), id(2));
    d.handle_gone(at(4), id(9));
    assert_eq!(actions(&mut d), [Action::Forget(key)]);
    assert!(d.poll_timeout().is_none());
}

#[test]
fn every_table_is_bounded() {
    let mut d = directory();
    let name = |n: usize| StreamName::new(&format!("s{n}")).unwrap();
    d.publish(at(0), &name(0), id(1), vp8()).unwrap();
    d.publish(at(0), &name(1), id(2), vp8()).unwrap();
    assert_eq!(
        d.publish(at(0), &name(2), id(3), vp8()),
        Err(PublishError::TooManyStreams(2))
    );
    for n in 10..13 {
        d.subscribe(&name(0), id(n)).unwrap();
    }
    assert_eq!(
        d.subscribe(&name(0), id(13)),
        Err(SubscribeError::TooManySubscribers(3))
    );
    assert_eq!(
        d.subscribe(&name(1), id(13)),
        Err(SubscribeError::TooManySessions(5))
    );
    // What is replaced at once frees the room.
    assert!(d.publish(at(0), &name(0), id(4), vp8()).is_ok());
    assert_eq!(d.session_count(), 5);

    for n in 0..1000_u16 {
        let mut bytes = [0xee; SessionId::LEN];
        bytes[..2].copy_from_slice(&n.to_be_bytes());
        d.publish(at(1), &name(0), SessionId::from_bytes(bytes), vp8())
            .unwrap();
    }
    assert_eq!(d.taken_over.len(), MAX_TAKEN_OVER);
}

#[test]
fn views_show_state_and_age() {
    let mut d = directory();
    d.publish(at(1), &door(), id(1), vp8()).unwrap();
    d.subscribe(&door(), id(9)).unwrap();
    d.handle_connected(at(2), id(1));
    let view = d.streams(at(4)).next().unwrap();
    assert_eq!(view.subscribers, 1);
    let publisher = view.publisher.unwrap();
    assert_eq!(publisher.state, SessionState::Connected);
    assert_eq!(publisher.since, Duration::from_secs(3));
    d.handle_gone(at(5), id(1));
    assert!(d.streams(at(5)).next().unwrap().publisher.is_none());
}
