use std::net::SocketAddr;

use super::*;

/// Plays a kernel: answers each call from a script and writes down what it was given.
struct Kernel {
    script: Vec<Result<usize, i32>>,
    calls: Vec<Vec<Message>>,
    gso: Gso,
    tally: Tally,
}

impl Kernel {
    /// Answers in the order of `script`; after its end everything is taken.
    fn new(script: &[Result<usize, i32>]) -> Self {
        Self {
            script: script.iter().rev().copied().collect(),
            calls: Vec::new(),
            gso: Gso::new(true),
            tally: Tally::default(),
        }
    }

    fn send(&mut self, transmits: &mut [Transmit], contents: &[u8]) -> io::Result<usize> {
        send_batch(
            transmits,
            contents,
            &self.gso,
            &self.tally,
            |_, messages| {
                assert!(!messages.is_empty());
                self.calls.push(messages.to_vec());
                match self.script.pop() {
                    Some(Err(errno)) => Err(io::Error::from_raw_os_error(errno)),
                    Some(Ok(n)) => Ok(n),
                    None => Ok(messages.len()),
                }
            },
        )
    }

    /// Ranges of the messages of a call.
    fn ranges(&self, call: usize) -> Vec<Range<usize>> {
        self.calls[call].iter().map(|m| m.range.clone()).collect()
    }
}

fn transmit(range: Range<usize>, segment_size: Option<usize>) -> Transmit {
    let any: SocketAddr = "127.0.0.1:9".parse().unwrap();
    Transmit {
        local: any,
        remote: any,
        range,
        segment_size,
    }
}

#[test]
fn a_burst_leaves_whole() {
    let mut kernel = Kernel::new(&[]);
    let mut transmits = [transmit(0..250, Some(100)), transmit(250..300, None)];
    assert_eq!(kernel.send(&mut transmits, &[0; 300]).unwrap(), 2);
    assert_eq!(kernel.calls.len(), 1);
    assert_eq!(kernel.calls[0][0].segment_size, Some(100));
    assert_eq!(kernel.calls[0][1].segment_size, None);
    assert_eq!(kernel.tally.snapshot().sent, 4);
}

#[test]
fn one_datagram_is_not_segmented() {
    let mut kernel = Kernel::new(&[]);
    let mut transmits = [transmit(0..100, Some(100)), transmit(0..5, Some(100))];
    assert_eq!(kernel.send(&mut transmits, &[0; 100]).unwrap(), 2);
    assert!(kernel.calls[0].iter().all(|m| m.segment_size.is_none()));
}

#[test]
fn a_burst_past_the_limits_leaves_in_several() {
    let mut kernel = Kernel::new(&[]);
    let contents = vec![0; 200_000];
    let mut transmits = [
        transmit(0..130, Some(1)),          // 64 segments are the most
        transmit(0..140_000, Some(1200)),   // 54 times 1200 bytes are the most
        transmit(0..100_000, Some(40_000)), // two do not fit together
        transmit(0..140_001, Some(70_000)), // nor one
    ];
    assert_eq!(kernel.send(&mut transmits, &contents).unwrap(), 4);
    let sizes: Vec<_> = kernel.calls[0].iter().map(|m| m.range.len()).collect();
    assert_eq!(
        sizes,
        [
            64, 64, 2, 64_800, 64_800, 10_400, 40_000, 40_000, 20_000, 70_000, 70_000, 1
        ]
    );
}

#[test]
fn more_than_one_call_holds_goes_on_in_the_next() {
    let mut kernel = Kernel::new(&[]);
    let mut transmits: Vec<_> = (0..150).map(|i| transmit(i..i + 1, None)).collect();
    assert_eq!(kernel.send(&mut transmits, &[0; 150]).unwrap(), 150);
    let calls: Vec<_> = kernel.calls.iter().map(Vec::len).collect();
    assert_eq!(calls, [64, 64, 22]);
    assert_eq!(kernel.calls[2][21].range, 149..150);
}

#[test]
fn a_refused_message_does_not_keep_the_others_back() {
    let mut kernel = Kernel::new(&[Ok(1), Err(libc::ENETUNREACH), Err(libc::EPERM)]);
    let mut transmits = [
        transmit(0..10, None),
        transmit(10..20, None),
        transmit(20..60, Some(10)),
        transmit(60..70, None),
    ];
    assert_eq!(kernel.send(&mut transmits, &[0; 70]).unwrap(), 4);
    assert_eq!(kernel.ranges(3).first(), Some(&(60..70)));
    let counters = kernel.tally.snapshot();
    assert_eq!((counters.sent, counters.refused), (2, 5));
    assert!(kernel.gso.in_use());
}

