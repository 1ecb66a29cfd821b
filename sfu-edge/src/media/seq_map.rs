//! From a publisher's sequence numbers to one subscriber's, and back.

use std::collections::VecDeque;

use transom_rtc_prefetch::prefetch_line;
use transom_rtc_proto::id::{ExtSeq, SeqNo};

/// Segments remembered: enough for NACKs that reach across a few skips.
const MAX_SEGMENTS: usize = 16;

/// A leap of the publisher's numbers that is longer than this is shown as one
/// missing packet: nothing of it could be repaired, and SRTP follows no leap of
/// half the number space.
const MAX_LEAP: u64 = 4096;

/// A run of packets forwarded with one constant offset.
#[derive(Clone, Copy, Debug)]
struct Segment {
    /// Which incarnation of the published track the run belongs to.
    generation: u32,
    /// First source number of the run.
    source: u64,
    /// What the first number becomes.
    output: u64,
}

/// Where a subscriber's packet came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Source {
    /// Incarnation of the published track.
    pub(super) generation: u32,
    /// The publisher's number.
    pub(super) seq: ExtSeq,
}

/// Maps source numbers to a subscriber's without a gap where packets were left
/// out on purpose, and never the same output twice for different sources.
///
/// One offset and a bounded list of the places where it changed; a reordered
/// or repaired packet finds the offset of its own place.
#[derive(Debug, Default)]
pub(super) struct SeqMap {
    segments: VecDeque<Segment>,
    /// One past the highest output so far.
    next_output: u64,
    /// One past the highest source of the newest segment.
    next_source: u64,
    /// One past the highest output that a packet has got.
    given: u64,
    /// The newest of the segments, where nearly every packet belongs.
    newest: Option<Segment>,
}

impl SeqMap {
    /// A map whose first packet gets the number `first`.
    pub(super) fn new(first: u16) -> Self {
        // One turn up, so that a late packet before the first has a number too.
        let next_output = u64::from(first) + (1 << 16);
        Self {
            segments: VecDeque::with_capacity(MAX_SEGMENTS),
            next_output,
            next_source: 0,
            given: next_output,
            newest: None,
        }
    }

    /// Begins a run at `seq` of the track's incarnation `generation`: it
    /// becomes the next output number.
    pub(super) fn start(&mut self, generation: u32, seq: ExtSeq) {
        if self.segments.len() == MAX_SEGMENTS {
            self.segments.pop_front();
        }
        let segment = Segment {
            generation,
            source: seq.0,
            output: self.next_output,
        };
        self.segments.push_back(segment);
        self.newest = Some(segment);
        self.next_source = seq.0;
    }

    /// Leaves `seq`, a packet of the newest run, out of what the subscriber sees.
    /// A packet older than the newest stays a gap: its place is already numbered.
    pub(super) fn skip(&mut self, generation: u32, seq: ExtSeq) {
        let newest = self
            .segments
            .back()
            .is_some_and(|s| s.generation == generation);
        if !newest || seq.0 < self.next_source {
            return;
        }
        // What is missing before `seq` may still come and keeps its numbers, as
        // long as what has been given is not left too far behind: SRTP would
        // not follow.
        let missing = seq.0 - self.next_source;
        let ahead = self.next_output - self.given;
        self.next_output += match MAX_LEAP.saturating_sub(ahead) {
            room if missing <= room => missing,
            0 => 0,
            _ => 1,
        };
        self.start(generation, ExtSeq(seq.0 + 1));
    }

    /// Asks for what [`SeqMap::output`] of the next packet will read.
    pub(super) fn prefetch(&self) {
        prefetch_line(&self.newest);
        prefetch_line(&self.next_source);
        prefetch_line(&self.given);
    }

    /// The subscriber's number for `seq`; `None` for a packet from before the first run.
    pub(super) fn output(&mut self, generation: u32, seq: ExtSeq) -> Option<ExtSeq> {
        // The next one, as nearly always.
        if let Some(newest) = self.newest
            && newest.generation == generation
            && seq.0 == self.next_source
        {
            let output = newest.output + (seq.0 - newest.source);
            self.next_source = seq.0 + 1;
            self.next_output = output + 1;
            self.given = self.next_output;
            return Some(ExtSeq(output));
        }
        self.output_of_any(generation, seq)
    }

    fn output_of_any(&mut self, generation: u32, seq: ExtSeq) -> Option<ExtSeq> {
        self.close_leap(generation, seq);
        let newest = self.segments.len().checked_sub(1)?;
        let at = self
            .segments
            .iter()
            .rposition(|s| s.generation == generation && s.source <= seq.0)?;
        let segment = self.segments[at];
        let output = segment.output + (seq.0 - segment.source);
        if at == newest {
            if seq.0 >= self.next_source {
                self.next_source = seq.0 + 1;
                self.next_output = output + 1;
                self.given = self.next_output;
            }
        } else if output >= self.segments[at + 1].output {
            return None; // skipped, or beyond the end of an older run
        }
        Some(ExtSeq(output))
    }

    /// Begins a run of its own where `seq` has leapt ahead.
    fn close_leap(&mut self, generation: u32, seq: ExtSeq) {
        let newest = self
            .segments
            .back()
            .is_some_and(|s| s.generation == generation);
        if newest && seq.0 > self.next_source.saturating_add(MAX_LEAP) {
            self.next_output += 1;
            self.start(generation, seq);
        }
    }

