//! The tables `[control.limits.AXIS]`: what an axis may have, and how quickly.

use std::collections::BTreeMap;

use serde::Deserialize;
use transom_control::{Axis, AxisLimit, Limits};

/// The axes as a file names them, in the order of [`Limits`].
pub(crate) const AXES: [&str; 8] = [
    "linear", "angular", "pan", "tilt", "custom1", "custom2", "custom3", "custom4",
];
/// Seconds from nothing to all.
const LONGEST_S: f32 = 60.0;

/// By the axis' name.
pub(super) type LimitTables = BTreeMap<String, LimitTable>;

/// What a file may say of one.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitTable {
    most: Option<f32>,
    rise_s: Option<f32>,
    fall_s: Option<f32>,
}

/// Why a limit makes no sense.
#[derive(Debug, thiserror::Error)]
pub enum LimitError {
    /// No such axis.
    #[error("{0} is no axis: choose linear, angular, pan, tilt or custom1 to custom4")]
    Axis(String),
    /// A share beyond its bounds.
    #[error("{axis}: most = {value}: choose a share of full scale, 0.01 to 1")]
    Most {
        /// Which axis.
        axis: String,
        /// What was given.
        value: f32,
    },
    /// A time beyond its bounds.
    #[error("{axis}: {key} = {value}: choose 0 to 60 seconds from nothing to full scale")]
    Time {
        /// Which axis.
        axis: String,
        /// Which key.
        key: &'static str,
        /// What was given.
        value: f32,
    },
}

/// What the kernel is told.
pub(super) fn check(tables: &LimitTables) -> Result<Limits, LimitError> {
    let mut limits = Limits::default();
    for (axis, table) in tables {
        let mut named = AXES.iter().zip(&mut limits.0);
        let Some((_, limit)) = named.find(|(name, _)| *name == axis) else {
            return Err(LimitError::Axis(axis.clone()));
        };
        let value = table.most.unwrap_or(1.0);
        // No number is in no range.
        if !(0.01..=1.0).contains(&value) {
            let axis = axis.clone();
            return Err(LimitError::Most { axis, value });
        }
        *limit = AxisLimit {
            most: Axis::from_fraction(value),
            rise: per_second(axis, "rise_s", table.rise_s)?,
            fall: per_second(axis, "fall_s", table.fall_s)?,
        };
    }
    Ok(limits)
}

fn per_second(axis: &str, key: &'static str, seconds: Option<f32>) -> Result<u32, LimitError> {
    let value = seconds.unwrap_or(0.0);
    if !(0.0..=LONGEST_S).contains(&value) {
        let axis = axis.to_owned();
        return Err(LimitError::Time { axis, key, value });
    }
    // At once is zero; less than a millisecond is at once. The cast saturates.
    Ok(match value < 0.001 {
        true => 0,
        false => (f32::from(i16::MAX) / value).ceil() as u32,
    })
}

/// Each limit that is one, with its axis, in words.
pub(super) fn words(limits: &Limits) -> impl Iterator<Item = (&'static str, String)> {
    let limited = AXES.into_iter().zip(&limits.0);
    limited
        .filter(|(_, limit)| **limit != AxisLimit::NONE)
        .map(|(axis, limit)| {
            let seconds = |rate: u32| match rate {
                0 => "at once".to_owned(),
                rate => format!("{:.1} s", f64::from(i16::MAX) / f64::from(rate)),
            };
            let percent = limit.most.fraction() * 100.0;
            let (rise, fall) = (seconds(limit.rise), seconds(limit.fall));
            (axis, format!("{percent:.0} %, rise {rise}, fall {fall}"))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Limits, String> {
        let tables: LimitTables = toml::from_str(text).map_err(|error| error.to_string())?;
        check(&tables).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_said_is_what_the_kernel_is_told() {
        let limits =
            read("[linear]\nmost = 0.5\nrise_s = 2\n[custom4]\nfall_s = 1.0").expect("good");
        assert_eq!(limits.0[0].most, Axis::from_fraction(0.5));
        assert_eq!((limits.0[0].rise, limits.0[0].fall), (16_384, 0));
        assert_eq!((limits.0[7].rise, limits.0[7].fall), (0, 32_767));
        assert_eq!(limits.0[1], AxisLimit::NONE);
        let told: Vec<_> = words(&limits).collect();
        assert_eq!(
            told[0],
            ("linear", "50 %, rise 2.0 s, fall at once".to_owned())
        );
        assert_eq!(told.len(), 2);
        assert_eq!(read(""), Ok(Limits::default()));
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for (text, words) in [
            ("[sideways]\nmost = 0.5", "sideways is no axis"),
            ("[pan]\nmost = 0", "pan: most = 0"),
            ("[pan]\nmost = nan", "pan: most = NaN"),
            ("[tilt]\nrise_s = -1", "tilt: rise_s = -1"),
            ("[tilt]\nfall_s = inf", "tilt: fall_s = inf"),
            ("[tilt]\nfast = 1", "unknown field"),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.contains(words), "{error}");
        }
    }
}
