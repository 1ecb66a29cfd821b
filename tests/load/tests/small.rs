//! What the server takes for itself: time to start, memory, wake-ups, and nothing
//! that stays behind. Bounds are loose; `cargo xtask bench` has the goals.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests are tests"
)]

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Stdio;
use std::time::{Duration, Instant};

use support::{Figures, run, server, transom_load};
use transom_tests_e2e::{StateDir, sfu};

#[test]
fn who_joins_and_leaves_leaves_nothing_behind() {
    let mut sfu = server("");
    let words = ["--cycles", "200", "--at-once", "10"];
    let output = transom_load("churn", &sfu, "load", &words).output();
    // It fails where threads or files stay behind, or a join fails.
    let f = Figures::of(&output.expect("transom-load runs"));
    assert_eq!(f.number("cycles"), 200.0);
    assert_eq!(f.number("failed"), 0.0);
    assert!(f.number("threads_after") <= f.number("threads_before"));
    assert!(f.number("files_after") <= f.number("files_before"));
    sfu.still_serves();
}

#[test]
fn an_idle_subscriber_wakes_nobody() {
    let sfu = server("");
    let words = ["-n", "30", "--idle", "--warmup", "2", "--seconds", "6"];
    let f = run(&sfu, &words);
    assert_eq!(f.number("connected"), 30.0);
    let woken: f64 = f.of_media_threads("sleeps_by_thread").iter().sum();
    // A check of consent every five seconds, and the figures of the media thread;
    // a sleep may be interrupted. A timer of each subscriber's own would be hundreds.
    let allowed = 2.0 * (f.number("sent_to_server") + f.number("seconds")) + 10.0;
    assert!(woken <= allowed, "woken {woken} times, not {allowed}");
    assert!(f.number("sent_to_server") < 30.0 * 3.0);
}

#[test]
fn a_subscriber_takes_little_memory() {
    let resident = |n: &str| {
        let sfu = server("");
        let words = ["-n", n, "--warmup", "0.5", "--seconds", "1"];
        run(&sfu, &words).number("rss")
    };
    let each = (resident("60") - resident("20")) / 40.0;
    assert!(each < 120e3, "{each} bytes");
}

#[test]
fn many_subscribers_lie_in_huge_pages_and_a_few_do_not() {
    let setting = |name: &str| {
        let path = format!("/sys/kernel/mm/transparent_hugepage/{name}");
        std::fs::read_to_string(path).unwrap_or_default()
    };
    let enabled = setting("enabled");
    if enabled.contains("[never]")
        || setting("hpage_pmd_size").trim() != "2097152"
        || cfg!(target_env = "musl")
    {
        eprintln!("skipped: this machine has no huge pages of 2 MB to ask for");
        return;
    }
    let huge = |n: &str| {
        let sfu = server("");
        let (state, pid) = (StateDir::new(), sfu.program.pid());
        let smaps = state.path().join("smaps");
        let look = format!("cp /proc/{pid}/smaps {}", smaps.display());
        let words = ["-n", n, "--warmup", "2", "--seconds", "1"];
        run(&sfu, &[&words[..], &["--at-end", &look]].concat());
        huge_kilobytes_of_heap(&std::fs::read_to_string(smaps).expect("a copy"))
    };
    assert!(huge("60") >= 2048);
    // Where all memory may become huge, the kernel does it unasked, when it comes to it.
    if !enabled.contains("[always]") {
        assert_eq!(huge("5"), 0);
    }
}

/// By proc(5): a line that begins with addresses begins a mapping.
fn huge_kilobytes_of_heap(smaps: &str) -> u64 {
    let (mut in_heap, mut sum) = (false, 0);
    for line in smaps.lines() {
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["AnonHugePages:", kilobytes, "kB"] if in_heap => {
                sum += kilobytes.parse::<u64>().expect("a number");
            }
            [range, rights, ..] if rights.len() == 4 && range.contains('-') => {
                in_heap = line.ends_with("[heap]");
            }
            _ => {}
        }
    }
    sum
}

#[test]
fn the_first_answer_comes_soon() {
    let state = StateDir::new();
    let best = (0..5).map(|_| first_answer(&state)).min();
    assert!(
        best.is_some_and(|b| b < Duration::from_millis(50)),
        "{best:?}"
    );
}

/// From the exec to the first HTTP answer.
fn first_answer(state: &StateDir) -> Duration {
    let port = TcpListener::bind("127.0.0.1:0").expect("a port");
    let http = port.local_addr().expect("its address");
    drop(port);
    let mut command = sfu(state.path());
    command
        .args(["--http", &http.to_string(), "--udp-port", "0"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let begun = Instant::now();
    let mut child = command.spawn().expect("transom-sfu");
    while !answers(http) {
        assert!(begun.elapsed() < Duration::from_secs(20), "no answer");
    }
    let after = begun.elapsed();
    child.kill().expect("it still runs");
    child.wait().expect("it has ended");
    after
}

fn answers(http: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect(http) else {
        return false;
    };
    let request = b"GET /healthz HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n";
    let mut answer = [0; 12];
    stream.write_all(request).is_ok()
        && stream.read_exact(&mut answer).is_ok()
        && answer.starts_with(b"HTTP/1.1 200")
}
