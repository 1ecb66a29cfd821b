//! What the axes have: the latest setpoint within its limits, and on its way there.

use crate::axes::{Axes, Axis};
use crate::numbers::Stamp;

/// What one axis may have, and how quickly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AxisLimit {
    /// The most in either direction; its sign does not matter.
    pub most: Axis,
    /// How quickly it may grow, away from zero, in 32767ths a second; zero: at once.
    pub rise: u32,
    /// How quickly a setpoint may take it back towards zero, in 32767ths a second; zero: at once. A stop is
    /// always at once.
    pub fall: u32,
}

impl AxisLimit {
    /// None.
    pub const NONE: Self = Self {
        most: Axis::FULL,
        rise: 0,
        fall: 0,
    };

    fn clamp(&self, axis: Axis) -> i32 {
        let most = i32::from(self.most.raw()).abs();
        i32::from(axis.raw()).clamp(-most, most)
    }
}

impl Default for AxisLimit {
    fn default() -> Self {
        Self::NONE
    }
}

/// The limits of all axes, in the order of [`Axes::all`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits(pub [AxisLimit; 8]);

/// From one setpoint to the next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Motion {
    from: Axes,
    since: Stamp,
    to: Axes,
}

impl Motion {
    /// Standing still.
    pub(super) const STILL: Self = Self {
        from: Axes::ZERO,
        since: Stamp::NONE,
        to: Axes::ZERO,
    };

    /// Goes on to `axes`, of which `percent` are left.
    pub(super) fn turn(&mut self, limits: &Limits, now: Stamp, axes: Axes, percent: u8) {
        self.from = self.at(limits, now);
        self.since = now;
        let mut to = axes.all();
        for (axis, limit) in to.iter_mut().zip(&limits.0) {
            *axis = narrow(i64::from(limit.clamp(*axis)) * i64::from(percent.min(100)) / 100);
        }
        self.to = Axes::from_all(to);
    }

    /// What the axes have at `now`.
    pub(super) fn at(&self, limits: &Limits, now: Stamp) -> Axes {
        let passed_us = now.since(self.since);
        let mut all = self.from.all();
        for ((axis, to), limit) in all.iter_mut().zip(self.to.all()).zip(&limits.0) {
            *axis = slewed(*axis, to, limit, passed_us);
        }
        Axes::from_all(all)
    }

    /// Whether they are where they are to be.
    pub(super) fn has_settled(&self, limits: &Limits, now: Stamp) -> bool {
        self.at(limits, now) == self.to
    }
}

/// Towards zero first, where the sign differs or less is wanted, then away from it.
fn slewed(from: Axis, to: Axis, limit: &AxisLimit, passed_us: u64) -> Axis {
    let (from, to) = (i64::from(from.raw()), i64::from(to.raw()));
    let turn = match to.signum() == from.signum() {
        true => from.signum() * from.abs().min(to.abs()),
        false => 0,
    };
    let (way, left_us) = step((from - turn).abs(), limit.fall, passed_us);
    let lowered = from - from.signum() * way;
    if lowered != turn {
        return narrow(lowered);
    }
    let (way, _) = step((to - turn).abs(), limit.rise, left_us);
    narrow(turn + (to - turn).signum() * way)
}

/// How far of `way` one gets in so many microseconds, and what is left of them.
fn step(way: i64, per_second: u32, passed_us: u64) -> (i64, u64) {
    if per_second == 0 || way == 0 {
        return (way, passed_us);
    }
    let reach = u128::from(per_second) * u128::from(passed_us) / 1_000_000;
    let reach = i64::try_from(reach).unwrap_or(i64::MAX).min(way);
    let taken = u128::from(reach.unsigned_abs()) * 1_000_000 / u128::from(per_second);
    let taken = u64::try_from(taken).unwrap_or(u64::MAX);
    (reach, passed_us.saturating_sub(taken))
}

/// What is no more than an axis has.
fn narrow(raw: i64) -> Axis {
    let raw = i16::try_from(raw).ok().and_then(Axis::new);
    raw.unwrap_or(Axis::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    fn axis(raw: i16) -> Axis {
        Axis::new(raw).expect("an axis")
    }

    fn at(us: u64) -> Stamp {
        Stamp::from_micros(SECOND + us)
    }

    fn limits(most: i16, rise: u32, fall: u32) -> Limits {
        let most = axis(most);
        Limits([AxisLimit { most, rise, fall }; 8])
    }

    fn ahead(raw: i16) -> Axes {
        Axes::drive(axis(raw), Axis::ZERO)
    }

    #[test]
    fn without_limits_a_setpoint_is_there_at_once() {
        let mut motion = Motion::STILL;
        let axes = Axes::from_all([1, -2, 3, -4, 5, -6, 32767, -32767].map(axis));
        motion.turn(&Limits::default(), at(0), axes, 100);
        assert_eq!(motion.at(&Limits::default(), at(0)), axes);
        assert!(motion.has_settled(&Limits::default(), at(0)));
    }

    #[test]
    fn more_than_the_most_is_cut_off_on_both_sides() {
        let limits = limits(-1000, 0, 0);
        let mut motion = Motion::STILL;
        for (asked, given) in [(32767, 1000), (-32767, -1000), (999, 999), (-1000, -1000)] {
            motion.turn(&limits, at(0), ahead(asked), 100);
            assert_eq!(motion.at(&limits, at(0)), ahead(given));
        }
        motion.turn(&limits, at(0), ahead(500), 30);
        assert_eq!(motion.at(&limits, at(0)), ahead(150));
        motion.turn(&limits, at(0), ahead(500), 0);
        assert_eq!(motion.at(&limits, at(0)), Axes::ZERO);
    }

    #[test]
    fn it_grows_as_quickly_as_it_may_and_falls_likewise() {
        let limits = limits(i16::MAX, 10_000, 20_000);
        let mut motion = Motion::STILL;
        motion.turn(&limits, at(0), ahead(5000), 100);
        assert_eq!(motion.at(&limits, at(100_000)), ahead(1000));
        assert!(!motion.has_settled(&limits, at(100_000)));
        // A new setpoint on the way goes on from there: down for 50 ms, and up on the other side.
        motion.turn(&limits, at(100_000), ahead(-3000), 100);
        assert_eq!(motion.at(&limits, at(125_000)), ahead(500));
        assert_eq!(motion.at(&limits, at(150_000)), ahead(0));
        assert_eq!(motion.at(&limits, at(250_000)), ahead(-1000));
        assert_eq!(motion.at(&limits, at(SECOND)), ahead(-3000));
        assert!(motion.has_settled(&limits, at(SECOND)));
        motion.turn(&limits, at(SECOND), ahead(-1000), 100);
        assert_eq!(motion.at(&limits, at(SECOND + 50_000)), ahead(-2000));
        assert_eq!(motion.at(&limits, at(SECOND + 200_000)), ahead(-1000));
    }

    #[test]
    fn time_without_end_and_time_that_stands_still_do_no_harm() {
        let limits = limits(i16::MAX, u32::MAX, 1);
        let mut motion = Motion::STILL;
        motion.turn(&limits, at(0), ahead(-32767), 255);
        assert_eq!(motion.at(&limits, Stamp::NONE), Axes::ZERO);
        assert_eq!(motion.at(&limits, Stamp::MAX), ahead(-32767));
        motion.turn(&limits, Stamp::MAX, ahead(32767), 100);
        assert_eq!(motion.at(&limits, Stamp::MAX), ahead(-32767));
    }
}
