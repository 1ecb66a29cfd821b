//! What the capture side hands to the publisher: encoded frames in, wishes out.
//!
//! A [`MediaFeed`] runs as long as the program; sessions come and go. While no
//! session stands, [`FeedControl::pause`] spares the encoder. On a new one,
//! [`MediaFeed::restart`] throws away what is stale and begins with a key frame.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use crate::clock::{Capture, MediaClock};
use crate::queue::Receiver;
use crate::sound::SoundFigures;
use crate::still::Stills;
use crate::stop::Stop;
use transom_rtc_telemetry::Histogram;

/// Clock rate of H.264 in RTP (RFC 6184 section 8.1).
pub const VIDEO_CLOCK_HZ: u32 = 90_000;
/// Clock rate of Opus in RTP (RFC 7587 section 4.1).
pub const AUDIO_CLOCK_HZ: u32 = 48_000;
/// Samples of a channel in one Opus packet: 20 ms.
pub const AUDIO_PACKET_SAMPLES: u32 = 960;

/// One encoded picture.
#[derive(Clone, PartialEq, Eq)]
pub struct VideoFrame {
    /// A whole access unit in Annex-B form.
    pub data: Vec<u8>,
    /// When the picture was captured.
    pub capture: Capture,
    /// RTP timestamp at [`VIDEO_CLOCK_HZ`], from the clock that sound shares.
    pub timestamp: u32,
    /// An IDR picture, parameter sets in front.
    pub key: bool,
}

impl fmt::Debug for VideoFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VideoFrame")
            .field("len", &self.data.len())
            .field("timestamp", &self.timestamp)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// One Opus packet of [`AUDIO_PACKET_SAMPLES`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AudioFrame {
    /// The packet (RFC 6716 section 3).
    pub packet: Vec<u8>,
    /// When its first sample was captured.
    pub capture: Capture,
    /// RTP timestamp of its first sample at [`AUDIO_CLOCK_HZ`].
    pub timestamp: u32,
}

/// What the offer must say of the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VideoFormat {
    /// `profile-level-id` of RFC 6184, 24 bits, as the stream's SPS has it.
    pub profile_level_id: u32,
    /// Pixels a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl fmt::Display for VideoFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (profile, width, height) = (self.profile_level_id, self.width, self.height);
        write!(f, "H264/{profile:06x} {width}x{height}")
    }
}

/// Everything the publisher needs. Dropping it ends the capture threads within
/// some 100 ms.
#[derive(Debug)]
pub struct MediaFeed {
    /// Pictures. At most eight wait; more and all are dropped and a key frame
    /// follows. `None` from `recv` means that the source has ended for good;
    /// it has logged why.
    pub video: Receiver<VideoFrame>,
    /// The format of the pictures. `None` until the first key frame, which on
    /// a camera that is absent may be long; then the format of an encoder of
    /// ours, 42c01f, is the one to offer.
    pub video_format: watch::Receiver<Option<VideoFormat>>,
    /// Sound, where there is any. At most ten packets wait (200 ms); the
    /// oldest goes first. `None` from `recv` as for pictures. Packets are mono
    /// or stereo, which an Opus receiver sees from each packet itself.
    pub audio: Option<Receiver<AudioFrame>>,
    /// Key frames, bitrate, pause.
    pub control: FeedControl,
    /// The clock of all stamps.
    pub clock: MediaClock,
    /// Still pictures of the source.
    pub stills: Stills,
    pub(crate) stop: Stop,
}

impl MediaFeed {
    /// Throws away what waits from before, resumes and asks for a key frame:
    /// the beginning of a session.
    pub fn restart(&mut self) {
        self.video.clear();
        if let Some(audio) = &mut self.audio {
            audio.clear();
        }
        self.control.resume();
    }

    /// Waits until the format of the pictures is known, at most for `limit`: a
    /// camera that is absent must not keep the sound from being published.
    pub async fn wait_for_format(&mut self, limit: Duration) -> Option<VideoFormat> {
        let known = self.video_format.wait_for(Option::is_some);
        match timeout(limit, known).await {
            Ok(Ok(format)) => *format,
            Ok(Err(_)) | Err(_) => None,
        }
    }

    /// Takes frames and throws them away until `end`, as a publisher without a
    /// session does; returns what `end` gave.
    pub async fn drain_until<T>(&mut self, end: impl Future<Output = T>) -> T {
        tokio::pin!(end);
        loop {
            let audio = async {
                match &mut self.audio {
                    Some(audio) => audio.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                ended = &mut end => return ended,
                Some(_) = self.video.recv() => {}
                Some(_) = audio => {}
                else => return end.await,
            }
        }
    }

    /// Ends the capture threads; what waits can still be taken.
    pub fn stop(&self) {
        self.stop.set();
    }
}

impl Drop for MediaFeed {
    fn drop(&mut self) {
        self.stop.set();
    }
}

/// What the publisher may ask of the capture side. Cheap to clone; every
/// method returns at once.
#[derive(Clone, Debug, Default)]
pub struct FeedControl(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    key_wanted: AtomicBool,
    bitrate_bps: AtomicU32,
    paused: AtomicBool,
    counts: [AtomicU64; FeedCount::LEN],
    encode_time: Histogram,
    sound: SoundFigures,
    encode_cpu_us: AtomicU64,
    encoder: Mutex<String>,
}

/// What the capture side counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedCount {
    /// Pictures that a source gave, in whatever form.
    Captured,
    /// Coded pictures that were handed on.
    Frames,
    /// Pictures dropped because the encoder was still busy with an older one.
    EncoderBusy,
    /// Pictures that the encoder left out to keep its bitrate.
    EncoderSkipped,
    /// Pictures that the encoder failed at.
    EncoderFailed,
    /// Coded pictures that the publisher was too slow for.
    Late,
    /// Coded pictures that refer to one that was lost.
    Undecodable,
    /// Sound packets handed on.
    Sound,
    /// Sound packets that the publisher was too slow for.
    SoundLate,
    /// Times that a sound card lost sound because nobody took it.
    SoundOverruns,
}

