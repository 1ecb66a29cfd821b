//! The microphone trait and what can go wrong with a sound card.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

/// Rate and channels of a sound stream of signed 16-bit samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SoundFormat {
    /// Samples a second in one channel.
    pub rate: u32,
    /// Interleaved channels.
    pub channels: u16,
}

/// A microphone that is open and runs.
pub trait Microphone {
    /// What the card was set to; may differ from the wish.
    fn format(&self) -> SoundFormat;

    /// Waits at most `timeout` and fills the front of `samples` with whole
    /// frames of interleaved samples.
    ///
    /// Returns the samples written (a multiple of the channels, may be fewer
    /// than fit) and the age of the first of them. An overrun is healed inside
    /// and shows as a jump of the age.
    fn read(
        &mut self,
        samples: &mut [i16],
        timeout: Duration,
    ) -> Result<(usize, Duration), MicrophoneError>;

    /// Overruns healed since it was opened: each is a gap in the sound.
    fn overruns(&self) -> u64;
}

/// Why a microphone gives no sound. Each text is one line and names the mend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MicrophoneError {
    /// There is no such device.
    #[error("sound device {device} is absent; {}", present_cards(.present))]
    Absent {
        /// The device asked for.
        device: String,
        /// The capture devices that are there.
        present: Vec<String>,
    },
    /// The device may not be opened.
    #[error(
        "sound device {device} may not be opened: add the user to the group `audio` and log in again"
    )]
    Denied {
        /// The device asked for.
        device: String,
    },
    /// Another program holds the device.
    #[error(
        "sound device {device} is in use by another program: close it, or use `dsnoop` in place of `hw`"
    )]
    Busy {
        /// The device asked for.
        device: String,
    },
    /// The card cannot do 16-bit samples in one or two channels.
    #[error(
        "sound device {device} cannot capture 16-bit mono or stereo: use `plughw` in place of `hw`"
    )]
    NoUsableFormat {
        /// The device asked for.
        device: String,
    },
    /// This program was built without ALSA.
    #[error(
        "sound device {device}: this program was built without ALSA, as static ones are: take the one for glibc, or set `--audio none`"
    )]
    NotBuiltIn {
        /// The device asked for.
        device: String,
    },
    /// No sound came in time.
    #[error("no sound from the card in time")]
    Timeout,
    /// The card went away.
    #[error("sound device {device} was unplugged")]
    Gone {
        /// The device that was in use.
        device: String,
    },
    /// The driver refused an operation.
    #[error("sound device {device}: {operation} failed with error {code}")]
    Driver {
        /// The device in use.
        device: String,
        /// What was tried, as the driver's documentation calls it.
        operation: &'static str,
        /// The operating system's error number.
        code: i32,
    },
}

fn present_cards(present: &[String]) -> String {
    if present.is_empty() {
        return String::from(
            "no sound card that records is present: connect one (it is taken up when it appears) or set `--audio none`",
        );
    }
    alloc::format!("present: {}", present.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloc::vec;

    #[test]
    fn an_absent_card_names_the_mend() {
        let mut error = MicrophoneError::Absent {
            device: "hw:9".into(),
            present: vec![],
        };
        assert!(error.to_string().contains("--audio none"));
        if let MicrophoneError::Absent { present, .. } = &mut error {
            present.push("plughw:CARD=Cam,DEV=0".into());
        }
        assert_eq!(
            error.to_string(),
            "sound device hw:9 is absent; present: plughw:CARD=Cam,DEV=0"
        );
    }
}
