//! Arrival times of a transport's packets, told to the sender
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01).

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use crate::id::{ExtSeq, SeqNo, Ssrc};
use crate::rtcp::{TICK, TwccFeedback};
use crate::rtp::SeqUnwrapper;
use crate::time::Instant;

/// Numbers remembered. Late packets within it are reported after all.
const WINDOW: usize = 512;

/// Feedback goes out this long after the first packet it reports on...
const INTERVAL: Duration = Duration::from_millis(50);

/// ...or when this many numbers are waiting.
const ENOUGH: u64 = 200;

/// Records when each transport-wide number arrived and makes feedback of it.
#[derive(Clone, Debug)]
pub struct TwccReceiver {
    unwrapper: SeqUnwrapper,
    /// Arrival in ticks, indexed by number modulo the window.
    arrivals: Box<[Option<i64>]>,
    /// The first number that the next feedback reports on, if there is news.
    begin: Option<ExtSeq>,
    /// One past the last number reported on.
    reported: ExtSeq,
    due: Option<Instant>,
    feedback_count: u8,
}

impl Default for TwccReceiver {
    fn default() -> Self {
        Self::new()
    }
}

impl TwccReceiver {
    /// A receiver that has seen nothing. Allocates here, and never again.
    pub fn new() -> Self {
        Self {
            unwrapper: SeqUnwrapper::new(),
            arrivals: vec![None; WINDOW].into_boxed_slice(),
            begin: None,
            reported: ExtSeq(0),
            due: None,
            feedback_count: 0,
        }
    }

    /// Notes that the packet with the transport-wide number `seq` arrived.
    pub fn on_packet(&mut self, now: Instant, seq: SeqNo) {
        let before = self.unwrapper.highest();
        let seq = self.unwrapper.unwrap(seq);
        let highest = self.unwrapper.highest().unwrap_or(seq);
        if highest.0 - seq.0 >= WINDOW as u64 {
            return;
        }
        // Slots of numbers skipped over hold what was there a window ago.
        let skipped_from = before.map_or(seq.0, |b| b.0 + 1);
        for n in skipped_from.max(seq.0.saturating_sub(WINDOW as u64))..seq.0 {
            self.set(ExtSeq(n), None);
        }
        if before.is_none_or(|b| seq > b) {
            self.set(seq, None);
        }
        if self.get(seq).is_some() {
            return; // a duplicate; the first arrival counts
        }
        self.set(seq, Some(ticks(now)));

        // Report the gap before it as well, and what was reported lost anew.
        let from = if self.reported.0 == 0 {
            seq
        } else {
            seq.min(self.reported)
        };
        self.begin = Some(self.begin.map_or(from, |b| b.min(from)));
        self.due.get_or_insert(now + INTERVAL);
        if self.pending() >= ENOUGH {
            self.due = Some(now);
        }
    }

    /// When feedback is due.
    pub const fn next_timeout(&self) -> Option<Instant> {
        self.due
    }

    /// Appends one feedback packet to `out` if it is due; whether it did. Call
    /// again until it does not: a pause on the path may take several.
    pub fn poll(&mut self, now: Instant, sender: Ssrc, media: Ssrc, out: &mut Vec<u8>) -> bool {
        if self.due.is_none_or(|due| now < due) {
            return false;
        }
        let (Some(begin), Some(highest)) = (self.begin, self.unwrapper.highest()) else {
            self.due = None;
            return false;
        };
        let mut statuses = [None; TwccFeedback::MAX_STATUSES];
        // After a leap, the window's start is as far back as anything is known.
        let begin = begin.max(ExtSeq((highest.0 + 1).saturating_sub(WINDOW as u64)));
        let count = statuses
            .iter_mut()
            .zip(begin.0..=highest.0)
            .map(|(status, n)| *status = self.get(ExtSeq(n)))
            .count();
        let statuses = statuses.get(..count).unwrap_or_default();
        let told = TwccFeedback::emit(
            out,
            sender,
            media,
            begin.seq(),
            self.feedback_count,
            statuses,
        );
        // Feedback tells at least the first status.
        let next = ExtSeq(begin.0 + told.max(1) as u64);
        self.reported = self.reported.max(next);
        if next > highest {
            self.begin = None;
            self.due = None;
        } else {
            self.begin = Some(next);
        }
        if told == 0 {
            return false;
        }
        self.feedback_count = self.feedback_count.wrapping_add(1);
        true
    }

