//! Which encoder a machine has, and why it is used.

use std::fmt;
use std::str::FromStr;

use super::hardware::HardwareEncoder;
use super::{EncodeError, EncoderConfig, H264Encoder, SoftwareEncoder};

/// The encoder that the configuration asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum EncoderChoice {
    /// Hardware where the machine has it and it works, the processor else.
    #[default]
    Auto,
    /// The processor.
    Software,
    /// This device.
    V4l2(String),
}

/// Not a choice. The text names the mend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no encoder: give auto, openh264 or v4l2:/dev/videoN")]
pub struct ChoiceError(String);

impl FromStr for EncoderChoice {
    type Err = ChoiceError;

    fn from_str(text: &str) -> Result<Self, ChoiceError> {
        match (text, text.strip_prefix("v4l2:")) {
            ("auto", _) => Ok(Self::Auto),
            ("openh264", _) => Ok(Self::Software),
            (_, Some(device)) if !device.is_empty() => Ok(Self::V4l2(device.to_owned())),
            _ => Err(ChoiceError(text.to_owned())),
        }
    }
}

impl fmt::Display for EncoderChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Software => f.write_str("openh264"),
            Self::V4l2(device) => write!(f, "v4l2:{device}"),
        }
    }
}

/// Opens encoders by a choice, and remembers what did not work.
#[derive(Debug)]
pub struct Encoders {
    choice: EncoderChoice,
    /// Hardware that kept failing is not tried again.
    hardware_failed: bool,
    said: String,
}

impl Encoders {
    /// Encoders by `choice`.
    pub fn new(choice: EncoderChoice) -> Self {
        Self {
            choice,
            hardware_failed: false,
            said: String::new(),
        }
    }

    /// The encoder for pictures as in `config`. Says which it is, and why.
    ///
    /// # Errors
    /// Where the one that was chosen cannot be had, or openh264 refuses.
    pub fn open(&mut self, config: &EncoderConfig) -> Result<Box<dyn H264Encoder>, EncodeError> {
        match self.choice.clone() {
            EncoderChoice::Software => self.software(config, "it was chosen"),
            EncoderChoice::V4l2(device) => match HardwareEncoder::open(&device, config) {
                Ok(encoder) => Ok(self.hardware(encoder, "it was chosen")),
                Err(error) => {
                    tracing::error!("{error}");
                    Err(EncodeError::Hardware)
                }
            },
            EncoderChoice::Auto if self.hardware_failed => {
                self.software(config, "the hardware's keeps failing")
            }
            EncoderChoice::Auto => {
                let mut why = "no encoder in hardware is present";
                for found in HardwareEncoder::list() {
                    match HardwareEncoder::open(&found.device, config) {
                        Ok(encoder) => {
                            return Ok(self.hardware(encoder, "the machine has it, and it works"));
                        }
                        Err(error) => tracing::warn!("{} is not used: {error}", found.name),
                    }
                    why = "the hardware's does not work";
                }
                self.software(config, why)
            }
        }
    }

    /// The encoder that was opened last keeps failing.
    pub fn failed(&mut self) {
        self.hardware_failed = true;
    }

    fn software(
        &mut self,
        config: &EncoderConfig,
        why: &str,
    ) -> Result<Box<dyn H264Encoder>, EncodeError> {
        let encoder = SoftwareEncoder::new(config)?;
        self.tell(encoder.name(), config, why);
        Ok(Box::new(encoder))
    }

    fn hardware(&mut self, encoder: HardwareEncoder, why: &str) -> Box<dyn H264Encoder> {
        let config = encoder.config();
        self.tell(encoder.name(), &config, why);
        Box::new(encoder)
    }

    /// Once for each size.
    fn tell(&mut self, name: &str, config: &EncoderConfig, why: &str) {
        let line = format!("encoder {name} for {}: {why}", config.size);
        if line != self.said {
            tracing::info!("{line}");
            self.said = line;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use transom_boards_hal::FrameSize;

    const CONFIG: EncoderConfig = EncoderConfig {
        size: FrameSize::new(64, 48),
        fps: 30,
        bitrate_bps: 300_000,
        max_bitrate_bps: 300_000,
    };

    #[test]
    fn choices_are_read_as_they_are_written() {
        for text in ["auto", "openh264", "v4l2:/dev/video11"] {
            let choice: EncoderChoice = text.parse().expect(text);
            assert_eq!(choice.to_string(), text);
        }
        for text in ["", "v4l2", "v4l2:", "x264", "Auto"] {
            let error = text.parse::<EncoderChoice>().expect_err(text);
            assert!(error.to_string().contains("openh264"), "{error}");
        }
    }

    #[test]
    fn without_hardware_the_processor_encodes() {
        let mut encoders = Encoders::new(EncoderChoice::Software);
        let encoder = encoders.open(&CONFIG).expect("openh264");
        assert_eq!(encoder.name(), "openh264");
        let absent = EncoderChoice::V4l2("/dev/transom-no-such-encoder".to_owned());
        let refused = Encoders::new(absent).open(&CONFIG).err();
        assert_eq!(refused, Some(EncodeError::Hardware));
        let mut auto = Encoders::new(EncoderChoice::Auto);
        auto.failed();
        assert_eq!(auto.open(&CONFIG).expect("openh264").name(), "openh264");
        assert!(auto.said.contains("keeps failing"), "{}", auto.said);
    }
}
