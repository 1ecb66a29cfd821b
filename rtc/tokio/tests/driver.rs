//! Two driven peers over loopback, with real DTLS and SRTP.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test

mod pair;

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use pair::{AUDIO, Quirks, VIDEO, picture, publish, slice_body, sound};
use tokio::time::sleep;
use transom_rtc_proto::peer::{CloseReason, Event};
use transom_rtc_tokio::driver::{FrameRefused, MediaPacket};

#[tokio::test]
async fn frames_travel_over_either_family() {
    for ip in ["127.0.0.1", "::1"] {
        let (mut publisher, mut server) = publish(&Quirks {
            ip: ip.parse().unwrap(),
            ..Quirks::default()
        });
        publisher.connected().await;
        server.connected().await;
        let frame = picture(90_000, 5000, true);
        publisher.handle.send_frame(frame).unwrap();
        publisher.handle.send_frame(sound(48_000)).unwrap();

        let (mut slices, mut sounds) = (Vec::new(), Vec::new());
        while !slices.last().is_some_and(|p: &MediaPacket| p.info.marker) || sounds.is_empty() {
            let packet = server.packet().await;
            match packet.info.track {
                VIDEO => slices.push(packet),
                AUDIO => sounds.push(packet),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(sounds[0].payload, [0x78; 80]);
        // FU-A (RFC 6184 section 5.8): indicator and header before each fragment.
        let fragments = slices.iter().filter(|p| p.payload[0] & 0x1f == 28);
        let body: Vec<u8> = fragments.flat_map(|p| p.payload[2..].to_vec()).collect();
        assert_eq!(body, slice_body(5000));
        assert!(slices[0].info.key_frame);

        let stats = publisher.handle.stats().await.unwrap();
        assert!(stats.connected && stats.srtp_profile.is_some());
        assert_eq!(stats.path.unwrap().local.ip().to_string(), ip);
        assert_eq!(stats.sent.len(), 2);
        assert_eq!(stats.sent[0].1.packets, slices.len() as u64);
        assert!(server.handle.stats().await.unwrap().received[0].1.packets > 0);
    }
}

#[tokio::test]
async fn a_key_frame_is_asked_for_and_the_request_arrives() {
    let (mut publisher, mut server) = publish(&Quirks::default());
    publisher.connected().await;
    server.connected().await;
    publisher.handle.send_frame(picture(0, 100, false)).unwrap();
    server.packet().await;
    server.handle.request_key_frame(VIDEO).await;
    let track = publisher.event(|e| match e {
        Event::KeyFrameRequested { track } => Some(track),
        _ => None,
    });
    assert_eq!(track.await, VIDEO);
}

#[tokio::test]
async fn closing_says_goodbye() {
    let (mut publisher, mut server) = publish(&Quirks::default());
    publisher.connected().await;
    server.connected().await;
    publisher.handle.send_frame(picture(0, 100, true)).unwrap();
    server.packet().await;
    let begun = Instant::now();
    publisher.handle.close().await;
    assert_eq!(server.end().await, CloseReason::Remote);
    let handle = publisher.handle.clone();
    assert_eq!(publisher.end().await, CloseReason::Local);
    assert!(begun.elapsed() < Duration::from_secs(2));
    assert_eq!(handle.send_frame(sound(0)), Err(FrameRefused::Closed));
    assert!(handle.stats().await.is_none() && handle.is_closed());
}

/// Whose other end answers no goodbye does not wait for one.
#[tokio::test]
async fn a_goodbye_is_not_waited_for() {
    let (mut publisher, mut server) = publish(&Quirks::default());
    publisher.connected().await;
    server.connected().await;
    server.task.abort();
    let _ = server.task.await;
    let begun = Instant::now();
    publisher.handle.close().await;
    assert_eq!(publisher.end().await, CloseReason::Local);
    assert!(
        begun.elapsed() < Duration::from_millis(150),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn a_peer_that_nobody_holds_is_closed() {
    let (publisher, server) = publish(&Quirks::default());
    drop(publisher.handle);
    let reason = publisher.task.await.unwrap().unwrap();
    assert_eq!(reason, CloseReason::Local);
    server.task.abort();
}

#[tokio::test]
async fn a_certificate_that_was_not_signalled_is_refused() {
    let (publisher, server) = publish(&Quirks {
        wrong_fingerprint: true,
        ..Quirks::default()
    });
    assert_eq!(publisher.end().await, CloseReason::FingerprintMismatch);
    server.task.abort();
}

#[tokio::test]
async fn what_nobody_takes_is_lost_and_counted() {
    let (mut publisher, mut server) = publish(&Quirks::default());
    assert_eq!(publisher.handle.send_frame(sound(0)), Ok(()));
    let early = publisher.handle.stats().await.unwrap();
    assert_eq!(early.lost.frames_early, 1);
    publisher.connected().await;
    server.connected().await;
    // The server's application sleeps.
    for i in 0..200 {
        publisher
            .handle
            .send_frame(picture(i * 3000, 15_000, false))
            .unwrap();
        sleep(Duration::from_millis(2)).await;
    }
    let stats = server.handle.stats().await.unwrap();
    assert!(stats.lost.media > 0, "{:?}", stats.lost);
    let stats = publisher.handle.stats().await.unwrap();
    assert_eq!(stats.lost.frames_unusable, 0);
    publisher.handle.close().await;
    assert_eq!(server.end().await, CloseReason::Remote);
}

#[tokio::test]
async fn a_frame_leaves_in_one_system_call() {
    let (mut publisher, mut server) = publish(&Quirks::default());
    publisher.connected().await;
    server.connected().await;
    sleep(Duration::from_millis(300)).await; // checks and first reports are over
    let before = publisher.handle.stats().await.unwrap();
    for i in 0..10 {
        let frame = picture(i * 3000, 12_000, false);
        publisher.handle.send_frame(frame).unwrap();
        while !server.packet().await.info.marker {}
    }
    let after = publisher.handle.stats().await.unwrap();
    assert!(after.gso_in_use);
    assert_eq!(after.socket.refused, before.socket.refused);
    assert_eq!(after.sent[0].1.packets, 110);
    let calls = after.socket.send_calls - before.socket.send_calls;
    // Feedback, reports and checks may add a few.
    assert!((10..30).contains(&calls), "{calls} calls for 110 packets");
}

#[tokio::test]
async fn silence_ends_the_peer() {
    let (mut publisher, mut server) = publish(&Quirks::default());
    publisher.connected().await;
    server.connected().await;
    server.task.abort();
    // From here time passes as fast as nothing happens.
    tokio::time::pause();
    let begun = tokio::time::Instant::now();
    assert_eq!(publisher.end().await, CloseReason::ConsentLost);
    let silent = begun.elapsed(); // RFC 7675 section 5.1: 30 s
    assert!(silent > Duration::from_secs(20) && silent < Duration::from_secs(40));
}

#[tokio::test]
async fn strangers_are_not_heard() {
    let (mut publisher, mut server) = publish(&Quirks::default());
    publisher.connected().await;
    server.connected().await;
    let path = server.handle.stats().await.unwrap().path.unwrap();
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    for first in [0, 20, 22, 80, 128, 200, 255] {
        for len in [1, 11, 12, 20, 60, 1500, 9000] {
            stranger.send_to(&vec![first; len], path.local).unwrap();
        }
    }
    publisher.handle.send_frame(picture(0, 100, false)).unwrap();
    server.packet().await;
    sleep(Duration::from_millis(50)).await;
    let dropped = server.handle.stats().await.unwrap().dropped;
    assert_eq!(dropped.values().sum::<u64>(), 49, "{dropped:?}");
}