    fn pending(&self) -> u64 {
        match (self.begin, self.unwrapper.highest()) {
            (Some(begin), Some(highest)) => highest.0.saturating_sub(begin.0) + 1,
            _ => 0,
        }
    }

    fn get(&self, seq: ExtSeq) -> Option<i64> {
        self.arrivals.get(index(seq)).copied().flatten()
    }

    fn set(&mut self, seq: ExtSeq, at: Option<i64>) {
        if let Some(slot) = self.arrivals.get_mut(index(seq)) {
            *slot = at;
        }
    }
}

const fn index(seq: ExtSeq) -> usize {
    (seq.0 % WINDOW as u64) as usize
}

fn ticks(at: Instant) -> i64 {
    let ticks = u128::from(at.as_micros()) / TICK.as_micros();
    i64::try_from(ticks).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::{Packet, Packets};

    fn ms(ms: u64) -> Instant {
        Instant::from_millis(ms)
    }

    /// What every feedback due at `at` says: (number, arrival in ms).
    fn poll(r: &mut TwccReceiver, at: u64) -> Vec<Vec<(u16, Option<i64>)>> {
        let mut said = Vec::new();
        loop {
            let mut out = Vec::new();
            if !r.poll(ms(at), Ssrc(1), Ssrc(2), &mut out) {
                assert!(out.is_empty());
                return said;
            }
            match Packets::parse(&out).unwrap().next() {
                Some(Packet::Twcc(f)) => said.push(
                    f.arrivals()
                        .map(|a| (a.seq.0, a.at.map(|t| t / 4)))
                        .collect(),
                ),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn feedback_every_interval() {
        let mut r = TwccReceiver::new();
        assert_eq!(r.next_timeout(), None);
        for (at, seq) in [(100, 65_534), (110, 65_535), (120, 1)] {
            r.on_packet(ms(at), SeqNo(seq));
        }
        assert_eq!(r.next_timeout(), Some(ms(150)));
        assert!(poll(&mut r, 149).is_empty());
        assert_eq!(
            poll(&mut r, 150),
            [[
                (65_534, Some(100)),
                (65_535, Some(110)),
                (0, None),
                (1, Some(120))
            ]]
        );
        assert_eq!(r.next_timeout(), None);
    }

    #[test]
    fn a_late_packet_is_reported_after_all() {
        let mut r = TwccReceiver::new();
        r.on_packet(ms(0), SeqNo(10));
        r.on_packet(ms(1), SeqNo(12));
        poll(&mut r, 60);
        r.on_packet(ms(61), SeqNo(11));
        r.on_packet(ms(62), SeqNo(11)); // a duplicate does not change it
        assert_eq!(poll(&mut r, 111), [[(11, Some(61)), (12, Some(1))]]);
        // The next one begins where the reports ended.
        r.on_packet(ms(120), SeqNo(14));
        assert_eq!(poll(&mut r, 170), [[(13, None), (14, Some(120))]]);
    }

    #[test]
    fn many_packets_do_not_wait() {
        let mut r = TwccReceiver::new();
        for n in 0..200 {
            r.on_packet(ms(0), SeqNo(n));
        }
        assert_eq!(r.next_timeout(), Some(ms(0)));
        assert_eq!(poll(&mut r, 0)[0].len(), 200);
    }

    #[test]
    fn leaps_and_pauses_are_bounded() {
        let mut r = TwccReceiver::new();
        r.on_packet(ms(0), SeqNo(0));
        r.on_packet(ms(0), SeqNo(30_000));
        let said = poll(&mut r, 50);
        assert_eq!(said.iter().map(Vec::len).sum::<usize>(), WINDOW);
        assert_eq!(said.iter().flatten().filter(|a| a.1.is_some()).count(), 1);
        // Ten seconds between two arrivals exceed a delta.
        r.on_packet(ms(1000), SeqNo(30_001));
        r.on_packet(ms(11_000), SeqNo(30_002));
        assert_eq!(
            poll(&mut r, 11_000),
            [[(30_001, Some(1000))], [(30_002, Some(11_000))]]
        );
        // Far too old.
        r.on_packet(ms(11_001), SeqNo(29_000));
        assert_eq!(r.next_timeout(), None);
    }
}
