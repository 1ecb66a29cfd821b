//! What protects RTP: one of the two profiles, in place.

use transom_rtc_prefetch::prefetch;
use transom_rtc_proto::id::Ssrc;
use transom_rtc_proto::port::{SrtpError, SrtpKey, SrtpProfile};

use crate::aead::RtpAead;
use crate::claim::Claim;
use crate::counter::RtpCounterMode;

/// One direction's session keys. It keeps no state of a packet: indices and
/// replays are the caller's business. Each lies in a box of its own size.
pub(crate) enum RtpCipher {
    Aead(Box<RtpAead>),
    CounterMode(Box<RtpCounterMode>),
}

impl RtpCipher {
    pub(crate) fn new(profile: SrtpProfile, master: &SrtpKey) -> Result<Self, SrtpError> {
        Ok(match profile {
            SrtpProfile::AeadAes128Gcm => Self::Aead(Box::new(RtpAead::new(master)?)),
            SrtpProfile::Aes128CmSha1_80 => {
                Self::CounterMode(Box::new(RtpCounterMode::new(master)))
            }
        })
    }

    /// Seals `buf[header_len..len]`, appends the tag and returns the length
    /// with it.
    pub(crate) fn seal(
        &self,
        buf: &mut [u8],
        len: usize,
        header_len: usize,
        claim: Claim,
    ) -> Result<usize, SrtpError> {
        match self {
            Self::Aead(aead) => aead.seal(buf, len, header_len, claim),
            Self::CounterMode(mode) => mode.seal(buf, len, header_len, claim),
        }
    }

    /// Asks for the keys.
    pub(crate) fn prefetch(&self) {
        match self {
            Self::Aead(aead) => prefetch(&**aead),
            Self::CounterMode(mode) => prefetch(&**mode),
        }
    }

    /// Opens `packet[header_len..]` and returns the plain packet's length.
    pub(crate) fn open(
        &self,
        packet: &mut [u8],
        header_len: usize,
        ssrc: Ssrc,
        index: u64,
    ) -> Result<usize, SrtpError> {
        match self {
            Self::Aead(aead) => aead.open(packet, header_len, ssrc, index),
            Self::CounterMode(mode) => mode.open(packet, header_len, ssrc, index),
        }
    }
}
