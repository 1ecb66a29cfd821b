use std::sync::atomic::{AtomicU64, Ordering};

/// What a socket has done since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// System calls that brought messages.
    pub recv_calls: u64,
    /// Datagrams handed to the caller.
    pub received: u64,
    /// Messages that did not fit their receive buffer, dropped.
    pub truncated: u64,
    /// System calls that sent messages.
    pub send_calls: u64,
    /// Datagrams that the kernel took.
    pub sent: u64,
    /// Datagrams that the kernel refused (no route, no permission, too long,
    /// source address gone, ...), dropped.
    pub refused: u64,
    /// Transmits with a range or segment size that cannot be, dropped.
    pub malformed: u64,
    /// Transmits that left one datagram at a time because the kernel refused to segment them.
    pub gso_refused: u64,
}

/// The living counterpart of [`Counters`]. Each is a statistic of its own: no ordering among them.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) recv_calls: Tick,
    pub(crate) received: Tick,
    pub(crate) truncated: Tick,
    pub(crate) send_calls: Tick,
    pub(crate) sent: Tick,
    pub(crate) refused: Tick,
    pub(crate) malformed: Tick,
    pub(crate) gso_refused: Tick,
}

impl Tally {
    pub(crate) fn snapshot(&self) -> Counters {
        Counters {
            recv_calls: self.recv_calls.get(),
            received: self.received.get(),
            truncated: self.truncated.get(),
            send_calls: self.send_calls.get(),
            sent: self.sent.get(),
            refused: self.refused.get(),
            malformed: self.malformed.get(),
            gso_refused: self.gso_refused.get(),
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Tick(AtomicU64);

impl Tick {
    pub(crate) fn add(&self, n: usize) {
        if n > 0 {
            self.0.fetch_add(n as u64, Ordering::Relaxed);
        }
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
