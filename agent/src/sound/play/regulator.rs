//! How fast what comes by one clock is played by another.

use super::RATE;

/// What waits at first before it is played: the jitter of a good network.
const LEAST: usize = 60 * MS;
/// More is waited for where that was not enough, up to this.
const MOST: usize = 200 * MS;
const STEP: usize = 20 * MS;
/// Beyond the wish by this much, what waits is cut to the wish.
const SURPLUS: usize = 200 * MS;
/// After so long without running dry, less waits, by a step.
const PATIENCE: u64 = 60 * RATE as u64;
/// Running dry for longer than this is a pause of who talks, not a late packet.
const PAUSE: u64 = RATE as u64;
/// Frames in a millisecond.
const MS: usize = RATE as usize / 1000;

/// The pitch is changed by no more than this, in millionths: nobody hears it,
/// and two crystals differ by less.
const MAX_PPM: f64 = 200.0;
/// Time over which what waits is averaged, seconds: packets come 20 ms at a time.
const AVERAGE_S: f64 = 4.0;
/// Millionths for each millisecond too much: 20 ms are worth all of it.
const PROPORTIONAL: f64 = MAX_PPM / 20.0;
/// The same for each second that it lasts: critically damped, for the first
/// corrects a millisecond of 1000 in `1000 / PROPORTIONAL` seconds.
const INTEGRAL: f64 = PROPORTIONAL * PROPORTIONAL / 4.0 / 1000.0;

/// Keeps the queue of received sound at a depth by the speed at which it is
/// played: a proportional-integral controller of the average depth.
///
/// No sound, no clock: it is told how much waits each time the speaker wants
/// more, and time is what the speaker took.
#[derive(Clone, Debug)]
pub struct Regulator {
    wish: usize,
    playing: bool,
    /// Average of what waits, in frames.
    average: f64,
    /// What the clocks differ by, as far as it is learnt, millionths.
    learnt: f64,
    ppm: f64,
    /// Frames since it ran dry or the wish was lowered.
    since: u64,
    /// It ran dry, and not because of a pause, as far as is known.
    dry: bool,
}

/// What to do for the next block.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pull {
    /// Play silence: too little waits.
    Silence,
    /// Leave out the oldest frames, then play at a speed off by so many millionths.
    Play {
        /// How many are too many.
        leave_out: usize,
        /// Positive takes more for the same time.
        ppm: f32,
        /// It ran dry before, and this is the first sound after that gap.
        was_dry: bool,
    },
}

impl Default for Regulator {
    fn default() -> Self {
        Self {
            wish: LEAST,
            playing: false,
            average: 0.0,
            learnt: 0.0,
            ppm: 0.0,
            since: 0,
            dry: false,
        }
    }
}

impl Regulator {
    /// The speaker wants `wanted` frames and `waiting` wait.
    pub fn pull(&mut self, waiting: usize, wanted: usize) -> Pull {
        self.since = self.since.saturating_add(wanted as u64);
        if self.playing && waiting < wanted + MS {
            self.playing = false;
            self.dry = true;
            self.since = 0;
        }
        let mut was_dry = false;
        if !self.playing {
            if waiting < self.wish {
                return Pull::Silence;
            }
            self.playing = true;
            was_dry = std::mem::take(&mut self.dry) && self.since < PAUSE;
            if was_dry {
                self.wish = (self.wish + STEP).min(MOST);
            }
            self.since = 0;
            self.average = frames(waiting);
        }
        if self.since >= PATIENCE && self.wish > LEAST {
            self.wish = self.wish.saturating_sub(STEP).max(LEAST);
            self.since = 0;
        }
        let leave_out = match waiting > self.wish + SURPLUS {
            true => waiting - self.wish,
            false => 0,
        };
        if leave_out > 0 {
            self.average = frames(self.wish);
        }
        self.regulate(waiting - leave_out, wanted);
        #[allow(clippy::cast_possible_truncation, reason = "at most 200")]
        let ppm = self.ppm as f32;
        Pull::Play {
            leave_out,
            ppm,
            was_dry,
        }
    }

    /// By how many millionths the speed is off, while something is played.
    pub fn ppm(&self) -> Option<f32> {
        #[allow(clippy::cast_possible_truncation, reason = "at most 200")]
        let ppm = self.ppm as f32;
        self.playing.then_some(ppm)
    }

