//! Data channels of the peers: what comes of them, and what is sent to them.
//!
//! Whatever worker has a peer, what it says comes to the ingress thread in a
//! [`ChannelNote`], and there to the [`Relay`](super::relay::Relay), which sees all peers and decides.
//! What the relay sends goes to the worker of the peer it is for.
//!
//! Notes go up a queue without a bound of its own, so that a [`Gauge`] counts
//! the bytes in it: past its bound messages are dropped, the newest first, and
//! counted.

mod newest;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use transom_rtc_proto::channel::{
    ChannelEvent, ChannelId, ChannelLimits, ChannelSendError, MessageKind,
};
use transom_rtc_proto::peer::Peer;

use super::api::{DriveRights, SessionId, StreamKey};
use newest::{Newest, Offered};

/// What one peer may have of channels: a robot's two or three, and small messages.
pub(super) const LIMITS: ChannelLimits = ChannelLimits {
    max_channels: 16,
    max_buffered: 128 * 1024,
    receive_buffer: 128 * 1024,
};

/// Bytes of messages that may be on their way to the relay, of all peers.
const MAX_WAITING: usize = 1 << 20;
/// What a message costs besides its bytes.
const OVERHEAD: usize = 128;

/// Whose channel it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speaker {
    /// Names the peer on all workers, for as long as it lives.
    pub key: u32,
    /// The session of the peer.
    pub session: SessionId,
    /// The stream that it is on.
    pub stream: StreamKey,
    /// The stream's agent, or one that wants to be; else a viewer.
    pub publisher: bool,
    /// What a viewer may do with the stream's device.
    pub rights: DriveRights,
}

/// Something happened on a channel of a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelNote {
    /// Whose channel it is.
    pub speaker: Speaker,
    /// The label that the channel was opened with.
    pub label: Arc<str>,
    /// What happened.
    pub what: Happening,
}

/// What happened on a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// Both ends have it.
    Opened,
    /// The peer said something.
    Message {
        /// Text or bytes.
        kind: MessageKind,
        /// What it said.
        data: Vec<u8>,
    },
    /// It is closed.
    Closed,
}

/// A message for the channel of this label of a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Names the peer.
    pub key: u32,
    /// The label of the channel.
    pub label: Arc<str>,
    /// Text or bytes.
    pub kind: MessageKind,
    /// Shared, where several get the same.
    pub data: Arc<[u8]>,
    /// A setpoint: one that waits for the same peer is replaced by it.
    pub newest: bool,
}

/// What became of a message that was to be sent, if anything did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    /// The peer has something to send.
    pub(super) queued: bool,
    /// An older one that waited was thrown away.
    pub(super) superseded: bool,
}

/// The open channels of one peer, by name.
#[derive(Debug, Default)]
pub(super) struct OpenChannels {
    open: Vec<(ChannelId, Arc<str>)>,
    newest: Newest,
}

impl OpenChannels {
    /// Keeps account of what happened, and says it as the relay wants it.
    pub(super) fn on_event(&mut self, event: ChannelEvent) -> Option<(Arc<str>, Happening)> {
        match event {
            ChannelEvent::Opened { channel, info, .. } => {
                let label: Arc<str> = info.label.into();
                self.open.push((channel, Arc::clone(&label)));
                Some((label, Happening::Opened))
            }
            ChannelEvent::Message {
                channel,
                kind,
                data,
            } => Some((self.label(channel)?, Happening::Message { kind, data })),
            ChannelEvent::Closed { channel } => {
                let at = self.open.iter().position(|(id, _)| *id == channel)?;
                Some((self.open.swap_remove(at).1, Happening::Closed))
            }
            ChannelEvent::BufferedLow { .. } => None,
        }
    }

    fn label(&self, channel: ChannelId) -> Option<Arc<str>> {
        let open = self.open.iter().find(|(id, _)| *id == channel);
        open.map(|(_, label)| Arc::clone(label))
    }

    fn find(&self, label: &str) -> Result<ChannelId, ChannelSendError> {
        let channel = self.open.iter().find(|(_, open)| **open == *label);
        channel
            .map(|(id, _)| *id)
            .ok_or(ChannelSendError::NoChannel)
    }

    /// Sends on the channel of this label; a setpoint waits where too many are on their way.
    pub(super) fn send(
        &mut self,
        peer: &mut Peer,
        outgoing: Outgoing,
    ) -> Result<Sent, ChannelSendError> {
        let channel = self.find(&outgoing.label)?;
        let mut superseded = false;
        let outgoing = if outgoing.newest {
            let under_way = peer.buffered_amount(channel);
            let Offered { send, replaced } = self.newest.offer(under_way, outgoing);
            superseded = replaced;
            send
        } else {
            Some(outgoing)
        };
        if let Some(outgoing) = &outgoing {
            peer.send_message(channel, outgoing.kind, &outgoing.data)?;
        }
        Ok(Sent {
            queued: outgoing.is_some(),
            superseded,
        })
    }

    /// Sends the setpoint that waited, if it need not wait any more.
    pub(super) fn release(&mut self, peer: &mut Peer) -> Result<(), ChannelSendError> {
        let Some(label) = self.newest.waiting() else {
            return Ok(());
        };
        let channel = self.find(label);
        let under_way = channel.map_or(0, |channel| peer.buffered_amount(channel));
        match self.newest.poll(under_way) {
            Some(outgoing) => peer.send_message(channel?, outgoing.kind, &outgoing.data),
            None => Ok(()),
        }
    }
}

/// Counts what is on its way to the relay.
#[derive(Clone, Debug, Default)]
pub(super) struct Gauge(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    waiting: AtomicUsize,
    dropped: AtomicU64,
}

impl Gauge {
    /// Whether there is room for one more note. Openings and closings always
    /// pass: there are few, and what they say must be known.
    pub(super) fn take(&self, what: &Happening) -> bool {
        let cost = cost(what);
        let before = self.0.waiting.fetch_add(cost, Ordering::Relaxed);
        let fits = before + cost <= MAX_WAITING || !matches!(what, Happening::Message { .. });
        if !fits {
            self.0.waiting.fetch_sub(cost, Ordering::Relaxed);
            self.0.dropped.fetch_add(1, Ordering::Relaxed);
        }
        fits
    }

    /// A note has arrived.
    pub(super) fn give_back(&self, what: &Happening) {
        self.0.waiting.fetch_sub(cost(what), Ordering::Relaxed);
    }

    /// Messages dropped since the last call.
    pub(super) fn take_dropped(&self) -> u64 {
        self.0.dropped.swap(0, Ordering::Relaxed)
    }
}

fn cost(what: &Happening) -> usize {
    OVERHEAD
        + match what {
            Happening::Message { data, .. } => data.len(),
            Happening::Opened | Happening::Closed => 0,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_bounded_and_what_is_lost_is_counted() {
        let gauge = Gauge::default();
        let message = Happening::Message {
            kind: MessageKind::Binary,
            data: vec![0; 60_000],
        };
        let taken = (0..100).filter(|_| gauge.take(&message)).count();
        assert_eq!(taken, MAX_WAITING / (60_000 + OVERHEAD));
        assert!(gauge.take(&Happening::Closed));
        gauge.give_back(&message);
        gauge.give_back(&message);
        assert!(gauge.take(&message));
        assert_eq!(gauge.take_dropped(), 100 - taken as u64);
        assert_eq!(gauge.take_dropped(), 0);
    }
}
