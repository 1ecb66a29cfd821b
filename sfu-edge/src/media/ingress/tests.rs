//! The media side whole, in simulated time: publishers and subscribers of it are
//! peers too, datagrams and orders are passed by hand, and DTLS is told to be done.

mod clients;
mod hostile;
mod relayed;
mod reports;

use clients::{Client, h264, opus};
use mio::Poll;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use transom_rtc_dtls::{Certificate, DtlsConfig};
use transom_rtc_proto::ice::IceRole;
use transom_rtc_proto::id::Ssrc;
use transom_rtc_proto::peer::{Peer, PeerConfig, SendMode, TrackId};
use transom_rtc_proto::port::{Srtp, SrtpError, SrtpFactory, SrtpKey, SrtpProfile};
use transom_rtc_proto::sdp::Codec;

use super::*;
use crate::media::budget::Bitrate;
use crate::media::channels::Gauge;
use crate::media::link::Inbox;
use crate::media::mailbox::Bell;
use crate::media::peers::PeerSlot;
use crate::media::totals::Counts;
use crate::media::udp_port::UdpPort;
use crate::media::worker;
use crate::media::world::{Policy, Publishers};

const STREAM: StreamKey = StreamKey(1);
const POLICY: Policy = Policy {
    hold: Duration::ZERO,
    budget: Bitrate::from_mbps(20),
};
const STEP: Duration = Duration::from_millis(1);

/// A turn of a worker's thread, but for what reaches the socket.
fn worker_turn(now: Instant, world: &mut World, inbox: &Inbox) {
    for order in inbox.orders.try_iter() {
        worker::obey(now, world, order);
    }
    for parcel in inbox.parcels.try_iter() {
        worker::open(now, world, parcel);
    }
    world.select_due(now);
    world.fan_out(now, |_| ());
    world.handle_timeouts(now);
    world.drain(now, |_| ());
}

fn turn(bell: Arc<Bell>, now: Instant) -> Turn {
    let sockets = UdpPort::open(0).expect("a port");
    let (events, _) = tokio::sync::mpsc::channel(10);
    Turn::new(Arc::new(sockets), bell, events, now)
}

/// The ingress thread's part, the other workers' worlds, the clients and the time.
struct Town {
    ingress: Ingress,
    workers: Vec<(World, Inbox)>,
    turn: Turn,
    clients: Vec<Client>,
    now: Instant,
    /// Turns in which a timer was due again at once.
    spins: usize,
    _runtime: tokio::runtime::Runtime,
    _poll: Vec<Poll>,
}

impl Town {
    fn new() -> Self {
        Self::with_workers(1)
    }

    /// Subscribers are spread from the first on.
    fn with_workers(count: usize) -> Self {
        Self::with_policy(count, POLICY)
    }

