//! The sound threads: paced sources and the microphone, into Opus packets.

use std::time::{Duration, Instant};

use transom_boards_hal::{Microphone, MicrophoneError, SoundFormat};

use super::card_clock::{CardClock, Timeline};
use super::{LevelMeter, OpusEncoder, OpusError, PACKET_SAMPLES, PacedSound, Resampler, WavError};
use crate::clock::Pace;
use crate::output::AudioOutput;
use crate::publish::FeedCount;
use crate::stop::Stop;

const OPUS_RATE: u32 = 48_000;
const PACKET: Duration = Duration::from_millis(20);
/// Longest wait for a card; a stop is seen in between.
const READ_TIMEOUT: Duration = Duration::from_millis(100);
/// A card that gives nothing for this long is opened again.
const SILENT: u32 = 20;

/// Why sound ended.
#[derive(Debug, thiserror::Error)]
pub enum SoundError {
    /// The file failed.
    #[error(transparent)]
    File(#[from] WavError),
    /// The encoder failed.
    #[error(transparent)]
    Opus(#[from] OpusError),
    /// The card failed.
    #[error(transparent)]
    Microphone(#[from] MicrophoneError),
    /// The card's format cannot be used.
    #[error("the sound card captures {} channels at {} Hz: choose another with --audio alsa:DEVICE", .0.channels, .0.rate)]
    Format(SoundFormat),
}

/// Plays `source` into `output` in real time until told to stop.
pub fn run_paced(
    source: &mut dyn PacedSound,
    encoder: &mut OpusEncoder,
    output: &AudioOutput,
    stop: &Stop,
) -> Result<(), SoundError> {
    let mut samples = vec![0; encoder.packet_samples()];
    let mut pace = Pace::new(Instant::now());
    let mut ready = PACKET;
    // Like a card's, a packet is there when its last sample was heard.
    while let Some(end) = pace.wait(ready, stop) {
        ready += PACKET;
        let at = end.checked_sub(PACKET).unwrap_or(end);
        source.fill(output.clock().capture(at).wall, &mut samples)?;
        if !output.is_paused() {
            output.send(encoder.encode(&samples)?, at, output.timestamp(at));
        }
    }
    Ok(())
}

/// Records from `microphone` into `output`, in mono, until told to stop or it
/// fails. `timeline` goes on over all microphones of a feed.
pub fn record(
    microphone: &mut dyn Microphone,
    opus_bps: u32,
    timeline: &mut Timeline,
    output: &AudioOutput,
    stop: &Stop,
) -> Result<(), SoundError> {
    let format = microphone.format();
    let mut resampler = Resampler::new(format.rate, 1)
        .filter(|_| format.channels > 0)
        .ok_or(SoundError::Format(format))?;
    let mut encoder = OpusEncoder::new(1, opus_bps)?;
    let figures = output.control().sound();
    let mut clock = CardClock::new(format.rate, Instant::now());
    let mut meter = LevelMeter::new(u64::from(format.rate));
    let channels = usize::from(format.channels);
    let mut block = vec![0; PACKET_SAMPLES * channels];
    let (mut mono, mut pending) = (Vec::new(), Vec::new());
    let (mut silent, mut overruns) = (0, 0);
    while !stop.is_set() {
        let (read, age) = match microphone.read(&mut block, READ_TIMEOUT) {
            Ok(read) => read,
            Err(MicrophoneError::Timeout) if silent < SILENT => {
                silent += 1;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let now = Instant::now();
        silent = 0;
        let lost = microphone.overruns();
        let more = lost.saturating_sub(std::mem::replace(&mut overruns, lost));
        output.control().add(FeedCount::SoundOverruns, more);
        let recorded = block.get(..read).unwrap_or_default();
        mono.clear();
        mono.extend(recorded.chunks_exact(channels).map(mean));
        if let Some(level) = meter.add(&mono) {
            figures.set_microphone(Some(level));
            figures.set_microphone_drift_ppm(clock.drift_ppm());
        }
        // The age is that of the first; the clock goes by the last.
        let end = now + duration_of(mono.len(), format.rate);
        let end = end.checked_sub(age).unwrap_or(now);
        let begin = clock.advance(mono.len(), end, more > 0);
        let before = duration_of(pending.len(), OPUS_RATE);
        let mut at = begin.checked_sub(before).unwrap_or(begin);
        resampler.process(&mono, &mut pending);
        let mut packets = pending.chunks_exact(encoder.packet_samples());
        for samples in packets.by_ref() {
            let timestamp = timeline.next(at, output.timestamp(at));
            if !output.is_paused() {
                output.send(encoder.encode(samples)?, at, timestamp);
            }
            at += PACKET;
        }
        let left = packets.remainder().len();
        pending.drain(..pending.len() - left);
    }
    Ok(())
}

/// All channels of one moment as one.
pub(super) fn mean(frame: &[i16]) -> i16 {
    let sum: i64 = frame.iter().map(|&sample| i64::from(sample)).sum();
    let count = i64::try_from(frame.len()).unwrap_or(1).max(1);
    i16::try_from(sum / count).unwrap_or(0)
}

/// How long so many frames last.
fn duration_of(frames: usize, rate: u32) -> Duration {
    Duration::from_micros(frames as u64 * 1_000_000 / u64::from(rate.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::MediaClock;
    use crate::publish::{AudioFrame, FeedControl};
    use crate::queue::Receiver;
    use crate::sound::Tone;
    use std::thread;

    fn output() -> (AudioOutput, Receiver<AudioFrame>) {
        AudioOutput::new(MediaClock::new(Instant::now()), FeedControl::default())
    }

    fn drain(frames: &mut Receiver<AudioFrame>) -> Vec<AudioFrame> {
        std::iter::from_fn(|| frames.try_recv()).collect()
    }

    #[test]
    fn paced_sound_keeps_real_time_and_exact_timestamps() {
        let (output, mut frames) = output();
        let stop = Stop::default();
        let ending = stop.clone();
        let playing = thread::spawn(move || {
            let mut encoder = OpusEncoder::new(1, 32_000)?;
            run_paced(&mut Tone::default(), &mut encoder, &output, &ending)
        });
        let mut got = Vec::new();
        let began = Instant::now();
        while began.elapsed() < Duration::from_millis(400) {
            got.extend(drain(&mut frames));
            thread::sleep(Duration::from_millis(5));
        }
        stop.set();
        playing.join().expect("it ends").expect("without an error");
        // 20 would be due; a loaded machine may be late.
        assert!((10..=21).contains(&got.len()), "{}", got.len());
        for pair in got.windows(2) {
            assert_eq!(pair[1].timestamp.wrapping_sub(pair[0].timestamp), 960);
            assert_eq!(pair[1].capture.at - pair[0].capture.at, PACKET);
        }
    }

    /// A card that gives 10 ms of stereo at 44.1 kHz a read, loses 300 ms once
    /// and then fails.
    struct FakeCard {
        reads: u32,
    }

    impl Microphone for FakeCard {
        fn format(&self) -> SoundFormat {
            SoundFormat {
                rate: 44_100,
                channels: 2,
            }
        }

        fn read(
            &mut self,
            samples: &mut [i16],
            _timeout: Duration,
        ) -> Result<(usize, Duration), MicrophoneError> {
            self.reads += 1;
            if self.reads == 20 {
                thread::sleep(Duration::from_millis(300));
            }
            if self.reads > 40 {
                return Err(MicrophoneError::Gone {
                    device: "fake".into(),
                });
            }
            thread::sleep(Duration::from_millis(10));
            samples[..882]
                .chunks_mut(2)
                .for_each(|frame| frame.copy_from_slice(&[3000, -3000]));
            Ok((882, Duration::from_millis(10)))
        }

        fn overruns(&self) -> u64 {
            u64::from(self.reads >= 20)
        }
    }

    #[test]
    fn a_card_is_resampled_stamped_and_its_end_reported() {
        let (output, mut frames) = output();
        let control = output.control().clone();
        let recording = thread::spawn(move || {
            let mut card = FakeCard { reads: 0 };
            record(
                &mut card,
                48_000,
                &mut Timeline::default(),
                &output,
                &Stop::default(),
            )
        });
        let mut got = Vec::new();
        while !recording.is_finished() {
            got.extend(drain(&mut frames));
            thread::sleep(Duration::from_millis(5));
        }
        got.extend(drain(&mut frames));
        let ended = recording.join().expect("it ends");
        assert!(matches!(
            ended,
            Err(SoundError::Microphone(MicrophoneError::Gone { .. }))
        ));
        assert!((18..=20).contains(&got.len()), "{}", got.len());
        assert_eq!(control.count(FeedCount::SoundOverruns), 1);
        let steps: Vec<u32> = got
            .windows(2)
            .map(|pair| pair[1].timestamp.wrapping_sub(pair[0].timestamp))
            .collect();
        // The loss shows; everything else counts samples.
        assert!(steps.iter().any(|&step| step > 960 + 4_800));
        assert!(steps.iter().filter(|&&step| step == 960).count() >= 14);
    }

    #[test]
    fn channels_are_mixed_without_overflow() {
        assert_eq!(mean(&[i16::MAX, i16::MAX]), i16::MAX);
        assert_eq!(mean(&[100, -300]), -100);
        assert_eq!(mean(&[]), 0);
    }

    #[test]
    fn a_card_with_a_format_of_no_use_is_refused() {
        struct Telegraph;
        impl Microphone for Telegraph {
            fn format(&self) -> SoundFormat {
                SoundFormat {
                    rate: 10,
                    channels: 1,
                }
            }
            fn read(
                &mut self,
                _: &mut [i16],
                _: Duration,
            ) -> Result<(usize, Duration), MicrophoneError> {
                Err(MicrophoneError::Timeout)
            }
            fn overruns(&self) -> u64 {
                0
            }
        }
        let (output, _frames) = output();
        let mut timeline = Timeline::default();
        let ended = record(
            &mut Telegraph,
            48_000,
            &mut timeline,
            &output,
            &Stop::default(),
        );
        assert!(matches!(ended, Err(SoundError::Format(_))));
    }
}
