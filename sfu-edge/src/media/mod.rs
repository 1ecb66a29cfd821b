//! The media thread: it owns the UDP port and every peer.
//!
//! A turn of its loop takes what is queued on the port in one call, hands each
//! datagram to its peer, fans fresh media out to the subscribers, and sends
//! what was collected. Batches form only from what is already queued: nothing
//! waits for company.

pub mod api;
mod catch_up;
mod clock;
mod demux;
mod egress;
mod farewells;
mod figures;
mod forward;
mod mailbox;
mod peers;
mod published;
mod rate;
mod seq_map;
mod stream;
mod subscription;
mod thread;
mod timers;
mod world;

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use api::{Media, MediaConfig, MediaStartError};
use clock::Clock;
use mailbox::{Bell, mailbox};
use mio::Poll;
use thread::MediaThread;
use transom_rtc_dtls::{Certificate, DtlsConfig};
use transom_rtc_proto::sdp::{Fingerprint, HashAlgorithm};
use transom_rtc_srtp::Preference;
use transom_rtc_udp::{SocketConfig, UdpSocket};
use world::World;

/// Opens the port and starts the thread. DTLS handshakes run on `runtime`.
pub fn start(
    config: MediaConfig,
    runtime: tokio::runtime::Handle,
) -> Result<Media, MediaStartError> {
    let (socket, ipv6) = open(config.udp_port)?;
    let port = config.udp_port;
    let failed = |source| MediaStartError::Socket { port, source };
    let udp = socket.local_addr();
    let certificate = Certificate::generate().map_err(|e| MediaStartError::Other {
        doing: "make a DTLS certificate",
        source: Box::new(e),
    })?;
    let fingerprint = Fingerprint::of(HashAlgorithm::Sha256, certificate.der());
    let poll = Poll::new().map_err(failed)?;
    MediaThread::register(&poll, &socket).map_err(failed)?;
    let bell = Arc::new(Bell::new(&poll).map_err(failed)?);
    let (sender, commands) = mailbox(config.queue, Arc::clone(&bell));
    let (events, receiver) = tokio::sync::mpsc::channel(config.queue.max(1));
    let srtp = Preference::of_this_machine();
    tracing::info!("SRTP: {srtp}");
    let mut dtls = DtlsConfig::new(certificate);
    dtls.profiles = srtp.profiles.to_vec();
    let world = World::new(runtime, dtls, Arc::clone(&bell), config.max_sessions);
    let media = MediaThread {
        poll,
        socket,
        bell,
        commands,
        events,
        world,
        clock: Clock::start(),
    };
    let thread = std::thread::Builder::new()
        .name("media".into())
        .spawn(move || media.run())
        .map_err(|e| MediaStartError::Other {
            doing: "start the media thread",
            source: Box::new(e),
        })?;
    Ok(Media {
        port: Arc::new(sender),
        events: receiver,
        udp,
        fingerprint,
        ipv6,
        thread,
    })
}

/// Both families on one socket, or IPv4 alone where the system has no IPv6.
fn open(port: u16) -> Result<(UdpSocket, bool), MediaStartError> {
    let config = SocketConfig::default();
    let both = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
    let v4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
    match UdpSocket::bind(both, &config) {
        Ok(socket) => Ok((socket, true)),
        Err(e) if e.kind() == io::ErrorKind::AddrInUse => Err(start_error(port, e)),
        Err(_) => {
            let socket = UdpSocket::bind(v4, &config).map_err(|e| start_error(port, e))?;
            Ok((socket, false))
        }
    }
}

fn start_error(port: u16, source: io::Error) -> MediaStartError {
    match source.kind() {
        io::ErrorKind::AddrInUse => MediaStartError::PortInUse { port },
        io::ErrorKind::PermissionDenied => MediaStartError::PortForbidden { port },
        _ => MediaStartError::Socket { port, source },
    }
}