    /// Which source packet the subscriber means by `seq`.
    pub(super) fn source(&self, seq: SeqNo) -> Option<Source> {
        let highest = self.next_output.checked_sub(1)?;
        let back = ExtSeq(highest).seq().distance(seq);
        let output = highest.checked_sub(u64::try_from(back).ok()?)?;
        let segment = self.segments.iter().rev().find(|s| s.output <= output)?;
        let seq = ExtSeq(segment.source + (output - segment.output));
        Some(Source {
            generation: segment.generation,
            seq,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_keeps_its_gaps() {
        let mut map = SeqMap::new(1000);
        map.start(0, ExtSeq(70_000));
        let a = map.output(0, ExtSeq(70_000)).unwrap();
        let c = map.output(0, ExtSeq(70_002)).unwrap();
        let b = map.output(0, ExtSeq(70_001)).unwrap();
        assert_eq!((a.seq().0, b.seq().0, c.seq().0), (1000, 1001, 1002));
        assert_eq!(
            map.source(SeqNo(1001)),
            Some(Source {
                generation: 0,
                seq: ExtSeq(70_001)
            })
        );
        assert_eq!(map.source(SeqNo(1003)), None, "not sent yet");
    }

    #[test]
    fn skipped_packets_leave_no_hole() {
        let mut map = SeqMap::new(5);
        map.start(0, ExtSeq(100));
        assert_eq!(map.output(0, ExtSeq(100)).unwrap().seq().0, 5);
        map.skip(0, ExtSeq(101));
        assert_eq!(map.output(0, ExtSeq(102)).unwrap().seq().0, 6);
        assert_eq!(map.output(0, ExtSeq(101)), None, "was skipped");
        assert_eq!(map.source(SeqNo(6)).unwrap().seq, ExtSeq(102));
    }

    #[test]
    fn a_loss_before_a_skip_can_still_be_repaired() {
        let mut map = SeqMap::new(5);
        map.start(0, ExtSeq(100));
        assert_eq!(map.output(0, ExtSeq(100)).unwrap().seq().0, 5);
        map.skip(0, ExtSeq(103)); // 101 and 102 are missing
        assert_eq!(map.output(0, ExtSeq(104)).unwrap().seq().0, 8);
        assert_eq!(map.output(0, ExtSeq(101)).unwrap().seq().0, 6);
        assert_eq!(map.output(0, ExtSeq(102)).unwrap().seq().0, 7);
    }

    #[test]
    fn a_new_incarnation_goes_on_where_the_old_one_stopped() {
        let mut map = SeqMap::new(65_535);
        map.start(0, ExtSeq(100));
        assert_eq!(map.output(0, ExtSeq(100)).unwrap().seq().0, 65_535);
        map.start(1, ExtSeq(9));
        assert_eq!(map.output(1, ExtSeq(9)).unwrap().seq().0, 0);
        assert_eq!(
            map.output(0, ExtSeq(101)),
            None,
            "the old one's tail would collide"
        );
        assert_eq!(
            map.source(SeqNo(65_535)),
            Some(Source {
                generation: 0,
                seq: ExtSeq(100)
            })
        );
        assert_eq!(map.output(2, ExtSeq(9)), None);
    }

    #[test]
    fn a_leap_is_one_missing_packet() {
        let mut map = SeqMap::new(5);
        map.start(0, ExtSeq(100));
        assert_eq!(map.output(0, ExtSeq(100)).unwrap().seq().0, 5);
        assert_eq!(map.output(0, ExtSeq(30_000)).unwrap().seq().0, 7);
        assert_eq!(map.output(0, ExtSeq(30_001)).unwrap().seq().0, 8);
        assert_eq!(map.source(SeqNo(7)).unwrap().seq, ExtSeq(30_000));
        assert_eq!(map.output(0, ExtSeq(101)).unwrap().seq().0, 6);
        assert_eq!(map.output(0, ExtSeq(102)), None, "no room for it");
        // Probes may leap as well.
        map.skip(0, ExtSeq(60_000));
        assert_eq!(map.output(0, ExtSeq(60_001)).unwrap().seq().0, 10);
    }

    #[test]
    fn no_output_is_given_to_two_sources() {
        // A small deterministic walk over starts, skips and reordered packets.
        let mut map = SeqMap::new(3);
        let mut given = std::collections::HashMap::new();
        let (mut state, mut generation, mut top) = (1_u64, 0_u32, 1000_u64);
        map.start(0, ExtSeq(top));
        for _ in 0..20_000 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let dice = (state >> 33) % 100;
            if dice == 1 {
                top += 3000 + (state >> 40) % 5000;
            }
            if dice == 0 {
                generation += 1;
                top = (state >> 40) % 5000;
                map.start(generation, ExtSeq(top));
            } else if dice < 8 {
                top += 1 + dice % 3;
                map.skip(generation, ExtSeq(top));
            } else {
                let seq = (top + (state >> 50) % 4).saturating_sub((state >> 20) % 6);
                top = top.max(seq);
                if let Some(out) = map.output(generation, ExtSeq(seq)) {
                    let was = given.insert(out.0, (generation, seq));
                    assert!(
                        was.is_none() || was == Some((generation, seq)),
                        "{out:?} given twice"
                    );
                }
            }
        }
        assert!(given.len() > 5_000);
    }
}
