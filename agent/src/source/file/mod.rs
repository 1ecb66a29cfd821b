//! A recording as a source: H.264 in MP4 or as a byte stream (Annex B),
//! passed through in real time and looped.
//!
//! A recording cannot make a key frame on request. Policy: a request waits for
//! the next one in the recording, which is why long distances between them are
//! warned of; after a pause (a new session) the recording begins anew, with a
//! key frame. B-frames are refused, because WebRTC receivers show pictures in
//! the order in which they come.

mod byte_stream;
mod mp4;
mod play;
mod samples;

use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use play::{play, play_for_ever};

use byte_stream::ByteStream;
use mp4::Mp4;
use transom_rtc_proto::codec::h264::{AnnexB, Sps};

use super::access_unit::{AccessUnit, UnitError};
use crate::regular::{self, OpenError};

/// Access units looked at before the first is played: ten seconds.
const PROBE_UNITS: usize = 300;
/// Key frames farther apart than this are warned of.
const LONG_GOP: Duration = Duration::from_secs(4);

/// A recording that was opened and looks playable.
#[derive(Debug)]
pub struct Recording {
    path: PathBuf,
    container: Container,
    /// The longest distance between key frames that was seen at opening.
    pub longest_gop: Duration,
}

#[derive(Debug)]
enum Container {
    Mp4(Mp4),
    ByteStream(ByteStream),
}

/// Why a recording cannot be played. Each text is one line and names the mend.
#[derive(Debug, thiserror::Error)]
#[error("recording {}: {}", path.display(), reason.with_mend(path))]
pub struct FileError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: FileErrorReason,
}

/// What is wrong with a recording.
#[derive(Debug)]
pub enum FileErrorReason {
    /// It cannot be opened or read.
    Read(io::Error),
    /// It is no regular file.
    NotAFile {
        /// What it is.
        kind: &'static str,
    },
    /// There is nothing in it.
    Empty,
    /// It is neither MP4 nor an H.264 byte stream.
    Unknown {
        /// What it looks like, as far as that is known.
        looks_like: Option<&'static str>,
    },
    /// An MP4 without its index: recording stopped too early.
    NoIndex,
    /// Its pictures lie beyond its end.
    CutOff,
    /// An MP4 in fragments, whose index is spread over the file.
    Fragmented,
    /// An MP4 without a track of pictures.
    NoPictures,
    /// The pictures are coded otherwise.
    NotH264 {
        /// The codec's name.
        codec: String,
    },
    /// It has B-frames.
    BFrames,
    /// Its profile is one that browsers do not take by WebRTC.
    Profile {
        /// `profile_idc` of its SPS (100 is High).
        profile_idc: u8,
    },
    /// It holds no picture that could begin a stream.
    NoKeyFrame,
    /// Its bytes contradict themselves.
    Damaged {
        /// The part that does.
        part: &'static str,
    },
}

