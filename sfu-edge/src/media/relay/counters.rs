use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use transom_control::wire::LeaseResult;
use transom_rtc_proto::time::Instant;

use super::watch::DeviceStats;

/// How often losses are told.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// Why a message went nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// It came on another channel than the two of driving.
    UnknownChannel,
    /// Longer than any message.
    TooLong,
    /// No message of the protocol.
    Malformed,
    /// Its sender's token has no drive scope.
    NoDriveScope,
    /// Somebody else drives, or nobody does.
    NotHolder,
    /// A ping of one who may drive and does not: its page lives, and measures
    /// nothing yet. Not told in the log.
    IdlePing,
    /// More than anybody sends who drives.
    TooMany,
    /// The stream has no device, or it has not reported yet.
    NoDevice,
    /// An answer to a command of a lease that is long over, or to the server's own. Not
    /// told in the log.
    NobodyAsked,
    /// A newer setpoint came.
    Superseded,
    /// No lease is left to give.
    NoLease,
    /// Its receiver has not opened the channel, or has closed it.
    ChannelClosed,
    /// Too many messages waited.
    NoRoom,
}

impl DropReason {
    /// All of them, in the order of their declaration.
    pub const ALL: [Self; 13] = [
        Self::UnknownChannel,
        Self::TooLong,
        Self::Malformed,
        Self::NoDriveScope,
        Self::NotHolder,
        Self::IdlePing,
        Self::TooMany,
        Self::NoDevice,
        Self::NobodyAsked,
        Self::Superseded,
        Self::NoLease,
        Self::ChannelClosed,
        Self::NoRoom,
    ];

    /// A word for logs and figures.
    pub const fn name(self) -> &'static str {
        match self {
            Self::UnknownChannel => "unknown_channel",
            Self::TooLong => "too_long",
            Self::Malformed => "malformed",
            Self::NoDriveScope => "no_drive_scope",
            Self::NotHolder => "not_holder",
            Self::IdlePing => "idle_ping",
            Self::TooMany => "too_many",
            Self::NoDevice => "no_device",
            Self::NobodyAsked => "nobody_asked",
            Self::Superseded => "superseded",
            Self::NoLease => "no_lease",
            Self::ChannelClosed => "channel_closed",
            Self::NoRoom => "no_room",
        }
    }
}

/// What became of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseChange {
    /// Taken by a request, while nobody held it.
    Acquired,
    /// Taken by a command, while nobody held it.
    Armed,
    /// Handed over to the one who had asked.
    HandedOver,
    /// Taken from its holder by an administrator.
    Overridden,
    /// Given up.
    Released,
    /// Not renewed in time.
    Expired,
    /// Its holder was lost.
    Lost,
    /// Its holder was stopped by another.
    Stopped,
    /// The holder was asked for it.
    Asked,
    /// The holder keeps it.
    Denied,
    /// The holder did not answer in time.
    Lapsed,
}

impl LeaseChange {
    /// All of them, in the order of their declaration.
    pub const ALL: [Self; 11] = [
        Self::Acquired,
        Self::Armed,
        Self::HandedOver,
        Self::Overridden,
        Self::Released,
        Self::Expired,
        Self::Lost,
        Self::Stopped,
        Self::Asked,
        Self::Denied,
        Self::Lapsed,
    ];

    /// A word for logs and figures.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Acquired => "acquired",
            Self::Armed => "armed",
            Self::HandedOver => "handed_over",
            Self::Overridden => "overridden",
            Self::Released => "released",
            Self::Expired => "expired",
            Self::Lost => "lost",
            Self::Stopped => "stopped",
            Self::Asked => "asked",
            Self::Denied => "denied",
            Self::Lapsed => "lapsed",
        }
    }

    /// Whether somebody has it who did not.
    const fn is_taking(self) -> bool {
        matches!(
            self,
            Self::Acquired | Self::Armed | Self::HandedOver | Self::Overridden
        )
    }
}

