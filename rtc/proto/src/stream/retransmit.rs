//! Packets kept for those who ask again, and for those who read late.

use alloc::boxed::Box;
use alloc::vec;
use core::ops::Range;
use core::time::Duration;

use crate::id::{ExtSeq, MediaTime, Pt};
use crate::time::Instant;

/// What is kept of a packet beside its payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MediaInfo {
    /// Payload type as it came.
    pub pt: Pt,
    /// RTP timestamp as it came.
    pub timestamp: MediaTime,
    /// Marker bit.
    pub marker: bool,
    /// Whether a decoder can begin with this packet.
    pub key_frame_start: bool,
}

/// A packet held by a [`RetransmitBuffer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored<'a> {
    /// Its number.
    pub seq: ExtSeq,
    /// When it was pushed.
    pub at: Instant,
    /// Its header's part.
    pub info: MediaInfo,
    /// Its payload, without padding.
    pub payload: &'a [u8],
}

/// Where a [`RetransmitBuffer`] holds a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    seq: ExtSeq,
    at: Instant,
    info: MediaInfo,
    bytes: Range<usize>,
}

impl Place {
    /// Length of the payload, bytes.
    pub fn payload_len(&self) -> usize {
        self.bytes.len()
    }
}

/// The latest packets of one stream, found by their numbers.
///
/// Payloads lie one behind the other in a ring of bytes, so that small packets
/// take little room; a ring of slots finds them. Both are allocated once. The
/// oldest pushed payload gives way first; a slot gives way to the number one
/// ring length later. `push` and `get` take constant time.
#[derive(Clone, Debug)]
pub struct RetransmitBuffer {
    slots: Box<[Slot]>,
    bytes: Box<[u8]>,
    /// Bytes written since the beginning, with what was skipped at the ring's end.
    written: u64,
    newest: Option<ExtSeq>,
    latest_key_frame: Option<ExtSeq>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    seq: ExtSeq,
    /// Where the payload starts, counted like `written`.
    start: u64,
    /// `None` in a slot never used.
    len: Option<u16>,
    at: Instant,
    info: MediaInfo,
}

impl RetransmitBuffer {
    /// A buffer for up to `packets` packets (rounded up to a power of two, at
    /// most 65536) and `bytes` bytes of payload.
    pub fn new(packets: usize, bytes: usize) -> Self {
        let packets = packets.clamp(1, 1 << 16).next_power_of_two();
        Self {
            slots: vec![Slot::default(); packets].into_boxed_slice(),
            bytes: vec![0; bytes].into_boxed_slice(),
            written: 0,
            newest: None,
            latest_key_frame: None,
        }
    }

    /// Forgets everything, as when another source takes the stream over.
    pub fn clear(&mut self) {
        self.slots.fill(Slot::default());
        self.written = 0;
        self.newest = None;
        self.latest_key_frame = None;
    }

    /// The highest number pushed.
    pub const fn newest(&self) -> Option<ExtSeq> {
        self.newest
    }

    /// The number with which the latest key frame begins, if it is still held.
    pub fn latest_key_frame(&self) -> Option<ExtSeq> {
        self.latest_key_frame.filter(|seq| self.get(*seq).is_some())
    }

    /// Keeps a packet; whether it was kept. One that does not fit, or whose
    /// slot holds a newer one, is not.
    pub fn push(&mut self, now: Instant, seq: ExtSeq, info: MediaInfo, payload: &[u8]) -> bool {
        let Ok(len) = u16::try_from(payload.len()) else {
            return false;
        };
        let capacity = self.bytes.len();
        if payload.len() > capacity
            || self
                .slot(seq)
                .is_none_or(|s| s.len.is_some() && s.seq > seq)
        {
            return false;
        }
        let mut offset = self.offset(self.written);
        if capacity - offset < payload.len() {
            self.written += (capacity - offset) as u64;
            offset = 0;
        }
        let start = self.written;
        let Some(target) = self.bytes.get_mut(offset..offset + payload.len()) else {
            return false;
        };
        target.copy_from_slice(payload);
        self.written += u64::from(len);

        let index = self.index(seq);
        if let Some(slot) = self.slots.get_mut(index) {
            *slot = Slot {
                seq,
                start,
                len: Some(len),
                at: now,
                info,
            };
        }
        self.newest = self.newest.max(Some(seq));
        if info.key_frame_start {
            self.latest_key_frame = self.latest_key_frame.max(Some(seq));
        }
        true
    }

