//! The peers, each at a place of its own.

use std::sync::Arc;

use transom_rtc_dtls::Dtls;
use transom_rtc_proto::ice::Path;
use transom_rtc_proto::peer::{Peer, TrackId};
use transom_rtc_proto::sdp::{MediaKind, Session};
use transom_rtc_proto::time::Instant;

use super::api::{DriveRights, SessionId, SessionStats, StreamKey};
use super::budget::{Bitrate, Budget};
use super::channels::OpenChannels;
use super::rate::Rate;
use super::subscription::Subscription;
use super::totals::Counts;

/// A peer and what the media thread keeps beside it.
pub(super) struct PeerSlot {
    pub(super) peer: Peer,
    pub(super) dtls: Dtls,
    pub(super) session: SessionId,
    pub(super) stream: StreamKey,
    pub(super) name: Arc<str>,
    pub(super) role: Role,
    /// See [`PeerSetup::rights`](super::api::PeerSetup::rights).
    pub(super) rights: DriveRights,
    /// Where its media goes, once it is connected: the peer's word as of the
    /// last time it was drained, kept at hand for every batch.
    pub(super) media_path: Option<Path>,
    pub(super) stats: Arc<SessionStats>,
    /// When the ingress thread was told last that it is heard from.
    pub(super) heard_told: Instant,
    /// Bits a second, as told to the control plane.
    pub(super) rate: Rate,
    /// What of its counts is in the world's already.
    pub(super) counted: Box<Counts>,
    /// Its data channels, once it has opened one.
    pub(super) channels: Option<Box<OpenChannels>>,
    /// Waits in the list of peers to drain.
    pub(super) dirty: bool,
}

/// Which side of its stream a peer is on.
pub(super) enum Role {
    Publisher(Box<Publication>),
    Subscriber(Vec<Subscription>),
}

/// What a publisher's sound may take: several times Opus at its best.
const SOUND_BUDGET: Bitrate = Bitrate::from_mbps(2);

/// What is kept of a publisher.
pub(super) struct Publication {
    /// What it negotiated, for when it takes the stream.
    pub(super) negotiated: Session,
    budget: Budget,
    /// Its sound pays from a purse of its own: too much picture must not silence it.
    sound_budget: Budget,
    /// Packets beyond the budget.
    pub(super) refused: u64,
}

impl Publication {
    pub(super) fn new(now: Instant, negotiated: Session, budget: Bitrate) -> Self {
        Self {
            negotiated,
            budget: Budget::new(now, budget),
            sound_budget: Budget::new(now, SOUND_BUDGET),
            refused: 0,
        }
    }

    /// Whether a packet of `len` bytes is within what a publisher may send.
    pub(super) fn may_send(&mut self, now: Instant, track: TrackId, len: usize) -> bool {
        let tracks = &self.negotiated.tracks;
        let kind = tracks.get(usize::from(track.0)).map(|t| t.kind);
        let budget = match kind {
            Some(MediaKind::Audio) => &mut self.sound_budget,
            _ => &mut self.budget,
        };
        let granted = budget.take(now, len);
        self.refused += u64::from(!granted);
        granted
    }
}

impl PeerSlot {
    /// Packets that were dropped of it or for it.
    pub(super) fn dropped(&self) -> u64 {
        match &self.role {
            Role::Publisher(publication) => publication.refused,
            Role::Subscriber(subscriptions) => subscriptions.iter().map(|s| s.dropped).sum(),
        }
    }

    /// The subscriber's tracks; none of a publisher.
    pub(super) fn subscriptions(&self) -> &[Subscription] {
        match &self.role {
            Role::Publisher(_) => &[],
            Role::Subscriber(subscriptions) => subscriptions,
        }
    }

    /// The same, to be changed.
    pub(super) fn subscriptions_mut(&mut self) -> &mut [Subscription] {
        match &mut self.role {
            Role::Publisher(_) => &mut [],
            Role::Subscriber(subscriptions) => subscriptions,
        }
    }

    pub(super) fn is_publisher(&self) -> bool {
        matches!(self.role, Role::Publisher(_))
    }

    /// For log lines.
    pub(super) fn label(&self) -> &'static str {
        if self.is_publisher() {
            "publisher"
        } else {
            "subscriber"
        }
    }
}

/// Peers by key. Keys are given by the ingress thread and name one peer on all
/// workers, so that not every place of a worker's is taken.
#[derive(Default)]
pub(super) struct Peers {
    slots: Vec<Option<Box<PeerSlot>>>,
    len: usize,
}

impl Peers {
    pub(super) fn insert(&mut self, key: u32, slot: PeerSlot) {
        let index = key as usize;
        if index >= self.slots.len() {
            self.slots.resize_with(index + 1, || None);
        }
        let former = self.slots[index].replace(Box::new(slot));
        self.len += usize::from(former.is_none());
    }

    pub(super) fn remove(&mut self, key: u32) -> Option<Box<PeerSlot>> {
        let slot = self.slots.get_mut(key as usize)?.take()?;
        self.len -= 1;
        Some(slot)
    }

    pub(super) fn get(&self, key: u32) -> Option<&PeerSlot> {
        self.slots.get(key as usize)?.as_deref()
    }

    pub(super) fn get_mut(&mut self, key: u32) -> Option<&mut PeerSlot> {
        self.slots.get_mut(key as usize)?.as_deref_mut()
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn keys(&self) -> Vec<u32> {
        let keys = 0..u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        keys.filter(|k| self.get(*k).is_some()).collect()
    }

    /// A connected publisher of `stream`.
    pub(super) fn connected_publisher(&self, stream: StreamKey) -> Option<u32> {
        let at = self.slots.iter().position(|s| {
            s.as_ref()
                .is_some_and(|s| s.stream == stream && s.is_publisher() && s.peer.is_connected())
        })?;
        u32::try_from(at).ok()
    }
}
