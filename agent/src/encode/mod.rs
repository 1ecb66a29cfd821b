//! H.264 encoders and the thread they run on.

mod choice;
mod hardware;
mod software;
mod worker;

use std::time::Duration;

use transom_boards_hal::FrameSize;

pub use choice::{ChoiceError, EncoderChoice, Encoders};
pub use hardware::{HardwareEncoder, HardwareError};
pub use software::SoftwareEncoder;
pub use worker::{EncodeWorker, encode_until};

use transom_picture::Picture;

/// What an encoder is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncoderConfig {
    /// Size of the pictures.
    pub size: FrameSize,
    /// Pictures a second.
    pub fps: u32,
    /// Bits a second at the start.
    pub bitrate_bps: u32,
    /// Bits a second it will ever be asked for.
    pub max_bitrate_bps: u32,
}

/// Turns pictures into H.264 that a WebRTC decoder shows at once: no B-frames,
/// no look-ahead, parameter sets in front of every key frame.
pub trait H264Encoder: Send {
    /// What to call it in logs and figures.
    fn name(&self) -> &str;

    /// Encodes one picture captured at media time `at` and appends the access
    /// unit in Annex-B form to `out`.
    ///
    /// `key` asks for an IDR picture, which then must be one.
    fn encode(
        &mut self,
        picture: &Picture,
        at: Duration,
        key: bool,
        out: &mut Vec<u8>,
    ) -> Result<Encoded, EncodeError>;

    /// Changes the bitrate, in bits a second, without a key frame.
    fn set_bitrate(&mut self, bps: u32) -> Result<(), EncodeError>;
}

impl<E: H264Encoder + ?Sized> H264Encoder for Box<E> {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn encode(
        &mut self,
        picture: &Picture,
        at: Duration,
        key: bool,
        out: &mut Vec<u8>,
    ) -> Result<Encoded, EncodeError> {
        (**self).encode(picture, at, key, out)
    }

    fn set_bitrate(&mut self, bps: u32) -> Result<(), EncodeError> {
        (**self).set_bitrate(bps)
    }
}

/// What became of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoded {
    /// An IDR picture with its parameter sets.
    Key,
    /// A picture that refers to earlier ones.
    Delta,
    /// The encoder left it out; nothing was appended.
    Skipped,
}

/// Why an encoder failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The encoder did not start with this configuration.
    #[error(
        "the H.264 encoder refuses {width}x{height}: choose at least 16x16 and at most 3840x2160"
    )]
    Unsupported {
        /// Pixels a row.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// The encoder in hardware that was chosen does not work.
    #[error(
        "the encoder in hardware that was chosen does not work: choose encoder = \"auto\" or \"openh264\""
    )]
    Hardware,
    /// The encoder reported an error for a picture.
    #[error("the H.264 encoder failed on a picture")]
    Failed,
    /// The encoder refused a bitrate.
    #[error("the H.264 encoder refused a bitrate of {bps} bit/s")]
    Bitrate {
        /// Bits a second.
        bps: u32,
    },
}
