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
    use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

    use super::*;
    use crate::derivation::{Label, derive};

    /// SRTCP by AES-GCM in a dozen lines (RFC 7714 section 9), from session
    /// keys: webrtc-srtp takes master keys only, and the RFC's vectors have none.
    fn seal_srtcp(key: &[u8; 16], salt: [u8; 12], index: u32, packet: &[u8]) -> Vec<u8> {
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, key).unwrap());
        let mut iv = salt;
        let ssrc = packet[4..8].iter();
        let counter = ssrc.chain(&[0, 0]).copied().chain(index.to_be_bytes());
        for (byte, c) in iv.iter_mut().skip(2).zip(counter) {
            *byte ^= c;
        }
        let word = (1 << 31 | index).to_be_bytes();
        let aad = [&packet[..8], &word[..]].concat();
        let mut body = packet[8..].to_vec();
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(iv), Aad::from(&aad), &mut body)
            .unwrap();
        [&packet[..8], &body, &word].concat()
    }

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        let pair = |p: &[u8]| u8::from_str_radix(std::str::from_utf8(p).unwrap(), 16).unwrap();
        digits.chunks(2).map(pair).collect()
    }

    /// RFC 7714 section 17.1.
    #[test]
    fn srtcp_aead_aes_128_gcm_test_vector() {
        let key = hex("000102030405060708090a0b0c0d0e0f").try_into().unwrap();
        let salt = hex("51756964 2070726f 2071756f").try_into().unwrap();
        let plain = hex(
            "81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61
             deadbeef deadbeef deadbeef deadbeef deadbeef",
        );
        let sealed = hex(
            "81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d
             c676a5f1 730d6fda 4ce09b46 86303ded 0bb9275b c84aa458 96cf4d2f c5abf872
             45d9eade 800005d4",
        );
        assert_eq!(seal_srtcp(&key, salt, 0x5d4, &plain), sealed);
    }

    /// What answers the vector above is what webrtc-srtp does, index after index.
    #[test]
    fn reports_are_sealed_as_the_rfc_has_it() {
        let profile = SrtpProfile::AeadAes128Gcm;
        let master = SrtpKey::new(profile, &[1; 16], &[2; 12]).unwrap();
        let key = derive(&master, Label::RtcpEncryption);
        let salt = derive(&master, Label::RtcpSalt);
        let mut contained = Contained::new(profile, &master).unwrap();
        let mut opening = Contained::new(profile, &master).unwrap();
        for index in 1..=20 {
            let plain = hex("81c80006 4d617273 4e545031 4e545032 52545020 0000042a 0000e930");
            let mut buf = [0; 48];
            buf[..28].copy_from_slice(&plain);
            assert_eq!(contained.seal_rtcp(&mut buf, 28), Ok(48));
            assert_eq!(buf.as_slice(), seal_srtcp(&key, salt, index, &plain));
            assert_eq!(opening.open_rtcp(&mut buf), Ok(28));
            assert_eq!(&buf[..28], plain);
        }
    }

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
