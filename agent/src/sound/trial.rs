//! `transom-agent sound`: which cards there are, whether the speaker is heard
//! and the microphone hears.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use transom_boards_hal::{Microphone as _, Speaker as _};
use transom_boards_linux::{AlsaMicrophone, AlsaSpeaker, list_microphones, list_speakers};

use super::play::{Chime, PlayConfig, PlayHandle, play};
use super::{Level, LevelMeter};
use crate::feed::AudioSource;
use crate::stop::Stop;

/// How long is listened, and how often the level is shown.
const LISTEN: Duration = Duration::from_secs(3);
const SHOWN_PER_S: u64 = 4;
/// What the speaker plays last lies in its queue for a while.
const QUEUED: Duration = Duration::from_millis(200);
/// A bar of this many signs goes from silence to full scale.
const BAR: f32 = 48.0;
const QUIETEST_DBFS: f32 = -72.0;

/// What is tried: what is configured, or else ALSA's `default`.
#[derive(Clone, Debug)]
pub struct Trial {
    /// The microphone.
    pub source: AudioSource,
    /// The speaker and the chime.
    pub play: PlayConfig,
}

impl Trial {
    /// Tries them one after the other, and tells `out`. Whether both work.
    ///
    /// # Errors
    /// Where `out` cannot be written.
    pub fn run(&self, out: &mut dyn Write) -> io::Result<bool> {
        list("Microphones (--audio alsa:NAME)", &list_microphones(), out)?;
        list("Speakers (--speaker alsa:NAME)", &list_speakers(), out)?;
        let heard = self.ring(out)?;
        let hears = self.listen(out)?;
        Ok(heard && hears)
    }

    fn ring(&self, out: &mut dyn Write) -> io::Result<bool> {
        let device = self.play.speaker.as_deref().unwrap_or("default");
        writeln!(out, "Playing the chime by {device}:")?;
        let chime = match self.play.chime.as_deref().map(Chime::load) {
            None => Chime::two_tones(),
            Some(Ok(chime)) => chime,
            Some(Err(error)) => return failed(&error, out),
        };
        let mut speaker = match AlsaSpeaker::open(device) {
            Ok(speaker) => speaker,
            Err(error) => return failed(&error, out),
        };
        let format = speaker.format();
        let (handle, stop) = (PlayHandle::opened(), Stop::default());
        handle.chime();
        let length = chime.duration() + QUEUED;
        let played = std::thread::scope(|threads| {
            let playing = threads.spawn(|| play(&mut speaker, &chime, &handle, &stop));
            std::thread::sleep(length);
            stop.set();
            playing.join()
        });
        match played {
            Ok(Ok(())) => {
                let (rate, channels) = (format.rate, format.channels);
                writeln!(
                    out,
                    "  played, {rate} Hz, {channels} channel(s); silence? `alsamixer` shows the volume"
                )?;
                Ok(true)
            }
            Ok(Err(error)) => failed(&error, out),
            Err(_) => Ok(false),
        }
    }

    fn listen(&self, out: &mut dyn Write) -> io::Result<bool> {
        let device = match &self.source {
            AudioSource::Alsa(device) => device,
            _ => "default",
        };
        writeln!(
            out,
            "Listening by {device} for {} s; speak, or clap:",
            LISTEN.as_secs()
        )?;
        let mut microphone = match AlsaMicrophone::open(device) {
            Ok(microphone) => microphone,
            Err(error) => return failed(&error, out),
        };
        let format = microphone.format();
        let per_s = u64::from(format.rate) * u64::from(format.channels);
        let mut meter = LevelMeter::new(per_s / SHOWN_PER_S);
        let mut samples = vec![0; 4800 * usize::from(format.channels.max(1))];
        let began = Instant::now();
        while began.elapsed() < LISTEN {
            let read = match microphone.read(&mut samples, Duration::from_secs(1)) {
                Ok((read, _)) => read,
                Err(error) => return failed(&error, out),
            };
            if let Some(level) = meter.add(samples.get(..read).unwrap_or_default()) {
                writeln!(out, "{}", bar(level))?;
            }
        }
        writeln!(out, "  {} overruns", microphone.overruns())?;
        Ok(true)
    }
}

fn list(title: &str, names: &[String], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{title}:")?;
    if names.is_empty() {
        writeln!(out, "  none")?;
    }
    names.iter().try_for_each(|name| writeln!(out, "  {name}"))
}

fn failed(error: &dyn std::error::Error, out: &mut dyn Write) -> io::Result<bool> {
    writeln!(out, "  {error}")?;
    Ok(false)
}

fn bar(level: Level) -> String {
    let part = (level.rms - QUIETEST_DBFS) / -QUIETEST_DBFS;
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "within 0 and the bar's length"
    )]
    let length = (part * BAR).clamp(0.0, BAR) as usize;
    format!(
        "  {:6.1} dBFS, peak {:6.1}  {}",
        level.rms,
        level.peak,
        "#".repeat(length)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "alsa")]
    #[test]
    fn both_directions_are_tried_and_shown() {
        // ALSA's null plugin needs no card.
        let trial = Trial {
            source: AudioSource::Alsa("null".into()),
            play: PlayConfig {
                speaker: Some("null".into()),
                chime: None,
            },
        };
        let mut told = Vec::new();
        assert!(trial.run(&mut told).expect("memory"));
        let told = String::from_utf8(told).expect("text");
        assert!(
            told.contains("Microphones") && told.contains("Speakers"),
            "{told}"
        );
        assert!(
            told.contains("played, 48000 Hz") && told.contains("-96.3 dBFS"),
            "{told}"
        );
    }

    #[test]
    fn what_is_absent_is_told() {
        let trial = Trial {
            source: AudioSource::Alsa("TransomNoSuchCard".into()),
            play: PlayConfig {
                speaker: Some("TransomNoSuchCard".into()),
                chime: None,
            },
        };
        let mut told = Vec::new();
        assert!(!trial.run(&mut told).expect("memory"));
        let told = String::from_utf8(told).expect("text");
        assert_eq!(told.matches("TransomNoSuchCard").count(), 4, "{told}");
    }

    #[test]
    fn bars_grow_with_the_level() {
        let of = |rms| bar(Level { rms, peak: 0.0 }).matches('#').count();
        assert_eq!((of(-96.3), of(-36.0), of(0.0)), (0, 24, 48));
    }
}
