//! The socket against the kernel it runs on, over loopback.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic)] // a test

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, UdpSocket as StdSocket};
use std::thread;
use std::time::{Duration, Instant};

use transom_rtc_udp::{MAX_GSO_BYTES, MAX_MESSAGES, RecvBatch, SocketConfig, Transmit, UdpSocket};

const PLAIN: SocketConfig = SocketConfig {
    only_v6: false,
    recv_buffer: 1 << 20,
    send_buffer: 1 << 20,
    gro: false,
    gso: false,
};
const OFFLOADED: SocketConfig = SocketConfig {
    gro: true,
    gso: true,
    ..PLAIN
};

fn socket(addr: &str, config: &SocketConfig) -> UdpSocket {
    UdpSocket::bind(addr.parse().unwrap(), config).unwrap()
}

fn batch() -> RecvBatch {
    RecvBatch::new(MAX_MESSAGES, RecvBatch::GRO_BUFFER)
}

/// A datagram as it came: local address, remote address, payload.
type Arrival = (SocketAddr, SocketAddr, Vec<u8>);

/// Waits for `count` datagrams, and not much longer than they need.
fn arrivals(socket: &UdpSocket, batch: &mut RecvBatch, count: usize) -> Vec<Arrival> {
    let deadline = Instant::now() + Duration::from_secs(5);
    let mut arrived = Vec::new();
    while arrived.len() < count && Instant::now() < deadline {
        match socket.recv(batch) {
            Ok(_) => arrived.extend(
                batch
                    .datagrams()
                    .map(|d| (d.local, d.remote, d.payload.to_vec())),
            ),
            Err(e) if e.kind() == ErrorKind::WouldBlock => thread::sleep(Duration::from_millis(1)),
            Err(e) => panic!("{e}"),
        }
    }
    arrived
}

fn to(local: SocketAddr, remote: SocketAddr, contents: &[u8], segment: Option<usize>) -> Transmit {
    Transmit {
        local,
        remote,
        range: 0..contents.len(),
        segment_size: segment,
    }
}

fn send(socket: &UdpSocket, remote: SocketAddr, contents: &[u8], segment: Option<usize>) {
    let mut transmits = [to(socket.local_addr(), remote, contents, segment)];
    assert_eq!(socket.send_batch(&mut transmits, contents).unwrap(), 1);
}

/// `count` datagrams of `size` bytes, each filled with its number.
fn numbered(count: u8, size: usize) -> Vec<u8> {
    (0..count).flat_map(|i| vec![i; size]).collect()
}

#[test]
fn datagrams_pass_with_both_addresses() {
    for addr in ["127.0.0.1:0", "[::1]:0"] {
        let (a, b) = (socket(addr, &OFFLOADED), socket(addr, &OFFLOADED));
        send(&a, b.local_addr(), b"offer", None);
        let expected = (b.local_addr(), a.local_addr(), b"offer".to_vec());
        assert_eq!(arrivals(&b, &mut batch(), 1), [expected]);
    }
}

