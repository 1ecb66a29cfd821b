//! The two bounded queues between a caller's thread and the DTLS task.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use transom_rtc_proto::port::{DtlsAction, DtlsEvent, DtlsRole};

/// Datagrams that wait for the task; more are dropped, as a network would.
const MAX_DATAGRAMS_IN: usize = 64;
/// Application data that waits to be sent; more is dropped (SCTP retransmits).
const MAX_SENDS: usize = 256;
/// Datagrams that wait for the caller; more are dropped.
const MAX_DATAGRAMS_OUT: usize = 256;
/// Application data that waits for the caller; more is dropped.
const MAX_RECEIVED: usize = 256;

/// What one neighbour dropped, and why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DtlsStats {
    /// Datagrams or application data refused because a queue was full.
    pub queue_full: u64,
    /// Records that the guard refused: malformed, out of place or over a cap.
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
    Send(Vec<u8>),
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
    inputs: VecDeque<Input>,
    datagrams_in: usize,
    sends: usize,
    events: VecDeque<DtlsEvent>,
    datagrams_out: usize,
    received: usize,
    stats: DtlsStats,
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
            match action {
                DtlsAction::Start(role) => state.role = state.role.or(Some(role)),
                DtlsAction::Close => state.close = true,
                DtlsAction::Datagram(_) if state.datagrams_in >= MAX_DATAGRAMS_IN => {
                    state.stats.queue_full += 1;
                    return;
                }
                DtlsAction::Datagram(datagram) => {
                    state.datagrams_in += 1;
                    state.inputs.push_back(Input::Datagram(datagram));
                }
                DtlsAction::Send(_) if state.sends >= MAX_SENDS => {
                    state.stats.queue_full += 1;
                    return;
                }
                DtlsAction::Send(data) => {
                    state.sends += 1;
                    state.inputs.push_back(Input::Send(data));
                }
            }
        }
        self.bell.notify_one();
    }

    /// Caller's side.
    pub(crate) fn take_event(&self) -> Option<DtlsEvent> {
        let mut state = self.lock();
        let event = state.events.pop_front()?;
        match event {
            DtlsEvent::Datagram(_) => state.datagrams_out -= 1,
            DtlsEvent::Received(_) => state.received -= 1,
            _ => {}
        }
        Some(event)
    }

    /// Caller's side.
    pub(crate) fn stats(&self) -> DtlsStats {
        self.lock().stats
    }

    /// Caller's side: whether the task has ended.
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
                if state.close && state.sends == 0 {
                    return Input::Close;
                }
                if let Some(input) = state.inputs.pop_front() {
                    match input {
                        Input::Datagram(_) => state.datagrams_in -= 1,
                        Input::Send(_) => state.sends -= 1,
                        Input::Close => {}
                    }
                    return input;
                }
            }
            self.bell.notified().await;
        }
    }

    /// Task's side. A full queue drops the newest datagram or application
    /// data; what changes the core's state never drops.
    pub(crate) fn put_event(&self, event: DtlsEvent) {
        {
            let mut state = self.lock();
            match event {
                DtlsEvent::Datagram(_) if state.datagrams_out >= MAX_DATAGRAMS_OUT => {
                    state.stats.queue_full += 1;
                    return;
                }
                DtlsEvent::Received(_) if state.received >= MAX_RECEIVED => {
                    state.stats.queue_full += 1;
                    return;
                }
                DtlsEvent::Datagram(_) => state.datagrams_out += 1,
                DtlsEvent::Received(_) => state.received += 1,
                _ => {}
            }
            state.events.push_back(event);
        }
        (self.wake)();
    }

    /// Task's side.
    pub(crate) fn count(&self, add: impl FnOnce(&mut DtlsStats)) {
        add(&mut self.lock().stats);
    }

    /// Task's side: nothing more will come.
    pub(crate) fn finish(&self) {
        {
            let mut state = self.lock();
            state.finished = true;
            state.inputs = VecDeque::new();
            state.datagrams_in = 0;
            state.sends = 0;
        }
        (self.wake)();
    }

    /// No code panics while it holds the lock; were it to, the counters are still good.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
