use std::time::Duration;

use transom_rtc_telemetry::Histogram;

use crate::directory::Role;
use crate::media::api::{GoneReason, RemoveReason};

/// How long joins take: milliseconds on the own machine, a tenth of a second
/// through the air, seconds where checks are lost.
const JOIN_BOUNDS: &[Duration] = &[
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_millis(800),
    Duration::from_millis(1600),
    Duration::from_millis(3200),
    Duration::from_millis(6400),
    Duration::from_millis(15_000),
];

/// Why sessions end, as labels.
const ENDS: [&str; 12] = [
    "closed_by_peer",
    "never_connected",
    "consent_lost",
    "dtls_failed",
    "fingerprint_mismatch",
    "no_room",
    "panicked",
    "deleted",
    "taken_over",
    "publisher_absent",
    "tracks_changed",
    "unknown",
];

/// What the control plane counts of sessions, kept by role: publishers, then
/// subscribers.
#[derive(Debug)]
pub(super) struct SessionCounts {
    opened: [u64; 2],
    ended: [u64; ENDS.len()],
    joins: [Histogram; 2],
}

impl Default for SessionCounts {
    fn default() -> Self {
        Self {
            opened: [0; 2],
            ended: [0; ENDS.len()],
            joins: [Histogram::new(JOIN_BOUNDS), Histogram::new(JOIN_BOUNDS)],
        }
    }
}

/// Why a session is over.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    Gone(GoneReason),
    Removed(RemoveReason),
    /// Its event found the queue full.
    Unknown,
}

impl End {
    const fn label(self) -> &'static str {
        match self {
            Self::Gone(GoneReason::Closed) => "closed_by_peer",
            Self::Gone(GoneReason::NeverConnected) => "never_connected",
            Self::Gone(GoneReason::ConsentLost) => "consent_lost",
            Self::Gone(GoneReason::DtlsFailed) => "dtls_failed",
            Self::Gone(GoneReason::FingerprintMismatch) => "fingerprint_mismatch",
            Self::Gone(GoneReason::NoRoom) => "no_room",
            Self::Gone(GoneReason::Panicked) => "panicked",
            Self::Removed(RemoveReason::Deleted) => "deleted",
            Self::Removed(RemoveReason::TakenOver) => "taken_over",
            Self::Removed(RemoveReason::PublisherAbsent) => "publisher_absent",
            Self::Removed(RemoveReason::TracksChanged) => "tracks_changed",
            Self::Unknown => "unknown",
        }
    }
}

const fn place(role: Role) -> usize {
    match role {
        Role::Publisher => 0,
        Role::Subscriber => 1,
    }
}

impl SessionCounts {
    pub(super) fn on_opened(&mut self, role: Role) {
        self.opened[place(role)] += 1;
    }

    /// From the answer until media can flow.
    pub(super) fn on_joined(&self, role: Role, took: Duration) {
        self.joins[place(role)].observe(took);
    }

    pub(super) fn on_ended(&mut self, end: End) {
        let ends = ENDS.iter().zip(&mut self.ended);
        for (_, count) in ends.filter(|(label, _)| **label == end.label()) {
            *count += 1;
        }
    }

    /// Sessions opened so far.
    pub(super) fn opened(&self, role: Role) -> u64 {
        self.opened[place(role)]
    }

    /// How long they took to connect.
    pub(super) fn joins(&self, role: Role) -> &Histogram {
        &self.joins[place(role)]
    }

    /// Sessions that are over, by the reason's label.
    pub(super) fn ended(&self) -> impl Iterator<Item = (&'static str, u64)> {
        ENDS.into_iter().zip(self.ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_has_its_place() {
        let gone = [
            GoneReason::Closed,
            GoneReason::NeverConnected,
            GoneReason::ConsentLost,
            GoneReason::DtlsFailed,
            GoneReason::FingerprintMismatch,
            GoneReason::NoRoom,
            GoneReason::Panicked,
        ];
        let removed = [
            RemoveReason::Deleted,
            RemoveReason::TakenOver,
            RemoveReason::PublisherAbsent,
            RemoveReason::TracksChanged,
        ];
        let mut counts = SessionCounts::default();
        let ends = gone
            .map(End::Gone)
            .into_iter()
            .chain(removed.map(End::Removed));
        for end in ends.chain([End::Unknown]) {
            counts.on_ended(end);
        }
        assert!(counts.ended().all(|(_, count)| count == 1));
    }
}
