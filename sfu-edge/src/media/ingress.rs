//! Whose is a datagram, and which worker has that peer? Knows no socket and no
//! clock.
//!
//! The ingress thread is worker 0: it has every publisher and its share of the
//! subscribers in a [`World`] of its own. Each other worker has a world of
//! subscribers; what is published reaches it in [`Slab`](super::slab::Slab)s,
//! and datagrams of its peers are passed on to it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use transom_rtc_proto::ice::Path;
use transom_rtc_proto::sdp::MediaKind;
use transom_rtc_proto::time::Instant;

use super::api::{GoneReason, MediaEvent, PeerSetup, SessionId, SessionState, StreamKey};
use super::demux::Demux;
use super::egress::Egress;
use super::link::{Link, Note, Order, Parcel, WorkerEnded};
use super::registry::{Entry, Registry};
use super::relay::Relay;
use super::slab::SlabPool;
use super::subscription::MAX_CATCH_UP_AGE;
use super::totals::Count;
use super::turn::{Turn, flush};
use super::world::World;

/// An address belongs to the peer that was heard from there within this time.
/// A program that takes over a port soon after another asks again until it may.
const ADDRESS_IS_HELD: Duration = Duration::from_secs(3);

/// Subscribers of a stream that worker 0 takes before others get any: waking a
/// worker for a burst costs about as much as sending that burst to two.
const ALONE: u32 = 16;

/// Subscribers from which on packets may wait for company: for fewer, what it
/// saves is not worth the delay.
const CROWD: u32 = 32;

/// The ingress thread's worker.
const HERE: usize = 0;

/// All that the ingress thread holds.
pub(super) struct Ingress {
    pub(super) world: World,
    demux: Demux,
    registry: Registry,
    links: Vec<Link>,
    /// Subscribers of each stream, by worker.
    readers: HashMap<StreamKey, Box<[u32]>>,
    slabs: SlabPool,
    /// Decides what becomes of messages on data channels.
    relay: Relay,
    notes: Vec<Note>,
    max_sessions: usize,
    /// See [`ALONE`].
    alone: u32,
}

impl Ingress {
    /// With a world of its own and `links` to the other workers.
    pub(super) fn new(world: World, links: Vec<Link>, max_sessions: usize) -> Self {
        Self {
            relay: Relay::new(Arc::clone(&world.relayed)),
            world,
            demux: Demux::default(),
            registry: Registry::default(),
            links,
            readers: HashMap::new(),
            slabs: SlabPool::default(),
            notes: Vec::new(),
            max_sessions,
            alone: ALONE,
        }
    }

    // --- Commands ---

    pub(super) fn add_publisher(&mut self, now: Instant, setup: PeerSetup) {
        if let Some(key) = self.register(now, &setup, HERE, false) {
            self.world.add_publisher(now, key, setup);
        }
    }

    pub(super) fn add_subscriber(&mut self, now: Instant, setup: PeerSetup) {
        let stream = setup.stream;
        let worker = self.least_busy(stream);
        let Some(key) = self.register(now, &setup, worker, true) else {
            return;
        };
        let workers = self.links.len() + 1;
        let readers = self.readers.entry(stream);
        let readers = readers.or_insert_with(|| vec![0; workers].into_boxed_slice());
        let first = readers[worker] == 0;
        readers[worker] += 1;
        let crowded = readers.iter().sum::<u32>() >= CROWD;
        if worker == HERE {
            self.world.add_subscriber(now, key, setup);
            self.world.set_crowded(stream, crowded);
            return;
        }
        self.world.set_crowded(stream, crowded);
        if first {
            self.send_tracks(stream, Some(worker));
            self.send_past(now, stream, worker);
        }
        let setup = Box::new(setup);
        self.order(worker, Order::AddSubscriber { key, setup });
    }

