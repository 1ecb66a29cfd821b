//! A microphone by ALSA.

use std::time::Duration;

use alsa::Direction;
use alsa::pcm::{Frames, PCM};
use rustix::io::Errno;
use transom_boards_hal::{Microphone, MicrophoneError, SoundFormat};

use crate::alsa_card::{self, Refusal};

/// A period is what arrives at once: half an Opus frame keeps latency low.
const PERIOD_US: u32 = 10_000;
/// The card's ring: what a busy board may be late before sound is lost.
const BUFFER_US: u32 = 200_000;
/// Overruns healed in one read before the card counts as broken.
const MAX_RECOVERIES: u32 = 8;

/// A capture device that is open and runs.
pub struct AlsaMicrophone {
    name: String,
    pcm: PCM,
    format: SoundFormat,
    overruns: u64,
}

impl AlsaMicrophone {
    /// Opens an ALSA capture device (`default`, `plughw:CARD=Cam,DEV=0`, or a
    /// part of a card's name), in mono where the card can.
    pub fn open(device: &str) -> Result<Self, MicrophoneError> {
        let pcm = alsa_card::open(device, Direction::Capture)
            .map_err(|refusal| explain(device, "snd_pcm_open", refusal))?;
        let format = alsa_card::set(&pcm, PERIOD_US, BUFFER_US).map_err(|_| {
            MicrophoneError::NoUsableFormat {
                device: device.to_owned(),
            }
        })?;
        pcm.start()
            .map_err(|e| explain(device, "snd_pcm_start", Refusal::of(e)))?;
        Ok(Self {
            name: device.to_owned(),
            pcm,
            format,
            overruns: 0,
        })
    }

    /// Heals an overrun or a suspend, once; other errors are final.
    fn heal(&mut self, error: alsa::Error) -> Result<(), MicrophoneError> {
        match Errno::from_raw_os_error(error.errno()) {
            // A signal, or there is nothing yet: nothing was lost.
            Errno::INTR | Errno::AGAIN => return Ok(()),
            Errno::PIPE | Errno::STRPIPE => {}
            _ => return Err(explain(&self.name, error.func(), Refusal::of(error))),
        }
        self.overruns += 1;
        self.pcm
            .try_recover(error, true)
            .and_then(|()| self.pcm.start())
            .or_else(|e| match Errno::from_raw_os_error(e.errno()) {
                // It runs already.
                Errno::BADFD => Ok(()),
                _ => Err(explain(&self.name, "snd_pcm_recover", Refusal::of(e))),
            })
    }
}

impl Microphone for AlsaMicrophone {
    fn format(&self) -> SoundFormat {
        self.format
    }

    fn read(
        &mut self,
        samples: &mut [i16],
        timeout: Duration,
    ) -> Result<(usize, Duration), MicrophoneError> {
        let timeout_ms = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX);
        let channels = usize::from(self.format.channels);
        for _ in 0..MAX_RECOVERIES {
            match self.pcm.wait(Some(timeout_ms)) {
                Ok(true) => {}
                Ok(false) => return Err(MicrophoneError::Timeout),
                Err(error) => {
                    self.heal(error)?;
                    continue;
                }
            }
            let outcome = match self.pcm.io_i16() {
                Ok(io) => io.readi(samples),
                Err(error) => Err(error),
            };
            match outcome {
                Ok(frames) => {
                    let waiting = self.pcm.delay().unwrap_or(0);
                    let age = age_of_first(frames, waiting, self.format.rate);
                    return Ok((frames * channels, age));
                }
                Err(error) => self.heal(error)?,
            }
        }
        Err(MicrophoneError::Driver {
            device: self.name.clone(),
            operation: "snd_pcm_readi (overruns without end)",
            code: Errno::PIPE.raw_os_error(),
        })
    }

    fn overruns(&self) -> u64 {
        self.overruns
    }
}

/// The capture devices present, by the names that convert formats as needed.
pub fn list_microphones() -> Vec<String> {
    alsa_card::list(Direction::Capture)
}

/// The age of the first of `frames` just read, with `waiting` more in the ring.
fn age_of_first(frames: usize, waiting: Frames, rate: u32) -> Duration {
    let waiting = u64::try_from(waiting).unwrap_or(0).min(u64::from(rate));
    let frames = u64::try_from(frames).unwrap_or(u64::MAX);
    Duration::from_micros(
        frames
            .saturating_add(waiting)
            .saturating_mul(1_000_000)
            .checked_div(u64::from(rate))
            .unwrap_or(0),
    )
}

fn explain(device: &str, operation: &'static str, refusal: Refusal) -> MicrophoneError {
    let device = device.to_owned();
    match refusal {
        Refusal::Absent => MicrophoneError::Absent {
            device,
            present: list_microphones(),
        },
        Refusal::Denied => MicrophoneError::Denied { device },
        Refusal::Busy => MicrophoneError::Busy { device },
        Refusal::Gone => MicrophoneError::Gone { device },
        Refusal::Other(code) => MicrophoneError::Driver {
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
    fn an_absent_card_is_reported_as_such_however_often() {
        for _ in 0..3 {
            match AlsaMicrophone::open("plughw:CARD=TransomNoSuchCard,DEV=0") {
                Err(error @ MicrophoneError::Absent { .. }) => {
                    assert!(!error.to_string().contains('\n'));
                }
                Err(error) => panic!("another error: {error}"),
                Ok(_) => panic!("a card that is absent opened"),
            }
        }
    }

    #[test]
    fn the_null_device_records_silence() {
        // ALSA's null plugin needs no card: it walks the whole of `set` and `read`.
        let mut microphone = AlsaMicrophone::open("null").expect("the null plugin is built in");
        assert_eq!(microphone.format().rate, 48_000);
        let channels = usize::from(microphone.format().channels);
        let mut samples = vec![1; 480 * channels];
        let (read, _) = microphone
            .read(&mut samples, Duration::from_millis(100))
            .expect("silence");
        assert!(read > 0 && read % channels == 0);
    }

    #[test]
    fn the_age_counts_what_waits_behind() {
        assert_eq!(age_of_first(480, 480, 48_000), Duration::from_millis(20));
        assert_eq!(age_of_first(480, -5, 48_000), Duration::from_millis(10));
        assert_eq!(age_of_first(480, 0, 0), Duration::ZERO);
    }
}
