use core::fmt;

use hmac::{Hmac, Mac};
use sha1::Sha1;

use super::StunError;

/// A key for MESSAGE-INTEGRITY (RFC 8489 section 14.5), with its share of the
/// HMAC done once.
#[derive(Clone)]
pub struct IntegrityKey(Option<Hmac<Sha1>>);

impl IntegrityKey {
    /// Bytes of an HMAC-SHA1.
    pub const TAG_LEN: usize = 20;

    /// The key of a short-term credential is its password (RFC 8489 section
    /// 9.1.1; ICE passwords are ASCII, which OpaqueString leaves alone).
    pub fn new(password: &[u8]) -> Self {
        Self(Hmac::new_from_slice(password).ok()) // any length is a legal key
    }

    /// The tag of a message whose MESSAGE-INTEGRITY attribute begins where
    /// `covered` ends.
    pub(super) fn tag(&self, covered: &[u8]) -> [u8; Self::TAG_LEN] {
        self.mac(covered)
            .map_or([0; Self::TAG_LEN], |mac| mac.finalize().into_bytes().into())
    }

    /// Compares in constant time.
    pub(super) fn verify(&self, covered: &[u8], tag: &[u8]) -> Result<(), StunError> {
        self.mac(covered)
            .and_then(|mac| mac.verify_slice(tag).ok())
            .ok_or(StunError::BadIntegrity)
    }

    /// The length in the header that is hashed ends behind the attribute itself.
    fn mac(&self, covered: &[u8]) -> Option<Hmac<Sha1>> {
        let (kind, rest) = covered.split_first_chunk::<2>()?;
        let (_, rest) = rest.split_first_chunk::<2>()?;
        let len = u16::try_from(covered.len() + 4 + Self::TAG_LEN - super::HEADER_LEN).ok()?;
        let mut mac = self.0.clone()?;
        mac.update(kind);
        mac.update(&len.to_be_bytes());
        mac.update(rest);
        Some(mac)
    }
}

impl fmt::Debug for IntegrityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IntegrityKey(..)") // never in a log
    }
}
