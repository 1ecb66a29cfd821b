use crate::time::Instant;

/// What a peer may wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timer {
    /// When connectivity checks, their retransmissions or consent are due.
    Ice,
    /// When the DTLS handshake must be over.
    Handshake,
    /// When sender and receiver reports are due.
    Report,
    /// When arrival times are reported to a sender that adapts to them.
    TransportFeedback,
    /// When missing packets are asked for.
    Nack,
    /// When an unanswered key-frame request is repeated.
    KeyFrame,
    /// When the next burst of a paced frame may leave.
    Pacer,
    /// When the association of the data channels has something to do. It owns its deadline.
    Channels,
}

const COUNT: usize = 8;

/// One deadline each.
#[derive(Debug, Default)]
pub(super) struct TimerTable([Option<Instant>; COUNT]);

impl TimerTable {
    const ALL: [Timer; COUNT] = [
        Timer::Ice,
        Timer::Handshake,
        Timer::Report,
        Timer::TransportFeedback,
        Timer::Nack,
        Timer::KeyFrame,
        Timer::Pacer,
        Timer::Channels,
    ];

    pub(super) fn set(&mut self, timer: Timer, at: Option<Instant>) {
        self.0[timer as usize] = at;
    }

    /// Sets the deadline unless one is set already.
    pub(super) fn arm(&mut self, timer: Timer, at: Instant) {
        self.0[timer as usize].get_or_insert(at);
    }

    /// Clears the timer and says so if it is due.
    pub(super) fn take_due(&mut self, timer: Timer, now: Instant) -> bool {
        let due = self.0[timer as usize].is_some_and(|at| at <= now);
        if due {
            self.0[timer as usize] = None;
        }
        due
    }

    /// The earliest deadline and what it is for.
    pub(super) fn next(&self) -> Option<(Instant, Timer)> {
        let deadlines = Self::ALL
            .iter()
            .filter_map(|t| self.0[*t as usize].map(|at| (at, *t)));
        deadlines.min_by_key(|(at, _)| *at)
    }
}
