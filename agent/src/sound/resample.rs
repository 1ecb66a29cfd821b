//! From any sample rate to any, near 48 kHz or far: a windowed sinc, tabulated in phases.

use super::tone::to_i16;

const OPUS_RATE: u32 = 48_000;
/// Zero crossings of the sinc on each side: enough for 80 dB of stop band.
const HALF_CROSSINGS: usize = 16;
/// Tabulated positions between two input samples; between those, linear.
const PHASES: usize = 512;
/// The pass band ends here, as a part of the lower of both Nyquist rates.
const PASS: f64 = 0.92;
/// Shape of the Kaiser window: about 80 dB.
const BETA: f64 = 8.0;
/// Rates beyond are no sound.
const RATES: std::ops::RangeInclusive<u32> = 4_000..=384_000;
/// An input frame in units of `position`.
const FRAME: u64 = 1 << 32;

/// Resamples interleaved samples of one or two channels.
#[derive(Debug)]
pub struct Resampler {
    channels: usize,
    /// Taps on each side of the position; none where nothing is to be done.
    half: usize,
    /// `PHASES + 1` rows of `2 * half` taps.
    table: Vec<f32>,
    /// Interleaved input still needed; the first frame belongs to the first tap.
    input: Vec<f32>,
    /// Position of the next output between two input frames, below [`FRAME`].
    position: u64,
    /// Input for one frame of output, by the rates alone and as it is steered.
    nominal: u64,
    step: u64,
}

impl Resampler {
    /// A resampler from `rate` to 48 kHz; `None` for a rate that is no sound's
    /// or for more than two channels.
    pub fn new(rate: u32, channels: u16) -> Option<Self> {
        Self::between(rate, OPUS_RATE, channels)
    }

    /// A resampler from a rate to another, which does nothing where they are the same.
    pub fn between(from: u32, to: u32, channels: u16) -> Option<Self> {
        let mut resampler = Self::steered(from, to, channels)?;
        if from == to {
            resampler.half = 0;
            resampler.table = Vec::new();
            resampler.input = Vec::new();
        }
        Some(resampler)
    }

    /// One that can be steered by [`steer`](Self::steer).
    pub fn steered(from: u32, to: u32, channels: u16) -> Option<Self> {
        if !RATES.contains(&from) || !RATES.contains(&to) || !(1..=2).contains(&channels) {
            return None;
        }
        // Going down, the filter is stretched to the lower rate.
        let stretch = (f64::from(from) / f64::from(to)).max(1.0);
        let half = ceil_to_usize(HALF_CROSSINGS as f64 * stretch);
        let channels = usize::from(channels);
        // Rounded by half of 2^-32: a sample in days.
        let nominal = (u64::from(from) * FRAME + u64::from(to) / 2) / u64::from(to);
        Some(Self {
            channels,
            half,
            table: tabulate(half, stretch),
            // Half a filter of silence comes before the first sample.
            input: vec![0.0; (half - 1) * channels],
            position: 0,
            nominal,
            step: nominal,
        })
    }