    fn with_policy(count: usize, policy: Policy) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        let dtls = DtlsConfig::new(Certificate::generate().expect("a certificate"));
        let mut polls = Vec::new();
        let mut bell = || {
            polls.push(Poll::new().expect("a poll"));
            Arc::new(Bell::new(polls.last().expect("just pushed")).expect("a bell"))
        };
        let gauge = Gauge::default();
        let world = |bell: &Arc<Bell>, publishers| {
            let handle = runtime.handle().clone();
            World::new(
                handle,
                dtls.clone(),
                Arc::clone(bell),
                publishers,
                policy,
                gauge.clone(),
                Arc::default(),
            )
        };
        let (mut links, mut workers) = (Vec::new(), Vec::new());
        for _ in 1..count {
            let bell = bell();
            let (link, inbox) = Link::new(Arc::clone(&bell));
            links.push(link);
            workers.push((world(&bell, Publishers::Elsewhere), inbox));
        }
        let own = bell();
        let mut ingress = Ingress::new(world(&own, Publishers::Here), links, 100);
        ingress.alone = 0;
        let now = Instant::from_millis(1000);
        Self {
            ingress,
            workers,
            turn: turn(own, now),
            clients: Vec::new(),
            now,
            spins: 0,
            _runtime: runtime,
            _poll: polls,
        }
    }

    /// The client's place among the clients.
    fn publish(&mut self, codecs: &[Codec]) -> usize {
        self.publish_as(STREAM, codecs)
    }

    fn publish_as(&mut self, stream: StreamKey, codecs: &[Codec]) -> usize {
        let (client, setup) = Client::publisher(self.now, self.clients.len(), stream, codecs);
        self.ingress.add_publisher(self.now, setup);
        self.admit(client)
    }

    fn subscribe(&mut self, codecs: &[Codec]) -> usize {
        self.subscribe_to(STREAM, codecs)
    }

    fn subscribe_to(&mut self, stream: StreamKey, codecs: &[Codec]) -> usize {
        let (client, setup) = Client::subscriber(self.now, self.clients.len(), stream, codecs);
        self.ingress.add_subscriber(self.now, setup);
        self.admit(client)
    }

    fn admit(&mut self, client: Client) -> usize {
        self.clients.push(client);
        let at = self.clients.len() - 1;
        self.run(100);
        self.connect(at);
        at
    }

    /// DTLS is through.
    fn connect(&mut self, at: usize) {
        let key = self.key(at).expect("the session is known");
        let now = self.now;
        let world = self.world_of(at);
        let slot = world.peers.get_mut(key).expect("is there");
        slot.peer.handle_dtls(now, clients::connected(b"client"));
        world.mark(key);
        self.clients[at].shake_hands(self.now);
        self.run(20);
    }

    fn key(&self, client: usize) -> Option<u32> {
        self.ingress.registry.find(self.clients[client].session)
    }

    /// The worker that has a client's peer.
    fn worker(&self, client: usize) -> usize {
        let key = self.key(client).expect("the session is known");
        self.ingress.registry.get(key).expect("is there").worker
    }

    fn world_of(&mut self, client: usize) -> &mut World {
        match self.worker(client) {
            0 => &mut self.ingress.world,
            worker => &mut self.workers[worker - 1].0,
        }
    }

    fn slot(&mut self, client: usize) -> &mut PeerSlot {
        let key = self.key(client).expect("the session is known");
        self.world_of(client).peers.get_mut(key).expect("is there")
    }

    fn events(&self) -> impl Iterator<Item = &MediaEvent> {
        let worlds = self.workers.iter().map(|(world, _)| world);
        worlds.chain([&self.ingress.world]).flat_map(|w| &w.events)
    }

    fn leave(&mut self, client: usize) {
        let session = self.clients[client].session;
        self.ingress.remove(self.now, session);
        self.run(5);
    }

    /// Key frames that a publisher was asked for.
    fn key_frames_wanted(&mut self, publisher: usize) -> u64 {
        let stats = self.slot(publisher).peer.receive_stats(TrackId(0));
        stats.expect("a track").key_frame_requests
    }

    /// A datagram of a client's that is not its peer's doing.
    fn inject(&mut self, client: usize, datagram: &mut [u8]) {
        let path = Path {
            local: world_addr(),
            remote: self.clients[client].addr,
        };
        self.ingress.handle_datagram(self.now, path, datagram);
    }

    /// Lets time pass, as the threads' loops do.
    fn run(&mut self, ms: u64) {
        for _ in 0..ms {
            self.now += STEP;
            let now = self.now;
            for at in 0..self.clients.len() {
                for (path, mut datagram) in self.clients[at].sends(now) {
                    self.ingress.handle_datagram(now, path, &mut datagram);
                }
            }
            self.ingress_turn(now);
            let mut sent = self.ingress.world.egress.take_datagrams();
            for (world, inbox) in &mut self.workers {
                worker_turn(now, world, inbox);
                sent.extend(world.egress.take_datagrams());
                for note in world.notes.drain(..) {
                    self.ingress.handle_note(now, note);
                }
            }
            self.ingress
                .ring(&mut self.turn)
                .expect("the workers are there");
            let worlds = self.workers.iter_mut().map(|(world, _)| world);
            let worlds = worlds.chain([&mut self.ingress.world]);
            let due = |world: &mut World| world.next_timeout().is_some_and(|at| at <= now);
            self.spins += worlds.map(due).filter(|due| *due).count();
            for (path, datagram) in sent {
                let mut clients = self.clients.iter_mut();
                if let Some(client) = clients.find(|c| c.addr == path.remote) {
                    client.receives(now, path, datagram);
                }
            }
        }
    }

    /// A turn of the ingress thread, but for what reaches the socket.
    fn ingress_turn(&mut self, now: Instant) {
        let turn = &mut self.turn;
        self.ingress.fan_out(now, |_| ());
        turn.work(now, &mut self.ingress.world, |_| ());
        self.ingress.settle(now);
    }

    /// Publishes frames, 30 a second.
    fn film(&mut self, publisher: usize, frames: std::ops::Range<u32>) {
        for number in frames {
            self.clients[publisher].films(self.now, number);
            self.run(33);
        }
    }
}

