//! Frames that we packetize, pace, keep and repair.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec;
use core::time::Duration;

use super::super::pacer::Pacer;
use super::super::payload::Packetizer;
use super::{Frame, SendError};
use crate::id::{ExtSeq, MediaTime, SeqNo};
use crate::sdp::{Codec, MediaKind};
use crate::stream::{MediaInfo, RetransmitBuffer};
use crate::time::Instant;

/// Packets kept of a picture track: four seconds at 4 Mbit/s.
const VIDEO_PACKETS: usize = 2048;
const VIDEO_BYTES: usize = 2 << 20;
/// Packets kept of a sound track: five seconds.
const AUDIO_PACKETS: usize = 256;
const AUDIO_BYTES: usize = 64 << 10;

/// A packet that left longer ago is not repaired: its frame was shown, or not.
const MAX_REPAIR_AGE: Duration = Duration::from_secs(1);

/// Shortest time between two repairs of one packet: requests that crossed the
/// repair on its way are not answered again. A longer round trip counts.
const REPAIR_INTERVAL: Duration = Duration::from_millis(10);

/// Repairs that may wait; the path is worse off with more.
const MAX_REPAIRS: usize = 256;

/// The send queue of one track.
#[derive(Debug)]
pub(super) struct FrameQueue {
    packetizer: Packetizer,
    buffer: RetransmitBuffer,
    /// When each of the buffer's packets was repaired last, by number.
    repaired_at: Box<[Option<(ExtSeq, Instant)>]>,
    next: ExtSeq,
    /// One past the highest number that has left.
    unsent: ExtSeq,
    repairs: VecDeque<ExtSeq>,
    pacer: Pacer,
    max_waiting: u64,
}

/// The packet whose turn it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct QueuedPacket<'a> {
    pub(super) seq: SeqNo,
    pub(super) timestamp: MediaTime,
    pub(super) marker: bool,
    pub(super) payload: &'a [u8],
    pub(super) repair: bool,
}

impl FrameQueue {
    pub(super) fn new(codec: Codec, max_payload: usize, first: SeqNo) -> Self {
        let (packets, bytes) = match codec.media() {
            MediaKind::Audio => (AUDIO_PACKETS, AUDIO_BYTES),
            MediaKind::Video => (VIDEO_PACKETS, VIDEO_BYTES),
        };
        // One turn up, so that there are numbers before the first.
        let next = ExtSeq(u64::from(first.0) + (1 << 16));
        Self {
            packetizer: Packetizer::new(codec.kind(), max_payload),
            buffer: RetransmitBuffer::new(packets, bytes),
            repaired_at: vec![None; packets].into_boxed_slice(),
            next,
            unsent: next,
            repairs: VecDeque::with_capacity(MAX_REPAIRS),
            pacer: Pacer::default(),
            max_waiting: packets as u64 / 2,
        }
    }

    /// Packetizes a frame. All of it is queued or nothing.
    pub(super) fn push(&mut self, now: Instant, frame: &Frame<'_>) -> Result<(), SendError> {
        let count = self.packetizer.count(frame.data) as u64;
        if count == 0 || count > self.max_waiting {
            return Err(SendError::Unpacketizable);
        }
        if self.next.0 - self.unsent.0 + count > self.max_waiting {
            return Err(SendError::QueueFull);
        }
        let (buffer, next) = (&mut self.buffer, &mut self.next);
        self.packetizer.packetize(frame.data, |payload, last| {
            let info = MediaInfo {
                timestamp: frame.timestamp,
                marker: last,
                ..MediaInfo::default()
            };
            buffer.push(now, *next, info, payload);
            *next = ExtSeq(next.0 + 1);
        });
        self.pacer.on_frame(self.waiting());
        Ok(())
    }

    /// The packet that may leave now; repairs first, as somebody waits for them.
    pub(super) fn next(&mut self, now: Instant) -> Option<QueuedPacket<'_>> {
        while let Some(seq) = self.repairs.front() {
            if self.buffer.get(*seq).is_some() {
                break;
            }
            self.repairs.pop_front();
        }
        // What waited for so long that its bytes gave way is lost, as on a full path.
        while self.unsent < self.next && self.buffer.get(self.unsent).is_none() {
            self.unsent = ExtSeq(self.unsent.0 + 1);
        }
        let (seq, repair) = match self.repairs.front() {
            Some(seq) => (*seq, true),
            None if self.unsent < self.next && self.pacer.allowance(now) > 0 => {
                (self.unsent, false)
            }
            None => return None,
        };
        let packet = self.buffer.get(seq)?;
        Some(QueuedPacket {
            seq: seq.seq(),
            timestamp: packet.info.timestamp,
            marker: packet.info.marker,
            payload: packet.payload,
            repair,
        })
    }

    /// The packet that [`Self::next`] returned has left.
    pub(super) fn sent(&mut self, now: Instant) {
        if self.repairs.pop_front().is_some() {
            return;
        }
        self.unsent = ExtSeq(self.unsent.0 + 1);
        let waiting = self.waiting();
        self.pacer.on_sent(now, 1, waiting);
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.pacer.poll_timeout()
    }

    /// Queues repairs of what is asked for, is held, and was not just repaired.
    pub(super) fn on_nack(
        &mut self,
        now: Instant,
        rtt: Option<Duration>,
        lost: impl Iterator<Item = SeqNo>,
    ) {
        let interval = rtt.unwrap_or_default().max(REPAIR_INTERVAL);
        for seq in lost {
            if self.repairs.len() >= MAX_REPAIRS {
                return;
            }
            let Some(seq) = self.extend(seq) else {
                continue;
            };
            if self.buffer.get_fresh(now, seq, MAX_REPAIR_AGE).is_none() {
                continue;
            }
            let slots = self.repaired_at.len().max(1) as u64;
            #[allow(clippy::cast_possible_truncation)] // below the number of slots
            let slot = self.repaired_at.get_mut((seq.0 % slots) as usize);
            let Some(slot) = slot else { continue };
            if slot.is_some_and(|(s, at)| s == seq && now.since(at) < interval) {
                continue;
            }
            *slot = Some((seq, now));
            self.repairs.push_back(seq);
        }
    }

    /// The number that has left and looks like `seq` on the wire.
    fn extend(&self, seq: SeqNo) -> Option<ExtSeq> {
        let newest = self.unsent.0.checked_sub(1)?;
        let back = u64::try_from(ExtSeq(newest).seq().distance(seq)).ok()?;
        newest.checked_sub(back).map(ExtSeq)
    }

    fn waiting(&self) -> usize {
        usize::try_from(self.next.0 - self.unsent.0).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::WallTime;

    #[test]
    fn packets_that_waited_too_long_do_not_hold_up_the_rest() {
        let codec = Codec::Opus {
            stereo: false,
            fec: true,
        };
        let mut queue = FrameQueue::new(codec, 1100, SeqNo(9));
        let now = Instant::from_millis(1);
        let frame = Frame {
            data: &[7; 1000],
            timestamp: MediaTime(0),
            captured: now,
            wall: WallTime::default(),
        };
        let queued = (0..1000)
            .take_while(|_| queue.push(now, &frame).is_ok())
            .count();
        assert!(queued * 1000 > AUDIO_BYTES, "more than the buffer holds");
        let mut sent = 0;
        for ms in 1..100 {
            let now = Instant::from_millis(ms);
            while let Some(packet) = queue.next(now) {
                assert_eq!(packet.payload, [7; 1000]);
                queue.sent(now);
                sent += 1;
            }
        }
        assert!(sent > 50, "{sent}");
        assert!(queue.push(now, &frame).is_ok(), "there is room again");
    }
}
