//! Keeps a speaker's queue filled.

use std::thread;
use std::time::{Duration, Instant};

use transom_boards_hal::{SoundFormat, Speaker, SpeakerError};

use super::mixer::BLOCK;
use super::{Chime, Mixer, PlayHandle, RATE};
use crate::sound::{Resampler, SoundCount};
use crate::stop::Stop;

/// How much is kept in the speaker: what a busy board may be late before it is
/// heard, and what a chime is late at least.
const KEPT_MS: u32 = 40;
/// How often it is looked after.
const TICK: Duration = Duration::from_millis(10);
/// A speaker that takes nothing for this long is opened again.
const STALLED: Duration = Duration::from_secs(2);

/// Why playing ended.
#[derive(Debug, thiserror::Error)]
pub enum PlayError {
    /// The card failed.
    #[error(transparent)]
    Speaker(#[from] SpeakerError),
    /// The card's format cannot be used.
    #[error("the speaker plays {} channels at {} Hz: choose another with --speaker alsa:DEVICE", .0.channels, .0.rate)]
    Format(SoundFormat),
}

/// Plays what `handle` is told until told to stop or the speaker fails.
///
/// # Errors
/// Where the speaker fails.
pub fn play(
    speaker: &mut dyn Speaker,
    chime: &Chime,
    handle: &PlayHandle,
    stop: &Stop,
) -> Result<(), PlayError> {
    let mut player = Player::new(speaker.format(), Mixer::new(chime, handle))?;
    while !stop.is_set() {
        player.top_up(speaker, Instant::now())?;
        let underruns = speaker.underruns();
        let more = underruns.saturating_sub(std::mem::replace(&mut player.underruns, underruns));
        handle.figures().add(SoundCount::Underruns, more);
        thread::sleep(TICK);
    }
    Ok(())
}

struct Player<'a> {
    mixer: Mixer<'a>,
    resampler: Resampler,
    channels: usize,
    /// Frames of the speaker's.
    kept: usize,
    /// In the speaker's format, and not yet taken.
    ready: Vec<i16>,
    /// When it took something last.
    took: Option<Instant>,
    underruns: u64,
}

impl<'a> Player<'a> {
    fn new(format: SoundFormat, mixer: Mixer<'a>) -> Result<Self, PlayError> {
        let unusable = PlayError::Format(format);
        let resampler = Resampler::between(RATE, format.rate, 1).filter(|_| format.channels > 0);
        let kept = u64::from(format.rate) * u64::from(KEPT_MS) / 1000;
        Ok(Self {
            mixer,
            resampler: resampler.ok_or(unusable)?,
            channels: format.channels.into(),
            kept: usize::try_from(kept).unwrap_or(BLOCK),
            ready: Vec::new(),
            took: None,
            underruns: 0,
        })
    }

    /// Writes what the speaker's queue lacks.
    fn top_up(&mut self, speaker: &mut dyn Speaker, now: Instant) -> Result<(), PlayError> {
        let queued = speaker.queued()?;
        let mut missing = self.kept.saturating_sub(queued);
        if missing == 0 && now.duration_since(*self.took.get_or_insert(now)) > STALLED {
            return Err(SpeakerError::Stalled.into());
        }
        while missing > 0 {
            if self.ready.is_empty() {
                self.make();
            }
            let taken = speaker.write(&self.ready)?;
            if taken == 0 {
                break;
            }
            self.took = Some(now);
            self.ready.drain(..taken.min(self.ready.len()));
            missing = missing.saturating_sub(taken / self.channels);
        }
        Ok(())
    }