impl FileErrorReason {
    fn with_mend(&self, path: &Path) -> String {
        let convert = |options: &str| {
            format!(
                "`ffmpeg -i {} {options} -an {}`",
                shell_quoted(path),
                shell_quoted(&path.with_extension("webrtc.mp4"))
            )
        };
        let encode = || convert("-c:v libx264 -profile:v baseline -bf 0 -g 60 -pix_fmt yuv420p");
        match self {
            Self::Read(e) if e.kind() == io::ErrorKind::NotFound => {
                "there is no such file: check the path given with --source file:PATH".to_owned()
            }
            Self::Read(e) => format!("{e}: check that it can be read"),
            Self::NotAFile { kind: "a device" } => {
                "a device, not a file: a camera is given as --source v4l2:/dev/videoN".to_owned()
            }
            Self::NotAFile { kind } => {
                format!("{kind}, not a file: give the path of a recording with --source file:PATH")
            }
            Self::Empty => "the file is empty: record it again or take another".to_owned(),
            Self::Unknown { looks_like } => format!(
                "{}: convert it with {}",
                looks_like.map_or_else(
                    || "neither MP4 nor an H.264 byte stream".to_owned(),
                    |kind| format!("{kind}, neither MP4 nor an H.264 byte stream"),
                ),
                encode()
            ),
            Self::NoIndex => {
                "cut off: its index (moov) is missing: copy or record it again".to_owned()
            }
            Self::CutOff => {
                "cut off: its pictures lie beyond its end: copy or record it again".to_owned()
            }
            Self::Fragmented => format!(
                "a fragmented MP4, whose index is spread over the file: rewrite it with {}",
                convert("-c copy -movflags +faststart")
            ),
            Self::NoPictures => "no pictures in it: take a file with video".to_owned(),
            Self::NotH264 { codec } => {
                format!(
                    "its pictures are {codec}, not H.264: convert it with {}",
                    encode()
                )
            }
            Self::BFrames => format!(
                "it has B-frames, which WebRTC receivers cannot reorder: encode it without by {}",
                encode()
            ),
            Self::Profile { profile_idc } => format!(
                "its H.264 profile ({profile_idc}{}) is neither baseline nor main, which is all that browsers take by WebRTC: encode it by {}",
                if *profile_idc == 100 { ", High" } else { "" },
                encode()
            ),
            Self::NoKeyFrame => format!(
                "no key frame (IDR) with its parameter sets in the first {PROBE_UNITS} pictures: encode it anew by {}",
                encode()
            ),
            Self::Damaged { part } => {
                format!(
                    "damaged ({part}): copy it again, or repair it with {}",
                    encode()
                )
            }
        }
    }
}

/// A path as a shell takes it.
pub(crate) fn shell_quoted(path: &Path) -> String {
    let path = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:,@%".contains(c);
    if path.chars().all(plain) {
        path
    } else {
        format!("'{}'", path.replace('\'', r"'\''"))
    }
}

/// Errors inside of the containers, which do not know the path.
type Reason<T> = Result<T, FileErrorReason>;

impl From<io::Error> for FileErrorReason {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::CutOff,
            _ => Self::Read(error),
        }
    }
}

impl From<OpenError> for FileErrorReason {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Io(error) => Self::Read(error),
            OpenError::Kind(kind) => Self::NotAFile { kind },
        }
    }
}

impl From<UnitError> for FileErrorReason {
    fn from(error: UnitError) -> Self {
        match error {
            UnitError::BFrames => Self::BFrames,
            UnitError::SliceHeader => Self::Damaged {
                part: "a slice header",
            },
        }
    }
}

impl Recording {
    /// Opens a recording and looks at its first ten seconds.
    ///
    /// `fps` is the rate of a byte stream that does not tell its own.
    pub fn open(path: &Path, fps: u32) -> Result<Self, FileError> {
        let at = |reason| FileError {
            path: path.to_owned(),
            reason,
        };
        let container = Container::open(path, fps).map_err(at)?;
        let mut recording = Self {
            path: path.to_owned(),
            container,
            longest_gop: Duration::ZERO,
        };
        recording.longest_gop = recording.probe().map_err(at)?;
        recording.rewind()?;
        Ok(recording)
    }

    /// The next access unit; `None` at the end.
    pub fn next_unit(&mut self) -> Result<Option<AccessUnit>, FileError> {
        let unit = self.container.next_unit();
        unit.map_err(|reason| self.error(reason))
    }

    /// Back to the beginning.
    pub fn rewind(&mut self) -> Result<(), FileError> {
        let rewound = match &mut self.container {
            Container::Mp4(mp4) => {
                mp4.rewind();
                Ok(())
            }
            Container::ByteStream(stream) => stream.rewind(),
        };
        rewound.map_err(|reason| self.error(reason))
    }

    /// Whether the pictures are far apart that a viewer can begin with.
    pub fn has_long_gops(&self) -> bool {
        self.longest_gop > LONG_GOP
    }

    /// Whether the file ends before its last picture, as far as is known.
    pub fn is_cut_off(&self) -> bool {
        self.container.is_cut_off()
    }

