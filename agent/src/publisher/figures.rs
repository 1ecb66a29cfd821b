//! How publishing goes, for [`Metrics`](crate::metrics::Metrics).

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use transom_rtc_proto::peer::{DropReason, SendTrackStats};
use transom_rtc_tokio::driver::{Lost, PeerHandle, PeerStats, SocketCounters};

use super::session::Tracks;

/// How often a session is asked for its figures.
const FOLLOW_EVERY: Duration = Duration::from_secs(1);

/// What is counted of all sessions together. It only grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // as the names say
pub enum PublishCount {
    /// Sessions that the server accepted.
    Accepted,
    /// Sessions over which media could flow.
    Connected,
    /// Sessions that did not begin or were lost.
    Failed,
    /// Key frames that the server asked for.
    KeyFramesWanted,
    AudioPackets,
    VideoPackets,
    /// Headers included; of the picture also what was sent again.
    AudioBytes,
    VideoBytes,
    Repairs,
    RepairsWanted,
    /// Frames left out: before the peer was connected, because too many waited
    /// for its driver, because the path was too slow, or because they were of no use.
    FramesEarly,
    FramesDriverBusy,
    FramesPathSlow,
    FramesUnusable,
    /// What the sockets did.
    DatagramsReceived,
    DatagramsSent,
    DatagramsRefused,
    SendCalls,
    /// Sends that the kernel would not segment.
    GsoRefused,
}

impl PublishCount {
    const LEN: usize = Self::GsoRefused as usize + 1;
}

/// What the publisher is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublisherState {
    /// It opens a session.
    Connecting,
    /// Media flows.
    Connected,
    /// It lets some time pass before it tries again.
    Waiting,
}

impl PublisherState {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Connecting, Self::Connected, Self::Waiting];

    /// A word for figures.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Waiting => "waiting",
        }
    }
}

/// Figures that the publisher writes and anybody reads.
#[derive(Debug, Default)]
pub struct PublishFigures {
    counts: [AtomicU64; PublishCount::LEN],
    state: AtomicU64,
    /// Microseconds; zero while unknown.
    rtt_us: AtomicU64,
    /// Of the picture over the server's last report, in 1/256.
    fraction_lost: AtomicU64,
    /// One more than whether the kernel segments; zero while there is no session.
    gso: AtomicU64,
    not_taken: [AtomicU64; NOT_TAKEN.len()],
}

/// Why a peer does not take a datagram, and what figures call it.
const NOT_TAKEN: [(DropReason, &str); 11] = [
    (DropReason::Unknown, "unknown"),
    (DropReason::Stun, "stun"),
    (DropReason::UnvalidatedPath, "unvalidated_path"),
    (DropReason::NoKeys, "no_keys"),
    (DropReason::Malformed, "malformed"),
    (DropReason::Authentication, "authentication"),
    (DropReason::Replay, "replay"),
    (DropReason::UnknownPayloadType, "payload_type"),
    (DropReason::TooManySources, "too_many_sources"),
    (DropReason::QueueFull, "queue_full"),
    (DropReason::Closed, "closed"),
];

impl PublishFigures {
    /// How often so far.
    pub fn count(&self, count: PublishCount) -> u64 {
        let counts = self.counts.get(count as usize);
        counts.map_or(0, |count| count.load(Relaxed))
    }

    /// What the publisher is at.
    pub fn state(&self) -> PublisherState {
        let at = usize::try_from(self.state.load(Relaxed)).unwrap_or(0);
        let state = PublisherState::ALL.get(at).copied();
        state.unwrap_or(PublisherState::Connecting)
    }

    /// The round trip to the server, once it is known in this session.
    pub fn rtt(&self) -> Option<Duration> {
        let rtt = self.rtt_us.load(Relaxed);
        (rtt > 0).then(|| Duration::from_micros(rtt))
    }

    /// The part of the picture's packets that the server's last report missed, 0 to 1.
    pub fn fraction_lost(&self) -> f64 {
        let of_256 = u8::try_from(self.fraction_lost.load(Relaxed)).unwrap_or(u8::MAX);
        f64::from(of_256) / 256.0
    }

    /// Whether the kernel segments what the present session sends, once that is known.
    pub fn gso_in_use(&self) -> Option<bool> {
        self.gso.load(Relaxed).checked_sub(1).map(|gso| gso > 0)
    }

    /// Datagrams that came and were not taken, by why.
    pub fn datagrams_not_taken(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let names = NOT_TAKEN.iter().map(|(_, name)| *name);
        names.zip(self.not_taken.iter().map(|count| count.load(Relaxed)))
    }

    pub(super) fn add(&self, count: PublishCount, more: u64) {
        if let Some(count) = self.counts.get(count as usize) {
            count.fetch_add(more, Relaxed);
        }
    }

    pub(super) fn set_state(&self, state: PublisherState) {
        self.state.store(state as u64, Relaxed);
        if state != PublisherState::Connected {
            self.rtt_us.store(0, Relaxed);
            self.fraction_lost.store(0, Relaxed);
            self.gso.store(0, Relaxed);
        }
    }
}

/// Reads one session's figures now and then, and adds what is new of them.
pub(super) struct Follower<'a> {
    to: &'a PublishFigures,
    tracks: Tracks,
    video: SendTrackStats,
    audio: SendTrackStats,
    lost: Lost,
    socket: SocketCounters,
    not_taken: [u64; NOT_TAKEN.len()],
}

