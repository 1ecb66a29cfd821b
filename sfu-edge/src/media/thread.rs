//! The ingress thread: one loop over one port.

use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::thread::JoinHandle;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use transom_rtc_proto::ice::Path;
use transom_rtc_proto::time::Instant;
use transom_rtc_udp::{RecvBatch, UdpSocket};

use super::api::MediaCommand;
use super::clock::Clock;
use super::ingress::Ingress;
use super::link::Note;
use super::mailbox::BELL;
use super::turn::{LAST_WORDS, Turn, flush};
use super::udp_port::UdpPort;

/// Each of the port's sockets has a token of its own, in the port's order.
const SOCKETS: [Token; UdpPort::FAMILIES] = [Token(BELL.0 + 1), Token(BELL.0 + 2)];

/// Messages taken from the kernel in one call.
const RECEIVE: usize = 32;

/// Calls before others get a turn: a flood on the port must not keep commands
/// and timers waiting.
const RECEIVES_A_TURN: usize = 8;

/// What the loop owns.
pub(super) struct MediaThread {
    pub(super) poll: Poll,
    pub(super) commands: Receiver<MediaCommand>,
    /// From the other workers.
    pub(super) notes: Receiver<Note>,
    pub(super) workers: Vec<JoinHandle<()>>,
    pub(super) ingress: Ingress,
    pub(super) turn: Turn,
    pub(super) clock: Clock,
    /// When the last words are over, once the end is ordered.
    pub(super) shutdown: Option<Instant>,
}

impl MediaThread {
    /// Makes `sockets` wake `poll`.
    pub(super) fn register(poll: &Poll, sockets: &UdpPort) -> io::Result<()> {
        sockets
            .sockets()
            .zip(SOCKETS)
            .try_for_each(|(socket, token)| {
                let fd = socket.as_raw_fd();
                let registry = poll.registry();
                registry.register(&mut SourceFd(&fd), token, Interest::READABLE)
            })
    }

    /// Runs until told to shut down; the other workers end with it.
    pub(super) fn run(mut self) {
        self.serve();
        drop(self.ingress); // whoever has not been told is told by this
        for worker in self.workers {
            let _ = worker.join(); // a panic was logged where it happened
        }
    }

    fn serve(&mut self) {
        let mut ready = Events::with_capacity(8);
        let mut batch = RecvBatch::new(RECEIVE, RecvBatch::GRO_BUFFER);
        // More is queued than a turn takes: poll without waiting. mio is edge-triggered.
        let mut more = [true; SOCKETS.len()];
        loop {
            let now = self.clock.now();
            let wait = match more.contains(&true) {
                true => Some(Duration::ZERO),
                false => self.ingress.wait(now, &self.turn),
            };
            if let Err(error) = self.poll.poll(&mut ready, wait)
                && error.kind() != io::ErrorKind::Interrupted
            {
                tracing::error!(%error, "the media thread cannot wait for its socket and ends");
                return;
            }
            let now = self.clock.now();
            for (token, more) in SOCKETS.iter().zip(&mut more) {
                *more |= ready.iter().any(|e| e.token() == *token);
            }
            self.receive(now, &mut more, &mut batch);
            self.catch_up(now);
            let ended = self.ingress.finish(now, &mut self.turn).is_err();
            let shutdown = self.shutdown;
            if shutdown.is_some_and(|at| at <= now || !self.ingress.world.has_farewells()) {
                return;
            }
            if ended && shutdown.is_none() {
                tracing::error!("a media worker has ended, and so does the server");
                return;
            }
        }
    }

    /// Takes what is queued on the sockets that have `more`, and notes which
    /// still have.
    fn receive(&mut self, now: Instant, more: &mut [bool], batch: &mut RecvBatch) {
        let sockets = Arc::clone(&self.turn.sockets);
        for (socket, more) in sockets.sockets().zip(more).filter(|(_, more)| **more) {
            *more = self.receive_from(now, socket, batch);
        }
    }

    /// Takes what is queued on a socket; whether there may be more.
    fn receive_from(&mut self, now: Instant, socket: &UdpSocket, batch: &mut RecvBatch) -> bool {
        for _ in 0..RECEIVES_A_TURN {
            match socket.recv(batch) {
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return false,
                Err(error) => {
                    tracing::debug!(%error, "receive failed");
                    return false;
                }
            }
            self.catch_up(now);
            for datagram in batch.datagrams() {
                let path = Path {
                    local: datagram.local,
                    remote: datagram.remote,
                };
                self.ingress.handle_datagram(now, path, datagram.payload);
            }
            let (ingress, sockets) = (&mut self.ingress, &self.turn.sockets);
            ingress.fan_out(now, |egress| flush(egress, sockets));
            flush(&mut ingress.world.egress, sockets);
            if !batch.is_full() {
                return false; // what comes from here on wakes us
            }
        }
        true
    }

    /// Learns what others have said. Before what came from the network is looked at: who has
    /// its answer by HTTP sends its first check at once, and must be known by then.
    fn catch_up(&mut self, now: Instant) {
        for note in self.notes.try_iter() {
            self.ingress.handle_note(now, note);
        }
        let ingress = &mut self.ingress;
        loop {
            match self.commands.try_recv() {
                Ok(MediaCommand::AddPublisher(setup)) => ingress.add_publisher(now, *setup),
                Ok(MediaCommand::AddSubscriber(setup)) => ingress.add_subscriber(now, *setup),
                Ok(MediaCommand::Remove { session, reason }) => {
                    tracing::debug!(%session, ?reason, "removed");
                    ingress.remove(now, session);
                }
                Ok(MediaCommand::ForgetStream { stream }) => ingress.forget_stream(stream),
                Err(TryRecvError::Empty) => return,
                Ok(MediaCommand::Shutdown) | Err(TryRecvError::Disconnected) => {
                    ingress.close_all(now);
                    self.shutdown.get_or_insert(now + LAST_WORDS);
                    return;
                }
            }
        }
    }
}
