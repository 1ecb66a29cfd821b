//! The media thread: one loop over one port.

use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use tokio::sync::mpsc::Sender;
use transom_rtc_proto::ice::Path;
use transom_rtc_proto::time::Instant;
use transom_rtc_udp::{RecvBatch, UdpSocket};

use super::api::{MediaCommand, MediaEvent};
use super::clock::Clock;
use super::egress::Egress;
use super::mailbox::Bell;
use super::world::World;

const SOCKET: Token = Token(0);

/// Messages taken from the kernel in one call.
const RECEIVE: usize = 32;

/// Calls before others get a turn: a flood on the port must not keep commands
/// and timers waiting.
const RECEIVES_A_TURN: usize = 8;

/// How often figures are written for the control plane.
const FIGURES_EVERY: Duration = Duration::from_secs(1);

/// How long goodbyes may take at the end.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// What the loop owns.
pub(super) struct MediaThread {
    pub(super) poll: Poll,
    pub(super) socket: UdpSocket,
    pub(super) bell: Arc<Bell>,
    pub(super) commands: Receiver<MediaCommand>,
    pub(super) events: Sender<MediaEvent>,
    pub(super) world: World,
    pub(super) clock: Clock,
}

impl MediaThread {
    /// Makes `socket` wake `poll`.
    pub(super) fn register(poll: &Poll, socket: &UdpSocket) -> io::Result<()> {
        poll.registry().register(
            &mut SourceFd(&socket.as_raw_fd()),
            SOCKET,
            Interest::READABLE,
        )
    }

    /// Runs until told to shut down.
    pub(super) fn run(mut self) {
        let mut ready = Events::with_capacity(8);
        let mut batch = RecvBatch::new(RECEIVE, RecvBatch::GRO_BUFFER);
        let mut dtls = Vec::new();
        let mut figures_at = self.clock.now();
        let mut shutdown: Option<Instant> = None;
        // More is queued than a turn takes: poll without waiting. mio is edge-triggered.
        let mut more = true;
        loop {
            let now = self.clock.now();
            let wait = if more {
                Some(Duration::ZERO)
            } else {
                self.wait(now, figures_at)
            };
            if let Err(error) = self.poll.poll(&mut ready, wait)
                && error.kind() != io::ErrorKind::Interrupted
            {
                tracing::error!(%error, "the media thread cannot wait for its socket and ends");
                return;
            }
            let now = self.clock.now();
            if ready.iter().any(|e| e.token() == SOCKET) || more {
                more = self.receive(now, &mut batch);
            }
            match self.obey(now) {
                Obeyed::Going => {}
                Obeyed::Shutdown => {
                    shutdown.get_or_insert(now + LAST_WORDS);
                }
            }
            self.bell.take_dtls(&mut dtls);
            for key in dtls.drain(..) {
                self.world.handle_dtls(now, key);
            }
            self.world.handle_timeouts(now);
            self.send(now);
            if now >= figures_at {
                self.world.write_figures(now);
                figures_at = now + FIGURES_EVERY;
            }
            if shutdown.is_some_and(|at| at <= now || !self.world.has_farewells()) {
                return;
            }
        }
    }

    /// How long nothing will be due. An SFU without peers sleeps.
    fn wait(&mut self, now: Instant, figures_at: Instant) -> Option<Duration> {
        let figures = self.world.has_peers().then_some(figures_at);
        let next = self.world.next_timeout().into_iter().chain(figures).min()?;
        // Rounded up: epoll counts milliseconds, and waking early means waking twice.
        Some(next.since(now) + Duration::from_micros(200))
    }

    /// Takes what is queued on the port; whether there may be more.
    fn receive(&mut self, now: Instant, batch: &mut RecvBatch) -> bool {
        for _ in 0..RECEIVES_A_TURN {
            match self.socket.recv(batch) {
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return false,
                Err(error) => {
                    tracing::debug!(%error, "receive failed");
                    return false;
                }
            }
            for datagram in batch.datagrams() {
                let path = Path {
                    local: datagram.local,
                    remote: datagram.remote,
                };
                self.world.handle_datagram(now, path, datagram.payload);
            }
            let (world, socket) = (&mut self.world, &self.socket);
            world.fan_out(now, |egress| flush(egress, socket));
            flush(&mut self.world.egress, &self.socket);
        }
        true
    }

    fn obey(&mut self, now: Instant) -> Obeyed {
        loop {
            match self.commands.try_recv() {
                Ok(MediaCommand::AddPublisher(setup)) => self.world.add_publisher(now, *setup),
                Ok(MediaCommand::AddSubscriber(setup)) => self.world.add_subscriber(now, *setup),
                Ok(MediaCommand::Remove { session, reason }) => {
                    tracing::debug!(%session, ?reason, "removed");
                    self.world.remove(now, session);
                }
                Ok(MediaCommand::ForgetStream { stream }) => self.world.forget_stream(stream),
                Err(TryRecvError::Empty) => return Obeyed::Going,
                Ok(MediaCommand::Shutdown) | Err(TryRecvError::Disconnected) => {
                    self.world.close_all(now);
                    return Obeyed::Shutdown;
                }
            }
        }
    }

    fn send(&mut self, now: Instant) {
        let (world, socket) = (&mut self.world, &self.socket);
        world.drain(now, |egress| flush(egress, socket));
        flush(&mut self.world.egress, &self.socket);
        for event in self.world.events.drain(..) {
            // A full queue drops the event: the control plane sweeps over the states.
            let _ = self.events.try_send(event);
        }
    }
}

enum Obeyed {
    Going,
    Shutdown,
}

fn flush(egress: &mut Egress, socket: &UdpSocket) {
    if let Err(error) = egress.flush(socket) {
        tracing::debug!(%error, "send failed");
    }
    let dropped = egress.take_dropped();
    if dropped > 0 {
        tracing::debug!(dropped, "the socket was full");
    }
}
