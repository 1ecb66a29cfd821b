//! Starts the capture threads that a configuration asks for.

use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use transom_boards_hal::{Camera, CameraWish, FrameSize, Microphone};

use crate::backoff::Backoff;
use crate::clock::MediaClock;
use crate::encode::{EncodeError, EncoderConfig, SoftwareEncoder};
use crate::output::{AudioOutput, VideoOutput};
use crate::publish::{FeedControl, MediaFeed};
use crate::sound::{
    self, OpusEncoder, OpusError, PacedSound, SoundCount, SoundError, Timeline, Tone, Wav, WavError,
};
use crate::source::file::{self, FileError, Recording};
use crate::source::{camera, generated};
use crate::stop::Stop;

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
    pub fn start(config: &FeedConfig) -> Result<Self, FeedError> {
        let clock = MediaClock::new(Instant::now());
        let control = FeedControl::default();
        let stop = Stop::default();
        let (output, (video, video_format)) = VideoOutput::new(clock, control.clone());
        // From here on an error drops the feed, which ends the threads that did start.
        let mut feed = Self {
            video,
            video_format,
            audio: None,
            control: control.clone(),
            clock,
            stop: stop.clone(),
        };
        start_video(config, output, stop.clone())?;
        if config.audio != AudioSource::None {
            let (output, packets) = AudioOutput::new(clock, control);
            start_audio(config, output, stop)?;
            feed.audio = Some(packets);
        }
        Ok(feed)
    }
}

fn start_video(config: &FeedConfig, mut output: VideoOutput, stop: Stop) -> Result<(), FeedError> {
    let encoder = EncoderConfig {
        size: config.size,
        fps: config.fps,
        bitrate_bps: config.video_bps,
        max_bitrate_bps: config.max_video_bps,
    };
    match &config.video {
        VideoSource::Test => {
            // Refused settings are an error now, not in a thread later.
            drop(SoftwareEncoder::new(&encoder)?);
            spawn("video-test", move || {
                report("picture", generated::run(encoder, &mut output, &stop));
            })
        }
        VideoSource::File(path) => {
            let (recording, fps) = (Recording::open(path, config.fps)?, config.fps);
            spawn("video-file", move || {
                file::play_for_ever(recording, fps, &mut output, &stop);
            })
        }
        VideoSource::V4l2(device) => {
            let device = device.clone();
            let wish = CameraWish {
                size: config.size,
                fps: config.fps,
            };
            spawn("video-camera", move || {
                let mut open = || open_camera(&device, wish);
                camera::run(&mut open, encoder, &mut output, &stop);
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

#[cfg(target_os = "linux")]
fn open_camera(
    device: &str,
    wish: CameraWish,
) -> Result<Box<dyn Camera>, transom_boards_hal::CameraError> {
    let camera = transom_boards_linux::V4l2Camera::open(device, wish)?;
    Ok(Box::new(camera))
}

#[cfg(target_os = "linux")]
fn open_microphone(
    device: &str,
) -> Result<Box<dyn Microphone>, transom_boards_hal::MicrophoneError> {
    let microphone = transom_boards_linux::AlsaMicrophone::open(device)?;
    Ok(Box::new(microphone))
}

#[cfg(not(target_os = "linux"))]
fn open_camera(
    device: &str,
    _wish: CameraWish,
) -> Result<Box<dyn Camera>, transom_boards_hal::CameraError> {
    Err(transom_boards_hal::CameraError::Absent {
        device: device.to_owned(),
        present: Vec::new(),
    })
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
