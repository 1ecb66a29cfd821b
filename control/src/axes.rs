//! What is driven.

/// A share of an axis' full scale: -1 to 1 in steps of 1/32767.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Axis(i16);

impl Axis {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// All there is.
    pub const FULL: Self = Self(i16::MAX);

    /// From 32767ths; `None` for -32768, which would be less than -1.
    pub const fn new(raw: i16) -> Option<Self> {
        if raw == i16::MIN {
            None
        } else {
            Some(Self(raw))
        }
    }

    /// From a fraction; beyond -1 and 1 it is cut off, and no number is zero.
    pub fn from_fraction(fraction: f32) -> Self {
        let scaled = fraction.clamp(-1.0, 1.0) * f32::from(i16::MAX);
        let rounded = if scaled < 0.0 {
            scaled - 0.5
        } else {
            scaled + 0.5
        };
        // A cast of a float saturates, takes the whole part, and makes zero of what is no number.
        Self((rounded as i16).max(-i16::MAX))
    }

    /// 32767ths.
    pub const fn raw(self) -> i16 {
        self.0
    }

    /// As a fraction, -1 to 1.
    pub fn fraction(self) -> f32 {
        f32::from(self.0) / f32::from(i16::MAX)
    }
}

/// A setpoint of all axes. Each is a speed: zero means that nothing moves, so that every stop is zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Axes {
    /// Forwards is positive.
    pub linear: Axis,
    /// Counter-clockwise, seen from above, is positive.
    pub angular: Axis,
    /// The camera turns to the left.
    pub pan: Axis,
    /// The camera turns upwards.
    pub tilt: Axis,
    /// For what the board has besides: an arm, a winch, a strafe.
    pub custom: [Axis; 4],
}

impl Axes {
    /// Standing still.
    pub const ZERO: Self = Self {
        linear: Axis::ZERO,
        angular: Axis::ZERO,
        pan: Axis::ZERO,
        tilt: Axis::ZERO,
        custom: [Axis::ZERO; 4],
    };

    /// Both wheels' axes, the others at zero.
    pub const fn drive(linear: Axis, angular: Axis) -> Self {
        let mut axes = Self::ZERO;
        axes.linear = linear;
        axes.angular = angular;
        axes
    }

    /// All of them, in the order of the wire.
    pub const fn all(&self) -> [Axis; 8] {
        let [a, b, c, d] = self.custom;
        [self.linear, self.angular, self.pan, self.tilt, a, b, c, d]
    }

    /// From [`all`](Self::all).
    pub const fn from_all([linear, angular, pan, tilt, a, b, c, d]: [Axis; 8]) -> Self {
        Self {
            linear,
            angular,
            pan,
            tilt,
            custom: [a, b, c, d],
        }
    }

    /// Whether nothing moves.
    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_are_rounded_and_cut_off() {
        for (fraction, raw) in [
            (0.0, 0),
            (1.0, 32767),
            (-1.0, -32767),
            (7.0, 32767),
            (f32::NEG_INFINITY, -32767),
            (f32::NAN, 0),
            (0.5, 16384),
            (-0.5, -16384),
        ] {
            assert_eq!(Axis::from_fraction(fraction).raw(), raw, "{fraction}");
        }
        assert_eq!(Axis::new(i16::MIN), None);
        for raw in -i16::MAX..=i16::MAX {
            let axis = Axis::new(raw).expect("in range");
            assert_eq!(Axis::from_fraction(axis.fraction()), axis);
        }
    }
}
