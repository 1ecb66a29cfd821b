//! One worker's peers and the streams they are on, and how packets pass between
//! them. Knows no socket and no clock: the thread feeds it and sends what it
//! collects.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use transom_rtc_dtls::{Dtls, DtlsConfig};
use transom_rtc_proto::ice::{IceRole, Path};
use transom_rtc_proto::peer::{
    ClockReference, DropReason, Peer, PeerConfig, Received, RtpInfo, SendMode, TrackId,
};
use transom_rtc_proto::port::{DtlsAction, SctpFactory};
use transom_rtc_proto::rtp::{PacketKind, classify};
use transom_rtc_proto::sdp::{Direction, MediaKind, Session};
use transom_rtc_proto::time::Instant;
use transom_rtc_sctp::GuardedSctp;
use transom_rtc_srtp::GuardedSrtp;

use super::api::{GoneReason, MediaEvent, PeerSetup, SessionState, StreamKey};
use super::budget::Bitrate;
use super::catch_up::CatchUp;
use super::channels::{self, Gauge};
use super::egress::Egress;
use super::farewells::Farewells;
use super::figures;
use super::forward::{LEAD, forward, prefetch};
use super::link::{Note, TrackHead};
use super::mailbox::Bell;
use super::peers::{PeerSlot, Peers, Publication, Role};
use super::rate::Rate;
use super::relay::RelayStats;
use super::slab::Slab;
use super::stream::Stream;
use super::subscription::Subscription;
use super::timers::Timers;
use super::totals::{Count, Counts, WorldFigures};

/// Datagrams of one peer that may leave in one run.
const MAX_SEGMENTS: usize = 64;

/// How often the ingress thread is told that a peer is heard from.
const HEARD_EVERY: Duration = Duration::from_secs(1);

/// All that one worker holds.
pub(super) struct World {
    pub(super) peers: Peers,
    pub(super) streams: HashMap<StreamKey, Stream>,
    timers: Timers,
    pub(super) egress: Egress,
    /// Peers to be drained.
    dirty: Vec<u32>,
    /// Streams that something came of.
    fresh: Vec<StreamKey>,
    /// Those among them that are to be fanned out now.
    due: Vec<StreamKey>,
    /// How long fresh packets of a crowded stream may wait for the rest of
    /// their picture.
    hold: Duration,
    /// What one publisher may send.
    budget: Bitrate,
    /// Subscribers that are sent the past.
    catch_up: CatchUp,
    /// Peers that have ended and still have a goodbye on its way.
    farewells: Farewells,
    /// For the control plane.
    pub(super) events: Vec<MediaEvent>,
    /// For the ingress thread.
    pub(super) notes: Vec<Note>,
    /// Whether publishers are here, or with the ingress thread.
    publishers: Publishers,
    /// What is on its way to the relay.
    pub(super) gauge: Gauge,
    /// What became of messages on data channels, on all workers.
    pub(super) relayed: Arc<RelayStats>,
    /// What happened so far, and where it is told.
    pub(super) counts: Counts,
    pub(super) figures: Arc<WorldFigures>,
    runtime: Handle,
    dtls: DtlsConfig,
    sctp: Arc<dyn SctpFactory>,
    bell: Arc<Bell>,
}

/// What the operator decides about forwarding.
#[derive(Clone, Copy, Debug)]
pub(super) struct Policy {
    /// How long fresh packets of a crowded stream may wait for the rest of
    /// their picture; zero for not at all.
    pub(super) hold: Duration,
    /// What one publisher may send.
    pub(super) budget: Bitrate,
}

/// Where the publishers of a world's streams are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Publishers {
    /// In this world, as peers.
    Here,
    /// In the ingress thread's world, which sends what they publish.
    Elsewhere,
}

