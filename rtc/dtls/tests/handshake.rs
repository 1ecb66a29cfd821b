//! Two neighbours shake hands, talk and part.
#![allow(clippy::unwrap_used, missing_docs)] // test code

#[allow(dead_code, unreachable_pub)] // shared by the test binaries
mod support;

use std::time::Duration;

use support::{End, carry, config, connect, pair, settle};
use tokio::runtime::Handle;
use tokio::time::Instant;
use transom_rtc_dtls::Certificate;
use transom_rtc_proto::port::{DtlsAction, DtlsEvent, DtlsFailure, DtlsRole, SrtpProfile};

const GCM: SrtpProfile = SrtpProfile::AeadAes128Gcm;
const CM: SrtpProfile = SrtpProfile::Aes128CmSha1_80;

#[tokio::test(start_paused = true)]
async fn both_ends_get_the_same_keys_and_each_others_certificate() {
    let (client_config, server_config) = (config(), config());
    let mut client = End::start(client_config.clone(), DtlsRole::Client);
    let mut server = End::start(server_config.clone(), DtlsRole::Server);
    assert!(connect(&mut client, &mut server).await);
    let (profile, keys, certificate) = client.connected().unwrap();
    assert_eq!(profile, GCM);
    assert_eq!(keys.len(), GCM.keying_material_len());
    assert!(keys.iter().any(|b| *b != 0));
    assert_eq!(certificate, server_config.certificate.der());
    let (server_profile, server_keys, certificate) = server.connected().unwrap();
    assert_eq!((server_profile, server_keys), (profile, keys));
    assert_eq!(certificate, client_config.certificate.der());
}

#[tokio::test(start_paused = true)]
async fn the_servers_order_of_profiles_decides() {
    for (offered, accepted, chosen) in [
        (vec![CM, GCM], vec![GCM, CM], GCM),
        (vec![GCM, CM], vec![CM, GCM], CM),
        (vec![CM], vec![GCM, CM], CM),
        (vec![CM, GCM], vec![GCM], GCM),
    ] {
        let (mut c, mut s) = (config(), config());
        (c.profiles, s.profiles) = (offered, accepted);
        let mut client = End::start(c, DtlsRole::Client);
        let mut server = End::start(s, DtlsRole::Server);
        assert!(connect(&mut client, &mut server).await);
        assert_eq!(client.connected().unwrap().0, chosen);
        assert_eq!(server.connected().unwrap().0, chosen);
    }
}

#[tokio::test(start_paused = true)]
async fn no_profile_in_common_fails_at_both_ends_at_once() {
    let (mut c, mut s) = (config(), config());
    (c.profiles, s.profiles) = (vec![CM], vec![GCM]);
    let mut client = End::start(c, DtlsRole::Client);
    let mut server = End::start(s, DtlsRole::Server);
    let limit = Duration::from_secs(1);
    let done = |c: &End, s: &End| c.failed().is_some() && s.failed().is_some();
    assert!(carry(&mut client, &mut server, limit, |_, _| 1, done).await);
    assert_eq!(server.failed(), Some(DtlsFailure::NoProfile));
    assert_eq!(client.failed(), Some(DtlsFailure::Handshake));
}

#[tokio::test(start_paused = true)]
async fn application_data_goes_both_ways_in_order() {
    let (mut client, mut server) = pair();
    assert!(connect(&mut client, &mut server).await);
    let packets: Vec<Vec<u8>> = (0..50_u8).map(|i| vec![i; 1200]).collect();
    for packet in &packets {
        client.dtls.handle_action(DtlsAction::Send(packet.clone()));
        server.dtls.handle_action(DtlsAction::Send(packet.clone()));
    }
    let limit = Duration::from_secs(1);
    let done = |c: &End, s: &End| c.received().len() + s.received().len() == 100;
    assert!(carry(&mut client, &mut server, limit, |_, _| 1, done).await);
    assert_eq!(client.received(), packets);
    assert_eq!(server.received(), packets);
}

#[tokio::test(start_paused = true)]
async fn what_is_too_long_is_not_sent() {
    let (mut client, mut server) = pair();
    assert!(connect(&mut client, &mut server).await);
    client.dtls.handle_action(DtlsAction::Send(vec![1; 2049]));
    client.dtls.handle_action(DtlsAction::Send(vec![2; 2048]));
    let limit = Duration::from_secs(1);
    let done = |_: &End, s: &End| !s.received().is_empty();
    assert!(carry(&mut client, &mut server, limit, |_, _| 1, done).await);
    assert_eq!(server.received(), [vec![2; 2048]]);
    assert_eq!(client.dtls.stats().queue_full, 1);
}

#[tokio::test(start_paused = true)]
async fn close_reaches_the_other_end() {
    let (mut client, mut server) = pair();
    assert!(connect(&mut client, &mut server).await);
    server.dtls.handle_action(DtlsAction::Close);
    let limit = Duration::from_secs(1);
    let done = |c: &End, s: &End| c.dtls.is_finished() && s.dtls.is_finished();
    assert!(carry(&mut client, &mut server, limit, |_, _| 1, done).await);
    client.datagrams();
    assert_eq!(client.heard.last(), Some(&DtlsEvent::Closed));
    assert!(matches!(
        server.heard.last(),
        Some(DtlsEvent::Connected { .. })
    ));
}

