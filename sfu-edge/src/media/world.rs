//! Peers and streams, and how packets pass between them. Knows no socket and
//! no clock: the thread feeds it and sends what it collects.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use transom_rtc_dtls::{Dtls, DtlsConfig};
use transom_rtc_proto::ice::{IceRole, Path};
use transom_rtc_proto::id::{MediaTime, SeqNo};
use transom_rtc_proto::peer::{
    ClockReference, CloseReason, DropReason, Event, Peer, PeerConfig, Received, SendMode, TrackId,
};
use transom_rtc_proto::port::DtlsAction;
use transom_rtc_proto::sdp::{Direction, MediaKind, Session};
use transom_rtc_proto::time::Instant;
use transom_rtc_srtp::GuardedSrtp;

use super::api::{GoneReason, MediaEvent, PeerSetup, SessionId, SessionState, StreamKey};
use super::catch_up::CatchUp;
use super::demux::Demux;
use super::egress::Egress;
use super::farewells::Farewells;
use super::figures;
use super::forward::forward;
use super::mailbox::Bell;
use super::peers::{PeerSlot, Peers, Role, ufrag_of};
use super::rate::Rate;
use super::stream::Stream;
use super::subscription::Subscription;
use super::timers::Timers;

/// Datagrams of one peer that may leave in one run.
const MAX_SEGMENTS: usize = 64;

/// An address belongs to the peer that was heard from there within this time.
/// A program that takes over a port soon after another asks again until it may.
const ADDRESS_IS_HELD: Duration = Duration::from_secs(3);

/// All that the media thread holds.
pub(super) struct World {
    peers: Peers,
    streams: HashMap<StreamKey, Stream>,
    demux: Demux,
    timers: Timers,
    pub(super) egress: Egress,
    /// Peers to be drained.
    dirty: Vec<u32>,
    /// Streams to be fanned out.
    fresh: Vec<StreamKey>,
    /// Subscribers that are sent the past.
    catch_up: CatchUp,
    /// Peers that have ended and still have a goodbye on its way.
    farewells: Farewells,
    /// For the control plane.
    pub(super) events: Vec<MediaEvent>,
    runtime: Handle,
    dtls: DtlsConfig,
    bell: Arc<Bell>,
    max_sessions: usize,
}

impl World {
    pub(super) fn new(
        runtime: Handle,
        dtls: DtlsConfig,
        bell: Arc<Bell>,
        max_sessions: usize,
    ) -> Self {
        Self {
            peers: Peers::default(),
            streams: HashMap::new(),
            demux: Demux::default(),
            timers: Timers::default(),
            egress: Egress::default(),
            dirty: Vec::new(),
            fresh: Vec::new(),
            catch_up: CatchUp::default(),
            farewells: Farewells::default(),
            events: Vec::new(),
            runtime,
            dtls,
            bell,
            max_sessions,
        }
    }

    // --- Commands ---

    pub(super) fn add_publisher(&mut self, now: Instant, setup: PeerSetup) {
        let (stream, session) = (setup.stream, setup.session);
        let role = Role::Publisher(Box::new(setup.negotiated.clone()));
        if self.add(now, setup, role).is_none() {
            return;
        }
        tracing::debug!(%session, %stream, "publisher added");
        // It takes the stream once it is connected: until then, whoever sends goes on.
        self.streams.entry(stream).or_default();
    }

    pub(super) fn add_subscriber(&mut self, now: Instant, setup: PeerSetup) {
        let stream = setup.stream;
        let role = Role::Subscriber(subscriptions(&setup.negotiated, &setup.seed));
        let Some(key) = self.add(now, setup, role) else {
            return;
        };
        self.streams
            .entry(stream)
            .or_default()
            .subscribers
            .push(key);
    }