impl World {
    pub(super) fn new(
        runtime: Handle,
        dtls: DtlsConfig,
        bell: Arc<Bell>,
        publishers: Publishers,
        policy: Policy,
        gauge: Gauge,
        relayed: Arc<RelayStats>,
    ) -> Self {
        Self {
            peers: Peers::default(),
            streams: HashMap::new(),
            timers: Timers::default(),
            egress: Egress::default(),
            dirty: Vec::new(),
            fresh: Vec::new(),
            due: Vec::new(),
            hold: policy.hold,
            budget: policy.budget,
            catch_up: CatchUp::default(),
            farewells: Farewells::default(),
            events: Vec::new(),
            notes: Vec::new(),
            publishers,
            gauge,
            relayed,
            counts: Counts::default(),
            figures: Arc::default(),
            runtime,
            dtls,
            sctp: Arc::new(GuardedSctp),
            bell,
        }
    }

    // --- Commands ---

    pub(super) fn add_publisher(&mut self, now: Instant, key: u32, setup: PeerSetup) {
        let (stream, session) = (setup.stream, setup.session);
        let publication = Publication::new(now, setup.negotiated.clone(), self.budget);
        let role = Role::Publisher(Box::new(publication));
        self.add(now, key, setup, role);
        tracing::debug!(%session, %stream, "publisher added");
        // It takes the stream once it is connected: until then, whoever sends goes on.
        self.streams.entry(stream).or_default();
    }

    pub(super) fn add_subscriber(&mut self, now: Instant, key: u32, setup: PeerSetup) {
        let stream = self.streams.entry(setup.stream).or_default();
        stream.subscribers.push(key);
        let role = Role::Subscriber(subscriptions(&setup.negotiated, &setup.seed));
        self.add(now, key, setup, role);
    }

    /// Makes the peer.
    fn add(&mut self, now: Instant, key: u32, setup: PeerSetup, role: Role) {
        let bell = Arc::clone(&self.bell);
        let wake = Arc::new(move || bell.ring_for_dtls(key));
        let dtls = Dtls::spawn(&self.runtime, self.dtls.clone(), wake);
        let config = PeerConfig {
            ice_lite: setup.ice_lite,
            local_candidates: setup.local_candidates,
            send_mode: SendMode::Forward,
            sctp: Some(Arc::clone(&self.sctp)),
            channel_limits: channels::LIMITS,
            ..PeerConfig::new(setup.negotiated, IceRole::Controlled, Arc::new(GuardedSrtp))
        };
        let slot = PeerSlot {
            peer: Peer::new(now, config, setup.seed),
            dtls,
            session: setup.session,
            stream: setup.stream,
            name: setup.name,
            role,
            rights: setup.rights,
            media_path: None,
            stats: setup.stats,
            rate: Rate::default(),
            counted: Box::default(),
            heard_told: Instant::default(),
            channels: None,
            dirty: false,
        };
        self.peers.insert(key, slot);
        self.mark(key);
    }

    /// Ends a session by command.
    pub(super) fn remove(&mut self, now: Instant, key: u32) {
        if let Some(slot) = self.peers.get_mut(key) {
            slot.peer.close(now);
            self.forget(now, key);
        }
    }

    pub(super) fn forget_stream(&mut self, stream: StreamKey) {
        self.streams.remove(&stream);
    }

    /// Ends every session.
    pub(super) fn close_all(&mut self, now: Instant) {
        for key in self.peers.keys() {
            self.remove(now, key);
        }
    }

    /// Whether goodbyes are still on their way.
    pub(super) fn has_farewells(&self) -> bool {
        !self.farewells.is_empty()
    }

    // --- Input ---

