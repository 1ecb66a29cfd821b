//! Media through real processes: an agent, the server, and players of our own.

#![allow(clippy::expect_used, reason = "a test fails where it fails")]

use std::process::Command;
use std::time::Duration;

use transom_rtc_tokio::call::CallError;
use transom_rtc_tokio::client::ClientError;
use transom_tests_e2e::{LossyProxy, Player, Program, Sfu, binary};

/// An agent with the test picture and tone, published and connected.
fn agent(sfu: &Sfu, stream: &str) -> Program {
    let mut command = Command::new(binary("transom-agent"));
    command
        .args(["--whip", &format!("http://{}/whip/{stream}", sfu.http)])
        .args(["--source", "test", "--audio", "test"])
        .env("TRANSOM_TOKEN", sfu.token("publish"));
    let agent = Program::start(command);
    agent.line("connected", Duration::from_secs(20));
    agent
}

async fn player(sfu: &Sfu, stream: &str) -> Player {
    let mut player = Player::open(sfu, stream, None).await.expect("a session");
    player.connected().await;
    player
}

/// Pictures go on, each later than the one before, without a leap.
fn assert_goes_on(timestamps: &[u32]) {
    for w in timestamps.windows(2) {
        let step = w[1].wrapping_sub(w[0]).cast_signed();
        assert!(
            (0..10 * 90_000).contains(&step),
            "a step of {step} in {timestamps:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_player_gets_every_frame_and_the_sound() {
    let mut sfu = Sfu::start();
    let _agent = agent(&sfu, "door");
    let mut player = player(&sfu, "door").await;
    let watched = player.watch(Duration::from_secs(4)).await;
    let (units, missing) = watched.units();
    assert_eq!(missing, 0);
    assert!(units.len() > 100, "{} frames in 4 s", units.len());
    assert!(units[0].key_frame, "it begins with a key frame");
    assert!(units.iter().all(|u| !u.follows_loss));
    assert!(
        watched.audio > 170,
        "{} sound packets in 4 s",
        watched.audio
    );
    player.whep.close().await.expect("DELETE");
    let after = player.watch(Duration::from_secs(1)).await;
    assert!(after.video.len() < 30, "media goes on after DELETE");
    assert!(matches!(
        player.whep.check().await,
        Err(ClientError::NotFound { .. })
    ));
    sfu.still_serves();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_subscriber_loses_is_repaired() {
    let mut sfu = Sfu::start();
    let _agent = agent(&sfu, "door");
    let server = ([127, 0, 0, 1], sfu.udp_port).into();
    let proxy = LossyProxy::start(server, 50, 1);
    let mut player = Player::open(&sfu, "door", Some(proxy.addr))
        .await
        .expect("a session");
    player.connected().await;
    let watched = player.watch(Duration::from_secs(8)).await;
    let repaired = watched.video.iter().filter(|p| p.repaired).count();
    assert!(repaired > 3, "only {repaired} packets were repaired");
    let (units, _) = watched.units();
    // What was lost in the last moments is still on its way.
    assert!(units.len() > 200, "{} frames in 8 s", units.len());
    let damaged = units.iter().filter(|u| u.follows_loss).count();
    assert!(damaged <= 2, "{damaged} frames follow a loss");
    sfu.still_serves();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publisher_that_takes_over_is_seen_without_a_break() {
    let mut sfu = Sfu::start();
    let first = agent(&sfu, "door");
    let mut player = player(&sfu, "door").await;
    let before = player.watch(Duration::from_secs(2)).await;
    let _second = agent(&sfu, "door");
    let displaced = first.line("taken the stream over", Duration::from_secs(10));
    assert!(displaced.contains("retry in"), "{displaced}");
    let after = player.watch(Duration::from_secs(3)).await;
    assert!(before.video.len() > 40 && after.video.len() > 60);
    let whole: Vec<_> = before.video.into_iter().chain(after.video).collect();
    let whole = transom_tests_e2e::Watched {
        video: whole,
        audio: 0,
    };
    let (units, missing) = whole.units();
    assert_eq!(missing, 0, "numbers go on");
    assert_goes_on(&units.iter().map(|u| u.timestamp.0).collect::<Vec<_>>());
    assert!(!player.is_over());
    sfu.still_serves();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscribers_wait_for_a_publisher_that_comes_back() {
    let mut sfu = Sfu::start();
    let first = agent(&sfu, "door");
    let mut player = player(&sfu, "door").await;
    let before = player.watch(Duration::from_secs(2)).await;
    drop(first); // killed: no goodbye
    player.watch(Duration::from_secs(2)).await;
    let _second = agent(&sfu, "door");
    let after = player.watch(Duration::from_secs(3)).await;
    assert!(
        after.video.len() > 60,
        "{} packets after it came back",
        after.video.len()
    );
    let whole: Vec<_> = before.video.into_iter().chain(after.video).collect();
    let whole = transom_tests_e2e::Watched {
        video: whole,
        audio: 0,
    };
    let (units, _) = whole.units();
    assert_goes_on(&units.iter().map(|u| u.timestamp.0).collect::<Vec<_>>());
    sfu.still_serves();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_subscribers_are_served_and_none_of_a_stream_that_nobody_publishes() {
    let mut sfu = Sfu::start();
    let _agent = agent(&sfu, "door");
    let mut players = Vec::new();
    for _ in 0..15 {
        players.push(player(&sfu, "door").await);
    }
    for mut player in players {
        let watched = player.watch(Duration::from_millis(1200)).await;
        let (units, _) = watched.units();
        assert!(units.first().is_some_and(|u| u.key_frame));
        assert!(units.len() > 25, "{}", units.len());
    }
    assert!(matches!(
        Player::open(&sfu, "nobody", None).await.err(),
        Some(CallError::Client(ClientError::NotLive { .. }))
    ));
    sfu.still_serves();
}
