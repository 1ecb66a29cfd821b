//! What somebody with a token and bad intentions can send. Nothing panics,
//! nothing grows, and nobody is kept busy for long.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test

#[path = "support/stranger.rs"]
mod stranger;
mod support;

use std::time::{Duration, Instant as Clock};

use stranger::{
    DATA, FORWARD_TSN, INIT, RE_CONFIG, SACK, Stranger, TSN, data, init, packet, reset,
};
use support::CONFIG;
use transom_rtc_proto::port::{Delivery, Ppid, SctpEvent, SctpFailure, StreamId};

/// Several times what it takes here; more would be a way to keep others waiting.
const LONG: Duration = Duration::from_secs(10);

const HOSTILE: SctpEvent = SctpEvent::Closed(SctpFailure::Hostile);
const ABORT: u8 = 6;

#[test]
fn data_without_data_ends_it() {
    let mut stranger = Stranger::connected(CONFIG);
    stranger.says(&[(DATA, 3, &data(TSN, 0, 0, b""))]);
    assert_eq!(stranger.events, [HOSTILE]);
    assert_eq!(stranger.heard.last().unwrap().0, ABORT);
    // And nothing opens it again.
    stranger.sends(&packet(0, &[(INIT, 0, &init(78))]));
    assert_eq!(stranger.events.len(), 1);
    assert_eq!(stranger.end.poll_timeout(), None);
}

#[test]
fn streams_without_number_end_it() {
    let mut stranger = Stranger::connected(CONFIG);
    for n in 0..100_u16 {
        let tsn = TSN + u32::from(n);
        stranger.says(&[(DATA, 3, &data(tsn, n * 600, 0, b"x"))]);
        if stranger.is_over() {
            assert_eq!(usize::from(n), CONFIG.max_streams);
            return;
        }
    }
    panic!("a hundred streams");
}

/// Each waits for one that never comes.
#[test]
fn crumbs_are_not_kept_without_bound() {
    for (flags, ordered) in [(3, true), (4, false), (0, true)] {
        let begun = Clock::now();
        let mut stranger = Stranger::connected(CONFIG);
        let mut tsn = TSN + 1;
        for _ in 0..3000 {
            let crumbs: Vec<Vec<u8>> = (0..50)
                .map(|n| data(tsn + n, 0, if ordered { (tsn + n) as u16 } else { 0 }, b"x"))
                .collect();
            let chunks: Vec<(u8, u8, &[u8])> =
                crumbs.iter().map(|c| (DATA, flags, &c[..])).collect();
            stranger.says(&chunks);
            tsn += 50;
            if stranger.is_over() {
                break;
            }
        }
        assert!(stranger.end.stats().chunks_ignored > 100_000 || stranger.is_over());
        assert!(begun.elapsed() < LONG, "{:?}", begun.elapsed());
    }
}

#[test]
fn tsns_do_not_jump() {
    let mut stranger = Stranger::connected(CONFIG);
    for n in 1..2000_u32 {
        let far = TSN.wrapping_add(n.wrapping_mul(0x1000_0001));
        let value = data(far, 0, n as u16, b"x");
        stranger.says(&[
            (FORWARD_TSN, 0, &far.to_be_bytes()),
            (DATA, 0, &value),
            (DATA, 4, &value),
        ]);
    }
    assert!(!stranger.is_over());
    stranger.says(&[(DATA, 3, &data(TSN, 0, 0, b"still there"))]);
    assert!(matches!(
        stranger.events.last(),
        Some(SctpEvent::Message { .. })
    ));
}

#[test]
fn resets_that_nobody_answers_have_a_bound() {
    let mut stranger = Stranger::connected(CONFIG);
    for n in 0..1000_u32 {
        stranger.says(&[
            (DATA, 3, &data(TSN + n, 0, 0, b"x")),
            (RE_CONFIG, 0, &reset(TSN + n, TSN + n, 0)),
        ]);
        if stranger.is_over() {
            assert!(n <= 64, "{n}");
            return;
        }
    }
    panic!("a thousand resets");
}

