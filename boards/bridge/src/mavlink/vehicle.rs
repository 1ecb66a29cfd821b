//! One vehicle: what it is told when, and whether it is well.

use mavlink::MavlinkVersion;
use mavlink::MessageData;
use mavlink::dialects::common::{
    ATTITUDE_DATA, COMMAND_ACK_DATA, DISTANCE_SENSOR_DATA, HEARTBEAT_DATA, LOCAL_POSITION_NED_DATA,
    MavAutopilot, MavCmd, MavModeFlag, MavResult, MavSensorOrientation, MavSeverity,
    STATUSTEXT_DATA, SYS_STATUS_DATA,
};
use transom_boards_hal::{DriveState, Measured, Motion};

use super::axes::{Kind, Sticks};
use super::frames::Frame as Bytes;
use super::pose::Frame;
use super::said::{AUTOPILOT, Said, Speaker};
use crate::json::plain;

/// Between two positions of the sticks, in microseconds: 25 a second.
const REPEAT_US: u64 = 40_000;
/// Between two heartbeats of ours.
const HEARTBEAT_US: u64 = 1_000_000;
/// It sends one a second: two are lost, and this one is late.
const LOST_US: u64 = 2_500_000;
/// Between two tries of a command.
const AGAIN_US: u64 = 400_000;
/// Tries of an arm.
const TRIES: u8 = 4;
/// A heartbeat may be older than what was just acknowledged.
const SETTLE_US: u64 = 1_500_000;
/// Neutral sticks after a stop, at least: some may be lost.
const NEUTRAL: u8 = 10;
/// Who never was heard for as long is not there.
const ABSENT_US: u64 = 3_000_000;
/// What is asked for: messages, and how often.
const STREAMS: [(u32, u32); 4] = [
    (SYS_STATUS_DATA::ID, 1_000_000),
    (ATTITUDE_DATA::ID, 100_000),
    (LOCAL_POSITION_NED_DATA::ID, 100_000),
    (DISTANCE_SENSOR_DATA::ID, 200_000),
];

/// Who speaks with whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VehicleConfig {
    /// The vehicle's system: SYSID_THISMAV.
    pub system: u8,
    /// Ours: SYSID_MYGCS. Sticks of others are ignored by the vehicle.
    pub station: u8,
}

/// What is worth a line in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The vehicle is there.
    Present(Kind),
    /// It did what it was told.
    Armed(bool),
    /// It refuses to be disarmed, and was not armed from here.
    Left,
    /// It says so itself.
    Text(String),
}

/// What it was told and has not acknowledged.
#[derive(Clone, Copy, Debug)]
struct Pending {
    arm: bool,
    /// Tries so far.
    tries: u8,
    sent_us: u64,
}

const DISARM: Pending = Pending {
    arm: false,
    tries: 0,
    sent_us: 0,
};

/// The conversation with one vehicle, without clock and wire.
#[derive(Debug)]
pub struct Vehicle {
    config: VehicleConfig,
    speaker: Speaker,
    begun_us: Option<u64>,
    /// When its latest heartbeat came.
    heartbeat_us: Option<u64>,
    /// What kind that told; within, `None` for one that cannot be driven.
    kind: Option<Option<Kind>>,
    /// Whether that told that it is armed.
    is_armed: bool,
    state: DriveState,
    motion: Motion,
    /// It has acknowledged the arm, at this time.
    obeys_us: Option<u64>,
    /// It has acknowledged the disarm, at this time.
    disarmed_us: Option<u64>,
    /// It was armed from here, and has not said since that it is disarmed. One that somebody else has armed is
    /// theirs.
    is_ours: bool,
    pending: Option<Pending>,
    /// Neutral sticks that are still to be sent; while it is armed by us there is no end of them.
    neutral: u8,
    refusal: Option<String>,
    said_text: Option<String>,
    sticks: Option<Sticks>,
    sticks_us: u64,
    heartbeat_said_us: Option<u64>,
    /// An arm was overtaken by a disarm before it was answered, or a disarm by an arm.
    overtaken: bool,
    /// How many of the streams were asked for.
    asked: usize,
    pose: Frame,
    battery_mv: u16,
    range_mm: Option<u16>,
}

