//! When what is recorded goes to the disk.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::event::{Boot, Entry, Event, LossReason};
use crate::figures::{RecordFigures, add};
use crate::frame;
use crate::store::{Store, StoreConfig, StoreError};

/// What waits in memory for longer is handed to the kernel, which survives the end of this process.
const WRITE_AFTER_US: u64 = 1_000_000;
/// So much is handed over at once: a page.
const WRITE_BYTES: usize = 4096;
/// Between two that urgent entries ask for: a storm of stops is to wear nothing out.
const SYNC_APART_US: u64 = 1_000_000;
/// Between two tries where the disk refuses; each failure doubles it.
const RETRY_US: (u64, u64) = (1_000_000, 60_000_000);

/// How the log is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriterConfig {
    /// Where.
    pub store: StoreConfig,
    /// The disk itself is waited for when what it lacks is so old.
    pub sync_after: Duration,
    /// Which boot this is.
    pub boot: [u8; 16],
    /// The agent's process id.
    pub pid: u32,
    /// The agent's version.
    pub version: String,
}

/// Writes entries, buffered. Time is an argument: CLOCK_MONOTONIC in microseconds.
///
/// Three steps: what comes waits in memory for a page or a second; the kernel has it then; the disk itself has
/// it after [`WriterConfig::sync_after`], or at once where it is [urgent](Event::is_urgent).
#[derive(Debug)]
pub struct Writer {
    config: WriterConfig,
    figures: Arc<RecordFigures>,
    store: Option<Store>,
    buffer: Vec<u8>,
    /// Entries in it.
    waiting: u64,
    /// When the oldest of them came.
    since: Option<u64>,
    /// When the oldest came that the disk itself lacks.
    unsynced: Option<u64>,
    urgent: bool,
    synced_at: u64,
    next_seq: u64,
    retry_at: u64,
    pause: u64,
    /// Not recorded since the disk refuses.
    lost: u64,
    started: bool,
}

impl Writer {
    /// One that opens its files with the first entry.
    pub fn new(config: WriterConfig, figures: Arc<RecordFigures>) -> Self {
        Self {
            config,
            figures,
            store: None,
            buffer: Vec::with_capacity(2 * WRITE_BYTES),
            waiting: 0,
            since: None,
            unsynced: None,
            urgent: false,
            synced_at: 0,
            next_seq: 1,
            retry_at: 0,
            pause: RETRY_US.0,
            lost: 0,
            started: false,
        }
    }

    /// Takes what happened at `mono_us` and, by the wall clock, at `wall_us`.
    pub fn push(&mut self, now_us: u64, mono_us: u64, wall_us: i64, event: Event) {
        if !self.ready(now_us, mono_us, wall_us) {
            self.lose(1);
            return;
        }
        if self.lost > 0 {
            let count = std::mem::take(&mut self.lost);
            let why = LossReason::Storage;
            self.put(mono_us, wall_us, Event::Lost { why, count });
        }
        self.urgent |= event.is_urgent();
        self.put(mono_us, wall_us, event);
        self.handle_timeout(now_us);
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) at the latest.
    pub fn poll_timeout(&self) -> Option<u64> {
        let write = self.since.map(|since| match self.urgent {
            true => since,
            false => since.saturating_add(WRITE_AFTER_US),
        });
        [write, self.sync_due()].into_iter().flatten().min()
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now_us: u64) {
        let old = |since: u64| since.saturating_add(WRITE_AFTER_US) <= now_us;
        let due = self.buffer.len() >= WRITE_BYTES || self.urgent || self.since.is_some_and(old);
        if due {
            self.write(now_us);
        }
        if self.sync_due().is_some_and(|at| at <= now_us) {
            self.sync(now_us);
        }
    }

    /// Brings all of it to the disk.
    pub fn finish(&mut self, now_us: u64) {
        self.write(now_us);
        self.sync(now_us);
    }

    fn sync_due(&self) -> Option<u64> {
        let unsynced = self.unsynced?;
        let limit = u64::try_from(self.config.sync_after.as_micros()).unwrap_or(u64::MAX);
        Some(match self.urgent {
            true => self.synced_at.saturating_add(SYNC_APART_US),
            false => unsynced.saturating_add(limit),
        })
    }

