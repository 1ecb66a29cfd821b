//! What is heard when somebody rings.

use std::f32::consts::TAU;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::RATE;
use crate::sound::tone::to_i16;
use crate::sound::{Wav, WavError};

/// The two tones, Hz: E5 and C5, a major third down, as doorbells have it.
const TONES_HZ: [f32; 2] = [659.255, 523.251];
/// How long the first sounds alone, and both together, in samples.
const SECOND_AT: usize = 24_000;
const LEN: usize = 72_000;
/// The last of it fades away, in samples.
const FADE: usize = 4_800;
/// Each falls to a third within this, seconds.
const DECAY_S: f32 = 0.35;
const LEVEL: f32 = 0.4;
/// A tone that begins at once clicks.
const ATTACK_S: f32 = 0.004;
/// A chime longer than this is a concert, seconds.
const LONGEST_S: u64 = 15;

/// A sound of some seconds at 48 kHz, in one channel.
#[derive(Clone, Debug)]
pub struct Chime {
    samples: Vec<i16>,
}

/// Why a file is no chime. Each text is one line and names the mend.
#[derive(Debug, thiserror::Error)]
pub enum ChimeError {
    /// It cannot be played.
    #[error(transparent)]
    File(#[from] WavError),
    /// It goes on for too long.
    #[error("chime {}: it lasts {seconds} s, a chime at most {LONGEST_S}: shorten it", path.display())]
    Long {
        /// The file.
        path: PathBuf,
        /// How long it is.
        seconds: u64,
    },
}

impl Chime {
    /// Ding, dong.
    pub fn two_tones() -> Self {
        let samples = (0..LEN).map(|n| {
            let value: f32 = [(TONES_HZ[0], 0), (TONES_HZ[1], SECOND_AT)]
                .into_iter()
                .map(|(hz, begin)| n.checked_sub(begin).map_or(0.0, |n| tone(hz, n)) * ending(n))
                .sum();
            to_i16(value)
        });
        Self {
            samples: samples.collect(),
        }
    }

    /// Reads a WAV file whole, and mixes it to one channel.
    ///
    /// # Errors
    /// Where it is none, or longer than 15 s.
    pub fn load(path: &Path) -> Result<Self, ChimeError> {
        let mut wav = Wav::open(path)?;
        let seconds = wav.duration().as_secs();
        if seconds > LONGEST_S {
            return Err(ChimeError::Long {
                path: path.to_owned(),
                seconds,
            });
        }
        Ok(Self {
            samples: wav.read_whole()?,
        })
    }

    /// How long it sounds.
    pub fn duration(&self) -> Duration {
        Duration::from_millis(self.samples.len() as u64 * 1000 / u64::from(RATE))
    }

    pub(super) fn samples(&self) -> &[i16] {
        &self.samples
    }
}

/// A struck tone: sharp at first, then it dies away.
#[allow(clippy::cast_precision_loss, reason = "below 100 000")]
fn tone(hz: f32, n: usize) -> f32 {
    let t = n as f32 / RATE as f32;
    let edge = (t / ATTACK_S).min(1.0);
    // An octave above, as a bar has it.
    let wave = (TAU * hz * t).sin() + 0.25 * (TAU * 2.0 * hz * t).sin();
    LEVEL * edge * (-t / DECAY_S).exp() * wave
}

/// Neither does it end at once.
#[allow(clippy::cast_precision_loss, reason = "below 100 000")]
fn ending(n: usize) -> f32 {
    (LEN.saturating_sub(n) as f32 / FADE as f32).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_neither_clicks_nor_is_clipped() {
        let chime = Chime::two_tones();
        let samples = chime.samples();
        assert!(samples.iter().all(|sample| sample.unsigned_abs() < 28_000));
        assert!(samples.iter().any(|sample| sample.unsigned_abs() > 10_000));
        let step = samples.windows(2).map(|two| two[0].abs_diff(two[1])).max();
        assert!(step < Some(3_000), "{step:?}");
        assert!(samples.first() == Some(&0) && samples.last().is_some_and(|s| s.abs() < 300));
    }
}
