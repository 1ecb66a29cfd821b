//! A microphone by ALSA.

use std::time::Duration;

use alsa::device_name::HintIter;
use alsa::pcm::{Access, Format, Frames, HwParams, PCM};
use alsa::{Direction, Output, ValueOr};
use rustix::io::Errno;
use transom_boards_hal::{Microphone, MicrophoneError, SoundFormat};

/// The rate of Opus; ALSA's plug layer or ours resamples from others.
const RATE: u32 = 48_000;
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
    /// Opens an ALSA capture device (`default`, `plughw:CARD=Cam,DEV=0`), in
    /// mono where the card can.
    pub fn open(device: &str) -> Result<Self, MicrophoneError> {
        // The library prints its own account of a missing card to stderr; a
        // fresh buffer for this thread takes it instead and frees the last one.
        let _account = Output::local_error_handler();
        let pcm = PCM::new(device, Direction::Capture, false).map_err(|e| absent_or(device, e))?;
        let format = set(&pcm).map_err(|_| MicrophoneError::NoUsableFormat {
            device: device.to_owned(),
        })?;
        pcm.start()
            .map_err(|e| refused(device, "snd_pcm_start", e))?;
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
            Errno::PIPE | Errno::STRPIPE | Errno::INTR | Errno::AGAIN => {}
            _ => return Err(refused(&self.name, error.func(), error)),
        }
        self.overruns += 1;
        self.pcm
            .try_recover(error, true)
            .and_then(|()| self.pcm.start())
            .or_else(|e| match Errno::from_raw_os_error(e.errno()) {
                // It runs already.
                Errno::BADFD => Ok(()),
                _ => Err(refused(&self.name, "snd_pcm_recover", e)),
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
    let _account = Output::local_error_handler();
    let Ok(hints) = HintIter::new(None, c"pcm") else {
        return Vec::new();
    };
    hints
        .filter(|hint| !matches!(hint.direction, Some(Direction::Playback)))
        .filter_map(|hint| hint.name)
        .filter(|name| name.starts_with("plughw:"))
        .take(16)
        .collect()
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

fn set(pcm: &PCM) -> alsa::Result<SoundFormat> {
    let params = HwParams::any(pcm)?;
    params.set_access(Access::RWInterleaved)?;
    params.set_format(Format::s16())?;
    if params.set_channels(1).is_err() {
        params.set_channels(2)?;
    }
    params.set_rate_near(RATE, ValueOr::Nearest)?;
    params.set_period_time_near(PERIOD_US, ValueOr::Nearest)?;
    params.set_buffer_time_near(BUFFER_US, ValueOr::Nearest)?;
    pcm.hw_params(&params)?;
    let rate = params.get_rate()?;
    let channels = params.get_channels()?;
    Ok(SoundFormat {
        rate: rate.max(1),
        channels: u16::try_from(channels).unwrap_or(1).max(1),
    })
}

fn absent_or(device: &str, error: alsa::Error) -> MicrophoneError {
    match Errno::from_raw_os_error(error.errno()) {
        // An unknown name in the library's configuration is EINVAL.
        Errno::NOENT | Errno::NODEV | Errno::NXIO | Errno::INVAL => MicrophoneError::Absent {
            device: device.to_owned(),
            present: list_microphones(),
        },
        _ => refused(device, "snd_pcm_open", error),
    }
}

fn refused(device: &str, operation: &'static str, error: alsa::Error) -> MicrophoneError {
    let device = device.to_owned();
    match Errno::from_raw_os_error(error.errno()) {
        Errno::ACCESS | Errno::PERM => MicrophoneError::Denied { device },
        Errno::BUSY => MicrophoneError::Busy { device },
        Errno::NODEV => MicrophoneError::Gone { device },
        code => MicrophoneError::Driver {
            device,
            operation,
            code: code.raw_os_error(),
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
        assert_eq!(microphone.format().rate, RATE);
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
