//! What an operator sends.

use super::VERSION;
use super::bytes::{Message, Reader};
use super::error::WireError;
use crate::axes::Axes;
use crate::numbers::{Epoch, Lease, Press, Seq, Source, Stamp};
use crate::state::StopReason;
use crate::switch::Output;

/// Where the server writes the source: four bytes.
pub const SOURCE_AT: usize = 4;
/// Where the server writes the lease: four bytes.
pub const LEASE_AT: usize = 8;

/// A command with what all of them carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command {
    /// Who sent it.
    pub source: Source,
    /// Under which lease.
    pub lease: Lease,
    /// Its place in the sender's order.
    pub seq: Seq,
    /// What is to be done.
    pub order: Order,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Drive so, until the next one or the limit.
    Setpoint {
        /// The epoch that an arm opened.
        epoch: Epoch,
        /// The latest stamp of the device that the sender saw.
        echo: Stamp,
        /// The device's stamp of the picture that the sender saw, or [`Stamp::NONE`].
        picture: Stamp,
        /// How to drive.
        axes: Axes,
    },
    /// Open an epoch.
    Arm {
        /// The epoch that it follows: the device's, when the button was pressed.
        follows: Epoch,
        /// The latest stamp of the device that the sender saw.
        echo: Stamp,
    },
    /// End the epoch in order.
    Disarm {
        /// The latest epoch that is to end, or [`Epoch::ALL`].
        epoch: Epoch,
    },
    /// End the epoch at once.
    Stop {
        /// The latest epoch that is void, or [`Epoch::ALL`].
        epoch: Epoch,
        /// Why.
        reason: StopReason,
    },
    /// Show that the link lives, and measure it.
    Ping,
    /// End the epoch at once, and hold the device until a reset.
    Emergency {
        /// The latest epoch that is void, or [`Epoch::ALL`].
        epoch: Epoch,
    },
    /// End the hold of an emergency stop. What moves needs an arm besides.
    Reset {
        /// The epoch that the emergency stop ended: the device's, when the button was pressed.
        epoch: Epoch,
        /// The latest stamp of the device that the sender saw.
        echo: Stamp,
    },
    /// Switch something that does not drive.
    Switch {
        /// One press of a button, however often it is repeated. Rises within a lease.
        press: Press,
        /// The latest stamp of the device that the sender saw.
        echo: Stamp,
        /// What.
        output: Output,
        /// Zero is off (lock: locked), one is on (lock: open); what else it means is the output's affair.
        value: u16,
        /// For how many milliseconds, within the board's bound; zero: as the board has it.
        ms: u16,
    },
}

/// The kind of a command, as its byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum CommandKind {
    /// [`Order::Setpoint`].
    Setpoint = 1,
    /// [`Order::Arm`].
    Arm = 2,
    /// [`Order::Disarm`].
    Disarm = 3,
    /// [`Order::Stop`].
    Stop = 4,
    /// [`Order::Ping`].
    Ping = 5,
    /// [`Order::Emergency`].
    Emergency = 6,
    /// [`Order::Reset`].
    Reset = 7,
    /// [`Order::Switch`].
    Switch = 8,
}

impl CommandKind {
    /// Those that the device answers.
    pub const ANSWERED: [Self; 6] = [
        Self::Arm,
        Self::Disarm,
        Self::Stop,
        Self::Emergency,
        Self::Reset,
        Self::Switch,
    ];

    /// A word for logs and figures.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Setpoint => "setpoint",
            Self::Arm => "arm",
            Self::Disarm => "disarm",
            Self::Stop => "stop",
            Self::Ping => "ping",
            Self::Emergency => "emergency",
            Self::Reset => "reset",
            Self::Switch => "switch",
        }
    }

    /// What the byte means, if anything.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Setpoint),
            2 => Some(Self::Arm),
            3 => Some(Self::Disarm),
            4 => Some(Self::Stop),
            5 => Some(Self::Ping),
            6 => Some(Self::Emergency),
            7 => Some(Self::Reset),
            8 => Some(Self::Switch),
            _ => None,
        }
    }

    /// Its byte.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The length of such a message, in bytes.
    pub const fn message_len(self) -> usize {
        match self {
            Self::Setpoint => 52,
            Self::Switch => 36,
            Self::Arm | Self::Reset => 28,
            Self::Stop => 24,
            Self::Disarm | Self::Ping | Self::Emergency => 20,
        }
    }
}

impl Order {
    /// Its kind.
    pub const fn kind(&self) -> CommandKind {
        match self {
            Self::Setpoint { .. } => CommandKind::Setpoint,
            Self::Arm { .. } => CommandKind::Arm,
            Self::Disarm { .. } => CommandKind::Disarm,
            Self::Stop { .. } => CommandKind::Stop,
            Self::Ping => CommandKind::Ping,
            Self::Emergency { .. } => CommandKind::Emergency,
            Self::Reset { .. } => CommandKind::Reset,
            Self::Switch { .. } => CommandKind::Switch,
        }
    }