/// That numbers follow each other and times never go back.
fn assert_seamless(client: &Client) {
    let got = &client.video;
    assert!(!got.is_empty());
    for w in got.windows(2) {
        assert_eq!(w[1].seq.0, w[0].seq.0 + 1, "a hole");
        let step = w[1].timestamp.0.wrapping_sub(w[0].timestamp.0);
        assert!(
            step < 90_000 * 10,
            "time went from {:?} to {:?}",
            w[0].timestamp,
            w[1].timestamp
        );
    }
}

#[test]
fn media_passes_and_no_timer_spins() {
    check_media_passes_and_no_timer_spins(1);
    check_media_passes_and_no_timer_spins(3);
}

fn check_media_passes_and_no_timer_spins(workers: usize) {
    let mut town = Town::with_workers(workers);
    let publisher = town.publish(&[opus(), h264()]);
    let subscriber = town.subscribe(&[opus(), h264()]);
    town.spins = 0; // who joins is served at once
    // Nothing has come yet, and a key frame is wanted of a source nobody knows.
    town.run(300);
    assert_eq!(town.spins, 0, "a deadline that is not met by handling it");
    town.film(publisher, 0..60);
    assert_eq!(town.spins, 0);
    assert_seamless(&town.clients[subscriber]);
    assert!(town.clients[subscriber].video.len() >= 60);
}

#[test]
fn a_subscriber_goes_on_with_the_next_publisher_and_keeps_its_numbers() {
    check_a_subscriber_goes_on_with_the_next_publisher_and_keeps_its_numbers(1);
    check_a_subscriber_goes_on_with_the_next_publisher_and_keeps_its_numbers(3);
}

fn check_a_subscriber_goes_on_with_the_next_publisher_and_keeps_its_numbers(workers: usize) {
    let mut town = Town::with_workers(workers);
    let codecs = [opus(), h264()];
    let first = town.publish(&codecs);
    let subscriber = town.subscribe(&codecs);
    town.film(first, 0..30);
    town.leave(first);
    let before = town.clients[subscriber].video.len();
    // One without sound, and then one with sound again.
    let second = town.publish(&[h264()]);
    town.film(second, 0..30);
    town.leave(second);
    let third = town.publish(&codecs);
    town.film(third, 0..30);
    assert!(town.clients[subscriber].video.len() > before + 60);
    assert_seamless(&town.clients[subscriber]);
    let stream = &town.ingress.world.streams[&STREAM];
    let generations: Vec<u32> = stream.tracks.iter().map(|t| t.generation).collect();
    assert!(generations.iter().all(|g| *g == 3), "{generations:?}");
}

#[test]
fn a_publisher_is_heard_until_its_challenger_is_connected() {
    check_a_publisher_is_heard_until_its_challenger_is_connected(1);
    check_a_publisher_is_heard_until_its_challenger_is_connected(3);
}

fn check_a_publisher_is_heard_until_its_challenger_is_connected(workers: usize) {
    let mut town = Town::with_workers(workers);
    let first = town.publish(&[h264()]);
    let subscriber = town.subscribe(&[h264()]);
    town.film(first, 0..30);
    let (client, setup) = Client::publisher(town.now, town.clients.len(), STREAM, &[h264()]);
    town.ingress.add_publisher(town.now, setup);
    town.clients.push(client);
    let second = town.clients.len() - 1;
    let before = town.clients[subscriber].video.len();
    town.film(first, 30..60);
    let got = town.clients[subscriber].video.len();
    assert!(got >= before + 30, "{before} packets, then {got}");

    town.connect(second);
    let before = town.clients[subscriber].video.len();
    town.film(first, 60..90);
    assert_eq!(town.clients[subscriber].video.len(), before, "not any more");
    town.film(second, 0..30);
    let got = town.clients[subscriber].video.len();
    assert!(got >= before + 30, "{before} packets, then {got}");
    // It ends before the control plane has ended the first one.
    town.leave(second);
    town.film(first, 90..120);
    assert!(town.clients[subscriber].video.len() >= got + 30);
    assert_seamless(&town.clients[subscriber]);
}

