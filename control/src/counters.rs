//! What happened, counted. Every counter stays at its greatest value rather than begin anew.

use crate::state::StopReason;

/// Counters of a [`Kernel`](crate::Kernel) since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Setpoints applied.
    pub applied: u32,
    /// Setpoints and arms whose stamp was older than the limit.
    pub stale: u32,
    /// Setpoints and arms whose stamp was from the future.
    pub future: u32,
    /// Setpoints whose picture was too old, or that named none where one is asked for.
    pub blind: u32,
    /// Setpoints and arms at or below a sequence number that was here before: replayed or overtaken.
    pub old: u32,
    /// Setpoints of an epoch that is not open.
    pub void: u32,
    /// Commands of a lower lease than the highest seen.
    pub lease: u32,
    /// Messages that are no command.
    pub malformed: u32,
    /// Epochs opened.
    pub arms: u32,
    /// Arms refused, for whatever reason.
    pub arms_refused: u32,
    /// Emergency stops that were reset.
    pub resets: u32,
    /// Outputs that were to be switched.
    pub switches: u32,
    /// Acknowledgements thrown away because eight waited already.
    pub acks_dropped: u32,
    stops: [u32; StopReason::ALL.len()],
}

impl Counters {
    /// Stops for this reason: times that the device went from armed or disarmed to stopped.
    pub fn stops(&self, reason: StopReason) -> u32 {
        self.stops.get(reason.index()).copied().unwrap_or(0)
    }

    /// Stops for all reasons.
    pub fn all_stops(&self) -> u32 {
        self.stops
            .iter()
            .fold(0, |sum, stops| sum.saturating_add(*stops))
    }

    pub(crate) fn count_stop(&mut self, reason: StopReason) {
        if let Some(stops) = self.stops.get_mut(reason.index()) {
            count(stops);
        }
    }
}

pub(crate) fn count(counter: &mut u32) {
    *counter = counter.saturating_add(1);
}
