use core::fmt;

use sha2::{Digest, Sha256, Sha384, Sha512};

/// Hash of a certificate (`a=fingerprint`, RFC 8122 section 5).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    algorithm: HashAlgorithm,
    digest: [u8; 64],
}

/// The hash functions we take; the older ones of RFC 8122 are broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HashAlgorithm {
    /// `sha-256`.
    Sha256,
    /// `sha-384`.
    Sha384,
    /// `sha-512`.
    Sha512,
}

impl HashAlgorithm {
    /// Length of the digest, bytes.
    pub const fn digest_len(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// The name in SDP; it compares without regard to case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha-256",
            Self::Sha384 => "sha-384",
            Self::Sha512 => "sha-512",
        }
    }
}

/// Why an `a=fingerprint` was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FingerprintParseError {
    /// A hash function we do not take: such a line is passed over.
    UnknownAlgorithm,
    /// Not as many pairs of hexadecimal digits as the hash function asks.
    Malformed,
}

impl Fingerprint {
    /// A fingerprint from its digest; `None` where the length is not the algorithm's.
    pub fn new(algorithm: HashAlgorithm, digest: &[u8]) -> Option<Self> {
        if digest.len() != algorithm.digest_len() {
            return None;
        }
        let mut held = [0; 64];
        held.get_mut(..digest.len())?.copy_from_slice(digest);
        Some(Self {
            algorithm,
            digest: held,
        })
    }

    /// The fingerprint of the DER certificate `der`.
    pub fn of(algorithm: HashAlgorithm, der: &[u8]) -> Self {
        let mut digest = [0; 64];
        match algorithm {
            HashAlgorithm::Sha256 => digest[..32].copy_from_slice(&Sha256::digest(der)),
            HashAlgorithm::Sha384 => digest[..48].copy_from_slice(&Sha384::digest(der)),
            HashAlgorithm::Sha512 => digest.copy_from_slice(&Sha512::digest(der)),
        }
        Self { algorithm, digest }
    }

    /// Whether the DER certificate `der` is the one meant.
    pub fn matches(&self, der: &[u8]) -> bool {
        Self::of(self.algorithm, der) == *self
    }

    /// The hash function.
    pub const fn algorithm(&self) -> HashAlgorithm {
        self.algorithm
    }

    /// The digest, as long as the hash function makes it.
    pub fn digest(&self) -> &[u8] {
        self.digest
            .get(..self.algorithm.digest_len())
            .unwrap_or_default()
    }

    /// From the attribute's value: `sha-256 AB:CD:...`.
    pub(super) fn parse(value: &str) -> Result<Self, FingerprintParseError> {
        let (name, hex) = value
            .split_once(' ')
            .ok_or(FingerprintParseError::Malformed)?;
        let algorithm = [
            HashAlgorithm::Sha256,
            HashAlgorithm::Sha384,
            HashAlgorithm::Sha512,
        ]
        .into_iter()
        .find(|a| a.name().eq_ignore_ascii_case(name))
        .ok_or(FingerprintParseError::UnknownAlgorithm)?;

        let mut digest = [0; 64];
        let mut pairs = hex.trim().split(':');
        for byte in digest.iter_mut().take(algorithm.digest_len()) {
            let pair = pairs.next().ok_or(FingerprintParseError::Malformed)?;
            *byte = hex_byte(pair).ok_or(FingerprintParseError::Malformed)?;
        }
        if pairs.next().is_some() {
            return Err(FingerprintParseError::Malformed);
        }
        Ok(Self { algorithm, digest })
    }
}

fn hex_byte(pair: &str) -> Option<u8> {
    match pair.as_bytes() {
        [a, b] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => {
            u8::from_str_radix(pair, 16).ok()
        }
        _ => None,
    }
}

/// The attribute's value, as RFC 8122 section 5 writes it.
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.algorithm.name())?;
        for (i, byte) in self.digest().iter().enumerate() {
            let separator = if i == 0 { ' ' } else { ':' };
            write!(f, "{separator}{byte:02X}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn hash_of_a_known_text() {
        // FIPS 180-2 appendix B.1.
        let text = "sha-256 BA:78:16:BF:8F:01:CF:EA:41:41:40:DE:5D:AE:22:23:\
                    B0:03:61:A3:96:17:7A:9C:B4:10:FF:61:F2:00:15:AD";
        let fingerprint = Fingerprint::of(HashAlgorithm::Sha256, b"abc");
        assert_eq!(fingerprint.to_string(), text);
        assert_eq!(
            Fingerprint::parse(&text.to_lowercase()),
            Ok(fingerprint),
            "digits and names compare without regard to case"
        );
        assert!(fingerprint.matches(b"abc"));
        assert!(!fingerprint.matches(b"abd"));
    }

    #[test]
    fn every_algorithm_round_trips() {
        for a in [
            HashAlgorithm::Sha256,
            HashAlgorithm::Sha384,
            HashAlgorithm::Sha512,
        ] {
            let f = Fingerprint::of(a, b"certificate");
            assert_eq!(Fingerprint::parse(&f.to_string()), Ok(f));
            assert_eq!(Fingerprint::new(a, f.digest()), Some(f));
        }
        assert_eq!(Fingerprint::new(HashAlgorithm::Sha256, &[0; 31]), None);
    }

    #[test]
    fn odd_values_are_refused() {
        let good = Fingerprint::of(HashAlgorithm::Sha256, b"").to_string();
        let long = alloc::format!("{good}:00");
        for bad in [
            "",
            "sha-256",
            "sha-256 ",
            "sha-256 AA:BB",
            &good[..good.len() - 1],
            &long,
        ] {
            assert_eq!(
                Fingerprint::parse(bad),
                Err(FingerprintParseError::Malformed),
                "{bad}"
            );
        }
        assert_eq!(
            Fingerprint::parse("sha-1 AA"),
            Err(FingerprintParseError::UnknownAlgorithm)
        );
    }
}