    /// Whether there is a file to write to; begins the next one where this is full.
    fn ready(&mut self, now_us: u64, mono_us: u64, wall_us: i64) -> bool {
        if let Some(store) = &self.store {
            if !store.is_full(self.buffer.len() + frame::PREFIX + frame::MAX_PAYLOAD) {
                return true;
            }
            self.write(now_us);
            let Some(store) = &mut self.store else {
                return false;
            };
            if let Err(error) = store.rotate() {
                self.fail(now_us, &error);
                return false;
            }
            self.synced(now_us);
            self.begin(mono_us, wall_us, 0);
            return true;
        }
        if now_us < self.retry_at {
            return false;
        }
        match Store::open(self.config.store.clone()) {
            Ok((store, recovered)) => {
                if recovered.cut > 0 {
                    tracing::info!(
                        "record: {} bytes that a crash had torn were cut off the log",
                        recovered.cut
                    );
                }
                if self.figures.failing.swap(false, Ordering::Relaxed) {
                    tracing::info!(
                        "record: it is written again, after {} entries lost",
                        self.lost
                    );
                }
                self.store = Some(store);
                self.pause = RETRY_US.0;
                self.next_seq = self.next_seq.max(recovered.last_seq.saturating_add(1));
                self.begin(mono_us, wall_us, recovered.cut);
                true
            }
            Err(error) => {
                self.fail(now_us, &error);
                false
            }
        }
    }

    fn begin(&mut self, mono_us: u64, wall_us: i64, cut: u64) {
        let boot = Boot {
            boot: self.config.boot,
            starts: !self.started,
            pid: self.config.pid,
            version: self.config.version.clone(),
            cut: u32::try_from(cut).unwrap_or(u32::MAX),
        };
        self.started = true;
        self.put(mono_us, wall_us, Event::Boot(boot));
    }

    fn put(&mut self, mono_us: u64, wall_us: i64, event: Event) {
        let mut entry = Entry {
            seq: self.next_seq,
            mono_us,
            wall_us,
            event,
        };
        self.next_seq = self.next_seq.saturating_add(1);
        frame::emit(&mut entry, &mut self.buffer);
        self.waiting += 1;
        self.since.get_or_insert(mono_us);
        self.unsynced.get_or_insert(mono_us);
    }

    fn write(&mut self, now_us: u64) {
        if self.buffer.is_empty() {
            return;
        }
        let Some(store) = &mut self.store else {
            return;
        };
        match store.append(&self.buffer) {
            Ok(()) => {
                add(&self.figures.records, self.waiting);
                let bytes = u64::try_from(self.buffer.len()).unwrap_or(0);
                add(&self.figures.bytes, bytes);
                add(&self.figures.writes, 1);
                self.empty();
            }
            Err(error) => self.fail(now_us, &error),
        }
    }

    fn empty(&mut self) {
        self.buffer.clear();
        self.waiting = 0;
        self.since = None;
    }

    fn sync(&mut self, now_us: u64) {
        let Some(store) = &mut self.store else {
            return;
        };
        match store.sync() {
            Ok(()) => self.synced(now_us),
            Err(error) => self.fail(now_us, &error),
        }
    }

    fn synced(&mut self, now_us: u64) {
        add(&self.figures.syncs, 1);
        self.synced_at = now_us;
        self.unsynced = None;
        self.urgent = false;
    }

    /// The disk refuses: what waits is lost, and it is tried again in a while.
    fn fail(&mut self, now_us: u64, error: &StoreError) {
        let lost = self.waiting;
        self.lose(lost);
        self.empty();
        self.store = None;
        self.unsynced = None;
        self.urgent = false;
        self.retry_at = now_us.saturating_add(self.pause);
        self.pause = self.pause.saturating_mul(2).min(RETRY_US.1);
        // Once: it may stay so for days.
        if !self.figures.failing.swap(true, Ordering::Relaxed) {
            tracing::warn!("record: nothing is recorded for now, driving goes on: {error}");
        }
    }

    fn lose(&mut self, count: u64) {
        self.lost = self.lost.saturating_add(count);
        add(&self.figures.lost_storage, count);
    }
}
