//! The log of what happened on a device that is driven.
//!
//! ```text
//! Recorder::record ──► bounded queue ──► a thread of its own: Writer ──► ring of files
//!                                                                          │
//!                                show lines, CSV, MCAP ◄── Reader ◄────────┘
//! ```
//!
//! [`Event`] is what may be written, [`frame`] its form on the disk, which `docs/record.md` describes for
//! readers in other languages. Who records never waits: what finds no room in the queue, or no room on the
//! disk, is counted, and the count is recorded.
#![forbid(unsafe_code)]

mod event;
mod export;
mod field;
mod figures;
pub mod frame;
mod names;
mod observer;
mod reader;
mod recorder;
mod segment;
mod show;
mod store;
mod time;
mod writer;

pub use event::{
    ActuatorChange, Boot, CommandSeen, Entry, Event, LinkChange, LossReason, Note, Setpoint,
    StateSeen, Summary,
};
pub use export::csv::write_csv;
#[cfg(feature = "mcap")]
pub use export::mcap::write_mcap;
pub use export::{ExportError, Exported};
pub use field::{Field, Kind, Value};
pub use figures::RecordFigures;
pub use observer::Observer;
pub use reader::{Found, ReadError, Reader, Tail};
pub use recorder::{Recorder, RecorderConfig};
pub use segment::{HEADER_LEN, SEGMENT_VERSION};
pub use show::line;
pub use store::{Recovered, Store, StoreConfig, StoreError};
pub use time::{Since, SinceError, boot_id, monotonic_us, wall_us};
pub use writer::{Writer, WriterConfig};
