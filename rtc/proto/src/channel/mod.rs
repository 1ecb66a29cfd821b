//! Data channels (RFC 8831) and how they are set up (RFC 8832), over the
//! [`Sctp`](crate::port::Sctp) port.
//!
//! A peer has them where both descriptions have m=application. The association
//! is made when it is first needed: when the other end speaks, when a channel
//! is opened, or at once where we are the DTLS client, who begins.

mod config;
mod dcep;
mod error;
mod event;
mod message;
mod table;

pub use config::{ChannelConfig, ChannelInfo, ChannelLimits};
pub use dcep::{Dcep, DcepError, MAX_NAME_LEN};
pub use error::{ChannelSendError, OpenChannelError};
pub use event::{ChannelEvent, ChannelId, ChannelStats};
pub use message::MessageKind;
pub(crate) use table::{Channels, ChannelsConfig};

pub use crate::sdp::MAX_MESSAGE_SIZE;

/// Largest message sent, bytes, to an end that takes any size.
pub const MAX_SENT_MESSAGE_SIZE: u32 = 256 * 1024;

#[cfg(test)]
mod tests;
