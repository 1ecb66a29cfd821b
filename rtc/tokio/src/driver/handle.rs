use std::time::Instant;

use tokio::sync::{mpsc, oneshot};
use transom_rtc_proto::channel::{
    ChannelConfig, ChannelId, ChannelSendError, MessageKind, OpenChannelError,
};
use transom_rtc_proto::id::MediaTime;
use transom_rtc_proto::peer::{RtpInfo, TrackId};
use transom_rtc_proto::time::WallTime;

use super::PeerStats;

/// A coded frame on its way to the peer.
#[derive(Clone, Debug)]
pub struct OutgoingFrame {
    /// The track, by its place among the session's tracks.
    pub track: TrackId,
    /// An Annex-B access unit, or an Opus packet.
    pub data: Vec<u8>,
    /// Media time of its capture.
    pub timestamp: MediaTime,
    /// When it was captured.
    pub captured: Instant,
    /// The same by the wall clock.
    pub wall: WallTime,
}

/// A received RTP packet, opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaPacket {
    /// What it is. `info.payload` is a range of the datagram it came in, of no use any more.
    pub info: RtpInfo,
    /// Its payload.
    pub payload: Vec<u8>,
}

/// Why a frame was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum FrameRefused {
    /// Too many wait. A picture track needs a key frame to go on from here.
    #[error("the driver is behind: frame left out")]
    Full,
    /// The peer is over.
    #[error("the peer is closed")]
    Closed,
}

/// A message for a data channel.
#[derive(Debug)]
pub(super) struct OutgoingMessage {
    pub(super) channel: ChannelId,
    pub(super) kind: MessageKind,
    pub(super) data: Vec<u8>,
    /// Where somebody wants to know what became of it.
    pub(super) sent: Option<oneshot::Sender<Result<(), ChannelSendError>>>,
}

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum MessageRefused {
    /// The channel does not take it.
    #[error(transparent)]
    Channel(#[from] ChannelSendError),
    /// Too many frames and messages wait for the driver.
    #[error("the driver is behind: message left out")]
    Full,
    /// The peer is over.
    #[error("the peer is closed")]
    Closed,
}

pub(super) enum Command {
    Frame(OutgoingFrame),
    RequestKeyFrame(TrackId),
    OpenChannel(
        ChannelConfig,
        oneshot::Sender<Result<ChannelId, OpenChannelError>>,
    ),
    Message(OutgoingMessage),
    CloseChannel(ChannelId),
    Stats(oneshot::Sender<PeerStats>),
    Close,
}

/// Reaches a peer, from any thread. When the last one is dropped, the peer is closed.
#[derive(Clone, Debug)]
pub struct PeerHandle {
    commands: mpsc::Sender<Command>,
}

impl PeerHandle {
    pub(super) const fn new(commands: mpsc::Sender<Command>) -> Self {
        Self { commands }
    }

    /// Sends a frame. Returns at once.
    ///
    /// A frame that is taken here may still be left out, before the peer is
    /// connected or when the path is too slow; for a picture track the latter
    /// raises [`KeyFrameRequested`](transom_rtc_proto::peer::Event::KeyFrameRequested).
    ///
    /// # Errors
    /// Where too many frames wait, or the peer is over.
    pub fn send_frame(&self, frame: OutgoingFrame) -> Result<(), FrameRefused> {
        let sent = self.commands.try_send(Command::Frame(frame));
        sent.map_err(|e| match e {
            mpsc::error::TrySendError::Full(_) => FrameRefused::Full,
            mpsc::error::TrySendError::Closed(_) => FrameRefused::Closed,
        })
    }

    /// Asks the sender of `track` for a key frame. Nothing happens where the peer is over.
    pub async fn request_key_frame(&self, track: TrackId) {
        let _ = self.commands.send(Command::RequestKeyFrame(track)).await;
    }

    /// Opens a data channel; [`Opened`](transom_rtc_proto::channel::ChannelEvent::Opened)
    /// follows once the other end agrees. May be called before the peer is connected.
    ///
    /// # Errors
    /// Where there can be no channel, or not one more.
    pub async fn open_channel(&self, config: ChannelConfig) -> Result<ChannelId, OpenChannelError> {
        let (reply, id) = oneshot::channel();
        let command = Command::OpenChannel(config, reply);
        let sent = self.commands.send(command).await;
        sent.map_err(|_| OpenChannelError::Closed)?;
        id.await.map_err(|_| OpenChannelError::Closed)?
    }

    /// Queues a message and returns at once: for what is soon outdated. What the
    /// channel then does not take is counted in
    /// [`Lost::messages`](super::Lost::messages).
    ///
    /// # Errors
    /// [`Full`](MessageRefused::Full) and [`Closed`](MessageRefused::Closed).
    pub fn try_send_message(
        &self,
        channel: ChannelId,
        kind: MessageKind,
        data: Vec<u8>,
    ) -> Result<(), MessageRefused> {
        let message = OutgoingMessage {
            channel,
            kind,
            data,
            sent: None,
        };
        let sent = self.commands.try_send(Command::Message(message));
        sent.map_err(|e| match e {
            mpsc::error::TrySendError::Full(_) => MessageRefused::Full,
            mpsc::error::TrySendError::Closed(_) => MessageRefused::Closed,
        })
    }

    /// Sends a message and returns when the channel has taken it; it does not
    /// wait for it to arrive.
    ///
    /// # Errors
    /// Where the channel does not take it, or the peer is over.
    pub async fn send_message(
        &self,
        channel: ChannelId,
        kind: MessageKind,
        data: Vec<u8>,
    ) -> Result<(), MessageRefused> {
        let (reply, taken) = oneshot::channel();
        let message = OutgoingMessage {
            channel,
            kind,
            data,
            sent: Some(reply),
        };
        let sent = self.commands.send(Command::Message(message)).await;
        sent.map_err(|_| MessageRefused::Closed)?;
        Ok(taken.await.map_err(|_| MessageRefused::Closed)??)
    }

    /// Closes a data channel: what was sent on it still arrives.
    pub async fn close_channel(&self, channel: ChannelId) {
        let _ = self.commands.send(Command::CloseChannel(channel)).await;
    }

    /// How the peer fares; `None` where it is over.
    pub async fn stats(&self) -> Option<PeerStats> {
        let (sender, receiver) = oneshot::channel();
        self.commands.send(Command::Stats(sender)).await.ok()?;
        receiver.await.ok()
    }

    /// Ends the peer. [`Driver::run`](super::Driver::run) returns once it has said goodbye.
    pub async fn close(&self) {
        let _ = self.commands.send(Command::Close).await;
    }

    /// Whether the driver has ended.
    pub fn is_closed(&self) -> bool {
        self.commands.is_closed()
    }
}
