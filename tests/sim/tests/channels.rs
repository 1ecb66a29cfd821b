//! Data channels over bad links: whole peers, with the real SCTP.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails where it fails"
)]

use std::sync::Arc;
use std::time::Duration;

use transom_rtc_proto::channel::{
    ChannelConfig, ChannelEvent, ChannelId, ChannelSendError, MessageKind,
};
use transom_rtc_proto::peer::{CloseReason, Event};
use transom_rtc_proto::port::{Delivery, Reliability};
use transom_rtc_sctp::GuardedSctp;
use transom_tests_sim::fake::FakeDtls;
use transom_tests_sim::link::LinkConfig;
use transom_tests_sim::pair::{End, Pair, PairConfig};

const CONTROL: Delivery = Delivery {
    ordered: false,
    reliability: Reliability::MaxRetransmits(0),
};

fn pair(loss: f64, delay: u64, seed: u64) -> Pair {
    let link = LinkConfig {
        jitter: Duration::from_millis(delay / 5),
        ..LinkConfig::clean(Duration::from_millis(delay)).with_loss(loss)
    };
    let config = PairConfig {
        link,
        lite: true,
        seed,
    };
    let mut pair = Pair::with_channels(config, Arc::new(GuardedSctp));
    pair.run_until(Duration::from_secs(15), Pair::is_connected)
        .expect("connects");
    pair
}

fn channel_events(end: &mut End<FakeDtls>) -> Vec<ChannelEvent> {
    let events = std::mem::take(&mut end.events);
    let events = events.into_iter().filter_map(|(_, event)| match event {
        Event::Channel(event) => Some(event),
        _ => None,
    });
    events.collect()
}

fn opened(end: &mut End<FakeDtls>) -> (ChannelId, Delivery) {
    match &channel_events(end)[..] {
        [ChannelEvent::Opened { channel, info, .. }] => (*channel, info.delivery),
        other => panic!("{other:?}"),
    }
}

/// Opens a channel from the offerer; both ends' ids.
fn open(pair: &mut Pair, config: ChannelConfig) -> (ChannelId, ChannelId) {
    let delivery = config.info.delivery;
    let now = pair.now;
    let ours = pair
        .offerer
        .peer
        .open_channel(now, config)
        .expect("a channel");
    pair.run_for(Duration::from_secs(8));
    let (theirs, as_told) = opened(&mut pair.answerer);
    assert_eq!(as_told, delivery);
    assert_eq!(opened(&mut pair.offerer).0, ours);
    (ours, theirs)
}

fn messages(end: &mut End<FakeDtls>) -> Vec<Vec<u8>> {
    let events = channel_events(end).into_iter();
    let data = events.filter_map(|event| match event {
        ChannelEvent::Message { data, .. } => Some(data),
        _ => None,
    });
    data.collect()
}

#[test]
fn messages_of_any_size_arrive_in_order_over_a_lossy_path() {
    for (loss, delay) in [(0.0, 5), (0.02, 20), (0.1, 40)] {
        for seed in 1..4 {
            let mut pair = pair(loss, delay, seed);
            let (ours, theirs) = open(&mut pair, ChannelConfig::new("files"));
            let sizes = [1, 0, 1000, 1200, 10_000, 65_536, 3, 65_535, 20_000, 1];
            let sent: Vec<Vec<u8>> = (0..).zip(sizes).map(|(n, len)| vec![n; len]).collect();
            for message in &sent {
                for (end, channel) in [(&mut pair.offerer, ours), (&mut pair.answerer, theirs)] {
                    end.peer
                        .send_message(channel, MessageKind::Binary, message)
                        .expect("room");
                }
            }
            let took = pair.run_until(Duration::from_secs(30), |pair| {
                [&pair.offerer, &pair.answerer].iter().all(|end| {
                    let of_message =
                        |(_, e): &&_| matches!(e, Event::Channel(ChannelEvent::Message { .. }));
                    end.events.iter().filter(of_message).count() == sizes.len()
                })
            });
            assert!(took.is_some(), "loss {loss}, seed {seed}");
            assert!(messages(&mut pair.offerer) == sent);
            assert!(messages(&mut pair.answerer) == sent);
            pair.run_for(Duration::from_secs(3));
            assert_eq!(pair.offerer.peer.buffered_amount(ours), 0);
            let stats = pair.answerer.peer.channel_stats();
            assert_eq!((stats.dropped, stats.sctp.panics), (0, 0));
            assert_eq!(stats.sctp.packets_refused, 0);
        }
    }
}

