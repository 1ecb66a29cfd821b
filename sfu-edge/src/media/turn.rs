//! What every media thread does in each turn of its loop.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::Sender;
use transom_rtc_proto::time::Instant;

use super::api::MediaEvent;
use super::egress::Egress;
use super::mailbox::Bell;
use super::totals::Count;
use super::udp_port::UdpPort;
use super::world::World;

/// How often figures are written for the control plane.
const FIGURES_EVERY: Duration = Duration::from_secs(1);

/// How long goodbyes may take at the end.
pub(super) const LAST_WORDS: Duration = Duration::from_millis(500);

/// A world's ways out, and what its thread keeps between turns.
pub(super) struct Turn {
    /// Shared: all workers send from the one port.
    pub(super) sockets: Arc<UdpPort>,
    pub(super) bell: Arc<Bell>,
    pub(super) events: Sender<MediaEvent>,
    dtls: Vec<u32>,
    figures_at: Instant,
    /// Batches and datagrams that other workers were too late for since the
    /// figures were written.
    pub(super) late: u64,
}

impl Turn {
    pub(super) fn new(
        sockets: Arc<UdpPort>,
        bell: Arc<Bell>,
        events: Sender<MediaEvent>,
        now: Instant,
    ) -> Self {
        Self {
            sockets,
            bell,
            events,
            dtls: Vec::new(),
            figures_at: now,
            late: 0,
        }
    }

    /// How long nothing will be due. A world without peers sleeps, once it has
    /// told its last figures.
    pub(super) fn wait(&self, now: Instant, world: &mut World) -> Option<Duration> {
        if world.is_dirty() {
            return Some(Duration::ZERO);
        }
        let figures = world.has_figures().then_some(self.figures_at);
        let next = world.next_timeout().into_iter().chain(figures).min()?;
        // Rounded up: epoll counts milliseconds, and waking early means waking twice.
        Some(next.since(now) + Duration::from_micros(200))
    }

    /// Does what is due, and sends what there is to send.
    pub(super) fn finish(&mut self, now: Instant, world: &mut World) {
        let sockets = Arc::clone(&self.sockets);
        self.work(now, world, |egress| flush(egress, &sockets));
        flush(&mut world.egress, &sockets);
        for event in world.events.drain(..) {
            // A full queue drops the event: the control plane sweeps over the states.
            let _ = self.events.try_send(event);
        }
        if now >= self.figures_at {
            self.tell_losses(world);
            world.write_figures(now);
            self.figures_at = now + FIGURES_EVERY;
        }
    }

    /// Does what is due; `flush` is called when enough is collected to be sent.
    pub(super) fn work(&mut self, now: Instant, world: &mut World, flush: impl FnMut(&mut Egress)) {
        self.bell.take_dtls(&mut self.dtls);
        for key in self.dtls.drain(..) {
            world.handle_dtls(now, key);
        }
        world.handle_timeouts(now);
        world.drain(now, flush);
    }

    /// Once a second, so that a flood of losses is no flood of lines.
    fn tell_losses(&mut self, world: &mut World) {
        let full = world.egress.take_dropped();
        if full > 0 {
            tracing::warn!(
                datagrams = full,
                "the socket was full: more is sent than the network takes"
            );
        }
        let messages = world.gauge.take_dropped();
        if messages > 0 {
            tracing::warn!(messages, "more came on data channels than can be read");
        }
        let late = std::mem::take(&mut self.late);
        if late > 0 {
            tracing::warn!(late, "media workers are late: the processor is full");
        }
        world.counts.add(Count::SocketFull, full);
        world.counts.add(Count::ChannelMessagesLost, messages);
        world.counts.add(Count::WorkerLate, late);
    }
}

/// Sends what is collected.
pub(super) fn flush(egress: &mut Egress, sockets: &UdpPort) {
    if let Err(error) = egress.flush(sockets) {
        tracing::debug!(%error, "send failed");
    }
}
