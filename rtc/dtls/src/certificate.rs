//! The self-signed certificate that identifies an endpoint by its fingerprint
//! (RFC 8122, RFC 8827 section 6.5).

use std::fmt;
use std::sync::Arc;

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_ECDSA_P256_SHA256};
use sha2::{Digest, Sha256};
use webrtc_dtls::crypto::CryptoPrivateKey;

/// A self-signed ECDSA P-256 certificate with its private key. Cheap to clone.
#[derive(Clone)]
pub struct Certificate {
    held: Arc<Held>,
}

struct Held {
    der: Vec<u8>,
    key: CryptoPrivateKey,
    key_pem: String,
}

/// Why a certificate could not be made or loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// The random source or the signature failed.
    #[error("the certificate could not be generated")]
    Generation,
    /// The text holds no `PRIVATE KEY` block with a PKCS#8 ECDSA P-256 key.
    #[error("no ECDSA P-256 private key (PKCS#8 PEM) found")]
    NoPrivateKey,
    /// The text holds no `CERTIFICATE` block.
    #[error("no certificate (PEM) found")]
    NoCertificate,
    /// The certificate was made for another key.
    #[error("certificate and private key do not belong together")]
    KeyMismatch,
}

impl Certificate {
    /// A new certificate under a new key.
    ///
    /// It is valid from 2000 to 2049: a Pi has no clock battery and may start
    /// in the past, and peers check the fingerprint, not the dates.
    pub fn generate() -> Result<Self, CertificateError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)
            .map_err(|_| CertificateError::Generation)?;
        let mut params = CertificateParams::default();
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        params.not_after = rcgen::date_time_ymd(2049, 12, 31);
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, "transom");
        let certificate = params
            .self_signed(&key)
            .map_err(|_| CertificateError::Generation)?;
        Self::from_parts(certificate.der().to_vec(), &key)
    }

    /// The certificate that [`to_pem`](Self::to_pem) wrote.
    pub fn from_pem(text: &str) -> Result<Self, CertificateError> {
        let blocks = pem::parse_many(text).unwrap_or_default();
        let find = |tag| blocks.iter().find(|b| b.tag() == tag);
        let key = find("PRIVATE KEY")
            .and_then(|b| KeyPair::try_from(b.contents()).ok())
            .filter(|key| key.is_compatible(&PKCS_ECDSA_P256_SHA256))
            .ok_or(CertificateError::NoPrivateKey)?;
        let der = find("CERTIFICATE")
            .ok_or(CertificateError::NoCertificate)?
            .contents()
            .to_vec();
        let public = key.public_key_raw();
        if !der.windows(public.len()).any(|w| w == public) {
            return Err(CertificateError::KeyMismatch);
        }
        Self::from_parts(der, &key)
    }

    /// Private key and certificate as PEM. Keep it readable by the owner only.
    pub fn to_pem(&self) -> String {
        let certificate = pem::encode(&pem::Pem::new("CERTIFICATE", self.held.der.as_slice()));
        format!("{}{certificate}", self.held.key_pem)
    }

    /// The certificate, DER.
    pub fn der(&self) -> &[u8] {
        &self.held.der
    }

    /// The SHA-256 digest of the certificate, as `a=fingerprint:sha-256` shows it.
    pub fn sha256_fingerprint(&self) -> [u8; 32] {
        Sha256::digest(&self.held.der).into()
    }

    /// In the form that webrtc-dtls takes.
    pub(crate) fn to_dtls(&self) -> webrtc_dtls::crypto::Certificate {
        webrtc_dtls::crypto::Certificate {
            certificate: vec![self.held.der.clone().into()],
            private_key: self.held.key.clone(),
        }
    }

    fn from_parts(der: Vec<u8>, key: &KeyPair) -> Result<Self, CertificateError> {
        Ok(Self {
            held: Arc::new(Held {
                der,
                key: CryptoPrivateKey::from_key_pair(key)
                    .map_err(|_| CertificateError::NoPrivateKey)?,
                key_pem: key.serialize_pem(),
            }),
        })
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Certificate(..)") // holds the private key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survives_a_round_trip_through_pem() {
        let made = Certificate::generate().unwrap();
        let loaded = Certificate::from_pem(&made.to_pem()).unwrap();
        assert_eq!(loaded.der(), made.der());
        assert_eq!(loaded.sha256_fingerprint(), made.sha256_fingerprint());
        assert_ne!(
            Certificate::generate().unwrap().sha256_fingerprint(),
            made.sha256_fingerprint()
        );
    }

    #[test]
    fn is_valid_long_before_this_code_was_written() {
        let made = Certificate::generate().unwrap();
        // UTCTime, "000101000000Z" to "491231000000Z" (RFC 5280 section 4.1.2.5.1).
        let has = |t: &[u8]| made.der().windows(t.len()).any(|w| w == t);
        assert!(has(b"\x17\x0d000101000000Z") && has(b"\x17\x0d491231000000Z"));
    }

    #[test]
    fn refuses_what_does_not_belong_together() {
        let one = Certificate::generate().unwrap().to_pem();
        let other = Certificate::generate().unwrap().to_pem();
        let at = one.find("-----BEGIN CERT").unwrap();
        let swapped = format!(
            "{}{}",
            &one[..at],
            &other[other.find("-----BEGIN CERT").unwrap()..]
        );
        let error = |text: &str| Certificate::from_pem(text).unwrap_err();
        assert_eq!(error(&swapped), CertificateError::KeyMismatch);
        assert_eq!(error(&one[..at]), CertificateError::NoCertificate);
        assert_eq!(error(&one[at..]), CertificateError::NoPrivateKey);
        assert_eq!(error("no PEM at all"), CertificateError::NoPrivateKey);
    }
}
