use std::fmt::Write as _;
use std::time::Duration;

use transom_rtc_proto::time::Instant;

/// How often losses are told.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// Why a message went nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// Not a control channel's.
    Label,
    /// Longer than any message.
    TooLong,
    /// No message of the protocol.
    Malformed,
    /// Its sender's token has no drive scope.
    Scope,
    /// Somebody else drives, or nobody does.
    NotHolder,
    /// More than anybody sends who drives.
    TooMany,
    /// The stream has no device, or it has not reported yet.
    NoDevice,
    /// A copy of a stop that was passed on.
    Repeated,
    /// A newer setpoint came.
    Superseded,
    /// No lease is left to give.
    NoLease,
    /// Too many messages waited.
    NoRoom,
}

impl Reason {
    const ALL: [(Self, &'static str); 11] = [
        (Self::Label, "unknown_channel"),
        (Self::TooLong, "too_long"),
        (Self::Malformed, "malformed"),
        (Self::Scope, "no_drive_scope"),
        (Self::NotHolder, "not_holder"),
        (Self::TooMany, "too_many"),
        (Self::NoDevice, "no_device"),
        (Self::Repeated, "repeated_stop"),
        (Self::Superseded, "superseded"),
        (Self::NoLease, "no_lease"),
        (Self::NoRoom, "no_room"),
    ];
}

/// Messages that went nowhere, by reason.
#[derive(Debug, Default)]
pub(super) struct Counters {
    counts: [u64; Reason::ALL.len()],
    /// As they were when they were told last.
    told: [u64; Reason::ALL.len()],
    told_at: Instant,
}

impl Counters {
    pub(super) fn count(&mut self, reason: Reason) {
        if let Some(count) = self.counts.get_mut(reason as usize) {
            *count = count.saturating_add(1);
        }
    }

    #[cfg(test)]
    pub(super) fn of(&self, reason: Reason) -> u64 {
        self.counts[reason as usize]
    }

    /// What came on, as text; once a second at most.
    pub(super) fn poll(&mut self, now: Instant) -> Option<String> {
        if self.counts == self.told || now.since(self.told_at) < TELL_EVERY {
            return None;
        }
        let mut text = String::new();
        let counts = self.counts.iter().zip(&self.told);
        for ((count, told), (_, name)) in counts.zip(Reason::ALL) {
            if count > told {
                let _ = write!(text, " {name}={}", count - told);
            }
        }
        (self.told, self.told_at) = (self.counts, now);
        Some(text.trim_start().into())
    }
}
