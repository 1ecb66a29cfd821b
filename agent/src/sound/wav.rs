//! A WAV recording, looped.
//!
//! RIFF in little endian: chunks of a four-byte name and a 32-bit length,
//! padded to even lengths. Only `fmt ` and `data` matter here.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use transom_rtc_proto::time::WallTime;

use super::{PacedSound, Resampler};
use crate::regular::{self, OpenError};
use crate::source::file::shell_quoted;

/// Chunks before `data` are at most this many; recorders write a handful.
const MAX_CHUNKS: usize = 64;
/// Frames read at a time.
const BLOCK_FRAMES: usize = 480;

/// A WAV file that plays for ever at 48 kHz. Holds a few kilobytes of it in
/// memory at a time.
#[derive(Debug)]
pub struct Wav {
    path: PathBuf,
    file: BufReader<File>,
    encoding: Encoding,
    channels: u16,
    rate: u32,
    data_start: u64,
    data_len: u64,
    /// Bytes of `data` read in this round.
    read: u64,
    resampler: Resampler,
    /// At 48 kHz, waiting to be taken.
    ready: Vec<i16>,
}

/// How a sample is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    U8,
    I16,
    I24,
    I32,
    F32,
}

/// Why a file cannot be played. Each text is one line and names the mend.
#[derive(Debug, thiserror::Error)]
pub enum WavError {
    /// It cannot be opened or read.
    #[error("sound file {}: {}: check the path given with --audio file:PATH", path.display(), source)]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It is no regular file.
    #[error("sound file {} is {kind}, not a file: give the path of a recording with --audio file:PATH.wav; a sound card is --audio alsa:DEVICE", path.display())]
    NotAFile {
        /// Its path.
        path: PathBuf,
        /// What it is.
        kind: &'static str,
    },
    /// It is no WAV file.
    #[error("sound file {} is not a WAV file: convert it with `{}`", path.display(), convert(path))]
    NotWav {
        /// The file.
        path: PathBuf,
    },
    /// It has a coding other than PCM of 8 to 32 bits or float.
    #[error("sound file {} has WAV format {format} in {bits} bits, not PCM: convert it with `{}`", path.display(), convert(path))]
    Encoding {
        /// The file.
        path: PathBuf,
        /// The format tag.
        format: u16,
        /// Bits a sample.
        bits: u16,
    },
    /// Its rate or channels cannot be used.
    #[error("sound file {} has {channels} channels at {rate} Hz, not one or two at 4 to 384 kHz: convert it with `{}`", path.display(), convert(path))]
    Layout {
        /// The file.
        path: PathBuf,
        /// Interleaved channels.
        channels: u16,
        /// Samples a second.
        rate: u32,
    },
    /// It ends before its sound does, which it did not when it was opened.
    #[error("sound file {} was cut off: copy or record it again", path.display())]
    CutOff {
        /// The file.
        path: PathBuf,
    },
    /// It holds no sound.
    #[error("sound file {} is empty or cut off before its sound: record it again or take another", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

fn convert(path: &Path) -> String {
    format!(
        "ffmpeg -i {} -ac 1 -ar 48000 -c:a pcm_s16le {}",
        shell_quoted(path),
        shell_quoted(&path.with_extension("48k.wav"))
    )
}

impl Wav {
    /// Opens a file and reads its header.
    pub fn open(path: &Path) -> Result<Self, WavError> {
        let read = |source| WavError::Read {
            path: path.to_owned(),
            source,
        };
        let file = regular::open(path).map_err(|error| match error {
            OpenError::Io(source) => read(source),
            OpenError::Kind(kind) => WavError::NotAFile {
                path: path.to_owned(),
                kind,
            },
        })?;
        let mut file = BufReader::new(file);
        let file_len = file.get_ref().metadata().map_err(read)?.len();
        let header = Header::read(&mut file, file_len).map_err(|e| e.at(path))?;
        let resampler =
            Resampler::new(header.rate, header.channels).ok_or_else(|| WavError::Layout {
                path: path.to_owned(),
                channels: header.channels,
                rate: header.rate,
            })?;
        let mut wav = Self {
            path: path.to_owned(),
            file,
            encoding: header.encoding,
            channels: header.channels,
            rate: header.rate,
            data_start: header.data_start,
            data_len: header.data_len,
            read: 0,
            resampler,
            ready: Vec::new(),
        };
        // A recorder that was cut off claims more than it wrote; a frame is
        // the least that can be looped.
        wav.data_len -= wav.data_len % wav.frame_len();
        if wav.data_len == 0 {
            return Err(WavError::Empty { path: wav.path });
        }
        Ok(wav)
    }