    /// Makes the peer; `None` where there is no room, which is reported.
    fn add(&mut self, now: Instant, setup: PeerSetup, role: Role) -> Option<u32> {
        if self.peers.len() >= self.max_sessions {
            setup.stats.set_state(SessionState::Gone);
            self.events.push(MediaEvent::Gone {
                session: setup.session,
                reason: GoneReason::NoRoom,
            });
            return None;
        }
        let key = self.peers.next_key();
        let bell = Arc::clone(&self.bell);
        let wake = Arc::new(move || bell.ring_for_dtls(key));
        let dtls = Dtls::spawn(&self.runtime, self.dtls.clone(), wake);
        let ufrag = ufrag_of(&setup);
        let config = PeerConfig {
            ice_lite: setup.ice_lite,
            local_candidates: setup.local_candidates,
            send_mode: SendMode::Forward,
            ..PeerConfig::new(setup.negotiated, IceRole::Controlled, Arc::new(GuardedSrtp))
        };
        self.demux.insert(&ufrag, key);
        self.peers.insert(PeerSlot {
            peer: Peer::new(now, config, setup.seed),
            dtls,
            session: setup.session,
            stream: setup.stream,
            name: setup.name,
            role,
            stats: setup.stats,
            ufrag,
            addresses: Vec::new(),
            rate: Rate::default(),
            heard: now,
            dirty: false,
        });
        self.mark(key);
        Some(key)
    }

    /// Ends a session by command.
    pub(super) fn remove(&mut self, now: Instant, session: SessionId) {
        if let Some(key) = self.peers.find(session) {
            if let Some(slot) = self.peers.get_mut(key) {
                slot.peer.close(now);
            }
            self.forget(now, key);
        }
    }

    pub(super) fn forget_stream(&mut self, stream: StreamKey) {
        self.streams.remove(&stream);
    }

    /// Ends every session.
    pub(super) fn close_all(&mut self, now: Instant) {
        for key in self.peers.keys() {
            if let Some(slot) = self.peers.get_mut(key) {
                slot.peer.close(now);
            }
            self.forget(now, key);
        }
    }

    /// Whether goodbyes are still on their way.
    pub(super) fn has_farewells(&self) -> bool {
        !self.farewells.is_empty()
    }

    // --- Input ---

    pub(super) fn handle_datagram(&mut self, now: Instant, path: Path, datagram: &mut [u8]) {
        let Some(key) = self.demux.find(path.remote, datagram) else {
            return;
        };
        let Some(slot) = self.peers.get_mut(key) else {
            return;
        };
        let peer = &mut slot.peer;
        match contained(|| peer.handle_datagram(now, path, datagram)) {
            Some(Received::Rtp(info)) => {
                slot.heard = now;
                // Media needs no draining: what it makes due has a timer.
                let stream = slot.stream;
                if let Some((at, _)) = slot.peer.poll_timeout() {
                    self.timers.set(key, Some(at));
                }
                let Some(stream_state) = self.streams.get_mut(&stream) else {
                    return;
                };
                if stream_state.publisher != Some(key) {
                    return;
                }
                if stream_state.on_packet(now, &info, datagram)
                    && !std::mem::replace(&mut stream_state.has_fresh, true)
                {
                    self.fresh.push(stream);
                }
            }
            Some(Received::Handled) => {
                slot.heard = now;
                if slot.peer.is_validated(&path) {
                    self.bind(now, key, path.remote);
                }
                self.mark(key);
            }
            // A refused check may still have an answer, such as a role conflict.
            Some(Received::Dropped(DropReason::Stun)) => self.mark(key),
            Some(Received::Dropped(_)) => {}
            None => self.on_panic(key),
        }
    }

