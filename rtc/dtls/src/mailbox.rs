//! What lies between a caller's thread and the DTLS task: two bounded queues, and,
//! once the task has shaken hands, the connection itself.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use transom_rtc_proto::port::{DtlsAction, DtlsEvent, DtlsRole};

use crate::established::{Established, Next};

/// Datagrams that wait for the task; more are dropped, as a network would.
const MAX_DATAGRAMS_IN: usize = 64;
/// Datagrams that wait for the caller; more are dropped.
const MAX_DATAGRAMS_OUT: usize = 256;
/// Application data that waits for the caller; more is dropped.
const MAX_RECEIVED: usize = 256;

/// What one neighbour dropped, and why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DtlsStats {
    /// Datagrams or application data refused because a queue was full, or because
    /// they were too long or too early to be sent.
    pub queue_full: u64,
    /// Records refused: malformed, out of place, over a cap, not authentic, or seen
    /// before (a network that duplicates datagrams counts here too).
    pub records_refused: u64,
    /// Handshake bytes that the guard let count.
    pub handshake_bytes: u64,
    /// Panics caught below the port.
    pub panics: u64,
}

/// What the task takes from the caller, in this order of urgency.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Input {
    Close,
    Datagram(Vec<u8>),
}

/// Both queues, the counters and the bell.
pub(crate) struct Mailbox {
    state: Mutex<State>,
    bell: Notify,
    wake: Arc<dyn Fn() + Send + Sync>,
}

#[derive(Default)]
struct State {
    role: Option<DtlsRole>,
    close: bool,
    finished: bool,
    datagrams: VecDeque<Vec<u8>>,
    out: Outbox,
    stats: DtlsStats,
    /// From the end of the handshake to the end of the connection.
    established: Option<Box<Established>>,
}

/// Events that wait for the caller.
#[derive(Default)]
pub(crate) struct Outbox {
    events: VecDeque<DtlsEvent>,
    datagrams: usize,
    received: usize,
}

impl Outbox {
    /// A full queue drops the newest datagram or application data; what changes
    /// the core's state never drops.
    pub(crate) fn put(&mut self, event: DtlsEvent, stats: &mut DtlsStats) {
        let waiting = match event {
            DtlsEvent::Datagram(_) if self.datagrams < MAX_DATAGRAMS_OUT => &mut self.datagrams,
            DtlsEvent::Received(_) if self.received < MAX_RECEIVED => &mut self.received,
            DtlsEvent::Datagram(_) | DtlsEvent::Received(_) => {
                stats.queue_full += 1;
                return;
            }
            _ => &mut 0,
        };
        *waiting += 1;
        self.events.push_back(event);
    }

    pub(crate) fn take(&mut self) -> Option<DtlsEvent> {
        let event = self.events.pop_front()?;
        match event {
            DtlsEvent::Datagram(_) => self.datagrams -= 1,
            DtlsEvent::Received(_) => self.received -= 1,
            _ => {}
        }
        Some(event)
    }
}

impl State {
    /// Does what the connection is asked. Its end is the end of everything.
    fn carry_on(&mut self, action: DtlsAction) {
        let Some(established) = &mut self.established else {
            return;
        };
        let next = established.handle_action(action, &mut self.out, &mut self.stats);
        if next == Next::Over {
            self.finish();
        }
    }

    fn finish(&mut self) {
        self.finished = true;
        self.established = None;
        self.datagrams = VecDeque::new();
    }
}

impl Mailbox {
    pub(crate) fn new(wake: Arc<dyn Fn() + Send + Sync>) -> Self {
        Self {
            state: Mutex::default(),
            bell: Notify::new(),
            wake,
        }
    }

    /// Caller's side. A full queue drops the newest; `Start` and `Close` never drop.
    pub(crate) fn put_action(&self, action: DtlsAction) {
        {
            let mut state = self.lock();
            if state.finished {
                return;
            }
            if state.established.is_some() {
                // What comes of it waits already: the caller is here and need not be woken.
                return state.carry_on(action);
            }
            match action {
                DtlsAction::Start(role) => state.role = state.role.or(Some(role)),
                DtlsAction::Close => state.close = true,
                DtlsAction::Datagram(datagram) if state.datagrams.len() < MAX_DATAGRAMS_IN => {
                    state.datagrams.push_back(datagram);
                }
                // The queue is full, or there is no connection yet to send by.
                DtlsAction::Datagram(_) | DtlsAction::Send(_) => {
                    state.stats.queue_full += 1;
                    return;
                }
            }
        }
        self.bell.notify_one();
    }

    /// Caller's side.
    pub(crate) fn take_event(&self) -> Option<DtlsEvent> {
        self.lock().out.take()
    }

    /// Caller's side.
    pub(crate) fn stats(&self) -> DtlsStats {
        self.lock().stats
    }

    /// Caller's side: whether all has ended, handshake or connection.
    pub(crate) fn is_finished(&self) -> bool {
        self.lock().finished
    }

    /// Task's side. Waits for the role; `None` when the caller closed first.
    pub(crate) async fn role(&self) -> Option<DtlsRole> {
        loop {
            {
                let state = self.lock();
                if state.close {
                    return None;
                }
                if state.role.is_some() {
                    return state.role;
                }
            }
            self.bell.notified().await;
        }
    }

    /// Task's side. Cancel safe: an input is taken only when it is returned.
    pub(crate) async fn input(&self) -> Input {
        loop {
            {
                let mut state = self.lock();
                if state.close {
                    return Input::Close;
                }
                if let Some(datagram) = state.datagrams.pop_front() {
                    return Input::Datagram(datagram);
                }
            }
            self.bell.notified().await;
        }
    }

    /// Task's side.
    pub(crate) fn put_event(&self, event: DtlsEvent) {
        let mut state = self.lock();
        let State { out, stats, .. } = &mut *state;
        out.put(event, stats);
        drop(state);
        (self.wake)();
    }

    /// Task's side: the handshake is complete, the task is done, and the
    /// connection the caller's. First of all it has what came `early`, then
    /// what waited for the task.
    pub(crate) fn establish(
        &self,
        established: Established,
        connected: DtlsEvent,
        early: Vec<Vec<u8>>,
    ) {
        let mut state = self.lock();
        let State { out, stats, .. } = &mut *state;
        out.put(connected, stats);
        state.established = Some(Box::new(established));
        let waiting = std::mem::take(&mut state.datagrams);
        for datagram in early.into_iter().chain(waiting) {
            state.carry_on(DtlsAction::Datagram(datagram));
        }
        if state.close {
            state.carry_on(DtlsAction::Close);
        }
        drop(state);
        (self.wake)();
    }

    /// Task's side.
    pub(crate) fn count(&self, add: impl FnOnce(&mut DtlsStats)) {
        add(&mut self.lock().stats);
    }

    /// Task's side: nothing more will come.
    pub(crate) fn finish(&self) {
        self.lock().finish();
        (self.wake)();
    }

    /// No code panics while it holds the lock; were it to, the counters are still good.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
