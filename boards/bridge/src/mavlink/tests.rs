//! Conversations with a vehicle, without a wire.

use mavlink::dialects::common::{
    COMMAND_ACK_DATA, HEARTBEAT_DATA, MavAutopilot, MavCmd, MavModeFlag, MavResult, MavState,
    MavType, STATUSTEXT_DATA,
};
use mavlink::{MAVLinkV2MessageRaw, MavHeader, MessageData};
use transom_boards_hal::{DriveState, Motion};

use super::*;

const MS: u64 = 1000;
const AHEAD: Motion = Motion {
    linear: i16::MAX,
    ..Motion::STILL
};
const MANUAL: u32 = 69;
const COMMAND: u32 = 76;

struct Wire {
    vehicle: Vehicle,
    now: u64,
}

impl Wire {
    fn new() -> Self {
        let vehicle = Vehicle::new(VehicleConfig {
            system: 1,
            station: 255,
        });
        Self { vehicle, now: 0 }
    }

    fn hears_from(&mut self, system: u32, data: &impl MessageData) -> Option<Heard> {
        let mut raw = MAVLinkV2MessageRaw::new();
        let header = MavHeader {
            system_id: system,
            component_id: 1,
            sequence: 0,
        };
        raw.serialize_message_data(header, data);
        let mut heard = None;
        let (vehicle, now) = (&mut self.vehicle, self.now);
        Frames::default().push(raw.raw_bytes(), |frame| {
            heard = vehicle.handle_frame(now, frame)
        });
        heard
    }

    fn heartbeat(&mut self, kind: MavType, armed: bool) -> Option<Heard> {
        let armed = match armed {
            true => MavModeFlag::MAV_MODE_FLAG_SAFETY_ARMED,
            false => MavModeFlag::empty(),
        };
        self.hears_from(1, &heartbeat(kind, armed))
    }

    fn acknowledges(&mut self, result: MavResult) -> Option<Heard> {
        let command = MavCmd::MAV_CMD_COMPONENT_ARM_DISARM;
        self.hears_from(
            1,
            &COMMAND_ACK_DATA {
                command,
                result,
                ..COMMAND_ACK_DATA::default()
            },
        )
    }

    /// What is said within so many milliseconds.
    fn says(&mut self, ms: u64) -> Vec<Frame> {
        let mut said = Vec::new();
        for _ in 0..=ms / 5 {
            self.vehicle.handle_timeout(self.now);
            while let Some(out) = self.vehicle.poll_transmit(self.now) {
                Frames::default().push(out.bytes(), |frame| said.push(frame.clone()));
            }
            self.now += 5 * MS;
        }
        said
    }
}

fn heartbeat(mavtype: MavType, base_mode: MavModeFlag) -> HEARTBEAT_DATA {
    HEARTBEAT_DATA {
        mavtype,
        autopilot: MavAutopilot::MAV_AUTOPILOT_ARDUPILOTMEGA,
        base_mode,
        system_status: MavState::MAV_STATE_ACTIVE,
        custom_mode: 0,
        mavlink_version: 3,
    }
}

fn of(said: &[Frame], id: u32) -> Vec<&Frame> {
    said.iter().filter(|frame| frame.id == id).collect()
}

/// Throttle of the latest MANUAL_CONTROL.
fn throttle(said: &[Frame]) -> i16 {
    let last = of(said, MANUAL).pop().expect("sticks");
    let mut payload = [0; 11];
    for (to, from) in payload.iter_mut().zip(last.payload()) {
        *to = *from;
    }
    i16::from_le_bytes([payload[4], payload[5]])
}

/// Whether the latest COMMAND_LONG arms: its first parameter is 1.
fn arms(said: &[Frame]) -> bool {
    of(said, COMMAND).pop().expect("a command").payload()[..4] == 1.0_f32.to_le_bytes()
}