impl Vehicle {
    /// One that is not known yet. It is disarmed first of all.
    pub fn new(config: VehicleConfig) -> Self {
        Self {
            config,
            speaker: Speaker {
                station: config.station,
                vehicle: config.system,
                sequence: 0,
            },
            begun_us: None,
            heartbeat_us: None,
            kind: None,
            is_armed: false,
            state: DriveState::Disarmed,
            motion: Motion::STILL,
            obeys_us: None,
            disarmed_us: None,
            is_ours: false,
            pending: Some(DISARM),
            neutral: NEUTRAL,
            refusal: None,
            said_text: None,
            sticks: None,
            sticks_us: 0,
            heartbeat_said_us: None,
            overtaken: false,
            asked: 0,
            pose: Frame::default(),
            battery_mv: 0,
            range_mm: None,
        }
    }

    /// Arms the vehicle, or stops and disarms it.
    pub fn set_state(&mut self, state: DriveState) {
        let armed = state == DriveState::Armed;
        self.overtaken |= self
            .pending
            .is_some_and(|pending| pending.arm != armed && pending.tries > 0);
        let was = self.state == DriveState::Armed;
        self.state = state;
        self.motion = Motion::STILL;
        self.obeys_us = None;
        self.refusal = None;
        if armed || was {
            self.neutral = NEUTRAL;
            self.sticks = None;
            self.pending = Some(Pending {
                arm: armed,
                ..DISARM
            });
        }
    }

    /// Moves so, once it is armed.
    pub fn set_motion(&mut self, motion: Motion) {
        self.motion = motion;
    }

    /// Takes a frame in; others' are ignored, and so is what makes no sense.
    pub fn handle_frame(&mut self, now_us: u64, frame: &Bytes) -> Option<Heard> {
        if frame.system != self.config.system || frame.component != AUTOPILOT {
            return None;
        }
        match frame.id {
            HEARTBEAT_DATA::ID => {
                read::<HEARTBEAT_DATA>(frame).and_then(|told| self.on_heartbeat(now_us, &told))
            }
            COMMAND_ACK_DATA::ID => {
                read::<COMMAND_ACK_DATA>(frame).and_then(|told| self.on_ack(now_us, &told))
            }
            SYS_STATUS_DATA::ID => {
                let told = read::<SYS_STATUS_DATA>(frame)?;
                // UINT16_MAX is not known.
                self.battery_mv = match told.voltage_battery {
                    u16::MAX => 0,
                    millivolts => millivolts,
                };
                None
            }
            ATTITUDE_DATA::ID => {
                self.pose.turn(read::<ATTITUDE_DATA>(frame)?.yaw);
                None
            }
            LOCAL_POSITION_NED_DATA::ID => {
                let told = read::<LOCAL_POSITION_NED_DATA>(frame)?;
                self.pose.place(told.x, told.y);
                None
            }
            DISTANCE_SENSOR_DATA::ID => {
                let told = read::<DISTANCE_SENSOR_DATA>(frame)?;
                if told.orientation == MavSensorOrientation::MAV_SENSOR_ROTATION_NONE {
                    self.range_mm = Some(told.current_distance.saturating_mul(10));
                }
                None
            }
            STATUSTEXT_DATA::ID => {
                let told = read::<STATUSTEXT_DATA>(frame)?;
                if told.severity as u8 > MavSeverity::MAV_SEVERITY_WARNING as u8 {
                    return None;
                }
                let text = told.text.to_str().map(plain).unwrap_or_default();
                self.said_text = Some(text.clone());
                Some(Heard::Text(text))
            }
            _ => None,
        }
    }

