use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use ring::digest::{SHA256, digest};
use tokio_rustls::rustls::crypto::ring as provider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{Error, InconsistentKeys};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

/// A certificate with its chain and its private key. Cheap to clone.
#[derive(Clone)]
pub struct Certificate {
    certified: Arc<CertifiedKey>,
    sha256: [u8; 32],
    not_before: i64,
    not_after: i64,
    self_signed: bool,
}

/// What PEM text lacks to be a certificate with its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// No `CERTIFICATE` block.
    #[error("it holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)")]
    NoCertificate,
    /// No private key, or an encrypted one.
    #[error("it holds no private key in PEM form (-----BEGIN PRIVATE KEY-----, not encrypted)")]
    NoPrivateKey,
    /// The private key is of a kind that TLS does not take.
    #[error("its private key is of no use for TLS; make one of ECDSA P-256 or RSA")]
    Key,
    /// The certificate is none.
    #[error("its certificate cannot be read")]
    Malformed,
    /// The key is another certificate's.
    #[error("certificate and private key do not belong together")]
    KeyMismatch,
}

impl Certificate {
    /// From the chain, the server's own first, and the key; both may be one text.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, CertificateError> {
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<_, _>>()
            .map_err(|_| CertificateError::NoCertificate)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| CertificateError::NoPrivateKey)?;
        let own = chain.first().ok_or(CertificateError::NoCertificate)?;
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(digest(&SHA256, own).as_ref());
        let (_, parsed) =
            X509Certificate::from_der(own).map_err(|_| CertificateError::Malformed)?;
        let validity = parsed.validity();
        let (not_before, not_after) = (
            validity.not_before.timestamp(),
            validity.not_after.timestamp(),
        );
        let self_signed = parsed.issuer() == parsed.subject();
        let certified = CertifiedKey::from_der(chain, key, &provider::default_provider());
        let certified = certified.map_err(|error| match error {
            Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => CertificateError::KeyMismatch,
            Error::InvalidCertificate(_) => CertificateError::Malformed,
            _ => CertificateError::Key,
        })?;
        Ok(Self {
            certified: Arc::new(certified),
            sha256,
            not_before,
            not_after,
            self_signed,
        })
    }

    /// The SHA-256 digest of the certificate, by which agents know it:
    /// `sha256:` and 64 hexadecimal digits.
    pub fn fingerprint(&self) -> String {
        let hex: String = self.sha256.iter().map(|b| format!("{b:02x}")).collect();
        format!("sha256:{hex}")
    }

    /// Whether no authority signed it.
    pub const fn is_self_signed(&self) -> bool {
        self.self_signed
    }

    /// Whether it is over at `now`.
    pub fn is_expired(&self, now: SystemTime) -> bool {
        self.not_after < unix_seconds(now)
    }

    /// Whether it has not begun at `now`, or this machine does not know the date.
    pub fn is_early(&self, now: SystemTime) -> bool {
        unix_seconds(now) < self.not_before
    }

    pub(super) fn certified(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.certified)
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({})", self.fingerprint()) // holds the private key
    }
}

fn unix_seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn made(from: i32, to: i32) -> (String, String) {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["door".into()]).unwrap();
        params.not_before = rcgen::date_time_ymd(from, 1, 1);
        params.not_after = rcgen::date_time_ymd(to, 1, 1);
        let certificate = params.self_signed(&key).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    #[test]
    fn what_does_not_belong_together_is_told() {
        let (chain, key) = made(2000, 2049);
        let (other, _) = made(2000, 2049);
        let error = |chain: &str, key: &str| {
            Certificate::from_pem(chain.as_bytes(), key.as_bytes()).unwrap_err()
        };
        assert_eq!(error(&other, &key), CertificateError::KeyMismatch);
        assert_eq!(error("", &key), CertificateError::NoCertificate);
        assert_eq!(error(&key, &key), CertificateError::NoCertificate);
        assert_eq!(error(&chain, &chain), CertificateError::NoPrivateKey);
        let cut = &chain[..chain.len() / 2];
        assert_eq!(error(cut, &key), CertificateError::NoCertificate);
        let nonsense = "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
        assert_eq!(error(nonsense, &key), CertificateError::Malformed);
        let nonsense = "-----BEGIN PRIVATE KEY-----\naGVsbG8=\n-----END PRIVATE KEY-----\n";
        assert_eq!(error(&chain, nonsense), CertificateError::Key);
    }

    #[test]
    fn dates_are_read() {
        let (chain, key) = made(2020, 2021);
        let made = Certificate::from_pem(chain.as_bytes(), key.as_bytes()).unwrap();
        let year = |n: u64| UNIX_EPOCH + Duration::from_secs((n - 1970) * 31_557_600 + 86_400);
        assert!(made.is_early(year(2019)) && made.is_early(UNIX_EPOCH));
        assert!(!made.is_early(year(2020)) && !made.is_expired(year(2020)));
        assert!(made.is_expired(year(2022)));
        assert!(made.is_self_signed());
        assert!(!format!("{made:?}").contains("PRIVATE"));
    }
}