    /// Gives the session a key; `None` where there is no room, which is reported.
    fn register(
        &mut self,
        now: Instant,
        setup: &PeerSetup,
        worker: usize,
        subscribes: bool,
    ) -> Option<u32> {
        if self.registry.len() >= self.max_sessions {
            setup.stats.set_state(SessionState::Gone);
            self.world.events.push(MediaEvent::Gone {
                session: setup.session,
                reason: GoneReason::NoRoom,
            });
            return None;
        }
        let ufrag: Box<str> = setup.negotiated.local_ice.ufrag().into();
        let key = self.registry.insert(Entry {
            session: setup.session,
            stream: setup.stream,
            worker,
            subscribes,
            ufrag: ufrag.clone(),
            addresses: Vec::new(),
            heard: now,
            passed: (now, 0),
        });
        self.demux.insert(&ufrag, key);
        Some(key)
    }

    /// Ends a session by command.
    pub(super) fn remove(&mut self, now: Instant, session: SessionId) {
        let Some(key) = self.registry.find(session) else {
            return;
        };
        match self.registry.get(key).map_or(HERE, |e| e.worker) {
            HERE => self.world.remove(now, key),
            worker => self.order(worker, Order::Remove { key }),
        }
        self.settle(now);
    }

    pub(super) fn forget_stream(&mut self, stream: StreamKey) {
        self.world.forget_stream(stream);
        self.readers.remove(&stream);
        for link in &mut self.links {
            link.order(Order::ForgetStream { stream });
        }
    }

    /// Adds one to `answers`, and lets every other worker do so.
    pub(super) fn answer(&mut self, answers: &Arc<AtomicUsize>) {
        answers.fetch_add(1, Ordering::Relaxed);
        for link in &mut self.links {
            link.order(Order::Knock(Arc::clone(answers)));
        }
    }

    /// Ends every session, here and on the other workers.
    pub(super) fn close_all(&mut self, now: Instant) {
        for link in &mut self.links {
            link.order(Order::Shutdown);
        }
        self.world.close_all(now);
        self.settle(now);
    }

    // --- Input ---

    pub(super) fn handle_datagram(&mut self, now: Instant, path: Path, datagram: &mut [u8]) {
        let Some(key) = self.demux.find(path.remote, datagram) else {
            self.world.counts.add(Count::NoPeer, 1);
            return;
        };
        let Some(entry) = self.registry.get_mut(key) else {
            return;
        };
        if entry.worker != HERE {
            // Whether it is genuine the worker will find.
            let worker = entry.worker;
            if entry.may_pass(now) {
                let payload = (&*datagram).into();
                if let Some(link) = self.link(worker) {
                    link.post(Parcel { key, path, payload });
                }
            } else {
                self.world.counts.add(Count::OverShare, 1);
            }
            return;
        }
        if self.world.handle_datagram(now, key, path, datagram) {
            entry.heard = now;
        }
        self.settle(now);
    }

    /// Takes what a worker has to say.
    pub(super) fn handle_note(&mut self, now: Instant, note: Note) {
        match note {
            Note::Validated { key, remote } => self.bind(now, key, remote),
            Note::Heard { key } => {
                if let Some(entry) = self.registry.get_mut(key) {
                    entry.heard = now;
                }
            }
            Note::Gone { key } => {
                self.relay.handle_gone(now, key);
                self.send_relayed();
                self.forget(key);
            }
            Note::Channel(note) => {
                self.world.gauge.give_back(&note.what);
                self.relay.handle_note(now, &note);
                self.send_relayed();
            }
            Note::KeyFrameWanted { stream, kind } => {
                self.world.request_key_frame(now, stream, kind);
            }
            Note::TracksChanged { stream } => self.send_tracks(stream, None),
            Note::ClockSet { stream, kind } => self.send_clock(stream, kind, None),
        }
    }