#[test]
fn a_reset_with_half_a_message_waiting_does_no_harm() {
    let begun = Clock::now();
    let mut stranger = Stranger::connected(CONFIG);
    stranger.says(&[(DATA, 2, &data(TSN, 0, 0, b"half"))]);
    stranger.says(&[(RE_CONFIG, 0, &reset(TSN, TSN, 0))]);
    for n in 1..2000_u32 {
        stranger.says(&[(DATA, 0, &data(TSN + n, 0, n as u16, b"more"))]);
    }
    stranger.is_over();
    assert!(begun.elapsed() < LONG, "{:?}", begun.elapsed());
}

#[test]
fn acknowledgements_of_what_was_never_sent() {
    let mut stranger = Stranger::connected(CONFIG);
    stranger
        .end
        .configure(StreamId(1), Delivery::default(), 0)
        .unwrap();
    stranger
        .end
        .send(StreamId(1), Ppid(53), &[1; 5000])
        .unwrap();
    stranger.drain();
    let (_, first) = stranger
        .heard
        .iter()
        .find(|(kind, _)| *kind == DATA)
        .unwrap();
    let tsn = u32::from_be_bytes(first[..4].try_into().unwrap());
    let begun = Clock::now();
    for ahead in [0, 1, 1 << 16, (1 << 31) - 2, 1 << 31] {
        let mut value = tsn.wrapping_add(ahead).to_be_bytes().to_vec();
        value.extend([0xff, 0xff, 0xff, 0xff, 0, 1, 0, 0]);
        value.extend([0, 2, 0xff, 0xff]);
        stranger.says(&[(SACK, 0, &value)]);
        stranger.is_over();
    }
    assert!(begun.elapsed() < LONG, "{:?}", begun.elapsed());
}

#[test]
fn inits_and_cookies_again_and_again() {
    let mut stranger = Stranger::connected(CONFIG);
    for tag in 1..5000 {
        stranger.sends(&packet(0, &[(INIT, 0, &init(tag))]));
        stranger.says(&[(10, 0, b"no cookie"), (11, 0, b"")]);
    }
    assert!(!stranger.is_over());
}

/// Chunks that are put together at random, with a checksum that is right.
#[test]
fn noise_with_a_good_checksum() {
    let mut random = 0x5eed_u32;
    let mut below = move |bound: u32| {
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        random % bound.max(1)
    };
    let kinds = [0, 0, 0, 2, 3, 4, 7, 8, 9, 11, 14, 130, 130, 192, 194, 64];
    for _ in 0..300 {
        let mut stranger = Stranger::connected(CONFIG);
        stranger
            .end
            .configure(StreamId(1), Delivery::default(), 0)
            .unwrap();
        stranger
            .end
            .send(StreamId(1), Ppid(53), &[1; 3000])
            .unwrap();
        for _ in 0..60 {
            let chunks: Vec<(u8, u8, Vec<u8>)> = (0..=below(4))
                .map(|_| {
                    let kind = kinds[below(kinds.len() as u32) as usize];
                    let mut value = match (kind, below(3)) {
                        (DATA, 0 | 1) => {
                            data(TSN + below(20), below(4) as u16, below(4) as u16, b"noise")
                        }
                        (RE_CONFIG, 0 | 1) => {
                            reset(TSN + below(3), TSN + below(20), below(4) as u16)
                        }
                        (FORWARD_TSN, 0 | 1) => {
                            let mut value = (TSN + below(20)).to_be_bytes().to_vec();
                            value.extend([0, below(4) as u8, 0, below(4) as u8]);
                            value
                        }
                        _ => (0..below(40)).map(|_| below(256) as u8).collect(),
                    };
                    if below(4) == 0 && !value.is_empty() {
                        let at = below(value.len() as u32) as usize;
                        value[at] = below(256) as u8;
                    }
                    (kind, below(16) as u8, value)
                })
                .collect();
            let chunks: Vec<(u8, u8, &[u8])> =
                chunks.iter().map(|(k, f, v)| (*k, *f, &v[..])).collect();
            stranger.says(&chunks);
            if let Some(at) = stranger.end.poll_timeout() {
                stranger.now = stranger.now.max(at);
                stranger.end.handle_timeout(stranger.now);
                stranger.drain();
            }
        }
        stranger.is_over();
    }
}