#[tokio::test(start_paused = true)]
async fn handshakes_leave_no_tasks() {
    let alive = || Handle::current().metrics().num_alive_tasks();
    let before = alive();
    for round in 0..30 {
        let (mut client, mut server) = pair();
        assert!(connect(&mut client, &mut server).await);
        match round % 3 {
            0 => client.dtls.handle_action(DtlsAction::Close),
            1 => drop(client), // both handles go without a word
            _ => {
                let (c, mut half) = pair(); // an unfinished handshake
                half.exchange(vec![]).await;
                drop((c, half));
                server.dtls.handle_action(DtlsAction::Close);
            }
        }
        settle().await;
        if round % 3 == 0 {
            assert!(server.exchange(vec![]).await.len() <= 1);
        }
        drop(server);
        settle().await;
    }
    settle().await;
    assert_eq!(alive(), before);
}

#[tokio::test(start_paused = true)]
async fn a_connection_has_no_task() {
    let alive = || Handle::current().metrics().num_alive_tasks();
    let before = alive();
    let (mut client, mut server) = pair();
    assert!(connect(&mut client, &mut server).await);
    settle().await;
    assert_eq!(alive(), before);
    // And does without one.
    client.dtls.handle_action(DtlsAction::Send(vec![1; 100]));
    for datagram in client.datagrams() {
        server.dtls.handle_action(DtlsAction::Datagram(datagram));
    }
    server.datagrams();
    assert_eq!(server.received(), [vec![1; 100]]);
    assert!(!server.dtls.is_finished());
}

/// The core closes while the task shakes hands: what it still says is a goodbye.
#[tokio::test(start_paused = true)]
async fn close_and_the_end_of_the_handshake_may_meet() {
    for rounds in 0..8 {
        let (mut client, mut server) = pair();
        let mut to_client = vec![];
        for _ in 0..rounds {
            let to_server = client.exchange(to_client).await;
            to_client = server.exchange(to_server).await;
        }
        let to_server = client.exchange(to_client).await;
        for datagram in to_server {
            server.dtls.handle_action(DtlsAction::Datagram(datagram));
        }
        server.dtls.handle_action(DtlsAction::Close);
        settle().await;
        server.datagrams();
        assert!(server.dtls.is_finished(), "after {rounds} rounds");
        assert_eq!(server.failed(), None, "after {rounds} rounds");
    }
}

#[tokio::test(start_paused = true)]
async fn close_frees_a_handshake_under_way() {
    let alive = || Handle::current().metrics().num_alive_tasks();
    let before = alive();
    let client = End::start(config(), DtlsRole::Client);
    settle().await;
    assert!(alive() > before);
    client.dtls.handle_action(DtlsAction::Close);
    settle().await;
    assert!(client.dtls.is_finished());
    assert_eq!(alive(), before);
}

/// webrtc-dtls alone would send for ever, every 100 ms.
#[tokio::test(start_paused = true)]
async fn a_peer_that_never_answers_meets_the_deadline() {
    let began = Instant::now();
    let mut client = End::start(config(), DtlsRole::Client);
    let mut sent = 0;
    while client.failed().is_none() && began.elapsed() < Duration::from_secs(60) {
        client.woken(Duration::from_secs(5)).await;
        sent += client.datagrams().len();
    }
    assert_eq!(client.failed(), Some(DtlsFailure::Handshake));
    assert_eq!(began.elapsed().as_secs(), 30);
    assert!((10..=40).contains(&sent), "{sent} ClientHellos");
    settle().await;
    assert!(client.dtls.is_finished());
}

#[tokio::test(start_paused = true)]
async fn datagrams_before_the_start_wait_for_it() {
    let mut client = End::start(config(), DtlsRole::Client);
    let mut server = End::new(config());
    for datagram in client.exchange(vec![]).await {
        server.dtls.handle_action(DtlsAction::Datagram(datagram));
    }
    settle().await;
    assert!(server.datagrams().is_empty());
    server
        .dtls
        .handle_action(DtlsAction::Start(DtlsRole::Server));
    settle().await;
    assert_eq!(server.datagrams().len(), 1); // HelloVerifyRequest
}

#[tokio::test(start_paused = true)]
async fn a_certificate_that_survived_a_restart_serves() {
    let stored = Certificate::generate().unwrap().to_pem();
    let mut c = config();
    c.certificate = Certificate::from_pem(&stored).unwrap();
    let fingerprint = c.certificate.sha256_fingerprint();
    let mut client = End::start(c.clone(), DtlsRole::Client);
    let mut server = End::start(config(), DtlsRole::Server);
    assert!(connect(&mut client, &mut server).await);
    let shown = server.connected().unwrap().2;
    assert_eq!(shown, c.certificate.der());
    assert_ne!(fingerprint, config().certificate.sha256_fingerprint());
}
