//! The log for other programs.

pub(crate) mod csv;
#[cfg(feature = "mcap")]
pub(crate) mod mcap;

use std::io;

use crate::event::Entry;
use crate::reader::{Found, ReadError, Reader, Tail};
use crate::time::Since;

/// What was exported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// Entries.
    pub entries: u64,
    /// Numbers that are missing between them.
    pub missing: u64,
    /// Bytes that were no entry.
    pub damaged: u64,
    /// Files that could not be read.
    pub unreadable: u64,
}

/// Why nothing more was exported. Each text is one line and names the mend.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The file cannot be written.
    #[error("{0}: give another file by -o, where there is room")]
    Write(#[from] io::Error),
    /// MCAP has no such thing.
    #[error("MCAP: {0}")]
    Format(String),
}

/// Passes what happened since then to `each`, and what was done so far to `progress` once in a while.
pub(crate) fn entries(
    reader: &mut Reader,
    since: Option<Since>,
    progress: &mut dyn FnMut(&Exported),
    mut each: impl FnMut(&Entry) -> Result<(), ExportError>,
) -> Result<Exported, ExportError> {
    let mut done = Exported::default();
    while let Some(found) = reader.next(Tail::Final)? {
        match found {
            Found::Entry(entry) => {
                if since.is_some_and(|since| entry.wall_us < since.wall_us) {
                    continue;
                }
                each(&entry)?;
                done.entries += 1;
                if done.entries.is_multiple_of(10_000) {
                    progress(&done);
                }
            }
            Found::Gap { after, before } => {
                let missing = before.saturating_sub(after).saturating_sub(1);
                done.missing = done.missing.saturating_add(missing);
            }
            Found::Damage { bytes, .. } => done.damaged = done.damaged.saturating_add(bytes),
            Found::Unreadable { .. } => done.unreadable += 1,
        }
    }
    Ok(done)
}
