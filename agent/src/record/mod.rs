//! The log of what happened: what of driving goes into it, and the command that reads it.
//!
//! ```text
//! link, supervisor ──► Journal ──► Observer (what is worth it) ──► Recorder (a thread, a ring of files)
//! transom-agent log ◄── Reader ◄───────────────────────────────────────────────┘
//! ```

mod command;
mod journal;

pub use command::{LogOptions, run};
pub use journal::Journal;
pub(crate) use transom_record::ActuatorChange;
pub use transom_record::{LinkChange, Recorder};

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use transom_record::{RecorderConfig, StoreConfig, boot_id};

/// What the file says of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordConfig {
    /// Where it is.
    pub dir: PathBuf,
    /// All of it, in bytes.
    pub max_bytes: u64,
    /// What a loss of power may take of it, besides stops, which are written at once.
    pub sync_after: Duration,
}

impl RecordConfig {
    /// Begins to write.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn start(&self) -> io::Result<Recorder> {
        Recorder::start(RecorderConfig {
            store: StoreConfig {
                dir: self.dir.clone(),
                max_bytes: self.max_bytes,
            },
            sync_after: self.sync_after,
            boot: boot_id(),
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        })
    }
}