    /// Takes in so many millionths more for the same output from now on, at
    /// most a thousandth.
    pub fn steer(&mut self, ppm: f32) {
        let millionths = f64::from(ppm).clamp(-1000.0, 1000.0) * 1e-6;
        #[allow(clippy::cast_precision_loss, reason = "2^32 times less than 100")]
        let step = self.nominal as f64 * (1.0 + millionths);
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "positive, and below 2^40"
        )]
        {
            self.step = step.round() as u64;
        }
    }

    /// Frames taken in that have not all come out yet.
    pub fn held(&self) -> usize {
        self.input.len() / self.channels
    }

    /// Takes input and appends all output that it makes possible to `out`.
    pub fn process(&mut self, input: &[i16], out: &mut Vec<i16>) {
        if self.half == 0 {
            out.extend_from_slice(input);
            return;
        }
        self.input
            .extend(input.iter().map(|&sample| f32::from(sample) / 32_768.0));
        let frames = self.input.len() / self.channels;
        let taps = 2 * self.half;
        let mut first = 0;
        while first + taps <= frames {
            for channel in 0..self.channels {
                out.push(to_i16(self.interpolate(first, channel)));
            }
            let next = self.position + self.step;
            // It fits: the rates are bounded.
            first += usize::try_from(next / FRAME).unwrap_or(usize::MAX / 4);
            self.position = next % FRAME;
        }
        // A step is far shorter than the filter, so `first` lies inside.
        self.input.drain(..first.min(frames) * self.channels);
    }

    fn interpolate(&self, first: usize, channel: usize) -> f32 {
        let taps = 2 * self.half;
        let scaled = self.position * PHASES as u64;
        let phase = usize::try_from(scaled / FRAME).unwrap_or(0);
        #[allow(clippy::cast_precision_loss, reason = "a fraction, near enough")]
        let between = (scaled % FRAME) as f32 / FRAME as f32;
        let mut rows = self.table.chunks_exact(taps).skip(phase);
        let (Some(low), Some(high)) = (rows.next(), rows.next()) else {
            return 0.0;
        };
        let samples = self
            .input
            .iter()
            .skip(first * self.channels + channel)
            .step_by(self.channels);
        low.iter()
            .zip(high)
            .zip(samples)
            .map(|((low, high), sample)| sample * (low + (high - low) * between))
            .sum()
    }
}

/// The filter's taps for each phase, each row with a sum of one.
fn tabulate(half: usize, stretch: f64) -> Vec<f32> {
    let taps = 2 * half;
    let cutoff = PASS / stretch;
    let mut table = Vec::with_capacity((PHASES + 1) * taps);
    for phase in 0..=PHASES {
        let fraction = phase as f64 / PHASES as f64;
        let row: Vec<f64> = (0..taps)
            .map(|tap| {
                let from_middle = tap as f64 - (half as f64 - 1.0) - fraction;
                sinc(cutoff * from_middle) * kaiser(from_middle / half as f64)
            })
            .collect();
        let sum: f64 = row.iter().sum();
        #[allow(clippy::cast_possible_truncation, reason = "taps are below one")]
        table.extend(row.iter().map(|tap| (tap / sum) as f32));
    }
    table
}

fn sinc(x: f64) -> f64 {
    let x = x * std::f64::consts::PI;
    if x.abs() < 1e-9 { 1.0 } else { x.sin() / x }
}

/// The Kaiser window over -1 to 1.
fn kaiser(x: f64) -> f64 {
    let inside = 1.0 - x * x;
    if inside <= 0.0 {
        return 0.0;
    }
    bessel_i0(BETA * inside.sqrt()) / bessel_i0(BETA)
}

