//! When a publisher sends which packet. Publisher and floor walk the same schedule.

mod trace;

use std::time::Duration;

use transom_rtc_proto::sdp::MediaKind;

/// Bytes of payload in each picture packet of the made-up publishers: eight of
/// them thirty times a second are 2 Mbit/s.
const VIDEO_PAYLOAD: usize = 1040;
/// Packets a frame.
const FRAME_PACKETS: u32 = 8;
/// Frames, and Opus packets, in a cycle of 100 ms.
const CYCLE: Duration = Duration::from_millis(100);
const CYCLE_FRAMES: u32 = 3;
const CYCLE_SOUNDS: u32 = 5;
/// Sound is off the beat of the picture.
const SOUND_OFFSET: Duration = Duration::from_millis(10);
/// Bytes of an Opus packet at 32 kbit/s.
const AUDIO_PAYLOAD: usize = 80;

/// The kinds of publishers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum PublisherKind {
    /// 30 frames a second, each 8 equal packets at once; 2 Mbit/s; 50 Opus packets a second
    Burst,
    /// The sizes and spacing that Chromium had when it was recorded
    Chromium,
    /// As `burst`, but each packet apart from the others
    Paced,
}

impl PublisherKind {
    /// Its name on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Burst => "burst",
            Self::Chromium => "chromium",
            Self::Paced => "paced",
        }
    }
}

/// A cycle of packets that repeats for ever.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    slots: Vec<Slot>,
    period: Duration,
}

/// One packet of a cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    /// When it leaves, from the beginning of the cycle.
    pub(crate) at: Duration,
    /// When the first packet of its frame leaves: its media time.
    pub(crate) captured: Duration,
    /// Sound or picture.
    pub(crate) kind: MediaKind,
    /// Bytes of payload.
    pub(crate) len: usize,
    /// Its place among the packets of its frame.
    pub(crate) index: usize,
    /// How many those are.
    pub(crate) of: usize,
}

impl Slot {
    /// Whether it ends its frame. Sound has no such mark.
    pub(crate) const fn marker(&self) -> bool {
        matches!(self.kind, MediaKind::Video) && self.index + 1 == self.of
    }

    const fn sound(at: Duration, len: usize) -> Self {
        Self {
            at,
            captured: at,
            kind: MediaKind::Audio,
            len,
            index: 0,
            of: 1,
        }
    }
}

impl Schedule {
    /// The schedule of a kind of publisher.
    pub(crate) fn of(kind: PublisherKind) -> Self {
        match kind {
            PublisherKind::Burst => Self::made(Duration::ZERO),
            PublisherKind::Paced => Self::made(CYCLE / CYCLE_FRAMES / FRAME_PACKETS),
            PublisherKind::Chromium => trace::chromium(),
        }
    }

    /// The same with so many picture packets in the place of each.
    pub(crate) fn times(self, n: usize) -> Self {
        let mut slots = Vec::new();
        for slot in self.slots {
            match slot.kind {
                MediaKind::Audio => slots.push(slot),
                MediaKind::Video => slots.extend((0..n).map(|i| Slot {
                    index: slot.index * n + i,
                    of: slot.of * n,
                    ..slot
                })),
            }
        }
        Self::new(slots, self.period)
    }

    /// Frames of equal packets, `apart` from each other.
    fn made(apart: Duration) -> Self {
        let pictures = (0..CYCLE_FRAMES).flat_map(|frame| {
            let captured = CYCLE * frame / CYCLE_FRAMES;
            (0..FRAME_PACKETS).map(move |index| Slot {
                at: captured + apart * index,
                captured,
                kind: MediaKind::Video,
                len: VIDEO_PAYLOAD,
                index: index as usize,
                of: FRAME_PACKETS as usize,
            })
        });
        let sounds = (0..CYCLE_SOUNDS)
            .map(|n| Slot::sound(SOUND_OFFSET + CYCLE * n / CYCLE_SOUNDS, AUDIO_PAYLOAD));
        Self::new(pictures.chain(sounds).collect(), CYCLE)
    }

    fn new(mut slots: Vec<Slot>, period: Duration) -> Self {
        slots.sort_by_key(|s| s.at);
        Self { slots, period }
    }

