//! The handshake over links that lose, repeat and reorder. The loss is seeded;
//! the bytes are not, for webrtc-dtls draws its own random numbers.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)] // test code

#[allow(dead_code, unreachable_pub)] // shared by the test binaries
mod support;

use std::time::Duration;

use support::{End, Seeded, Way, both_connected, carry, pair};
use tokio::time::Instant;
use transom_rtc_proto::port::DtlsAction;

async fn handshake(seed: u64, loss_percent: u64) -> Option<Duration> {
    let (mut client, mut server) = pair();
    let mut dice = Seeded::new(seed);
    let began = Instant::now();
    let link = |_: Way, _: &[u8]| match dice.below(100) {
        n if n < loss_percent => 0,
        n if n >= 97 => 2,
        _ => 1,
    };
    let limit = Duration::from_secs(20);
    carry(&mut client, &mut server, limit, link, both_connected)
        .await
        .then(|| began.elapsed())
}

#[tokio::test(start_paused = true)]
async fn completes_at_ten_percent_loss() {
    let mut times = vec![];
    for seed in 0..60 {
        let took = handshake(seed, 10).await;
        times.push(took.unwrap_or_else(|| panic!("seed {seed} did not complete")));
    }
    times.sort();
    assert!(
        times[30] <= Duration::from_millis(300),
        "median {:?}",
        times[30]
    );
    assert!(times[59] <= Duration::from_secs(5), "worst {:?}", times[59]);
}

#[tokio::test(start_paused = true)]
async fn completes_at_thirty_percent_loss() {
    for seed in 0..20 {
        let took = handshake(1000 + seed, 30).await;
        assert!(
            took.is_some_and(|t| t < Duration::from_secs(15)),
            "seed {seed}: {took:?}"
        );
    }
}

/// Each datagram of the handshake, lost once, by itself.
#[tokio::test(start_paused = true)]
async fn any_one_datagram_may_be_lost() {
    for lost in 0..12 {
        let (mut client, mut server) = pair();
        let began = Instant::now();
        let mut n = 0;
        let link = |_: Way, _: &[u8]| {
            n += 1;
            usize::from(n != lost + 1)
        };
        let limit = Duration::from_secs(5);
        assert!(
            carry(&mut client, &mut server, limit, link, both_connected).await,
            "datagram {lost}"
        );
        assert!(
            began.elapsed() <= Duration::from_millis(500),
            "datagram {lost}"
        );
    }
}

/// webrtc-dtls sends it once and never again.
#[tokio::test(start_paused = true)]
async fn the_servers_last_flight_may_be_lost_again_and_again() {
    let (mut client, mut server) = pair();
    let mut lost = 0;
    let link = |way: Way, datagram: &[u8]| {
        let last_flight = way == Way::ToClient && datagram[0] == 20;
        if last_flight && lost < 4 {
            lost += 1;
            return 0;
        }
        1
    };
    let limit = Duration::from_secs(10);
    assert!(carry(&mut client, &mut server, limit, link, both_connected).await);
    assert_eq!(lost, 4);
    // The client has sealed its Finished message anew each time: numbers go on behind them.
    for end in [&client, &server] {
        end.dtls.handle_action(DtlsAction::Send(b"data".to_vec()));
    }
    let done = |c: &End, s: &End| c.received().len() + s.received().len() == 2;
    assert!(carry(&mut client, &mut server, limit, |_, _| 1, done).await);
}

/// The datagrams of a burst arrive in any order.
#[tokio::test(start_paused = true)]
async fn reordering_is_no_matter() {
    for seed in 0..20 {
        let (mut client, mut server) = pair();
        let mut dice = Seeded::new(7000 + seed);
        let until = Instant::now() + Duration::from_secs(10);
        let mut to_client = vec![];
        while !both_connected(&client, &server) && Instant::now() < until {
            let mut to_server = client.exchange(to_client).await;
            shuffle(&mut to_server, &mut dice);
            to_client = server.exchange(to_server).await;
            shuffle(&mut to_client, &mut dice);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(both_connected(&client, &server), "seed {seed}");
    }
}

fn shuffle(datagrams: &mut [Vec<u8>], dice: &mut Seeded) {
    for i in (1..datagrams.len()).rev() {
        let j = dice.below(i as u64 + 1);
        datagrams.swap(i, usize::try_from(j).unwrap());
    }
}
