//! Two of ours.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test

mod support;

use std::time::Duration;

use support::{CONFIG, Two};
use transom_rtc_proto::port::{
    Delivery, Ppid, Reliability, SctpConfig, SctpError, SctpEvent, SctpFailure, StreamId,
};

const S: StreamId = StreamId(0);
const BINARY: Ppid = Ppid(53);

fn message(data: &[u8]) -> SctpEvent {
    SctpEvent::Message {
        stream: S,
        ppid: BINARY,
        data: data.to_vec(),
    }
}

#[test]
fn whoever_begins_they_connect() {
    // There is one DTLS client, and one server.
    for initiate in [[true, false], [false, true]] {
        let mut two = Two::new(initiate);
        two.run(Duration::from_secs(3));
        for events in &two.events {
            assert_eq!(*events, [SctpEvent::Connected], "{initiate:?}");
        }
        let Two { ends: [a, b], .. } = &mut two;
        a.configure(S, Delivery::default(), 0).unwrap();
        a.send(S, BINARY, b"hello").unwrap();
        b.configure(StreamId(1), Delivery::default(), 0).unwrap();
        two.run(Duration::from_secs(1));
        assert_eq!(two.events[1].last(), Some(&message(b"hello")));
    }
}

#[test]
fn nobody_there_is_noticed() {
    let mut two = Two::new([true, false]);
    two.lose_one_of = 1;
    two.run(Duration::from_secs(60));
    let closed = SctpEvent::Closed(SctpFailure::NoAnswer);
    assert_eq!(two.events[0].last(), Some(&closed));
    assert_eq!(two.ends[0].poll_timeout(), None);
}

#[test]
fn large_messages_survive_loss_in_order() {
    for lose_one_of in [0, 20, 10] {
        let mut two = Two::connected();
        two.lose_one_of = lose_one_of;
        two.ends[0].configure(S, Delivery::default(), 0).unwrap();
        let messages: Vec<Vec<u8>> = (0..8_u8)
            .map(|n| vec![n; 65_536 - usize::from(n)])
            .collect();
        for message in &messages {
            // As the table would: no more than the other end's window.
            while two.ends[0].buffered() > 128 * 1024 {
                two.run(Duration::from_millis(20));
            }
            two.ends[0].send(S, BINARY, message).unwrap();
        }
        two.run(Duration::from_secs(20));
        let expected: Vec<_> = messages.iter().map(|m| message(m)).collect();
        assert!(two.events[1] == expected, "{} came", two.events[1].len());
        assert_eq!(two.ends[0].buffered(), 0);
        assert!(two.largest <= CONFIG.max_packet, "{}", two.largest);
        assert_eq!(two.ends[1].stats().panics, 0);
    }
}

#[test]
fn many_small_messages_fit_the_packet() {
    let mut two = Two::connected();
    two.ends[0].configure(S, Delivery::default(), 0).unwrap();
    for n in 0..2000_u32 {
        let len = 1 + n as usize % 17;
        two.ends[0].send(S, BINARY, &vec![n as u8; len]).unwrap();
    }
    two.run(Duration::from_secs(10));
    assert_eq!(two.events[1].len(), 2000);
    assert!(two.largest <= CONFIG.max_packet, "{}", two.largest);
}

#[test]
fn what_is_sent_once_is_not_waited_for() {
    let mut two = Two::connected();
    let once = Delivery {
        ordered: false,
        reliability: Reliability::MaxRetransmits(0),
    };
    two.ends[0].configure(S, once, 0).unwrap();
    two.lose_one_of = 5;
    for n in 0..200_u8 {
        two.ends[0].send(S, BINARY, &[n]).unwrap();
        two.run(Duration::from_millis(20));
    }
    two.lose_one_of = 0;
    two.run(Duration::from_secs(5));
    let got = two.events[1].len();
    assert!((120..195).contains(&got), "{got} of 200");
    assert_eq!(two.ends[0].buffered(), 0);
    // And the association is as good as new.
    two.ends[0]
        .configure(StreamId(2), Delivery::default(), 0)
        .unwrap();
    two.ends[0].send(StreamId(2), BINARY, b"all").unwrap();
    two.run(Duration::from_secs(1));
    assert!(matches!(
        two.events[1].last(),
        Some(SctpEvent::Message {
            stream: StreamId(2),
            ..
        })
    ));
}

