//! In place of ALSA where it is left out: its library cannot be linked into a static program.

use std::time::Duration;

use transom_boards_hal::{Microphone, MicrophoneError, SoundFormat};

/// A microphone that cannot be.
pub enum AlsaMicrophone {}

impl AlsaMicrophone {
    /// Tells that this build has no ALSA.
    pub fn open(device: &str) -> Result<Self, MicrophoneError> {
        Err(MicrophoneError::NotBuiltIn {
            device: device.to_owned(),
        })
    }
}

impl Microphone for AlsaMicrophone {
    fn format(&self) -> SoundFormat {
        match *self {}
    }

    fn read(&mut self, _: &mut [i16], _: Duration) -> Result<(usize, Duration), MicrophoneError> {
        match *self {}
    }

    fn overruns(&self) -> u64 {
        match *self {}
    }
}

/// None that this build could open.
pub fn list_microphones() -> Vec<String> {
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_named_with_the_mend() {
        let Err(error) = AlsaMicrophone::open("default");
        let text = error.to_string();
        assert!(
            text.contains("ALSA") && text.contains("--audio none"),
            "{text}"
        );
    }
}
