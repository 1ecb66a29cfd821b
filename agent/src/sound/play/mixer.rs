//! The chime and received sound as one, block by block.

use super::{Chime, PlayHandle, RATE};
use crate::sound::{LevelMeter, SoundCount};

/// Frames made at a time: 10 ms.
pub(super) const BLOCK: usize = RATE as usize / 100;

/// Makes what the speaker plays, at 48 kHz in one channel.
#[derive(Debug)]
pub struct Mixer<'a> {
    chime: &'a Chime,
    /// How far the chime has come, while it sounds.
    at: Option<usize>,
    handle: &'a PlayHandle,
    talk: [i16; BLOCK],
    meter: LevelMeter,
}

impl<'a> Mixer<'a> {
    /// A mixer of what `handle` is told.
    pub fn new(chime: &'a Chime, handle: &'a PlayHandle) -> Self {
        Self {
            chime,
            at: None,
            handle,
            talk: [0; BLOCK],
            meter: LevelMeter::new(RATE.into()),
        }
    }

    /// The next block.
    pub fn next(&mut self, out: &mut [i16; BLOCK]) {
        out.fill(0);
        if self.at.is_none() && self.handle.take_chime() {
            self.handle.figures().add(SoundCount::Chimes, 1);
            self.at = Some(0);
        }
        if let Some(at) = self.at {
            let rest = self.chime.samples().get(at..).unwrap_or_default();
            for (to, from) in out.iter_mut().zip(rest) {
                *to = *from;
            }
            self.at = (rest.len() > BLOCK).then_some(at + BLOCK);
        }
        let figures = self.handle.figures();
        if self.handle.talk().pull(&mut self.talk, figures) {
            for (to, from) in out.iter_mut().zip(self.talk) {
                *to = to.saturating_add(from);
            }
        }
        if let Some(level) = self.meter.add(out) {
            figures.set_speaker(Some(level));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sound::SoundFigures;

    #[test]
    fn a_chime_sounds_whole_and_once_more_for_all_that_rang_meanwhile() {
        let figures = SoundFigures::default();
        let handle = PlayHandle::new(figures.clone());
        handle.set_open(true);
        let chime = Chime::two_tones();
        let mut mixer = Mixer::new(&chime, &handle);
        let mut heard = Vec::new();
        let mut block = [0; BLOCK];
        for turn in 0..500 {
            if matches!(turn, 3 | 20 | 21 | 22) {
                handle.chime();
            }
            mixer.next(&mut block);
            heard.extend_from_slice(&block);
        }
        assert_eq!(figures.count(SoundCount::Chimes), 2);
        let length = chime.samples().len();
        assert!(heard[..3 * BLOCK].iter().all(|sample| *sample == 0));
        let sound = &heard[3 * BLOCK..];
        assert_eq!(&sound[..length], chime.samples());
        assert_eq!(&sound[length..2 * length], chime.samples());
        assert!(sound[2 * length..].iter().all(|sample| *sample == 0));
        assert!(figures.speaker().is_some());
    }

    #[test]
    fn who_talks_is_heard_over_the_chime() {
        let handle = PlayHandle::new(SoundFigures::default());
        handle.set_open(true);
        handle.talk().push(&[i16::MAX; 9_600]);
        handle.chime();
        let chime = Chime::two_tones();
        let mut mixer = Mixer::new(&chime, &handle);
        let mut block = [0; BLOCK];
        for _ in 0..5 {
            mixer.next(&mut block);
        }
        assert!(
            block.iter().all(|sample| *sample > 10_000),
            "clipped, not wrapped"
        );
    }
}