#[test]
fn what_is_outdated_is_given_up() {
    let mut two = Two::connected();
    let brief = Delivery {
        ordered: true,
        reliability: Reliability::MaxLifetime(Duration::from_millis(100)),
    };
    two.ends[0].configure(S, brief, 0).unwrap();
    two.lose_one_of = 1;
    two.ends[0].send(S, BINARY, b"lost").unwrap();
    two.run(Duration::from_millis(300));
    two.lose_one_of = 0;
    two.ends[0].send(S, BINARY, b"later").unwrap();
    two.run(Duration::from_secs(5));
    assert_eq!(two.events[1], [message(b"later")]);
}

#[test]
fn a_stream_is_reset_by_both_and_used_again() {
    let mut two = Two::connected();
    two.lose_one_of = 8;
    for round in 0..20_u8 {
        two.ends[0].configure(S, Delivery::default(), 0).unwrap();
        two.ends[0].send(S, BINARY, &[round; 3000]).unwrap();
        two.ends[0].reset(S);
        assert_eq!(
            two.ends[0].send(S, BINARY, b"late"),
            Err(SctpError::NoStream)
        );
        two.run(Duration::from_secs(10));
        let [ours, theirs] = &mut two.events;
        assert_eq!(
            std::mem::take(theirs),
            [
                message(&[round; 3000]),
                SctpEvent::Reset(S),
                SctpEvent::ResetComplete(S)
            ]
        );
        let ours = std::mem::take(ours);
        assert!(ours.contains(&SctpEvent::Reset(S)), "{ours:?}");
        assert!(ours.contains(&SctpEvent::ResetComplete(S)), "{ours:?}");
    }
}

#[test]
fn who_does_not_take_messages_makes_the_other_end_wait() {
    let config = SctpConfig {
        receive_buffer: 65_536,
        ..CONFIG
    };
    let mut two = Two::with([true, false], config);
    two.run(Duration::from_millis(500));
    two.ends[0].configure(S, Delivery::default(), 0).unwrap();
    for _ in 0..100 {
        two.ends[0].send(S, BINARY, &[1; 10_000]).unwrap();
    }
    // Packets cross, but nobody asks for events.
    for _ in 0..500 {
        let [a, b] = &mut two.ends;
        while let Some(packet) = a.poll_transmit(two.now) {
            b.handle_packet(two.now, &packet);
        }
        while let Some(packet) = b.poll_transmit(two.now) {
            a.handle_packet(two.now, &packet);
        }
        two.now += Duration::from_millis(10);
        a.handle_timeout(two.now);
        b.handle_timeout(two.now);
    }
    assert!(two.ends[0].buffered() >= 1_000_000 - 80_000);
    two.run(Duration::from_secs(60));
    let taken = two.events[1]
        .iter()
        .filter(|e| matches!(e, SctpEvent::Message { .. }));
    assert_eq!(taken.count(), 100);
}

#[test]
fn an_end_is_told() {
    let mut two = Two::connected();
    two.ends[0].abort();
    two.run(Duration::from_secs(1));
    assert_eq!(two.events[0], [SctpEvent::Closed(SctpFailure::Local)]);
    assert_eq!(two.events[1], [SctpEvent::Closed(SctpFailure::Remote)]);
    for end in &mut two.ends {
        assert_eq!(end.poll_timeout(), None);
        assert_eq!(end.send(S, BINARY, b"x"), Err(SctpError::NotConnected));
        assert!(end.configure(S, Delivery::default(), 0).is_err());
    }
}

#[test]
fn a_message_over_the_bound_ends_the_association() {
    let mut two = Two::with(
        [true, false],
        SctpConfig {
            max_send_message: 100_000,
            ..CONFIG
        },
    );
    two.run(Duration::from_millis(500));
    two.ends[0].configure(S, Delivery::default(), 0).unwrap();
    two.ends[0].send(S, BINARY, &[0; 65_537]).unwrap();
    two.run(Duration::from_secs(5));
    let closed = SctpEvent::Closed(SctpFailure::MessageTooLarge);
    assert_eq!(two.events[1].last(), Some(&closed));
    let told = SctpEvent::Closed(SctpFailure::Remote);
    assert_eq!(two.events[0].last(), Some(&told));
}