#[test]
fn nothing_waiting_is_would_block() {
    let idle = socket("127.0.0.1:0", &PLAIN);
    let error = idle.recv(&mut batch()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
}

#[test]
fn a_segmented_burst_arrives_whole_without_gro() {
    for addr in ["127.0.0.1:0", "[::1]:0"] {
        let (a, b) = (socket(addr, &OFFLOADED), socket(addr, &PLAIN));
        assert!(a.gso_in_use() && !b.gro_in_use());
        let mut contents = numbered(64, 1000);
        contents.truncate(63_500); // the last is shorter
        send(&a, b.local_addr(), &contents, Some(1000));
        let mut batch = RecvBatch::new(64, 2048);
        let arrived = arrivals(&b, &mut batch, 64);
        assert_eq!(arrived.len(), 64);
        for (i, (_, _, payload)) in arrived.iter().enumerate() {
            assert_eq!(payload.len(), if i < 63 { 1000 } else { 500 });
            assert!(payload.iter().all(|b| usize::from(*b) == i));
        }
        assert!(a.gso_in_use());
    }
}

#[test]
fn a_coalesced_burst_is_cut_up_again() {
    for addr in ["127.0.0.1:0", "[::1]:0", "[::]:0"] {
        let (a, b) = (socket(addr, &OFFLOADED), socket(addr, &OFFLOADED));
        assert!(b.gro_in_use());
        let target = match a.local_addr().ip() {
            ip if ip.is_unspecified() => ("127.0.0.1".parse().unwrap(), b.local_addr().port()),
            ip => (ip, b.local_addr().port()),
        };
        let contents = numbered(50, 1200);
        send(&a, target.into(), &contents, Some(1200));
        let mut batch = RecvBatch::new(1, RecvBatch::GRO_BUFFER);
        let mut taken = Err(ErrorKind::WouldBlock.into());
        for _ in 0..1000 {
            taken = b.recv(&mut batch);
            if taken.is_ok() {
                break;
            }
            thread::sleep(Duration::from_millis(1));
        }
        // One message in one buffer, so it was coalesced.
        assert_eq!(taken.unwrap(), 50, "{addr}");
        for (i, datagram) in batch.datagrams().enumerate() {
            assert_eq!(datagram.payload, vec![u8::try_from(i).unwrap(); 1200]);
            assert_eq!(datagram.local.ip(), target.0);
        }
    }
}

#[test]
fn without_segmentation_the_same_datagrams_arrive() {
    let a = socket("127.0.0.1:0", &PLAIN);
    let b = socket("127.0.0.1:0", &OFFLOADED);
    assert!(!a.gso_in_use());
    send(&a, b.local_addr(), &numbered(100, 300), Some(300));
    let arrived = arrivals(&b, &mut batch(), 100);
    assert_eq!(arrived.len(), 100);
    for (i, (_, _, payload)) in arrived.iter().enumerate() {
        assert_eq!(*payload, vec![u8::try_from(i).unwrap(); 300]);
    }
    assert_eq!(a.counters().sent, 100);
}

#[test]
fn one_call_serves_many_peers_with_bursts_and_singles() {
    let a = socket("127.0.0.1:0", &OFFLOADED);
    let peers: Vec<_> = (0..10).map(|_| socket("127.0.0.1:0", &OFFLOADED)).collect();
    let contents = numbered(8, 1100);
    let mut transmits: Vec<_> = peers
        .iter()
        .map(|p| to(a.local_addr(), p.local_addr(), &contents, Some(1100)))
        .collect();
    transmits[4].range = 1100..1107;
    transmits[4].segment_size = None;
    assert_eq!(a.send_batch(&mut transmits, &contents).unwrap(), 10);
    let counters = a.counters();
    assert_eq!((counters.sent, counters.send_calls), (73, 1));
    for (i, peer) in peers.iter().enumerate() {
        let expected = if i == 4 { 1 } else { 8 };
        let arrived = arrivals(peer, &mut batch(), expected);
        assert_eq!(arrived.len(), expected);
        assert_eq!(arrived[0].2.len(), if i == 4 { 7 } else { 1100 });
    }
}

#[test]
fn the_local_address_is_told_and_answers_leave_from_it() {
    for wildcard in ["0.0.0.0:0", "[::]:0"] {
        let server = socket(wildcard, &OFFLOADED);
        let port = server.local_addr().port();
        for ip in ["127.0.0.1", "127.0.0.2", "127.1.2.3"] {
            let client = StdSocket::bind("127.0.0.1:0").unwrap();
            let server_addr: SocketAddr = (ip.parse::<IpAddr>().unwrap(), port).into();
            client.connect(server_addr).unwrap(); // so only answers from there are taken
            client.send(b"binding request").unwrap();
            let arrived = arrivals(&server, &mut batch(), 1);
            assert_eq!(arrived[0].0, server_addr);
            assert_eq!(arrived[0].1, client.local_addr().unwrap());

            let contents = [7; 30];
            let mut transmits = [to(arrived[0].0, arrived[0].1, &contents, Some(10))];
            server.send_batch(&mut transmits, &contents).unwrap();
            client
                .set_read_timeout(Some(Duration::from_secs(5)))
                .unwrap();
            for _ in 0..3 {
                assert_eq!(client.recv(&mut [0; 64]).unwrap(), 10);
            }
        }
    }
}

#[test]
fn a_dual_socket_serves_both_families_and_a_v6_one_does_not() {
    let dual = socket("[::]:0", &PLAIN);
    let sender = socket("[::]:0", &PLAIN);
    for ip in ["127.0.0.1", "::1"] {
        let target = (ip.parse::<IpAddr>().unwrap(), dual.local_addr().port()).into();
        send(&sender, target, b"check", None);
        let arrived = arrivals(&dual, &mut batch(), 1);
        assert_eq!(arrived[0].0, target);
        assert_eq!(arrived[0].1.ip(), target.ip());
    }

    let only_v6 = SocketConfig {
        only_v6: true,
        ..PLAIN
    };
    let v6 = socket("[::]:0", &only_v6);
    // The IPv4 port is free for another.
    let port = v6.local_addr().port();
    let v4 = UdpSocket::bind(([127, 0, 0, 1], port).into(), &PLAIN);
    assert!(v4.is_ok());
    send(&v6, ([127, 0, 0, 1], port).into(), b"unreachable", None);
    assert_eq!(v6.counters().refused, 1);
}

#[test]
fn a_taken_port_is_refused() {
    let first = socket("127.0.0.1:0", &PLAIN);
    let error = UdpSocket::bind(first.local_addr(), &PLAIN).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
}

#[test]
fn truncated_datagrams_are_dropped_and_counted() {
    let (a, b) = (socket("127.0.0.1:0", &PLAIN), socket("127.0.0.1:0", &PLAIN));
    for size in [101, 100, 5000, 1] {
        send(&a, b.local_addr(), &vec![1; size], None);
    }
    let mut small = RecvBatch::new(4, 100);
    let sizes: Vec<_> = arrivals(&b, &mut small, 2)
        .iter()
        .map(|(_, _, payload)| payload.len())
        .collect();
    assert_eq!(sizes, [100, 1]);
    assert_eq!(b.counters().truncated, 2);
    assert_eq!(b.counters().received, 2);
}

#[test]
fn a_coalesced_message_too_long_is_dropped_and_counted() {
    let a = socket("127.0.0.1:0", &OFFLOADED);
    let b = socket("127.0.0.1:0", &OFFLOADED);
    send(&a, b.local_addr(), &numbered(10, 1000), Some(1000));
    send(&a, b.local_addr(), b"after", None);
    let arrived = arrivals(&b, &mut RecvBatch::new(2, 2000), 1);
    assert_eq!(arrived[0].2, b"after");
    assert_eq!(b.counters().truncated, 1);
}

#[test]
fn empty_datagrams_are_passed_over() {
    let a = StdSocket::bind("127.0.0.1:0").unwrap();
    let b = socket("127.0.0.1:0", &OFFLOADED);
    a.send_to(b"", b.local_addr()).unwrap();
    a.send_to(b"x", b.local_addr()).unwrap();
    let arrived = arrivals(&b, &mut batch(), 1);
    assert_eq!(arrived.len(), 1);
    assert_eq!(arrived[0].2, b"x");
}

#[test]
fn largest_and_smallest_sizes_pass() {
    let a = socket("127.0.0.1:0", &OFFLOADED);
    let b = socket("127.0.0.1:0", &OFFLOADED);
    let mut batch = batch();
    for (len, segment) in [
        (MAX_GSO_BYTES, None),
        (MAX_GSO_BYTES, Some(MAX_GSO_BYTES - 1)),
        (MAX_GSO_BYTES, Some(1024)),
        (1, None),
        (1, Some(1)),
        (200, Some(1)),
    ] {
        let contents: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
        send(&a, b.local_addr(), &contents, segment);
        let count = len.div_ceil(segment.unwrap_or(len));
        let arrived = arrivals(&b, &mut batch, count);
        assert_eq!(arrived.len(), count, "{len} bytes by {segment:?}");
        let all: Vec<u8> = arrived.into_iter().flat_map(|(_, _, p)| p).collect();
        assert_eq!(all, contents);
    }
}

#[test]
fn refused_messages_are_passed_over() {
    let a = socket("127.0.0.1:0", &OFFLOADED);
    let b = socket("127.0.0.1:0", &OFFLOADED);
    let contents = vec![3; 70_000];
    let good = to(a.local_addr(), b.local_addr(), &contents[..10], None);
    let mut transmits = vec![good.clone(); 8];
    transmits[0].range = 0..65_508; // one byte more than a datagram holds
    transmits[1].local = "203.0.113.9:0".parse().unwrap(); // not an address of ours
    transmits[2].remote = "255.255.255.255:9".parse().unwrap(); // broadcast was not asked for
    transmits[4].local = "203.0.113.9:0".parse().unwrap();
    transmits[4].range = 0..30;
    transmits[4].segment_size = Some(10);
    transmits[5].remote = "[::1]:9".parse().unwrap(); // the other family
    transmits[6].remote.set_port(0);
    assert_eq!(a.send_batch(&mut transmits, &contents).unwrap(), 8);
    let counters = a.counters();
    assert_eq!((counters.sent, counters.refused), (2, 8));
    assert!(a.gso_in_use(), "none of this is a refusal to segment");
    let arrived = arrivals(&b, &mut batch(), 2).len();
    assert_eq!(arrived, 2, "{:?}", b.counters());
}

#[test]
fn a_closed_port_does_not_disturb() {
    let a = socket("127.0.0.1:0", &OFFLOADED);
    let closed = socket("127.0.0.1:0", &PLAIN).local_addr();
    let b = socket("127.0.0.1:0", &PLAIN);
    for _ in 0..3 {
        send(&a, closed, b"anyone?", None);
        send(&a, b.local_addr(), b"hello", None);
    }
    assert_eq!(arrivals(&b, &mut batch(), 3).len(), 3);
    let error = a.recv(&mut batch()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
}

#[test]
fn buffers_are_reported_as_granted() {
    let modest = SocketConfig {
        recv_buffer: 65_536,
        send_buffer: 32_768,
        ..PLAIN
    };
    let granted = socket("127.0.0.1:0", &modest);
    assert_eq!(granted.recv_buffer(), 65_536);
    assert_eq!(granted.send_buffer(), 32_768);
    let greedy = SocketConfig {
        recv_buffer: usize::MAX,
        ..PLAIN
    };
    let limited = socket("127.0.0.1:0", &greedy);
    assert!(limited.recv_buffer() >= 65_536);
    assert!(limited.recv_buffer() < usize::MAX);
}