#[test]
fn a_publisher_that_changes_its_source_is_followed() {
    check_a_publisher_that_changes_its_source_is_followed(1);
    check_a_publisher_that_changes_its_source_is_followed(3);
}

fn check_a_publisher_that_changes_its_source_is_followed(workers: usize) {
    let mut town = Town::with_workers(workers);
    let publisher = town.publish(&[h264()]);
    let subscriber = town.subscribe(&[h264()]);
    town.film(publisher, 0..30);
    let before = town.clients[subscriber].video.len();
    town.clients[publisher].change_source();
    town.film(publisher, 30..60);
    let got = town.clients[subscriber].video.len();
    assert!(got >= before + 30, "{before} packets, then {got}");
    assert_seamless(&town.clients[subscriber]);
}

#[test]
fn an_address_is_not_taken_from_a_peer_that_is_heard_from() {
    let mut town = Town::new();
    let publisher = town.publish(&[h264()]);
    let stranger = town.subscribe(&[h264()]);
    town.film(publisher, 0..3);
    let (owner, thief) = (town.key(publisher), town.key(stranger));
    let addr = town.clients[publisher].addr;
    let thief_key = thief.expect("is there");
    town.ingress.bind(town.now, thief_key, addr);
    assert_eq!(town.ingress.demux.owner(addr), owner);
    // A port may pass to another program once its owner is silent.
    town.ingress
        .bind(town.now + ADDRESS_IS_HELD, thief_key, addr);
    assert_eq!(town.ingress.demux.owner(addr), thief);
}

#[test]
fn everything_of_a_peer_goes_with_it() {
    check_everything_of_a_peer_goes_with_it(1);
    check_everything_of_a_peer_goes_with_it(3);
}

fn check_everything_of_a_peer_goes_with_it(workers: usize) {
    let mut town = Town::with_workers(workers);
    let publisher = town.publish(&[h264()]);
    for _ in 0..5 {
        let subscriber = town.subscribe(&[h264()]);
        town.film(publisher, 0..3);
        town.leave(subscriber);
    }
    town.leave(publisher);
    town.run(600);
    let ingress = &mut town.ingress;
    assert_eq!(ingress.demux.len(), (0, 0));
    assert_eq!(ingress.registry.len(), 0);
    assert!(ingress.readers.is_empty());
    let stream = &ingress.world.streams[&STREAM];
    assert!(stream.subscribers.is_empty() && stream.publisher.is_none());
    let worlds = town.workers.iter_mut().map(|(world, _)| world);
    for world in worlds.chain([&mut town.ingress.world]) {
        assert!(!world.has_peers() && !world.has_farewells());
        assert_eq!(world.next_timeout(), None);
        assert!(world.is_settled());
    }
    assert!(town.workers.iter().all(|(w, _)| w.streams.is_empty()));
}

/// Seals nothing and breaks instead.
struct Broken;

impl SrtpFactory for Broken {
    fn create(&self, _: SrtpProfile, _: &SrtpKey, _: &SrtpKey) -> Result<Box<dyn Srtp>, SrtpError> {
        Ok(Box::new(Self))
    }
}

impl Srtp for Broken {
    fn protect_rtp(&mut self, _: &mut [u8], _: usize) -> Result<usize, SrtpError> {
        panic!("protect_rtp")
    }
    fn unprotect_rtp(&mut self, _: &mut [u8]) -> Result<usize, SrtpError> {
        panic!("unprotect_rtp")
    }
    fn protect_rtcp(&mut self, _: &mut [u8], _: usize) -> Result<usize, SrtpError> {
        panic!("protect_rtcp")
    }
    fn unprotect_rtcp(&mut self, _: &mut [u8]) -> Result<usize, SrtpError> {
        panic!("unprotect_rtcp")
    }
    fn admit(&mut self, _: Ssrc) {}
}

