//! A webrtc-srtp context in which a panic does not get far.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

use transom_rtc_proto::port::{SrtpError, SrtpKey, SrtpProfile};
use webrtc_srtp::context::Context;
use webrtc_srtp::protection_profile::ProtectionProfile;

static CAUGHT: AtomicU64 = AtomicU64::new(0);

/// Panics of webrtc-srtp that were caught since the program started. Anything
/// but zero is a hole in the guard.
pub fn caught_panics() -> u64 {
    CAUGHT.load(Ordering::Relaxed)
}

/// A context for one direction, without webrtc-srtp's own replay detectors.
pub(crate) struct Contained {
    /// `None` after a panic: what it left behind is not used again.
    context: Option<Context>,
}

impl Contained {
    pub(crate) fn new(profile: SrtpProfile, master: &SrtpKey) -> Result<Self, SrtpError> {
        let profile = match profile {
            SrtpProfile::Aes128CmSha1_80 => ProtectionProfile::Aes128CmHmacSha1_80,
            SrtpProfile::AeadAes128Gcm => ProtectionProfile::AeadAes128Gcm,
        };
        let context = caught(|| Context::new(master.key(), master.salt(), profile, None, None));
        Ok(Self {
            context: Some(
                context
                    .ok_or(SrtpError::Internal)?
                    .map_err(|_| SrtpError::Internal)?,
            ),
        })
    }

    /// Opens an RTCP packet in place.
    pub(crate) fn open_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let made = self.call(|c| c.decrypt_rtcp(packet))?;
        copy_back(packet, &made.map_err(|_| SrtpError::Authentication)?)
    }

    /// Seals the RTCP packet `buf[..len]` in place.
    pub(crate) fn seal_rtcp(&mut self, buf: &mut [u8], len: usize) -> Result<usize, SrtpError> {
        let plain = buf.get(..len).ok_or(SrtpError::BufferTooSmall)?;
        let made = self.call(|c| c.encrypt_rtcp(plain))?;
        copy_back(buf, &made.map_err(|_| SrtpError::Malformed)?)
    }

    fn call<T>(&mut self, f: impl FnOnce(&mut Context) -> T) -> Result<T, SrtpError> {
        let context = self.context.as_mut().ok_or(SrtpError::Internal)?;
        let result = caught(|| f(context));
        if result.is_none() {
            self.context = None;
        }
        result.ok_or(SrtpError::Internal)
    }
}

fn copy_back(buf: &mut [u8], made: &[u8]) -> Result<usize, SrtpError> {
    buf.get_mut(..made.len())
        .ok_or(SrtpError::BufferTooSmall)?
        .copy_from_slice(made);
    Ok(made.len())
}

/// `None` when `f` panicked. Whatever it borrowed must not be used again.
fn caught<T>(f: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(f))
        .inspect_err(|_| {
            CAUGHT.fetch_add(1, Ordering::Relaxed);
        })
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three bytes of RTCP get past webrtc-srtp's first check in no build; a
    /// packet of eight makes it subtract below zero. Our guard stands before.
    #[test]
    fn a_panic_below_is_caught_counted_and_final() {
        let master = SrtpKey::new(SrtpProfile::Aes128CmSha1_80, &[1; 16], &[2; 14]).unwrap();
        let mut contained = Contained::new(SrtpProfile::Aes128CmSha1_80, &master).unwrap();
        let before = caught_panics();
        let mut short = [0x80, 201, 0, 1, 0, 0, 0, 7];
        assert_eq!(contained.open_rtcp(&mut short), Err(SrtpError::Internal));
        assert!(caught_panics() > before);
        let mut buf = [
            0x80, 201, 0, 1, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        ];
        assert_eq!(contained.seal_rtcp(&mut buf, 8), Err(SrtpError::Internal));
    }
}
