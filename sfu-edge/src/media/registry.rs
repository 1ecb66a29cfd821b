//! Every session's key, and what the ingress thread knows of it.

use std::net::SocketAddr;

use transom_rtc_proto::time::Instant;

use super::api::{SessionId, StreamKey};

/// One session, whichever worker has its peer.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) session: SessionId,
    pub(super) stream: StreamKey,
    /// Which worker has the peer; 0 is the ingress thread itself.
    pub(super) worker: usize,
    pub(super) subscribes: bool,
    /// Our username fragment, by which it is found.
    pub(super) ufrag: Box<str>,
    /// Addresses it is found by.
    pub(super) addresses: Vec<SocketAddr>,
    /// When something genuine of it was taken last.
    pub(super) heard: Instant,
    /// Datagrams passed on to its worker in the turn of this time.
    pub(super) passed: (Instant, u32),
}

/// Datagrams of one peer that are passed on in one turn: a subscriber sends a
/// few reports and checks a second. Its neighbours' must find room too.
const PASSED_A_TURN: u32 = 16;

impl Entry {
    /// Whether one more datagram is passed on to the worker.
    pub(super) fn may_pass(&mut self, now: Instant) -> bool {
        if self.passed.0 != now {
            self.passed = (now, 0);
        }
        self.passed.1 += 1;
        self.passed.1 <= PASSED_A_TURN
    }
}

/// Sessions by key. A key names one peer on all workers; it is given again
/// after the worker has said that its peer is gone.
#[derive(Debug, Default)]
pub(super) struct Registry {
    entries: Vec<Option<Entry>>,
    free: Vec<u32>,
}

impl Registry {
    pub(super) fn insert(&mut self, entry: Entry) -> u32 {
        if let Some(key) = self.free.pop() {
            self.entries[key as usize] = Some(entry);
            return key;
        }
        let key = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        self.entries.push(Some(entry));
        key
    }

    pub(super) fn remove(&mut self, key: u32) -> Option<Entry> {
        let entry = self.entries.get_mut(key as usize)?.take()?;
        self.free.push(key);
        Some(entry)
    }

    pub(super) fn get(&self, key: u32) -> Option<&Entry> {
        self.entries.get(key as usize)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, key: u32) -> Option<&mut Entry> {
        self.entries.get_mut(key as usize)?.as_mut()
    }

    pub(super) fn find(&self, session: SessionId) -> Option<u32> {
        let is_it = |e: &Option<Entry>| e.as_ref().is_some_and(|e| e.session == session);
        let at = self.entries.iter().position(is_it)?;
        u32::try_from(at).ok()
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }
}
