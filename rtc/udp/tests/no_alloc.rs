//! Neither direction allocates once its buffers are there.
#![cfg(target_os = "linux")]
#![allow(unsafe_code)] // the counting allocator

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::Ipv4Addr;

use transom_rtc_udp::{RecvBatch, SocketConfig, Transmit, UdpSocket};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call goes on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|n| n.set(n.get() + 1));
        // SAFETY: the caller's contract is the callee's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations() -> u64 {
    ALLOCATIONS.with(Cell::get)
}

#[test]
fn steady_state_allocates_nothing() {
    let any = (Ipv4Addr::LOCALHOST, 0).into();
    let config = SocketConfig::default();
    let a = UdpSocket::bind(any, &config).unwrap();
    let b = UdpSocket::bind(any, &config).unwrap();
    let mut batch = RecvBatch::new(32, RecvBatch::GRO_BUFFER);
    let contents = vec![5; 9000];
    let mut transmits = vec![
        Transmit {
            local: a.local_addr(),
            remote: b.local_addr(),
            range: 0..0,
            segment_size: None,
        };
        4
    ];

    let before = allocations();
    let mut received = 0;
    for _ in 0..200 {
        for (transmit, segment_size) in transmits.iter_mut().zip([Some(1000), None, Some(900)]) {
            transmit.range = 0..9000;
            transmit.segment_size = segment_size;
        }
        transmits[3].range = 0..9001; // malformed: dropped without an allocation too
        assert_eq!(a.send_batch(&mut transmits, &contents).unwrap(), 4);
        while b.recv(&mut batch).is_ok() {
            received += batch
                .datagrams()
                .map(|d| usize::from(d.payload[0]))
                .sum::<usize>()
                / 5;
        }
    }
    assert_eq!(allocations() - before, 0);
    assert_eq!(received, 200 * (9 + 1 + 10));

    drop(vec![0_u8; 10]);
    assert!(allocations() > before, "the counter counts");
}
