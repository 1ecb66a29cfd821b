//! Starts the capture threads that a configuration asks for.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use transom_boards_hal::{
    Camera, CameraControls, CameraError, CameraWish, CodecWish, FrameSize, Microphone,
};

use crate::backoff::Backoff;
use crate::clock::MediaClock;
use crate::encode::{
    EncodeError, EncoderChoice, EncoderConfig, Encoders, SoftwareEncoder, encode_until,
};
use crate::output::{AudioOutput, VideoOutput};
use crate::publish::{FeedControl, MediaFeed};
use crate::second::{Second, SecondLane};
use crate::sound::{
    self, OpusEncoder, OpusError, PacedSound, SoundCount, SoundError, Timeline, Tone, Wav, WavError,
};
use crate::source::csi::CsiSource;
use crate::source::file::{self, FileError, Recording};
use crate::source::{camera, generated};
use crate::still::Stills;
use crate::stop::Stop;
use crate::taps::Taps;

/// Played for so long, a sound file works: what comes next is a new failure.
const WORKED: Duration = Duration::from_secs(60);

/// Where pictures come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VideoSource {
    /// Drawn here.
    Test,
    /// A recording.
    File(PathBuf),
    /// A V4L2 device.
    V4l2(String),
    /// A CSI camera of this number, by `rpicam-vid`.
    Csi(u8),
}

/// Where sound comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AudioSource {
    /// Nowhere.
    None,
    /// Made here.
    Test,
    /// A WAV file.
    File(PathBuf),
    /// An ALSA device.
    Alsa(String),
}

/// A second, smaller stream of the same pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecondConfig {
    /// The size into which its pictures are to fit.
    pub size: FrameSize,
    /// Pictures a second at most.
    pub fps: u32,
    /// Bits a second of the picture, at the start and at most.
    pub video_bps: u32,
}

/// What to capture, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedConfig {
    /// Where pictures come from.
    pub video: VideoSource,
    /// The size of pictures that are made here; a wish to a camera.
    pub size: FrameSize,
    /// Pictures a second, likewise; for a byte stream that does not tell it.
    pub fps: u32,
    /// Bits a second of the picture at the start.
    pub video_bps: u32,
    /// Bits a second of the picture at most.
    pub max_video_bps: u32,
    /// In which form a camera's frames are wanted.
    pub codec: CodecWish,
    /// What is set on a camera besides.
    pub controls: CameraControls,
    /// What encodes.
    pub encoder: EncoderChoice,
    /// A second stream, if any.
    pub second: Option<SecondConfig>,
    /// Where sound comes from.
    pub audio: AudioSource,
    /// Bits a second of the sound.
    pub audio_bps: u32,
}

