//! What goes over the socket between the agent and its actuator: one byte that says what follows, then that.

use transom_control::{Channel, Stamp, StopReason};

use super::timing::Timing;

/// The longest frame, in bytes; longer ones are cut off and then refused.
pub const MAX_FRAME: usize = 256;

const CONTROL: u8 = 0;
const RELIABLE: u8 = 1;
/// A stop of the agent's own (down) or a note (up).
const OWN: u8 = 2;
const WARNING: u8 = 3;
/// An order for a single output (down), or what became of one (up).
const OUTPUT: u8 = 4;
/// How the loop fares (up).
const TIMING: u8 = 5;

/// An order of the agent's for an output that is no motion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputOrder {
    /// Opens the door for so many milliseconds, within the board's bound.
    Unlock {
        /// For how long.
        ms: u16,
    },
    /// Locks it at once.
    Lock,
    /// Switches the light.
    Light(bool),
    /// Rings.
    Chime,
    /// Sounds the horn for so many milliseconds, within the board's bound.
    Horn {
        /// For how long.
        ms: u16,
    },
}

/// An output that is no motion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputKind {
    /// The lock; on is open.
    Lock = 0,
    /// The light.
    Light = 1,
    /// The chime.
    Chime = 2,
    /// The watchdog; it has no state to tell.
    Watchdog = 3,
    /// The horn.
    Horn = 4,
}

/// What an output is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputState {
    /// Not on this board, or it does not do what it is told.
    Absent = 0,
    /// Off: locked, dark, silent.
    Off = 1,
    /// On.
    On = 2,
}

impl OutputOrder {
    /// What it is for.
    pub const fn kind(self) -> OutputKind {
        match self {
            Self::Unlock { .. } | Self::Lock => OutputKind::Lock,
            Self::Light(_) => OutputKind::Light,
            Self::Chime => OutputKind::Chime,
            Self::Horn { .. } => OutputKind::Horn,
        }
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        match *bytes {
            [0, high, low] => Some(Self::Unlock {
                ms: u16::from_be_bytes([high, low]),
            }),
            [1] => Some(Self::Lock),
            [2, on @ (0 | 1)] => Some(Self::Light(on == 1)),
            [3] => Some(Self::Chime),
            [4, high, low] => Some(Self::Horn {
                ms: u16::from_be_bytes([high, low]),
            }),
            _ => None,
        }
    }

    fn emit(self) -> Vec<u8> {
        match self {
            Self::Unlock { ms } => {
                let [high, low] = ms.to_be_bytes();
                vec![OUTPUT, 0, high, low]
            }
            Self::Lock => vec![OUTPUT, 1],
            Self::Light(on) => vec![OUTPUT, 2, on.into()],
            Self::Chime => vec![OUTPUT, 3],
            Self::Horn { ms } => {
                let [high, low] = ms.to_be_bytes();
                vec![OUTPUT, 4, high, low]
            }
        }
    }
}

impl OutputKind {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 5] = [
        Self::Lock,
        Self::Light,
        Self::Chime,
        Self::Watchdog,
        Self::Horn,
    ];

    /// A word for logs and figures.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lock => "lock",
            Self::Light => "light",
            Self::Chime => "chime",
            Self::Watchdog => "watchdog",
            Self::Horn => "horn",
        }
    }
}

impl OutputState {
    const ALL: [Self; 3] = [Self::Absent, Self::Off, Self::On];
}

/// From the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToActuator<'a> {
    /// What a data channel brought, and when it did: CLOCK_MONOTONIC. How long it lasts counts from there.
    Message(Channel, Stamp, &'a [u8]),
    /// The agent's own finding.
    Stop(StopReason),
    /// For an output that is no motion.
    Output(OutputOrder),
}

