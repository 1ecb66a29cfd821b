//! What a vehicle is told.

use mavlink::dialects::common::{
    COMMAND_LONG_DATA, HEARTBEAT_DATA, MANUAL_CONTROL_DATA, MavAutopilot, MavCmd, MavModeFlag,
    MavState, MavType,
};
use mavlink::{MAVLinkV2MessageRaw, MavHeader, MessageData};

use super::axes::Sticks;

/// A frame to be sent.
#[derive(Clone, Copy, Debug)]
pub struct Said(MAVLinkV2MessageRaw);

impl Said {
    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        self.0.raw_bytes()
    }
}

/// Who speaks to whom.
#[derive(Clone, Copy, Debug)]
pub(super) struct Speaker {
    /// Our system.
    pub(super) station: u8,
    /// The vehicle's.
    pub(super) vehicle: u8,
    pub(super) sequence: u8,
}

/// The component that we are: MAV_COMP_ID_MISSIONPLANNER, a ground station.
const STATION: u8 = 190;
/// The component that it is.
pub(super) const AUTOPILOT: u8 = 1;

impl Speaker {
    fn say(&mut self, data: &impl MessageData) -> Said {
        let header = MavHeader {
            system_id: self.station.into(),
            component_id: STATION,
            sequence: self.sequence,
        };
        self.sequence = self.sequence.wrapping_add(1);
        let mut raw = MAVLinkV2MessageRaw::new();
        raw.serialize_message_data(header, data);
        Said(raw)
    }

    /// That we are there: what ArduPilot's FS_GCS watches for.
    pub(super) fn heartbeat(&mut self) -> Said {
        self.say(&HEARTBEAT_DATA {
            custom_mode: 0,
            mavtype: MavType::MAV_TYPE_GCS,
            autopilot: MavAutopilot::MAV_AUTOPILOT_INVALID,
            base_mode: MavModeFlag::empty(),
            system_status: MavState::MAV_STATE_ACTIVE,
            mavlink_version: 3,
        })
    }

    /// Where the sticks are.
    pub(super) fn manual(&mut self, sticks: Sticks) -> Said {
        let Sticks { x, y, z, r } = sticks;
        self.say(&MANUAL_CONTROL_DATA {
            x,
            y,
            z,
            r,
            target: self.vehicle,
            ..MANUAL_CONTROL_DATA::default()
        })
    }

    /// To arm or to disarm. Never with force: ArduPilot refuses to disarm what flies.
    pub(super) fn arm(&mut self, arm: bool, confirmation: u8) -> Said {
        self.say(&COMMAND_LONG_DATA {
            param1: if arm { 1.0 } else { 0.0 },
            command: MavCmd::MAV_CMD_COMPONENT_ARM_DISARM,
            target_system: self.vehicle,
            target_component: AUTOPILOT,
            confirmation,
            ..COMMAND_LONG_DATA::default()
        })
    }

    /// To send the message `id` so often.
    pub(super) fn interval(&mut self, id: u32, interval_us: u32) -> Said {
        // Both are small enough for a float.
        #[allow(clippy::cast_precision_loss, reason = "both are below 2^24")]
        let (param1, param2) = (id as f32, interval_us as f32);
        self.say(&COMMAND_LONG_DATA {
            param1,
            param2,
            command: MavCmd::MAV_CMD_SET_MESSAGE_INTERVAL,
            target_system: self.vehicle,
            target_component: AUTOPILOT,
            ..COMMAND_LONG_DATA::default()
        })
    }
}
