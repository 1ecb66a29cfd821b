//! One track as one subscriber sees it.

use std::ops::Range;
use std::time::Duration;

use transom_rtc_prefetch::prefetch_line;
use transom_rtc_proto::id::{ExtSeq, MediaTime, SeqNo};
use transom_rtc_proto::peer::{ClockReference, Outgoing, TrackId};
use transom_rtc_proto::sdp::MediaKind;
use transom_rtc_proto::stream::{RetransmitBuffer, Stored};
use transom_rtc_proto::time::Instant;

use super::published::{Fresh, PublishedTrack, VIDEO_PACKETS, later};
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

/// A late joiner begins with the latest key frame where it is at most this
/// old, and so need not wait for the next: cameras make one every few seconds,
/// and recordings none on request.
pub(super) const MAX_CATCH_UP_AGE: Duration = Duration::from_secs(5);

/// Packets of the past sent at once; the rest follows at [`CATCH_UP_EVERY`].
const CATCH_UP_BURST: usize = 48;

/// Numbers that the past spans.
const MAX_PAST: u64 = VIDEO_PACKETS as u64;

/// Between two bursts of the past.
pub(super) const CATCH_UP_EVERY: Duration = Duration::from_millis(2);

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
    /// The next packet of the past to be sent, while there is any.
    past: Option<ExtSeq>,
    /// The newest frame sent, in the subscriber's time.
    last: Option<(Instant, MediaTime)>,
    repairs: Allowance,
    key_frames: Allowance,
    /// Packets that could not be sealed.
    pub(super) dropped: u64,
}

/// Packets to be sent, in order, and the padding of each.
#[derive(Debug)]
pub(super) enum Batch<'a> {
    Past(Range<u64>, &'a RetransmitBuffer),
    Fresh(std::slice::Iter<'a, Fresh>, &'a RetransmitBuffer),
}