    /// Sends what the relay wants said, by the workers that have the peers. A
    /// worker that is late loses some, and it is counted. Those are reports, as
    /// devices are here: the next beacon says anew what one said, and who sent a
    /// command repeats it until an answer arrives.
    fn send_relayed(&mut self) {
        while let Some(outgoing) = self.relay.poll_send() {
            match self.registry.get(outgoing.key).map(|e| e.worker) {
                None => {}
                Some(HERE) => self.world.send_on_channel(outgoing),
                Some(worker) => {
                    if let Some(link) = self.link(worker) {
                        link.offer(Order::Channel(outgoing));
                    }
                }
            }
        }
    }

    /// Takes what the world here has to say.
    pub(super) fn settle(&mut self, now: Instant) {
        if self.world.notes.is_empty() {
            return;
        }
        let mut notes = std::mem::replace(&mut self.world.notes, std::mem::take(&mut self.notes));
        for note in notes.drain(..) {
            self.handle_note(now, note);
        }
        self.notes = notes;
    }

    // --- Output ---

    /// Forwards what came since the last call: packed, to the workers, which
    /// send while the world here does.
    pub(super) fn fan_out(&mut self, now: Instant, flush: impl FnMut(&mut Egress)) {
        self.world.select_due(now);
        if !self.links.is_empty() {
            self.feed_workers();
        }
        self.world.fan_out(now, flush);
    }

    fn feed_workers(&mut self) {
        for key in self.world.due_streams() {
            let Some(readers) = self.readers.get(key) else {
                continue;
            };
            if readers.iter().skip(1).all(|n| *n == 0) {
                continue;
            }
            let Some(stream) = self.world.stream(*key) else {
                continue;
            };
            let slab = self.slabs.pack(*key, |slab| {
                for track in &stream.tracks {
                    let fresh = track.fresh().iter();
                    for packet in fresh.filter_map(|seq| track.buffer().get(*seq)) {
                        slab.push(track.kind, track.generation, &packet);
                    }
                }
            });
            let Some(slab) = slab else { continue };
            for (link, readers) in self.links.iter_mut().zip(readers.iter().skip(1)) {
                if *readers > 0 {
                    link.offer(Order::Media(Arc::clone(&slab)));
                    // At once: it works while the rest is packed.
                    let _ = link.ring(); // its end is noticed at the end of the turn
                }
            }
        }
    }

    /// Does what is due in a turn of the thread, and sends what there is to send.
    pub(super) fn finish(&mut self, now: Instant, turn: &mut Turn) -> Result<(), WorkerEnded> {
        // What was held may be due without a datagram having come.
        let sockets = Arc::clone(&turn.sockets);
        self.fan_out(now, |egress| flush(egress, &sockets));
        turn.finish(now, &mut self.world);
        self.relay.handle_timeout(now);
        self.send_relayed();
        self.settle(now);
        if let Some(dropped) = self.relay.poll_dropped(now) {
            tracing::warn!("messages of data channels dropped: {dropped}");
        }
        self.ring(turn)
    }

    /// How long nothing will be due.
    pub(super) fn wait(&mut self, now: Instant, turn: &Turn) -> Option<Duration> {
        let relay = self.relay.poll_timeout().map(|at| at.since(now));
        let world = turn.wait(now, &mut self.world);
        relay.into_iter().chain(world).min()
    }

    /// Wakes the workers that something was queued for.
    fn ring(&mut self, turn: &mut Turn) -> Result<(), WorkerEnded> {
        let mut rung = Ok(());
        for link in &mut self.links {
            turn.late += link.take_dropped();
            rung = rung.and(link.ring());
        }
        rung
    }

    // --- Inside ---

    /// The worker for one more subscriber of `stream`.
    fn least_busy(&self, stream: StreamKey) -> usize {
        let Some(readers) = self.readers.get(&stream) else {
            return HERE;
        };
        // Of equals the last: the ingress thread has more to do than to send.
        let by_worker = readers.iter().enumerate().rev();
        match by_worker.min_by_key(|(_, n)| **n) {
            Some((worker, _)) if readers[HERE] >= self.alone => worker,
            _ => HERE,
        }
    }

    fn order(&mut self, worker: usize, order: Order) {
        if let Some(link) = self.link(worker) {
            link.order(order);
        }
    }