    /// How long one round of it lasts.
    pub fn duration(&self) -> Duration {
        let frames = self.data_len / self.frame_len();
        Duration::from_millis(frames.saturating_mul(1000) / u64::from(self.rate.max(1)))
    }

    /// Reads one round of it into memory, mixed to one channel at 48 kHz. The
    /// caller looks at [`duration`](Self::duration) before.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn read_whole(&mut self) -> Result<Vec<i16>, WavError> {
        while self.read < self.data_len {
            self.read_block()?;
        }
        let frames = self.ready.chunks_exact(usize::from(self.channels.max(1)));
        Ok(frames.map(super::capture::mean).collect())
    }

    fn frame_len(&self) -> u64 {
        u64::from(self.channels) * self.encoding.sample_len() as u64
    }

    /// Reads the next block, from the start again after the end.
    fn read_block(&mut self) -> Result<(), WavError> {
        if self.read >= self.data_len {
            self.file
                .seek(SeekFrom::Start(self.data_start))
                .map_err(|e| self.read_error(e))?;
            self.read = 0;
        }
        let wanted = (self.frame_len() * BLOCK_FRAMES as u64).min(self.data_len - self.read);
        let mut bytes = vec![0; usize::try_from(wanted).unwrap_or(0)];
        self.file
            .read_exact(&mut bytes)
            .map_err(|e| self.read_error(e))?;
        self.read += wanted;
        let samples: Vec<i16> = bytes
            .chunks_exact(self.encoding.sample_len())
            .map(|sample| self.encoding.to_i16(sample))
            .collect();
        self.resampler.process(&samples, &mut self.ready);
        Ok(())
    }

    fn read_error(&self, source: io::Error) -> WavError {
        let path = self.path.clone();
        match source.kind() {
            io::ErrorKind::UnexpectedEof => WavError::CutOff { path },
            _ => WavError::Read { path, source },
        }
    }
}

impl PacedSound for Wav {
    fn channels(&self) -> u16 {
        self.channels
    }

    fn fill(&mut self, _wall: WallTime, samples: &mut [i16]) -> Result<(), WavError> {
        while self.ready.len() < samples.len() {
            self.read_block()?;
        }
        let taken = samples.len();
        for (sample, ready) in samples.iter_mut().zip(self.ready.drain(..taken)) {
            *sample = ready;
        }
        Ok(())
    }
}

impl Encoding {
    fn of(format: u16, bits: u16) -> Option<Self> {
        match (format, bits) {
            (1, 8) => Some(Self::U8),
            (1, 16) => Some(Self::I16),
            (1, 24) => Some(Self::I24),
            (1, 32) => Some(Self::I32),
            (3, 32) => Some(Self::F32),
            _ => None,
        }
    }

    fn sample_len(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::I16 => 2,
            Self::I24 => 3,
            Self::I32 | Self::F32 => 4,
        }
    }

    fn to_i16(self, bytes: &[u8]) -> i16 {
        match (self, bytes) {
            (Self::U8, &[a]) => (i16::from(a) - 128) << 8,
            (Self::I16, &[a, b]) => i16::from_le_bytes([a, b]),
            // The upper 16 bits are the sample.
            (Self::I24, &[_, a, b]) | (Self::I32, &[_, _, a, b]) => i16::from_le_bytes([a, b]),
            (Self::F32, &[a, b, c, d]) => super::tone::to_i16(f32::from_le_bytes([a, b, c, d])),
            _ => 0,
        }
    }
}

struct Header {
    encoding: Encoding,
    channels: u16,
    rate: u32,
    data_start: u64,
    data_len: u64,
}

/// A [`WavError`] that does not know its file yet.
enum HeaderError {
    Read(io::Error),
    NotWav,
    Encoding { format: u16, bits: u16 },
    Empty,
}

impl HeaderError {
    fn at(self, path: &Path) -> WavError {
        let path = path.to_owned();
        match self {
            Self::Read(source) => WavError::Read { path, source },
            Self::NotWav => WavError::NotWav { path },
            Self::Encoding { format, bits } => WavError::Encoding { path, format, bits },
            Self::Empty => WavError::Empty { path },
        }
    }
}

impl From<io::Error> for HeaderError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Empty,
            _ => Self::Read(error),
        }
    }
}

