//! Names of the codes that the wire form has.

use transom_control::{AckResult, CommandKind, Output, StopReason};

pub(crate) fn command(code: u8) -> Option<&'static str> {
    CommandKind::from_code(code).map(CommandKind::name)
}

/// Zero is none.
pub(crate) fn reason(code: u8) -> Option<&'static str> {
    match code {
        0 => Some(""),
        code => StopReason::from_code(code).map(StopReason::name),
    }
}

pub(crate) fn result(code: u8) -> Option<&'static str> {
    AckResult::from_code(code).map(AckResult::name)
}

pub(crate) fn state(code: u8) -> Option<&'static str> {
    ["disarmed", "armed", "stopped", "emergency"]
        .get(usize::from(code))
        .copied()
}

pub(crate) fn channel(code: u8) -> Option<&'static str> {
    ["control", "control-reliable"]
        .get(usize::from(code))
        .copied()
}

/// Zero is none; those of the user's own have their numbers.
pub(crate) fn output(code: u8) -> Option<&'static str> {
    match code {
        0 => Some(""),
        code => match Output::from_code(code)? {
            Output::User(_) => None,
            output => Some(output.name()),
        },
    }
}
