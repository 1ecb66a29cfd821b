//! Neighbours that came and went leave nothing behind. A test binary of its
//! own, because it watches the memory of the whole process.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, missing_docs)] // test code

#[allow(dead_code, unreachable_pub)] // shared by the test binaries
mod support;

use support::{connect, pair, settle};
use transom_rtc_proto::port::DtlsAction;

fn resident_kib() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

async fn connect_and_part(pairs: usize) {
    for i in 0..pairs {
        let (mut client, mut server) = pair();
        assert!(connect(&mut client, &mut server).await);
        if i % 2 == 0 {
            client.dtls.handle_action(DtlsAction::Close);
        }
        drop((client, server));
        settle().await;
    }
}

/// How much a pair may keep, KiB: with webrtc-dtls it would be 58.
const PAIR_KIB: i64 = 12;

#[tokio::test(start_paused = true)]
async fn connections_are_small_and_leave_nothing() {
    connect_and_part(100).await; // what is made once, and the allocator's slack
    let before = resident_kib();
    connect_and_part(1500).await;
    let grown = resident_kib() - before;
    // Leaking them all would be 1,500 pairs' worth.
    assert!(grown < 4096, "{grown} KiB");

    let before = resident_kib();
    let mut pairs = Vec::new();
    for _ in 0..1000 {
        let (mut client, mut server) = pair();
        assert!(connect(&mut client, &mut server).await);
        (client.heard, server.heard) = (vec![], vec![]);
        pairs.push((client, server));
    }
    let each = (resident_kib() - before) / 1000;
    println!("{each} KiB a pair");
    assert!(each <= PAIR_KIB, "{each} KiB");
}
