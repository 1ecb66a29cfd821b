use alloc::string::String;

use crate::port::{Delivery, StreamId};

/// A channel to be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelConfig {
    /// What both ends know of it.
    pub info: ChannelInfo,
    /// `Some` where the application of both ends agreed on the number
    /// (`negotiated: true` in a browser): nothing is said over the wire.
    pub negotiated: Option<StreamId>,
    /// Bytes not yet acknowledged at which
    /// [`BufferedLow`](super::ChannelEvent::BufferedLow) is due.
    pub buffered_low: usize,
}

impl ChannelConfig {
    /// A reliable, ordered channel of this label.
    pub fn new(label: impl Into<String>) -> Self {
        Self {
            info: ChannelInfo {
                label: label.into(),
                ..ChannelInfo::default()
            },
            negotiated: None,
            buffered_low: 0,
        }
    }

    /// The same, with messages that travel like this.
    #[must_use]
    pub const fn delivery(mut self, delivery: Delivery) -> Self {
        self.info.delivery = delivery;
        self
    }
}

/// What both ends know of a channel (RFC 8832 section 5.1).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ChannelInfo {
    /// Its name, not necessarily unique.
    pub label: String,
    /// Its subprotocol, as for WebSockets; mostly empty.
    pub protocol: String,
    /// How its messages travel, in both directions.
    pub delivery: Delivery,
    /// 128 below normal, 256 normal, 512 high, 1024 extra high (RFC 8831
    /// section 6.4). Told to the other end; all of ours are sent alike.
    pub priority: u16,
}

impl Default for ChannelInfo {
    fn default() -> Self {
        Self {
            label: String::new(),
            protocol: String::new(),
            delivery: Delivery::default(),
            priority: 256,
        }
    }
}

/// Bounds of one peer's channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelLimits {
    /// Channels at once, whoever opened them. The other end's above this are
    /// refused: their streams are reset.
    pub max_channels: usize,
    /// Bytes of all channels that may wait to be acknowledged; more is
    /// [`WouldBlock`](super::ChannelSendError::WouldBlock).
    pub max_buffered: usize,
    /// Bytes that may wait to be complete or taken up.
    pub receive_buffer: usize,
}

impl Default for ChannelLimits {
    fn default() -> Self {
        Self {
            max_channels: 32,
            max_buffered: 256 * 1024,
            receive_buffer: 256 * 1024,
        }
    }
}
