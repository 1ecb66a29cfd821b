//! What the media threads counted, all peers together.
//!
//! Each world counts in plain integers, or reads what its peers counted anyway,
//! and once a second stores the sums where the control plane finds them. So a
//! packet costs nothing here, and a sum is at most a second old. Sums only
//! grow: those of a peer that leaves stay in them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use transom_rtc_proto::peer::DropReason;
use transom_rtc_proto::port::SrtpProfile;
use transom_rtc_udp::Counters;

use super::udp_port::UdpPort;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // each as its name says; /metrics has the help
pub enum Count {
    // Of publishers; of sources of media, repairs apart.
    AudioPacketsReceived,
    VideoPacketsReceived,
    AudioBytesReceived,
    VideoBytesReceived,
    PacketsRepaired,
    PacketsAskedFor,
    KeyFramesAskedFor,
    // Of subscribers; bytes include repairs.
    AudioPacketsSent,
    VideoPacketsSent,
    AudioBytesSent,
    VideoBytesSent,
    RepairsSent,
    RepairsWanted,
    KeyFramesWanted,
    // Datagrams that came and were not taken.
    NoPeer,
    OverShare,
    Unknown,
    Stun,
    UnvalidatedPath,
    NoKeys,
    Malformed,
    Authentication,
    Replay,
    UnknownPayloadType,
    TooManySources,
    QueueFull,
    Closed,
    // What was lost further on.
    OverBudget,
    NotSealed,
    SocketFull,
    WorkerLate,
    DtlsRecordsRefused,
    DtlsQueueFull,
    ChannelMessagesLost,
    Panics,
}

impl Count {
    const LEN: usize = Self::Panics as usize + 1;
}

impl From<DropReason> for Count {
    fn from(reason: DropReason) -> Self {
        match reason {
            DropReason::Stun => Self::Stun,
            DropReason::UnvalidatedPath => Self::UnvalidatedPath,
            DropReason::NoKeys => Self::NoKeys,
            DropReason::Malformed => Self::Malformed,
            DropReason::Authentication => Self::Authentication,
            DropReason::Replay => Self::Replay,
            DropReason::UnknownPayloadType => Self::UnknownPayloadType,
            DropReason::TooManySources => Self::TooManySources,
            DropReason::QueueFull => Self::QueueFull,
            DropReason::Closed => Self::Closed,
            _ => Self::Unknown,
        }
    }
}

/// Counts of one world, or of one peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counts([u64; Count::LEN]);

impl Default for Counts {
    fn default() -> Self {
        Self([0; Count::LEN])
    }
}

impl Counts {
    pub(super) fn add(&mut self, count: Count, more: u64) {
        // Each variant has its place.
        if let Some(total) = self.0.get_mut(count as usize) {
            *total = total.wrapping_add(more);
        }
    }

    /// Adds what a peer counted since it was asked `last`. A source that another
    /// one followed begins at zero again.
    pub(super) fn absorb(&mut self, counted: &Self, last: &mut Self) {
        for (total, (now, before)) in self.0.iter_mut().zip(counted.0.iter().zip(last.0)) {
            *total = total.wrapping_add(now.checked_sub(before).unwrap_or(*now));
        }
        *last = *counted;
    }

    #[cfg(test)]
    pub(super) fn of(&self, count: Count) -> u64 {
        self.0[count as usize]
    }
}

/// The ciphers of media, as their RFCs name them.
const PROFILES: [(SrtpProfile, &str); 2] = [
    (SrtpProfile::Aes128CmSha1_80, "AES128_CM_HMAC_SHA1_80"),
    (SrtpProfile::AeadAes128Gcm, "AEAD_AES_128_GCM"),
];

/// What one world told last.
#[derive(Debug)]
pub(super) struct WorldFigures {
    counts: [AtomicU64; Count::LEN],
    peers: AtomicU64,
    /// Connected peers, in the order of [`PROFILES`].
    profiles: [AtomicU64; PROFILES.len()],
}