#[test]
fn it_is_disarmed_first_and_has_no_sticks_before_its_kind_is_known() {
    let mut wire = Wire::new();
    let said = wire.says(100);
    assert!(of(&said, MANUAL).is_empty() && !arms(&said));
    assert!(
        wire.vehicle
            .fitness(wire.now)
            .is_err_and(|told| told.contains("SERIALn_PROTOCOL"))
    );
    let present = Some(Heard::Present(Kind::Copter));
    assert_eq!(wire.heartbeat(MavType::MAV_TYPE_QUADROTOR, true), present);
    assert_eq!(wire.vehicle.fitness(wire.now), Ok(()));
    assert!(!wire.vehicle.is_known_to_stand());
    assert_eq!(throttle(&wire.says(100)), 500);
    assert_eq!(
        wire.acknowledges(MavResult::MAV_RESULT_ACCEPTED),
        Some(Heard::Armed(false))
    );
    assert!(wire.vehicle.is_known_to_stand());
    // Then its sticks are left to others.
    wire.says(1000);
    assert!(of(&wire.says(2000), MANUAL).is_empty());
}

#[test]
fn motion_waits_for_the_acknowledgement_and_ends_with_the_state() {
    let mut wire = Wire::new();
    wire.heartbeat(MavType::MAV_TYPE_GROUND_ROVER, false);
    wire.says(10);
    wire.acknowledges(MavResult::MAV_RESULT_ACCEPTED);
    wire.vehicle.set_state(DriveState::Armed);
    wire.vehicle.set_motion(AHEAD);
    let said = wire.says(100);
    assert!(arms(&said));
    assert_eq!(throttle(&said), 0);
    assert_eq!(
        wire.acknowledges(MavResult::MAV_RESULT_ACCEPTED),
        Some(Heard::Armed(true))
    );
    let said = wire.says(1000);
    assert_eq!(throttle(&said), 1000);
    assert!(of(&said, MANUAL).len() >= 20);
    wire.vehicle.set_state(DriveState::Stopped("stale"));
    let said = wire.says(10);
    assert_eq!(throttle(&said), 0);
    assert!(!arms(&said));
    // What was asked for before is no motion after the next arm.
    wire.vehicle.set_state(DriveState::Armed);
    wire.says(5);
    wire.acknowledges(MavResult::MAV_RESULT_ACCEPTED);
    assert_eq!(throttle(&wire.says(100)), 0);
}

#[test]
fn who_refuses_or_does_not_answer_is_a_fault_until_it_is_stopped() {
    let mut wire = told_to_arm(MavType::MAV_TYPE_GROUND_ROVER);
    let text = STATUSTEXT_DATA {
        text: "PreArm: no".into(),
        ..STATUSTEXT_DATA::default()
    };
    assert_eq!(
        wire.hears_from(1, &text),
        Some(Heard::Text("PreArm: no".to_owned()))
    );
    wire.acknowledges(MavResult::MAV_RESULT_DENIED);
    let told = wire.vehicle.fitness(wire.now).expect_err("it refuses");
    assert_eq!(
        told,
        "it refuses to be armed (MAV_RESULT 2); it says: PreArm: no"
    );
    wire.vehicle.set_state(DriveState::Stopped("fault"));
    assert_eq!(wire.vehicle.fitness(wire.now), Ok(()));
    wire.vehicle.set_state(DriveState::Armed);
    let said = wire.says(2000);
    assert_eq!(
        of(&said, COMMAND)
            .iter()
            .filter(|frame| frame.payload()[..4] == 1.0_f32.to_le_bytes())
            .count(),
        4
    );
    assert!(
        wire.vehicle
            .fitness(wire.now)
            .is_err_and(|told| told.contains("does not answer"))
    );
}

/// One that is there and disarmed, and has not answered yet that it is to be armed.
fn told_to_arm(kind: MavType) -> Wire {
    let mut wire = Wire::new();
    wire.heartbeat(kind, false);
    wire.says(10);
    wire.acknowledges(MavResult::MAV_RESULT_ACCEPTED);
    wire.vehicle.set_state(DriveState::Armed);
    wire.says(10);
    wire
}

