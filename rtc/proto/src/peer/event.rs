use alloc::vec::Vec;
use core::ops::Range;
use core::time::Duration;

use crate::channel::ChannelEvent;
use crate::ice::Path;
use crate::id::{ExtSeq, MediaTime, Pt, SeqNo, Ssrc};
use crate::port::DtlsFailure;

/// A track by its place among the session's tracks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackId(pub u8);

/// What became of a datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// Media: the packet lies opened in the buffer it came in.
    Rtp(RtpInfo),
    /// Something of the peer's own; poll for what follows from it.
    Handled,
    /// Not taken.
    Dropped(DropReason),
}

/// An opened RTP packet, original or repaired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RtpInfo {
    /// The track it belongs to.
    pub track: TrackId,
    /// The media source, never that of the repair stream.
    pub ssrc: Ssrc,
    /// Payload type of the media, also where it came by retransmission.
    pub pt: Pt,
    /// Sequence number with rollovers.
    pub seq: ExtSeq,
    /// RTP timestamp.
    pub timestamp: MediaTime,
    /// Marker bit: the last packet of a video frame.
    pub marker: bool,
    /// Where the payload lies in the buffer. Empty for padding.
    pub payload: Range<usize>,
    /// A decoder can begin with this packet.
    pub key_frame: bool,
    /// It filled a gap, by retransmission or out of order.
    pub repaired: bool,
}

/// Why a datagram was not taken. Each is a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DropReason {
    /// Neither STUN, DTLS, RTP nor RTCP (RFC 7983).
    Unknown,
    /// STUN that is malformed, not for us, or not authentic.
    Stun,
    /// From an address pair that no check has validated.
    UnvalidatedPath,
    /// Media before the keys are known.
    NoKeys,
    /// Malformed RTP or RTCP.
    Malformed,
    /// The tag does not verify.
    Authentication,
    /// Seen before.
    Replay,
    /// A payload type that was not negotiated for receiving.
    UnknownPayloadType,
    /// One source too many.
    TooManySources,
    /// The DTLS neighbour's queue is full.
    QueueFull,
    /// The peer is closed.
    Closed,
}

/// What the owner of a peer wants to know.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A pair is selected, at first or anew: datagrams travel there from now on.
    PathSelected(Path),
    /// Keys are agreed and the peer's certificate matches its fingerprint.
    Connected,
    /// The receiver of `track` asks for a key frame (PLI or FIR).
    KeyFrameRequested {
        /// A track we send.
        track: TrackId,
    },
    /// The receiver of a forwarded track misses packets; their owner has them.
    Nacked {
        /// A track we send.
        track: TrackId,
        /// Output sequence numbers.
        seqs: Vec<SeqNo>,
    },
    /// How what we send fares.
    Feedback {
        /// The track it is about; all of them where `None`.
        track: Option<TrackId>,
        /// Fraction of the packets lost since the last report, 0 to 1.
        fraction_lost: f32,
        /// Packets that the fraction was taken over, where known.
        packets: Option<u32>,
        /// Round-trip time, where the report tells.
        rtt: Option<Duration>,
    },
    /// A sender report tied a publisher's media time to its wall clock.
    SenderReport {
        /// A track we receive.
        track: TrackId,
        /// 64-bit NTP time.
        ntp: u64,
        /// The same moment in media time.
        timestamp: MediaTime,
    },
    /// Something happened to a data channel.
    Channel(ChannelEvent),
    /// The peer is over. Nothing follows but what says goodbye.
    Closed(CloseReason),
}

/// Why a peer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum CloseReason {
    /// We closed it.
    #[error("closed here")]
    Local,
    /// No pair of addresses worked.
    #[error("no pair of addresses works: check firewall, candidates and `advertise`")]
    IceFailed,
    /// The other end gave no sign of life for the consent time (RFC 7675).
    #[error("the other end went silent")]
    ConsentLost,
    /// The DTLS handshake was not over in time.
    #[error("DTLS handshake not complete in time")]
    HandshakeTimeout,
    /// DTLS failed.
    #[error("{0}")]
    Dtls(DtlsFailure),
    /// The certificate is not the one that was signalled.
    #[error("certificate does not match the signalled fingerprint")]
    FingerprintMismatch,
    /// The SRTP layer could not be made or broke.
    #[error("SRTP failed")]
    Srtp,
    /// The other end said goodbye: close_notify, or BYE for all its sources.
    #[error("closed by the other end")]
    Remote,
}
