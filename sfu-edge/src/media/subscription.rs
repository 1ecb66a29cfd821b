//! One track as one subscriber sees it.

use std::time::Duration;

use transom_rtc_proto::id::{MediaTime, SeqNo};
use transom_rtc_proto::peer::{ClockReference, Outgoing, TrackId};
use transom_rtc_proto::sdp::MediaKind;
use transom_rtc_proto::stream::Stored;
use transom_rtc_proto::time::Instant;

use super::published::{PublishedTrack, later};
use super::seq_map::SeqMap;

/// A repair for a packet that left longer ago comes too late to be seen.
pub(super) const MAX_REPAIR_AGE: Duration = Duration::from_secs(2);

/// Repairs that a subscriber may have at once, and how fast the allowance
/// returns: a flood of NACKs must not become a flood of packets.
const REPAIR_BURST: u32 = 300;
const REPAIR_EVERY: Duration = Duration::from_millis(2);

/// Key frames that a subscriber may ask for at once, and how fast the
/// allowance returns: each is paid for by everybody who watches.
const KEY_FRAME_BURST: u32 = 4;
const KEY_FRAME_EVERY: Duration = Duration::from_secs(1);

/// What a subscriber gets of a published track.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) kind: MediaKind,
    /// Its place in the subscriber's session.
    pub(super) track: TrackId,
    seq: SeqMap,
    clock_rate: u32,
    /// What is forwarded: the generation, and what is added to its timestamps.
    live: Option<Live>,
    /// The newest frame sent, in the subscriber's time.
    last: Option<(Instant, MediaTime)>,
    repairs: Allowance,
    key_frames: Allowance,
    /// Packets left out because the socket or this subscriber was too slow.
    pub(super) dropped: u64,
}

#[derive(Clone, Copy, Debug)]
struct Live {
    generation: u32,
    timestamp_offset: u32,
}

impl Subscription {
    /// A subscription whose first packet has the number `first`.
    pub(super) fn new(kind: MediaKind, track: TrackId, clock_rate: u32, first: u16) -> Self {
        Self {
            kind,
            track,
            seq: SeqMap::new(first),
            clock_rate,
            live: None,
            last: None,
            repairs: Allowance::new(REPAIR_BURST, REPAIR_EVERY),
            key_frames: Allowance::new(KEY_FRAME_BURST, KEY_FRAME_EVERY),
            dropped: 0,
        }
    }

    /// Whether a key frame has to come before anything is forwarded.
    pub(super) fn awaits_key_frame(&self, published: &PublishedTrack) -> bool {
        self.kind == MediaKind::Video && !self.is_live(published)
    }

    /// Whether packets of the current publisher are forwarded.
    pub(super) fn is_live(&self, published: &PublishedTrack) -> bool {
        self.live
            .is_some_and(|live| live.generation == published.generation)
    }

    /// Whether this subscriber's request for a key frame is passed on.
    pub(super) fn may_request_key_frame(&mut self, now: Instant) -> bool {
        self.key_frames.take(now)
    }

    /// The packet as this subscriber gets it; `None` where it gets nothing of it.
    pub(super) fn outgoing<'a>(
        &mut self,
        now: Instant,
        published: &PublishedTrack,
        packet: &Stored<'a>,
    ) -> Option<Outgoing<'a>> {
        let generation = published.generation;
        if !self.is_live(published) {
            let may_begin = self.kind == MediaKind::Audio || packet.info.key_frame_start;
            if !may_begin || packet.payload.is_empty() {
                return None;
            }
            self.begin(now, generation, packet);
        }
        let live = self.live?;
        if packet.payload.is_empty() {
            // A probe of the publisher's: the number is used up, the packet is of no use.
            self.seq.skip(generation, packet.seq);
            return None;
        }
        let seq = self.seq.output(generation, packet.seq)?.seq();
        let timestamp = MediaTime(packet.info.timestamp.0.wrapping_add(live.timestamp_offset));
        if self.last.is_none_or(|(_, last)| later(timestamp, last)) {
            self.last = Some((now, timestamp));
        }
        Some(Outgoing {
            seq,
            timestamp,
            marker: packet.info.marker,
            payload: packet.payload,
        })
    }

    /// Begins with `packet`: the number follows the last one, and the
    /// timestamp has moved on by the time that has passed.
    fn begin(&mut self, now: Instant, generation: u32, packet: &Stored<'_>) {
        let source = packet.info.timestamp.0;
        let timestamp_offset = match self.last {
            None => 0,
            Some((at, last)) => {
                let passed = now.since(at).as_micros() * u128::from(self.clock_rate) / 1_000_000;
                #[allow(clippy::cast_possible_truncation)] // the clock wraps
                let passed = (passed as u32).max(1);
                last.0.wrapping_add(passed).wrapping_sub(source)
            }
        };
        self.seq.start(generation, packet.seq);
        self.live = Some(Live {
            generation,
            timestamp_offset,
        });
    }

    /// The packet that the subscriber misses as `seq`, as it was sent; `None`
    /// where it is gone, too old, or the allowance is used up.
    pub(super) fn repair<'a>(
        &mut self,
        now: Instant,
        published: &'a PublishedTrack,
        seq: SeqNo,
    ) -> Option<Outgoing<'a>> {
        let live = self
            .live
            .filter(|live| live.generation == published.generation)?;
        let source = self
            .seq
            .source(seq)
            .filter(|s| s.generation == live.generation)?;
        let packet = published
            .buffer()
            .get_fresh(now, source.seq, MAX_REPAIR_AGE)?;
        if packet.payload.is_empty() || !self.repairs.take(now) {
            return None;
        }
        let timestamp = MediaTime(packet.info.timestamp.0.wrapping_add(live.timestamp_offset));
        Some(Outgoing {
            seq,
            timestamp,
            marker: packet.info.marker,
            payload: packet.payload,
        })
    }

    /// The publisher's clock in the subscriber's media time, for its sender
    /// reports; and of which track.
    pub(super) fn clock(&self, published: &PublishedTrack) -> Option<(TrackId, ClockReference)> {
        let live = self
            .live
            .filter(|live| live.generation == published.generation)?;
        let clock = published.clock?;
        let timestamp = MediaTime(clock.timestamp.0.wrapping_add(live.timestamp_offset));
        Some((self.track, ClockReference { timestamp, ..clock }))
    }
}

/// A token bucket.
#[derive(Debug)]
struct Allowance {
    left: u32,
    most: u32,
    every: Duration,
    /// Up to when the bucket has been filled.
    filled: Instant,
}

impl Allowance {
    fn new(most: u32, every: Duration) -> Self {
        Self {
            left: most,
            most,
            every,
            filled: Instant::default(),
        }
    }

    fn take(&mut self, now: Instant) -> bool {
        let earned = now.since(self.filled).as_micros() / self.every.as_micros().max(1);
        if earned > 0 {
            let earned = u32::try_from(earned).unwrap_or(u32::MAX);
            self.left = self.left.saturating_add(earned).min(self.most);
            self.filled = now;
        }
        let granted = self.left > 0;
        self.left = self.left.saturating_sub(1);
        granted
    }
}