impl Header {
    fn read(file: &mut (impl Read + Seek), file_len: u64) -> Result<Self, HeaderError> {
        let mut riff = [0; 12];
        if file_len == 0 {
            return Err(HeaderError::Empty);
        }
        match file.read_exact(&mut riff) {
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Err(HeaderError::NotWav),
            other => other?,
        }
        if !(riff.starts_with(b"RIFF") && riff.ends_with(b"WAVE")) {
            return Err(HeaderError::NotWav);
        }
        let mut format = None;
        for _ in 0..MAX_CHUNKS {
            let mut head = [0; 8];
            file.read_exact(&mut head)?;
            let [n0, n1, n2, n3, l0, l1, l2, l3] = head;
            let len = u64::from(u32::from_le_bytes([l0, l1, l2, l3]));
            match &[n0, n1, n2, n3] {
                b"fmt " => {
                    format = Some(read_format(file, len)?);
                }
                b"data" => {
                    let (encoding, channels, rate) = format.ok_or(HeaderError::NotWav)?;
                    let data_start = file.stream_position()?;
                    return Ok(Self {
                        encoding,
                        channels,
                        rate,
                        data_start,
                        // A recorder that writes to a pipe leaves the length open.
                        data_len: len.min(file_len.saturating_sub(data_start)),
                    });
                }
                _ => skip(file, len + len % 2)?,
            }
        }
        Err(HeaderError::NotWav)
    }
}

fn read_format(
    file: &mut (impl Read + Seek),
    len: u64,
) -> Result<(Encoding, u16, u32), HeaderError> {
    // At most the extensible form, whose first two bytes of a GUID at 24 are
    // the plain format tag.
    let mut bytes = [0; 26];
    let known = usize::try_from(len).unwrap_or(usize::MAX).min(bytes.len());
    if known < 16 {
        return Err(HeaderError::NotWav);
    }
    let (front, _) = bytes.split_at_mut(known);
    file.read_exact(front)?;
    skip(file, len - known as u64 + len % 2)?;
    let field = |at: usize| match bytes.get(at..at + 2) {
        Some(&[a, b]) => u16::from_le_bytes([a, b]),
        _ => 0,
    };
    let (channels, bits) = (field(2), field(14));
    let rate = u32::from(field(4)) | u32::from(field(6)) << 16;
    let format = match field(0) {
        0xfffe => field(24),
        format => format,
    };
    let encoding = Encoding::of(format, bits).ok_or(HeaderError::Encoding { format, bits })?;
    Ok((encoding, channels, rate))
}

