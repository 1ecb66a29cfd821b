//! What the data channels hold on to.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, broadcast};
use transom_control::{Channel, StopReason};
use transom_rtc_telemetry::Exposition;

use crate::actuator::{OutputKind, OutputOrder, OutputState};

use super::arrival::Arrival;
use super::figures::ControlFigures;
use super::mailbox::{COMMANDS, Mailbox};
use crate::actuator::clock;
use crate::record::{Journal, LinkChange};

/// Reports that may wait for one that reads: three seconds' worth. The oldest go first.
const REPORTS: usize = 64;

/// A message for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// The data channel that it wants.
    pub channel: Channel,
    /// One whole message.
    pub message: Arc<[u8]>,
}

/// The way to the actuator. Cheap to clone; no method waits.
#[derive(Clone, Debug)]
pub struct ActuatorLink(Arc<Shared>);

#[derive(Debug)]
pub(super) struct Shared {
    mailbox: Mutex<Mailbox>,
    pub(super) more: Notify,
    reports: broadcast::Sender<Outgoing>,
    figures: Mutex<ControlFigures>,
    pub(super) journal: Journal,
}

/// What was lost on the way to the actuator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkCounters {
    /// Messages dropped for want of room: superseded setpoints, floods.
    pub dropped: u64,
    /// Messages too long to be any.
    pub refused: u64,
}

impl ActuatorLink {
    /// Passes on what a data channel brought: one message, whole. Anything may be in it.
    ///
    /// While the actuator is away it is lost; reports, or their absence, tell.
    pub fn send(&self, channel: Channel, message: &[u8]) {
        self.0.mailbox().put(clock(), channel, message);
        self.0.more.notify_one();
    }

    /// The same from a task that turns, and says so to `arrival`.
    pub fn send_found(&self, arrival: &mut Arrival, channel: Channel, message: &[u8]) {
        let now = clock();
        let came = arrival.came(now);
        self.0.mailbox().put_held(now, came, channel, message);
        self.0.more.notify_one();
    }

    /// The task that sends what it finds turns.
    pub fn turn(&self, arrival: &mut Arrival) {
        arrival.turn(clock());
    }

    /// What became of the way to the operator, for the log of what happened.
    pub fn changed(&self, change: LinkChange) {
        self.0.journal.on_link(clock(), change);
    }

    /// The other end closed a control channel in order: stops what moves.
    pub fn operator_left(&self) {
        self.stop(StopReason::PeerClosed);
    }

    /// The session to the server is over, whatever ended it: stops what moves.
    pub fn operator_lost(&self) {
        self.stop(StopReason::LinkLost);
    }

    /// Orders an output: the lock, the light, the chime. What becomes of it is in
    /// [`output`](Self::output) and in the log.
    pub fn order(&self, order: OutputOrder) {
        self.0.mailbox().output(clock(), order);
        self.0.more.notify_one();
    }

    /// What an output is, as far as it was told; `None` before anybody ordered it.
    pub fn output(&self, kind: OutputKind) -> Option<OutputState> {
        self.0.figures().output(kind)
    }

    /// What the device says, from now on.
    pub fn reports(&self) -> Reports {
        Reports {
            receiver: self.0.reports.subscribe(),
            missed: 0,
        }
    }

    /// What was lost.
    pub fn counters(&self) -> LinkCounters {
        let (dropped, refused) = self.0.mailbox().counters();
        LinkCounters { dropped, refused }
    }

    /// Writes how driving goes.
    pub fn write_metrics(&self, to: &mut Exposition) {
        let (commands, (dropped, refused)) = {
            let mailbox = self.0.mailbox();
            (mailbox.commands(), mailbox.counters())
        };
        let mut family = to.counter(
            "transom_agent_control_commands_total",
            "Messages of operators that came by data channels.",
        );
        for (kind, count) in COMMANDS.iter().zip(commands) {
            family.sample(&[("kind", kind)], count);
        }
        to.counter(
            "transom_agent_control_commands_dropped_total",
            "Of those: setpoints that a newer one took the place of, and floods; and besides, what is too long to be any.",
        )
        .sample(&[("reason", "superseded")], dropped)
        .sample(&[("reason", "too_long")], refused);
        self.0.figures().write(to);
        self.0.journal.write_metrics(to);
    }

    pub(super) fn new(journal: Journal) -> Self {
        Self(Arc::new(Shared {
            mailbox: Mutex::default(),
            more: Notify::new(),
            reports: broadcast::channel(REPORTS).0,
            figures: Mutex::default(),
            journal,
        }))
    }

    pub(super) fn stop(&self, reason: StopReason) {
        self.0.mailbox().stop(clock(), reason);
        self.0.more.notify_one();
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.0
    }
}

impl Shared {
    pub(super) fn mailbox(&self) -> MutexGuard<'_, Mailbox> {
        self.mailbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn figures(&self) -> MutexGuard<'_, ControlFigures> {
        self.figures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn publish(&self, channel: Channel, message: &[u8]) {
        let now = clock();
        self.figures().on_report(now, message);
        self.journal.on_report(now, message);
        let message = message.into();
        // Nobody need be there.
        let _ = self.reports.send(Outgoing { channel, message });
    }
}

/// The stream of reports for one reader.
#[derive(Debug)]
pub struct Reports {
    receiver: broadcast::Receiver<Outgoing>,
    missed: u64,
}

impl Reports {
    /// The next report; pending while the actuator is away. `None` when driving has ended for good.
    pub async fn recv(&mut self) -> Option<Outgoing> {
        loop {
            match self.receiver.recv().await {
                Ok(outgoing) => return Some(outgoing),
                Err(broadcast::error::RecvError::Lagged(missed)) => self.missed += missed,
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }

    /// Reports that this reader was too slow for.
    pub fn missed(&self) -> u64 {
        self.missed
    }
}
