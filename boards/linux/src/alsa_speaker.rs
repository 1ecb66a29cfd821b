//! A speaker by ALSA.

use alsa::Direction;
use alsa::pcm::PCM;
use rustix::io::Errno;
use transom_boards_hal::{SoundFormat, Speaker, SpeakerError};

use crate::alsa_card::{self, Refusal};

/// What the card takes at once, and what starts it.
const PERIOD_US: u32 = 10_000;
/// The card's ring. Who plays keeps far less in it.
const BUFFER_US: u32 = 200_000;

/// A playback device that is open.
pub struct AlsaSpeaker {
    name: String,
    pcm: PCM,
    format: SoundFormat,
    underruns: u64,
}

impl AlsaSpeaker {
    /// Opens an ALSA playback device (`default`, `plughw:CARD=Device,DEV=0`,
    /// or a part of a card's name), in mono where the card can.
    pub fn open(device: &str) -> Result<Self, SpeakerError> {
        let pcm = alsa_card::open(device, Direction::Playback)
            .map_err(|refusal| explain(device, "snd_pcm_open", refusal))?;
        let format = alsa_card::set(&pcm, PERIOD_US, BUFFER_US)
            .and_then(|format| start_by_itself(&pcm).map(|()| format))
            .map_err(|_| SpeakerError::NoUsableFormat {
                device: device.to_owned(),
            })?;
        Ok(Self {
            name: device.to_owned(),
            pcm,
            format,
            underruns: 0,
        })
    }

    /// Heals an underrun or a suspend; other errors are final. What is written
    /// next starts the card again.
    fn heal(&mut self, error: alsa::Error) -> Result<(), SpeakerError> {
        match Errno::from_raw_os_error(error.errno()) {
            // No room yet, or a signal.
            Errno::INTR | Errno::AGAIN => return Ok(()),
            Errno::PIPE | Errno::STRPIPE => {}
            _ => return Err(explain(&self.name, error.func(), Refusal::of(error))),
        }
        self.underruns += 1;
        self.pcm
            .try_recover(error, true)
            .map_err(|e| explain(&self.name, "snd_pcm_recover", Refusal::of(e)))
    }
}

impl Speaker for AlsaSpeaker {
    fn format(&self) -> SoundFormat {
        self.format
    }

    fn queued(&mut self) -> Result<usize, SpeakerError> {
        match self.pcm.delay() {
            // A card that is late by itself may say that it is ahead.
            Ok(frames) => Ok(usize::try_from(frames).unwrap_or(0)),
            Err(error) => self.heal(error).map(|()| 0),
        }
    }

    fn write(&mut self, samples: &[i16]) -> Result<usize, SpeakerError> {
        let written = match self.pcm.io_i16() {
            Ok(io) => io.writei(samples),
            Err(error) => Err(error),
        };
        match written {
            Ok(frames) => Ok(frames * usize::from(self.format.channels)),
            Err(error) => self.heal(error).map(|()| 0),
        }
    }

    fn underruns(&self) -> u64 {
        self.underruns
    }
}

/// The playback devices present, by the names that convert formats as needed.
pub fn list_speakers() -> Vec<String> {
    alsa_card::list(Direction::Playback)
}

/// The first period that is written starts the card.
fn start_by_itself(pcm: &PCM) -> alsa::Result<()> {
    let period = pcm.hw_params_current()?.get_period_size()?;
    let params = pcm.sw_params_current()?;
    params.set_start_threshold(period)?;
    params.set_avail_min(period)?;
    pcm.sw_params(&params)
}

fn explain(device: &str, operation: &'static str, refusal: Refusal) -> SpeakerError {
    let device = device.to_owned();
    match refusal {
        Refusal::Absent => SpeakerError::Absent {
            device,
            present: list_speakers(),
        },
        Refusal::Denied => SpeakerError::Denied { device },
        Refusal::Busy => SpeakerError::Busy { device },
        Refusal::Gone => SpeakerError::Gone { device },
        Refusal::Other(code) => SpeakerError::Driver {
            device,
            operation,
            code,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_speaker_is_reported_as_such_however_often() {
        for device in ["plughw:CARD=TransomNoSuchCard,DEV=0", "TransomNoSuchCard"] {
            for _ in 0..3 {
                match AlsaSpeaker::open(device) {
                    Err(error @ SpeakerError::Absent { .. }) => {
                        assert!(!error.to_string().contains('\n'));
                    }
                    Err(error) => panic!("another error: {error}"),
                    Ok(_) => panic!("a speaker that is absent opened"),
                }
            }
        }
    }

    #[test]
    fn what_is_written_is_played() {
        // ALSA's file plugin needs no card: it keeps what a card would play.
        let file = std::env::temp_dir().join(format!("transom-speaker-{}", std::process::id()));
        let device = format!("file:FILE={},FORMAT=raw", file.display());
        let mut speaker = AlsaSpeaker::open(&device).expect("the file plugin is built in");
        assert_eq!(speaker.format().rate, 48_000);
        let channels = usize::from(speaker.format().channels);
        let tone: Vec<i16> = (0..4800 * channels).map(|n| (n % 100) as i16).collect();
        let mut rest = tone.as_slice();
        for _ in 0..100 {
            let taken = speaker.write(rest).expect("it is taken");
            assert!(taken.is_multiple_of(channels));
            rest = &rest[taken..];
            speaker.queued().expect("a number");
        }
        assert!(rest.is_empty(), "{} samples were not taken", rest.len());
        assert_eq!(speaker.underruns(), 0);
        drop(speaker);
        let kept = std::fs::read(&file).expect("the plugin's file");
        let kept: Vec<i16> = kept
            .chunks_exact(2)
            .map(|two| i16::from_le_bytes([two[0], two[1]]))
            .collect();
        assert_eq!(kept, tone);
        std::fs::remove_file(&file).expect("it is ours");
    }
}