    /// Takes a datagram for the peer `key`; whether it was genuine.
    pub(super) fn handle_datagram(
        &mut self,
        now: Instant,
        key: u32,
        path: Path,
        datagram: &mut [u8],
    ) -> bool {
        let Some(slot) = self.peers.get_mut(key) else {
            return false;
        };
        let kind = classify(datagram);
        let peer = &mut slot.peer;
        match contained(|| peer.handle_datagram(now, path, datagram)) {
            Some(Received::Rtp(info)) => {
                // Media needs no draining: what it makes due has a timer.
                let stream = slot.stream;
                if let Some((at, _)) = slot.peer.poll_timeout() {
                    self.timers.set(key, Some(at));
                }
                if let Role::Publisher(publication) = &mut slot.role
                    && !publication.may_send(now, info.track, datagram.len())
                {
                    return true;
                }
                self.publish(now, key, stream, &info, datagram);
                true
            }
            Some(Received::Handled) => {
                if kind == PacketKind::Stun && slot.peer.is_validated(&path) {
                    let remote = path.remote;
                    self.notes.push(Note::Validated { key, remote });
                }
                self.mark(key);
                // Anybody can send what looks like DTLS.
                kind != PacketKind::Dtls
            }
            // A refused check may still have an answer, such as a role conflict.
            Some(Received::Dropped(DropReason::Stun)) => {
                self.counts.add(Count::Stun, 1);
                self.mark(key);
                false
            }
            Some(Received::Dropped(reason)) => {
                self.counts.add(reason.into(), 1);
                false
            }
            None => {
                self.on_panic(key);
                false
            }
        }
    }

    /// Something genuine came of a peer: the ingress thread is told, once a second.
    pub(super) fn note_heard(&mut self, now: Instant, key: u32) {
        if let Some(slot) = self.peers.get_mut(key)
            && now.since(slot.heard_told) >= HEARD_EVERY
        {
            slot.heard_told = now;
            self.notes.push(Note::Heard { key });
        }
    }

    /// Keeps a packet of the peer `key` for the next fan-out, if that is the
    /// stream's publisher.
    fn publish(
        &mut self,
        now: Instant,
        key: u32,
        stream: StreamKey,
        info: &RtpInfo,
        datagram: &[u8],
    ) {
        let Some(state) = self.streams.get_mut(&stream) else {
            return;
        };
        if state.publisher == Some(key)
            && state.on_packet(now, info, datagram)
            && state.set_due(now, self.hold, info.marker)
        {
            self.fresh.push(stream);
        }
    }

    /// Takes what the DTLS neighbour of a peer has to say.
    pub(super) fn handle_dtls(&mut self, now: Instant, key: u32) {
        self.mark(key);
        self.farewells.poll(now, &mut self.egress);
    }

    /// Fires the timers that are due.
    pub(super) fn handle_timeouts(&mut self, now: Instant) {
        self.send_the_past(now);
        while let Some(key) = self.timers.pop_due(now) {
            let Some(slot) = self.peers.get_mut(key) else {
                continue;
            };
            match contained(|| slot.peer.handle_timeout(now)) {
                Some(()) => self.mark(key),
                None => self.on_panic(key),
            }
        }
        self.farewells.poll(now, &mut self.egress);
    }

    pub(super) fn next_timeout(&mut self) -> Option<Instant> {
        let farewell = self.farewells.next_timeout();
        let others = farewell.into_iter().chain(self.catch_up.next_timeout());
        let held = self
            .fresh
            .iter()
            .filter_map(|key| self.streams.get(key)?.due);
        others.chain(held.min()).chain(self.timers.next()).min()
    }

    /// The next burst for those who catch up: as many as one sending holds, the
    /// rest comes with the next turn.
    fn send_the_past(&mut self, now: Instant) {
        while !self.egress.is_full()
            && let Some(key) = self.catch_up.pop_due(now)
        {
            let Some(stream) = self
                .peers
                .get(key)
                .and_then(|s| self.streams.get(&s.stream))
            else {
                continue;
            };
            let (peers, egress) = (&mut self.peers, &mut self.egress);
            let Some(outcome) = contained(|| forward(now, stream, peers, key, egress)) else {
                self.on_panic(key);
                continue;
            };
            self.catch_up.note(now, key, outcome.catching_up);
            if outcome.rearmed.is_some() {
                self.timers.set(key, outcome.rearmed);
            }
        }
    }