#[test]
fn a_panic_while_sending_to_one_subscriber_ends_that_one_only() {
    let mut town = Town::new();
    let publisher = town.publish(&[h264()]);
    let well = town.subscribe(&[h264()]);
    let (client, setup) = Client::subscriber(town.now, town.clients.len(), STREAM, &[h264()]);
    let session = setup.session;
    let replacement = Peer::new(
        town.now,
        PeerConfig {
            ice_lite: true,
            local_candidates: setup.local_candidates.clone(),
            send_mode: SendMode::Forward,
            ..PeerConfig::new(
                setup.negotiated.clone(),
                IceRole::Controlled,
                Arc::new(Broken),
            )
        },
        setup.seed,
    );
    town.ingress.add_subscriber(town.now, setup);
    town.clients.push(client);
    town.slot(town.clients.len() - 1).peer = replacement;
    let client = town.clients.pop().expect("just pushed");
    town.admit(client);
    town.film(publisher, 0..30);
    let gone = MediaEvent::Gone {
        session,
        reason: GoneReason::Panicked,
    };
    assert!(town.events().any(|e| *e == gone));
    assert!(town.ingress.registry.find(session).is_none());
    assert!(town.clients[well].video.len() >= 30);
    assert_seamless(&town.clients[well]);
}

/// Media that makes no sense, well sealed: leaps, sources, sizes.
#[test]
fn the_next_publisher_is_not_harmed_by_a_hostile_one() {
    check_the_next_publisher_is_not_harmed_by_a_hostile_one(1);
    check_the_next_publisher_is_not_harmed_by_a_hostile_one(3);
}

fn check_the_next_publisher_is_not_harmed_by_a_hostile_one(workers: usize) {
    let mut town = Town::with_workers(workers);
    let hostile = town.publish(&[h264()]);
    let subscriber = town.subscribe(&[h264()]);
    town.film(hostile, 0..3);
    let mut layer = clients::layer();
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut dice = |n: u32| rng.next_u32() % n;
    let pt = clients::pt(&town.clients[hostile], MediaKind::Video);
    let mut seqs = [0_u16; 20];
    for i in 0..6000 {
        let source = dice(20) as usize;
        let step = [1, 1, 1, 2, 5000, 31_000, 65_535, 65_000][dice(8) as usize];
        seqs[source] = seqs[source].wrapping_add(step);
        let mut packet = vec![0x80, pt | (dice(2) as u8) << 7];
        packet.extend(seqs[source].to_be_bytes());
        packet.extend(dice(u32::MAX).to_be_bytes());
        packet.extend((5000 + source as u32).to_be_bytes());
        packet.push([0x65, 0x41, 0x67, 0x7c, 0][dice(5) as usize]);
        packet.resize(12 + [0, 1, 2, 1100, 9000][dice(5) as usize], 0x55);
        let len = packet.len();
        packet.resize(len + 16, 0);
        if layer.protect_rtp(&mut packet, len).is_ok() {
            town.inject(hostile, &mut packet);
        }
        if i % 8 == 0 {
            town.run(1);
        }
    }
    let before = town.clients[subscriber].video.len();
    assert!(before > 60, "{before} got through");
    town.leave(hostile);
    town.clients[subscriber].video.clear();
    let second = town.publish(&[h264()]);
    town.film(second, 0..30);
    assert!(town.clients[subscriber].video.len() >= 30);
    assert_seamless(&town.clients[subscriber]);
    assert_eq!(transom_rtc_srtp::caught_panics(), 0);
    let panicked = |e: &MediaEvent| {
        matches!(
            e,
            MediaEvent::Gone {
                reason: GoneReason::Panicked,
                ..
            }
        )
    };
    assert!(!town.events().any(panicked));
}

/// Requests for everything that was ever sent, again and again.
#[test]
fn a_flood_of_requests_is_answered_within_the_allowance() {
    check_a_flood_of_requests_is_answered_within_the_allowance(1);
    check_a_flood_of_requests_is_answered_within_the_allowance(3);
}