    fn link(&mut self, worker: usize) -> Option<&mut Link> {
        self.links.get_mut(worker.checked_sub(1)?)
    }

    /// Tells what tracks the stream has, to one worker or to all that read it.
    fn send_tracks(&mut self, stream: StreamKey, only: Option<usize>) {
        let Some(state) = self.world.stream(stream) else {
            return;
        };
        let heads = state.heads();
        let Some(readers) = self.readers.get(&stream) else {
            return;
        };
        for (index, link) in self.links.iter_mut().enumerate() {
            let worker = index + 1;
            if readers[worker] > 0 && only.is_none_or(|w| w == worker) {
                let tracks = heads.clone();
                link.order(Order::Tracks { stream, tracks });
            }
        }
        for head in &heads {
            self.send_clock(stream, head.kind, only);
        }
    }

    /// Sends what a late joiner begins with: the picture since its latest key frame.
    fn send_past(&mut self, now: Instant, stream: StreamKey, worker: usize) {
        let Some(state) = self.world.stream(stream) else {
            return;
        };
        let slab = SlabPool::default().pack(stream, |slab| {
            for track in state.tracks.iter().filter(|t| t.kind == MediaKind::Video) {
                let first = track.key_frame_to_begin_with(now, MAX_CATCH_UP_AGE);
                let past = first.into_iter().flat_map(|f| track.buffer().from(f));
                // What is fresh follows by itself.
                let held = track.fresh().first().copied();
                for packet in past.take_while(|p| held.is_none_or(|held| p.seq < held)) {
                    slab.push(track.kind, track.generation, &packet);
                }
            }
        });
        if let Some(slab) = slab {
            self.order(worker, Order::Past(slab));
        }
    }

    /// Tells the publisher's clock, to one worker or to all that read the stream;
    /// the next one mends what is lost of it.
    fn send_clock(&mut self, stream: StreamKey, kind: MediaKind, only: Option<usize>) {
        let track = self.world.stream(stream).and_then(|s| s.track(kind));
        let (Some(track), Some(readers)) = (track, self.readers.get(&stream)) else {
            return;
        };
        let (Some(clock), generation) = (track.clock, track.generation) else {
            return;
        };
        for (index, link) in self.links.iter_mut().enumerate() {
            let worker = index + 1;
            if readers[worker] > 0 && only.is_none_or(|w| w == worker) {
                link.offer(Order::Clock {
                    stream,
                    kind,
                    generation,
                    clock,
                });
            }
        }
    }

    /// Lets `key` be found by `remote`, unless another peer is heard from
    /// there: whoever can forge a source address must not take it from its owner.
    fn bind(&mut self, now: Instant, key: u32, remote: SocketAddr) {
        let owner = self.demux.owner(remote).filter(|owner| *owner != key);
        let owner = owner.and_then(|owner| self.registry.get(owner));
        if owner.is_some_and(|owner| now.since(owner.heard) < ADDRESS_IS_HELD) {
            return;
        }
        if let Some(entry) = self.registry.get_mut(key) {
            self.demux.bind(key, remote, &mut entry.addresses);
        }
    }

    fn forget(&mut self, key: u32) {
        let Some(entry) = self.registry.remove(key) else {
            return;
        };
        self.demux.remove(&entry.ufrag, &entry.addresses);
        if !entry.subscribes {
            return;
        }
        let Some(readers) = self.readers.get_mut(&entry.stream) else {
            return;
        };
        readers[entry.worker] = readers[entry.worker].saturating_sub(1);
        let last = readers[entry.worker] == 0;
        let crowded = readers.iter().sum::<u32>() >= CROWD;
        self.world.set_crowded(entry.stream, crowded);
        if readers.iter().all(|n| *n == 0) {
            self.readers.remove(&entry.stream);
        }
        if last && entry.worker != HERE {
            let stream = entry.stream;
            self.order(entry.worker, Order::ForgetStream { stream });
        }
    }
}

#[cfg(test)]
mod tests;