    /// Takes what the ingress thread has of a stream. What is `past` is for
    /// late joiners only.
    pub(super) fn take_slab(&mut self, now: Instant, slab: &Slab, past: bool) {
        let Some(stream) = self.streams.get_mut(&slab.stream) else {
            return;
        };
        for packed in slab.packets() {
            stream.on_packed(&packed, past);
        }
        // What had to wait has waited with the ingress thread.
        if !past && stream.set_due(now, Duration::ZERO, true) {
            self.fresh.push(slab.stream);
        }
    }

    /// The stream has these tracks from now on.
    pub(super) fn set_tracks(&mut self, stream: StreamKey, tracks: &[TrackHead]) {
        self.streams.entry(stream).or_default().set_tracks(tracks);
    }

    /// The publisher's clock, as each of its subscribers sees it.
    pub(super) fn set_clock(
        &mut self,
        stream: StreamKey,
        kind: MediaKind,
        generation: u32,
        clock: ClockReference,
    ) {
        let Some(stream) = self.streams.get_mut(&stream) else {
            return;
        };
        let mut tracks = stream.tracks.iter_mut();
        let published = tracks.find(|t| t.kind == kind && t.generation == generation);
        let Some(published) = published else {
            return;
        };
        published.clock = Some(clock);
        for subscriber in &stream.subscribers {
            let Some(slot) = self.peers.get_mut(*subscriber) else {
                continue;
            };
            let Role::Subscriber(subscriptions) = &mut slot.role else {
                continue;
            };
            let subscription = subscriptions.iter().find(|s| s.kind == kind);
            if let Some((track, clock)) = subscription.and_then(|s| s.clock(published)) {
                slot.peer.set_clock(track, clock);
            }
        }
    }

    /// Asks the publisher of a stream for a key frame; whoever asks in quick
    /// succession shares one.
    pub(super) fn request_key_frame(&mut self, now: Instant, key: StreamKey, kind: MediaKind) {
        if self.publishers == Publishers::Elsewhere {
            let note = Note::KeyFrameWanted { stream: key, kind };
            if !self.notes.contains(&note) {
                self.notes.push(note);
            }
            return;
        }
        let Some(stream) = self.streams.get(&key) else {
            return;
        };
        let (Some(publisher), Some(track)) = (stream.publisher, stream.track(kind)) else {
            return;
        };
        if let Some(slot) = self.peers.get_mut(publisher)
            && slot.peer.is_connected()
        {
            slot.peer.request_key_frame(now, track.id);
            self.mark(publisher);
        }
    }

    // --- Output ---

    /// A stream that is published or waited for.
    pub(super) fn stream(&self, key: StreamKey) -> Option<&Stream> {
        self.streams.get(&key)
    }

    /// Lets fresh packets of a stream wait for company, or not any more.
    pub(super) fn set_crowded(&mut self, key: StreamKey, crowded: bool) {
        if let Some(stream) = self.streams.get_mut(&key) {
            stream.crowded = crowded;
        }
    }

    /// Chooses the streams whose fresh packets are to be forwarded now.
    pub(super) fn select_due(&mut self, now: Instant) {
        let (streams, due) = (&self.streams, &mut self.due);
        self.fresh.retain(|key| {
            let at = streams.get(key).and_then(|s| s.due);
            let waits = at.is_some_and(|at| at > now);
            if !waits {
                due.push(*key);
            }
            waits
        });
    }

    /// The streams that were chosen.
    pub(super) fn due_streams(&self) -> &[StreamKey] {
        &self.due
    }

