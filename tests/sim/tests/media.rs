//! Media over bad links: what the receiver gets of what was sent.

#![allow(clippy::expect_used, reason = "a test fails where it fails")]

use std::hash::Hasher;
use std::time::Duration;

use transom_rtc_proto::codec::h264::Depacketizer;
use transom_rtc_proto::id::{ExtSeq, MediaTime};
use transom_rtc_proto::peer::{Event, Frame, SendError, TrackId};
use transom_rtc_proto::time::{Instant, WallTime};
use transom_tests_sim::link::LinkConfig;
use transom_tests_sim::pair::{Pair, PairConfig};

const VIDEO: TrackId = TrackId(1);
const FRAME: Duration = Duration::from_micros(33_333);

/// An access unit that holds `number`; every 30th is a key frame.
fn access_unit(number: u32, size: usize) -> Vec<u8> {
    let mut unit = Vec::new();
    let mut nal = |header: u8, len: usize| {
        unit.extend_from_slice(&[0, 0, 0, 1, header]);
        // First macroblock 0, the number, and bytes that look like no start code.
        unit.push(0x80);
        unit.extend(number.to_be_bytes().map(|b| b | 0x01));
        unit.extend((0..len).map(|i| (i % 251) as u8 | 1));
    };
    if number.is_multiple_of(30) {
        nal(0x67, 8);
        nal(0x68, 2);
        nal(0x65, size * 6);
    } else {
        nal(0x41, size);
    }
    unit
}

/// Sends `frames` frames of about `size` bytes, 30 a second.
fn send(pair: &mut Pair, frames: u32, size: usize) -> Vec<Vec<u8>> {
    let mut sent = Vec::new();
    for number in 0..frames {
        let data = access_unit(number, size);
        let frame = Frame {
            data: &data,
            timestamp: MediaTime(number * 3000),
            captured: pair.now,
            wall: WallTime::from_unix_micros(pair.now.as_micros()),
        };
        let now = pair.now;
        pair.offerer
            .peer
            .send_frame(now, VIDEO, &frame)
            .expect("queue has room");
        sent.push(data);
        pair.run_for(FRAME);
    }
    sent
}

fn connected(link: LinkConfig, seed: u64) -> Pair {
    let mut pair = Pair::new(PairConfig {
        link,
        lite: true,
        seed,
    });
    pair.run_until(Duration::from_secs(15), Pair::is_connected)
        .expect("connects");
    pair
}

/// The access units that came whole, put in order.
fn units(pair: &Pair) -> Vec<Vec<u8>> {
    let mut got: Vec<_> = pair
        .answerer
        .got
        .iter()
        .filter(|g| g.info.track == VIDEO)
        .collect();
    got.sort_by_key(|g| g.info.seq);
    let numbers: Vec<ExtSeq> = got.iter().map(|g| g.info.seq).collect();
    assert!(numbers.windows(2).all(|w| w[0] < w[1]), "no number twice");
    let mut depacketizer = Depacketizer::new(1 << 20);
    let mut units = Vec::new();
    for g in got {
        let _ = depacketizer.push(g.info.seq, g.info.timestamp, g.info.marker, &g.payload);
        units.extend(std::iter::from_fn(|| depacketizer.poll()).map(|u| u.data));
    }
    units
}

#[test]
fn a_clean_link_brings_every_frame_as_it_was() {
    let mut pair = connected(LinkConfig::clean(Duration::from_millis(20)), 1);
    let sent = send(&mut pair, 90, 3000);
    pair.run_for(Duration::from_millis(200));
    assert_eq!(units(&pair), sent);
    let last = pair.answerer.got.last().expect("media");
    assert!(!last.info.repaired);
    let stats = pair.answerer.peer.receive_stats(VIDEO).expect("a track");
    assert_eq!((stats.lost, stats.repaired), (0, 0));
}

#[test]
fn losses_are_repaired() {
    for (loss, delay, least) in [
        (0.02, 20, 1.0),
        (0.05, 20, 1.0),
        (0.10, 20, 0.999),
        (0.10, 80, 0.97),
        (0.05, 200, 0.97),
    ] {
        let (mut whole, mut all) = (0, 0);
        for seed in 0..5 {
            let link = LinkConfig {
                loss,
                duplication: 0.01,
                reordering: 0.02,
                delay: Duration::from_millis(delay),
                jitter: Duration::from_millis(5),
            };
            let mut pair = connected(link, seed);
            let sent = send(&mut pair, 150, 3000);
            pair.set_link(link.with_loss(0.0));
            pair.run_for(Duration::from_secs(2));
            let got = units(&pair);
            // Nobody can tell what is missing before the first packet that came
            // and, when nothing follows, after the last.
            let rest = &sent[1..sent.len() - 1];
            whole += got.iter().filter(|unit| rest.contains(unit)).count();
            // One that follows a loss may lack its parameter sets.
            let intact = |unit: &Vec<u8>| sent.iter().any(|s| s.ends_with(unit));
            assert!(got.iter().all(intact), "a unit came damaged");
            all += rest.len();
            assert!(
                pair.answerer.got.iter().any(|g| g.info.repaired),
                "nothing was repaired"
            );
            let lost = |e: &Event| matches!(e, Event::Feedback { fraction_lost, .. } if *fraction_lost > 0.0);
            assert!(pair.offerer.saw(lost), "the sender learns of the loss");
        }
        let fraction = whole as f64 / all as f64;
        assert!(
            fraction >= least,
            "loss {loss}, delay {delay} ms: {fraction:.4} of the frames came whole"
        );
    }
}

