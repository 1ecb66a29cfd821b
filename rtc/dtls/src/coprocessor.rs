use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use transom_rtc_proto::peer::Peer;
use transom_rtc_proto::port::{DtlsAction, DtlsEvent};
use transom_rtc_proto::time::Instant;

use crate::config::DtlsConfig;
use crate::mailbox::{DtlsStats, Mailbox};
use crate::session;

/// One peer's DTLS neighbour: the handle to the task of its handshake, and then
/// the connection.
///
/// Once [`DtlsEvent::Connected`] was put, what an action brings about is there
/// when [`handle_action`](Self::handle_action) returns, and nobody is woken for it:
/// poll events after actions.
///
/// Nothing here blocks or needs a runtime context. Queues are bounded: of
/// datagrams and application data the newest is dropped when its queue is full
/// and counted in [`DtlsStats::queue_full`]; `Start`, `Close`, `Connected`,
/// `Failed` and `Closed` are never dropped.
///
/// After [`DtlsAction::Close`] keep polling until [`is_finished`](Self::is_finished),
/// so that close_notify leaves. Dropping the handle frees everything at once,
/// without close_notify.
pub struct Dtls {
    mailbox: Arc<Mailbox>,
    task: AbortHandle,
}

impl Dtls {
    /// Spawns the neighbour's task on `handle`, whose runtime must have its
    /// timer enabled. The task waits for [`DtlsAction::Start`].
    ///
    /// `wake` is called, from any thread, after the task queued events and once
    /// when it ends. It must not block and must not call into this
    /// `Dtls` while it holds a lock of its own.
    pub fn spawn(handle: &Handle, config: DtlsConfig, wake: Arc<dyn Fn() + Send + Sync>) -> Self {
        let mailbox = Arc::new(Mailbox::new(wake));
        let task = handle.spawn(session::run(Arc::clone(&mailbox), config));
        Self {
            mailbox,
            task: task.abort_handle(),
        }
    }

    /// Hands the neighbour an action of the core. Returns at once.
    pub fn handle_action(&self, action: DtlsAction) {
        self.mailbox.put_action(action);
    }

    /// The next event for the core.
    pub fn poll_event(&self) -> Option<DtlsEvent> {
        self.mailbox.take_event()
    }

    /// Moves what the core and its neighbour have to say to each other, until
    /// neither has more, and tells whether there was anything. What it then has
    /// for the network is to be had by [`Peer::poll_transmit`].
    pub fn exchange(&self, now: Instant, peer: &mut Peer) -> bool {
        let mut moved = false;
        loop {
            while let Some(event) = self.poll_event() {
                peer.handle_dtls(now, event);
                moved = true;
            }
            let Some(action) = peer.poll_dtls(now) else {
                return moved;
            };
            self.handle_action(action);
            moved = true;
        }
    }

    /// Whether all has ended: after `Close`, `Failed` or `Closed`. Events
    /// may still wait.
    pub fn is_finished(&self) -> bool {
        self.mailbox.is_finished()
    }

    /// What was dropped so far.
    pub fn stats(&self) -> DtlsStats {
        self.mailbox.stats()
    }
}

impl Drop for Dtls {
    fn drop(&mut self) {
        self.task.abort();
    }
}