/// What the relay did since the start, of all streams. Written by the media
/// threads, read by whoever asks; each is a plain counter.
#[derive(Debug, Default)]
pub struct RelayStats {
    /// Commands passed on to a device.
    pub commands: AtomicU64,
    /// Reports of devices passed on: one for each viewer that it was for.
    pub reports: AtomicU64,
    /// Drivers that took the lease.
    pub leases: AtomicU64,
    /// Drivers that were lost, whose device was told to stop.
    pub drivers_lost: AtomicU64,
    /// Notices of the lease sent to operators.
    pub notices: AtomicU64,
    /// How devices fared.
    pub devices: DeviceStats,
    dropped: [AtomicU64; DropReason::ALL.len()],
    changes: [AtomicU64; LeaseChange::ALL.len()],
    answers: [AtomicU64; LeaseResult::ALL.len()],
}

impl RelayStats {
    /// How often a lease fared so.
    pub fn lease_changes(&self, change: LeaseChange) -> u64 {
        let count = self.changes.get(change as usize);
        count.map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// How often a request had this answer.
    pub fn lease_answers(&self, result: LeaseResult) -> u64 {
        let at = LeaseResult::ALL.iter().position(|r| *r == result);
        let count = at.and_then(|at| self.answers.get(at));
        count.map_or(0, |count| count.load(Ordering::Relaxed))
    }

    pub(super) fn count_change(&self, change: LeaseChange) {
        if change.is_taking() {
            add(&self.leases);
        }
        if change == LeaseChange::Lost {
            add(&self.drivers_lost);
        }
        if let Some(count) = self.changes.get(change as usize) {
            add(count);
        }
    }

    pub(super) fn count_answer(&self, result: LeaseResult) {
        let at = LeaseResult::ALL.iter().position(|r| *r == result);
        if let Some(count) = at.and_then(|at| self.answers.get(at)) {
            add(count);
        }
    }

    /// Messages that went nowhere for this reason.
    pub fn dropped(&self, reason: DropReason) -> u64 {
        let count = self.dropped.get(reason as usize);
        count.map_or(0, |count| count.load(Ordering::Relaxed))
    }

    pub(in crate::media) fn count(&self, reason: DropReason) {
        if let Some(count) = self.dropped.get(reason as usize) {
            add(count);
        }
    }
}

/// One more.
pub(super) fn add(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}

/// What was told of it last.
#[derive(Debug, Default)]
pub(super) struct Told {
    counts: [u64; DropReason::ALL.len()],
    at: Option<Instant>,
}

impl Told {
    /// What was dropped since, as text; once a second at most.
    pub(super) fn poll(&mut self, now: Instant, stats: &RelayStats) -> Option<String> {
        if self.at.is_some_and(|at| now.since(at) < TELL_EVERY) {
            return None;
        }
        let mut text = String::new();
        for (told, reason) in self.counts.iter_mut().zip(DropReason::ALL) {
            let count = stats.dropped(reason);
            let before = std::mem::replace(told, count);
            let is_loss = !matches!(reason, DropReason::IdlePing | DropReason::NobodyAsked);
            if count > before && is_loss {
                let _ = write!(text, " {}={}", reason.name(), count - before);
            }
        }
        if text.is_empty() {
            return None;
        }
        self.at = Some(now);
        Some(text.trim_start().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_told_once_a_second_each_once() {
        let (stats, mut told) = (RelayStats::default(), Told::default());
        let start = Instant::from_millis(5);
        assert_eq!(told.poll(start, &stats), None);
        for reason in DropReason::ALL {
            stats.count(reason);
            assert_eq!(stats.dropped(reason), 1, "{}", reason.name());
        }
        let text = told.poll(start, &stats).expect("losses");
        // Idle pings and answers that nobody waits for are no losses.
        assert_eq!(text.split(' ').count(), DropReason::ALL.len() - 2, "{text}");
        stats.count(DropReason::NoRoom);
        assert_eq!(told.poll(start + TELL_EVERY / 2, &stats), None);
        let later = start + TELL_EVERY;
        assert_eq!(told.poll(later, &stats).as_deref(), Some("no_room=1"));
        assert_eq!(told.poll(later + TELL_EVERY, &stats), None);
    }
}