/// Why a feed does not start. A camera or a sound card that is absent is no
/// reason: it is waited for.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// The recording cannot be played.
    #[error(transparent)]
    File(#[from] FileError),
    /// The WAV file cannot be played.
    #[error(transparent)]
    Wav(#[from] WavError),
    /// Opus refuses the settings.
    #[error(transparent)]
    Opus(#[from] OpusError),
    /// The encoder refuses the settings.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The system has no thread to give.
    #[error("no thread for capturing: {0}: raise the limit of processes (ulimit -u)")]
    Thread(#[from] io::Error),
}

impl MediaFeed {
    /// Starts capturing. Files are opened here, so that a wrong path is an
    /// error at once; devices are opened, and waited for, in their threads.
    ///
    /// # Errors
    /// Where the configuration can never work.
    pub fn start(config: &FeedConfig) -> Result<Self, FeedError> {
        Ok(Self::start_all(config)?.0)
    }

    /// The same with the second stream, where one is configured.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_all(config: &FeedConfig) -> Result<(Self, Option<Self>), FeedError> {
        let clock = MediaClock::new(Instant::now());
        let stop = Stop::default();
        let (mut feed, output) = Self::of_pictures(clock, stop.clone());
        // From here on an error drops the feeds, which ends the threads that did start.
        let mut taps = Taps {
            stills: feed.stills.clone(),
            second: None,
        };
        let second = match &config.second {
            Some(second) => {
                let (feed, lane) = start_second(second, &config.encoder, clock)?;
                taps.second = Some(lane);
                Some(feed)
            }
            None => None,
        };
        start_video(config, taps, output, stop.clone())?;
        if config.audio != AudioSource::None {
            let (output, packets) = AudioOutput::new(clock, feed.control.clone());
            start_audio(config, output, stop)?;
            feed.audio = Some(packets);
        }
        Ok((feed, second))
    }

    fn of_pictures(clock: MediaClock, stop: Stop) -> (Self, VideoOutput) {
        let control = FeedControl::default();
        let (output, (video, video_format)) = VideoOutput::new(clock, control.clone());
        let feed = Self {
            video,
            video_format,
            audio: None,
            control,
            clock,
            stills: Stills::default(),
            stop,
        };
        (feed, output)
    }
}

/// Starts the second stream's encoder; its pictures come by the lane.
fn start_second(
    second: &SecondConfig,
    choice: &EncoderChoice,
    clock: MediaClock,
) -> Result<(MediaFeed, SecondLane), FeedError> {
    let config = EncoderConfig {
        size: second.size,
        fps: second.fps,
        bitrate_bps: second.video_bps,
        max_bitrate_bps: second.video_bps,
    };
    drop(SoftwareEncoder::new(&config)?);
    let stop = Stop::default();
    let (feed, mut output) = MediaFeed::of_pictures(clock, stop.clone());
    let shared = Arc::new(Second::new(feed.control.clone(), second.size));
    let lane = SecondLane::new(Arc::clone(&shared), second.fps);
    let mut encoders = Encoders::new(choice.clone());
    spawn("video-second", move || {
        let ended = encode_until(config, &mut encoders, &shared.slot, &mut output, &stop);
        report("second stream", ended);
    })?;
    Ok((feed, lane))
}

fn start_video(
    config: &FeedConfig,
    mut taps: Taps,
    mut output: VideoOutput,
    stop: Stop,
) -> Result<(), FeedError> {
    let encoder = EncoderConfig {
        size: config.size,
        fps: config.fps,
        bitrate_bps: config.video_bps,
        max_bitrate_bps: config.max_video_bps,
    };
    let mut encoders = Encoders::new(config.encoder.clone());
    match &config.video {
        VideoSource::Test => {
            // Refused settings are an error now, not in a thread later.
            drop(SoftwareEncoder::new(&encoder)?);
            spawn("video-test", move || {
                let ended = generated::run(encoder, &mut encoders, &mut taps, &mut output, &stop);
                report("picture", ended);
            })
        }
        VideoSource::File(path) => {
            let (recording, fps) = (Recording::open(path, config.fps)?, config.fps);
            spawn("video-file", move || {
                file::play_for_ever(recording, fps, &mut taps, &mut output, &stop);
            })
        }
        VideoSource::V4l2(device) => {
            let mut source = CameraSource::new(device, config.controls.clone());
            let (size, fps) = (config.size, config.fps);
            // Pictures are there already for the second stream then.
            let codec = match (config.codec, &taps.second) {
                (CodecWish::Any, Some(_)) => CodecWish::Pictures,
                (codec, _) => codec,
            };
            let capture = camera::Capture {
                config: encoder,
                codec,
                encoders,
                taps,
            };
            spawn("video-camera", move || {
                let mut open = |codec| source.open(CameraWish { size, fps, codec });
                camera::run(&mut open, capture, &mut output, &stop);
            })
        }
        VideoSource::Csi(camera) => {
            let mut source = CsiSource::new(
                *camera,
                config.size,
                config.fps,
                config.video_bps,
                config.controls.clone(),
            );
            let capture = camera::Capture {
                config: encoder,
                codec: CodecWish::Any,
                encoders,
                taps,
            };
            spawn("video-csi", move || {
                let mut open = |_: CodecWish| -> Result<Box<dyn Camera>, CameraError> {
                    Ok(Box::new(source.open()?))
                };
                camera::run(&mut open, capture, &mut output, &stop);
            })
        }
    }
}

fn start_audio(config: &FeedConfig, output: AudioOutput, stop: Stop) -> Result<(), FeedError> {
    let bps = config.audio_bps;
    match &config.audio {
        AudioSource::None => Ok(()),
        AudioSource::Test => {
            let mut tone = Tone::default();
            let mut encoder = OpusEncoder::new(tone.channels(), bps)?;
            spawn("audio-test", move || {
                let ended = sound::run_paced(&mut tone, &mut encoder, &output, &stop);
                report("sound", ended);
            })
        }
        AudioSource::File(path) => {
            let wav = Wav::open(path)?;
            drop(OpusEncoder::new(wav.channels(), bps)?);
            let path = path.clone();
            spawn("audio-file", move || {
                play_for_ever(wav, &path, bps, &output, &stop);
            })
        }
        AudioSource::Alsa(device) => {
            drop(OpusEncoder::new(1, bps)?);
            let device = device.clone();
            spawn("audio-card", move || {
                record_for_ever(&device, bps, &output, &stop);
            })
        }
    }
}

/// Plays until told to stop; a file that is changed or cut off meanwhile is
/// opened again, like a card.
fn play_for_ever(wav: Wav, path: &Path, bps: u32, output: &AudioOutput, stop: &Stop) {
    let mut backoff = Backoff::default();
    let mut opened = Ok(wav);
    loop {
        let begun = Instant::now();
        let ended = opened.map_err(SoundError::from).and_then(|mut wav| {
            let mut encoder = OpusEncoder::new(wav.channels(), bps)?;
            sound::run_paced(&mut wav, &mut encoder, output, stop)
        });
        let Err(error) = ended else {
            return;
        };
        if begun.elapsed() >= WORKED {
            backoff.worked();
        }
        if !backoff.failed(&error, stop) {
            return;
        }
        opened = Wav::open(path);
    }
}

/// Records until told to stop; a card that is absent or goes away is waited for.
fn record_for_ever(device: &str, bps: u32, output: &AudioOutput, stop: &Stop) {
    let mut backoff = Backoff::default();
    let mut timeline = Timeline::default();
    let figures = output.control().sound();
    while !stop.is_set() {
        let ended = open_microphone(device)
            .map_err(SoundError::from)
            .and_then(|mut microphone| {
                backoff.worked();
                let format = microphone.format();
                tracing::info!(device, rate = format.rate, "microphone opened");
                let ended = sound::record(microphone.as_mut(), bps, &mut timeline, output, stop);
                let lost = u64::from(ended.is_err());
                figures.add(SoundCount::MicrophoneLost, lost);
                ended
            });
        figures.set_microphone(None);
        figures.set_microphone_drift_ppm(None);
        match ended {
            Ok(()) => return,
            Err(error) => {
                if !backoff.failed(&error, stop) {
                    return;
                }
            }
        }
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), FeedError> {
    thread::Builder::new().name(name.to_owned()).spawn(run)?;
    Ok(())
}

/// A source that ended by itself is out for good.
fn report<E: std::error::Error>(what: &str, ended: Result<(), E>) {
    if let Err(error) = ended {
        tracing::error!("no {what} any more: {error}");
    }
}

/// A V4L2 camera, opened again and again.
#[cfg(target_os = "linux")]
struct CameraSource(transom_boards_linux::V4l2Source);

#[cfg(target_os = "linux")]
impl CameraSource {
    fn new(device: &str, controls: CameraControls) -> Self {
        Self(transom_boards_linux::V4l2Source::new(device, controls))
    }

    fn open(&mut self, wish: CameraWish) -> Result<Box<dyn Camera>, CameraError> {
        Ok(Box::new(self.0.open(wish)?))
    }
}

#[cfg(target_os = "linux")]
fn open_microphone(
    device: &str,
) -> Result<Box<dyn Microphone>, transom_boards_hal::MicrophoneError> {
    let microphone = transom_boards_linux::AlsaMicrophone::open(device)?;
    Ok(Box::new(microphone))
}

/// There are none here.
#[cfg(not(target_os = "linux"))]
struct CameraSource(String);

#[cfg(not(target_os = "linux"))]
impl CameraSource {
    fn new(device: &str, _controls: CameraControls) -> Self {
        Self(device.to_owned())
    }

    fn open(&mut self, _wish: CameraWish) -> Result<Box<dyn Camera>, CameraError> {
        Err(CameraError::Absent {
            device: self.0.clone(),
            present: Vec::new(),
        })
    }
}

#[cfg(not(target_os = "linux"))]
fn open_microphone(
    device: &str,
) -> Result<Box<dyn Microphone>, transom_boards_hal::MicrophoneError> {
    Err(transom_boards_hal::MicrophoneError::Absent {
        device: device.to_owned(),
        present: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::timeout;

    fn config() -> FeedConfig {
        FeedConfig {
            video: VideoSource::Test,
            size: FrameSize::new(320, 240),
            fps: 30,
            video_bps: 300_000,
            max_video_bps: 1_000_000,
            codec: CodecWish::Any,
            controls: CameraControls::default(),
            encoder: EncoderChoice::Auto,
            second: None,
            audio: AudioSource::Test,
            audio_bps: 32_000,
        }
    }

    #[tokio::test]
    async fn picture_and_sound_come_in_step() {
        let mut feed = MediaFeed::start(&config()).expect("it starts");
        let first = feed.video.recv().await.expect("a picture");
        assert!(first.key);
        let format = feed.wait_for_format(Duration::from_secs(5)).await;
        assert_eq!(format.map(|format| format.width), Some(320));
        let packets = feed.audio.as_mut().expect("sound");
        let sound = packets.recv().await.expect("a packet");
        // Both stamps count from the same origin: the difference of the
        // captures is the difference of the timestamps.
        let video_s = f64::from(first.timestamp) / 90_000.0;
        let audio_s = f64::from(sound.timestamp) / 48_000.0;
        let apart = if first.capture.at > sound.capture.at {
            (first.capture.at - sound.capture.at).as_secs_f64()
        } else {
            -(sound.capture.at - first.capture.at).as_secs_f64()
        };
        assert!((video_s - audio_s - apart).abs() < 0.001);
    }

    #[tokio::test]
    async fn a_pause_is_silent_and_a_restart_begins_with_a_key_frame() {
        let mut feed = MediaFeed::start(&config()).expect("it starts");
        feed.video.recv().await.expect("a picture");
        feed.control.pause();
        tokio::time::sleep(Duration::from_millis(100)).await;
        feed.video.clear();
        let quiet = timeout(Duration::from_millis(200), feed.video.recv()).await;
        assert!(quiet.is_err(), "a picture in the pause");
        // Longer than key frames must be apart.
        tokio::time::sleep(Duration::from_millis(200)).await;
        feed.restart();
        let first = timeout(Duration::from_secs(5), feed.video.recv()).await;
        assert!(first.expect("in time").expect("a picture").key);
    }

    #[tokio::test]
    async fn a_stopped_feed_ends() {
        let mut feed = MediaFeed::start(&config()).expect("it starts");
        feed.stop();
        let drained = timeout(Duration::from_secs(5), async {
            while feed.video.recv().await.is_some() {}
            let packets = feed.audio.as_mut().expect("sound");
            while packets.recv().await.is_some() {}
        });
        drained.await.expect("both queues end");
    }

    #[tokio::test]
    async fn absent_devices_are_waited_for_and_the_rest_goes_on() {
        let mut feed = MediaFeed::start(&FeedConfig {
            video: VideoSource::V4l2("/dev/transom-no-such-camera".into()),
            ..config()
        })
        .expect("it starts");
        let sound = feed.audio.as_mut().expect("sound").recv();
        let sound = timeout(Duration::from_secs(5), sound).await;
        assert!(sound.expect("in time").is_some());
        let format = feed.wait_for_format(Duration::from_millis(50)).await;
        assert_eq!(format, None);
        let mut feed = MediaFeed::start(&FeedConfig {
            audio: AudioSource::Alsa("plughw:CARD=TransomNoSuchCard,DEV=0".into()),
            ..config()
        })
        .expect("it starts");
        let picture = timeout(Duration::from_secs(5), feed.video.recv()).await;
        assert!(picture.expect("in time").is_some());
    }

    #[tokio::test]
    async fn a_second_stream_is_smaller_and_lives_for_itself() {
        let config = FeedConfig {
            second: Some(SecondConfig {
                size: FrameSize::new(160, 160),
                fps: 10,
                video_bps: 100_000,
            }),
            ..config()
        };
        let (mut feed, second) = MediaFeed::start_all(&config).expect("they start");
        let mut second = second.expect("a second feed");
        let wait = Duration::from_secs(5);
        let first = timeout(wait, second.video.recv()).await.expect("in time");
        assert!(first.expect("a picture").key);
        let format = second.wait_for_format(wait).await.expect("a format");
        assert_eq!((format.width, format.height), (160, 120));
        let main = feed.wait_for_format(wait).await.expect("a format");
        assert_eq!((main.width, main.height), (320, 240));
        // The stream itself may have nobody, and the other way round.
        feed.control.pause();
        feed.video.clear();
        let mut count = 0;
        let _ = timeout(Duration::from_secs(1), async {
            while second.video.recv().await.is_some() {
                count += 1;
            }
        })
        .await;
        assert!((5..=12).contains(&count), "{count} pictures in a second");
        assert!(feed.video.try_recv().is_none());
        drop(feed);
    }

    #[tokio::test]
    async fn a_recording_has_a_second_stream_too_and_a_still() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/media/baseline.mp4");
        let config = FeedConfig {
            video: VideoSource::File(path),
            second: Some(SecondConfig {
                size: FrameSize::new(80, 60),
                fps: 30,
                video_bps: 100_000,
            }),
            ..config()
        };
        let (feed, second) = MediaFeed::start_all(&config).expect("they start");
        let mut second = second.expect("a second feed");
        let wait = Duration::from_secs(5);
        let format = second.wait_for_format(wait).await.expect("a format");
        assert_eq!((format.width, format.height), (80, 60));
        let still = feed.stills.take(wait).await.expect("a key frame");
        let jpeg = still.to_jpeg().expect("a JPEG");
        assert!(jpeg.len() > 500, "{} bytes", jpeg.len());
    }

    #[test]
    fn what_can_never_work_is_an_error_at_once() {
        for wrong in [
            FeedConfig {
                video: VideoSource::File("/nonexistent.mp4".into()),
                ..config()
            },
            FeedConfig {
                audio: AudioSource::File("/nonexistent.wav".into()),
                ..config()
            },
            FeedConfig {
                size: FrameSize::new(8, 8),
                ..config()
            },
            FeedConfig {
                audio_bps: u32::MAX,
                ..config()
            },
        ] {
            let error = MediaFeed::start(&wrong).expect_err("it cannot start");
            assert!(!error.to_string().contains('\n'));
        }
    }
}