#[test]
fn the_late_answer_to_an_arm_is_none_to_the_disarm_that_overtook_it() {
    let mut wire = told_to_arm(MavType::MAV_TYPE_GROUND_ROVER);
    wire.vehicle.set_state(DriveState::Stopped("stale"));
    wire.says(10);
    assert_eq!(wire.acknowledges(MavResult::MAV_RESULT_ACCEPTED), None);
    assert!(!wire.vehicle.is_known_to_stand());
    // Asked again, until it answers that.
    assert!(!arms(&wire.says(500)));
    let disarmed = Some(Heard::Armed(false));
    assert_eq!(wire.acknowledges(MavResult::MAV_RESULT_ACCEPTED), disarmed);
    assert!(wire.vehicle.is_known_to_stand());
}

/// Whether it is told to be disarmed within 0.1 s, and whether its sticks are held.
fn disarms(wire: &mut Wire) -> (bool, bool) {
    let said = wire.says(100);
    // Of COMMAND_LONG the command follows seven parameters.
    let id = (MavCmd::MAV_CMD_COMPONENT_ARM_DISARM as u16).to_le_bytes();
    let commands = of(&said, COMMAND);
    let disarms = commands
        .iter()
        .any(|frame| frame.payload().get(28..30) == Some(&id[..]));
    (disarms, !of(&said, MANUAL).is_empty())
}

fn stopped_rover() -> Wire {
    let mut wire = told_to_arm(MavType::MAV_TYPE_GROUND_ROVER);
    wire.acknowledges(MavResult::MAV_RESULT_ACCEPTED);
    wire.vehicle.set_state(DriveState::Stopped("stale"));
    wire.says(10);
    wire.acknowledges(MavResult::MAV_RESULT_ACCEPTED);
    wire
}

#[test]
fn a_vehicle_that_is_still_armed_after_its_disarm_is_disarmed_again() {
    for (after, again) in [(1000, false), (2000, true), (9000, true)] {
        let mut wire = stopped_rover();
        wire.says(after);
        wire.heartbeat(MavType::MAV_TYPE_GROUND_ROVER, true);
        assert_eq!(disarms(&mut wire), (again, again), "{after} ms");
    }
}

#[test]
fn a_vehicle_that_somebody_else_arms_is_theirs() {
    let mut wire = stopped_rover();
    wire.says(1000);
    wire.heartbeat(MavType::MAV_TYPE_GROUND_ROVER, false);
    for _ in 0..5 {
        wire.says(1000);
        wire.heartbeat(MavType::MAV_TYPE_GROUND_ROVER, true);
        assert_eq!(disarms(&mut wire), (false, false));
    }
}

#[test]
fn one_that_is_heard_late_is_disarmed_first_of_all() {
    let mut wire = Wire::new();
    wire.says(10_000);
    assert!(!wire.vehicle.is_known_to_stand());
    wire.heartbeat(MavType::MAV_TYPE_GROUND_ROVER, true);
    // Neutral once, in the place of what a former actuator said last.
    assert_eq!(disarms(&mut wire), (true, true));
    wire.says(2000);
    assert!(!wire.vehicle.is_known_to_stand());
    wire.heartbeat(MavType::MAV_TYPE_GROUND_ROVER, true);
    assert!(!arms(&wire.says(500)), "it is asked until it answers");
    wire.acknowledges(MavResult::MAV_RESULT_ACCEPTED);
    assert!(wire.vehicle.is_known_to_stand());
}

#[test]
fn one_that_flies_by_somebody_elses_hand_is_left_to_them() {
    let mut wire = Wire::new();
    wire.heartbeat(MavType::MAV_TYPE_QUADROTOR, true);
    wire.says(10);
    let refused = wire.acknowledges(MavResult::MAV_RESULT_DENIED);
    assert_eq!(refused, Some(Heard::Left));
    wire.says(1000);
    for _ in 0..5 {
        wire.heartbeat(MavType::MAV_TYPE_QUADROTOR, true);
        assert_eq!(disarms(&mut wire), (false, false));
        wire.says(900);
    }
    assert!(!wire.vehicle.is_known_to_stand());
}

