//! A peer with its socket and its DTLS neighbour.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use transom_rtc_dtls::{Certificate, Dtls, DtlsConfig};
use transom_rtc_proto::ice::{IceRole, Path};
use transom_rtc_proto::peer::{Event, Peer, PeerConfig, SendMode};
use transom_rtc_proto::port::{SrtpFactory, SrtpProfile};
use transom_rtc_proto::time::Instant;
use transom_rtc_udp::{Transmit, UdpSocket};

use crate::call::Link;

/// Datagrams of one peer in one run.
const MAX_SEGMENTS: usize = 64;

/// Longest that a DTLS handshake is waited for.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// What a connection is made of, besides the link.
pub(crate) struct ConnectionConfig {
    /// Shown to the server; its fingerprint stands in the offer.
    pub(crate) certificate: Certificate,
    /// SRTP profiles to offer, best first.
    pub(crate) profiles: Vec<SrtpProfile>,
    /// Makes the SRTP layer.
    pub(crate) srtp: Arc<dyn SrtpFactory>,
    /// Called when the DTLS neighbour has something to say.
    pub(crate) wake: Arc<dyn Fn() + Send + Sync>,
}

/// One end of a session with the server.
pub(crate) struct Connection {
    pub(crate) peer: Peer,
    pub(crate) socket: UdpSocket,
    dtls: Dtls,
    /// Datagrams of the peer's own on their way out.
    buf: Vec<u8>,
    /// Datagrams sent, those of the peer's own and by [`Connection::send`].
    pub(crate) sent: u64,
}

impl Connection {
    /// Begins now; its neighbour's task runs on `runtime`.
    pub(crate) fn new(
        now: Instant,
        runtime: &Handle,
        link: Link,
        config: ConnectionConfig,
    ) -> Self {
        let dtls_config = DtlsConfig {
            profiles: config.profiles,
            ..DtlsConfig::new(config.certificate)
        };
        let peer_config = PeerConfig {
            local_candidates: link.candidates,
            send_mode: SendMode::Forward,
            handshake_timeout: HANDSHAKE,
            ..PeerConfig::new(link.session, IceRole::Controlling, config.srtp)
        };
        Self {
            peer: Peer::new(now, peer_config, link.seed),
            socket: link.socket,
            dtls: Dtls::spawn(runtime, dtls_config, config.wake),
            buf: Vec::new(),
            sent: 0,
        }
    }

    /// Lets everything follow from what has happened until now. Poll the
    /// peer's events afterwards.
    pub(crate) fn settle(&mut self, now: Instant) -> io::Result<()> {
        self.dtls.exchange(now, &mut self.peer);
        if self.peer.poll_timeout().is_some_and(|(at, _)| at <= now) {
            self.peer.handle_timeout(now);
            self.dtls.exchange(now, &mut self.peer);
        }
        loop {
            self.buf.clear();
            let sent = self.peer.poll_transmit(now, &mut self.buf, MAX_SEGMENTS);
            let Some(sent) = sent else { break };
            send(&self.socket, sent.path, &self.buf, sent.segment_size)?;
            let size = sent.segment_size.unwrap_or(self.buf.len()).max(1);
            self.sent += self.buf.len().div_ceil(size) as u64;
        }
        // A handshake under way answers later, and wakes us; nothing else is asked by sending.
        self.dtls.exchange(now, &mut self.peer);
        Ok(())
    }

    /// Sends a datagram that the peer has no part in.
    pub(crate) fn send(&mut self, path: Path, datagram: &[u8]) -> io::Result<()> {
        self.sent += 1;
        send(&self.socket, path, datagram, None)
    }

    /// The next event of the peer.
    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        self.peer.poll_event()
    }

    /// When to settle next, if nothing happens before.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        self.peer.poll_timeout().map(|(at, _)| at)
    }
}

/// Sends one datagram, or several of `segment_size` bytes, in one link. What a
/// full socket does not take is lost, as on any path.
pub(crate) fn send(
    socket: &UdpSocket,
    path: Path,
    bytes: &[u8],
    segment_size: Option<usize>,
) -> io::Result<()> {
    let mut transmit = [Transmit {
        local: path.local,
        remote: path.remote,
        range: 0..bytes.len(),
        segment_size,
    }];
    match socket.send_batch(&mut transmit, bytes) {
        Err(e) if e.kind() != io::ErrorKind::WouldBlock => Err(e),
        _ => Ok(()),
    }
}