/// A setpoint that is lost stays lost, and those after it do not wait for it.
#[test]
fn setpoints_are_fresh_or_missing() {
    for seed in 1..6 {
        let mut pair = pair(0.1, 20, seed);
        let config = ChannelConfig::new("control").delivery(CONTROL);
        let (ours, _) = open(&mut pair, config);
        for n in 0..250_u8 {
            pair.offerer
                .peer
                .send_message(ours, MessageKind::Binary, &[n])
                .expect("room");
            let sent_at = pair.now;
            pair.run_for(Duration::from_millis(20));
            // 20 ms and at most 4 of jitter: whatever came is of this step or the last.
            for (at, event) in std::mem::take(&mut pair.answerer.events) {
                if let Event::Channel(ChannelEvent::Message { data, .. }) = event {
                    let age = u64::from(n - data[0]) * 20 + at.since(sent_at).as_millis() as u64;
                    assert!(age <= 45, "setpoint {} came after {age} ms", data[0]);
                }
            }
        }
        let came = pair.answerer.peer.channel_stats().messages_received;
        assert!((200..250).contains(&came), "{came} of 250, seed {seed}");
        assert_eq!(pair.offerer.peer.channel_stats().would_block, 0);
    }
}

/// What SCTP may send at once is more than waits for the neighbour, and none of it is sent again.
#[test]
fn a_clean_path_loses_nothing_however_much_leaves_at_once() {
    let mut pair = pair(0.0, 4, 1); // without jitter: what is late counts as lost
    let config = ChannelConfig::new("control").delivery(CONTROL);
    let (ours, _) = open(&mut pair, config);
    for round in 1..20 {
        for n in 0..20 {
            pair.offerer
                .peer
                .send_message(ours, MessageKind::Binary, &[n; 12_000])
                .expect("room");
        }
        pair.run_for(Duration::from_secs(2));
        let came = pair.answerer.peer.channel_stats().messages_received;
        assert_eq!(came, 20 * round);
    }
}

#[test]
fn a_full_channel_says_so_and_when_it_is_not() {
    let mut pair = pair(0.0, 20, 1);
    let config = ChannelConfig {
        buffered_low: 50_000,
        ..ChannelConfig::new("files")
    };
    let (ours, _) = open(&mut pair, config);
    let send = |pair: &mut Pair| {
        let mut sent = 0;
        loop {
            let put = pair
                .offerer
                .peer
                .send_message(ours, MessageKind::Binary, &[7; 10_000]);
            match put {
                Ok(()) => sent += 1,
                Err(ChannelSendError::WouldBlock) => return sent,
                Err(other) => panic!("{other}"),
            }
            assert!(sent < 100);
        }
    };
    assert_eq!(send(&mut pair), 26); // of 256 KiB
    assert_eq!(
        pair.offerer
            .peer
            .send_message(ours, MessageKind::Binary, &[0; 70_000]),
        Err(ChannelSendError::TooLarge {
            len: 70_000,
            max: 65_536
        })
    );
    let mut sent = 26;
    for _ in 0..20 {
        let low = pair.run_until(Duration::from_secs(20), |pair| {
            pair.offerer
                .saw(|e| matches!(e, Event::Channel(ChannelEvent::BufferedLow { .. })))
        });
        low.expect("room again");
        assert!(pair.offerer.peer.buffered_amount(ours) <= 50_000);
        pair.offerer.events.clear();
        sent += send(&mut pair);
    }
    pair.run_for(Duration::from_secs(20));
    assert_eq!(messages(&mut pair.answerer).len(), sent);
}

