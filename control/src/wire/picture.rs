//! Which picture was captured when.

use super::VERSION;
use super::bytes::{Message, Reader};
use super::error::WireError;
use crate::numbers::Stamp;

/// Said by the device of a picture that it sends: who sees a picture knows its RTP timestamp, and so when it
/// was captured by the device's clock. That is what a setpoint names as its picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Picture {
    /// The RTP timestamp of the picture as its receiver has it. A server that shifts timestamps writes it
    /// anew ([`Picture::emit`]).
    pub rtp: u32,
    /// When it was captured, by the device's clock.
    pub captured: Stamp,
}

impl Picture {
    /// The byte that says what it is.
    pub const KIND: u8 = 132;
    /// Its length, in bytes.
    pub const LEN: usize = 16;

    /// Whether it says that it is one: whether [`parse`](Self::parse) is the reader to ask.
    pub fn is(bytes: &[u8]) -> bool {
        bytes.get(1) == Some(&Self::KIND)
    }

    /// Reads one whole message.
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        let version = reader.u8()?;
        if version != VERSION {
            return Err(WireError::Version(version));
        }
        let code = reader.u8()?;
        if code != Self::KIND {
            return Err(WireError::Kind(code));
        }
        if bytes.len() != Self::LEN {
            return Err(WireError::Length(bytes.len()));
        }
        reader.reserved::<2>()?;
        Ok(Self {
            rtp: reader.u32()?,
            captured: reader.stamp()?,
        })
    }

    /// Writes it.
    pub fn emit(&self) -> Message {
        let mut message = Message::new();
        message.put([VERSION, Self::KIND, 0, 0]);
        message.put(self.rtp.to_be_bytes());
        message.put(self.captured.micros().to_be_bytes());
        message
    }
}
