//! The ring on the disk: files that are appended to, the oldest of which go.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::frame::{self, Scan};
use crate::segment::{self, HEADER_LEN, Segment};
use crate::time::with_mend;

/// A file is a sixteenth of all, within these bounds.
const SEGMENT_BYTES: (u64, u64) = (64 * 1024, 4 * 1024 * 1024);
/// More of a file is not read: none of ours is longer.
pub(crate) const MAX_SEGMENT: u64 = 16 * 1024 * 1024;

/// Where the ring is and how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreConfig {
    /// A directory of its own, made where it is absent.
    pub dir: PathBuf,
    /// All files together, in bytes.
    pub max_bytes: u64,
}

impl StoreConfig {
    /// Where the next file begins.
    pub fn segment_bytes(&self) -> u64 {
        let (least, most) = SEGMENT_BYTES;
        (self.max_bytes / 16).clamp(least, most)
    }
}

/// Why the ring cannot be used. Each text is one line and names the mend.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The system refuses.
    #[error("{}: {}", path.display(), with_mend(source))]
    Io {
        /// What was to be used.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Another process writes there.
    #[error(
        "{}: another transom-agent writes there: give each its own `dir` in [record]", .0.display()
    )]
    Taken(PathBuf),
}

impl StoreError {
    pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}

/// What a former process left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// The number of the latest entry; zero where there is none.
    pub last_seq: u64,
    /// Bytes cut off the end: an entry that a crash has torn.
    pub cut: u64,
}

/// The ring, open for appending. One process at a time has it.
#[derive(Debug)]
pub struct Store {
    config: StoreConfig,
    file: File,
    path: PathBuf,
    number: u64,
    len: u64,
    /// Held until the process ends, however it does.
    _lock: File,
}

impl Store {
    /// Opens it behind what a former process left, whose torn end is cut off.
    ///
    /// # Errors
    /// The directory cannot be made or written, or another process has it.
    pub fn open(config: StoreConfig) -> Result<(Self, Recovered), StoreError> {
        let dir = &config.dir;
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(dir).map_err(StoreError::at(dir))?;
        let lock = lock(&dir.join("lock"))?;
        let segments = segment::list(dir).map_err(StoreError::at(dir))?;
        let mut recovered = Recovered::default();
        let last = segments.last().map(|last| last.number);
        for segment in segments.iter().rev() {
            let end = end_of(&segment.path).map_err(StoreError::at(&segment.path))?;
            if Some(segment.number) == last {
                let cut = segment.bytes.saturating_sub(end.at);
                recovered.cut = cut;
                if cut > 0 && end.at > 0 {
                    cut_off(&segment.path, end.at).map_err(StoreError::at(&segment.path))?;
                }
            }
            if let Some(seq) = end.seq {
                recovered.last_seq = seq;
                break;
            }
        }
        let reusable = segments.last().filter(|last| is_ours(&last.path));
        let (file, path, number) = match reusable {
            Some(last) => {
                let path = last.path.clone();
                let file = append_to(&path).map_err(StoreError::at(&path))?;
                (file, path, last.number)
            }
            None => {
                let number = last.map_or(1, |last| last.saturating_add(1));
                begin(dir, number)?
            }
        };
        let len = file.metadata().map_err(StoreError::at(&path))?.len();
        let store = Self {
            config,
            file,
            path,
            number,
            len,
            _lock: lock,
        };
        Ok((store, recovered))
    }

    /// Whether so many bytes more belong into the next file.
    pub fn is_full(&self, more: usize) -> bool {
        let more = u64::try_from(more).unwrap_or(u64::MAX);
        let least = u64::try_from(HEADER_LEN).unwrap_or(0);
        self.len > least && self.len.saturating_add(more) > self.config.segment_bytes()
    }

    /// Appends whole frames.
    ///
    /// # Errors
    /// Those of the system. The store is to be dropped then and opened anew, which cuts off what was written
    /// of a frame.
    pub fn append(&mut self, frames: &[u8]) -> Result<(), StoreError> {
        self.file
            .write_all(frames)
            .map_err(StoreError::at(&self.path))?;
        let more = u64::try_from(frames.len()).unwrap_or(0);
        self.len = self.len.saturating_add(more);
        Ok(())
    }

