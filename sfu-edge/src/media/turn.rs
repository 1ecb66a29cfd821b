//! What every media thread does in each turn of its loop.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::Sender;
use transom_rtc_proto::time::Instant;
use transom_rtc_udp::UdpSocket;

use super::api::MediaEvent;
use super::egress::Egress;
use super::mailbox::Bell;
use super::world::World;

/// How often figures are written for the control plane.
const FIGURES_EVERY: Duration = Duration::from_secs(1);

/// How long goodbyes may take at the end.
pub(super) const LAST_WORDS: Duration = Duration::from_millis(500);

/// A world's ways out, and what its thread keeps between turns.
pub(super) struct Turn {
    /// Shared: all workers send from the one port.
    pub(super) socket: Arc<UdpSocket>,
    pub(super) bell: Arc<Bell>,
    pub(super) events: Sender<MediaEvent>,
    dtls: Vec<u32>,
    figures_at: Instant,
}

impl Turn {
    pub(super) fn new(
        socket: Arc<UdpSocket>,
        bell: Arc<Bell>,
        events: Sender<MediaEvent>,
        now: Instant,
    ) -> Self {
        Self {
            socket,
            bell,
            events,
            dtls: Vec::new(),
            figures_at: now,
        }
    }

    /// How long nothing will be due. A world without peers sleeps.
    pub(super) fn wait(&self, now: Instant, world: &mut World) -> Option<Duration> {
        let figures = world.has_peers().then_some(self.figures_at);
        let next = world.next_timeout().into_iter().chain(figures).min()?;
        // Rounded up: epoll counts milliseconds, and waking early means waking twice.
        Some(next.since(now) + Duration::from_micros(200))
    }

    /// Does what is due, and sends what there is to send.
    pub(super) fn finish(&mut self, now: Instant, world: &mut World) {
        self.bell.take_dtls(&mut self.dtls);
        for key in self.dtls.drain(..) {
            world.handle_dtls(now, key);
        }
        world.handle_timeouts(now);
        world.drain(now, |egress| flush(egress, &self.socket));
        flush(&mut world.egress, &self.socket);
        for event in world.events.drain(..) {
            // A full queue drops the event: the control plane sweeps over the states.
            let _ = self.events.try_send(event);
        }
        if now >= self.figures_at {
            world.write_figures(now);
            self.figures_at = now + FIGURES_EVERY;
        }
    }
}

/// Sends what is collected.
pub(super) fn flush(egress: &mut Egress, socket: &UdpSocket) {
    if let Err(error) = egress.flush(socket) {
        tracing::debug!(%error, "send failed");
    }
    let dropped = egress.take_dropped();
    if dropped > 0 {
        tracing::debug!(dropped, "the socket was full");
    }
}
