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
    /// An emergency stop holds it: nothing moves it before a reset, and then an arm.
    Emergency,
}

impl State {
    /// The byte on the wire.
    pub const fn code(self) -> u8 {
        match self {
            Self::Disarmed => 0,
            Self::Armed => 1,
            Self::Stopped(_) => 2,
            Self::Emergency => 3,
        }
    }

    /// Why it is stopped; `None` where it is not.
    pub const fn reason(self) -> Option<StopReason> {
        match self {
            Self::Stopped(reason) => Some(reason),
            Self::Emergency => Some(StopReason::Emergency),
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
    /// The operator's connection is lost; said by the server or the agent.
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
    /// Somebody pressed the emergency stop; held until a reset.
    Emergency = 9,
    /// The operator's page is not seen any more: another tab, a locked telephone.
    Hidden = 10,
    /// Several messages in a row that are no commands.
    Malformed = 11,
    /// The server or the operator closed the connection in order.
    PeerClosed = 12,
}

impl StopReason {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 12] = [
        Self::Operator,
        Self::Stale,
        Self::LinkLost,
        Self::AgentDied,
        Self::Replaced,
        Self::Blind,
        Self::Fault,
        Self::Shutdown,
        Self::Emergency,
        Self::Hidden,
        Self::Malformed,
        Self::PeerClosed,
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
            Self::Operator | Self::LinkLost | Self::Replaced | Self::Blind | Self::Hidden
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
            Self::Emergency => "emergency",
            Self::Hidden => "hidden",
            Self::Malformed => "malformed",
            Self::PeerClosed => "peer-closed",
        }
    }
}

/// The device's answer to what is neither a setpoint nor a ping. The numbers are those on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum AckResult {
    /// Done, now or before: the epoch in the answer is open (arm), or void (stop, disarm, emergency, reset);
    /// the output does what it was told (switch).
    Done = 0,
    /// Its echoed stamp is older than the limit. Mend: press again.
    Stale = 1,
    /// Its echoed stamp is from the future.
    Future = 2,
    /// A later one, or a later stop or disarm, has been here already.
    Old = 3,
    /// Arm: the device is armed. Mend: stop first.
    Armed = 4,
    /// Arm: it follows another epoch than the current one; its press has had its epoch. Reset: of another
    /// emergency stop, or of none.
    Epoch = 5,
    /// Arm, switch: the board does not do what it is told.
    Fault = 6,
    /// Arm: an emergency stop holds the device. Mend: reset it. Reset: what called for it still does.
    Latched = 7,
    /// Switch: this board has no such output.
    Absent = 8,
    /// Switch: the device has it; what becomes of it is told later.
    Received = 9,
    /// Switch: the one before is not done yet. Mend: press again.
    Busy = 10,
}

impl AckResult {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 11] = [
        Self::Done,
        Self::Stale,
        Self::Future,
        Self::Old,
        Self::Armed,
        Self::Epoch,
        Self::Fault,
        Self::Latched,
        Self::Absent,
        Self::Received,
        Self::Busy,
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
            Self::Latched => "latched",
            Self::Absent => "absent",
            Self::Received => "received",
            Self::Busy => "busy",
        }
    }
}

/// Why a setpoint was not applied. The numbers are those on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Refused {
    /// Its epoch is not open.
    Void = 1,
    /// At or below a sequence number that was applied.
    Old = 2,
    /// Its echo is older than the limit.
    Stale = 3,
    /// Its echo is from the future.
    Future = 4,
    /// Its picture is older than the limit, or it names none.
    Blind = 5,
}

impl Refused {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 5] = [
        Self::Void,
        Self::Old,
        Self::Stale,
        Self::Future,
        Self::Blind,
    ];

    /// The byte on the wire.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// What the byte means, if anything.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|refused| refused.code() == code)
    }

    /// A word for logs and figures.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Void => "void",
            Self::Old => "old",
            Self::Stale => "stale",
            Self::Future => "future",
            Self::Blind => "blind",
        }
    }
}