    /// Where the recording lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn error(&self, reason: FileErrorReason) -> FileError {
        FileError {
            path: self.path.clone(),
            reason,
        }
    }

    /// Refuses what cannot be played; returns the longest distance of key frames.
    fn probe(&mut self) -> Reason<Duration> {
        let (mut last_key, mut longest, mut seen) = (None, Duration::ZERO, Duration::ZERO);
        for _ in 0..PROBE_UNITS {
            let Some(unit) = self.container.next_unit()? else {
                if last_key.is_none() && self.container.is_cut_off() {
                    return Err(FileErrorReason::CutOff);
                }
                break;
            };
            seen = unit.at;
            if unit.key {
                check_profile(&unit.data)?;
                if let Some(last) = last_key {
                    longest = longest.max(unit.at.saturating_sub(last));
                }
                last_key = Some(unit.at);
            }
        }
        let last_key = last_key.ok_or(FileErrorReason::NoKeyFrame)?;
        Ok(longest.max(seen.saturating_sub(last_key)))
    }
}

impl Container {
    fn open(path: &Path, fps: u32) -> Reason<Self> {
        let file = regular::open(path)?;
        let metadata = file.metadata()?;
        let mut file = BufReader::with_capacity(64 * 1024, file);
        let mut head = Vec::new();
        file.by_ref().take(16).read_to_end(&mut head)?;
        file.seek(SeekFrom::Start(0))?;
        match Kind::of(&head)? {
            Kind::Mp4 => Ok(Self::Mp4(Mp4::open(file, metadata.len())?)),
            Kind::ByteStream => Ok(Self::ByteStream(ByteStream::new(file, fps))),
        }
    }

    fn next_unit(&mut self) -> Reason<Option<AccessUnit>> {
        match self {
            Self::Mp4(mp4) => mp4.next_unit(),
            Self::ByteStream(stream) => stream.next_unit(),
        }
    }

    fn is_cut_off(&self) -> bool {
        match self {
            Self::Mp4(mp4) => mp4.is_cut_off(),
            // Without an index there is nothing to miss.
            Self::ByteStream(_) => false,
        }
    }
}

/// Refuses what no browser decodes by WebRTC: all but baseline and main.
fn check_profile(key_unit: &[u8]) -> Reason<()> {
    const BASELINE: u8 = 66;
    const MAIN: u8 = 77;
    let sps = AnnexB::new(key_unit).find_map(|nal| Sps::parse(nal).ok());
    match sps.map(|sps| sps.profile_idc) {
        Some(BASELINE | MAIN) => Ok(()),
        Some(profile_idc) => Err(FileErrorReason::Profile { profile_idc }),
        None => Err(FileErrorReason::Damaged { part: "the SPS" }),
    }
}

enum Kind {
    Mp4,
    ByteStream,
}

impl Kind {
    /// What a file is by its first bytes.
    fn of(head: &[u8]) -> Reason<Self> {
        let looks_like = match head {
            [] => return Err(FileErrorReason::Empty),
            [0, 0, 1, code, ..] | [0, 0, 0, 1, code, ..] if code & 0x80 == 0 => {
                return Ok(Self::ByteStream);
            }
            [_, _, _, _, kind @ ..] if is_mp4_box(kind) => return Ok(Self::Mp4),
            [b'R', b'I', b'F', b'F', ..] => Some("an AVI or WAV file"),
            [0x1a, 0x45, 0xdf, 0xa3, ..] => Some("a Matroska or WebM file"),
            [b'F', b'L', b'V', ..] => Some("a Flash video file"),
            [0, 0, 1, 0xba, ..] => Some("an MPEG program stream"),
            [0x47, ..] => Some("an MPEG transport stream"),
            _ => None,
        };
        Err(FileErrorReason::Unknown { looks_like })
    }
}

/// The boxes an MP4 or QuickTime file may begin with.
fn is_mp4_box(kind: &[u8]) -> bool {
    [
        b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot",
    ]
    .iter()
    .any(|known| kind.starts_with(*known))
}

#[cfg(test)]
mod tests;
