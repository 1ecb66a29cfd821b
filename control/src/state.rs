//! What the device is in, why it stopped, and what it says to a command.

/// Whether the device may move.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// It rests: after the start, and after a disarm.
    #[default]
    Disarmed,
    /// It takes setpoints.
    Armed,
    /// Something stopped it; an arm is what it waits for.
    Stopped(StopReason),
}

impl State {
    /// The byte on the wire.
    pub const fn code(self) -> u8 {
        match self {
            Self::Disarmed => 0,
            Self::Armed => 1,
            Self::Stopped(_) => 2,
        }
    }

    /// Why it is stopped; `None` where it is not.
    pub const fn reason(self) -> Option<StopReason> {
        match self {
            Self::Stopped(reason) => Some(reason),
            Self::Disarmed | Self::Armed => None,
        }
    }
}

/// Why the device stopped. The numbers are those on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum StopReason {
    /// Somebody pressed stop.
    Operator = 1,
    /// No fresh setpoint within the limit.
    Stale = 2,
    /// The operator's connection ended; said by the server or the agent.
    LinkLost = 3,
    /// The agent's main process is gone: end of file on its socket.
    AgentDied = 4,
    /// The right to drive went to somebody else.
    Replaced = 5,
    /// The operator's picture is too old to drive by.
    Blind = 6,
    /// The board does not do what it is told.
    Fault = 7,
    /// The agent ends in order.
    Shutdown = 8,
}

impl StopReason {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 8] = [
        Self::Operator,
        Self::Stale,
        Self::LinkLost,
        Self::AgentDied,
        Self::Replaced,
        Self::Blind,
        Self::Fault,
        Self::Shutdown,
    ];

    /// The byte on the wire.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// Its place in [`StopReason::ALL`].
    pub(crate) const fn index(self) -> usize {
        self as usize - 1
    }

    /// What the byte means, if anything.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.code() == code)
    }

    /// Whether a stop command may give it: the others are the device's own findings.
    pub const fn may_be_sent(self) -> bool {
        matches!(
            self,
            Self::Operator | Self::LinkLost | Self::Replaced | Self::Blind
        )
    }

    /// A word for logs and figures.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Stale => "stale",
            Self::LinkLost => "link-lost",
            Self::AgentDied => "agent-died",
            Self::Replaced => "replaced",
            Self::Blind => "blind",
            Self::Fault => "fault",
            Self::Shutdown => "shutdown",
        }
    }
}

/// The device's answer to an arm, a disarm or a stop. The numbers are those on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum AckResult {
    /// Done, now or before: the epoch in the answer is open (arm), or void (stop, disarm).
    Done = 0,
    /// Arm: its echoed stamp is older than the limit. Mend: arm again.
    Stale = 1,
    /// Arm: its echoed stamp is from the future.
    Future = 2,
    /// Arm: a later arm, stop or disarm has been here already.
    Old = 3,
    /// Arm: the device is armed. Mend: stop first.
    Armed = 4,
    /// Arm: it follows another epoch than the current one; its press has had its epoch.
    Epoch = 5,
    /// Arm: the board does not do what it is told.
    Fault = 6,
}

impl AckResult {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 7] = [
        Self::Done,
        Self::Stale,
        Self::Future,
        Self::Old,
        Self::Armed,
        Self::Epoch,
        Self::Fault,
    ];

    /// The byte on the wire.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// What the byte means, if anything.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|result| result.code() == code)
    }

    /// A word for logs and figures.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Stale => "stale",
            Self::Future => "future",
            Self::Old => "old",
            Self::Armed => "armed",
            Self::Epoch => "epoch",
            Self::Fault => "fault",
        }
    }
}