    /// Waits until all is on the disk itself.
    ///
    /// # Errors
    /// Those of the system.
    pub fn sync(&mut self) -> Result<(), StoreError> {
        self.file.sync_data().map_err(StoreError::at(&self.path))
    }

    /// Ends this file and begins the next; the oldest go where all would be too long.
    ///
    /// # Errors
    /// Those of the system.
    pub fn rotate(&mut self) -> Result<(), StoreError> {
        self.sync()?;
        let dir = self.config.dir.clone();
        // Before the next one: the disk may be full of them.
        self.make_room(&dir)?;
        let number = self.number.saturating_add(1);
        let (file, path, number) = begin(&dir, number)?;
        self.file = file;
        self.path = path;
        self.number = number;
        self.len = u64::try_from(HEADER_LEN).unwrap_or(0);
        Ok(())
    }

    /// The path of the file that is written.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn make_room(&self, dir: &Path) -> Result<(), StoreError> {
        let segments = segment::list(dir).map_err(StoreError::at(dir))?;
        let mut all: u64 = segments.iter().map(|segment| segment.bytes).sum();
        let bound = self.config.max_bytes;
        let room = bound.saturating_sub(self.config.segment_bytes());
        for Segment { path, bytes, .. } in segments {
            if all <= room || path == self.path {
                break;
            }
            fs::remove_file(&path).map_err(StoreError::at(&path))?;
            all = all.saturating_sub(bytes);
        }
        Ok(())
    }
}

fn lock(path: &Path) -> Result<File, StoreError> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true).mode(0o600);
    let file = options.open(path).map_err(StoreError::at(path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            let dir = path.parent().unwrap_or(path);
            Err(StoreError::Taken(dir.to_owned()))
        }
        Err(TryLockError::Error(error)) => Err(StoreError::at(path)(error)),
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).open(path)
}

/// How many names that something else has are passed over.
const NAMES: u64 = 64;

/// Begins a file of this number, or of one of the next where something else is called so.
fn begin(dir: &Path, number: u64) -> Result<(File, PathBuf, u64), StoreError> {
    let mut last = number;
    loop {
        let path = segment::path(dir, last);
        match begin_at(dir, &path, last) {
            Ok(file) => return Ok((file, path, last)),
            Err(error)
                if error.kind() == io::ErrorKind::AlreadyExists
                    && last < number.saturating_add(NAMES) =>
            {
                last = last.saturating_add(1);
            }
            Err(error) => return Err(StoreError::at(&path)(error)),
        }
    }
}

fn begin_at(dir: &Path, path: &Path, number: u64) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create_new(true).mode(0o600);
    let mut file = options.open(path)?;
    let written = file.write_all(&segment::header(number));
    // Its name, too, is to outlive a loss of power.
    let written = written.and_then(|()| File::open(dir)?.sync_all());
    match written {
        Ok(()) => Ok(file),
        Err(error) => {
            // One without its header is none.
            let _ = fs::remove_file(path);
            Err(error)
        }
    }
}

struct End {
    /// Behind the last whole frame.
    at: u64,
    seq: Option<u64>,
}

fn end_of(path: &Path) -> io::Result<End> {
    let bytes = contents(path, 0)?;
    let mut at = HEADER_LEN.min(bytes.len());
    let mut end = End { at: 0, seq: None };
    if segment::check(&bytes).is_ok() {
        end.at = u64::try_from(at).unwrap_or(0);
    }
    loop {
        match frame::scan(&bytes, at) {
            Scan::Entry(entry, next) => {
                at = next;
                end.at = u64::try_from(next).unwrap_or(0);
                end.seq = Some(entry.seq);
            }
            Scan::Damage(next) => at = next,
            Scan::End => return Ok(end),
        }
    }
}

/// Whether it may be written on to: one of a later version may frame otherwise.
fn is_ours(path: &Path) -> bool {
    contents(path, 0).is_ok_and(|bytes| segment::check(&bytes).is_ok())
}

fn cut_off(path: &Path, at: u64) -> io::Result<()> {
    OpenOptions::new().write(true).open(path)?.set_len(at)
}

/// What a file holds from a place on, within bounds.
pub(crate) fn contents(path: &Path, from: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(MAX_SEGMENT).read_to_end(&mut bytes)?;
    Ok(bytes)
}
