use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use super::{ChannelInfo, MessageKind};
use crate::port::{SctpStats, StreamId};

/// A channel of one peer. A number that is used anew makes another id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelId {
    pub(super) stream: StreamId,
    pub(super) generation: u16,
}

impl ChannelId {
    /// The channel's number, which a browser calls its `id`.
    pub const fn stream(self) -> StreamId {
        self.stream
    }
}

impl fmt::Display for ChannelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "channel {}", self.stream.0)
    }
}

/// What happens to a peer's channels. Where the peer itself ends, its channels
/// do without a word of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChannelEvent {
    /// Messages can be sent and will come.
    Opened {
        /// The channel.
        channel: ChannelId,
        /// Whether the other end opened it.
        by_peer: bool,
        /// What it is called and how its messages travel.
        info: Box<ChannelInfo>,
    },
    /// A message arrived, whole.
    Message {
        /// On this channel.
        channel: ChannelId,
        /// Text or bytes.
        kind: MessageKind,
        /// At most [`MAX_MESSAGE_SIZE`](super::MAX_MESSAGE_SIZE) bytes; UTF-8 where it is text.
        data: Vec<u8>,
    },
    /// Both directions are closed; the id means nothing from now on.
    Closed {
        /// The channel.
        channel: ChannelId,
    },
    /// What waits to be acknowledged sank to the mark of the channel's
    /// [`buffered_low`](super::ChannelConfig::buffered_low).
    BufferedLow {
        /// The channel.
        channel: ChannelId,
    },
}

/// Counters of a peer's channels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChannelStats {
    /// Channels open now, those being set up or closed included.
    pub channels: usize,
    /// Messages queued for sending.
    pub messages_sent: u64,
    /// Messages that came whole.
    pub messages_received: u64,
    /// Messages not sent because too much waited.
    pub would_block: u64,
    /// Channels of the other end refused: too many, or a number not its own.
    pub refused: u64,
    /// Messages left out: of no channel, of an unknown kind, malformed, or text
    /// that is not UTF-8.
    pub dropped: u64,
    /// The association below.
    pub sctp: SctpStats,
}
