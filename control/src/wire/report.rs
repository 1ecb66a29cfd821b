//! What the device says.

use super::VERSION;
use super::bytes::{Message, Reader};
use super::command::CommandKind;
use super::error::WireError;
use crate::axes::Axes;
use crate::numbers::{Epoch, Lease, Seq, Stamp};
use crate::state::{AckResult, Refused, State, StopReason};

/// Half a turn, rounded up, in mrad.
const HALF_TURN: i16 = 3142;
/// The temperature of what has none.
const UNKNOWN: i16 = i16::MIN;

/// A report with what all of them carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Whether the device may move.
    pub state: State,
    /// The highest lease it heard of.
    pub lease: Lease,
    /// The latest epoch: open if armed, void else.
    pub epoch: Epoch,
    /// The device's clock when it said this; to be echoed.
    pub stamp: Stamp,
    /// What else.
    pub kind: ReportKind,
}

/// What a report says besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportKind {
    /// The pulse: many a second, and at once when something changes.
    Beacon {
        /// The latest sequence number heard of the lease's holder; zero for none.
        heard: Seq,
        /// How long ago that was, in microseconds: what to take off the round trip.
        held_us: u32,
        /// The latest setpoint applied; zero for none.
        applied: Seq,
        /// The device's limit of age, in milliseconds.
        limit_ms: u16,
        /// How old the applied setpoint's echo was when it came, in milliseconds.
        age_ms: u16,
        /// Why the latest setpoint was refused; `None` where it was applied.
        refused: Option<Refused>,
        /// What the age of the picture leaves of the speed, in percent.
        speed: u8,
        /// How old the operator's picture may be, in milliseconds; zero: no picture is asked for.
        picture_limit_ms: u16,
    },
    /// The answer to what is neither a setpoint nor a ping, by the channel that it came by.
    Ack {
        /// The command's.
        seq: Seq,
        /// What it was.
        of: CommandKind,
        /// What became of it.
        result: AckResult,
    },
    /// How the device is.
    Telemetry(Telemetry),
}

/// How the device is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Telemetry {
    /// What the outputs have.
    pub axes: Axes,
    /// Millimetres in the frame of the start, ahead.
    pub x_mm: i32,
    /// Millimetres in the frame of the start, to the left.
    pub y_mm: i32,
    /// Milliradians, counter-clockwise, within half a turn (3142).
    pub heading_mrad: i16,
    /// Millivolts; zero where it is not known.
    pub battery_mv: u16,
    /// Millimetres to what is ahead; zero where it is not known.
    pub range_mm: u16,
    /// Where the camera points, in milliradians to the left.
    pub pan_mrad: i16,
    /// Where the camera points, in milliradians upwards.
    pub tilt_mrad: i16,
    /// Temperatures of the board's choice, in tenths of a degree Celsius.
    pub temperatures: [Option<i16>; 2],
    /// The user's own.
    pub user: [i32; 4],
    /// The latest setpoint applied; zero for none.
    pub applied: Seq,
    /// Setpoints applied.
    pub count_applied: u32,
    /// Refused for their stamp or their picture's.
    pub count_stale: u32,
    /// Refused for their sequence number.
    pub count_old: u32,
    /// Refused for their epoch.
    pub count_void: u32,
    /// Refused for their lease or their form.
    pub count_refused: u32,
    /// Stops of all reasons.
    pub count_stops: u32,
}

const BEACON: u8 = 129;
const ACK: u8 = 130;
const TELEMETRY: u8 = 131;

impl Report {
    /// Reads one whole message.
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        let version = reader.u8()?;
        if version != VERSION {
            return Err(WireError::Version(version));
        }
        let code = reader.u8()?;
        let len = match code {
            BEACON => 40,
            ACK => 28,
            TELEMETRY => 104,
            _ => return Err(WireError::Kind(code)),
        };
        if bytes.len() != len {
            return Err(WireError::Length(bytes.len()));
        }
        Ok(Self {
            state: state(reader.u8()?, reader.u8()?)?,
            lease: Lease(reader.u32()?),
            epoch: Epoch(reader.u32()?),
            stamp: reader.stamp()?,
            kind: match code {
                BEACON => beacon(&mut reader)?,
                ACK => ack(&mut reader)?,
                _ => ReportKind::Telemetry(telemetry(&mut reader)?),
            },
        })
    }

    /// Writes it.
    pub fn emit(&self) -> Message {
        let mut message = Message::new();
        let code = match self.kind {
            ReportKind::Beacon { .. } => BEACON,
            ReportKind::Ack { .. } => ACK,
            ReportKind::Telemetry(_) => TELEMETRY,
        };
        let reason = self.state.reason().map_or(0, StopReason::code);
        message.put([VERSION, code, self.state.code(), reason]);
        message.put(self.lease.0.to_be_bytes());
        message.put(self.epoch.0.to_be_bytes());
        message.put(self.stamp.micros().to_be_bytes());
        match &self.kind {
            ReportKind::Beacon {
                heard,
                held_us,
                applied,
                limit_ms,
                age_ms,
                refused,
                speed,
                picture_limit_ms,
            } => {
                for number in [heard.0, *held_us, applied.0] {
                    message.put(number.to_be_bytes());
                }
                message.put(limit_ms.to_be_bytes());
                message.put(age_ms.to_be_bytes());
                message.put([refused.map_or(0, Refused::code), (*speed).min(100)]);
                message.put(picture_limit_ms.to_be_bytes());
            }
            ReportKind::Ack { seq, of, result } => {
                message.put(seq.0.to_be_bytes());
                message.put([of.code(), result.code(), 0, 0]);
            }
            ReportKind::Telemetry(telemetry) => put_telemetry(&mut message, telemetry),
        }
        message
    }
}

