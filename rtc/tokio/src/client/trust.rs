use std::fmt;
use std::io;
use std::sync::Arc;

use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring as provider};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, RootCertStore,
    SignatureScheme, crypto,
};

use super::CertificateFingerprint;

/// Which server is believed to be the right one, over https.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// One whose certificate a public authority has signed for its name.
    #[default]
    PublicAuthorities,
    /// The one whose certificate has this SHA-256 fingerprint, whatever name
    /// and dates stand in it. For self-signed certificates, whose fingerprint
    /// came by another way, and for devices that do not know the date.
    Fingerprint(CertificateFingerprint),
}

/// The server shows another certificate than the one it is to be known by:
/// it was set up anew, or somebody stands between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the server's certificate is {seen}, and the one to be trusted is {expected}; if the server was set up anew, pair again with the link that `transom-sfu link` prints there"
)]
pub struct PinMismatch {
    /// The fingerprint that was configured.
    pub expected: CertificateFingerprint,
    /// That of the certificate shown.
    pub seen: CertificateFingerprint,
}

impl PinMismatch {
    /// The mismatch that a TLS handshake failed of, if it was one.
    pub(super) fn of(error: &io::Error) -> Option<Self> {
        match error.get_ref()?.downcast_ref::<Error>()? {
            Error::InvalidCertificate(CertificateError::Other(OtherError(cause))) => {
                cause.downcast_ref().copied()
            }
            _ => None,
        }
    }
}

impl Trust {
    pub(super) fn tls_config(self) -> Result<Arc<ClientConfig>, Error> {
        let provider = Arc::new(provider::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?;
        let config = match self {
            Self::PublicAuthorities => {
                let mut roots = RootCertStore::empty();
                roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
                builder.with_root_certificates(roots)
            }
            Self::Fingerprint(expected) => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Pinned { expected, provider })),
        };
        Ok(Arc::new(config.with_no_client_auth()))
    }
}

/// Accepts one certificate, by its fingerprint.
struct Pinned {
    expected: CertificateFingerprint,
    provider: Arc<CryptoProvider>,
}

impl fmt::Debug for Pinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pinned").finish_non_exhaustive()
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let seen = CertificateFingerprint::of(end_entity);
        if seen == self.expected {
            return Ok(ServerCertVerified::assertion());
        }
        let mismatch = PinMismatch {
            expected: self.expected,
            seen,
        };
        Err(CertificateError::Other(OtherError(Arc::new(mismatch))).into())
    }

    // That the server holds the certificate's key is verified as ever.
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