    /// The packet `seq`, if it is still held.
    pub fn get(&self, seq: ExtSeq) -> Option<Stored<'_>> {
        self.read(&self.find(seq)?)
    }

    /// Where the packet `seq` is, if it is still held: for a packet that is
    /// read many times, as in fan-out.
    pub fn find(&self, seq: ExtSeq) -> Option<Place> {
        let slot = self.slot(seq).filter(|s| s.seq == seq)?;
        let len = usize::from(slot.len?);
        // Overwritten once the ring has gone round past its first byte.
        if self.written - slot.start > self.bytes.len() as u64 {
            return None;
        }
        let offset = self.offset(slot.start);
        Some(Place {
            seq,
            at: slot.at,
            info: slot.info,
            bytes: offset..offset + len,
        })
    }

    /// The packet at a place found since the last [`push`](Self::push); after
    /// one, other bytes may be there.
    pub fn read(&self, place: &Place) -> Option<Stored<'_>> {
        Some(Stored {
            seq: place.seq,
            at: place.at,
            info: place.info,
            payload: self.bytes.get(place.bytes.clone())?,
        })
    }

    /// The packets held from `first` on, in order of their numbers.
    pub fn from(&self, first: ExtSeq) -> impl Iterator<Item = Stored<'_>> {
        // A leap of the numbers is not walked through: there are no more slots.
        let span = self.slots.len() as u64 - 1;
        let newest = self.newest.map_or(0, |newest| newest.0);
        let first = first.0.max(newest.saturating_sub(span));
        let end = self.newest.map_or(first, |newest| newest.0 + 1);
        (first..end).filter_map(|seq| self.get(ExtSeq(seq)))
    }

    /// The packet `seq`, unless it was pushed more than `max_age` ago.
    pub fn get_fresh(&self, now: Instant, seq: ExtSeq, max_age: Duration) -> Option<Stored<'_>> {
        self.get(seq).filter(|p| now.since(p.at) <= max_age)
    }

    fn slot(&self, seq: ExtSeq) -> Option<&Slot> {
        self.slots.get(self.index(seq))
    }

    /// The number of slots is a power of two.
    const fn index(&self, seq: ExtSeq) -> usize {
        seq.0 as usize & (self.slots.len() - 1)
    }

    fn offset(&self, position: u64) -> usize {
        // Below the ring's length, which is a usize; an empty ring has only offset 0.
        position
            .checked_rem(self.bytes.len() as u64)
            .unwrap_or_default() as usize
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    fn info(n: u64) -> MediaInfo {
        MediaInfo {
            pt: Pt::from_low_bits(96),
            timestamp: MediaTime(n as u32 * 3000),
            marker: n.is_multiple_of(3),
            key_frame_start: n.is_multiple_of(10),
        }
    }

    fn push(b: &mut RetransmitBuffer, n: u64, payload: &[u8]) -> bool {
        b.push(Instant::from_millis(n), ExtSeq(n), info(n), payload)
    }

    #[test]
    fn gives_back_what_was_pushed() {
        let mut b = RetransmitBuffer::new(8, 1000);
        assert!(push(&mut b, 7, b"seven"));
        assert!(push(&mut b, 5, b""));
        assert_eq!(
            b.get(ExtSeq(7)),
            Some(Stored {
                seq: ExtSeq(7),
                at: Instant::from_millis(7),
                info: info(7),
                payload: b"seven"
            })
        );
        assert_eq!(b.get(ExtSeq(5)).map(|p| p.payload), Some(&b""[..]));
        assert_eq!(b.get(ExtSeq(6)), None);
        assert_eq!(b.newest(), Some(ExtSeq(7)));
    }

    #[test]
    fn the_oldest_bytes_give_way() {
        let mut b = RetransmitBuffer::new(1024, 1000);
        for n in 0..100 {
            assert!(push(&mut b, n, &[n as u8; 90]));
        }
        let held: Vec<u64> = (0..100).filter(|n| b.get(ExtSeq(*n)).is_some()).collect();
        // Eleven fit before the ring's end leaves ten bytes over.
        assert_eq!(held, (89..100).collect::<Vec<_>>());
        assert_eq!(b.latest_key_frame(), Some(ExtSeq(90)));
        for n in 101..105 {
            push(&mut b, n, &[0; 90]);
        }
        assert_eq!(b.latest_key_frame(), None, "overwritten");
    }

    #[test]
    fn a_late_packet_does_not_displace_a_newer_one() {
        let mut b = RetransmitBuffer::new(4, 1000);
        assert!(push(&mut b, 9, b"new"));
        assert!(!push(&mut b, 5, b"old"));
        assert!(push(&mut b, 8, b"late"));
        assert_eq!(b.get(ExtSeq(9)).map(|p| p.payload), Some(&b"new"[..]));
        assert_eq!(b.get(ExtSeq(5)), None);
    }

    #[test]
    fn what_cannot_fit_is_not_kept() {
        let mut b = RetransmitBuffer::new(4, 10);
        assert!(!push(&mut b, 1, &[0; 11]));
        assert!(push(&mut b, 2, &[0; 10]));
        let mut none = RetransmitBuffer::new(0, 0);
        assert!(!push(&mut none, 1, &[0]));
        assert_eq!(none.get(ExtSeq(1)), None);
    }

    #[test]
    fn age_limits_what_is_repaired() {
        let mut b = RetransmitBuffer::new(4, 10);
        push(&mut b, 100, b"x");
        let limit = Duration::from_millis(50);
        let get = |ms| b.get_fresh(Instant::from_millis(ms), ExtSeq(100), limit);
        assert!(get(150).is_some());
        assert!(get(151).is_none());
    }

    proptest! {
        #[test]
        fn a_held_packet_is_never_damaged(
            packets in 1usize..40, bytes in 0usize..500,
            pushes in proptest::collection::vec((0u64..120, 0usize..120), 1..200),
        ) {
            let mut b = RetransmitBuffer::new(packets, bytes);
            let mut pushed = std::collections::BTreeMap::new();
            for (i, (seq, len)) in pushes.into_iter().enumerate() {
                let payload: Vec<u8> = (0..len).map(|j| (i * 7 + j) as u8).collect();
                let kept = push(&mut b, seq, &payload);
                if kept {
                    prop_assert_eq!(b.get(ExtSeq(seq)).map(|p| p.payload), Some(&payload[..]));
                    pushed.insert(seq, payload);
                }
                for (seq, payload) in &pushed {
                    if let Some(p) = b.get(ExtSeq(*seq)) {
                        prop_assert_eq!(p.payload, &payload[..]);
                    }
                }
            }
        }
    }
}
