//! H.264 by the machine's own encoder.

use std::time::{Duration, Instant};

use transom_boards_hal::CameraInfo;
use transom_boards_linux::{M2mEncoder, M2mError, list_encoders};
use transom_rtc_proto::codec::h264::AnnexB;

use super::{EncodeError, Encoded, EncoderConfig, H264Encoder};
use crate::source::access_unit::{Assembler, UnitError};
use transom_picture::Picture;

/// A V4L2 encoder that has shown on a picture that it works.
pub struct HardwareEncoder {
    encoder: M2mEncoder,
    assembler: Assembler,
    config: EncoderConfig,
    name: String,
    /// It was told that it keeps its bitrate.
    told: bool,
}

/// Why an encoder in hardware is not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HardwareError {
    /// The device says no.
    #[error(transparent)]
    Device(#[from] M2mError),
    /// What it makes cannot be sent.
    #[error("encoder {device} makes what WebRTC cannot carry: {error}")]
    Unit {
        /// The encoder.
        device: String,
        /// What is wrong.
        error: UnitError,
    },
    /// It gave no key frame when asked.
    #[error("encoder {device} gives no key frame of H.264 when it is asked for one")]
    NoKeyFrame {
        /// The encoder.
        device: String,
    },
}

impl HardwareEncoder {
    /// The encoders that this machine may have.
    pub fn list() -> Vec<CameraInfo> {
        list_encoders()
    }

    /// Opens the encoder at `device` and tries it out on a picture: a driver
    /// may take any format and silently make another.
    ///
    /// # Errors
    /// Where it is not there, or does not make what is needed.
    pub fn open(device: &str, config: &EncoderConfig) -> Result<Self, HardwareError> {
        let encoder = M2mEncoder::open(device, config.size, config.bitrate_bps)?;
        let mut hardware = Self {
            encoder,
            assembler: Assembler::default(),
            config: *config,
            name: format!("v4l2:{device}"),
            told: false,
        };
        let begun = Instant::now();
        let grey = Picture::new(config.size);
        let trial = hardware.unit(&grey, Duration::ZERO, true)?;
        match trial {
            Some((_, true)) => {
                tracing::debug!("{device} made its first picture in {:?}", begun.elapsed());
                Ok(hardware)
            }
            _ => Err(HardwareError::NoKeyFrame {
                device: device.to_owned(),
            }),
        }
    }

    /// What it was opened for.
    pub fn config(&self) -> EncoderConfig {
        self.config
    }

    /// The access unit of a picture, and whether it is a key frame.
    fn unit(
        &mut self,
        picture: &Picture,
        at: Duration,
        key: bool,
    ) -> Result<Option<(Vec<u8>, bool)>, HardwareError> {
        let (y, u, v) = picture.planes();
        let coded = self.encoder.encode([y, u, v], at, key)?;
        tracing::trace!("{} made {} bytes", self.name, coded.len());
        let unit = self.assembler.assemble(AnnexB::new(&coded));
        unit.map_err(|error| HardwareError::Unit {
            device: self.encoder.device().to_owned(),
            error,
        })
    }
}

impl H264Encoder for HardwareEncoder {
    fn name(&self) -> &str {
        &self.name
    }

    fn encode(
        &mut self,
        picture: &Picture,
        at: Duration,
        key: bool,
        out: &mut Vec<u8>,
    ) -> Result<Encoded, EncodeError> {
        let unit = self.unit(picture, at, key).map_err(|error| {
            tracing::debug!("{error}");
            EncodeError::Failed
        })?;
        match unit {
            Some((unit, is_key)) => {
                out.extend_from_slice(&unit);
                Ok(if is_key { Encoded::Key } else { Encoded::Delta })
            }
            None => Ok(Encoded::Skipped),
        }
    }

    fn set_bitrate(&mut self, bps: u32) -> Result<(), EncodeError> {
        // Not every driver has the control; the picture is worth more.
        if let Err(error) = self.encoder.set_bitrate(bps)
            && !self.told
        {
            self.told = true;
            tracing::warn!("{error}: it keeps its own bitrate, however slow the network is");
        }
        Ok(())
    }
}
