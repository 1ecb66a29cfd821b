//! When a card captured its samples, by our clock.
//!
//! A card counts by a crystal of its own, which is off by up to some 100
//! millionths: 360 ms in an hour. RTP timestamps count its samples, because a
//! receiver plays them as they come; the sender reports (RFC 3550 section 6.4)
//! say which of our moments each stands for, and by those a receiver keeps
//! sound and picture together. So the moments must follow the card's clock,
//! without the noise of when this thread happened to be woken: a delay-locked
//! loop of second order (F. Adriaensen, "Using a DLL to filter time", 2005).

use std::f64::consts::{SQRT_2, TAU};
use std::time::{Duration, Instant};

/// A read that is this much off its time is a gap, not noise.
const GAP: f64 = 0.1;
/// Crystals are better than this, by far.
const MAX_DRIFT: f64 = 1e-3;
/// Bandwidth of the loop, Hz: at the start, and once it has settled.
const START_HZ: f64 = 0.5;
const SETTLED_HZ: f64 = 0.03;
/// Before this much was heard the drift is not known, seconds.
const SETTLED_AFTER: f64 = 30.0;
/// What is told of it is an average over this, seconds.
const AVERAGED_OVER: f64 = 300.0;

/// The moments of a card's samples, smoothed.
#[derive(Debug)]
pub struct CardClock {
    rate: f64,
    origin: Instant,
    /// When the last sample so far was captured, in seconds since `origin`.
    end: f64,
    /// Seconds of ours in a second of the card.
    pace: f64,
    /// The same, averaged: to be told, not to be reckoned with.
    told: f64,
    /// Seconds since the start or the last gap.
    settled: f64,
    running: bool,
}

impl CardClock {
    /// The clock of a card that claims so many samples a second.
    pub fn new(rate: u32, origin: Instant) -> Self {
        Self {
            rate: f64::from(rate.max(1)),
            origin,
            end: 0.0,
            pace: 1.0,
            told: 1.0,
            settled: 0.0,
            running: false,
        }
    }

    /// Takes in that `frames` more were captured, the last of them at about
    /// `end`; `lost` where the card lost some before. Returns when the first
    /// of them was captured.
    pub fn advance(&mut self, frames: usize, end: Instant, lost: bool) -> Instant {
        #[allow(clippy::cast_precision_loss, reason = "a few thousand")]
        let card = frames as f64 / self.rate;
        let measured = self.seconds(end);
        let expected = self.end + card * self.pace;
        let error = measured - expected;
        if !self.running || error.abs() > GAP || (lost && error > 0.0) {
            // The drift is still that of the card; only the phase is new.
            self.running = true;
            self.settled = 0.0;
            self.end = measured;
            return self.instant(measured - card * self.pace);
        }
        let start = self.end;
        self.settled += card;
        let hz = (START_HZ / (1.0 + self.settled)).max(SETTLED_HZ);
        let omega = TAU * hz * card;
        self.end = expected + SQRT_2 * omega * error;
        if card > 0.0 {
            let pace = self.pace + omega * omega * error / card;
            self.pace = pace.clamp(1.0 - MAX_DRIFT, 1.0 + MAX_DRIFT);
            let weight = card / self.settled.min(AVERAGED_OVER);
            self.told += weight * (self.pace - self.told);
        }
        self.instant(start)
    }

    /// How much faster the card's clock runs than ours, in millionths; `None`
    /// until that is known.
    pub fn drift_ppm(&self) -> Option<f32> {
        #[allow(clippy::cast_possible_truncation, reason = "at most 1000")]
        let ppm = ((1.0 / self.told - 1.0) * 1e6) as f32;
        (self.settled >= SETTLED_AFTER).then_some(ppm)
    }

    fn seconds(&self, at: Instant) -> f64 {
        match at.checked_duration_since(self.origin) {
            Some(since) => since.as_secs_f64(),
            None => -self.origin.duration_since(at).as_secs_f64(),
        }
    }

    fn instant(&self, seconds: f64) -> Instant {
        let apart = Duration::try_from_secs_f64(seconds.abs()).unwrap_or_default();
        let at = match seconds < 0.0 {
            true => self.origin.checked_sub(apart),
            false => self.origin.checked_add(apart),
        };
        at.unwrap_or(self.origin)
    }
}

/// The RTP timestamps of a card at 48 kHz. They outlive the card: whatever
/// comes and goes, they never step back.
#[derive(Debug, Default)]
pub struct Timeline {
    /// The timestamp of the next sample, and about when it is captured.
    next: Option<(u32, Instant)>,
}

/// Packets this much later than the one before has ended come after a gap.
const NO_GAP: Duration = Duration::from_millis(5);
/// How long a packet lasts.
const PACKET: Duration = Duration::from_millis(20);

