//! Who records never waits.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::event::{Event, LossReason};
use crate::figures::{RecordFigures, add};
use crate::time::{monotonic_us, wall_us};
use crate::writer::{Writer, WriterConfig};

/// Entries that may wait for the disk: several seconds' worth of the most that is recorded.
const QUEUE: usize = 1024;
/// Where nothing is due.
const IDLE: Duration = Duration::from_secs(60);
/// What the disk may take at the end.
const FAREWELL: Duration = Duration::from_secs(2);

/// How the log is written.
pub type RecorderConfig = WriterConfig;

struct Message {
    mono_us: u64,
    wall_us: i64,
    event: Event,
}

/// The log, written by a thread of its own. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Recorder(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    queue: Mutex<Option<SyncSender<Message>>>,
    /// Not yet told in the log.
    overflowed: AtomicU64,
    figures: Arc<RecordFigures>,
    ended: Mutex<Receiver<()>>,
}

impl Recorder {
    /// Begins. That the disk refuses is no error: it is told in the program's log and tried again.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn start(config: RecorderConfig) -> io::Result<Self> {
        let figures = Arc::new(RecordFigures::default());
        let writer = Writer::new(config, Arc::clone(&figures));
        let (queue, messages) = sync_channel(QUEUE);
        let (ending, ended) = sync_channel(1);
        thread::Builder::new()
            .name("record".to_owned())
            .spawn(move || {
                run(writer, &messages);
                // Nobody need wait for it.
                let _ = ending.try_send(());
            })?;
        Ok(Self(Arc::new(Shared {
            queue: Mutex::new(Some(queue)),
            overflowed: AtomicU64::new(0),
            figures,
            ended: Mutex::new(ended),
        })))
    }

    /// Something happened at `mono_us` of CLOCK_MONOTONIC. Never waits: what finds no room is counted.
    pub fn record(&self, mono_us: u64, event: Event) {
        let queue = self.0.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(queue) = &*queue else {
            return;
        };
        let wall_us = wall_us();
        let send = |event| {
            let message = Message {
                mono_us,
                wall_us,
                event,
            };
            queue.try_send(message).is_ok()
        };
        let lost = self.0.overflowed.load(Ordering::Relaxed);
        if lost > 0 {
            let why = LossReason::Queue;
            if send(Event::Lost { why, count: lost }) {
                self.0.overflowed.fetch_sub(lost, Ordering::Relaxed);
            }
        }
        if !send(event) {
            self.0.overflowed.fetch_add(1, Ordering::Relaxed);
            add(&self.0.figures.lost_queue, 1);
        }
    }

    /// What it costs and loses.
    pub fn figures(&self) -> &RecordFigures {
        &self.0.figures
    }

    /// The end: what waits is written. A disk that hangs is not waited for longer than two seconds.
    pub fn finish(&self) {
        let queue = self
            .0
            .queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if queue.is_none() {
            return;
        }
        drop(queue);
        let ended = self.0.ended.lock().unwrap_or_else(PoisonError::into_inner);
        if ended.recv_timeout(FAREWELL).is_err() {
            tracing::warn!("record: the disk takes too long; the end of the log may be missing");
        }
    }
}

fn run(mut writer: Writer, messages: &Receiver<Message>) {
    loop {
        let now = monotonic_us();
        let wait = writer
            .poll_timeout()
            .map_or(IDLE, |at| Duration::from_micros(at.saturating_sub(now)));
        match messages.recv_timeout(wait) {
            Ok(message) => writer.push(
                monotonic_us(),
                message.mono_us,
                message.wall_us,
                message.event,
            ),
            Err(RecvTimeoutError::Timeout) => writer.handle_timeout(monotonic_us()),
            Err(RecvTimeoutError::Disconnected) => {
                writer.finish(monotonic_us());
                return;
            }
        }
    }
}
