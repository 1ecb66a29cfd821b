//! Which packets to ask for again, and when (RFC 4585 section 6.2.1).

use alloc::vec::Vec;
use core::time::Duration;

use crate::id::{ExtSeq, SeqNo};
use crate::time::Instant;
use crate::window::SeenWindow;

/// When to ask, and when to stop asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NackPolicy {
    /// A missing number may be late by reordering: it is asked for when this
    /// many numbers have passed it...
    pub reorder_packets: u16,
    /// ...or after this time, whichever is first.
    pub reorder_delay: Duration,
    /// Shortest time between two requests for one number. The round trip and
    /// a quarter counts where it is longer.
    pub min_interval: Duration,
    /// Requests for one number before it is given up.
    pub max_requests: u8,
    /// Age at which it is given up: the picture has moved on.
    pub max_age: Duration,
    /// Most numbers missing at a time; the oldest are given up first.
    pub max_missing: usize,
}

impl Default for NackPolicy {
    fn default() -> Self {
        Self {
            reorder_packets: 3,
            reorder_delay: Duration::from_millis(10),
            min_interval: Duration::from_millis(20),
            max_requests: 10,
            max_age: Duration::from_secs(1),
            max_missing: 512,
        }
    }
}

/// What a packet was to the receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arrival {
    /// The highest number so far.
    New,
    /// A lower number that had not come before, by reordering or repair.
    Recovered,
    /// Seen before, or more than 1024 numbers old.
    Duplicate,
}

/// Watches one stream's sequence numbers and lists the ones to ask for.
///
/// Allocates once, when made. In a stream without loss a packet costs a few
/// instructions.
#[derive(Clone, Debug)]
pub struct NackGenerator {
    policy: NackPolicy,
    seen: SeenWindow<16>,
    highest: Option<ExtSeq>,
    /// Ascending.
    missing: Vec<Missing>,
    /// The earliest `due` in `missing`, or earlier.
    next_due: Option<Instant>,
    given_up: u64,
}

#[derive(Clone, Copy, Debug)]
struct Missing {
    seq: ExtSeq,
    since: Instant,
    due: Instant,
    requests: u8,
}

impl NackGenerator {
    /// A generator that has seen nothing.
    pub fn new(policy: NackPolicy) -> Self {
        Self {
            policy,
            seen: SeenWindow::default(),
            highest: None,
            missing: Vec::with_capacity(policy.max_missing),
            next_due: None,
            given_up: 0,
        }
    }

    /// Numbers asked for or about to be.
    pub fn missing(&self) -> usize {
        self.missing.len()
    }

    /// Numbers given up since the beginning. When it rises, the stream has a
    /// hole that only a key frame mends.
    pub const fn given_up(&self) -> u64 {
        self.given_up
    }

    /// The highest number seen.
    pub const fn highest(&self) -> Option<ExtSeq> {
        self.highest
    }

    /// When to call [`Self::poll`] next, if nothing arrives before.
    pub const fn next_timeout(&self) -> Option<Instant> {
        self.next_due
    }

    /// Notes a packet, be it an original or a repair.
    pub fn on_packet(&mut self, now: Instant, seq: ExtSeq) -> Arrival {
        if !self.seen.is_new(seq.0) {
            return Arrival::Duplicate;
        }
        self.seen.note(seq.0);
        match self.highest {
            Some(highest) if seq < highest => {
                if let Ok(i) = self.missing.binary_search_by_key(&seq, |m| m.seq) {
                    self.missing.remove(i);
                    self.forget_timeout_if_idle();
                }
                Arrival::Recovered
            }
            highest => {
                self.highest = Some(seq);
                if let Some(highest) = highest {
                    self.note_gap(now, highest, seq);
                }
                self.hasten(now, seq);
                Arrival::New
            }
        }
    }

    /// Forgets what is missing before `seq`, where a key frame begins: it is
    /// not needed any more, and does not count as given up.
    pub fn on_key_frame(&mut self, seq: ExtSeq) {
        let old = self.missing.partition_point(|m| m.seq < seq);
        self.missing.drain(..old);
        self.forget_timeout_if_idle();
    }

    /// Appends to `due` the numbers to ask for now, in ascending order: at most
    /// [`NackPolicy::max_missing`]. `rtt` is the round trip to the sender.
    pub fn poll(&mut self, now: Instant, rtt: Duration, due: &mut Vec<SeqNo>) {
        if self.next_due.is_none_or(|at| now < at) {
            return;
        }
        let policy = self.policy;
        let interval = policy.min_interval.max(rtt.saturating_add(rtt / 4));
        let before = self.missing.len();
        let mut next_due: Option<Instant> = None;
        self.missing.retain_mut(|m| {
            if now >= m.due {
                if m.requests >= policy.max_requests || now.since(m.since) >= policy.max_age {
                    return false;
                }
                m.requests += 1;
                m.due = now + interval;
                due.push(m.seq.seq());
            }
            next_due = Some(next_due.map_or(m.due, |at| at.min(m.due)));
            true
        });
        self.given_up += (before - self.missing.len()) as u64;
        self.next_due = next_due;
    }

    /// Everything between `highest` and `seq` is missing.
    fn note_gap(&mut self, now: Instant, highest: ExtSeq, seq: ExtSeq) {
        let gap = seq.0 - highest.0 - 1;
        if gap == 0 {
            return;
        }
        let max = self.policy.max_missing as u64;
        let tracked = gap.min(max);
        let excess = (self.missing.len() as u64 + tracked).saturating_sub(max);
        self.missing.drain(..excess as usize); // at most len, as tracked <= max
        self.given_up += excess + (gap - tracked);

        let due = now + self.policy.reorder_delay;
        self.missing
            .extend((seq.0 - tracked..seq.0).map(|n| Missing {
                seq: ExtSeq(n),
                since: now,
                due,
                requests: 0,
            }));
        self.next_due = Some(self.next_due.map_or(due, |at| at.min(due)));
    }

