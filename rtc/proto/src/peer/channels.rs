//! What the owner of a peer does with its data channels.

use super::{Event, Peer, PeerConfig};
use crate::channel::{
    ChannelConfig, ChannelId, ChannelInfo, ChannelSendError, ChannelStats, Channels,
    ChannelsConfig, MessageKind, OpenChannelError,
};
use crate::port::DtlsAction;
use crate::time::Instant;
use alloc::boxed::Box;

/// What a DTLS 1.2 record adds to its content with AES-GCM: 13 bytes of header,
/// 8 of explicit nonce and 16 of tag (RFC 5288 section 3).
const DTLS_OVERHEAD: usize = 37;

/// `None` where the session has no m=application, or the peer no SCTP.
pub(super) fn channels(config: &PeerConfig, seed: [u8; 32]) -> Option<Box<Channels>> {
    let params = config.session.data_channel?;
    let factory = config.sctp.clone()?;
    Some(Box::new(Channels::new(ChannelsConfig {
        factory,
        params,
        limits: config.channel_limits,
        role: config.session.dtls_role,
        max_packet: config.mtu.saturating_sub(DTLS_OVERHEAD),
        seed,
    })))
}

/// Data channels. Those the other end opens, and everything that happens to
/// any of them, come as [`Event::Channel`].
impl Peer {
    /// Whether both descriptions have m=application.
    pub fn has_channels(&self) -> bool {
        self.channels.is_some()
    }

    /// Opens a channel; [`Opened`](crate::channel::ChannelEvent::Opened) follows
    /// once the other end agrees. May be called before the peer is connected.
    ///
    /// # Errors
    /// Where there can be no channel, or not one more.
    pub fn open_channel(
        &mut self,
        now: Instant,
        config: ChannelConfig,
    ) -> Result<ChannelId, OpenChannelError> {
        if self.closed.is_some() {
            return Err(OpenChannelError::Closed);
        }
        let channels = self.channels.as_mut();
        channels
            .ok_or(OpenChannelError::NotNegotiated)?
            .open(now, config)
    }

    /// Queues a message. It leaves with the next [`Peer::poll_dtls`].
    ///
    /// # Errors
    /// Where the channel is not open, the message is larger than the other end
    /// takes, or too much waits; nothing is queued then.
    pub fn send_message(
        &mut self,
        channel: ChannelId,
        kind: MessageKind,
        data: &[u8],
    ) -> Result<(), ChannelSendError> {
        let channels = self.channels.as_mut();
        channels
            .ok_or(ChannelSendError::NoChannel)?
            .send(channel, kind, data)
    }

    /// Closes a channel: what was sent on it still arrives, then
    /// [`Closed`](crate::channel::ChannelEvent::Closed) follows
    /// (RFC 8831 section 6.7).
    pub fn close_channel(&mut self, channel: ChannelId) {
        if let Some(channels) = &mut self.channels {
            channels.close(channel);
        }
    }

    /// What is known of a channel, until it is closed.
    pub fn channel_info(&self, channel: ChannelId) -> Option<&ChannelInfo> {
        self.channels.as_ref()?.info(channel)
    }

    /// Bytes sent on the channel that the other end has not acknowledged.
    pub fn buffered_amount(&mut self, channel: ChannelId) -> usize {
        let channels = self.channels.as_mut();
        channels.map_or(0, |c| c.buffered_amount(channel))
    }

    /// Largest message that the other end takes, bytes; 0 where there are no channels.
    pub fn max_message_size(&self) -> usize {
        let channels = self.channels.as_ref();
        channels.map_or(0, |c| c.max_send_message())
    }

    /// Keeps channel events back, or lets them come again. What is kept back
    /// fills the receive window, and then the other end waits: so an owner that
    /// passes messages on need not lose any.
    pub fn hold_channels(&mut self, hold: bool) {
        self.channels_held = hold;
    }

    /// Counters of the channels; all zero where there are none.
    pub fn channel_stats(&self) -> ChannelStats {
        let channels = self.channels.as_ref();
        channels.map_or_else(ChannelStats::default, |c| c.stats())
    }

    pub(super) fn poll_channel_packet(&mut self, now: Instant) -> Option<DtlsAction> {
        if self.closed.is_some() {
            return None;
        }
        let packet = self.channels.as_mut()?.poll_transmit(now)?;
        Some(DtlsAction::Send(packet))
    }

    pub(super) fn poll_channel_event(&mut self) -> Option<Event> {
        if self.closed.is_some() || self.channels_held {
            return None;
        }
        self.channels.as_mut()?.poll_event().map(Event::Channel)
    }

    /// Lets the association say goodbye before DTLS does.
    pub(super) fn end_channels(&mut self, now: Instant) {
        if let Some(mut channels) = self.channels.take() {
            channels.abort();
            while let Some(packet) = channels.poll_transmit(now) {
                // One short packet; where even that has no room, close_notify says it all.
                let _ = self.secure.send(packet);
            }
        }
    }
}