    /// Packets a second.
    #[cfg(test)]
    fn rate(&self) -> f64 {
        self.slots.len() as f64 / self.period.as_secs_f64()
    }

    /// Its packets from the beginning on, for ever.
    pub(crate) fn walk(&self) -> Walk<'_> {
        Walk {
            schedule: self,
            next: 0,
            begun: Duration::ZERO,
        }
    }
}

/// A place in a schedule.
#[derive(Clone, Debug)]
pub(crate) struct Walk<'a> {
    schedule: &'a Schedule,
    next: usize,
    /// When the present cycle began.
    begun: Duration,
}

impl Walk<'_> {
    /// When the next packet leaves, from the beginning.
    pub(crate) fn next_at(&self) -> Duration {
        let slot = self.schedule.slots.get(self.next);
        self.begun + slot.map_or(self.schedule.period, |s| s.at)
    }

    /// The next packet if it leaves at `until` or before.
    pub(crate) fn take(&mut self, until: Duration) -> Option<Slot> {
        if self.next_at() > until {
            return None;
        }
        let slot = *self.schedule.slots.get(self.next)?;
        let taken = Slot {
            at: self.begun + slot.at,
            captured: self.begun + slot.captured,
            ..slot
        };
        self.next += 1;
        if self.next == self.schedule.slots.len() {
            self.next = 0;
            self.begun += self.schedule.period;
        }
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(schedule: &Schedule, n: usize) -> Vec<Slot> {
        let mut walk = schedule.walk();
        (0..n).filter_map(|_| walk.take(Duration::MAX)).collect()
    }

    #[test]
    fn made_up_publishers_send_two_megabits_and_fifty_sounds() {
        for kind in [PublisherKind::Burst, PublisherKind::Paced] {
            let schedule = Schedule::of(kind);
            assert!((schedule.rate() - 290.0).abs() < 1e-9);
            let second = first(&schedule, 290);
            let video = second.iter().filter(|s| s.kind == MediaKind::Video);
            let bits: usize = video.map(|s| 8 * s.len).sum();
            assert_eq!(bits, 1_996_800);
            assert_eq!(second.iter().filter(|s| s.marker()).count(), 30);
            assert!(second.is_sorted_by_key(|s| s.at));
            assert!(second.iter().all(|s| s.at < Duration::from_secs(1)));
        }
    }

    #[test]
    fn a_burst_leaves_at_once_and_paced_packets_one_by_one() {
        let burst = Schedule::of(PublisherKind::Burst);
        let mut walk = burst.walk();
        let at_once = std::iter::from_fn(|| walk.take(Duration::ZERO));
        assert_eq!(at_once.count(), 8);
        assert_eq!(walk.next_at(), Duration::from_millis(10));

        let paced = first(&Schedule::of(PublisherKind::Paced), 290);
        let video = paced.iter().filter(|s| s.kind == MediaKind::Video);
        let video: Vec<_> = video.collect();
        let least = video.windows(2).map(|w| w[1].at - w[0].at).min();
        assert!(least.is_some_and(|d| d > Duration::from_millis(4)));
    }

    #[test]
    fn ten_times_as_much_has_as_many_frames() {
        let once = first(&Schedule::of(PublisherKind::Burst), 290);
        let ten = first(&Schedule::of(PublisherKind::Burst).times(10), 2450);
        let bytes = |slots: &[Slot]| slots.iter().map(|s| s.len).sum::<usize>();
        assert_eq!(bytes(&ten) - 4000, 10 * (bytes(&once) - 4000));
        let frames = |slots: &[Slot]| slots.iter().filter(|s| s.marker()).count();
        assert_eq!(frames(&ten), frames(&once));
    }

    #[test]
    fn the_cycle_repeats() {
        let schedule = Schedule::of(PublisherKind::Chromium);
        let n = schedule.slots.len();
        let twice = first(&schedule, 2 * n);
        for (a, b) in twice[..n].iter().zip(&twice[n..]) {
            assert_eq!(b.at - a.at, schedule.period);
            assert_eq!((a.len, a.index, a.of), (b.len, b.index, b.of));
        }
    }
}