    /// What all commands have in the same place.
    const fn epoch(&self) -> u32 {
        match self {
            Self::Setpoint { epoch, .. }
            | Self::Arm { follows: epoch, .. }
            | Self::Disarm { epoch }
            | Self::Stop { epoch, .. }
            | Self::Emergency { epoch }
            | Self::Reset { epoch, .. } => epoch.0,
            Self::Switch { press, .. } => press.0,
            Self::Ping => 0,
        }
    }
}

impl Command {
    /// Reads one whole message.
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        let version = reader.u8()?;
        if version != VERSION {
            return Err(WireError::Version(version));
        }
        let code = reader.u8()?;
        let kind = CommandKind::from_code(code).ok_or(WireError::Kind(code))?;
        if bytes.len() != kind.message_len() {
            return Err(WireError::Length(bytes.len()));
        }
        reader.reserved::<2>()?;
        let source = Source(reader.u32()?);
        let lease = Lease(reader.u32()?);
        let seq = Seq(reader.u32()?);
        let epoch = Epoch(reader.u32()?);
        let order = match kind {
            CommandKind::Setpoint => Order::Setpoint {
                epoch: real(epoch)?,
                echo: reader.stamp()?,
                picture: reader.stamp()?,
                axes: reader.axes()?,
            },
            CommandKind::Arm => Order::Arm {
                follows: real(epoch)?,
                echo: reader.stamp()?,
            },
            CommandKind::Disarm => Order::Disarm { epoch },
            CommandKind::Stop => {
                let code = reader.u8()?;
                let reason = StopReason::from_code(code)
                    .filter(|reason| reason.may_be_sent())
                    .ok_or(WireError::Reason(code))?;
                reader.reserved::<3>()?;
                Order::Stop { epoch, reason }
            }
            CommandKind::Ping if epoch == Epoch(0) => Order::Ping,
            CommandKind::Ping => return Err(WireError::Epoch),
            CommandKind::Emergency => Order::Emergency { epoch },
            CommandKind::Reset => Order::Reset {
                epoch: real(epoch)?,
                echo: reader.stamp()?,
            },
            CommandKind::Switch => {
                let echo = reader.stamp()?;
                let code = reader.u8()?;
                let output = Output::from_code(code).ok_or(WireError::Output(code))?;
                reader.reserved::<1>()?;
                let (value, ms) = (reader.u16()?, reader.u16()?);
                reader.reserved::<2>()?;
                Order::Switch {
                    press: Press(epoch.0),
                    echo,
                    output,
                    value,
                    ms,
                }
            }
        };
        Ok(Self {
            source,
            lease,
            seq,
            order,
        })
    }

    /// Writes it.
    pub fn emit(&self) -> Message {
        let mut message = Message::new();
        message.put([VERSION, self.order.kind().code(), 0, 0]);
        message.put(self.source.0.to_be_bytes());
        message.put(self.lease.0.to_be_bytes());
        message.put(self.seq.0.to_be_bytes());
        message.put(self.order.epoch().to_be_bytes());
        match &self.order {
            Order::Setpoint {
                echo,
                picture,
                axes,
                ..
            } => {
                message.put(echo.micros().to_be_bytes());
                message.put(picture.micros().to_be_bytes());
                message.put_axes(axes);
            }
            Order::Arm { echo, .. } | Order::Reset { echo, .. } => {
                message.put(echo.micros().to_be_bytes());
            }
            Order::Switch {
                echo,
                output,
                value,
                ms,
                ..
            } => {
                message.put(echo.micros().to_be_bytes());
                message.put([output.code(), 0]);
                message.put(value.to_be_bytes());
                message.put(ms.to_be_bytes());
                message.put([0; 2]);
            }
            Order::Stop { reason, .. } => message.put([reason.code(), 0, 0, 0]),
            Order::Disarm { .. } | Order::Emergency { .. } | Order::Ping => {}
        }
        message
    }
}

/// An epoch that can have been opened.
const fn real(epoch: Epoch) -> Result<Epoch, WireError> {
    if epoch.0 == Epoch::ALL.0 {
        Err(WireError::Epoch)
    } else {
        Ok(epoch)
    }
}

/// Writes source and lease into a command in place, whatever stood there: what a server does to what it
/// forwards. The message must have passed [`Command::parse`]; one too short for both is left as it is.
pub fn stamp_lease(message: &mut [u8], source: Source, lease: Lease) {
    if let Some(room) = message.get_mut(SOURCE_AT..SOURCE_AT + 8) {
        let (front, back) = room.split_at_mut(LEASE_AT - SOURCE_AT);
        front.copy_from_slice(&source.0.to_be_bytes());
        back.copy_from_slice(&lease.0.to_be_bytes());
    }
}