/// To the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FromActuator<'a> {
    /// What a data channel is to carry.
    Message(Channel, &'a [u8]),
    /// A line for the log.
    Note(&'a str),
    /// One that somebody should read.
    Warning(&'a str),
    /// What an output is from now on.
    Output(OutputKind, OutputState),
    /// How its loop fares, since its start.
    Timing(Timing),
}

impl<'a> ToActuator<'a> {
    /// Reads a frame; `None` for what is none.
    pub fn parse(frame: &'a [u8]) -> Option<Self> {
        let (tag, rest) = frame.split_first()?;
        match (*tag, rest) {
            (OWN, [reason]) => StopReason::from_code(*reason).map(Self::Stop),
            (OUTPUT, order) => OutputOrder::parse(order).map(Self::Output),
            (tag, rest) => {
                let (came, message) = rest.split_first_chunk()?;
                let came = Stamp::from_micros(u64::from_be_bytes(*came));
                Some(Self::Message(channel(tag)?, came, message))
            }
        }
    }

    /// Writes it.
    pub fn emit(&self) -> Vec<u8> {
        match self {
            Self::Message(channel, came, message) => {
                let came = came.micros().to_be_bytes();
                tagged(tag(*channel), &[came.as_slice(), message].concat())
            }
            Self::Stop(reason) => tagged(OWN, &[reason.code()]),
            Self::Output(order) => order.emit(),
        }
    }
}

impl<'a> FromActuator<'a> {
    /// Reads a frame; `None` for what is none.
    pub fn parse(frame: &'a [u8]) -> Option<Self> {
        let (tag, rest) = frame.split_first()?;
        match *tag {
            OWN => str::from_utf8(rest).ok().map(Self::Note),
            WARNING => str::from_utf8(rest).ok().map(Self::Warning),
            OUTPUT => match *rest {
                [kind, state] => Some(Self::Output(
                    *OutputKind::ALL.get(usize::from(kind))?,
                    *OutputState::ALL.get(usize::from(state))?,
                )),
                _ => None,
            },
            TIMING => Timing::parse(rest).map(Self::Timing),
            tag => Some(Self::Message(channel(tag)?, rest)),
        }
    }

    /// Writes it; a note that is too long is cut off.
    pub fn emit(&self) -> Vec<u8> {
        match self {
            Self::Message(channel, message) => tagged(tag(*channel), message),
            Self::Note(text) => tagged(OWN, cut(text).as_bytes()),
            Self::Warning(text) => tagged(WARNING, cut(text).as_bytes()),
            Self::Output(kind, state) => tagged(OUTPUT, &[*kind as u8, *state as u8]),
            Self::Timing(timing) => tagged(TIMING, &timing.emit()),
        }
    }
}

fn cut(text: &str) -> &str {
    let longest = text.len().min(MAX_FRAME - 1);
    let whole = |end: &usize| text.is_char_boundary(*end);
    let end = (0..=longest).rev().find(whole).unwrap_or(0);
    text.get(..end).unwrap_or_default()
}

fn tagged(tag: u8, rest: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(1 + rest.len());
    frame.push(tag);
    frame.extend_from_slice(rest);
    frame
}

const fn tag(channel: Channel) -> u8 {
    match channel {
        Channel::Control => CONTROL,
        Channel::Reliable => RELIABLE,
    }
}

const fn channel(tag: u8) -> Option<Channel> {
    match tag {
        CONTROL => Some(Channel::Control),
        RELIABLE => Some(Channel::Reliable),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_as_they_were_written() {
        for frame in [
            ToActuator::Message(Channel::Control, Stamp::from_micros(77), &[1, 2]),
            ToActuator::Message(Channel::Reliable, Stamp::NONE, &[]),
            ToActuator::Stop(StopReason::Shutdown),
            ToActuator::Output(OutputOrder::Unlock { ms: 0x1234 }),
            ToActuator::Output(OutputOrder::Lock),
            ToActuator::Output(OutputOrder::Light(true)),
            ToActuator::Output(OutputOrder::Chime),
            ToActuator::Output(OutputOrder::Horn { ms: 400 }),
        ] {
            assert_eq!(ToActuator::parse(&frame.emit()), Some(frame));
        }
        for frame in [
            FromActuator::Message(Channel::Reliable, &[9; 104]),
            FromActuator::Note("it is cold"),
            FromActuator::Warning("it is too cold"),
            FromActuator::Output(OutputKind::Watchdog, OutputState::Absent),
            FromActuator::Output(OutputKind::Lock, OutputState::On),
            FromActuator::Timing(Timing::default()),
        ] {
            assert_eq!(FromActuator::parse(&frame.emit()), Some(frame));
        }
        for bad in [
            &[][..],
            &[3, 1],
            &[9],
            &[2],
            &[2, 0],
            &[2, 13],
            &[2, 1, 1],
            &[4],
            &[4, 0, 1],
            &[4, 2, 2],
            &[4, 3, 0],
            &[4, 9],
            &[0; 8],
        ] {
            assert_eq!(ToActuator::parse(bad), None, "{bad:?}");
        }
        for bad in [
            &[2, 0xff][..],
            &[4, 0],
            &[4, 0, 3],
            &[4, 5, 0],
            &[5],
            &[5; 77],
        ] {
            assert_eq!(FromActuator::parse(bad), None, "{bad:?}");
        }
        let long = "ä".repeat(MAX_FRAME);
        assert_eq!(FromActuator::Note(&long).emit().len(), MAX_FRAME - 1);
    }
}