fn state(state: u8, reason: u8) -> Result<State, WireError> {
    match (state, reason) {
        (0, 0) => Ok(State::Disarmed),
        (1, 0) => Ok(State::Armed),
        (2, _) => StopReason::from_code(reason)
            .filter(|reason| *reason != StopReason::Emergency)
            .map(State::Stopped)
            .ok_or(WireError::Reason(reason)),
        (3, _) if reason == StopReason::Emergency.code() => Ok(State::Emergency),
        (0 | 1 | 3, _) => Err(WireError::Reason(reason)),
        _ => Err(WireError::State(state)),
    }
}

fn beacon(reader: &mut Reader<'_>) -> Result<ReportKind, WireError> {
    Ok(ReportKind::Beacon {
        heard: Seq(reader.u32()?),
        held_us: reader.u32()?,
        applied: Seq(reader.u32()?),
        limit_ms: reader.u16()?,
        age_ms: reader.u16()?,
        refused: match reader.u8()? {
            0 => None,
            code => Some(Refused::from_code(code).ok_or(WireError::Refusal(code))?),
        },
        speed: match reader.u8()? {
            percent @ 0..=100 => percent,
            more => return Err(WireError::Percent(more)),
        },
        picture_limit_ms: reader.u16()?,
    })
}

fn ack(reader: &mut Reader<'_>) -> Result<ReportKind, WireError> {
    let seq = Seq(reader.u32()?);
    let code = reader.u8()?;
    let of = CommandKind::from_code(code)
        .filter(|kind| CommandKind::ANSWERED.contains(kind))
        .ok_or(WireError::Kind(code))?;
    let code = reader.u8()?;
    let result = AckResult::from_code(code).ok_or(WireError::Result(code))?;
    reader.reserved::<2>()?;
    Ok(ReportKind::Ack { seq, of, result })
}

fn telemetry(reader: &mut Reader<'_>) -> Result<Telemetry, WireError> {
    let axes = reader.axes()?;
    let (x_mm, y_mm) = (reader.i32()?, reader.i32()?);
    let heading_mrad = reader.i16()?;
    if !(-HALF_TURN..=HALF_TURN).contains(&heading_mrad) {
        return Err(WireError::Heading(heading_mrad));
    }
    let battery_mv = reader.u16()?;
    let range_mm = reader.u16()?;
    let mut temperature = || match reader.i16() {
        Ok(UNKNOWN) => Ok(None),
        known => known.map(Some),
    };
    let temperatures = [temperature()?, temperature()?];
    let (pan_mrad, tilt_mrad) = (reader.i16()?, reader.i16()?);
    reader.reserved::<2>()?;
    Ok(Telemetry {
        axes,
        x_mm,
        y_mm,
        heading_mrad,
        battery_mv,
        range_mm,
        pan_mrad,
        tilt_mrad,
        temperatures,
        user: [reader.i32()?, reader.i32()?, reader.i32()?, reader.i32()?],
        applied: Seq(reader.u32()?),
        count_applied: reader.u32()?,
        count_stale: reader.u32()?,
        count_old: reader.u32()?,
        count_void: reader.u32()?,
        count_refused: reader.u32()?,
        count_stops: reader.u32()?,
    })
}

fn put_telemetry(message: &mut Message, telemetry: &Telemetry) {
    message.put_axes(&telemetry.axes);
    message.put(telemetry.x_mm.to_be_bytes());
    message.put(telemetry.y_mm.to_be_bytes());
    let heading = telemetry.heading_mrad.clamp(-HALF_TURN, HALF_TURN);
    message.put(heading.to_be_bytes());
    message.put(telemetry.battery_mv.to_be_bytes());
    message.put(telemetry.range_mm.to_be_bytes());
    for temperature in telemetry.temperatures {
        message.put(temperature.unwrap_or(UNKNOWN).to_be_bytes());
    }
    message.put(telemetry.pan_mrad.to_be_bytes());
    message.put(telemetry.tilt_mrad.to_be_bytes());
    message.put([0; 2]);
    for number in telemetry.user {
        message.put(number.to_be_bytes());
    }
    for number in [
        telemetry.applied.0,
        telemetry.count_applied,
        telemetry.count_stale,
        telemetry.count_old,
        telemetry.count_void,
        telemetry.count_refused,
        telemetry.count_stops,
    ] {
        message.put(number.to_be_bytes());
    }
}