impl<'a> Follower<'a> {
    pub(super) fn new(to: &'a PublishFigures, tracks: Tracks) -> Self {
        Self {
            to,
            tracks,
            video: SendTrackStats::default(),
            audio: SendTrackStats::default(),
            lost: Lost::default(),
            socket: SocketCounters::default(),
            not_taken: [0; NOT_TAKEN.len()],
        }
    }

    /// Goes on until it is dropped.
    pub(super) async fn follow(&mut self, handle: &PeerHandle) -> Infallible {
        let mut ticks = interval(FOLLOW_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.look(handle).await;
        }
    }

    /// Once; a peer that is over tells nothing any more.
    pub(super) async fn look(&mut self, handle: &PeerHandle) {
        if let Some(stats) = handle.stats().await {
            self.absorb(&stats);
        }
    }

    fn absorb(&mut self, stats: &PeerStats) {
        use PublishCount as C;
        let of = |track| {
            let found = stats.sent.iter().find(|(id, _)| Some(*id) == track);
            found.map(|(_, stats)| *stats).unwrap_or_default()
        };
        let (video, audio) = (of(self.tracks.video), of(self.tracks.audio));
        let (was, heard, gone) = (self.video, self.audio, self.lost);
        let lost = stats.lost;
        for (count, now, before) in [
            (C::VideoPackets, video.packets, was.packets),
            (C::VideoBytes, video.bytes, was.bytes),
            (C::AudioPackets, audio.packets, heard.packets),
            (C::AudioBytes, audio.bytes, heard.bytes),
            (C::Repairs, video.repairs, was.repairs),
            (C::RepairsWanted, video.nacked, was.nacked),
            (C::RepairsWanted, audio.nacked, heard.nacked),
            (C::FramesEarly, lost.frames_early, gone.frames_early),
            (
                C::FramesPathSlow,
                lost.frames_queue_full,
                gone.frames_queue_full,
            ),
            (
                C::FramesUnusable,
                lost.frames_unusable,
                gone.frames_unusable,
            ),
        ] {
            self.to.add(count, now.saturating_sub(before));
        }
        (self.video, self.audio, self.lost) = (video, audio, lost);
        self.absorb_socket(stats);
        let rtt = stats.rtt.map_or(0, |rtt| rtt.as_micros());
        let rtt = u64::try_from(rtt).unwrap_or(u64::MAX);
        self.to.rtt_us.store(rtt, Relaxed);
        let fraction = u64::from(video.fraction_lost);
        self.to.fraction_lost.store(fraction, Relaxed);
    }
}

impl Follower<'_> {
    fn absorb_socket(&mut self, stats: &PeerStats) {
        use PublishCount as C;
        let now = stats.socket;
        let before = std::mem::replace(&mut self.socket, now);
        for (count, now, before) in [
            (C::DatagramsReceived, now.received, before.received),
            (C::DatagramsSent, now.sent, before.sent),
            (C::DatagramsRefused, now.refused, before.refused),
            (C::SendCalls, now.send_calls, before.send_calls),
            (C::GsoRefused, now.gso_refused, before.gso_refused),
        ] {
            self.to.add(count, now.saturating_sub(before));
        }
        let gso = 1 + u64::from(stats.gso_in_use);
        self.to.gso.store(gso, Relaxed);
        let totals = self.to.not_taken.iter().zip(&mut self.not_taken);
        for ((total, before), (reason, _)) in totals.zip(NOT_TAKEN) {
            let now = stats.dropped.get(&reason).copied().unwrap_or(0);
            total.fetch_add(now.saturating_sub(*before), Relaxed);
            *before = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use transom_rtc_proto::peer::TrackId;

    #[test]
    fn sockets_add_up_and_segmenting_is_of_the_present_one() {
        let figures = PublishFigures::default();
        assert_eq!(figures.gso_in_use(), None);
        let tracks = Tracks {
            video: None,
            audio: None,
        };
        let stats = |sent, stun, gso_in_use| PeerStats {
            socket: SocketCounters {
                sent,
                ..SocketCounters::default()
            },
            dropped: [(DropReason::Stun, stun)].into(),
            gso_in_use,
            ..PeerStats::default()
        };
        let mut first = Follower::new(&figures, tracks);
        first.absorb(&stats(5, 1, true));
        first.absorb(&stats(9, 1, true));
        assert_eq!(figures.gso_in_use(), Some(true));
        Follower::new(&figures, tracks).absorb(&stats(2, 3, false));
        assert_eq!(figures.gso_in_use(), Some(false));
        assert_eq!(figures.count(PublishCount::DatagramsSent), 11);
        let refused = figures.datagrams_not_taken().find(|(_, count)| *count > 0);
        assert_eq!(refused, Some(("stun", 4)));
    }

    #[test]
    fn sessions_add_up() {
        let figures = PublishFigures::default();
        let tracks = Tracks {
            video: Some(TrackId(1)),
            audio: None,
        };
        let sent = |packets| PeerStats {
            sent: vec![(
                TrackId(1),
                SendTrackStats {
                    packets,
                    ..SendTrackStats::default()
                },
            )],
            rtt: Some(Duration::from_millis(7)),
            ..PeerStats::default()
        };
        let mut first = Follower::new(&figures, tracks);
        first.absorb(&sent(10));
        first.absorb(&sent(15));
        let mut second = Follower::new(&figures, tracks);
        second.absorb(&sent(3));
        assert_eq!(figures.count(PublishCount::VideoPackets), 18);
        assert_eq!(figures.rtt(), Some(Duration::from_millis(7)));
        figures.set_state(PublisherState::Waiting);
        assert_eq!(
            (figures.state(), figures.rtt(), figures.gso_in_use()),
            (PublisherState::Waiting, None, None)
        );
    }
}
