use std::fmt::{self, Write as _};
use std::str::FromStr;

use ring::digest::{SHA256, digest};

/// The SHA-256 digest of a certificate (DER), by which one that no authority
/// signed is known again.
///
/// Written `sha256:` and 64 hexadecimal digits; read with or without the
/// prefix, with colons between the bytes (as browsers and
/// `openssl x509 -fingerprint -sha256` show it) or without.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CertificateFingerprint([u8; 32]);

/// Text that is no fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the fingerprint is not `sha256:` and 64 hexadecimal digits; copy the whole link that `transom-sfu link` prints"
)]
pub struct FingerprintError;

impl CertificateFingerprint {
    /// From the digest itself.
    pub const fn from_sha256(sha256: [u8; 32]) -> Self {
        Self(sha256)
    }

    /// Of a certificate, DER.
    pub fn of(certificate: &[u8]) -> Self {
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(digest(&SHA256, certificate).as_ref());
        Self(sha256)
    }
}

impl FromStr for CertificateFingerprint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        let text = text.trim().to_ascii_lowercase();
        let hex = ["sha256:", "sha-256:", "sha-256 "]
            .iter()
            .find_map(|prefix| text.strip_prefix(prefix))
            .unwrap_or(&text);
        let bytes = match hex.contains(':') {
            true => hex.split(':').map(byte).collect::<Option<Vec<u8>>>(),
            false => pairs(hex).map(byte).collect(),
        };
        let bytes = bytes.ok_or(FingerprintError)?;
        bytes.try_into().map(Self).map_err(|_| FingerprintError)
    }
}

impl fmt::Display for CertificateFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for CertificateFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('<')?;
        fmt::Display::fmt(self, f)?;
        f.write_char('>')
    }
}

/// Two characters at a time; a piece that is not of two is no byte.
fn pairs(hex: &str) -> impl Iterator<Item = &str> {
    (0..hex.len().div_ceil(2)).map(move |n| hex.get(2 * n..2 * n + 2).unwrap_or_default())
}

fn byte(hex: &str) -> Option<u8> {
    let digits = hex.len() == 2 && hex.bytes().all(|b| b.is_ascii_hexdigit());
    digits.then(|| u8::from_str_radix(hex, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 180-2 appendix B.1: the digest of `abc`.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn it_is_read_as_browsers_and_openssl_write_it() {
        let expected = CertificateFingerprint::of(b"abc");
        assert_eq!(expected.to_string(), format!("sha256:{ABC}"));
        let bytes: Vec<String> = pairs(ABC).map(str::to_uppercase).collect();
        let colons = bytes.join(":");
        for text in [
            ABC.to_owned(),
            format!("sha256:{ABC}"),
            format!(" SHA-256:{} ", ABC.to_uppercase()),
            colons.clone(),
            format!("sha256:{colons}"),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_none_is_refused() {
        let colon_late = format!("{}:{}", &ABC[..4], &ABC[4..]);
        for text in [
            "",
            "sha256:",
            &ABC[..62],
            &ABC[..63],
            &format!("{ABC}00"),
            &format!("sha1:{ABC}"),
            &ABC.replace('b', "g"),
            &ABC.replacen("ba", "+a", 1),
            &ABC.replacen("ba", "\u{e4}", 1),
            &colon_late,
        ] {
            assert_eq!(
                text.parse::<CertificateFingerprint>(),
                Err(FingerprintError),
                "{text}"
            );
        }
    }
}
