//! webrtc-srtp and the in-place AEAD behind the SRTP port, and the guard before them.
#![forbid(unsafe_code)]

#[cfg(panic = "abort")]
compile_error!(
    "a panic in webrtc-srtp must end one peer, not the process: build with panic = \"unwind\""
);

use transom_rtc_proto::port::{Srtp, SrtpError, SrtpFactory, SrtpKey, SrtpProfile};

/// Makes SRTP layers from webrtc-srtp and ring.
#[derive(Clone, Copy, Debug, Default)]
pub struct GuardedSrtp;

impl SrtpFactory for GuardedSrtp {
    fn create(
        &self,
        _profile: SrtpProfile,
        _local: &SrtpKey,
        _remote: &SrtpKey,
    ) -> Result<Box<dyn Srtp>, SrtpError> {
        Err(SrtpError::Internal)
    }
}
