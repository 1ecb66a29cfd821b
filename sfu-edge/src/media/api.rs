//! What the control plane and the media thread say to each other.
//!
//! Commands go down a bounded queue and wake the thread, events come up a
//! bounded queue. Neither side ever blocks on the other: a full command queue
//! is answered with 503, a full event queue drops the event, and the sweep
//! over [`SessionStats::state`] finds within a second what it would have said.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use transom_control::wire::LeaseName;
use transom_rtc_proto::ice::Candidate;
use transom_rtc_proto::sdp;

/// Names a WHIP or WHEP session: 160 random bits. Whoever knows all of them
/// knows the session's address, so only [`SessionId::tag`] is ever shown.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId([u8; SessionId::LEN]);

impl SessionId {
    /// Bytes in an id. Four of them are shown as the tag; 128 bits stay secret.
    pub const LEN: usize = 20;

    /// The id made of `bytes`, which come from a cryptographic source.
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// Reads back what [`SessionId::to_path_segment`] wrote.
    pub fn from_path_segment(segment: &str) -> Option<Self> {
        let digits = segment.as_bytes();
        if digits.len() != 2 * Self::LEN {
            return None;
        }
        let mut bytes = [0; Self::LEN];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = hex_value(pair[0])? << 4 | hex_value(pair[1])?;
        }
        Some(Self(bytes))
    }

    /// The whole id, for the `Location` of a 201 and for nothing else.
    pub fn to_path_segment(self) -> String {
        self.0.iter().map(|b| format!("{b:02x}")).collect()
    }

    /// The same four bytes as [`tag`](Self::tag), as a number.
    pub const fn tag_bits(self) -> u32 {
        let [a, b, c, d, ..] = self.0;
        u32::from_be_bytes([a, b, c, d])
    }

    /// The first eight digits: enough for a log line, too little for an address.
    pub fn tag(self) -> String {
        self.0[..4].iter().map(|b| format!("{b:02x}")).collect()
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.tag())
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({}..)", self.tag())
    }
}

/// Only the lower case that we write: an id has one spelling.
const fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// Names a stream for as long as somebody publishes or waits for it. A name
/// that is published again after it was forgotten gets a new key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamKey(pub u64);

impl fmt::Display for StreamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stream#{}", self.0)
    }
}

/// What a viewer may do with a stream's robot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DriveRights {
    /// Send it commands, and ask for the lease: the token's scope `drive`.
    pub drive: bool,
    /// Take the lease from whoever has it: the scope `admin` besides.
    pub admin: bool,
    /// What other operators read when this one has the lease: the token's name.
    pub name: LeaseName,
}

/// All that the media thread needs to make a peer.
#[derive(Debug)]
pub struct PeerSetup {
    /// The session this peer carries.
    pub session: SessionId,
    /// The stream it publishes or reads.
    pub stream: StreamKey,
    /// The stream's name, for log lines.
    pub name: Arc<str>,
    /// What offer and answer agreed on: credentials of both ends, fingerprints,
    /// DTLS role, tracks.
    pub negotiated: sdp::Session,
    /// The candidates that stand in our answer.
    pub local_candidates: Vec<Candidate>,
    /// Whether the answer said `a=ice-lite`.
    pub ice_lite: bool,
    /// Randomness for this peer, used for nothing else.
    pub seed: [u8; 32],
    /// What it may do with the stream's robot; of no meaning for a publisher.
    pub rights: DriveRights,
    /// Where the media thread writes this session's figures.
    pub stats: Arc<SessionStats>,
}

