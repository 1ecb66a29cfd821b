//! Reads the ring, whatever is in it.

use std::io;
use std::path::{Path, PathBuf};

use crate::event::Entry;
use crate::frame::{self, Scan};
use crate::segment::{self, HEADER_LEN, HeaderFault};
use crate::store::contents;

/// Why there is nothing to read. Each text is one line and names the mend.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The directory cannot be read.
    #[error(
        "{}: {source}: give the directory that `dir` in [record] names, and read it as root or the agent's user", path.display()
    )]
    Dir {
        /// It.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// What the reader comes upon.
#[derive(Debug)]
pub enum Found {
    /// Something that happened.
    Entry(Box<Entry>),
    /// Bytes that are no entry: torn by a loss of power, or damaged since.
    Damage {
        /// In which file.
        path: PathBuf,
        /// How many.
        bytes: u64,
    },
    /// Numbers are missing, or go back.
    Gap {
        /// The entry before.
        after: u64,
        /// The entry behind.
        before: u64,
    },
    /// A file that cannot be read.
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        told: String,
    },
}

/// How the end of the newest file is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// What is no whole entry there is damage.
    Final,
    /// It may become one.
    Growing,
}

/// Goes through the files, oldest first. Its memory is bounded by the longest file.
#[derive(Debug)]
pub struct Reader {
    dir: PathBuf,
    /// The file that is read.
    number: u64,
    path: PathBuf,
    bytes: Vec<u8>,
    /// How far it is read.
    at: usize,
    /// Where `bytes` begin in it.
    base: u64,
    opened: bool,
    last_seq: Option<u64>,
    waiting: Option<Box<Entry>>,
}

impl Reader {
    /// At the oldest entry.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn open(dir: &Path) -> Result<Self, ReadError> {
        let reader = Self {
            dir: dir.to_owned(),
            number: 0,
            path: PathBuf::new(),
            bytes: Vec::new(),
            at: 0,
            base: 0,
            opened: false,
            last_seq: None,
            waiting: None,
        };
        reader.segments()?;
        Ok(reader)
    }

    /// Bytes in all files, for progress.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn total_bytes(&self) -> Result<u64, ReadError> {
        Ok(self.segments()?.iter().map(|segment| segment.bytes).sum())
    }

    /// The next thing; `None` at the end. With [`Tail::Growing`] more may come later.
    ///
    /// # Errors
    /// The directory cannot be read any more.
    pub fn next(&mut self, tail: Tail) -> Result<Option<Found>, ReadError> {
        if let Some(entry) = self.waiting.take() {
            return Ok(Some(Found::Entry(entry)));
        }
        loop {
            if self.opened {
                match frame::scan(&self.bytes, self.at) {
                    Scan::Entry(entry, next) => {
                        self.at = next;
                        return Ok(Some(self.in_order(entry)));
                    }
                    Scan::Damage(next) => {
                        let bytes = next - self.at;
                        self.at = next;
                        return Ok(Some(self.damage(bytes)));
                    }
                    Scan::End => {}
                }
                if tail == Tail::Growing && self.read_on() {
                    continue;
                }
            }
            let next = self.segments()?;
            let next = next.into_iter().find(|segment| {
                segment.number > self.number || (!self.opened && segment.number == self.number)
            });
            let rest = self.bytes.len().saturating_sub(self.at);
            if self.opened && rest > 0 && (tail == Tail::Final || next.is_some()) {
                self.at = self.bytes.len();
                return Ok(Some(self.damage(rest)));
            }
            let Some(next) = next else {
                return Ok(None);
            };
            self.number = next.number;
            self.path = next.path;
            self.opened = true;
            self.at = 0;
            self.base = 0;
            self.bytes = Vec::new();
            match contents(&self.path, 0) {
                Ok(bytes) => self.bytes = bytes,
                // The ring went on meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Ok(Some(self.unreadable(error.to_string()))),
            }
            match segment::check(&self.bytes) {
                Ok(()) => self.at = HEADER_LEN,
                // What comes first is found all the same.
                Err(HeaderFault::Damaged) => {}
                Err(HeaderFault::Version(version)) => {
                    self.bytes = Vec::new();
                    let told =
                        format!("version {version}: read it with the transom-agent that wrote it");
                    return Ok(Some(self.unreadable(told)));
                }
            }
        }
    }

    /// Takes what was written meanwhile; false where that is nothing.
    fn read_on(&mut self) -> bool {
        let read = u64::try_from(self.at).unwrap_or(0);
        let Ok(bytes) = contents(&self.path, self.base.saturating_add(read)) else {
            return false;
        };
        let more = bytes.len() > self.bytes.len().saturating_sub(self.at);
        if more {
            self.base = self.base.saturating_add(read);
            self.bytes = bytes;
            self.at = 0;
        }
        more
    }

    fn segments(&self) -> Result<Vec<segment::Segment>, ReadError> {
        segment::list(&self.dir).map_err(|source| ReadError::Dir {
            path: self.dir.clone(),
            source,
        })
    }

    fn in_order(&mut self, entry: Box<Entry>) -> Found {
        let before = self.last_seq.replace(entry.seq);
        match before {
            Some(after) if after.checked_add(1) != Some(entry.seq) => {
                let before = entry.seq;
                self.waiting = Some(entry);
                Found::Gap { after, before }
            }
            _ => Found::Entry(entry),
        }
    }

    fn damage(&self, bytes: usize) -> Found {
        Found::Damage {
            path: self.path.clone(),
            bytes: u64::try_from(bytes).unwrap_or(u64::MAX),
        }
    }

    fn unreadable(&self, told: String) -> Found {
        Found::Unreadable {
            path: self.path.clone(),
            told,
        }
    }
}