#[test]
fn the_same_seed_sends_the_same_media_and_repairs() {
    let link = LinkConfig {
        loss: 0.05,
        duplication: 0.02,
        reordering: 0.05,
        delay: Duration::from_millis(40),
        jitter: Duration::from_millis(10),
    };
    let run = |seed| {
        let mut pair = connected(link, seed);
        send(&mut pair, 60, 3000);
        [&pair.offerer, &pair.answerer].map(|end| (end.transcript.finish(), end.sent))
    };
    for seed in 0..5 {
        assert_eq!(run(seed), run(seed));
    }
    assert_ne!(run(1), run(2));
}

#[test]
fn a_key_frame_request_arrives_whatever_is_lost() {
    let link = LinkConfig::clean(Duration::from_millis(30)).with_loss(0.3);
    for seed in 0..10 {
        let mut pair = connected(link, seed);
        send(&mut pair, 40, 1000);
        let now = pair.now;
        pair.offerer.events.clear();
        pair.answerer.peer.request_key_frame(now, VIDEO);
        let asked = |p: &Pair| {
            p.offerer
                .saw(|e| *e == Event::KeyFrameRequested { track: VIDEO })
        };
        assert!(
            pair.run_until(Duration::from_secs(4), asked).is_some(),
            "seed {seed}"
        );
    }
}

#[test]
fn key_frame_requests_in_quick_succession_are_one() {
    let mut pair = connected(LinkConfig::clean(Duration::from_millis(5)), 1);
    send(&mut pair, 31, 1000);
    for _ in 0..100 {
        let now = pair.now;
        pair.answerer.peer.request_key_frame(now, VIDEO);
        pair.run_for(Duration::from_millis(1));
    }
    let stats = pair.answerer.peer.receive_stats(VIDEO).expect("a track");
    assert!(
        stats.key_frame_requests <= 2,
        "{}",
        stats.key_frame_requests
    );
}

#[test]
fn the_round_trip_is_measured() {
    let mut pair = connected(LinkConfig::clean(Duration::from_millis(40)), 1);
    send(&mut pair, 120, 1000);
    let rtt = pair.offerer.peer.rtt().expect("reports have come");
    assert!((75..=90).contains(&rtt.as_millis()), "{rtt:?}");
}

#[test]
fn a_queue_that_nobody_empties_refuses_frames_and_recovers() {
    let mut pair = connected(LinkConfig::clean(Duration::from_millis(5)), 1);
    let data = access_unit(0, 20_000);
    let now = pair.now;
    let frame = |timestamp| Frame {
        data: &data,
        timestamp: MediaTime(timestamp),
        captured: now,
        wall: WallTime::default(),
    };
    let mut taken = 0;
    let refused = loop {
        match pair.offerer.peer.send_frame(now, VIDEO, &frame(taken)) {
            Ok(()) => taken += 1,
            Err(error) => break error,
        }
        assert!(taken < 1000, "the queue has no bound");
    };
    assert_eq!(refused, SendError::QueueFull);
    pair.run_for(Duration::from_secs(2));
    assert_eq!(units(&pair).len(), taken as usize);
    pair.offerer
        .peer
        .send_frame(now, VIDEO, &frame(taken))
        .expect("room again");
}

#[test]
fn sender_reports_tie_media_time_to_the_wall() {
    let mut pair = connected(LinkConfig::clean(Duration::from_millis(5)), 1);
    send(&mut pair, 60, 1000);
    let reports: Vec<_> = pair
        .answerer
        .events
        .iter()
        .filter_map(|(_, e)| match e {
            Event::SenderReport { ntp, timestamp, .. } => Some((*ntp, *timestamp)),
            _ => None,
        })
        .collect();
    assert!(reports.len() >= 2, "{}", reports.len());
    let (first, last) = (reports[0], reports[reports.len() - 1]);
    let seconds = (last.0 - first.0) as f64 / f64::from(u32::MAX);
    let media = f64::from(last.1.0 - first.1.0) / 90_000.0;
    assert!((seconds - media).abs() < 0.002, "{seconds} {media}");
    let start = WallTime::from_unix_micros(Instant::from_millis(1000).as_micros()).to_ntp();
    assert!(first.0 >= start);
}