    /// Forwards what was chosen by [`World::select_due`]. `flush` is called when
    /// enough is collected to be sent.
    pub(super) fn fan_out(&mut self, now: Instant, mut flush: impl FnMut(&mut Egress)) {
        let mut chosen = std::mem::take(&mut self.due);
        let mut panicked = Vec::new(); // allocates only if one does
        for key in chosen.drain(..) {
            let Some(stream) = self.streams.get_mut(&key) else {
                continue;
            };
            stream.due = None;
            for track in &mut stream.tracks {
                track.prepare();
            }
            let mut awaits_key_frame = false;
            for place in 0..stream.subscribers.len() + LEAD {
                prefetch(stream, &self.peers, place);
                let behind = place.checked_sub(LEAD);
                let Some(subscriber) = behind.and_then(|at| stream.subscribers.get(at)) else {
                    continue;
                };
                let (peers, egress) = (&mut self.peers, &mut self.egress);
                let outcome = contained(|| forward(now, stream, peers, *subscriber, egress));
                let Some(outcome) = outcome else {
                    panicked.push(*subscriber);
                    continue;
                };
                self.catch_up.note(now, *subscriber, outcome.catching_up);
                if outcome.rearmed.is_some() {
                    self.timers.set(*subscriber, outcome.rearmed);
                }
                awaits_key_frame |= outcome.awaits_key_frame;
                if self.egress.is_full() {
                    flush(&mut self.egress);
                }
            }
            for track in &mut stream.tracks {
                track.clear_fresh();
            }
            if let Some(publisher) = stream.publisher {
                self.mark(publisher);
            }
            if awaits_key_frame {
                self.request_key_frame(now, key, MediaKind::Video);
            }
        }
        self.due = chosen;
        for key in panicked {
            self.on_panic(key);
        }
    }

    /// Drains the peers that something happened to.
    pub(super) fn drain(&mut self, now: Instant, mut flush: impl FnMut(&mut Egress)) {
        while let Some(key) = self.dirty.pop() {
            if contained(|| self.drain_one(now, key)).is_none() {
                self.on_panic(key);
            }
            if self.egress.is_full() {
                flush(&mut self.egress);
            }
        }
    }

    fn drain_one(&mut self, now: Instant, key: u32) {
        let Some(slot) = self.peers.get_mut(key) else {
            return;
        };
        slot.dirty = false;
        slot.dtls.exchange(now, &mut slot.peer);
        // An event may end the peer, and then there is none to ask.
        while let Some(event) = self.peers.get_mut(key).and_then(|s| s.peer.poll_event()) {
            self.on_event(now, key, event);
        }
        self.release_channels(key);
        let Some(slot) = self.peers.get_mut(key) else {
            return;
        };
        pump(now, &mut slot.peer, &slot.dtls, &mut self.egress);
        slot.media_path = slot.peer.path().filter(|_| slot.peer.is_connected());
        self.timers
            .set(key, slot.peer.poll_timeout().map(|(at, _)| at));
    }

    /// Writes the figures that the control plane shows.
    pub(super) fn write_figures(&mut self, now: Instant) {
        for key in self.peers.keys() {
            if let Some(slot) = self.peers.get_mut(key) {
                let stream = self.streams.get(&slot.stream);
                let stream = stream.filter(|s| s.publisher == Some(key));
                figures::write(now, slot, stream);
                let counted = figures::count(slot);
                self.counts.absorb(&counted, &mut slot.counted);
            }
        }
        let keys = self.peers.keys();
        let connected = keys.iter().filter_map(|key| self.peers.get(*key));
        let profiles = connected.filter_map(|slot| slot.peer.srtp_profile());
        self.figures
            .publish(&self.counts, self.peers.len(), profiles);
    }

    /// Whether there are figures to be written: also once more when the last
    /// peer has left.
    pub(super) fn has_figures(&self) -> bool {
        self.has_peers() || self.figures.is_behind(&self.counts)
    }

    /// Whether nothing waits to be done.
    #[cfg(test)]
    pub(super) fn is_settled(&self) -> bool {
        self.dirty.is_empty()
            && self.fresh.is_empty()
            && self.due.is_empty()
            && self.notes.is_empty()
    }

    /// Whether peers wait to be drained: something was given to them since.
    pub(super) fn is_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    pub(super) fn has_peers(&self) -> bool {
        self.peers.len() > 0
    }

    // --- Inside ---