    fn on_heartbeat(&mut self, now_us: u64, told: &HEARTBEAT_DATA) -> Option<Heard> {
        if told.autopilot == MavAutopilot::MAV_AUTOPILOT_INVALID {
            return None;
        }
        let was_there = self.is_there(now_us);
        self.heartbeat_us = Some(now_us);
        let kind = Kind::of(told.mavtype);
        let is_new = !was_there || self.kind != Some(kind);
        self.kind = Some(kind);
        self.is_armed = told
            .base_mode
            .contains(MavModeFlag::MAV_MODE_FLAG_SAFETY_ARMED);
        if is_new {
            self.asked = 0;
            // What was said before nobody may have heard.
            if let Some(pending) = &mut self.pending {
                pending.tries = 0;
            }
        }
        if !self.is_armed && self.state != DriveState::Armed {
            self.is_ours = false;
        }
        let settled = self
            .obeys_us
            .is_some_and(|since| now_us.saturating_sub(since) > SETTLE_US);
        if settled && !self.is_armed {
            self.refusal = Some(self.with_text("it was disarmed, and not from here"));
        }
        let in_vain = self
            .disarmed_us
            .is_some_and(|since| now_us.saturating_sub(since) > SETTLE_US);
        if in_vain && self.is_armed && self.is_ours && self.pending.is_none() {
            self.pending = Some(DISARM);
        }
        kind.filter(|_| is_new).map(Heard::Present)
    }

    fn on_ack(&mut self, now_us: u64, told: &COMMAND_ACK_DATA) -> Option<Heard> {
        let ours = [0, self.config.station].contains(&told.target_system);
        if told.command != MavCmd::MAV_CMD_COMPONENT_ARM_DISARM || !ours {
            return None;
        }
        let pending = self.pending.filter(|pending| pending.tries > 0)?;
        match told.result {
            // Of the command that this one has overtaken: the two are one command to the vehicle.
            _ if std::mem::take(&mut self.overtaken) => None,
            MavResult::MAV_RESULT_ACCEPTED => {
                self.pending = None;
                self.obeys_us = pending.arm.then_some(now_us);
                self.disarmed_us = (!pending.arm).then_some(now_us);
                self.is_armed = pending.arm;
                Some(Heard::Armed(pending.arm))
            }
            MavResult::MAV_RESULT_IN_PROGRESS => None,
            refused if pending.arm => {
                self.pending = None;
                let told = format!("it refuses to be armed (MAV_RESULT {})", refused as u8);
                self.refusal = Some(self.with_text(&told));
                None
            }
            // What flies is not disarmed: it is asked again, and hovers meanwhile.
            _ if self.is_ours => None,
            _ => {
                self.pending = None;
                Some(Heard::Left)
            }
        }
    }

    fn with_text(&self, told: &str) -> String {
        match &self.said_text {
            Some(text) => format!("{told}; it says: {text}"),
            None => format!("{told}: a ground station tells why"),
        }
    }

    /// Gives up what was not acknowledged in time.
    pub fn handle_timeout(&mut self, now_us: u64) {
        self.begun_us.get_or_insert(now_us);
        let Some(pending) = self.pending else {
            return;
        };
        let due = pending.tries > 0 && now_us.saturating_sub(pending.sent_us) >= AGAIN_US;
        if due && pending.arm && pending.tries >= TRIES {
            self.pending = None;
            self.refusal =
                Some("it does not answer when it is to be armed: check the link".to_owned());
        } else if due
            && !pending.arm
            && pending.tries >= TRIES
            && !self.is_armed
            && self.is_there(now_us)
        {
            // It says itself that it is disarmed.
            self.pending = None;
        }
    }