/// The modified Bessel function of order zero, by its power series.
fn bessel_i0(x: f64) -> f64 {
    let quarter = x * x / 4.0;
    let (mut sum, mut term) = (1.0, 1.0);
    for k in 1..=40 {
        term *= quarter / f64::from(k * k);
        sum += term;
    }
    sum
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a positive number below 200"
)]
fn ceil_to_usize(value: f64) -> usize {
    value.ceil() as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::TAU;

    fn sine(hz: f64, rate: u32, samples: usize) -> Vec<i16> {
        (0..samples)
            .map(|n| ((n as f64 * hz / f64::from(rate) * TAU).sin() * 16_000.0) as i16)
            .collect()
    }

    /// Level of `hz` in the middle of a signal at 48 kHz, and of all the rest.
    fn levels(signal: &[i16], hz: f64) -> (f64, f64) {
        // A whole number of tenths of a second: no leakage at multiples of 10 Hz.
        let start = signal.len() / 2 - 12_000;
        let middle = &signal[start..start + 24_000];
        let (mut re, mut im, mut all) = (0.0, 0.0, 0.0);
        for (n, &sample) in middle.iter().enumerate() {
            let phase = n as f64 * hz / 48_000.0 * TAU;
            re += f64::from(sample) * phase.cos();
            im += f64::from(sample) * phase.sin();
            all += f64::from(sample).powi(2);
        }
        let n = middle.len() as f64;
        let tone = 2.0 * (re * re + im * im) / (n * n);
        ((2.0 * tone).sqrt(), (all / n - tone).max(0.0).sqrt())
    }

    #[test]
    fn a_tone_stays_a_tone_at_every_rate() {
        for rate in [
            8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 44_101, 48_000, 96_000,
        ] {
            let mut resampler = Resampler::new(rate, 1).expect("a rate");
            let input = sine(1_000.0, rate, rate as usize);
            let mut out = Vec::new();
            // In pieces of odd sizes, as they come.
            for piece in input.chunks(777) {
                resampler.process(piece, &mut out);
            }
            assert!(out.len().abs_diff(48_000) < 300, "{rate}: {}", out.len());
            let (tone, rest) = levels(&out, 1_000.0);
            assert!((tone - 16_000.0).abs() < 100.0, "{rate}: level {tone}");
            // 70 dB below the tone.
            assert!(rest < 5.0, "{rate}: noise {rest}");
        }
    }

    #[test]
    fn what_48_khz_cannot_carry_is_filtered_out() {
        let mut resampler = Resampler::new(96_000, 1).expect("a rate");
        let mut out = Vec::new();
        resampler.process(&sine(30_000.0, 96_000, 96_000), &mut out);
        let (_, rest) = levels(&out, 18_000.0);
        assert!(rest < 5.0, "an alias of {rest}");
    }

    #[test]
    fn channels_stay_apart() {
        let mut resampler = Resampler::new(44_100, 2).expect("a rate");
        let left = sine(500.0, 44_100, 44_100);
        let input: Vec<i16> = left.iter().flat_map(|&sample| [sample, 0]).collect();
        let mut out = Vec::new();
        resampler.process(&input, &mut out);
        assert_eq!(out.len() % 2, 0);
        assert!(out.chunks(2).all(|frame| frame[1] == 0));
        assert!(out.chunks(2).any(|frame| frame[0] > 15_000));
    }

    #[test]
    fn no_rate_drifts() {
        let mut resampler = Resampler::new(44_100, 1).expect("a rate");
        let mut out = Vec::new();
        let mut made = 0;
        for _ in 0..100 {
            resampler.process(&[0; 44_100], &mut out);
            made += out.len();
            out.clear();
        }
        assert!((4_800_000 - 40..=4_800_000).contains(&made), "{made}");
        assert!(resampler.input.len() < 100);
    }

    #[test]
    fn steering_changes_the_rate_and_nothing_else() {
        let mut resampler = Resampler::steered(48_000, 48_000, 1).expect("a rate");
        let mut out = Vec::new();
        for ppm in [0.0, 200.0, -200.0] {
            resampler.steer(ppm);
            out.clear();
            // What leaves has 1 kHz.
            let hz = 1_000.0 / (1.0 + f64::from(ppm) * 1e-6);
            resampler.process(&sine(hz, 48_000, 480_000), &mut out);
            let expected = 480_000.0 / (1.0 + f64::from(ppm) * 1e-6);
            assert!(
                (out.len() as f64 - expected).abs() < 20.0,
                "{ppm}: {}",
                out.len()
            );
            // Not even a change of the rate is heard: 60 dB below the tone.
            let (tone, rest) = levels(&out, 1_000.0);
            assert!((tone - 16_000.0).abs() < 100.0, "{ppm}: level {tone}");
            assert!(rest < 16.0, "{ppm}: noise {rest}");
        }
        assert!(resampler.held() < 40);
    }

    #[test]
    fn a_card_of_another_rate_gets_its_own() {
        let mut resampler = Resampler::between(48_000, 44_100, 1).expect("rates");
        let mut out = Vec::new();
        resampler.process(&sine(1_000.0, 48_000, 48_000), &mut out);
        assert!(out.len().abs_diff(44_100) < 40, "{}", out.len());
    }

    #[test]
    fn what_is_no_sound_is_refused() {
        assert!(Resampler::new(0, 1).is_none());
        assert!(Resampler::new(10_000_000, 1).is_none());
        assert!(Resampler::new(48_000, 0).is_none());
        assert!(Resampler::new(48_000, 6).is_none());
    }
}
