//! Opus (RFC 6716) with in-band error correction, packets of 20 ms.

use opus::{Application, Bitrate, Channels, Encoder};

/// An Opus packet is at most this long (RFC 6716 section 3.4).
const MAX_PACKET: usize = 1275;
/// The loss the redundancy is made for: what a bad radio link loses.
const EXPECTED_LOSS_PERCENT: i32 = 10;
/// Of 10: what a small ARM core does in a few per cent of its time.
const COMPLEXITY: i32 = 5;

/// An encoder for 48 kHz.
pub struct OpusEncoder {
    encoder: Encoder,
    samples: usize,
}

/// Why Opus failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpusError {
    /// The encoder did not start.
    #[error("the Opus encoder refuses {channels} channels at {bps} bit/s: choose 6k to 510k")]
    Unsupported {
        /// Interleaved channels.
        channels: u16,
        /// Bits a second.
        bps: u32,
    },
    /// A packet does not have 20 ms.
    #[error("a sound packet of {samples} samples does not have 20 ms")]
    Length {
        /// Samples given, over all channels.
        samples: usize,
    },
    /// The encoder reported an error for a packet.
    #[error("the Opus encoder failed on a packet")]
    Failed,
}

impl OpusEncoder {
    /// An encoder for one or two channels at `bps` bits a second.
    pub fn new(channels: u16, bps: u32) -> Result<Self, OpusError> {
        let unsupported = OpusError::Unsupported { channels, bps };
        let layout = match channels {
            1 => Channels::Mono,
            2 => Channels::Stereo,
            _ => return Err(unsupported),
        };
        let bitrate = i32::try_from(bps).map_err(|_| unsupported)?;
        let set_up = || -> opus::Result<Encoder> {
            let mut encoder = Encoder::new(48_000, layout, Application::Voip)?;
            encoder.set_bitrate(Bitrate::Bits(bitrate))?;
            encoder.set_inband_fec(true)?;
            encoder.set_packet_loss_perc(EXPECTED_LOSS_PERCENT)?;
            encoder.set_complexity(COMPLEXITY)?;
            Ok(encoder)
        };
        Ok(Self {
            encoder: set_up().map_err(|_| unsupported)?,
            samples: super::PACKET_SAMPLES * usize::from(channels),
        })
    }

    /// Samples of all channels that make a packet.
    pub fn packet_samples(&self) -> usize {
        self.samples
    }

    /// Encodes 20 ms of interleaved samples.
    pub fn encode(&mut self, samples: &[i16]) -> Result<Vec<u8>, OpusError> {
        if samples.len() != self.samples {
            return Err(OpusError::Length {
                samples: samples.len(),
            });
        }
        self.encoder
            .encode_vec(samples, MAX_PACKET)
            .map_err(|_| OpusError::Failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sound::{PacedSound, Tone};
    use opus::Decoder;
    use transom_rtc_proto::time::WallTime;

    #[test]
    fn packets_have_20_ms_and_the_bitrate_and_are_heard() {
        let mut encoder = OpusEncoder::new(1, 32_000).expect("an encoder");
        let mut decoder = Decoder::new(48_000, Channels::Mono).expect("a decoder");
        let mut tone = Tone::default();
        let (mut bytes, mut heard) = (0, 0_i16);
        for packet in 0..50 {
            let mut samples = [0; 960];
            let wall = WallTime::from_unix_micros(packet * 20_000);
            tone.fill(wall, &mut samples).expect("a tone");
            let packet = encoder.encode(&samples).expect("a packet");
            bytes += packet.len();
            assert_eq!(
                opus::packet::get_nb_samples(&packet, 48_000).expect("a packet"),
                960
            );
            let mut out = [0; 960];
            decoder.decode(&packet, &mut out, false).expect("sound");
            heard = heard.max(*out.iter().max().expect("samples"));
        }
        assert!(bytes * 8 < 48_000, "{} bit/s", bytes * 8);
        assert!((6_000..12_000).contains(&heard), "{heard}");
    }

    #[test]
    fn wrong_settings_and_lengths_are_refused() {
        assert!(OpusEncoder::new(3, 32_000).is_err());
        assert!(OpusEncoder::new(1, u32::MAX).is_err());
        let mut encoder = OpusEncoder::new(2, 64_000).expect("an encoder");
        assert_eq!(encoder.packet_samples(), 1920);
        assert_eq!(
            encoder.encode(&[0; 960]),
            Err(OpusError::Length { samples: 960 })
        );
    }
}
