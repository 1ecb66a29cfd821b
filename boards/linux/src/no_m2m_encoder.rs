//! No encoder in hardware: the crate that drives one knows 64 bits and glibc only.

use std::time::Duration;

use transom_boards_hal::FrameSize;

use crate::m2m::M2mError;

/// An encoder that cannot be opened.
pub struct M2mEncoder(core::convert::Infallible);

impl M2mEncoder {
    /// Tells that there is none.
    ///
    /// # Errors
    /// Always.
    pub fn open(device: &str, _size: FrameSize, _bitrate_bps: u32) -> Result<Self, M2mError> {
        Err(M2mError::NotBuilt {
            device: device.to_owned(),
        })
    }

    /// Cannot be called.
    pub fn device(&self) -> &str {
        match self.0 {}
    }

    /// Cannot be called.
    ///
    /// # Errors
    /// None: there is no such encoder.
    pub fn encode(
        &mut self,
        _planes: [&[u8]; 3],
        _at: Duration,
        _key: bool,
    ) -> Result<Vec<u8>, M2mError> {
        match self.0 {}
    }

    /// Cannot be called.
    ///
    /// # Errors
    /// None: there is no such encoder.
    pub fn set_bitrate(&mut self, _bps: u32) -> Result<(), M2mError> {
        match self.0 {}
    }
}
