//! One capture clock for picture and sound, and pacing by it.

use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use transom_rtc_proto::time::WallTime;

use crate::stop::Stop;

/// When a frame was captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capture {
    /// On the monotonic clock: orders and paces.
    pub at: Instant,
    /// On the wall clock: sender reports and the time code.
    pub wall: WallTime,
}

/// The clock that stamps both picture and sound, so that the same moment has
/// the same age on both tracks whatever their sample rates.
#[derive(Clone, Copy, Debug)]
pub struct MediaClock {
    origin: Instant,
}

impl MediaClock {
    /// A clock whose RTP timestamps start at zero at `origin`.
    pub fn new(origin: Instant) -> Self {
        Self { origin }
    }

    /// The moment RTP timestamps count from.
    pub fn origin(&self) -> Instant {
        self.origin
    }

    /// The stamp of the moment `at`.
    ///
    /// The wall clock is read anew each time: on a board without a clock
    /// battery it jumps once, when the network tells the time.
    pub fn capture(&self, at: Instant) -> Capture {
        let now = Instant::now();
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or(Duration::ZERO);
        let wall = if at <= now {
            wall.saturating_sub(now - at)
        } else {
            wall + (at - now)
        };
        Capture {
            at,
            wall: WallTime::from_unix_micros(micros(wall)),
        }
    }

    /// The RTP timestamp of `at` at `rate` ticks a second. Wraps as RTP's do
    /// (RFC 3550 section 5.1).
    pub fn rtp(&self, at: Instant, rate: u32) -> u32 {
        let us = at.saturating_duration_since(self.origin).as_micros();
        let ticks = us * u128::from(rate) / 1_000_000;
        // The low 32 bits are the timestamp.
        u32::try_from(ticks & 0xffff_ffff).unwrap_or(0)
    }
}

/// Microseconds of a duration, as far as they fit.
pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// A sleep may be late by this much before lost time is given up rather than
/// caught up with a burst: a suspended board, a stopped process.
const GIVE_UP: Duration = Duration::from_millis(500);

/// Pacing against absolute deadlines: no error adds up from tick to tick.
#[derive(Debug)]
pub struct Pace {
    start: Instant,
}

impl Pace {
    /// Media time zero is `start`.
    pub fn new(start: Instant) -> Self {
        Self { start }
    }

    /// Sleeps until media time `offset` and returns that instant; `None` when
    /// told to stop. After a long hold-up the start moves, so that the rest
    /// goes on in real time.
    pub fn wait(&mut self, offset: Duration, stop: &Stop) -> Option<Instant> {
        let now = Instant::now();
        let mut deadline = self.start + offset;
        if now.saturating_duration_since(deadline) > GIVE_UP {
            self.start += now - deadline;
            deadline = now;
        }
        sleep_until(deadline, stop).then_some(deadline)
    }
}

/// Sleeps until `deadline`; false when told to stop.
pub fn sleep_until(deadline: Instant, stop: &Stop) -> bool {
    const SLICE: Duration = Duration::from_millis(100);
    loop {
        if stop.is_set() {
            return false;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        thread::sleep(left.min(SLICE));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn picture_and_sound_share_one_clock() {
        let origin = Instant::now();
        let clock = MediaClock::new(origin);
        let at = origin + Duration::from_millis(2500);
        assert_eq!(clock.rtp(at, 90_000), 225_000);
        assert_eq!(clock.rtp(at, 48_000), 120_000);
    }

    #[test]
    fn timestamps_wrap_at_32_bits() {
        let origin = Instant::now();
        let clock = MediaClock::new(origin);
        let day = origin + Duration::from_secs(86_400);
        assert_eq!(
            u64::from(clock.rtp(day, 90_000)),
            86_400 * 90_000 % (1 << 32)
        );
    }

    #[test]
    fn the_wall_clock_follows_the_capture() {
        let clock = MediaClock::new(Instant::now());
        let at = Instant::now();
        let early = clock.capture(at).wall.as_unix_micros();
        let late = clock
            .capture(at + Duration::from_secs(1))
            .wall
            .as_unix_micros();
        let apart = late - early;
        assert!((900_000..1_100_000).contains(&apart), "{apart}");
    }

    #[test]
    fn pacing_adds_up_no_error() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        let stop = Stop::default();
        for tick in 1..=20 {
            let offset = Duration::from_millis(5 * tick);
            assert_eq!(pace.wait(offset, &stop), Some(start + offset));
        }
        assert!(start.elapsed() >= Duration::from_millis(100));
    }

    #[test]
    fn a_long_hold_up_is_not_caught_up() {
        let mut pace = Pace::new(Instant::now() - Duration::from_secs(10));
        let stop = Stop::default();
        let first = pace.wait(Duration::ZERO, &stop).expect("not stopped");
        let second = pace
            .wait(Duration::from_millis(30), &stop)
            .expect("not stopped");
        assert_eq!(second - first, Duration::from_millis(30));
    }

    #[test]
    fn a_stop_ends_a_long_sleep() {
        let stop = Stop::default();
        stop.set();
        assert!(!sleep_until(
            Instant::now() + Duration::from_secs(60),
            &stop
        ));
    }
}
