//! What recording costs and loses.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Counted since the start; read by whoever asks.
#[derive(Debug, Default)]
pub struct RecordFigures {
    pub(crate) records: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) writes: AtomicU64,
    pub(crate) syncs: AtomicU64,
    pub(crate) lost_queue: AtomicU64,
    pub(crate) lost_storage: AtomicU64,
    pub(crate) failing: AtomicBool,
}

impl RecordFigures {
    /// Entries written.
    pub fn records(&self) -> u64 {
        self.records.load(Ordering::Relaxed)
    }

    /// Bytes written.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Calls by which they were.
    pub fn writes(&self) -> u64 {
        self.writes.load(Ordering::Relaxed)
    }

    /// Times that the disk itself was waited for.
    pub fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::Relaxed)
    }

    /// Entries that found the queue full.
    pub fn lost_in_queue(&self) -> u64 {
        self.lost_queue.load(Ordering::Relaxed)
    }

    /// Entries that the disk did not take.
    pub fn lost_by_storage(&self) -> u64 {
        self.lost_storage.load(Ordering::Relaxed)
    }

    /// Whether nothing can be written now.
    pub fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
    }
}

pub(crate) fn add(count: &AtomicU64, more: u64) {
    count.fetch_add(more, Ordering::Relaxed);
}
