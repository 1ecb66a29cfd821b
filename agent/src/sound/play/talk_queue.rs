//! Received sound that waits for the speaker.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Pull, RATE, Regulator};
use crate::sound::{Resampler, SoundCount, SoundFigures};

/// At most a second waits, whatever the other side sends at once; then the
/// oldest goes.
const CAPACITY: usize = RATE as usize;

/// Frames at 48 kHz in one channel, from the task that receives to the thread
/// that plays. Neither waits for the other.
#[derive(Debug)]
pub struct TalkQueue(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    waiting: VecDeque<i16>,
    regulator: Regulator,
    resampler: Option<Resampler>,
    /// At the speaker's clock, made and not yet taken.
    ready: Vec<i16>,
    /// A speaker takes it.
    heard: bool,
    left_out: u64,
}

impl Default for TalkQueue {
    fn default() -> Self {
        Self(Mutex::new(Inner {
            waiting: VecDeque::new(),
            regulator: Regulator::default(),
            resampler: None,
            ready: Vec::new(),
            heard: false,
            left_out: 0,
        }))
    }
}

impl TalkQueue {
    /// Appends what was received; nothing while no speaker is there. Drop
    /// policy: beyond a second the oldest goes, and is counted.
    pub fn push(&self, frames: &[i16]) {
        let mut inner = self.lock();
        if !inner.heard {
            return;
        }
        inner.waiting.extend(frames);
        let surplus = inner.waiting.len().saturating_sub(CAPACITY);
        inner.waiting.drain(..surplus);
        inner.left_out += surplus as u64;
    }

    /// Fills `out` with what comes next; false where that is silence.
    pub(super) fn pull(&self, out: &mut [i16], figures: &SoundFigures) -> bool {
        let inner = &mut *self.lock();
        figures.add(SoundCount::TalkLeftOut, std::mem::take(&mut inner.left_out));
        let pull = inner
            .regulator
            .pull(inner.waiting.len() + inner.ready.len(), out.len());
        figures.set_talk_drift_ppm(inner.regulator.ppm());
        let Pull::Play {
            leave_out,
            ppm,
            was_dry,
        } = pull
        else {
            out.fill(0);
            return false;
        };
        figures.add(SoundCount::TalkDry, was_dry.into());
        figures.add(SoundCount::TalkLeftOut, leave_out as u64);
        let leave_out = leave_out.min(inner.waiting.len());
        inner.waiting.drain(..leave_out);
        inner.make(out.len(), ppm);
        let made = inner.ready.len().min(out.len());
        for (to, from) in out.iter_mut().zip(inner.ready.drain(..made)) {
            *to = from;
        }
        if let Some(rest) = out.get_mut(made..) {
            rest.fill(0);
        }
        true
    }

    pub(super) fn clear(&self) {
        let mut inner = self.lock();
        inner.waiting.clear();
        inner.ready.clear();
    }

    pub(super) fn set_heard(&self, heard: bool) {
        self.lock().heard = heard;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing in here can panic half-way: a poisoned lock is still whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Makes at least `wanted` frames ready, if so many wait.
    fn make(&mut self, wanted: usize, ppm: f32) {
        if self.resampler.is_none() {
            self.resampler = Resampler::steered(RATE, RATE, 1);
        }
        let Some(resampler) = &mut self.resampler else {
            return;
        };
        resampler.steer(ppm);
        while self.ready.len() < wanted && !self.waiting.is_empty() {
            let missing = wanted - self.ready.len();
            let taken: Vec<i16> = {
                let some = missing.min(self.waiting.len());
                self.waiting.drain(..some).collect()
            };
            resampler.process(&taken, &mut self.ready);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_comes_through_whole_though_the_clocks_differ() {
        let (queue, figures) = (TalkQueue::default(), SoundFigures::default());
        queue.push(&[1; 960]);
        assert!(!queue.pull(&mut [0; 480], &figures), "nobody hears it yet");
        queue.set_heard(true);
        // 100 millionths too fast, for two minutes: 576 frames too many.
        let (mut due, mut phase) = (0.0_f64, 0_u32);
        let (mut heard, mut out) = (Vec::new(), [0; 480]);
        for _ in 0..12_000 {
            due += 480.0 * 1.0001;
            while due >= 960.0 {
                due -= 960.0;
                let packet: Vec<i16> = (0..960)
                    .map(|_| {
                        phase += 1;
                        ((f64::from(phase) * 0.0523).sin() * 12_000.0) as i16
                    })
                    .collect();
                queue.push(&packet);
            }
            if queue.pull(&mut out, &figures) {
                heard.extend_from_slice(&out);
            } else {
                assert!(heard.is_empty(), "a gap");
            }
        }
        assert!(heard.len() > 5_700_000);
        // A gap or a leap would be a step; the tone's own is at most 628.
        let step = heard
            .windows(2)
            .skip(2_000)
            .map(|two| two[0].abs_diff(two[1]))
            .max();
        assert!(step < Some(660), "{step:?}");
        assert_eq!(figures.count(SoundCount::TalkDry), 0);
        assert_eq!(figures.count(SoundCount::TalkLeftOut), 0);
        assert!(figures.talk_drift_ppm().is_some_and(|ppm| ppm > 10.0));
    }

    #[test]
    fn a_flood_is_bounded_and_counted() {
        let (queue, figures) = (TalkQueue::default(), SoundFigures::default());
        queue.set_heard(true);
        for _ in 0..100 {
            queue.push(&[7; 960]);
        }
        assert_eq!(queue.lock().waiting.len(), CAPACITY);
        assert!(queue.pull(&mut [0; 480], &figures));
        // All but what is wished for and what was just played.
        let left_out = figures.count(SoundCount::TalkLeftOut);
        assert_eq!(left_out, 96_000 - 60 * 48);
        assert!(queue.lock().waiting.len() <= 60 * 48);
    }
}