    /// Takes what the DTLS neighbour of a peer has to say.
    pub(super) fn handle_dtls(&mut self, now: Instant, key: u32) {
        if let Some(slot) = self.peers.get_mut(key) {
            let (peer, dtls) = (&mut slot.peer, &slot.dtls);
            let told = contained(|| {
                while let Some(event) = dtls.poll_event() {
                    peer.handle_dtls(now, event);
                }
            });
            match told {
                Some(()) => self.mark(key),
                None => self.on_panic(key),
            }
        }
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
        others.chain(self.timers.next()).min()
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
            self.timers.set(key, outcome.next_timeout);
        }
    }

    // --- Output ---

    /// Forwards what came since the last call. `flush` is called when enough
    /// is collected to be sent.
    pub(super) fn fan_out(&mut self, now: Instant, mut flush: impl FnMut(&mut Egress)) {
        let mut fresh = std::mem::take(&mut self.fresh);
        let mut panicked = Vec::new(); // allocates only if one does
        for key in fresh.drain(..) {
            let Some(stream) = self.streams.get_mut(&key) else {
                continue;
            };
            stream.has_fresh = false;
            for subscriber in &stream.subscribers {
                let (peers, egress) = (&mut self.peers, &mut self.egress);
                let outcome = contained(|| forward(now, stream, peers, *subscriber, egress));
                let Some(outcome) = outcome else {
                    panicked.push(*subscriber);
                    continue;
                };
                self.catch_up.note(now, *subscriber, outcome.catching_up);
                self.timers.set(*subscriber, outcome.next_timeout);
                if outcome.awaits_key_frame {
                    request_key_frames(now, stream, &mut self.peers);
                }
                if self.egress.is_full() {
                    flush(&mut self.egress);
                }
            }
            for track in &mut stream.tracks {
                track.clear_fresh();
            }
            if let Some(publisher) = stream.publisher {
                mark(&mut self.peers, &mut self.dirty, publisher);
            }
        }
        self.fresh = fresh;
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
        // An event may end the peer, and then there is none to ask.
        while let Some(event) = self.peers.get_mut(key).and_then(|s| s.peer.poll_event()) {
            self.on_event(now, key, event);
        }
        let Some(slot) = self.peers.get_mut(key) else {
            return;
        };
        pump(now, &mut slot.peer, &slot.dtls, &mut self.egress);
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
            }
        }
    }

    pub(super) fn has_peers(&self) -> bool {
        self.peers.len() > 0
    }

    // --- Inside ---

    fn on_event(&mut self, now: Instant, key: u32, event: Event) {
        let Some(slot) = self.peers.get_mut(key) else {
            return;
        };
        match event {
            Event::PathSelected(path) => {
                tracing::debug!(session = %slot.session, %path, "path selected");
            }
            Event::Connected => self.on_connected(now, key),
            Event::KeyFrameRequested { track } => self.on_key_frame_request(now, key, track),
            Event::Nacked { track, seqs } => self.on_nacked(now, key, track, &seqs),
            Event::SenderReport {
                track,
                ntp,
                timestamp,
            } => {
                self.on_sender_report(now, key, track, ntp, timestamp);
            }
            Event::Closed(reason) => {
                let gone = gone_reason(reason, slot.stats.state());
                let (session, role) = (slot.session, slot.label());
                tracing::info!(stream = &*slot.name, %session, role, %reason, "session ended");
                self.events.push(MediaEvent::Gone {
                    session,
                    reason: gone,
                });
                self.forget(now, key);
            }
            // Loss is shown, not acted upon: the publisher's encoder is not ours.
            Event::Feedback { .. } | Event::Data(_) => {}
            _ => {}
        }
    }

    fn on_connected(&mut self, now: Instant, key: u32) {
        let Some(slot) = self.peers.get_mut(key) else {
            return;
        };
        slot.stats.set_state(SessionState::Connected);
        let (session, role, stream) = (slot.session, slot.label(), slot.stream);
        let (path, profile) = (slot.peer.path(), slot.peer.srtp_profile());
        let name = Arc::clone(&slot.name);
        tracing::info!(stream = &*name, %session, role, ?profile, path = ?path.map(|p| p.remote), "connected");
        self.events.push(MediaEvent::Connected { session });
        let Some(stream) = self.streams.get_mut(&stream) else {
            return;
        };
        if let Role::Publisher(negotiated) = &slot.role {
            stream.set_publisher(key, negotiated);
        }
        // A late joiner asks for a key frame, and so does who waits for the publisher.
        if stream.publisher != Some(key) || !stream.subscribers.is_empty() {
            request_key_frames(now, stream, &mut self.peers);
            if let Some(publisher) = stream.publisher {
                mark(&mut self.peers, &mut self.dirty, publisher);
            }
        }
        // Until that comes, the latest one serves.
        if stream.publisher != Some(key) {
            self.catch_up.begin(now, key);
        }
    }

    /// A subscriber wants a key frame: the publisher is asked, for all who want one at once.
    fn on_key_frame_request(&mut self, now: Instant, key: u32, track: TrackId) {
        let Some(slot) = self.peers.get_mut(key) else {
            return;
        };
        let mut subscriptions = slot.subscriptions().iter_mut();
        let Some(subscription) = subscriptions.find(|s| s.track == track) else {
            return;
        };
        if !subscription.may_request_key_frame(now) {
            return;
        }
        let kind = subscription.kind;
        let Some(stream) = self.streams.get(&slot.stream) else {
            return;
        };
        let (Some(publisher), Some(track)) = (stream.publisher, stream.track(kind)) else {
            return;
        };
        let id = track.id;
        if let Some(slot) = self.peers.get_mut(publisher) {
            slot.peer.request_key_frame(now, id);
            mark(&mut self.peers, &mut self.dirty, publisher);
        }
    }

    fn on_nacked(&mut self, now: Instant, key: u32, track: TrackId, seqs: &[SeqNo]) {
        let Some(slot) = self.peers.get_mut(key) else {
            return;
        };
        let Some(stream) = self.streams.get(&slot.stream) else {
            return;
        };
        let Some(path) = slot.peer.path() else { return };
        let Role::Subscriber(subscriptions) = &mut slot.role else {
            return;
        };
        let Some(subscription) = subscriptions.iter_mut().find(|s| s.track == track) else {
            return;
        };
        let Some(published) = stream.track(subscription.kind) else {
            return;
        };
        for seq in seqs {
            if !subscription.may_repair(now) {
                return;
            }
            let Some(packet) = subscription.repair(now, published, *seq) else {
                continue;
            };
            let start = self.egress.buf().len();
            if slot
                .peer
                .forward_repair(track, &packet, self.egress.buf())
                .is_ok()
            {
                self.egress.commit(path, start, None);
            }
        }
    }

    /// The publisher's clock, as each of its subscribers sees it.
    fn on_sender_report(
        &mut self,
        now: Instant,
        key: u32,
        track: TrackId,
        ntp: u64,
        timestamp: MediaTime,
    ) {
        let Some(stream) = self.peers.get(key).map(|s| s.stream) else {
            return;
        };
        let Some(stream) = self.streams.get_mut(&stream) else {
            return;
        };
        if stream.publisher != Some(key) {
            return;
        }
        let Some(published) = stream.tracks.iter_mut().find(|t| t.id == track) else {
            return;
        };
        published.clock = Some(ClockReference {
            at: now,
            ntp,
            timestamp,
        });
        let published = &*published;
        for subscriber in &stream.subscribers {
            let Some(slot) = self.peers.get_mut(*subscriber) else {
                continue;
            };
            let Role::Subscriber(subscriptions) = &mut slot.role else {
                continue;
            };
            let subscription = subscriptions.iter().find(|s| s.kind == published.kind);
            if let Some((track, clock)) = subscription.and_then(|s| s.clock(published)) {
                slot.peer.set_clock(track, clock);
            }
        }
    }

    fn on_panic(&mut self, key: u32) {
        let Some(slot) = self.peers.get_mut(key) else {
            return;
        };
        let session = slot.session;
        tracing::error!(stream = &*slot.name, %session, "a panic ended this peer");
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
        let slot = self.peers.remove(key)?;
        slot.stats.set_state(SessionState::Gone);
        self.demux.remove(&slot.ufrag, &slot.addresses);
        self.timers.set(key, None);
        if let Some(stream) = self.streams.get_mut(&slot.stream) {
            stream.subscribers.retain(|k| *k != key);
            if stream.publisher == Some(key) {
                stream.publisher = None;
                // A challenger that ended as soon as it was connected leaves
                // the stream to the one it was to displace.
                let heir = self.peers.connected_publisher(slot.stream);
                if let Some(heir) = heir
                    && let Some(Role::Publisher(negotiated)) = self.peers.get(heir).map(|s| &s.role)
                {
                    stream.set_publisher(heir, negotiated);
                }
            }
        }
        Some(slot)
    }

    /// Lets `key` be found by `remote`, unless another peer is heard from
    /// there: whoever can forge a source address must not take it from its owner.
    fn bind(&mut self, now: Instant, key: u32, remote: SocketAddr) {
        let owner = self.demux.owner(remote).filter(|owner| *owner != key);
        let owner = owner.and_then(|owner| self.peers.get(owner));
        if owner.is_some_and(|owner| now.since(owner.heard) < ADDRESS_IS_HELD) {
            return;
        }
        if let Some(slot) = self.peers.get_mut(key) {
            self.demux.bind(key, remote, &mut slot.addresses);
        }
    }

    fn mark(&mut self, key: u32) {
        mark(&mut self.peers, &mut self.dirty, key);
    }
}