fn check_a_flood_of_requests_is_answered_within_the_allowance(workers: usize) {
    let mut town = Town::with_workers(workers);
    let publisher = town.publish(&[h264()]);
    let subscriber = town.subscribe(&[h264()]);
    town.film(publisher, 0..30);
    let newest = town.clients[subscriber]
        .video
        .last()
        .expect("media")
        .clone();
    let mut request = vec![0x81, 205, 0, 2 + 40, 0, 0, 0, 9];
    request.extend(newest.ssrc.0.to_be_bytes());
    for back in 0..40_u16 {
        request.extend((newest.seq.seq().0.wrapping_sub(back * 17)).to_be_bytes());
        request.extend([0xff, 0xff]);
    }
    let mut layer = clients::layer();
    let sent = |town: &mut Town| {
        let stats = town.slot(subscriber).peer.send_stats(TrackId(0));
        stats.expect("a track").repairs
    };
    let before = sent(&mut town);
    for _ in 0..1000 {
        let mut sealed = request.clone();
        sealed.resize(request.len() + 20, 0);
        layer
            .protect_rtcp(&mut sealed, request.len())
            .expect("has room");
        town.inject(subscriber, &mut sealed);
        town.run(1);
    }
    let repairs = sent(&mut town) - before;
    assert!((300..=1000).contains(&repairs), "{repairs} in a second");
}

/// Of a stream of its own, and far beyond what a publisher may send.
#[test]
fn a_publisher_that_sends_too_much_harms_nobody_else() {
    let policy = Policy {
        budget: Bitrate::from_mbps(1),
        ..POLICY
    };
    let mut town = Town::with_policy(1, policy);
    let other = StreamKey(2);
    let greedy = town.publish_as(other, &[h264()]);
    let misled = town.subscribe_to(other, &[h264()]);
    let modest = town.publish(&[h264()]);
    let subscriber = town.subscribe(&[h264()]);
    for number in 0..150 {
        town.clients[modest].films(town.now, number);
        // Ten times its budget: 20 frames of 2 kB for each of the other's.
        for extra in 0..20 {
            town.clients[greedy].films(town.now, number * 20 + extra);
        }
        town.run(33);
    }
    assert!(town.clients[subscriber].video.len() >= 300);
    assert_seamless(&town.clients[subscriber]);
    let bytes: usize = town.clients[misled]
        .video
        .iter()
        .map(|p| p.payload.len())
        .sum();
    // Five seconds' worth, and the burst of one more.
    assert!(bytes * 8 < 6_500_000, "{bytes} bytes got through");
    assert!(town.slot(greedy).dropped() > 1000);
    assert_eq!(town.slot(modest).dropped(), 0);
}

#[test]
fn a_dead_subscriber_is_given_up_and_a_flood_of_key_frame_requests_is_one_in_a_while() {
    for workers in [1, 2] {
        let mut town = Town::with_workers(workers);
        let publisher = town.publish(&[h264()]);
        let well = town.subscribe(&[h264()]);
        let dead = town.subscribe(&[h264()]);
        let flooder = town.subscribe(&[h264()]);
        town.film(publisher, 0..30);
        town.clients[dead].die();
        let ssrc = town.clients[flooder].video[0].ssrc;
        let mut pli = vec![0x81, 206, 0, 2, 0, 0, 0, 9];
        pli.extend(ssrc.0.to_be_bytes());
        let before = town.key_frames_wanted(publisher);
        let mut layer = clients::layer();
        for number in 30..30 + 40 * 30 {
            town.clients[publisher].films(town.now, number);
            let mut sealed = pli.clone();
            sealed.resize(pli.len() + 20, 0);
            layer.protect_rtcp(&mut sealed, pli.len()).expect("room");
            town.inject(flooder, &mut sealed);
            town.run(33);
        }
        let wanted = town.key_frames_wanted(publisher) - before;
        // One a second of the flooder's, each repeated until its key frame comes.
        assert!((1..=90).contains(&wanted), "{wanted} in 40 s");
        assert_seamless(&town.clients[well]);
        assert!(town.clients[well].video.len() >= 1200);
        let session = town.clients[dead].session;
        let reason = GoneReason::ConsentLost;
        assert!(
            town.events()
                .any(|e| *e == MediaEvent::Gone { session, reason })
        );
    }
}