impl<'a> Iterator for Batch<'a> {
    type Item = (Stored<'a>, u8);

    fn next(&mut self) -> Option<(Stored<'a>, u8)> {
        match self {
            Self::Past(numbers, buffer) => numbers
                .find_map(|seq| buffer.get(ExtSeq(seq)))
                .map(|packet| (packet, 0)),
            Self::Fresh(batch, buffer) => {
                batch.find_map(|fresh| Some((buffer.read(&fresh.place)?, fresh.padding)))
            }
        }
    }
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
            past: None,
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

    /// Whether there is anything to send: something fresh, something of the
    /// past, or perhaps a beginning.
    pub(super) fn has_work(&self, published: &PublishedTrack) -> bool {
        !published.batch().is_empty() || self.past.is_some() || !self.is_live(published)
    }

    /// Asks for what [`Subscription::has_work`] will read.
    pub(super) fn prefetch_work(&self) {
        prefetch_line(&self.kind);
        prefetch_line(&self.past);
        prefetch_line(&self.live);
    }

    /// Asks for what [`Subscription::outgoing`] will read besides.
    pub(super) fn prefetch_numbers(&self) {
        prefetch_line(&self.last);
        self.seq.prefetch();
    }

    /// Whether this subscriber's request for a key frame is passed on.
    pub(super) fn may_request_key_frame(&mut self, now: Instant) -> bool {
        self.key_frames.take(now)
    }

    /// Which packets this subscriber is to get now: those of the past, a burst
    /// at a time, until it has caught up; then what is fresh.
    pub(super) fn next_batch<'a>(
        &mut self,
        now: Instant,
        published: &'a PublishedTrack,
    ) -> Batch<'a> {
        if !self.is_live(published) {
            self.past = published.key_frame_to_begin_with(now, MAX_CATCH_UP_AGE);
        }
        let (Some(first), Some(newest)) = (self.past, published.buffer().newest()) else {
            return Batch::Fresh(published.batch().iter(), published.buffer());
        };
        // Outside a fan-out, what is fresh waits for one.
        let newest = match published.fresh().first() {
            Some(held) if published.batch().is_empty() => ExtSeq(held.0.saturating_sub(1)),
            _ => newest,
        };
        // A leap of the numbers is not walked through: the buffer spans no more.
        let first = ExtSeq(first.0.max(newest.0.saturating_sub(MAX_PAST)));
        let end = ExtSeq((newest.0 + 1).min(first.0 + CATCH_UP_BURST as u64));
        self.past = (end <= newest).then_some(end);
        Batch::Past(first.0..end.0, published.buffer())
    }

    /// Whether more of the past is to be sent.
    pub(super) fn is_catching_up(&self) -> bool {
        self.past.is_some()
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
            padding: 0,
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

    /// Whether any repair is allowed now.
    pub(super) fn may_repair(&mut self, now: Instant) -> bool {
        self.repairs.has(now)
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
            padding: 0,
        })
    }

    /// A timestamp of the publisher's as the subscriber has it; `None` where it gets nothing of this
    /// publisher (yet).
    pub(super) fn as_seen(
        &self,
        published: &PublishedTrack,
        timestamp: MediaTime,
    ) -> Option<MediaTime> {
        let live = self
            .live
            .filter(|live| live.generation == published.generation)?;
        Some(MediaTime(timestamp.0.wrapping_add(live.timestamp_offset)))
    }

    /// The publisher's clock in the subscriber's media time, for its sender
    /// reports; and of which track.
    pub(super) fn clock(&self, published: &PublishedTrack) -> Option<(TrackId, ClockReference)> {
        let clock = published.clock?;
        let timestamp = self.as_seen(published, clock.timestamp)?;
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

    /// Whether there is something left.
    fn has(&mut self, now: Instant) -> bool {
        let earned = now.since(self.filled).as_micros() / self.every.as_micros().max(1);
        let missing = self.most - self.left;
        match u32::try_from(earned) {
            Ok(earned) if earned < missing => {
                self.left += earned;
                self.filled += self.every * earned;
            }
            _ => {
                self.left = self.most;
                self.filled = now;
            }
        }
        self.left > 0
    }

    fn take(&mut self, now: Instant) -> bool {
        let granted = self.has(now);
        self.left = self.left.saturating_sub(1);
        granted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use transom_rtc_proto::id::{Pt, Ssrc};
    use transom_rtc_proto::peer::RtpInfo;
    use transom_rtc_proto::sdp::{Codec, ProfileLevelId};

    const H264: Codec = Codec::H264 {
        profile_level_id: ProfileLevelId::CONSTRAINED_BASELINE_31,
        packetization_mode: 1,
    };

    fn ms(ms: u64) -> Instant {
        Instant::from_millis(ms)
    }

    fn track() -> PublishedTrack {
        PublishedTrack::new(MediaKind::Video, H264, TrackId(0), 0)
    }

    fn subscription() -> Subscription {
        Subscription::new(MediaKind::Video, TrackId(1), 90_000, 100)
    }

    fn push(
        track: &mut PublishedTrack,
        now: Instant,
        seq: u64,
        timestamp: u32,
        key_frame: bool,
        payload: &[u8],
    ) {
        let info = RtpInfo {
            track: TrackId(0),
            ssrc: Ssrc(1),
            pt: Pt::from_low_bits(96),
            seq: ExtSeq(seq),
            timestamp: MediaTime(timestamp),
            marker: true,
            payload: 0..payload.len(),
            key_frame,
            repaired: false,
        };
        track.on_packet(now, &info, payload);
    }

    /// Number and timestamp of what the subscriber gets of `seq`.
    fn forward(
        s: &mut Subscription,
        track: &PublishedTrack,
        now: Instant,
        seq: u64,
    ) -> Option<(u16, u32)> {
        let packet = track.buffer().get(ExtSeq(seq)).expect("is held");
        s.outgoing(now, track, &packet)
            .map(|o| (o.seq.0, o.timestamp.0))
    }

    fn numbers(s: &mut Subscription, track: &PublishedTrack, now: Instant) -> Vec<u64> {
        let batch = s.next_batch(now, track);
        batch.map(|(packet, _)| packet.seq.0).collect()
    }

    #[test]
    fn a_late_joiner_begins_with_a_key_frame() {
        let (mut track, mut s) = (track(), subscription());
        push(&mut track, ms(0), 70_000, 3000, false, b"delta");
        push(&mut track, ms(33), 70_001, 6000, true, b"key");
        push(&mut track, ms(66), 70_002, 9000, false, b"delta");
        assert!(s.awaits_key_frame(&track));
        assert_eq!(forward(&mut s, &track, ms(0), 70_000), None);
        assert_eq!(forward(&mut s, &track, ms(33), 70_001), Some((100, 6000)));
        assert_eq!(forward(&mut s, &track, ms(66), 70_002), Some((101, 9000)));
        assert!(!s.awaits_key_frame(&track));
    }

    #[test]
    fn the_past_comes_in_bursts_up_to_the_present() {
        let (mut track, mut s) = (track(), subscription());
        push(&mut track, ms(0), 70_000, 0, true, b"key");
        for n in 1..100 {
            push(
                &mut track,
                ms(n),
                70_000 + n,
                n as u32 * 10,
                false,
                b"delta",
            );
        }
        track.clear_fresh();
        let mut got = Vec::new();
        loop {
            let batch = numbers(&mut s, &track, ms(100));
            assert!(batch.len() <= CATCH_UP_BURST);
            got.extend(
                batch
                    .into_iter()
                    .filter_map(|seq| forward(&mut s, &track, ms(100), seq)),
            );
            if !s.is_catching_up() {
                break;
            }
        }
        assert_eq!(got.len(), 100);
        assert!(got.windows(2).all(|w| w[1].0 == w[0].0 + 1));
        track.clear_fresh();
        push(&mut track, ms(101), 70_100, 1000, false, b"delta");
        track.prepare();
        let fresh = numbers(&mut s, &track, ms(101));
        assert_eq!(fresh, [70_100], "then what is fresh");
    }

    #[test]
    fn a_leap_in_the_past_is_not_walked_through() {
        let (mut track, mut s) = (track(), subscription());
        push(&mut track, ms(0), 70_000, 0, true, b"key");
        track.clear_fresh();
        assert_eq!(s.next_batch(ms(0), &track).count(), 1);
        assert_eq!(forward(&mut s, &track, ms(0), 70_000), Some((100, 0)));
        s.past = Some(ExtSeq(70_001));
        push(&mut track, ms(1), 100_000, 10, false, b"delta");
        track.clear_fresh();
        let bursts = (0..1000).take_while(|_| {
            s.next_batch(ms(1), &track).count();
            s.is_catching_up()
        });
        assert!(bursts.count() < 50);
    }

    #[test]
    fn an_old_key_frame_is_no_beginning() {
        let (mut track, mut s) = (track(), subscription());
        push(&mut track, ms(0), 70_000, 0, true, b"key");
        track.clear_fresh();
        push(&mut track, ms(6000), 70_001, 10, false, b"delta");
        track.prepare();
        assert_eq!(numbers(&mut s, &track, ms(6000)), [70_001]);
        assert!(s.awaits_key_frame(&track));
    }

    #[test]
    fn the_next_publisher_goes_on_where_the_last_one_stopped() {
        let (mut track, mut s) = (track(), subscription());
        push(&mut track, ms(0), 70_000, 3000, true, b"key");
        assert_eq!(forward(&mut s, &track, ms(0), 70_000), Some((100, 3000)));
        track.replace(H264, TrackId(0), 1);
        assert!(s.awaits_key_frame(&track));
        // Another clock, another numbering, two seconds later.
        push(&mut track, ms(2000), 9, 4_000_000_000, false, b"delta");
        push(&mut track, ms(2000), 10, 4_000_003_000, true, b"key");
        assert_eq!(forward(&mut s, &track, ms(2000), 9), None);
        assert_eq!(
            forward(&mut s, &track, ms(2000), 10),
            Some((101, 3000 + 180_000))
        );
    }

    #[test]
    fn probes_leave_no_gap() {
        let (mut track, mut s) = (track(), subscription());
        push(&mut track, ms(0), 70_000, 3000, true, b"key");
        push(&mut track, ms(1), 70_001, 3000, false, b"");
        push(&mut track, ms(2), 70_002, 6000, false, b"delta");
        assert_eq!(forward(&mut s, &track, ms(0), 70_000), Some((100, 3000)));
        assert_eq!(forward(&mut s, &track, ms(1), 70_001), None);
        assert_eq!(forward(&mut s, &track, ms(2), 70_002), Some((101, 6000)));
    }

    #[test]
    fn repairs_are_of_what_was_sent_and_bounded() {
        let (mut track, mut s) = (track(), subscription());
        push(&mut track, ms(0), 70_000, 3000, true, b"key");
        push(&mut track, ms(0), 70_001, 3000, false, b"rest");
        for seq in [70_000, 70_001] {
            forward(&mut s, &track, ms(0), seq);
        }
        let repair = s.repair(ms(10), &track, SeqNo(101)).expect("is held");
        assert_eq!((repair.seq, repair.payload), (SeqNo(101), &b"rest"[..]));
        assert!(s.repair(ms(10), &track, SeqNo(102)).is_none(), "never sent");
        assert!(s.repair(ms(5000), &track, SeqNo(101)).is_none(), "too old");
        let granted = (0..10_000)
            .filter(|_| s.repair(ms(10), &track, SeqNo(100)).is_some())
            .count();
        assert!(granted <= REPAIR_BURST as usize, "{granted}");
    }

    #[test]
    fn an_allowance_returns_at_its_rate_however_often_it_is_asked() {
        let mut allowance = Allowance::new(10, Duration::from_millis(2));
        let mut granted = 0;
        for us in (0..1_000_000).step_by(1900) {
            granted += u32::from(allowance.take(Instant::from_micros(us)));
        }
        assert!((505..=510).contains(&granted), "{granted}");
        assert!((0..20).filter(|_| allowance.take(ms(60_000))).count() == 10);
    }

    #[test]
    fn key_frame_requests_have_an_allowance_that_returns() {
        let mut s = subscription();
        let granted = (0..100)
            .filter(|_| s.may_request_key_frame(ms(5000)))
            .count();
        assert_eq!(granted, KEY_FRAME_BURST as usize);
        assert!(s.may_request_key_frame(ms(6000)));
        assert!(!s.may_request_key_frame(ms(6000)));
    }
}
