//! The Data Channel Establishment Protocol (RFC 8832 section 5).

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use super::ChannelInfo;
use crate::port::{Delivery, Reliability};

/// Longest label or protocol taken or sent, bytes. RFC 8832 leaves 65,535;
/// names are not that long.
pub const MAX_NAME_LEN: usize = 256;

const DATA_CHANNEL_ACK: u8 = 0x02;
const DATA_CHANNEL_OPEN: u8 = 0x03;
const HEADER_LEN: usize = 12;

/// Channel types (RFC 8832 section 5.1); the flag makes a type unordered.
const RELIABLE: u8 = 0x00;
const PARTIAL_REXMIT: u8 = 0x01;
const PARTIAL_TIMED: u8 = 0x02;
const UNORDERED: u8 = 0x80;

/// A message of the protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dcep {
    /// `DATA_CHANNEL_OPEN`: asks for a channel on the stream it comes on.
    ///
    /// ```text
    ///  0                   1                   2                   3
    ///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    /// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    /// |  Message Type |  Channel Type |            Priority           |
    /// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    /// |                    Reliability Parameter                      |
    /// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    /// |         Label Length          |       Protocol Length         |
    /// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    /// |                      Label, then Protocol                     |
    /// ```
    Open(ChannelInfo),
    /// `DATA_CHANNEL_ACK`.
    Ack,
}

/// Why bytes are no message of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum DcepError {
    /// Not as long as it says, or empty.
    #[error("DCEP message of the wrong length")]
    Length,
    /// Neither OPEN nor ACK.
    #[error("unknown DCEP message type")]
    MessageType,
    /// A channel type of no registry.
    #[error("unknown channel type")]
    ChannelType,
    /// A label or protocol longer than [`MAX_NAME_LEN`].
    #[error("label or protocol longer than {MAX_NAME_LEN} bytes")]
    NameTooLong,
    /// A label or protocol that is not UTF-8.
    #[error("label or protocol is not UTF-8")]
    NotUtf8,
}

impl Dcep {
    /// Reads a message. Nothing may be missing or left over.
    ///
    /// # Errors
    /// Where it does not hold together or is over a bound.
    pub fn parse(bytes: &[u8]) -> Result<Self, DcepError> {
        match bytes.first() {
            Some(&DATA_CHANNEL_ACK) if bytes.len() == 1 => Ok(Self::Ack),
            Some(&DATA_CHANNEL_OPEN) => parse_open(bytes).map(Self::Open),
            Some(&DATA_CHANNEL_ACK) | None => Err(DcepError::Length),
            Some(_) => Err(DcepError::MessageType),
        }
    }

    /// The message's bytes. Names longer than [`MAX_NAME_LEN`] were refused
    /// when the channel was made.
    pub fn emit(&self) -> Vec<u8> {
        match self {
            Self::Ack => [DATA_CHANNEL_ACK].into(),
            Self::Open(info) => emit_open(info),
        }
    }
}

fn parse_open(bytes: &[u8]) -> Result<ChannelInfo, DcepError> {
    let (header, names) = bytes
        .split_first_chunk::<HEADER_LEN>()
        .ok_or(DcepError::Length)?;
    let [_, kind, p0, p1, r0, r1, r2, r3, l0, l1, n0, n1] = *header;
    let label_len = usize::from(u16::from_be_bytes([l0, l1]));
    let protocol_len = usize::from(u16::from_be_bytes([n0, n1]));
    if label_len > MAX_NAME_LEN || protocol_len > MAX_NAME_LEN {
        return Err(DcepError::NameTooLong);
    }
    if names.len() != label_len + protocol_len {
        return Err(DcepError::Length);
    }
    let (label, protocol) = names.split_at(label_len);
    let text = |bytes| match core::str::from_utf8(bytes) {
        Ok(text) => Ok(String::from(text)),
        Err(_) => Err(DcepError::NotUtf8),
    };
    let parameter = u32::from_be_bytes([r0, r1, r2, r3]);
    let reliability = match kind & !UNORDERED {
        // The parameter is to be ignored (RFC 8832 section 5.1).
        RELIABLE => Reliability::Reliable,
        PARTIAL_REXMIT => {
            // More than a message is ever tried is as good as any number.
            Reliability::MaxRetransmits(u16::try_from(parameter).unwrap_or(u16::MAX))
        }
        PARTIAL_TIMED => Reliability::MaxLifetime(Duration::from_millis(parameter.into())),
        _ => return Err(DcepError::ChannelType),
    };
    Ok(ChannelInfo {
        label: text(label)?,
        protocol: text(protocol)?,
        delivery: Delivery {
            ordered: kind & UNORDERED == 0,
            reliability,
        },
        priority: u16::from_be_bytes([p0, p1]),
    })
}