#[test]
fn packets_of_a_crowded_stream_wait_for_their_picture_and_no_longer() {
    let hold = Duration::from_millis(3);
    let mut town = Town::with_policy(1, Policy { hold, ..POLICY });
    let publisher = town.publish(&[h264()]);
    let subscriber = town.subscribe(&[h264()]);
    town.film(publisher, 0..3);
    let mut layer = clients::layer();
    let pt = clients::pt(&town.clients[publisher], MediaKind::Video);
    let mut packet = |seq: u16, marker: u8| {
        let unit = if seq == 1 { 0x67 } else { 0x41 };
        let mut packet = vec![0x80, pt | marker << 7];
        packet.extend(seq.to_be_bytes());
        packet.extend([0, 1, 0, 0, 0, 0, 0, 77, unit, 0x80]);
        let len = packet.len();
        packet.resize(len + 16, 0);
        layer.protect_rtp(&mut packet, len).expect("room");
        packet
    };
    let mut key = packet(1, 1);
    town.inject(publisher, &mut key);
    town.run(20);
    let got = |town: &Town| town.clients[subscriber].video.len();
    let before = got(&town);
    // Few subscribers: at once.
    town.inject(publisher, &mut packet(2, 0));
    town.run(1);
    assert_eq!(got(&town), before + 1);
    town.ingress.world.set_crowded(STREAM, true);
    let before = got(&town);
    town.inject(publisher, &mut packet(3, 0));
    town.run(2);
    assert_eq!(got(&town), before, "waits");
    town.inject(publisher, &mut packet(4, 1));
    town.run(1);
    assert_eq!(got(&town), before + 2, "the picture is whole");
    town.inject(publisher, &mut packet(5, 0));
    town.run(5);
    assert_eq!(got(&town), before + 3, "long enough");
}

/// A picture of eight packets from the port to what leaves it, for ten
/// subscribers, on one worker and on two.
#[test]
fn a_forwarded_packet_allocates_nothing() {
    let boxed = allocation_counter::measure(|| drop(std::hint::black_box(Box::new(7))));
    assert_eq!(boxed.count_total, 1, "it does count");
    for workers in [1, 2] {
        let mut town = Town::with_workers(workers);
        let publisher = town.publish(&[opus(), h264()]);
        for _ in 0..10 {
            town.subscribe(&[opus(), h264()]);
        }
        town.film(publisher, 0..300);
        let pt = clients::pt(&town.clients[publisher], MediaKind::Video);
        let mut layer = clients::layer();
        let mut counts = Vec::new();
        for round in 0..50_u16 {
            let mut packets: Vec<_> = (0..8)
                .map(|n| {
                    let mut packet = vec![0x80, pt | u8::from(n == 7) << 7];
                    packet.extend((round * 8 + n).to_be_bytes());
                    packet.extend((u32::from(round) * 3000).to_be_bytes());
                    let unit = if (round, n) == (0, 0) { 0x67 } else { 0x41 };
                    packet.extend([0, 0, 0, 77, unit, 0x80]);
                    packet.resize(1100, 0x55);
                    packet.resize(1116, 0);
                    layer.protect_rtp(&mut packet, 1100).expect("room");
                    packet
                })
                .collect();
            town.now += Duration::from_millis(33);
            let sent = std::cell::Cell::new(0);
            let now = town.now;
            let counted = allocation_counter::measure(|| {
                for packet in &mut packets {
                    town.inject(publisher, packet);
                }
                town.ingress.fan_out(now, |_| ());
                sent.set(town.ingress.world.egress.bytes());
                for (world, inbox) in &mut town.workers {
                    for order in inbox.orders.try_iter() {
                        worker::obey(now, world, order);
                    }
                    world.select_due(now);
                    world.fan_out(now, |_| ());
                    sent.set(sent.get() + world.egress.bytes());
                }
            });
            if round > 20 {
                assert!(sent.get() >= 10 * 8 * 1100, "{} bytes left", sent.get());
                counts.push(counted.count_total);
            }
            town.run(1);
        }
        assert_eq!(counts.iter().sum::<u64>(), 0, "{workers}: {counts:?}");
    }
}

