//! What goes over the socket between the agent and its actuator: one byte that says what follows, then that.

use transom_control::{Channel, Stamp, StopReason};

/// The longest frame, in bytes; longer ones are cut off and then refused.
pub const MAX_FRAME: usize = 256;

const CONTROL: u8 = 0;
const RELIABLE: u8 = 1;
/// A stop of the agent's own (down) or a note (up).
const OWN: u8 = 2;
const WARNING: u8 = 3;

/// From the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToActuator<'a> {
    /// What a data channel brought, and when it did: CLOCK_MONOTONIC. How long it lasts counts from there.
    Message(Channel, Stamp, &'a [u8]),
    /// The agent's own finding.
    Stop(StopReason),
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
}

impl<'a> ToActuator<'a> {
    /// Reads a frame; `None` for what is none.
    pub fn parse(frame: &'a [u8]) -> Option<Self> {
        let (tag, rest) = frame.split_first()?;
        match (*tag, rest) {
            (OWN, [reason]) => StopReason::from_code(*reason).map(Self::Stop),
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
            tag => Some(Self::Message(channel(tag)?, rest)),
        }
    }

    /// Writes it; a note that is too long is cut off.
    pub fn emit(&self) -> Vec<u8> {
        match self {
            Self::Message(channel, message) => tagged(tag(*channel), message),
            Self::Note(text) => tagged(OWN, cut(text).as_bytes()),
            Self::Warning(text) => tagged(WARNING, cut(text).as_bytes()),
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
        ] {
            assert_eq!(ToActuator::parse(&frame.emit()), Some(frame));
        }
        for frame in [
            FromActuator::Message(Channel::Reliable, &[9; 68]),
            FromActuator::Note("it is cold"),
            FromActuator::Warning("it is too cold"),
        ] {
            assert_eq!(FromActuator::parse(&frame.emit()), Some(frame));
        }
        for bad in [
            &[][..],
            &[3, 1],
            &[9],
            &[2],
            &[2, 0],
            &[2, 9],
            &[2, 1, 1],
            &[0; 8],
        ] {
            assert_eq!(ToActuator::parse(bad), None, "{bad:?}");
        }
        assert_eq!(FromActuator::parse(&[2, 0xff]), None);
        let long = "ä".repeat(MAX_FRAME);
        assert_eq!(FromActuator::Note(&long).emit().len(), MAX_FRAME - 1);
    }
}
