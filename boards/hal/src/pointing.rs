//! Where a camera points that is told how fast to turn.

/// A longer gap between two steps is taken as this much: microseconds.
const LONGEST_STEP_US: u64 = 100_000;
/// From the middle to an end at full speed, in microseconds.
const HALF_RANGE_US: i64 = 1_000_000;
/// What a servo's usual pulses turn it by, from the middle to an end: an eighth of a turn, in milliradians.
const HALF_RANGE_MRAD: i64 = 785;

const FULL: i64 = i16::MAX as i64;

/// Pan and tilt: speeds go in, places come out. Speed zero is a place that stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pointing {
    /// In 32767ths of half the range, times microseconds: so that nothing is lost to rounding.
    places: [i64; 2],
    at_us: Option<u64>,
}

impl Pointing {
    /// Turns on until `now_us`, with speeds in 32767ths of full scale; to the left and up are positive.
    pub fn turn(&mut self, now_us: u64, speeds: [i16; 2]) {
        let since = self.at_us.replace(now_us).unwrap_or(now_us);
        let step = now_us.saturating_sub(since).min(LONGEST_STEP_US);
        let step = i64::try_from(step).unwrap_or(0);
        for (place, speed) in self.places.iter_mut().zip(speeds) {
            let end = FULL * HALF_RANGE_US;
            *place = (*place + i64::from(speed) * step).clamp(-end, end);
        }
    }

    /// Both places, in 32767ths from the middle to an end.
    pub fn places(&self) -> [i16; 2] {
        self.places
            .map(|place| i16::try_from(place / HALF_RANGE_US).unwrap_or(0))
    }

    /// Both in milliradians, of servos with the usual pulses.
    pub fn mrad(&self) -> [i16; 2] {
        self.places
            .map(|place| i16::try_from(place / HALF_RANGE_US * HALF_RANGE_MRAD / FULL).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speed_turns_it_to_its_ends_and_zero_leaves_it_there() {
        let mut pointing = Pointing::default();
        for step in 0..=5 {
            pointing.turn(step * 100_000, [i16::MAX, -i16::MAX / 2]);
        }
        let [pan, tilt] = pointing.places();
        assert!((16_380..=16_384).contains(&pan) && (-8_192..=-8_190).contains(&tilt));
        for step in 6..=9 {
            pointing.turn(step * 100_000, [0, 0]);
        }
        assert_eq!(pointing.places(), [pan, tilt]);
        for step in 10..=40 {
            pointing.turn(step * 100_000, [i16::MAX, i16::MIN]);
        }
        assert_eq!(pointing.places(), [i16::MAX, -i16::MAX]);
        assert_eq!(pointing.mrad(), [785, -785]);
    }

    #[test]
    fn who_comes_late_turns_it_no_further_than_a_step() {
        let mut pointing = Pointing::default();
        pointing.turn(0, [i16::MAX, 0]);
        pointing.turn(60_000_000, [i16::MAX, 0]);
        assert_eq!(pointing.places(), [3276, 0]);
        pointing.turn(1, [i16::MAX, 0]);
        assert_eq!(pointing.places(), [3276, 0]);
    }
}
