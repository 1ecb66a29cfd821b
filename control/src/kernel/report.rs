//! What the kernel tells the operator.

use super::Kernel;
use super::acks::Ack;
use crate::numbers::{Channel, Lease, Seq, Stamp};
use crate::wire::{Message, Report, ReportKind, Telemetry};

/// What the board measures; goes into telemetry as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measurements {
    /// Millimetres in the frame of the start, ahead.
    pub x_mm: i32,
    /// Millimetres in the frame of the start, to the left.
    pub y_mm: i32,
    /// Milliradians, counter-clockwise, within half a turn.
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
}

/// A message to the operator and its channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Where it goes.
    pub channel: Channel,
    /// What goes.
    pub message: Message,
}

impl Kernel {
    /// The next message to the operator; to be called until there is none.
    pub fn poll_transmit(&mut self, now: Stamp) -> Option<Transmit> {
        self.handle_timeout(now);
        if let Some(ack) = self.acks.pop() {
            let Ack {
                lease,
                channel,
                seq,
                of,
                result,
            } = ack;
            return Some(self.report(lease, channel, ReportKind::Ack { seq, of, result }));
        }
        if self.is_due(self.next_beacon) {
            self.next_beacon = self.now.plus(self.config.beacon_us.max(1));
            let beacon = self.beacon();
            return Some(self.report(self.lease, Channel::Control, beacon));
        }
        if self.is_due(self.next_telemetry) {
            self.next_telemetry = self.now.plus(self.config.telemetry_us.max(1));
            let telemetry = ReportKind::Telemetry(self.telemetry());
            return Some(self.report(self.lease, Channel::Control, telemetry));
        }
        None
    }

    /// The end of all time is never: what cannot be put off must not be due for ever.
    fn is_due(&self, next: Stamp) -> bool {
        self.now >= next && next != Stamp::MAX
    }

    fn report(&self, lease: Lease, channel: Channel, kind: ReportKind) -> Transmit {
        let report = Report {
            state: self.state,
            lease,
            epoch: self.epoch,
            stamp: self.now,
            kind,
        };
        Transmit {
            channel,
            message: report.emit(),
        }
    }

    fn beacon(&self) -> ReportKind {
        let (heard, at) = self.seen.heard.unwrap_or((Seq(0), self.now));
        ReportKind::Beacon {
            heard,
            held_us: u32::try_from(self.now.since(at)).unwrap_or(u32::MAX),
            applied: self.seen.applied.unwrap_or_default(),
            limit_ms: millis(self.config.limit_us),
            age_ms: millis(self.age_us),
            refused: self.refused,
            speed: self.speed,
            picture_limit_ms: self.config.picture_limit_us.map_or(0, millis),
        }
    }

    fn telemetry(&self) -> Telemetry {
        let (counters, measured) = (&self.counters, &self.measurements);
        let stale = counters.stale.saturating_add(counters.future);
        Telemetry {
            axes: self.output(self.now),
            x_mm: measured.x_mm,
            y_mm: measured.y_mm,
            heading_mrad: measured.heading_mrad,
            battery_mv: measured.battery_mv,
            range_mm: measured.range_mm,
            pan_mrad: measured.pan_mrad,
            tilt_mrad: measured.tilt_mrad,
            temperatures: measured.temperatures,
            user: measured.user,
            applied: self.seen.applied.unwrap_or_default(),
            count_applied: counters.applied,
            count_stale: stale.saturating_add(counters.blind),
            count_old: counters.old,
            count_void: counters.void,
            count_refused: counters.lease.saturating_add(counters.malformed),
            count_stops: counters.all_stops(),
        }
    }
}

fn millis(micros: u64) -> u16 {
    u16::try_from(micros / 1000).unwrap_or(u16::MAX)
}
