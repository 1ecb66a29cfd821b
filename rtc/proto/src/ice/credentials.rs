use alloc::string::String;
use core::fmt;

use rand_chacha::rand_core::RngCore;

/// Username fragment and password of one end (RFC 8445 section 5.3).
#[derive(Clone, PartialEq, Eq)]
pub struct IceCredentials {
    ufrag: String,
    pwd: String,
}

/// RFC 8839 section 5.4: four to 256 ice-chars.
const UFRAG_LEN: core::ops::RangeInclusive<usize> = 4..=256;
/// RFC 8839 section 5.4: 22 to 256 ice-chars.
const PWD_LEN: core::ops::RangeInclusive<usize> = 22..=256;
const ICE_CHARS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

impl IceCredentials {
    /// Credentials as signalled, if both are ice-chars of a legal length.
    pub fn new(ufrag: &str, pwd: &str) -> Option<Self> {
        let legal = |s: &str| {
            s.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'+' || b == b'/')
        };
        (UFRAG_LEN.contains(&ufrag.len())
            && PWD_LEN.contains(&pwd.len())
            && legal(ufrag)
            && legal(pwd))
        .then(|| Self {
            ufrag: ufrag.into(),
            pwd: pwd.into(),
        })
    }

    /// Fresh credentials: 48 random bits of username fragment and 144 of
    /// password (RFC 8445 section 5.3 asks for 24 and 128).
    pub fn generate(rng: &mut impl RngCore) -> Self {
        Self {
            ufrag: random_chars(rng, 8),
            pwd: random_chars(rng, 24),
        }
    }

    /// The username fragment.
    pub fn ufrag(&self) -> &str {
        &self.ufrag
    }

    /// The password.
    pub fn pwd(&self) -> &str {
        &self.pwd
    }
}

impl fmt::Debug for IceCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IceCredentials({})", self.ufrag) // the password stays out of logs
    }
}

fn random_chars(rng: &mut impl RngCore, n: usize) -> String {
    (0..n)
        .map(|_| {
            let six_bits = (rng.next_u32() >> 26) as usize;
            char::from(ICE_CHARS[six_bits])
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

    #[test]
    fn generated_credentials_are_legal_and_differ() {
        let mut rng = ChaCha20Rng::from_seed([7; 32]);
        let a = IceCredentials::generate(&mut rng);
        let b = IceCredentials::generate(&mut rng);
        assert!(IceCredentials::new(a.ufrag(), a.pwd()).is_some());
        assert_ne!(a, b);
    }

    #[test]
    fn short_or_odd_credentials_are_refused() {
        assert!(IceCredentials::new("abc", "0123456789012345678901").is_none());
        assert!(IceCredentials::new("abcd", "short").is_none());
        assert!(IceCredentials::new("ab:d", "0123456789012345678901").is_none());
    }
}
