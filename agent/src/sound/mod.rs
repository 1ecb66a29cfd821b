//! Where sound comes from, and Opus.

mod capture;
mod opus_encoder;
mod resample;
mod tone;
mod wav;

pub use capture::{SoundError, record, run_paced};
pub use opus_encoder::{OpusEncoder, OpusError};
pub use resample::Resampler;
pub use tone::Tone;
pub use wav::{Wav, WavError};

use transom_rtc_proto::time::WallTime;

/// Samples of one channel in one packet of 20 ms at 48 kHz.
pub(crate) const PACKET_SAMPLES: usize = 960;

/// Sound that is made or read here, in real time and for ever, at 48 kHz.
pub trait PacedSound {
    /// Interleaved channels, one or two.
    fn channels(&self) -> u16;

    /// Fills all of `samples` with the sound that begins at `wall`.
    fn fill(&mut self, wall: WallTime, samples: &mut [i16]) -> Result<(), WavError>;
}