    /// What is to be said now.
    pub fn poll_transmit(&mut self, now_us: u64) -> Option<Said> {
        if let Some(sticks) = self.due_sticks(now_us) {
            self.sticks = Some(sticks);
            self.sticks_us = now_us;
            if self.state != DriveState::Armed && !self.is_to_be_disarmed() {
                self.neutral = self.neutral.saturating_sub(1);
            }
            return Some(self.speaker.manual(sticks));
        }
        if let Some(pending) = &mut self.pending
            && (pending.tries == 0 || now_us.saturating_sub(pending.sent_us) >= AGAIN_US)
        {
            let (arm, confirmation) = (pending.arm, pending.tries);
            self.is_ours |= arm;
            pending.tries = pending.tries.saturating_add(1);
            pending.sent_us = now_us;
            return Some(self.speaker.arm(arm, confirmation));
        }
        if self
            .heartbeat_said_us
            .is_none_or(|said| now_us.saturating_sub(said) >= HEARTBEAT_US)
        {
            self.heartbeat_said_us = Some(now_us);
            return Some(self.speaker.heartbeat());
        }
        let (id, interval_us) = *STREAMS.get(self.asked).filter(|_| self.is_there(now_us))?;
        self.asked += 1;
        Some(self.speaker.interval(id, interval_us))
    }

    /// Where the sticks are to be, if that is to be said now. Of a vehicle that is not ours the sticks are left
    /// to who has it.
    fn due_sticks(&self, now_us: u64) -> Option<Sticks> {
        // What is neutral depends on the kind: before that is known nothing is better than a guess.
        let kind = self.kind??;
        if self.state != DriveState::Armed && !self.is_to_be_disarmed() && self.neutral == 0 {
            return None;
        }
        let motion = match (self.state, self.obeys_us) {
            (DriveState::Armed, Some(_)) => self.motion,
            _ => Motion::STILL,
        };
        let sticks = kind.sticks(motion);
        let is_new = self.sticks != Some(sticks);
        (is_new || now_us.saturating_sub(self.sticks_us) >= REPEAT_US).then_some(sticks)
    }

    fn is_to_be_disarmed(&self) -> bool {
        self.pending.is_some_and(|pending| !pending.arm) && self.is_armed && self.is_ours
    }

    fn is_there(&self, now_us: u64) -> bool {
        let heard = self.heartbeat_us;
        heard.is_some_and(|heard| now_us.saturating_sub(heard) <= LOST_US)
    }

    /// Whether it would obey.
    pub fn fitness(&self, now_us: u64) -> Result<(), String> {
        let system = self.config.system;
        match (self.heartbeat_us, self.kind.flatten()) {
            (None, _) => Err(format!(
                "no heartbeat of system {system} yet: check the link, and that the vehicle speaks MAVLink 2 there (SERIALn_PROTOCOL = 2)"
            )),
            (Some(_), _) if !self.is_there(now_us) => Err(format!(
                "the heartbeat of system {system} is lost: check the link and the vehicle's power"
            )),
            (Some(_), None) => Err(
                "it is neither a rover nor a copter, by its heartbeat: others are not driven"
                    .to_owned(),
            ),
            (Some(_), Some(_)) => self.refusal.clone().map_or(Ok(()), Err),
        }
    }

    /// Whether it has acknowledged the disarm, or says by itself that it is disarmed.
    pub fn is_known_to_stand(&self) -> bool {
        self.state != DriveState::Armed
            && self.pending.is_none()
            && !self.is_armed
            && self.heartbeat_us.is_some()
    }

    /// Whether nobody was ever there.
    pub fn is_absent(&self, now_us: u64) -> bool {
        let begun = self.begun_us.unwrap_or(now_us);
        self.heartbeat_us.is_none() && now_us.saturating_sub(begun) > ABSENT_US
    }

    /// What it measures.
    pub fn measured(&self) -> Measured {
        let (x_mm, y_mm, heading_mrad) = self.pose.pose();
        Measured {
            x_mm,
            y_mm,
            heading_mrad,
            battery_mv: self.battery_mv,
            range_mm: self.range_mm.unwrap_or(0),
            ..Measured::default()
        }
    }
}

/// Reads a payload; one that is longer than we know is of a later version of the message.
fn read<D: MessageData>(frame: &Bytes) -> Option<D> {
    let payload = frame.payload();
    let known = payload.get(..D::ENCODED_LEN).unwrap_or(payload);
    D::deser(MavlinkVersion::V2, known).ok()
}