/// Where the world is, as its clients see it.
fn world_addr() -> SocketAddr {
    ([127, 0, 0, 1], 7082).into()
}

#[test]
fn subscribers_are_spread_once_one_worker_has_enough() {
    let mut town = Town::with_workers(2);
    town.ingress.alone = 2;
    let publisher = town.publish(&[h264()]);
    let subscribers: Vec<_> = (0..6).map(|_| town.subscribe(&[h264()])).collect();
    let workers: Vec<_> = subscribers.iter().map(|s| town.worker(*s)).collect();
    assert_eq!(workers, [0, 0, 1, 1, 1, 0]);
    town.film(publisher, 0..60);
    for subscriber in &subscribers {
        assert!(town.clients[*subscriber].video.len() >= 60);
        assert_seamless(&town.clients[*subscriber]);
    }
    // Who leaves makes room on its own worker.
    town.leave(subscribers[2]);
    let next = town.subscribe(&[h264()]);
    assert_eq!(town.worker(next), 1);
    town.film(publisher, 60..90);
    assert_seamless(&town.clients[next]);
}

#[test]
fn a_late_joiner_on_another_worker_begins_with_the_latest_key_frame() {
    let mut town = Town::with_workers(2);
    town.ingress.alone = 1;
    let publisher = town.publish(&[h264()]);
    let first = town.subscribe(&[h264()]);
    town.film(publisher, 0..15); // the next key frame would be the 30th
    let before = town.now;
    let late = town.subscribe(&[h264()]);
    assert_eq!((town.worker(first), town.worker(late)), (0, 1));
    town.run(5);
    let got = &town.clients[late].video;
    assert!(got.len() >= 15, "{} packets at once", got.len());
    assert!(got[0].key_frame);
    assert!(town.now.since(before) < Duration::from_millis(200));
    town.film(publisher, 15..60);
    assert_seamless(&town.clients[late]);
}

#[test]
fn totals_only_grow_and_those_of_who_has_left_stay() {
    check_totals_only_grow_and_those_of_who_has_left_stay(1);
    check_totals_only_grow_and_those_of_who_has_left_stay(2);
}

fn check_totals_only_grow_and_those_of_who_has_left_stay(workers: usize) {
    const SENT: Count = Count::VideoPacketsSent;
    const RECEIVED: Count = Count::VideoPacketsReceived;
    let mut town = Town::with_workers(workers);
    let publisher = town.publish(&[opus(), h264()]);
    let subscriber = town.subscribe(&[opus(), h264()]);
    town.film(publisher, 0..30);
    let now = town.now;
    let wanted = town.slot(subscriber).peer.send_stats(TrackId(1));
    let sent = wanted.expect("a track").packets;
    assert!(sent >= 30);
    let world = town.world_of(subscriber);
    for _ in 0..2 {
        world.write_figures(now);
        assert_eq!(world.counts.of(SENT), sent, "added once");
    }
    town.leave(subscriber);
    let remote = town.clients[publisher].addr;
    town.leave(publisher);
    let now = town.now;
    let worlds = town.workers.iter_mut().map(|(world, _)| world);
    let mut totals = Vec::new();
    for world in worlds.chain([&mut town.ingress.world]) {
        assert!(!world.has_peers());
        // The thread wakes once more, to tell that nobody is there.
        assert_eq!(world.has_figures(), world.counts != Counts::default());
        world.write_figures(now);
        assert!(!world.has_figures());
        totals.push(world.counts);
    }
    let total = |count| totals.iter().map(|t| t.of(count)).sum::<u64>();
    assert!(total(SENT) >= sent && total(RECEIVED) >= 30);
    assert!(total(Count::VideoBytesSent) > total(SENT));
    // Whoever calls now is a stranger.
    let path = Path {
        local: world_addr(),
        remote,
    };
    town.ingress.handle_datagram(now, path, &mut [0x80; 40]);
    assert_eq!(
        town.ingress.world.counts.of(Count::NoPeer),
        total(Count::NoPeer) + 1
    );
    assert!(town.ingress.world.has_figures());
}