fn mark(peers: &mut Peers, dirty: &mut Vec<u32>, key: u32) {
    if let Some(slot) = peers.get_mut(key)
        && !std::mem::replace(&mut slot.dirty, true)
    {
        dirty.push(key);
    }
}

/// Does what concerns one peer; `None` where that panicked. What a peer sends
/// must never end another one, and webrtc-srtp and webrtc-dtls are below here.
pub(super) fn contained<T>(f: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(f)).ok()
}

/// Moves what a peer has to say to its DTLS neighbour and to the network.
pub(super) fn pump(now: Instant, peer: &mut Peer, dtls: &Dtls, egress: &mut Egress) {
    while let Some(action) = peer.poll_dtls() {
        dtls.handle_action(action);
    }
    loop {
        let start = egress.buf().len();
        let Some(sent) = peer.poll_transmit(now, egress.buf(), MAX_SEGMENTS) else {
            break;
        };
        egress.commit(sent.path, start, sent.segment_size);
    }
}

/// Asks the publisher of a stream for a key frame; whoever asks in quick
/// succession shares one.
fn request_key_frames(now: Instant, stream: &Stream, peers: &mut Peers) {
    let Some(publisher) = stream.publisher.and_then(|key| peers.get_mut(key)) else {
        return;
    };
    if !publisher.peer.is_connected() {
        return;
    }
    for track in stream.tracks.iter().filter(|t| t.kind == MediaKind::Video) {
        publisher.peer.request_key_frame(now, track.id);
    }
}

fn subscriptions(session: &Session, seed: &[u8; 32]) -> Vec<Subscription> {
    let sent = session.tracks.iter().enumerate();
    let sent = sent.filter(|(_, t)| t.direction == Direction::Send);
    sent.filter_map(|(index, track)| {
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
    .collect()
}

fn gone_reason(reason: CloseReason, state: SessionState) -> GoneReason {
    match reason {
        CloseReason::Local | CloseReason::Remote => GoneReason::Closed,
        CloseReason::IceFailed | CloseReason::HandshakeTimeout => GoneReason::NeverConnected,
        CloseReason::ConsentLost if state == SessionState::Connecting => GoneReason::NeverConnected,
        CloseReason::ConsentLost => GoneReason::ConsentLost,
        CloseReason::FingerprintMismatch => GoneReason::FingerprintMismatch,
        _ => GoneReason::DtlsFailed,
    }
}

/// Ends the neighbour of a peer that is gone.
pub(super) fn close_dtls(dtls: &Dtls) {
    dtls.handle_action(DtlsAction::Close);
}

#[cfg(test)]
mod tests;
