//! The media threads: one reads the UDP port, and all send from it.
//!
//! A turn of the ingress thread's loop takes what is queued on the port in one
//! call, hands each datagram to its peer, fans fresh media out to the
//! subscribers, and sends what was collected. Batches form from what is already
//! queued; nothing waits for company, unless the operator sets a hold.
//!
//! Where one core is not enough, further workers have subscribers of their own:
//! they get what is fresh in slabs packed once, and seal, send and answer NACKs
//! as the ingress thread does for its share. Every peer belongs to one thread,
//! so that nothing is locked.

pub mod api;
mod budget;
mod catch_up;
mod channels;
mod clock;
mod demux;
mod egress;
mod equal;
mod farewells;
mod figures;
mod forward;
mod ingress;
mod link;
mod mailbox;
mod peers;
mod pictures;
mod published;
mod rate;
mod registry;
pub mod relay;
mod seq_map;
mod slab;
mod stream;
mod subscription;
mod thread;
mod timers;
mod totals;
mod turn;
mod udp_port;
mod worker;
mod world;

use std::io;
use std::sync::Arc;

use api::{Media, MediaConfig, MediaStartError};
pub use budget::Bitrate;
use channels::Gauge;
use clock::Clock;
use ingress::Ingress;
use link::{Link, Note};
use mailbox::{Bell, mailbox};
use mio::Poll;
use relay::RelayStats;
use thread::MediaThread;
use tokio::runtime::Handle;
use tokio::sync::mpsc::Sender;
use totals::WorldFigures;
pub use totals::{Count, MediaFigures, SocketFigures};
use transom_rtc_dtls::{Certificate, DtlsConfig};
use transom_rtc_proto::sdp::{Fingerprint, HashAlgorithm};
use transom_rtc_srtp::Preference;
use turn::Turn;
use udp_port::UdpPort;
use worker::WorkerThread;
use world::{Policy, Publishers, World};

/// Opens the port and starts the threads. DTLS handshakes run on `runtime`.
pub fn start(config: MediaConfig, runtime: Handle) -> Result<Media, MediaStartError> {
    let port = config.udp_port;
    let failed = |source| MediaStartError::Socket { port, source };
    let sockets = UdpPort::open(port).map_err(|e| start_error(port, e))?;
    let (udp, ipv6) = (sockets.local_addr(), sockets.has_v6());
    let certificate = Certificate::generate().map_err(|e| MediaStartError::Other {
        doing: "make a DTLS certificate",
        source: Box::new(e),
    })?;
    let fingerprint = Fingerprint::of(HashAlgorithm::Sha256, certificate.der());
    let poll = Poll::new().map_err(failed)?;
    MediaThread::register(&poll, &sockets).map_err(failed)?;
    let bell = Arc::new(Bell::new(&poll).map_err(failed)?);
    let (sender, commands) = mailbox(config.queue, Arc::clone(&bell));
    let (events, receiver) = tokio::sync::mpsc::channel(config.queue.max(1));
    let (notes, noted) = std::sync::mpsc::channel();
    let srtp = Preference::of_this_machine();
    tracing::info!("SRTP: {srtp}");
    let mut dtls = DtlsConfig::new(certificate);
    dtls.profiles = srtp.profiles.to_vec();
    let shared = Shared {
        sockets: Arc::new(sockets),
        ingress: Arc::clone(&bell),
        notes,
        events,
        dtls,
        policy: Policy {
            hold: config.hold,
            budget: config.max_publish,
        },
        gauge: Gauge::default(),
        relayed: Arc::default(),
        clock: Clock::start(),
        runtime,
    };
    let world = shared.world(&bell, Publishers::Here);
    let mut figures = vec![Arc::clone(&world.figures)];
    let mut links = Vec::new();
    let mut workers = Vec::new();
    for number in 1..config.workers.get() {
        let (link, thread, told) = shared.start_worker(number)?;
        links.push(link);
        workers.push(thread);
        figures.push(told);
    }
    let figures = MediaFigures::new(figures, Arc::clone(&shared.sockets));
    let media = MediaThread {
        poll,
        commands,
        notes: noted,
        workers,
        ingress: Ingress::new(world, links, config.max_sessions),
        turn: shared.turn(bell),
        clock: shared.clock,
        shutdown: None,
    };
    let thread = spawn("media", move || media.run())?;
    Ok(Media {
        port: Arc::new(sender),
        events: receiver,
        udp,
        fingerprint,
        ipv6,
        relayed: shared.relayed,
        figures,
        thread,
    })
}

/// What all media threads have in common.
struct Shared {
    sockets: Arc<UdpPort>,
    ingress: Arc<Bell>,
    notes: std::sync::mpsc::Sender<Note>,
    events: Sender<api::MediaEvent>,
    dtls: DtlsConfig,
    policy: Policy,
    gauge: Gauge,
    relayed: Arc<RelayStats>,
    clock: Clock,
    runtime: Handle,
}

impl Shared {
    fn world(&self, bell: &Arc<Bell>, publishers: Publishers) -> World {
        let runtime = self.runtime.clone();
        let dtls = self.dtls.clone();
        let gauge = self.gauge.clone();
        World::new(
            runtime,
            dtls,
            Arc::clone(bell),
            publishers,
            self.policy,
            gauge,
            Arc::clone(&self.relayed),
        )
    }

    fn turn(&self, bell: Arc<Bell>) -> Turn {
        let sockets = Arc::clone(&self.sockets);
        Turn::new(sockets, bell, self.events.clone(), self.clock.now())
    }

    /// Starts a worker beside the ingress thread.
    fn start_worker(
        &self,
        number: usize,
    ) -> Result<(Link, std::thread::JoinHandle<()>, Arc<WorldFigures>), MediaStartError> {
        let failed = |source: io::Error| MediaStartError::Other {
            doing: "start a media worker",
            source: Box::new(source),
        };
        let poll = Poll::new().map_err(failed)?;
        let bell = Arc::new(Bell::new(&poll).map_err(failed)?);
        let (link, inbox) = Link::new(Arc::clone(&bell));
        let world = self.world(&bell, Publishers::Elsewhere);
        let figures = Arc::clone(&world.figures);
        let worker = WorkerThread {
            poll,
            inbox,
            notes: self.notes.clone(),
            ingress: Arc::clone(&self.ingress),
            world,
            turn: self.turn(bell),
            clock: self.clock,
        };
        let thread = spawn(&format!("media-{number}"), move || worker.run())?;
        Ok((link, thread, figures))
    }
}

fn spawn(
    name: &str,
    run: impl FnOnce() + Send + 'static,
) -> Result<std::thread::JoinHandle<()>, MediaStartError> {
    std::thread::Builder::new()
        .name(name.into())
        .spawn(run)
        .map_err(|e| MediaStartError::Other {
            doing: "start a media thread",
            source: Box::new(e),
        })
}

fn start_error(port: u16, source: io::Error) -> MediaStartError {
    match source.kind() {
        io::ErrorKind::AddrInUse => MediaStartError::PortInUse { port },
        io::ErrorKind::PermissionDenied => MediaStartError::PortForbidden { port },
        _ => MediaStartError::Socket { port, source },
    }
}

/// Whether the port could be had now, and whether for IPv6 as well. It is let go again.
pub(crate) fn try_port(port: u16) -> Result<bool, MediaStartError> {
    UdpPort::open(port)
        .map(|opened| opened.has_v6())
        .map_err(|e| start_error(port, e))
}