#[test]
fn one_that_was_armed_from_here_and_flies_is_held_until_it_lands() {
    let mut wire = told_to_arm(MavType::MAV_TYPE_QUADROTOR);
    wire.acknowledges(MavResult::MAV_RESULT_ACCEPTED);
    wire.vehicle.set_state(DriveState::Stopped("stale"));
    for _ in 0..20 {
        wire.says(900);
        wire.acknowledges(MavResult::MAV_RESULT_DENIED);
        wire.heartbeat(MavType::MAV_TYPE_QUADROTOR, true);
        assert_eq!(throttle(&wire.says(100)), 500);
    }
    wire.heartbeat(MavType::MAV_TYPE_QUADROTOR, false);
    wire.says(2000);
    wire.heartbeat(MavType::MAV_TYPE_QUADROTOR, false);
    assert!(of(&wire.says(500), MANUAL).is_empty());
}

#[test]
fn the_late_answer_to_a_disarm_is_none_to_the_arm_that_overtook_it() {
    let mut wire = told_to_arm(MavType::MAV_TYPE_GROUND_ROVER);
    wire.acknowledges(MavResult::MAV_RESULT_ACCEPTED);
    wire.vehicle.set_state(DriveState::Stopped("stale"));
    wire.says(10);
    wire.vehicle.set_state(DriveState::Armed);
    wire.says(10);
    assert_eq!(wire.acknowledges(MavResult::MAV_RESULT_ACCEPTED), None);
    wire.vehicle.set_motion(AHEAD);
    assert_eq!(throttle(&wire.says(100)), 0, "nobody said that it is armed");
    let armed = Some(Heard::Armed(true));
    assert_eq!(wire.acknowledges(MavResult::MAV_RESULT_ACCEPTED), armed);
}

#[test]
fn a_vehicle_that_is_lost_or_disarmed_by_others_is_a_fault() {
    let mut wire = Wire::new();
    wire.heartbeat(MavType::MAV_TYPE_GROUND_ROVER, false);
    wire.vehicle.set_state(DriveState::Armed);
    wire.says(10);
    wire.acknowledges(MavResult::MAV_RESULT_ACCEPTED);
    // Said before it was armed.
    wire.heartbeat(MavType::MAV_TYPE_GROUND_ROVER, false);
    assert_eq!(wire.vehicle.fitness(wire.now), Ok(()));
    wire.says(1600);
    wire.heartbeat(MavType::MAV_TYPE_GROUND_ROVER, false);
    assert!(
        wire.vehicle
            .fitness(wire.now)
            .is_err_and(|told| told.contains("not from here"))
    );
    wire.vehicle.set_state(DriveState::Stopped("fault"));
    wire.says(2600);
    assert!(
        wire.vehicle
            .fitness(wire.now)
            .is_err_and(|told| told.contains("is lost"))
    );
}

#[test]
fn others_are_not_heard_and_submarines_are_not_driven() {
    let mut wire = Wire::new();
    let rover = heartbeat(MavType::MAV_TYPE_GROUND_ROVER, MavModeFlag::empty());
    assert_eq!(wire.hears_from(2, &rover), None);
    let station = HEARTBEAT_DATA {
        autopilot: MavAutopilot::MAV_AUTOPILOT_INVALID,
        ..rover
    };
    assert_eq!(wire.hears_from(1, &station), None);
    assert!(
        wire.vehicle
            .fitness(wire.now)
            .is_err_and(|told| told.contains("no heartbeat"))
    );
    assert_eq!(wire.heartbeat(MavType::MAV_TYPE_SUBMARINE, false), None);
    assert!(
        wire.vehicle
            .fitness(wire.now)
            .is_err_and(|told| told.contains("neither"))
    );
    assert!(of(&wire.says(500), MANUAL).is_empty());
}
