//! How loud sound is.

/// What silence is in 16 bits, dBFS: half a step of the last bit.
const SILENCE_DBFS: f32 = -96.3;

/// Loudness in dBFS: 0 is full scale. A sine at full scale has a mean of -3.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    /// The root of the mean of the squares.
    pub rms: f32,
    /// The loudest sample.
    pub peak: f32,
}

/// Measures window by window.
#[derive(Clone, Debug)]
pub struct LevelMeter {
    window: u64,
    samples: u64,
    energy: f64,
    peak: u16,
}

impl LevelMeter {
    /// A meter of windows of so many samples, over all channels.
    pub fn new(window: u64) -> Self {
        Self {
            window: window.max(1),
            samples: 0,
            energy: 0.0,
            peak: 0,
        }
    }

    /// Takes samples in; the level of the window that is full thereby.
    pub fn add(&mut self, samples: &[i16]) -> Option<Level> {
        for &sample in samples {
            self.energy += f64::from(sample) * f64::from(sample);
            self.peak = self.peak.max(sample.unsigned_abs());
        }
        self.samples += samples.len() as u64;
        if self.samples < self.window {
            return None;
        }
        #[allow(clippy::cast_precision_loss, reason = "a few seconds of samples")]
        let mean = self.energy / self.samples as f64;
        let level = Level {
            rms: dbfs(mean.sqrt()),
            peak: dbfs(f64::from(self.peak)),
        };
        *self = Self::new(self.window);
        Some(level)
    }
}

fn dbfs(amplitude: f64) -> f32 {
    #[allow(clippy::cast_possible_truncation, reason = "within 0 and -97")]
    let db = (20.0 * (amplitude / 32_768.0).log10()) as f32;
    db.max(SILENCE_DBFS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_those_of_the_signal() {
        let mut meter = LevelMeter::new(48_000);
        let sine: Vec<i16> = (0..48_000)
            .map(|n| ((f64::from(n) * 0.13).sin() * 3276.7) as i16)
            .collect();
        assert_eq!(meter.add(&sine[..20_000]), None);
        let level = meter.add(&sine[20_000..]).expect("a full window");
        // A tenth of full scale is -20 dB, and a sine's mean 3 dB below.
        assert!((level.peak + 20.0).abs() < 0.1, "{level:?}");
        assert!((level.rms + 23.0).abs() < 0.1, "{level:?}");
        let silence = meter.add(&[0; 48_000]).expect("a full window");
        assert_eq!((silence.rms, silence.peak), (SILENCE_DBFS, SILENCE_DBFS));
        let loudest = meter.add(&[i16::MIN; 48_000]).expect("a full window");
        assert_eq!((loudest.rms, loudest.peak), (0.0, 0.0));
    }
}
