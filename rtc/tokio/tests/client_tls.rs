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
use transom_rtc_tokio::client::{
    ClientError, Endpoint, EndpointConfig, Opened, RedirectError, TransportError, Trust,
};

/// A server's side of TLS with a certificate of its own making, and its fingerprint.
fn self_signed() -> (TlsAcceptor, [u8; 32]) {
    let made = rcgen::generate_simple_self_signed(vec!["door.example".into()]).unwrap();
    let certificate = made.cert.der().clone();
    let fingerprint = ::ring::digest::digest(&::ring::digest::SHA256, &certificate);
    let key = PrivateKeyDer::Pkcs8(made.key_pair.serialize_der().into());
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let fingerprint = fingerprint.as_ref().try_into().unwrap();
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
    let mut other = fingerprint;
    other[31] ^= 1;
    for trust in [Trust::Fingerprint(other), Trust::PublicAuthorities] {
        let error = open(&server, trust).await.unwrap_err();
        assert!(
            matches!(error, ClientError::Transport(TransportError::Tls(_))),
            "{error:?}"
        );
    }
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
    let error = open(&server, Trust::Fingerprint([0; 32]))
        .await
        .unwrap_err();
    assert!(matches!(error, ClientError::Transport(_)), "{error:?}");
    assert!(server.requests().is_empty());
}