/// Whoever holds back channel events loses none, and the other end waits.
#[test]
fn an_owner_that_is_behind_makes_the_other_end_wait() {
    let mut pair = pair(0.0, 5, 1);
    let (ours, _) = open(&mut pair, ChannelConfig::new("files"));
    pair.answerer.peer.hold_channels(true);
    let mut sent = 0;
    for _ in 0..200 {
        let put = pair
            .offerer
            .peer
            .send_message(ours, MessageKind::Binary, &[1; 10_000]);
        sent += usize::from(put.is_ok());
        pair.run_for(Duration::from_millis(50));
    }
    assert!(messages(&mut pair.answerer).is_empty());
    assert!(sent < 130, "{sent} messages are somewhere");
    pair.answerer.peer.hold_channels(false);
    pair.run_for(Duration::from_secs(20));
    assert_eq!(messages(&mut pair.answerer).len(), sent);
}

#[test]
fn closing_delivers_what_was_sent_and_frees_the_number() {
    for seed in 1..6 {
        let mut pair = pair(0.1, 20, seed);
        for _ in 0..3 {
            let (ours, theirs) = open(&mut pair, ChannelConfig::new("brief"));
            assert_eq!(ours.stream().0, 0);
            pair.offerer
                .peer
                .send_message(ours, MessageKind::Text, "last words".as_bytes())
                .expect("room");
            pair.offerer.peer.close_channel(ours);
            pair.run_for(Duration::from_secs(10));
            let got = channel_events(&mut pair.answerer);
            assert!(
                matches!(&got[..], [ChannelEvent::Message { .. }, ChannelEvent::Closed { channel }]
                    if *channel == theirs),
                "{got:?}"
            );
            let got = channel_events(&mut pair.offerer);
            assert!(
                got.contains(&ChannelEvent::Closed { channel: ours }),
                "{got:?}"
            );
            assert_eq!(pair.offerer.peer.channel_stats().channels, 0);
            assert_eq!(pair.answerer.peer.channel_stats().channels, 0);
        }
    }
}

#[test]
fn both_ends_open_at_once() {
    // Among them are some whose COOKIE ACK is lost, so that data comes before it.
    for seed in 1..30 {
        open_at_once(pair(0.1, 20, seed));
    }
}

fn open_at_once(mut pair: Pair) {
    let now = pair.now;
    for n in 0..10 {
        for end in [&mut pair.offerer, &mut pair.answerer] {
            let config = ChannelConfig::new(format!("channel {n}"));
            end.peer.open_channel(now, config).expect("a channel");
        }
    }
    pair.run_for(Duration::from_secs(10));
    for end in [&mut pair.offerer, &mut pair.answerer] {
        let events = channel_events(end);
        let by_peer = events
            .iter()
            .filter(|e| matches!(e, ChannelEvent::Opened { by_peer: true, .. }));
        assert_eq!((events.len(), by_peer.count()), (20, 10));
    }
}

#[test]
fn the_end_of_a_peer_ends_its_channels() {
    let mut pair = pair(0.0, 20, 1);
    open(&mut pair, ChannelConfig::new("control"));
    let now = pair.now;
    pair.offerer.peer.close(now);
    pair.run_for(Duration::from_secs(1));
    // The stand-in for DTLS says no goodbye: SCTP and RTCP do.
    let events = channel_events(&mut pair.answerer);
    let gone = pair.answerer.peer.close_reason() == Some(CloseReason::Remote);
    assert!(
        gone || matches!(events[..], [ChannelEvent::Closed { .. }]),
        "{events:?}"
    );
    assert!(!pair.offerer.peer.has_channels());
}
