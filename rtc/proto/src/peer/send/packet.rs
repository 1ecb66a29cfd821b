//! What goes in and out of the send side.

use core::time::Duration;

use crate::id::{MediaTime, SeqNo};
use crate::time::{Instant, WallTime};

/// Why something was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The keys are not known yet, or the peer is closed.
    #[error("not connected")]
    NotConnected,
    /// No such track, or not one that we send in this mode.
    #[error("not a track to send on")]
    NoSuchTrack,
    /// The path is slower than the frames: the queue is full and this one was left out.
    #[error("send queue full")]
    QueueFull,
    /// The frame is empty, or too large for any queue.
    #[error("frame cannot be packetized")]
    Unpacketizable,
    /// No retransmission stream was negotiated.
    #[error("no retransmission payload type")]
    NoRetransmission,
    /// Sealing failed; where the index was sealed before, that is how it should be.
    #[error("packet could not be sealed")]
    Seal,
}

/// A coded frame on its way out.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// An Annex-B access unit, or an Opus packet.
    pub data: &'a [u8],
    /// Media time of its capture.
    pub timestamp: MediaTime,
    /// When it was captured, for the sender reports.
    pub captured: Instant,
    /// The same by the wall clock.
    pub wall: WallTime,
}

/// A packet that its owner numbered, on its way to one receiver.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// Its number at this receiver.
    pub seq: SeqNo,
    /// Its media time at this receiver.
    pub timestamp: MediaTime,
    /// Marker bit.
    pub marker: bool,
    /// The payload.
    pub payload: &'a [u8],
    /// Bytes of padding behind it (RFC 3550 section 5.1), so that the packets
    /// of a batch are of one size. A repair goes without.
    pub padding: u8,
}

/// One moment on three clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockReference {
    /// On ours.
    pub at: Instant,
    /// On the wall of whoever captured, as a 64-bit NTP time.
    pub ntp: u64,
    /// In the track's media time as the receiver sees it.
    pub timestamp: MediaTime,
}

/// How a sent track fares.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SendTrackStats {
    /// Packets sent, repairs left out.
    pub packets: u64,
    /// Bytes sent, headers included.
    pub bytes: u64,
    /// Packets sent again.
    pub repairs: u64,
    /// Packets that the receiver asked for again, each time counted.
    pub nacked: u64,
    /// Packets the receiver has reported lost, cumulative.
    pub lost: i32,
    /// Fraction lost over the receiver's last interval, in 1/256.
    pub fraction_lost: u8,
    /// Interarrival jitter at the receiver.
    pub jitter: Duration,
}