impl FeedCount {
    const LEN: usize = Self::SoundOverruns as usize + 1;
}

/// A picture at 30 a second has 33 ms; at 60, 16.
const ENCODE_BOUNDS: &[Duration] = &[
    Duration::from_millis(1),
    Duration::from_millis(2),
    Duration::from_millis(4),
    Duration::from_millis(8),
    Duration::from_millis(16),
    Duration::from_millis(33),
    Duration::from_millis(66),
    Duration::from_millis(132),
    Duration::from_millis(264),
];

impl Default for Shared {
    fn default() -> Self {
        Self {
            // The first frame is a key frame anyway.
            key_wanted: AtomicBool::new(true),
            bitrate_bps: AtomicU32::new(0),
            paused: AtomicBool::new(false),
            counts: [const { AtomicU64::new(0) }; FeedCount::LEN],
            encode_time: Histogram::new(ENCODE_BOUNDS),
            sound: SoundFigures::default(),
            encode_cpu_us: AtomicU64::new(0),
            encoder: Mutex::new(String::new()),
        }
    }
}

impl FeedControl {
    /// Asks for a key frame (PLI, FIR, a new subscriber). Requests are
    /// coalesced: an encoder of ours makes at most one in 300 ms. A source
    /// that is passed through may not be able to; then its next one serves.
    pub fn request_key_frame(&self) {
        self.0.key_wanted.store(true, Ordering::Release);
    }

    /// Sets the bitrate of the picture in bits a second. Without effect on
    /// sources that are passed through, unless the camera has such a control.
    pub fn set_bitrate(&self, bps: u32) {
        self.0.bitrate_bps.store(bps, Ordering::Release);
    }

    /// Nothing is encoded and nothing queued until [`resume`](Self::resume);
    /// devices stay open.
    pub fn pause(&self) {
        self.0.paused.store(true, Ordering::Release);
    }

    /// Goes on after [`pause`](Self::pause), with a key frame.
    pub fn resume(&self) {
        self.request_key_frame();
        self.0.paused.store(false, Ordering::Release);
    }

    /// What was counted so far.
    pub fn count(&self, count: FeedCount) -> u64 {
        let counts = self.0.counts.get(count as usize);
        counts.map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// How loud it is, and what else sound tells; of playing, too.
    pub fn sound(&self) -> &SoundFigures {
        &self.0.sound
    }

    /// How long the encoder took for a picture.
    pub fn encode_time(&self) -> &Histogram {
        &self.0.encode_time
    }

    /// Processor time that encoding took so far, on the encoder's own thread.
    pub fn encode_cpu(&self) -> Duration {
        Duration::from_micros(self.0.encode_cpu_us.load(Ordering::Relaxed))
    }

    /// What encodes the pictures; empty where nothing has, as for a source that
    /// is passed through.
    pub fn encoder(&self) -> String {
        let encoder = self.0.encoder.lock();
        encoder.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The wished bitrate of the picture in bits a second, `None` until one was set.
    pub fn bitrate(&self) -> Option<u32> {
        match self.0.bitrate_bps.load(Ordering::Acquire) {
            0 => None,
            bps => Some(bps),
        }
    }

    pub(crate) fn encoded_in(&self, took: Duration, busy: Duration) {
        self.0.encode_time.observe(took);
        let busy = u64::try_from(busy.as_micros()).unwrap_or(u64::MAX);
        self.0.encode_cpu_us.fetch_add(busy, Ordering::Relaxed);
    }

    pub(crate) fn set_encoder(&self, name: &str) {
        let mut encoder = self
            .0
            .encoder
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        name.clone_into(&mut encoder);
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.0.paused.load(Ordering::Acquire)
    }

    /// Whether a key frame was asked for, without taking the request.
    pub(crate) fn key_frame_wanted(&self) -> bool {
        self.0.key_wanted.load(Ordering::Acquire)
    }

    /// The request is met.
    pub(crate) fn take_key_frame_request(&self) -> bool {
        self.0.key_wanted.swap(false, Ordering::AcqRel)
    }

    pub(crate) fn add(&self, count: FeedCount, more: u64) {
        if let Some(count) = self.0.counts.get(count as usize) {
            count.fetch_add(more, Ordering::Relaxed);
        }
    }
}