    /// Makes a block in the speaker's format.
    fn make(&mut self) {
        let (mut block, mut frames) = ([0; BLOCK], Vec::with_capacity(BLOCK));
        // The first block of a resampler may be all held back.
        while frames.is_empty() {
            self.mixer.next(&mut block);
            self.resampler.process(&block, &mut frames);
        }
        let channels = self.channels;
        let spread = frames
            .into_iter()
            .flat_map(|frame| std::iter::repeat_n(frame, channels));
        self.ready.extend(spread);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sound::SoundFigures;

    /// A card in simulated time that takes what fits into 200 ms.
    #[derive(Default)]
    struct FakeSpeaker {
        rate: u32,
        channels: u16,
        queue: usize,
        heard: Vec<i16>,
        underruns: u64,
        gone: bool,
        /// It takes at most so many samples at once.
        mouthful: usize,
    }

    impl FakeSpeaker {
        fn new(rate: u32, channels: u16) -> Self {
            Self {
                rate,
                channels,
                mouthful: usize::MAX,
                ..Self::default()
            }
        }

        fn pass(&mut self, time: Duration) {
            let frames = time.as_micros() as usize * self.rate as usize / 1_000_000;
            if frames > self.queue {
                self.underruns += 1;
            }
            self.queue = self.queue.saturating_sub(frames);
        }
    }

    impl Speaker for FakeSpeaker {
        fn format(&self) -> SoundFormat {
            SoundFormat {
                rate: self.rate,
                channels: self.channels,
            }
        }

        fn queued(&mut self) -> Result<usize, SpeakerError> {
            match self.gone {
                true => Err(SpeakerError::Gone {
                    device: "fake".into(),
                }),
                false => Ok(self.queue),
            }
        }

        fn write(&mut self, samples: &[i16]) -> Result<usize, SpeakerError> {
            let channels = usize::from(self.channels);
            let room = (self.rate as usize / 5 - self.queue) * channels;
            let taken = samples.len().min(room).min(self.mouthful);
            self.heard.extend_from_slice(&samples[..taken]);
            self.queue += taken / channels;
            Ok(taken)
        }

        fn underruns(&self) -> u64 {
            self.underruns
        }
    }

    #[test]
    fn the_queue_is_kept_short_and_never_empty() {
        for (rate, channels, mouthful) in
            [(48_000, 1, usize::MAX), (44_100, 2, 100), (8_000, 2, 64)]
        {
            let handle = PlayHandle::new(SoundFigures::default());
            handle.set_open(true);
            let chime = Chime::two_tones();
            let mut speaker = FakeSpeaker::new(rate, channels);
            speaker.mouthful = mouthful;
            let mixer = Mixer::new(&chime, &handle);
            let mut player = Player::new(speaker.format(), mixer).expect("a format");
            let mut now = Instant::now();
            handle.chime();
            for turn in 0_u64..400 {
                player.top_up(&mut speaker, now).expect("it plays");
                let kept = rate as usize * 40 / 1000;
                assert!(
                    speaker.queue >= kept && speaker.queue <= kept + 480,
                    "{}",
                    speaker.queue
                );
                // Some turns are late.
                let turn = Duration::from_millis(10 + 25 * u64::from(turn % 7 == 0));
                speaker.pass(turn);
                now += turn;
            }
            assert_eq!(speaker.underruns, 0);
            assert!(speaker.heard.iter().any(|sample| *sample > 8_000));
            for frame in speaker.heard.chunks(channels.into()) {
                assert!(frame.iter().all(|sample| *sample == frame[0]));
            }
        }
    }

    #[test]
    fn a_speaker_that_is_gone_or_takes_nothing_is_given_up() {
        let handle = PlayHandle::new(SoundFigures::default());
        let chime = Chime::two_tones();
        let mut speaker = FakeSpeaker::new(48_000, 2);
        let mut player = Player::new(speaker.format(), Mixer::new(&chime, &handle)).expect("fine");
        let now = Instant::now();
        for ms in 0..1_900 {
            player
                .top_up(&mut speaker, now + Duration::from_millis(ms))
                .expect("it waits");
        }
        let ended = player.top_up(&mut speaker, now + Duration::from_millis(2_100));
        assert!(matches!(
            ended,
            Err(PlayError::Speaker(SpeakerError::Stalled))
        ));
        speaker.gone = true;
        let ended = player.top_up(&mut speaker, now);
        assert!(matches!(
            ended,
            Err(PlayError::Speaker(SpeakerError::Gone { .. }))
        ));
    }

    #[test]
    fn a_format_of_no_use_is_refused() {
        let handle = PlayHandle::new(SoundFigures::default());
        let chime = Chime::two_tones();
        for (rate, channels) in [(10, 1), (48_000, 0)] {
            let format = SoundFormat { rate, channels };
            assert!(Player::new(format, Mixer::new(&chime, &handle)).is_err());
        }
    }
}