    fn on_panic(&mut self, key: u32) {
        let Some(slot) = self.peers.get_mut(key) else {
            return;
        };
        let session = slot.session;
        tracing::error!(stream = &*slot.name, %session, "a panic ended this peer");
        self.counts.add(Count::Panics, 1);
        self.events.push(MediaEvent::Gone {
            session,
            reason: GoneReason::Panicked,
        });
        // Its state may be half changed: nothing more is asked of it.
        self.detach(key);
    }

    /// Takes a closed peer out, and lets its goodbye leave.
    fn forget(&mut self, now: Instant, key: u32) {
        if let Some(slot) = self.detach(key) {
            self.farewells
                .push(now, slot.peer, slot.dtls, &mut self.egress);
        }
    }

    fn detach(&mut self, key: u32) -> Option<Box<PeerSlot>> {
        let mut slot = self.peers.remove(key)?;
        // It may be the one that panicked.
        if let Some(counted) = contained(|| figures::count(&slot)) {
            self.counts.absorb(&counted, &mut slot.counted);
        }
        slot.stats.set_state(SessionState::Gone);
        self.notes.push(Note::Gone { key });
        self.timers.set(key, None);
        if let Some(stream) = self.streams.get_mut(&slot.stream) {
            stream.subscribers.retain(|k| *k != key);
            if stream.publisher == Some(key) {
                stream.publisher = None;
                // A challenger that ended as soon as it was connected leaves
                // the stream to the one it was to displace.
                let heir = self.peers.connected_publisher(slot.stream);
                if let Some(heir) = heir
                    && let Some(Role::Publisher(publication)) =
                        self.peers.get(heir).map(|s| &s.role)
                {
                    stream.set_publisher(heir, &publication.negotiated);
                    let stream = slot.stream;
                    self.notes.push(Note::TracksChanged { stream });
                }
            }
        }
        Some(slot)
    }

    /// The peer is to be drained.
    pub(super) fn mark(&mut self, key: u32) {
        if let Some(slot) = self.peers.get_mut(key)
            && !std::mem::replace(&mut slot.dirty, true)
        {
            self.dirty.push(key);
        }
    }
}

/// Does what concerns one peer; `None` where that panicked. What a peer sends
/// must never end another one, and webrtc-srtp and webrtc-dtls are below here.
pub(super) fn contained<T>(f: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(f)).ok()
}

/// Moves what a peer has to say to its DTLS neighbour and to the network.
pub(super) fn pump(now: Instant, peer: &mut Peer, dtls: &Dtls, egress: &mut Egress) {
    let mut sent = true;
    while std::mem::take(&mut sent) {
        dtls.exchange(now, peer);
        loop {
            let start = egress.buf().len();
            let Some(transmit) = peer.poll_transmit(now, egress.buf(), MAX_SEGMENTS) else {
                break;
            };
            egress.commit(transmit.path, start, transmit.segment_size);
            sent = true; // which makes room for more to be sealed
        }
    }
}

fn subscriptions(session: &Session, seed: &[u8; 32]) -> Vec<Subscription> {
    let sent = session.tracks.iter().enumerate();
    let sent = sent.filter(|(_, t)| t.direction == Direction::Send);
    let mut subscriptions: Vec<_> = sent
        .filter_map(|(index, track)| {
            let index = u8::try_from(index).ok()?;
            let codec = track.codec()?.codec;
            // Any start in the lower half serves: receivers settle before the first rollover.
            let first = u16::from_be_bytes([seed[0] & 0x7f, seed[1] ^ index]);
            Some(Subscription::new(
                track.kind,
                TrackId(index),
                codec.clock_rate(),
                first,
            ))
        })
        .collect();
    // Pictures first: a sound that came with them is shorter and leaves at
    // the end of the same piece.
    subscriptions.sort_by_key(|s| std::cmp::Reverse(s.kind));
    subscriptions
}

/// Ends the neighbour of a peer that is gone.
pub(super) fn close_dtls(dtls: &Dtls) {
    dtls.handle_action(DtlsAction::Close);
}

mod events;