/// What the media thread is told to do. Commands are obeyed in order.
#[derive(Debug)]
pub enum MediaCommand {
    /// Make a peer that publishes. Once it is connected it takes the stream: a
    /// publisher that is there is heard no longer, and its `Remove` follows, as
    /// does that of subscribers whose negotiated codecs do not fit; the others
    /// go on with the new one. Until then, and if it never connects, nothing
    /// changes for anybody.
    AddPublisher(Box<PeerSetup>),
    /// Make a peer that reads the stream, and ask the publisher for a key frame
    /// once it is connected.
    AddSubscriber(Box<PeerSetup>),
    /// End this session at once: media stops, DTLS says close_notify, consent
    /// is revoked (RFC 9725 section 4.2). No [`MediaEvent::Gone`] follows.
    Remove {
        /// The session to end. One that is not known is none to end.
        session: SessionId,
        /// Why, for the log.
        reason: RemoveReason,
    },
    /// Forget the stream: nobody publishes it or waits for it. Every session
    /// of it was removed or reported gone before.
    ForgetStream {
        /// The stream to forget.
        stream: StreamKey,
    },
    /// Show that you are at work: each media thread adds one.
    Knock(Arc<AtomicUsize>),
    /// End every session with close_notify, then the thread.
    Shutdown,
}

/// Why the control plane ends a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RemoveReason {
    /// The client sent DELETE.
    Deleted,
    /// Another publisher took the stream over.
    TakenOver,
    /// The publisher was away longer than subscribers are kept.
    PublisherAbsent,
    /// The publisher came back with other tracks or codecs: the subscriber
    /// must negotiate again.
    TracksChanged,
}

/// What the media thread reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaEvent {
    /// ICE and DTLS are through and the fingerprint is the signalled one.
    Connected {
        /// The session that is connected.
        session: SessionId,
    },
    /// The session is over; the media thread has forgotten it.
    Gone {
        /// The session that ended.
        session: SessionId,
        /// Why it ended.
        reason: GoneReason,
    },
}

/// Why a session ended by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GoneReason {
    /// The peer said goodbye (close_notify, or BYE for all its tracks).
    Closed,
    /// No pair became valid, or the handshake did not end, in time.
    NeverConnected,
    /// Consent expired (RFC 7675): nothing authenticated came for 30 s.
    ConsentLost,
    /// The handshake failed.
    DtlsFailed,
    /// The certificate is not the one whose fingerprint was signalled.
    FingerprintMismatch,
    /// The media thread has no room for one more peer.
    NoRoom,
    /// A panic in the peer was caught.
    Panicked,
}

impl GoneReason {
    /// A few words for people and for `/api/streams`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed by the peer",
            Self::NeverConnected => "never connected",
            Self::ConsentLost => "no sign of life for 30 s",
            Self::DtlsFailed => "DTLS failed",
            Self::FingerprintMismatch => "certificate does not match the fingerprint",
            Self::NoRoom => "no room for one more peer",
            Self::Panicked => "internal failure",
        }
    }
}

impl fmt::Display for GoneReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The way down to the media thread.
pub trait MediaPort: Send + Sync + 'static {
    /// Queues a command and wakes the thread. Never blocks.
    fn send(&self, command: MediaCommand) -> Result<(), MediaBusy>;
}

/// The command queue is full, or the thread has ended: the command comes back.
#[derive(Debug, thiserror::Error)]
#[error("the media thread takes no more commands")]
pub struct MediaBusy(pub MediaCommand);

/// How far a session has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum SessionState {
    /// ICE or DTLS are under way.
    Connecting = 0,
    /// Media can flow.
    Connected = 1,
    /// The media thread has forgotten it.
    Gone = 2,
}

/// Figures of one session, written by the media thread and read by whoever
/// asks. Each is a plain counter or gauge; a reader may see one a moment
/// older than another.
#[derive(Debug, Default)]
pub struct SessionStats {
    state: AtomicU8,
    /// Round trip time, microseconds; 0 while unknown.
    pub rtt_us: AtomicU32,
    /// RTP bits per second over the last whole second, all tracks, both headers
    /// and payload.
    pub bitrate_bps: AtomicU64,
    /// Packets dropped: of a publisher, beyond its budget; of a subscriber, that
    /// could not be sealed.
    pub dropped: AtomicU64,
    /// Figures of each track, in the order of `sdp::Session::tracks`.
    pub tracks: Box<[TrackStats]>,
}

