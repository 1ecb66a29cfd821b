//! The sound of the `test` source: a beep at each full second of the clock,
//! with the flash of the test picture, over a quiet hum.

use std::f32::consts::TAU;

use transom_rtc_proto::time::WallTime;

use super::{PacedSound, WavError};
use transom_picture::FLASH_US;

const RATE: f32 = 48_000.0;
/// A5: pleasant, and well inside every speaker's range.
const BEEP_HZ: f32 = 880.0;
/// A3, so quiet that it only shows that the line is open.
const HUM_HZ: f32 = 220.0;
const BEEP_LEVEL: f32 = 0.25;
const HUM_LEVEL: f32 = 0.02;
/// Rise and fall of the beep: without them it clicks.
const EDGE_US: u64 = 10_000;

/// A beep a second, in mono.
#[derive(Debug, Default)]
pub struct Tone {
    /// Phases in turns, kept across packets so that no packet begins with a click.
    beep: f32,
    hum: f32,
}

impl PacedSound for Tone {
    fn channels(&self) -> u16 {
        1
    }

    fn fill(&mut self, wall: WallTime, samples: &mut [i16]) -> Result<(), WavError> {
        let start = wall.as_unix_micros();
        for (index, sample) in (0_u64..).zip(samples) {
            let us = (start + index * 1_000_000 / 48_000) % 1_000_000;
            self.beep = (self.beep + BEEP_HZ / RATE).fract();
            self.hum = (self.hum + HUM_HZ / RATE).fract();
            let value = HUM_LEVEL * (self.hum * TAU).sin()
                + BEEP_LEVEL * envelope(us) * (self.beep * TAU).sin();
            *sample = to_i16(value);
        }
        Ok(())
    }
}

/// The loudness of the beep at `us` within the second, 0 to 1.
fn envelope(us: u64) -> f32 {
    let edge = us.min(FLASH_US.saturating_sub(us)).min(EDGE_US);
    #[allow(clippy::cast_precision_loss, reason = "at most 10 000")]
    let along = edge as f32 / EDGE_US as f32;
    // A raised cosine.
    0.5 - 0.5 * (along * TAU / 2.0).cos()
}

/// A value of -1 to 1 as a sample; beyond that it is clipped.
#[allow(clippy::cast_possible_truncation, reason = "the cast saturates")]
pub(super) fn to_i16(value: f32) -> i16 {
    (value * 32_767.0).round() as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loudness(start_us: u64) -> f32 {
        let mut samples = [0; 960];
        let wall = WallTime::from_unix_micros(1_795_385_645_000_000 + start_us);
        Tone::default().fill(wall, &mut samples).expect("a tone");
        let energy: f32 = samples.iter().map(|&s| f32::from(s).powi(2)).sum();
        (energy / 960.0).sqrt()
    }

    #[test]
    fn it_beeps_with_the_second() {
        assert!(loudness(40_000) > 5_000.0);
        for quiet in [110_000, 500_000, 970_000] {
            let level = loudness(quiet);
            assert!((100.0..1_000.0).contains(&level), "{quiet}: {level}");
        }
    }

    #[test]
    fn packets_join_without_a_click() {
        let mut tone = Tone::default();
        let (mut last, mut largest) = (0_i32, 0);
        for packet in 0..100 {
            let mut samples = [0; 960];
            let wall = WallTime::from_unix_micros(packet * 20_000);
            tone.fill(wall, &mut samples).expect("a tone");
            for sample in samples.map(i32::from) {
                largest = largest.max(sample.abs_diff(last));
                last = sample;
            }
        }
        // A full beep changes by at most 2 pi f A / rate = 944 a sample.
        assert!(largest < 1_100, "{largest}");
    }

    #[test]
    fn loud_values_are_clipped() {
        assert_eq!(to_i16(9.0), i16::MAX);
        assert_eq!(to_i16(-9.0), i16::MIN);
        assert_eq!(to_i16(f32::NAN), 0);
    }
}
