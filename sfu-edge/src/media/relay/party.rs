use transom_control::{Channel, Order};
use transom_rtc_proto::time::Instant;

use super::counters::DropReason;
use super::pace::Pace;
use crate::media::channels::Speaker;

/// Setpoints of one viewer a second: twice what a page sends.
const SETPOINTS: u32 = 100;
/// Arms, disarms and pings of one viewer a second.
const OTHERS: u32 = 20;
/// Stops of one viewer a second: of their own, so that nothing else uses them up.
const STOPS: u32 = 20;
/// Requests about the lease of one viewer a second.
const REQUESTS: u32 = 10;
/// Reports of a device a second: beacons, telemetry, and an ack to every command.
const REPORTS: u32 = 200;

/// A peer with a control channel.
#[derive(Debug)]
pub(super) struct Party {
    pub(super) speaker: Speaker,
    /// How many channels of each label it has open.
    control: u8,
    reliable: u8,
    setpoints: Pace,
    others: Pace,
    stops: Pace,
    requests: Pace,
    reports: Pace,
}

impl Party {
    pub(super) const fn new(now: Instant, speaker: Speaker) -> Self {
        Self {
            speaker,
            control: 0,
            reliable: 0,
            setpoints: Pace::new(now, SETPOINTS),
            others: Pace::new(now, OTHERS),
            stops: Pace::new(now, STOPS),
            requests: Pace::new(now, REQUESTS),
            reports: Pace::new(now, REPORTS),
        }
    }

    pub(super) const fn open(&mut self, channel: Channel) {
        let count = self.channel(channel);
        *count = count.saturating_add(1);
    }

    pub(super) const fn close(&mut self, channel: Channel) {
        let count = self.channel(channel);
        *count = count.saturating_sub(1);
    }

    pub(super) const fn is_open(&self, channel: Channel) -> bool {
        let count = match channel {
            Channel::Control => self.control,
            Channel::Reliable => self.reliable,
        };
        count > 0
    }

    pub(super) fn take(&mut self, now: Instant, order: &Order) -> Result<(), DropReason> {
        let pace = match order {
            Order::Setpoint { .. } => &mut self.setpoints,
            Order::Stop { .. } | Order::Emergency { .. } => &mut self.stops,
            Order::Arm { .. }
            | Order::Disarm { .. }
            | Order::Reset { .. }
            | Order::Switch { .. }
            | Order::Ping => &mut self.others,
        };
        pace.take(now).then_some(()).ok_or(DropReason::TooMany)
    }

    pub(super) fn take_request(&mut self, now: Instant) -> Result<(), DropReason> {
        let left = self.requests.take(now);
        left.then_some(()).ok_or(DropReason::TooMany)
    }

    pub(super) fn take_report(&mut self, now: Instant) -> Result<(), DropReason> {
        self.reports
            .take(now)
            .then_some(())
            .ok_or(DropReason::TooMany)
    }

    const fn channel(&mut self, channel: Channel) -> &mut u8 {
        match channel {
            Channel::Control => &mut self.control,
            Channel::Reliable => &mut self.reliable,
        }
    }
}
