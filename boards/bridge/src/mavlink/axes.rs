//! What a motion is on a vehicle's sticks.

use mavlink::dialects::common::MavType;
use transom_boards_hal::Motion;

/// Kinds of vehicles that can be driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// On wheels or on water.
    Rover,
    /// What hovers.
    Copter,
}

/// The axes of MANUAL_CONTROL, each in thousandths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sticks {
    /// Pitch.
    pub x: i16,
    /// Roll, or steering.
    pub y: i16,
    /// Thrust.
    pub z: i16,
    /// Yaw.
    pub r: i16,
}

impl Kind {
    /// The kind that a heartbeat tells; `None` for what is neither.
    pub(super) fn of(told: MavType) -> Option<Self> {
        use MavType as T;
        match told {
            T::MAV_TYPE_GROUND_ROVER | T::MAV_TYPE_SURFACE_BOAT => Some(Self::Rover),
            T::MAV_TYPE_QUADROTOR
            | T::MAV_TYPE_COAXIAL
            | T::MAV_TYPE_HELICOPTER
            | T::MAV_TYPE_HEXAROTOR
            | T::MAV_TYPE_OCTOROTOR
            | T::MAV_TYPE_TRICOPTER
            | T::MAV_TYPE_DODECAROTOR
            | T::MAV_TYPE_DECAROTOR => Some(Self::Copter),
            _ => None,
        }
    }

    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rover => "rover",
            Self::Copter => "copter",
        }
    }

    /// The sticks as ArduPilot reads them (`handle_manual_control_axes` of its GCS_Mavlink.cpp): a rover takes
    /// steering from y and throttle from z, both from -1000 to 1000; a copter pitch, roll and yaw from x, y and
    /// r likewise, and from z a throttle from 0 to 1000, which is in the middle where it neither climbs nor
    /// sinks. Their turns are clockwise. Of our own axes the first climbs and the second goes to the left.
    pub fn sticks(self, motion: Motion) -> Sticks {
        let turn = -thousandths(motion.angular);
        match self {
            Self::Rover => Sticks {
                y: turn,
                z: thousandths(motion.linear),
                ..Sticks::default()
            },
            Self::Copter => {
                let [climb, side, ..] = motion.custom;
                Sticks {
                    x: thousandths(motion.linear),
                    // Ours is to the left.
                    y: -thousandths(side),
                    z: 500 + thousandths(climb) / 2,
                    r: turn,
                }
            }
        }
    }
}

fn thousandths(raw: i16) -> i16 {
    let full = i32::from(i16::MAX);
    let raw = i32::from(raw).max(-full);
    i16::try_from(raw * 1000 / full).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ahead_is_ahead_and_left_is_left() {
        let motion = Motion {
            linear: i16::MAX,
            angular: i16::MAX,
            ..Motion::STILL
        };
        let sticks = Kind::Rover.sticks(motion);
        assert_eq!(
            (sticks.x, sticks.y, sticks.z, sticks.r),
            (0, -1000, 1000, 0)
        );
        let back = Kind::Rover.sticks(Motion {
            linear: i16::MIN,
            ..Motion::STILL
        });
        assert_eq!(back.z, -1000);
        let sticks = Kind::Copter.sticks(motion);
        assert_eq!(
            (sticks.x, sticks.y, sticks.z, sticks.r),
            (1000, 0, 500, -1000)
        );
        for linear in (-32768..=32767_i32).step_by(97) {
            let linear = i16::try_from(linear).expect("small");
            let all = Motion {
                linear,
                angular: linear,
                custom: [linear; 4],
                ..Motion::STILL
            };
            let sticks = Kind::Copter.sticks(all);
            assert!(
                (0..=1000).contains(&sticks.z) && sticks.y.abs() <= 1000 && sticks.r.abs() <= 1000
            );
        }
    }

    #[test]
    fn still_is_neutral() {
        assert_eq!(Kind::Rover.sticks(Motion::STILL), Sticks::default());
        let hovers = Sticks {
            z: 500,
            ..Sticks::default()
        };
        assert_eq!(Kind::Copter.sticks(Motion::STILL), hovers);
    }
}