    /// What `seq` has passed by far enough is lost rather than late.
    fn hasten(&mut self, now: Instant, seq: ExtSeq) {
        let distance = u64::from(self.policy.reorder_packets);
        // The newest are at the end, and only they have not been asked for.
        for m in self.missing.iter_mut().rev() {
            if m.requests > 0 || m.due <= now {
                break;
            }
            if seq.0 - m.seq.0 >= distance {
                m.due = now;
                self.next_due = Some(now);
            }
        }
    }

    fn forget_timeout_if_idle(&mut self) {
        if self.missing.is_empty() {
            self.next_due = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RTT: Duration = Duration::from_millis(40);

    fn ms(ms: u64) -> Instant {
        Instant::from_millis(ms)
    }

    fn generator() -> NackGenerator {
        NackGenerator::new(NackPolicy::default())
    }

    fn poll(g: &mut NackGenerator, at: u64) -> Vec<u16> {
        let mut due = Vec::new();
        g.poll(ms(at), RTT, &mut due);
        due.iter().map(|s| s.0).collect()
    }

    #[test]
    fn a_stream_without_loss_needs_no_timer() {
        let mut g = generator();
        for n in 0..1000 {
            assert_eq!(g.on_packet(ms(n), ExtSeq(n)), Arrival::New);
            assert_eq!(g.next_timeout(), None);
        }
    }

    #[test]
    fn reordering_within_tolerance_is_not_asked_for() {
        let mut g = generator();
        for n in [10, 12, 13] {
            g.on_packet(ms(0), ExtSeq(n));
        }
        assert!(poll(&mut g, 9).is_empty());
        assert_eq!(g.on_packet(ms(9), ExtSeq(11)), Arrival::Recovered);
        assert_eq!(g.next_timeout(), None);
        assert_eq!(g.on_packet(ms(9), ExtSeq(11)), Arrival::Duplicate);
        assert_eq!(g.on_packet(ms(9), ExtSeq(13)), Arrival::Duplicate);
    }

    #[test]
    fn asks_after_three_packets_or_ten_milliseconds() {
        let mut g = generator();
        for n in [10, 12, 13, 14] {
            g.on_packet(ms(0), ExtSeq(n));
        }
        assert_eq!(g.next_timeout(), Some(ms(0)));
        assert_eq!(poll(&mut g, 0), [11]);

        g.on_packet(ms(5), ExtSeq(16));
        assert_eq!(g.next_timeout(), Some(ms(15)));
        assert_eq!(poll(&mut g, 15), [15]);
        // 11 again a round trip and a quarter after the first time.
        assert_eq!(g.next_timeout(), Some(ms(50)));
        assert_eq!(poll(&mut g, 50), [11]);
    }

    #[test]
    fn gives_up_after_the_last_request() {
        let mut g = generator();
        g.on_packet(ms(0), ExtSeq(1));
        g.on_packet(ms(0), ExtSeq(3));
        let mut requests = 0;
        while let Some(at) = g.next_timeout() {
            requests += poll(&mut g, at.as_micros().div_ceil(1000)).len();
        }
        assert_eq!(requests, 10);
        assert_eq!((g.given_up(), g.missing()), (1, 0));
        assert_eq!(g.on_packet(ms(900), ExtSeq(2)), Arrival::Recovered);
    }

    #[test]
    fn a_key_frame_ends_the_need() {
        let mut g = generator();
        for n in [1, 5, 8] {
            g.on_packet(ms(0), ExtSeq(n));
        }
        g.on_key_frame(ExtSeq(6));
        assert_eq!(poll(&mut g, 20), [6, 7]);
        g.on_key_frame(ExtSeq(8));
        assert_eq!((g.next_timeout(), g.given_up()), (None, 0));
    }

    #[test]
    fn a_leap_is_bounded() {
        let mut g = generator();
        g.on_packet(ms(0), ExtSeq(0));
        g.on_packet(ms(0), ExtSeq(30_000));
        assert_eq!(g.missing(), 512);
        assert_eq!(g.given_up(), 29_999 - 512);
        assert_eq!(poll(&mut g, 10).len(), 512);
        g.on_packet(ms(11), ExtSeq(30_011));
        assert_eq!((g.missing(), g.given_up()), (512, 29_999 - 512 + 10));
    }

    proptest! {
        #[test]
        fn asks_for_what_is_missing_and_nothing_else(
            arrivals in proptest::collection::vec((0u64..300, 0u64..8), 1..300)
        ) {
            let mut g = generator();
            let mut seen = std::collections::BTreeSet::new();
            let mut at = 0;
            for (seq, wait) in arrivals {
                at += wait;
                let kind = g.on_packet(ms(at), ExtSeq(seq));
                prop_assert_eq!(kind == Arrival::Duplicate, !seen.insert(seq));
                let timeout = g.next_timeout();
                for due in poll(&mut g, at) {
                    prop_assert!(timeout.is_some_and(|t| t <= ms(at)));
                    prop_assert!(!seen.contains(&u64::from(due)));
                    prop_assert!(seen.last().is_some_and(|h| u64::from(due) < *h));
                }
                prop_assert_eq!(g.next_timeout().is_some(), g.missing() > 0);
            }
        }
    }
}
