//! Why bytes are no message.

use core::fmt;

/// Why bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireError {
    /// Another number of bytes than the kind has.
    Length(usize),
    /// Another version.
    Version(u8),
    /// No kind that may come this way.
    Kind(u8),
    /// Reserved bits are set.
    Reserved,
    /// A stamp beyond 53 bits.
    Stamp,
    /// An axis below -1.
    Axis,
    /// An epoch that this kind cannot have.
    Epoch,
    /// No state.
    State(u8),
    /// No reason, or none that fits.
    Reason(u8),
    /// No result.
    Result(u8),
    /// No output.
    Output(u8),
    /// No refusal.
    Refusal(u8),
    /// A share beyond 100 percent.
    Percent(u8),
    /// A heading beyond half a turn.
    Heading(i16),
    /// No action of a lease request, or one that lacks whom it is about.
    Action(u8),
    /// No name: not UTF-8, with control characters, or of nobody.
    Name,
}

impl WireError {
    /// A word for figures, and for the test vectors.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Length(_) => "length",
            Self::Version(_) => "version",
            Self::Kind(_) => "kind",
            Self::Reserved => "reserved",
            Self::Stamp => "stamp",
            Self::Axis => "axis",
            Self::Epoch => "epoch",
            Self::State(_) => "state",
            Self::Reason(_) => "reason",
            Self::Result(_) => "result",
            Self::Output(_) => "output",
            Self::Refusal(_) => "refusal",
            Self::Percent(_) => "percent",
            Self::Heading(_) => "heading",
            Self::Action(_) => "action",
            Self::Name => "name",
        }
    }
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length(len) => write!(f, "{len} bytes are not what this kind has"),
            Self::Version(version) => write!(f, "version {version} is not 1"),
            Self::Kind(kind) => write!(f, "kind {kind} is unknown"),
            Self::Reserved => f.write_str("reserved bits are set"),
            Self::Stamp => f.write_str("a stamp exceeds 53 bits"),
            Self::Axis => f.write_str("an axis is below -1"),
            Self::Epoch => f.write_str("the epoch cannot be"),
            Self::State(state) => write!(f, "state {state} is unknown"),
            Self::Reason(reason) => write!(f, "stop reason {reason} is unknown or does not fit"),
            Self::Result(result) => write!(f, "result {result} is unknown"),
            Self::Output(output) => write!(f, "output {output} is unknown"),
            Self::Refusal(refusal) => write!(f, "refusal {refusal} is unknown"),
            Self::Percent(percent) => write!(f, "{percent} % is more than all"),
            Self::Heading(heading) => write!(f, "heading {heading} mrad is beyond half a turn"),
            Self::Action(action) => write!(f, "action {action} is unknown or lacks its asker"),
            Self::Name => f.write_str("a name is not clean UTF-8, or nobody's"),
        }
    }
}

impl core::error::Error for WireError {}
