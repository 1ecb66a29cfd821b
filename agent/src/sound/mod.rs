//! Where sound comes from, Opus, and what is played here.

mod capture;
mod card_clock;
mod figures;
mod level;
mod opus_encoder;
pub mod play;
mod resample;
mod tone;
#[cfg(target_os = "linux")]
pub mod trial;
mod wav;

pub use capture::{SoundError, record, run_paced};
pub use card_clock::{CardClock, Timeline};
pub use figures::{SoundCount, SoundFigures};
pub use level::{Level, LevelMeter};
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