fn skip(file: &mut impl Seek, len: u64) -> Result<(), HeaderError> {
    let len = i64::try_from(len).map_err(|_| HeaderError::NotWav)?;
    file.seek(SeekFrom::Current(len))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sound::PACKET_SAMPLES;
    use std::fs;

    /// A file that goes with the test.
    struct Temporary(PathBuf);

    impl Temporary {
        fn new(name: &str, content: &[u8]) -> Self {
            let path =
                std::env::temp_dir().join(format!("transom-wav-{}-{name}.wav", std::process::id()));
            fs::write(&path, content).expect("a temporary file");
            Self(path)
        }
    }

    impl Drop for Temporary {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.0);
        }
    }

    fn wav(format: u16, channels: u16, rate: u32, bits: u16, data: &[u8]) -> Vec<u8> {
        let mut file = b"RIFF\0\0\0\0WAVELIST\x03\0\0\0abc\0fmt \x10\0\0\0".to_vec();
        let frame = u32::from(channels) * u32::from(bits) / 8;
        file.extend(format.to_le_bytes());
        file.extend(channels.to_le_bytes());
        file.extend(rate.to_le_bytes());
        file.extend((rate * frame).to_le_bytes());
        file.extend((frame as u16).to_le_bytes());
        file.extend(bits.to_le_bytes());
        file.extend(b"data");
        file.extend((data.len() as u32).to_le_bytes());
        file.extend(data);
        file
    }

    fn first_sample(name: &str, file: &[u8]) -> i16 {
        let file = Temporary::new(name, file);
        let mut wav = Wav::open(&file.0).expect("a WAV file");
        let mut samples = [0; PACKET_SAMPLES];
        wav.fill(WallTime::default(), &mut samples).expect("sound");
        samples[0]
    }

    fn failure(name: &str, file: &[u8]) -> String {
        let file = Temporary::new(name, file);
        let error = Wav::open(&file.0).expect_err("no WAV file");
        let text = error.to_string();
        assert!(!text.contains('\n'), "{text}");
        text
    }

    #[test]
    fn every_encoding_gives_the_same_sample() {
        let half = 0x4000_i32 << 16;
        let frames = 480;
        let i16s = half.to_le_bytes()[2..].repeat(frames);
        let i24s = half.to_le_bytes()[1..].repeat(frames);
        let i32s = half.to_le_bytes().repeat(frames);
        let f32s = 0.5_f32.to_le_bytes().repeat(frames);
        assert_eq!(
            first_sample("u8", &wav(1, 1, 48_000, 8, &[192; 480])),
            0x4000
        );
        assert_eq!(first_sample("i16", &wav(1, 1, 48_000, 16, &i16s)), 0x4000);
        assert_eq!(first_sample("i24", &wav(1, 1, 48_000, 24, &i24s)), 0x4000);
        assert_eq!(first_sample("i32", &wav(1, 1, 48_000, 32, &i32s)), 0x4000);
        let float = first_sample("f32", &wav(3, 1, 48_000, 32, &f32s));
        assert!((0x3fff..=0x4000).contains(&float));
    }

    #[test]
    fn it_loops_without_a_gap() {
        let samples: Vec<u8> = (0..100_i16).flat_map(i16::to_le_bytes).collect();
        let file = Temporary::new("loop", &wav(1, 1, 48_000, 16, &samples));
        let mut wav = Wav::open(&file.0).expect("a WAV file");
        for packet in 0..20 {
            let mut out = [0; PACKET_SAMPLES];
            wav.fill(WallTime::default(), &mut out).expect("sound");
            for (index, sample) in out.into_iter().enumerate() {
                let expected = (packet * PACKET_SAMPLES + index) % 100;
                assert_eq!(usize::try_from(sample), Ok(expected));
            }
        }
    }

    #[test]
    fn a_stereo_recording_at_another_rate_plays() {
        let frames: Vec<u8> = [1000_i16, -1000]
            .repeat(44_100)
            .into_iter()
            .flat_map(i16::to_le_bytes)
            .collect();
        let file = Temporary::new("stereo", &wav(1, 2, 44_100, 16, &frames));
        let mut wav = Wav::open(&file.0).expect("a WAV file");
        assert_eq!(wav.channels(), 2);
        let mut out = [0; 2 * PACKET_SAMPLES];
        for _ in 0..60 {
            wav.fill(WallTime::default(), &mut out).expect("sound");
        }
        assert!(out.chunks(2).all(|frame| (frame[0] - 1000).abs() < 3));
        assert!(out.chunks(2).all(|frame| (frame[1] + 1000).abs() < 3));
    }

    #[test]
    fn a_recording_that_was_cut_off_plays_what_is_there() {
        let mut file = wav(1, 1, 48_000, 16, &[0x10; 4000]);
        file.truncate(file.len() - 1001);
        assert_eq!(first_sample("cut", &file), 0x1010);
    }

    #[test]
    fn what_cannot_be_played_is_said_with_the_mend() {
        let device = Wav::open(Path::new("/dev/null")).expect_err("a device");
        assert!(device.to_string().contains("a device, not a file"));
        assert!(failure("empty", b"").contains("empty"));
        assert!(failure("text", b"hello, I am no sound at all").contains("ffmpeg"));
        assert!(failure("short", b"RIFF").contains("not a WAV"));
        assert!(failure("no-data", &wav(1, 1, 48_000, 16, &[])).contains("empty"));
        assert!(failure("header-only", &wav(1, 1, 48_000, 16, &[])[..40]).contains("cut off"));
        assert!(failure("adpcm", &wav(17, 1, 48_000, 4, &[0; 99])).contains("format 17"));
        assert!(failure("six", &wav(1, 6, 48_000, 16, &[0; 99])).contains("6 channels"));
        assert!(failure("rate", &wav(1, 1, 1, 16, &[0; 99])).contains("1 Hz"));
        let missing = Wav::open(Path::new("/nonexistent.wav")).expect_err("no file");
        assert!(missing.to_string().contains("check the path"));
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let good = wav(1, 2, 44_100, 16, &[7; 400]);
        for cut in 0..good.len() {
            let file = Temporary::new("fuzz", &good[..cut]);
            if let Ok(mut wav) = Wav::open(&file.0) {
                let _ = wav.fill(WallTime::default(), &mut [0; PACKET_SAMPLES * 2]);
            }
        }
        for at in 0..60 {
            for value in [0, 1, 0x7f, 0xff] {
                let mut bytes = good.clone();
                bytes[at] = value;
                let file = Temporary::new("fuzz", &bytes);
                if let Ok(mut wav) = Wav::open(&file.0) {
                    let _ = wav.fill(WallTime::default(), &mut [0; PACKET_SAMPLES * 2]);
                }
            }
        }
    }
}