impl SessionStats {
    /// Zeroes for a session of `tracks` tracks.
    pub fn new(tracks: usize) -> Self {
        Self {
            tracks: (0..tracks).map(|_| TrackStats::default()).collect(),
            ..Self::default()
        }
    }

    /// How far the session has come.
    pub fn state(&self) -> SessionState {
        match self.state.load(Ordering::Relaxed) {
            0 => SessionState::Connecting,
            1 => SessionState::Connected,
            _ => SessionState::Gone,
        }
    }

    /// For the media thread. `Gone` is set with the event, and is what counts
    /// if the event found its queue full.
    pub fn set_state(&self, state: SessionState) {
        self.state.store(state as u8, Ordering::Relaxed);
    }
}

/// Figures of one track: of a publisher what arrived, of a subscriber what was sent.
#[derive(Debug, Default)]
pub struct TrackStats {
    /// RTP packets, repairs not counted twice.
    pub packets: AtomicU64,
    /// RTP bytes, headers included.
    pub bytes: AtomicU64,
    /// Packets lost for good (publisher), or reported lost (subscriber;
    /// RFC 3550 section 6.4.1, cumulative).
    pub lost: AtomicU64,
    /// Fraction lost over the last report interval, in 1/256.
    pub fraction_lost: AtomicU8,
    /// Interarrival jitter, microseconds.
    pub jitter_us: AtomicU32,
    /// Packets that were repaired by a retransmission.
    pub repaired: AtomicU64,
    /// Frames begun (new timestamps seen).
    pub frames: AtomicU64,
    /// Key frames begun.
    pub key_frames: AtomicU64,
    /// Key frames asked for (PLI), after coalescing.
    pub key_frame_requests: AtomicU64,
}

/// What the media thread is started with.
#[derive(Clone, Copy, Debug)]
pub struct MediaConfig {
    /// UDP port for all peers, on every address; 0 lets the system choose.
    pub udp_port: u16,
    /// Most peers at a time.
    pub max_sessions: usize,
    /// Room in the command queue, and in the event queue.
    pub queue: usize,
    /// Threads that send media; the first also reads the port.
    pub workers: std::num::NonZeroUsize,
    /// How long packets of a stream with many subscribers may wait for the rest
    /// of their picture; zero for not at all.
    pub hold: std::time::Duration,
    /// What one publisher may send; what is more is dropped.
    pub max_publish: super::Bitrate,
}

/// What a started media thread gives back.
pub struct Media {
    /// The way down.
    pub port: Arc<dyn MediaPort>,
    /// The way up.
    pub events: tokio::sync::mpsc::Receiver<MediaEvent>,
    /// Where it listens, with the real port, such as `[::]:7082`.
    pub udp: std::net::SocketAddr,
    /// Fingerprint of its certificate, for every answer.
    pub fingerprint: sdp::Fingerprint,
    /// Whether it receives and sends IPv6 as well.
    pub ipv6: bool,
    /// What became of messages on data channels.
    pub relayed: Arc<super::relay::RelayStats>,
    /// What the threads count, a second old at most.
    pub figures: super::MediaFigures,
    /// Ends when the thread has ended.
    pub thread: std::thread::JoinHandle<()>,
}

/// Why the media thread did not start. Each message names the mend.
#[derive(Debug, thiserror::Error)]
pub enum MediaStartError {
    /// Another process has the port.
    #[error(
        "UDP port {port} is in use; stop the other program or choose another port with --udp-port"
    )]
    PortInUse {
        /// The port.
        port: u16,
    },
    /// The system refuses the port.
    #[error("no permission to listen on UDP port {port}; choose a port above 1023 with --udp-port")]
    PortForbidden {
        /// The port.
        port: u16,
    },
    /// Any other failure of the socket.
    #[error("cannot listen on UDP port {port}: {source}")]
    Socket {
        /// The port.
        port: u16,
        /// What the system said.
        source: std::io::Error,
    },
    /// No certificate, no thread.
    #[error("cannot {doing}: {source}")]
    Other {
        /// What failed, such as "make a DTLS certificate".
        doing: &'static str,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