#[test]
fn a_full_socket_says_how_far_it_got() {
    let mut kernel = Kernel::new(&[Ok(2), Err(libc::EAGAIN)]);
    let mut transmits = [
        transmit(0..10, None),
        transmit(10..20, None),
        transmit(20..30, None),
    ];
    assert_eq!(kernel.send(&mut transmits, &[0; 30]).unwrap(), 2);
    assert_eq!(transmits[1].range, 10..20);

    let mut kernel = Kernel::new(&[Err(libc::EAGAIN)]);
    let error = kernel.send(&mut transmits[2..], &[0; 30]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
}

#[test]
fn a_burst_cut_short_goes_on_where_it_stopped() {
    let mut kernel = Kernel::new(&[Ok(3), Err(libc::EAGAIN)]);
    kernel.gso.switch_off();
    let mut transmits = [transmit(0..10, None), transmit(10..50, Some(10))];
    assert_eq!(kernel.send(&mut transmits, &[0; 50]).unwrap(), 1);
    assert_eq!(transmits[1].range, 30..50);
    assert_eq!(kernel.send(&mut transmits[1..], &[0; 50]).unwrap(), 1);
    assert_eq!(kernel.ranges(2), [30..40, 40..50]);
}

#[test]
fn refused_segmentation_is_switched_off_and_nothing_is_lost() {
    for errno in [libc::EIO, libc::EINVAL] {
        let mut kernel = Kernel::new(&[Err(errno)]);
        let mut transmits = [transmit(0..30, Some(10)), transmit(30..60, Some(10))];
        assert_eq!(kernel.send(&mut transmits, &[0; 60]).unwrap(), 2);
        let all: Vec<_> = kernel.calls[1..].concat();
        // The first burst singly. The second may still have been planned whole beside it.
        assert_eq!(kernel.ranges(1)[..3], [0..10, 10..20, 20..30]);
        assert_eq!(all.iter().map(|m| m.range.len()).sum::<usize>(), 60);
        assert!(!kernel.gso.in_use());
        assert_eq!(kernel.tally.snapshot().sent, 6);

        let mut again = [transmit(0..30, Some(10))];
        kernel.send(&mut again, &[0; 30]).unwrap();
        assert_eq!(kernel.calls.last().unwrap().len(), 3);
    }
}

#[test]
fn a_bad_path_does_not_switch_segmentation_off() {
    // The burst is refused, and so is its first datagram by itself.
    let mut kernel = Kernel::new(&[Err(libc::EINVAL), Err(libc::EINVAL)]);
    let mut transmits = [transmit(0..30, Some(10)), transmit(30..60, Some(10))];
    assert_eq!(kernel.send(&mut transmits, &[0; 60]).unwrap(), 2);
    assert_eq!(kernel.calls.len(), 3);
    assert_eq!(kernel.ranges(2).first(), Some(&(30..60)));
    assert!(kernel.gso.in_use());
    let counters = kernel.tally.snapshot();
    assert_eq!((counters.sent, counters.refused), (3, 3));
}

#[test]
fn segments_too_long_for_one_link_do_not_switch_segmentation_off() {
    let mut kernel = Kernel::new(&[Err(libc::EINVAL)]);
    let mut transmits = [transmit(0..4200, Some(1400))];
    assert_eq!(kernel.send(&mut transmits, &[0; 4200]).unwrap(), 1);
    assert_eq!(kernel.calls[1].len(), 3);
    assert!(kernel.gso.in_use());
    assert_eq!(kernel.tally.snapshot().gso_refused, 1);
}

#[test]
fn a_full_socket_in_the_middle_of_a_trial_loses_nothing() {
    let mut kernel = Kernel::new(&[Err(libc::EINVAL), Err(libc::EAGAIN)]);
    let mut transmits = [transmit(0..30, Some(10))];
    assert!(kernel.send(&mut transmits, &[0; 30]).is_err());
    assert_eq!(transmits[0].range, 0..30);
    assert_eq!(kernel.send(&mut transmits, &[0; 30]).unwrap(), 1);
    assert_eq!(kernel.tally.snapshot().sent, 3);
}

#[test]
fn interruptions_are_tried_again_and_a_dead_socket_is_an_error() {
    let mut kernel = Kernel::new(&[Err(libc::EINTR), Err(libc::EINTR)]);
    let mut transmits = [transmit(0..10, None)];
    assert_eq!(kernel.send(&mut transmits, &[0; 10]).unwrap(), 1);
    assert_eq!(kernel.tally.snapshot().sent, 1);

    let mut kernel = Kernel::new(&[Err(libc::EBADF)]);
    assert!(kernel.send(&mut transmits, &[0; 10]).is_err());
}

#[test]
fn what_cannot_be_is_dropped_and_counted() {
    let mut kernel = Kernel::new(&[]);
    #[allow(clippy::reversed_empty_ranges)]
    let mut transmits = [
        transmit(0..11, None),
        transmit(7..3, Some(2)),
        transmit(0..10, Some(0)),
        transmit(usize::MAX - 1..usize::MAX, Some(usize::MAX)),
        transmit(5..5, None),
        transmit(0..10, Some(usize::MAX)),
    ];
    assert_eq!(kernel.send(&mut transmits, &[0; 10]).unwrap(), 6);
    assert_eq!(kernel.calls.concat().len(), 1);
    let counters = kernel.tally.snapshot();
    assert_eq!((counters.sent, counters.malformed), (1, 4));
    assert_eq!(kernel.send(&mut [], &[]).unwrap(), 0);
}
