//! What is played on the board: the chime, and the sound of who talks back.
//!
//! A thread of its own keeps a few hundredths of a second in the speaker's
//! queue. The chime is made as fast as the speaker takes it. What comes from
//! the network comes by another clock: how much of it waits steers a resampler
//! ([`Regulator`]), so that it neither runs dry nor grows.

mod chime;
mod mixer;
mod player;
mod regulator;
mod talk_queue;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

pub use chime::{Chime, ChimeError};
pub use mixer::Mixer;
pub use player::{PlayError, play};
pub use regulator::{Pull, Regulator};
pub use talk_queue::TalkQueue;

use super::{SoundCount, SoundFigures};
use crate::backoff::Backoff;
use crate::stop::Stop;
use transom_boards_hal::{Speaker, SpeakerError};

/// The rate of everything up to the speaker.
pub(crate) const RATE: u32 = 48_000;

/// What is played, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlayConfig {
    /// The ALSA device; nothing is played without.
    pub speaker: Option<String>,
    /// A WAV file in place of the two tones.
    pub chime: Option<PathBuf>,
}

/// Why nothing can ever be played. A speaker that is absent is no reason: it
/// is waited for.
#[derive(Debug, thiserror::Error)]
pub enum PlaybackError {
    /// The chime's file is of no use.
    #[error(transparent)]
    Chime(#[from] ChimeError),
    /// The system has no thread to give.
    #[error("no thread for playing: {0}: raise the limit of processes (ulimit -u)")]
    Thread(#[from] io::Error),
}

/// Plays, from any thread. Cheap to clone; nothing here waits.
#[derive(Clone, Debug, Default)]
pub struct PlayHandle(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// Somebody wants to be heard, and it has not begun.
    chime: AtomicBool,
    /// A speaker is open.
    open: AtomicBool,
    talk: TalkQueue,
    figures: SoundFigures,
}

impl PlayHandle {
    fn new(figures: SoundFigures) -> Self {
        Self(Arc::new(Shared {
            figures,
            ..Shared::default()
        }))
    }

    /// One whose speaker is open.
    pub(crate) fn opened() -> Self {
        let handle = Self::default();
        handle.set_open(true);
        handle
    }

    /// Plays the chime; while it still sounds, once more behind it, however often
    /// that is asked for. Without a speaker it is lost, and counted: nobody wants
    /// to be rung a minute late.
    pub fn chime(&self) {
        if !self.0.open.load(Ordering::Acquire) {
            self.0.figures.add(SoundCount::ChimesUnheard, 1);
            tracing::info!("a chime that nobody hears: there is no speaker");
            return;
        }
        self.0.chime.store(true, Ordering::Release);
    }

    /// Where received sound waits to be played.
    pub fn talk(&self) -> &TalkQueue {
        &self.0.talk
    }

    /// Where is told how it goes.
    pub fn figures(&self) -> &SoundFigures {
        &self.0.figures
    }

    /// The speaker is there, or away. What was wanted before does not count any more.
    fn set_open(&self, open: bool) {
        self.0.open.store(open, Ordering::Release);
        if self.take_chime() {
            self.0.figures.add(SoundCount::ChimesUnheard, 1);
        }
        self.0.talk.clear();
        self.0.talk.set_heard(open);
    }

    fn take_chime(&self) -> bool {
        self.0.chime.swap(false, Ordering::AcqRel)
    }
}

/// The thread that plays. It ends with this.
#[derive(Debug)]
pub struct Playback {
    handle: PlayHandle,
    stop: Stop,
}

impl Playback {
    /// Starts playing, if there is to be a speaker; tells `figures` how it goes.
    ///
    /// # Errors
    /// Where the chime's file is of no use, or there is no thread.
    pub fn start(config: &PlayConfig, figures: SoundFigures) -> Result<Self, PlaybackError> {
        let chime = match &config.chime {
            Some(path) => Chime::load(path)?,
            None => Chime::two_tones(),
        };
        let playback = Self {
            handle: PlayHandle::new(figures),
            stop: Stop::default(),
        };
        if let Some(device) = config.speaker.clone() {
            let (handle, stop) = (playback.handle.clone(), playback.stop.clone());
            thread::Builder::new()
                .name("audio-play".into())
                .spawn(move || play_for_ever(&device, &chime, &handle, &stop))?;
        }
        Ok(playback)
    }

    /// Reaches it.
    pub fn handle(&self) -> &PlayHandle {
        &self.handle
    }
}

impl Drop for Playback {
    fn drop(&mut self) {
        self.stop.set();
    }
}

/// Plays until told to stop; a speaker that is absent or goes away is waited for.
fn play_for_ever(device: &str, chime: &Chime, handle: &PlayHandle, stop: &Stop) {
    let mut backoff = Backoff::default();
    let figures = handle.figures();
    while !stop.is_set() {
        let ended = open_speaker(device)
            .map_err(PlayError::from)
            .and_then(|mut speaker| {
                let format = speaker.format();
                tracing::info!(device, rate = format.rate, "speaker opened");
                backoff.worked();
                handle.set_open(true);
                let ended = play(speaker.as_mut(), chime, handle, stop);
                handle.set_open(false);
                figures.add(SoundCount::SpeakerLost, u64::from(ended.is_err()));
                ended
            });
        figures.set_speaker(None);
        figures.set_talk_drift_ppm(None);
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

#[cfg(target_os = "linux")]
fn open_speaker(device: &str) -> Result<Box<dyn Speaker>, SpeakerError> {
    let speaker = transom_boards_linux::AlsaSpeaker::open(device)?;
    Ok(Box::new(speaker))
}

#[cfg(not(target_os = "linux"))]
fn open_speaker(device: &str) -> Result<Box<dyn Speaker>, SpeakerError> {
    Err(SpeakerError::Absent {
        device: device.to_owned(),
        present: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(feature = "alsa")]
    use std::time::{Duration, Instant};

    #[cfg(feature = "alsa")]
    fn until(mut done: impl FnMut() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !done() {
            assert!(Instant::now() < deadline, "too late");
            thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn without_a_speaker_a_chime_is_counted_and_forgotten() {
        let figures = SoundFigures::default();
        let absent = PlayConfig {
            speaker: Some("plughw:CARD=TransomNoSuchCard,DEV=0".into()),
            chime: None,
        };
        for config in [PlayConfig::default(), absent] {
            let playback = Playback::start(&config, figures.clone()).expect("it starts");
            playback.handle().clone().chime();
            assert!(!playback.handle().take_chime());
        }
        assert_eq!(figures.count(SoundCount::ChimesUnheard), 2);
        assert_eq!(figures.speaker(), None);
    }

    #[cfg(feature = "alsa")]
    #[test]
    fn a_chime_comes_out_of_the_card() {
        // ALSA's file plugin needs no card: it keeps what a card would play.
        let file = std::env::temp_dir().join(format!("transom-chime-{}", std::process::id()));
        let config = PlayConfig {
            speaker: Some(format!("file:FILE={},FORMAT=raw", file.display())),
            chime: None,
        };
        let figures = SoundFigures::default();
        let playback = Playback::start(&config, figures.clone()).expect("it starts");
        until(|| playback.handle.0.open.load(Ordering::Acquire));
        playback.handle().chime();
        until(|| figures.count(SoundCount::Chimes) == 1);
        until(|| figures.speaker().is_some_and(|level| level.peak > -20.0));
        drop(playback);
        let loudest = || {
            let kept = std::fs::read(&file).unwrap_or_default();
            let samples = kept.chunks_exact(2);
            samples
                .map(|two| i16::from_le_bytes([two[0], two[1]]).unsigned_abs())
                .max()
        };
        until(|| loudest() > Some(5_000));
        let _ = std::fs::remove_file(&file);
    }

    #[test]
    fn a_file_that_is_no_chime_is_an_error_at_once() {
        let config = PlayConfig {
            speaker: None,
            chime: Some("/nonexistent/ding.wav".into()),
        };
        let error = Playback::start(&config, SoundFigures::default()).expect_err("no file");
        assert!(error.to_string().contains("/nonexistent/ding.wav"));
    }
}