impl Default for WorldFigures {
    fn default() -> Self {
        Self {
            counts: [const { AtomicU64::new(0) }; Count::LEN],
            peers: AtomicU64::new(0),
            profiles: [const { AtomicU64::new(0) }; PROFILES.len()],
        }
    }
}

impl WorldFigures {
    pub(super) fn publish(
        &self,
        counts: &Counts,
        peers: usize,
        profiles: impl Iterator<Item = SrtpProfile>,
    ) {
        for (to, count) in self.counts.iter().zip(counts.0) {
            to.store(count, Relaxed);
        }
        self.peers.store(peers as u64, Relaxed);
        let mut connected = [0; PROFILES.len()];
        for profile in profiles {
            let of = PROFILES.iter().zip(&mut connected);
            for (_, count) in of.filter(|((p, _), _)| *p == profile) {
                *count += 1;
            }
        }
        for (to, count) in self.profiles.iter().zip(connected) {
            to.store(count, Relaxed);
        }
    }

    /// Whether `counts`, or that nobody is there any more, was not told yet.
    pub(super) fn is_behind(&self, counts: &Counts) -> bool {
        let told = self.counts.iter().map(|count| count.load(Relaxed));
        self.peers.load(Relaxed) > 0 || !told.eq(counts.0)
    }
}

/// What the media threads and their sockets tell of themselves.
#[derive(Debug, Default)]
pub struct MediaFigures {
    worlds: Vec<Arc<WorldFigures>>,
    port: Option<Arc<UdpPort>>,
}

/// One socket of the media's port.
#[derive(Clone, Copy, Debug)]
pub struct SocketFigures {
    /// Where it is bound.
    pub address: SocketAddr,
    /// What it did.
    pub counters: Counters,
    /// Whether the kernel segments what is sent.
    pub gso_in_use: bool,
}

impl MediaFigures {
    pub(super) fn new(worlds: Vec<Arc<WorldFigures>>, port: Arc<UdpPort>) -> Self {
        let port = Some(port);
        Self { worlds, port }
    }

    /// The sum over all workers.
    pub fn count(&self, count: Count) -> u64 {
        let of = |world: &Arc<WorldFigures>| world.counts[count as usize].load(Relaxed);
        self.worlds.iter().map(of).fold(0, u64::wrapping_add)
    }

    /// How many peers each worker has.
    pub fn peers(&self) -> impl Iterator<Item = u64> {
        self.worlds.iter().map(|world| world.peers.load(Relaxed))
    }

    /// How many connected peers have each cipher, by its name.
    pub fn profiles(&self) -> impl Iterator<Item = (&'static str, u64)> {
        PROFILES.iter().enumerate().map(|(at, (_, name))| {
            let of = |world: &Arc<WorldFigures>| world.profiles[at].load(Relaxed);
            (*name, self.worlds.iter().map(of).sum())
        })
    }

    /// The sockets, one a family.
    pub fn sockets(&self) -> impl Iterator<Item = SocketFigures> {
        let sockets = self.port.iter().flat_map(|port| port.sockets());
        sockets.map(|socket| SocketFigures {
            address: socket.local_addr(),
            counters: socket.counters(),
            gso_in_use: socket.gso_in_use(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(packets: u64) -> Counts {
        let mut counts = Counts::default();
        counts.add(Count::VideoPacketsSent, packets);
        counts
    }

    #[test]
    fn a_total_never_goes_back() {
        let (mut total, mut last) = (Counts::default(), Counts::default());
        for (counted, sum) in [(10, 10), (15, 15), (15, 15), (3, 18), (4, 19)] {
            total.absorb(&counts(counted), &mut last);
            assert_eq!(total.of(Count::VideoPacketsSent), sum);
        }
    }

    #[test]
    fn what_was_told_is_told_once() {
        let figures = WorldFigures::default();
        assert!(!figures.is_behind(&Counts::default()));
        assert!(figures.is_behind(&counts(1)));
        figures.publish(&counts(1), 1, [SrtpProfile::AeadAes128Gcm].into_iter());
        assert!(figures.is_behind(&counts(1)), "a peer has left since");
        figures.publish(&counts(1), 0, std::iter::empty());
        assert!(!figures.is_behind(&counts(1)));
    }
}
