//! Where a vehicle is, in the frame of the start.

use std::f64::consts::PI;

/// Puts positions and headings of the map (north, east, clockwise) into the frame of the first ones.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Frame {
    /// Where it began: metres north and east.
    origin: Option<(f64, f64)>,
    /// Where it looked then: radians clockwise from north.
    ahead: Option<f64>,
    place: Option<(f64, f64)>,
    yaw: Option<f64>,
}

/// Casts of floats saturate.
#[allow(clippy::cast_possible_truncation, reason = "it saturates")]
fn whole(value: f64) -> i32 {
    value.round() as i32
}

impl Frame {
    /// Takes an attitude in.
    pub(super) fn turn(&mut self, yaw: f32) {
        if yaw.is_finite() {
            self.yaw = Some(yaw.into());
            self.ahead = self.ahead.or(self.yaw);
        }
    }

    /// Takes a position in.
    pub(super) fn place(&mut self, north: f32, east: f32) {
        if north.is_finite() && east.is_finite() {
            self.place = Some((north.into(), east.into()));
            self.origin = self.origin.or(self.place);
        }
    }

    /// Millimetres ahead and to the left, and milliradians counter-clockwise within half a turn.
    pub(super) fn pose(&self) -> (i32, i32, i16) {
        let ahead = self.ahead.unwrap_or(0.0);
        let turned = ahead - self.yaw.unwrap_or(ahead);
        let within = turned - (turned / (2.0 * PI)).round() * 2.0 * PI;
        let heading = i16::try_from(whole(within * 1000.0)).unwrap_or(0);
        let (Some((north, east)), Some((north_0, east_0))) = (self.place, self.origin) else {
            return (0, 0, heading);
        };
        let (north, east) = (north - north_0, east - east_0);
        let x = north * ahead.cos() + east * ahead.sin();
        let y = north * ahead.sin() - east * ahead.cos();
        (whole(x * 1000.0), whole(y * 1000.0), heading)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_is_the_origin_and_its_heading_is_ahead() {
        let mut frame = Frame::default();
        assert_eq!(frame.pose(), (0, 0, 0));
        let east = std::f32::consts::FRAC_PI_2;
        frame.turn(east);
        frame.place(10.0, 20.0);
        assert_eq!(frame.pose(), (0, 0, 0));
        // Two metres on to the east, one to the north of it (to the left), and looking north.
        frame.place(11.0, 22.0);
        frame.turn(0.0);
        assert_eq!(frame.pose(), (2000, 1000, 1571));
        frame.turn(f32::NAN);
        frame.place(f32::INFINITY, 0.0);
        assert_eq!(frame.pose(), (2000, 1000, 1571));
        frame.place(f32::MAX, f32::MIN);
        frame.turn(f32::MAX);
        let (x, y, _) = frame.pose();
        assert_eq!((x, y), (i32::MIN, i32::MAX));
    }
}
