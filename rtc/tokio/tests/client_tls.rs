//! Over TLS: who is believed to be the server.
#![allow(clippy::unwrap_used, clippy::panic)] // a test

mod server;

use std::sync::Arc;
use std::time::Duration;

use server::{Server, created, reply};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use transom_rtc_tokio::client::{
    CertificateFingerprint, ClientError, Endpoint, EndpointConfig, Opened, PinMismatch,
    RedirectError, Retry, TransportError, Trust,
};

/// A server's side of TLS with a certificate of its own making, and its fingerprint.
fn self_signed() -> (TlsAcceptor, CertificateFingerprint) {
    let made = rcgen::generate_simple_self_signed(vec!["door.example".into()]).unwrap();
    let certificate = made.cert.der().clone();
    let fingerprint = CertificateFingerprint::of(&certificate);
    let key = PrivateKeyDer::Pkcs8(made.key_pair.serialize_der().into());
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), fingerprint)
}

async fn open(server: &Server, trust: Trust) -> Result<Opened, ClientError> {
    let url = format!("https://127.0.0.1:{}/whip/door", server.port);
    let mut config = EndpointConfig::new(&url, Some("secret"));
    config.trust = trust;
    config.timeout = Duration::from_secs(2);
    Endpoint::new(config).unwrap().open("v=0\r\n").await
}

#[tokio::test]
async fn the_pinned_certificate_is_accepted_and_no_other() {
    let (tls, fingerprint) = self_signed();
    let server = Server::with_tls(tls.clone(), [&created("/s"), &reply("200 OK", "", "")]).await;
    let opened = open(&server, Trust::Fingerprint(fingerprint))
        .await
        .unwrap();
    assert!(opened.session.url().is_https());
    opened.session.close().await.unwrap();
    assert_eq!(
        server.requests()[1].header("authorization"),
        Some("Bearer secret")
    );

    let server = Server::with_tls(tls, [&created("/s"), &created("/s")]).await;
    let error = open(&server, Trust::PublicAuthorities).await.unwrap_err();
    assert!(
        matches!(error, ClientError::Transport(TransportError::Tls(_))),
        "{error:?}"
    );
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn another_certificate_is_refused_and_both_are_named() {
    let (tls, seen) = self_signed();
    let server = Server::with_tls(tls, [&created("/s")]).await;
    let (_, expected) = self_signed();
    let error = open(&server, Trust::Fingerprint(expected))
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            ClientError::Transport(TransportError::Pin(mismatch))
                if mismatch == PinMismatch { expected, seen }
        ),
        "{error:?}"
    );
    assert_eq!(error.retry(), Retry::Slowly);
    let told = error.to_string();
    for word in [&seen.to_string(), &expected.to_string(), "transom-sfu link"] {
        assert!(told.contains(word), "{told}");
    }
    assert!(server.requests().is_empty());
}

/// The certificate is public: who shows it without its key is not the server.
#[tokio::test]
async fn a_copied_certificate_is_of_no_use_without_its_key() {
    let made = rcgen::generate_simple_self_signed(vec!["door.example".into()]).unwrap();
    let stolen = made.cert.der().clone();
    let other = rcgen::KeyPair::generate().unwrap();
    let key = PrivateKeyDer::Pkcs8(other.serialize_der().into());
    let key = ring::default_provider()
        .key_provider
        .load_private_key(key)
        .unwrap();
    let certified = CertifiedKey::new(vec![stolen.clone()], key);
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    let tls = TlsAcceptor::from(Arc::new(config));
    let server = Server::with_tls(tls, [&created("/s")]).await;
    let trust = Trust::Fingerprint(CertificateFingerprint::of(&stolen));
    let error = open(&server, trust).await.unwrap_err();
    assert!(
        matches!(error, ClientError::Transport(TransportError::Tls(_))),
        "{error:?}"
    );
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_redirect_to_http_is_not_followed() {
    let (tls, fingerprint) = self_signed();
    let plain = Server::new([&created("/s")]).await;
    let location = format!("Location: {}\r\n", plain.url("/whip/door"));
    let server = Server::with_tls(tls, [&reply("307 T", &location, "")]).await;
    let error = open(&server, Trust::Fingerprint(fingerprint)).await;
    assert!(matches!(
        error,
        Err(ClientError::Redirect(RedirectError::Downgrade))
    ));
    assert!(plain.requests().is_empty());
}

#[tokio::test]
async fn a_plain_server_is_no_tls_server() {
    let server = Server::new([&created("/s")]).await;
    let error = open(
        &server,
        Trust::Fingerprint(CertificateFingerprint::from_sha256([0; 32])),
    )
    .await
    .unwrap_err();
    assert!(matches!(error, ClientError::Transport(_)), "{error:?}");
    assert!(server.requests().is_empty());
}
