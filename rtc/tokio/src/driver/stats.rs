use std::collections::HashMap;
use std::time::Duration;

use transom_rtc_dtls::DtlsStats;
use transom_rtc_proto::channel::ChannelStats;
use transom_rtc_proto::ice::{IceStats, Path};
use transom_rtc_proto::peer::{DropReason, ReceiveTrackStats, SendTrackStats, TrackId};
use transom_rtc_proto::port::SrtpProfile;
use transom_rtc_udp::Counters;

/// How a peer fares.
#[derive(Clone, Debug, Default)]
pub struct PeerStats {
    /// Keys are agreed; media can flow.
    pub connected: bool,
    /// The path that datagrams take.
    pub path: Option<Path>,
    /// The negotiated SRTP profile.
    pub srtp_profile: Option<SrtpProfile>,
    /// Round-trip time.
    pub rtt: Option<Duration>,
    /// The tracks that we send.
    pub sent: Vec<(TrackId, SendTrackStats)>,
    /// The tracks that we receive.
    pub received: Vec<(TrackId, ReceiveTrackStats)>,
    /// The data channels.
    pub channels: ChannelStats,
    /// Connectivity checks.
    pub ice: IceStats,
    /// The DTLS neighbour.
    pub dtls: DtlsStats,
    /// The socket.
    pub socket: Counters,
    /// Whether the kernel segments what is sent.
    pub gso_in_use: bool,
    /// Datagrams not taken, by reason.
    pub dropped: HashMap<DropReason, u64>,
    /// What the application lost.
    pub lost: Lost,
}

/// What was lost between driver and application.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Frames that came before the peer was connected.
    pub frames_early: u64,
    /// Frames left out because the path was slower than they came.
    pub frames_queue_full: u64,
    /// Frames that could not be packetized, or were for no track.
    pub frames_unusable: u64,
    /// Messages that their data channel did not take.
    pub messages: u64,
    /// Events that the application did not take in time.
    pub events: u64,
    /// Media packets that the application did not take in time.
    pub media: u64,
}