fn emit_open(info: &ChannelInfo) -> Vec<u8> {
    let (kind, parameter) = match info.delivery.reliability {
        Reliability::Reliable => (RELIABLE, 0),
        Reliability::MaxRetransmits(n) => (PARTIAL_REXMIT, n.into()),
        Reliability::MaxLifetime(d) => (
            PARTIAL_TIMED,
            u32::try_from(d.as_millis()).unwrap_or(u32::MAX),
        ),
    };
    let unordered = if info.delivery.ordered { 0 } else { UNORDERED };
    let len = |name: &str| u16::try_from(name.len()).unwrap_or(u16::MAX).to_be_bytes();
    let mut bytes = Vec::with_capacity(HEADER_LEN + info.label.len() + info.protocol.len());
    bytes.extend_from_slice(&[DATA_CHANNEL_OPEN, kind | unordered]);
    bytes.extend_from_slice(&info.priority.to_be_bytes());
    bytes.extend_from_slice(&parameter.to_be_bytes());
    bytes.extend_from_slice(&len(&info.label));
    bytes.extend_from_slice(&len(&info.protocol));
    bytes.extend_from_slice(info.label.as_bytes());
    bytes.extend_from_slice(info.protocol.as_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// As Chromium sends it for `createDataChannel("control", {ordered: false, maxRetransmits: 0})`.
    const CONTROL: &[u8] = b"\x03\x81\x01\x00\x00\x00\x00\x00\x00\x07\x00\x00control";

    #[test]
    fn an_open_as_a_browser_sends_it() {
        let open = Dcep::parse(CONTROL).unwrap();
        let Dcep::Open(info) = &open else {
            panic!("{open:?}")
        };
        assert_eq!(info.label, "control");
        assert_eq!(info.protocol, "");
        assert_eq!(info.priority, 256);
        assert!(!info.delivery.ordered);
        assert_eq!(info.delivery.reliability, Reliability::MaxRetransmits(0));
        assert_eq!(open.emit(), CONTROL);
        assert_eq!(Dcep::parse(&[2]), Ok(Dcep::Ack));
        assert_eq!(Dcep::Ack.emit(), [2]);
    }

    #[test]
    fn what_does_not_hold_together_is_refused() {
        for cut in 0..CONTROL.len() {
            assert_eq!(Dcep::parse(&CONTROL[..cut]), Err(DcepError::Length));
        }
        let mut longer = CONTROL.to_vec();
        longer.push(0);
        assert_eq!(Dcep::parse(&longer), Err(DcepError::Length));
        assert_eq!(Dcep::parse(&[2, 0]), Err(DcepError::Length));
        assert_eq!(Dcep::parse(&[4]), Err(DcepError::MessageType));
        let with = |at: usize, value: u8| {
            let mut bytes = CONTROL.to_vec();
            bytes[at] = value;
            Dcep::parse(&bytes)
        };
        assert_eq!(with(1, 0x03), Err(DcepError::ChannelType));
        assert_eq!(with(1, 0x7f), Err(DcepError::ChannelType));
        assert_eq!(with(8, 2), Err(DcepError::NameTooLong));
        assert_eq!(with(12, 0xff), Err(DcepError::NotUtf8));
    }

    proptest! {
        #[test]
        fn what_is_emitted_parses_back(
            label in "\\PC{0,60}",
            protocol in "[a-z.]{0,20}",
            ordered: bool,
            priority: u16,
            choice in 0..3,
            amount: u16,
        ) {
            let reliability = match choice {
                0 => Reliability::Reliable,
                1 => Reliability::MaxRetransmits(amount),
                _ => Reliability::MaxLifetime(Duration::from_millis(amount.into())),
            };
            let open = Dcep::Open(ChannelInfo {
                label,
                protocol,
                delivery: Delivery { ordered, reliability },
                priority,
            });
            prop_assert_eq!(Dcep::parse(&open.emit()), Ok(open));
        }

        #[test]
        fn bytes_never_panic(bytes: Vec<u8>) {
            if let Ok(message) = Dcep::parse(&bytes) {
                // The parameter of a reliable channel is ignored, and that of retransmissions saturates.
                prop_assert_eq!(Dcep::parse(&message.emit()), Ok(message));
            }
        }
    }
}
