use std::io;

use transom_rtc_proto::peer::Peer;
use transom_rtc_proto::time::Instant;
use transom_rtc_udp::{MAX_GSO_SEGMENTS, Transmit};

use crate::Socket;

/// Transmits that are collected before they leave.
const MAX_TRANSMITS: usize = 64;

/// Bytes that are collected before they leave.
const MAX_BYTES: usize = 256 * 1024;

/// What is on its way from the peer to the socket. Bounded: while it holds
/// anything, the peer is not polled.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    contents: Vec<u8>,
    transmits: Vec<Transmit>,
    /// How many of them have left.
    sent: usize,
}

impl Outbox {
    /// Whether something waits for the socket to have room.
    pub(super) const fn is_waiting(&self) -> bool {
        self.sent < self.transmits.len()
    }

    /// Sends what waits, then what `peer` has, until nothing is left or the
    /// socket is full.
    pub(super) fn pump(
        &mut self,
        now: Instant,
        peer: &mut Peer,
        socket: &Socket,
    ) -> io::Result<()> {
        while self.flush(socket)? && self.fill(now, peer) {}
        Ok(())
    }

    /// Returns whether everything has left.
    fn flush(&mut self, socket: &Socket) -> io::Result<bool> {
        while self.is_waiting() {
            let rest = self.transmits.get_mut(self.sent..).unwrap_or_default();
            match socket.try_send(rest, &self.contents) {
                Ok(0) => return Ok(false),
                Ok(taken) => self.sent += taken,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(e) => return Err(e),
            }
        }
        Ok(true)
    }

    /// Collects what the peer has. Returns whether there was anything.
    fn fill(&mut self, now: Instant, peer: &mut Peer) -> bool {
        self.contents.clear();
        self.transmits.clear();
        self.sent = 0;
        while self.transmits.len() < MAX_TRANSMITS && self.contents.len() < MAX_BYTES {
            let start = self.contents.len();
            let polled = peer.poll_transmit(now, &mut self.contents, MAX_GSO_SEGMENTS);
            let Some(transmit) = polled else {
                break;
            };
            self.transmits.push(Transmit {
                local: transmit.path.local,
                remote: transmit.path.remote,
                range: start..start + transmit.len,
                segment_size: transmit.segment_size,
            });
        }
        !self.transmits.is_empty()
    }
}
