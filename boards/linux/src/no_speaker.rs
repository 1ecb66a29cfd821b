//! In place of ALSA where it is left out: its library cannot be linked into a static program.

use transom_boards_hal::{SoundFormat, Speaker, SpeakerError};

/// A speaker that cannot be.
pub enum AlsaSpeaker {}

impl AlsaSpeaker {
    /// Tells that this build has no ALSA.
    pub fn open(device: &str) -> Result<Self, SpeakerError> {
        Err(SpeakerError::NotBuiltIn {
            device: device.to_owned(),
        })
    }
}

impl Speaker for AlsaSpeaker {
    fn format(&self) -> SoundFormat {
        match *self {}
    }

    fn queued(&mut self) -> Result<usize, SpeakerError> {
        match *self {}
    }

    fn write(&mut self, _: &[i16]) -> Result<usize, SpeakerError> {
        match *self {}
    }

    fn underruns(&self) -> u64 {
        match *self {}
    }
}

/// None that this build could open.
pub fn list_speakers() -> Vec<String> {
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_named_with_the_mend() {
        let Err(error) = AlsaSpeaker::open("default");
        let text = error.to_string();
        assert!(
            text.contains("ALSA") && text.contains("--speaker none"),
            "{text}"
        );
    }
}