impl Timeline {
    /// The timestamp of the next packet, whose first sample was captured at
    /// `at`; `clock` is that moment on the feed's clock, from where counting
    /// begins.
    ///
    /// It counts samples. What was lost in between is counted too, so that the
    /// receiver plays silence there.
    pub fn next(&mut self, at: Instant, clock: u32) -> u32 {
        let timestamp = match self.next {
            None => clock,
            Some((next, due)) => match at.checked_duration_since(due) {
                Some(gap) if gap > NO_GAP => {
                    let lost = gap.as_micros() * 48 / 1000;
                    // As wide as RTP's own wrap.
                    next.wrapping_add(u32::try_from(lost & 0xffff_ffff).unwrap_or(0))
                }
                _ => next,
            },
        };
        let next = timestamp.wrapping_add(super::PACKET_SAMPLES as u32);
        self.next = Some((next, at + PACKET));
        timestamp
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u32 = 48_000;
    const READ: usize = 480;

    /// A card off by some millionths, read every 10 ms of its own, seen late by up to 5 ms.
    struct Card {
        origin: Instant,
        ppm: f64,
        frames: u64,
        /// Lost so far, in seconds.
        lost: f64,
        noise: u64,
    }

    impl Card {
        fn new(ppm: f64) -> Self {
            Self {
                origin: Instant::now(),
                ppm,
                frames: 0,
                lost: 0.0,
                noise: 1,
            }
        }

        /// When a sample was captured in truth.
        fn truth(&self, frame: u64) -> Instant {
            let card = frame as f64 / f64::from(RATE) + self.lost;
            self.origin + Duration::from_secs_f64(card / (1.0 + self.ppm * 1e-6))
        }

        /// One read: when its first sample was captured in truth and by the clock.
        fn read(&mut self, clock: &mut CardClock, lost: bool) -> (Instant, Instant) {
            let truth = self.truth(self.frames);
            self.frames += READ as u64;
            self.noise = self
                .noise
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let late = Duration::from_micros((self.noise >> 33) % 5_000);
            let end = self.truth(self.frames) + late;
            (truth, clock.advance(READ, end, lost))
        }
    }

    fn apart(a: Instant, b: Instant) -> f64 {
        match a > b {
            true => (a - b).as_secs_f64(),
            false => -(b - a).as_secs_f64(),
        }
    }

    #[test]
    fn an_hour_of_a_clock_that_drifts_is_followed() {
        for ppm in [100.0, -100.0, 0.0] {
            let mut card = Card::new(ppm);
            let mut clock = CardClock::new(RATE, card.origin);
            let (mut timeline, mut first) = (Timeline::default(), None);
            let mut worst: f64 = 0.0;
            for read in 0..360_000_u64 {
                let (truth, told) = card.read(&mut clock, false);
                if read % 2 == 1 {
                    continue;
                }
                let timestamp = timeline.next(told, 7);
                let begin = *first.get_or_insert((timestamp, told));
                assert_eq!(begin.0, 7);
                // Every sample counted, and none made up.
                assert_eq!(timestamp, 7 + u32::try_from(read).unwrap() * READ as u32);
                if read > 3_000 {
                    // The lateness has a mean of 2.5 ms, which nobody can know.
                    worst = worst.max((apart(told, truth) - 0.0025).abs());
                }
            }
            assert!(worst < 0.001, "{ppm}: {worst} s off");
            let drift = f64::from(clock.drift_ppm().expect("it is known"));
            assert!((drift - ppm).abs() < 5.0, "{ppm}: {drift}");
        }
    }

    #[test]
    fn what_an_overrun_loses_shows_once_and_exactly() {
        let mut card = Card::new(80.0);
        let mut clock = CardClock::new(RATE, card.origin);
        let mut timeline = Timeline::default();
        let mut stamps = Vec::new();
        for read in 0..20_000 {
            let lost = read == 10_000;
            if lost {
                card.lost += 0.05;
            }
            let (truth, told) = card.read(&mut clock, lost);
            if read > 3_000 {
                assert!(apart(told, truth).abs() < 0.006, "{read}");
            }
            if read % 2 == 0 {
                stamps.push(timeline.next(told, 0));
            }
        }
        let gaps: Vec<u32> = stamps
            .windows(2)
            .map(|two| two[1] - two[0] - 960)
            .filter(|gap| *gap > 0)
            .collect();
        // 50 ms are 2400 samples, known as well as the moment of one read.
        assert_eq!(gaps.len(), 1, "{gaps:?}");
        assert!((2_160..=2_640).contains(&gaps[0]), "{gaps:?}");
    }

    #[test]
    fn timestamps_go_on_over_a_card_that_comes_back() {
        let at = Instant::now();
        let mut timeline = Timeline::default();
        assert_eq!(timeline.next(at, u32::MAX - 10), u32::MAX - 10);
        // A second later by another card: 20 ms of sound and 980 ms of nothing.
        let back = at + Duration::from_secs(1);
        assert_eq!(timeline.next(back, 5), (u32::MAX - 10).wrapping_add(48_000));
        // A moment that seems to lie before costs nothing.
        let next = timeline.next(back - Duration::from_millis(300), 5);
        assert_eq!(next, (u32::MAX - 10).wrapping_add(48_960));
    }
}
