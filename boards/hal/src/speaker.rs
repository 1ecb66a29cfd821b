//! The speaker trait and what can go wrong with it.

use alloc::string::String;
use alloc::vec::Vec;

use crate::SoundFormat;

/// A speaker that is open.
///
/// Nothing here waits: whoever plays looks at [`queued`](Self::queued) now and
/// then and writes what is missing. The clock by which the queue shrinks is
/// the card's own.
pub trait Speaker {
    /// What the card was set to; may differ from the wish.
    fn format(&self) -> SoundFormat;

    /// Frames that were written and are not heard yet; zero after an underrun,
    /// which is healed inside.
    fn queued(&mut self) -> Result<usize, SpeakerError>;

    /// Takes whole frames from the front of interleaved `samples`, as many as
    /// there is room for now, and returns the samples taken. Without a frame
    /// queued, the first that is written starts the card.
    fn write(&mut self, samples: &[i16]) -> Result<usize, SpeakerError>;

    /// Underruns healed since it was opened: each is a gap in what is heard.
    fn underruns(&self) -> u64;
}

/// Why a speaker plays nothing. Each text is one line and names the mend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpeakerError {
    /// There is no such device.
    #[error("speaker {device} is absent; {}", present_cards(.present))]
    Absent {
        /// The device asked for.
        device: String,
        /// The playback devices that are there.
        present: Vec<String>,
    },
    /// The device may not be opened.
    #[error(
        "speaker {device} may not be opened: add the user to the group `audio` and log in again"
    )]
    Denied {
        /// The device asked for.
        device: String,
    },
    /// Another program holds the device.
    #[error(
        "speaker {device} is in use by another program: close it, or use `dmix` in place of `hw`"
    )]
    Busy {
        /// The device asked for.
        device: String,
    },
    /// The card cannot do 16-bit samples in one or two channels.
    #[error("speaker {device} cannot play 16-bit mono or stereo: use `plughw` in place of `hw`")]
    NoUsableFormat {
        /// The device asked for.
        device: String,
    },
    /// This program was built without ALSA.
    #[error(
        "speaker {device}: this program was built without ALSA, as static ones are: take the one for glibc, or set `--speaker none`"
    )]
    NotBuiltIn {
        /// The device asked for.
        device: String,
    },
    /// The card takes sound and never plays it.
    #[error("the speaker takes sound and plays none: unplug it and plug it in again")]
    Stalled,
    /// The card went away.
    #[error("speaker {device} was unplugged")]
    Gone {
        /// The device that was in use.
        device: String,
    },
    /// The driver refused an operation.
    #[error("speaker {device}: {operation} failed with error {code}")]
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
            "no sound card that plays is present: connect one (it is taken up when it appears) or set `--speaker none`",
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
    fn an_absent_speaker_names_those_there_are_or_the_mend() {
        let absent = |present| SpeakerError::Absent {
            device: "hw:9".into(),
            present,
        };
        assert!(absent(vec![]).to_string().contains("--speaker none"));
        assert_eq!(
            absent(vec!["plughw:CARD=Usb,DEV=0".into()]).to_string(),
            "speaker hw:9 is absent; present: plughw:CARD=Usb,DEV=0"
        );
    }
}