    fn regulate(&mut self, waiting: usize, wanted: usize) {
        let seconds = frames(wanted) / f64::from(RATE);
        let weight = (seconds / AVERAGE_S).min(1.0);
        self.average += weight * (frames(waiting) - self.average);
        let surplus_ms = (self.average - frames(self.wish)) / frames(MS);
        let learnt = self.learnt + INTEGRAL * surplus_ms * seconds;
        self.ppm = (PROPORTIONAL * surplus_ms + learnt).clamp(-MAX_PPM, MAX_PPM);
        // While it does all that it may, it learns nothing.
        if self.ppm.abs() < MAX_PPM {
            self.learnt = learnt;
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "seconds of frames")]
fn frames(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A talker whose clock is off by `ppm`, whose packets come late by up to
    /// `jitter` frames, and a speaker that takes 10 ms at a time.
    struct World {
        regulator: Regulator,
        ppm: f64,
        jitter: u64,
        noise: u64,
        /// When packets arrive, in frames of the speaker; sorted as they were sent.
        due: std::collections::VecDeque<f64>,
        sent: u64,
        now: f64,
        waiting: f64,
        silent: u64,
        left_out: usize,
        /// Nothing arrives for the first so many frames of every five seconds.
        stall: f64,
    }

    impl World {
        fn new(ppm: f64, jitter_ms: u64) -> Self {
            Self {
                regulator: Regulator::default(),
                ppm,
                jitter: jitter_ms * 48,
                noise: 9,
                due: std::collections::VecDeque::new(),
                sent: 0,
                now: 0.0,
                waiting: 0.0,
                silent: 0,
                left_out: 0,
                stall: 0.0,
            }
        }

        fn step(&mut self) {
            self.now += 480.0;
            let mut made = (self.sent + 1) as f64 * 960.0 / (1.0 + self.ppm * 1e-6);
            while made <= self.now {
                self.sent += 1;
                self.noise = self
                    .noise
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                self.due
                    .push_back(made + ((self.noise >> 33) % (self.jitter + 1)) as f64);
                made += 960.0 / (1.0 + self.ppm * 1e-6);
            }
            // In order, as a reorder buffer hands them on.
            let stalled = self.now % 240_000.0 < self.stall;
            while !stalled && self.due.front().is_some_and(|due| *due <= self.now) {
                self.due.pop_front();
                self.waiting += 960.0;
            }
            match self.regulator.pull(self.waiting as usize, 480) {
                Pull::Silence => self.silent += 1,
                Pull::Play { leave_out, ppm, .. } => {
                    assert!(f64::from(ppm.abs()) <= MAX_PPM);
                    self.left_out += leave_out;
                    self.waiting -= leave_out as f64 + 480.0 * (1.0 + f64::from(ppm) * 1e-6);
                }
            }
        }
    }

    #[test]
    fn an_hour_of_clocks_apart_neither_runs_dry_nor_grows() {
        for ppm in [100.0, -100.0, 0.0, 150.0, -150.0] {
            let mut world = World::new(ppm, 25);
            let mut begin = None;
            let (mut least, mut most) = (f64::MAX, 0.0_f64);
            for step in 0..360_000_u64 {
                world.step();
                if world.regulator.playing {
                    let begin = *begin.get_or_insert(world.silent);
                    assert_eq!(world.silent, begin, "{ppm}: dry at {} s", step / 100);
                }
                // Twenty minutes to learn it.
                if step > 120_000 {
                    least = least.min(world.regulator.average / 48.0);
                    most = most.max(world.regulator.average / 48.0);
                }
            }
            println!(
                "{ppm}: {least:.1} to {most:.1} ms wait, learnt {:.1}",
                world.regulator.learnt
            );
            assert!(
                world.silent < 20,
                "{ppm}: {} blocks of silence",
                world.silent
            );
            assert_eq!(world.left_out, 0, "{ppm}");
            assert!(least > 57.0 && most < 63.0, "{ppm}: {least} to {most}");
            assert!((world.regulator.learnt - ppm).abs() < 20.0, "{ppm}");
        }
    }

    #[test]
    fn a_network_worse_than_the_wish_is_waited_for_longer() {
        let mut world = World::new(50.0, 5);
        world.stall = 150.0 * 48.0;
        let mut most = 0;
        for _ in 0..60_000 {
            world.step();
            most = most.max(world.regulator.wish);
        }
        assert!((LEAST + STEP..=MOST).contains(&most), "{most}");
        let before = world.silent;
        for _ in 0..60_000 {
            world.step();
        }
        // It tries less again once a minute; a fixed wish would cost ten blocks in each of 120 stalls.
        let silent = world.silent - before;
        assert!(silent < 250, "{silent} blocks in ten minutes");
    }

    #[test]
    fn a_burst_is_cut_to_the_wish() {
        let mut regulator = Regulator::default();
        assert_eq!(regulator.pull(LEAST - 1, 480), Pull::Silence);
        let Pull::Play { leave_out: 0, .. } = regulator.pull(LEAST, 480) else {
            panic!("it plays");
        };
        let Pull::Play { leave_out, .. } = regulator.pull(48_000, 480) else {
            panic!("it plays");
        };
        assert_eq!(leave_out, 48_000 - LEAST);
    }

    #[test]
    fn a_pause_of_who_talks_is_no_fault() {
        let mut regulator = Regulator::default();
        regulator.pull(LEAST, 480);
        assert_eq!(regulator.pull(0, 480), Pull::Silence);
        for _ in 0..200 {
            assert_eq!(regulator.pull(0, 480), Pull::Silence);
        }
        let Pull::Play { was_dry, .. } = regulator.pull(LEAST, 480) else {
            panic!("it plays");
        };
        assert!(!was_dry && regulator.wish == LEAST);
        assert_eq!(regulator.pull(100, 480), Pull::Silence);
        let Pull::Play { was_dry, .. } = regulator.pull(LEAST, 480) else {
            panic!("it plays");
        };
        assert!(was_dry && regulator.wish == LEAST + STEP);
    }
}
