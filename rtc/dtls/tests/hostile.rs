//! What a peer, or somebody who forges its address, can send to a neighbour.
#![allow(clippy::unwrap_used, missing_docs)] // test code

#[allow(dead_code, unreachable_pub)] // shared by the test binaries
mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use support::{End, Seeded, carry, config, connect, pair};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use transom_rtc_dtls::Certificate;
use transom_rtc_proto::port::{DtlsAction, DtlsFailure, DtlsRole};
use webrtc_dtls::cipher_suite::CipherSuiteId;
use webrtc_dtls::config::{Config, ExtendedMasterSecretType};
use webrtc_dtls::conn::DTLSConn;
use webrtc_dtls::crypto::CryptoPrivateKey;
use webrtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use webrtc_util::Error;
use webrtc_util::conn::Conn;

fn record(content: u8, epoch: u16, seq: u64, body: &[u8]) -> Vec<u8> {
    let mut out = vec![content, 0xfe, 0xfd];
    out.extend_from_slice(&epoch.to_be_bytes());
    out.extend_from_slice(&seq.to_be_bytes()[2..]);
    out.extend_from_slice(&u16::try_from(body.len()).unwrap().to_be_bytes());
    out.extend_from_slice(body);
    out
}

/// One byte of a handshake message of `len` bytes, in a record of its own.
fn one_byte_fragment(len: u32, at: u32) -> Vec<u8> {
    let mut body = vec![1];
    body.extend_from_slice(&len.to_be_bytes()[1..]);
    body.extend_from_slice(&[0, 0]);
    body.extend_from_slice(&at.to_be_bytes()[1..]);
    body.extend_from_slice(&[0, 0, 1, 0x55]);
    record(22, 0, u64::from(at), &body)
}

/// Sends `datagrams` to a server and returns how long its task was busy.
async fn storm(server: &mut End, datagrams: Vec<Vec<u8>>) -> Duration {
    let began = Instant::now();
    for chunk in datagrams.chunks(32) {
        server.exchange(chunk.to_vec()).await;
    }
    began.elapsed()
}

#[tokio::test(start_paused = true)]
async fn forty_thousand_descending_fragments_end_the_handshake() {
    let mut server = End::start(config(), DtlsRole::Server);
    let fragments: Vec<Vec<u8>> = (0..40_000)
        .rev()
        .map(|at| one_byte_fragment(40_000, at))
        .collect();
    let datagrams: Vec<Vec<u8>> = fragments.chunks(53).map(|c| c.concat()).collect();
    assert_eq!(datagrams.len(), 755);
    let busy = storm(&mut server, datagrams).await;
    assert_eq!(server.failed(), Some(DtlsFailure::Hostile));
    assert!(server.dtls.is_finished());
    assert!(server.dtls.stats().handshake_bytes < 300_000);
    assert!(busy < Duration::from_secs(2), "{busy:?}");
}

#[tokio::test(start_paused = true)]
async fn fragments_of_a_message_that_fits_cost_little_either_way() {
    for descending in [false, true] {
        let mut server = End::start(config(), DtlsRole::Server);
        let mut order: Vec<u32> = (0..3000).collect();
        if descending {
            order.reverse();
        }
        let fragments: Vec<Vec<u8>> = order
            .iter()
            .map(|at| one_byte_fragment(3000, *at))
            .collect();
        let datagrams: Vec<Vec<u8>> = fragments.chunks(53).map(|c| c.concat()).collect();
        assert_eq!(datagrams.len(), 57);
        let busy = storm(&mut server, datagrams).await;
        // Whole at last, and then it is no ClientHello.
        assert_eq!(server.failed(), Some(DtlsFailure::Hostile));
        assert!(busy < Duration::from_secs(1), "{busy:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn noise_neither_panics_nor_starts_anything() {
    let mut dice = Seeded::new(9);
    for role in [DtlsRole::Server, DtlsRole::Client] {
        let mut end = End::start(config(), role);
        let noise = (0..20_000).map(|_| {
            let len = usize::try_from(dice.below(80)).unwrap();
            let mut body: Vec<u8> = (0..len)
                .map(|_| u8::try_from(dice.below(256)).unwrap())
                .collect();
            let content = u8::try_from(19 + dice.below(6)).unwrap();
            if content == 21 {
                body.truncate(1); // a fatal alert is not noise
            }
            record(
                content,
                u16::try_from(dice.below(4)).unwrap(),
                dice.below(1 << 40),
                &body,
            )
        });
        let busy = storm(&mut end, noise.collect()).await;
        assert!(busy < Duration::from_secs(5), "{busy:?}");
        assert_eq!(end.dtls.stats().panics, 0);
        assert!(end.connected().is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_survives_what_anybody_can_forge() {
    let (mut client, mut server) = pair();
    assert!(connect(&mut client, &mut server).await);
    let mut forged = vec![
        record(21, 0, 900, &[2, 40]),
        record(21, 0, 901, &[1, 0]),
        record(23, 0, 902, b"in the clear"),
        record(24, 1, 903, &[0; 40]),
        record(22, 0, 904, &[0; 11]),
    ];
    // Too short for a nonce and a tag: webrtc-dtls subtracts below zero.
    forged.extend((1..60).map(|len| record(23, 1, 1000 + len as u64, &vec![7; len])));
    forged.extend((1..60).map(|len| record(22, 1, 2000 + len as u64, &vec![7; len])));
    // Each would count webrtc-dtls's epoch up, unauthenticated.
    forged.extend((1..2000).map(|epoch| record(20, epoch, 5, &[1])));
    for end in [&mut client, &mut server] {
        let busy = storm(end, forged.clone()).await;
        assert!(busy < Duration::from_secs(2), "{busy:?}");
        assert!(!end.dtls.is_finished());
    }
    client
        .dtls
        .handle_action(DtlsAction::Send(b"still here".to_vec()));
    server
        .dtls
        .handle_action(DtlsAction::Send(b"so am I".to_vec()));
    let limit = Duration::from_secs(1);
    let done = |c: &End, s: &End| c.received().len() + s.received().len() == 2;
    assert!(carry(&mut client, &mut server, limit, |_, _| 1, done).await);
    assert_eq!(server.received(), [b"still here"]);
    assert_eq!(client.received(), [b"so am I"]);
}

#[tokio::test(start_paused = true)]
async fn a_datagram_of_data_is_received_once() {
    let (mut client, mut server) = pair();
    assert!(connect(&mut client, &mut server).await);
    client
        .dtls
        .handle_action(DtlsAction::Send(b"once".to_vec()));
    let sent = client.exchange(vec![]).await;
    for _ in 0..5 {
        server.exchange(sent.clone()).await;
    }
    assert_eq!(server.received(), [b"once"]);
}

#[tokio::test(start_paused = true)]
async fn queues_are_bounded_and_say_what_they_drop() {
    let client = End::start(config(), DtlsRole::Client);
    // Nobody lets the task run, and nobody polls.
    for _ in 0..10_000 {
        client.dtls.handle_action(DtlsAction::Send(vec![1; 1000]));
        client
            .dtls
            .handle_action(DtlsAction::Datagram(vec![1; 1000]));
    }
    assert_eq!(client.dtls.stats().queue_full, 20_000 - 64);

    let (mut client, mut server) = pair();
    assert!(connect(&mut client, &mut server).await);
    client.datagrams();
    for _ in 0..10_000 {
        client.dtls.handle_action(DtlsAction::Send(vec![1; 1000]));
    }
    assert_eq!(client.dtls.stats().queue_full, 10_000 - 256);
    let sent = client.datagrams();
    assert_eq!(sent.len(), 256);
    for datagram in [&sent[..], &sent[..]].concat() {
        server.dtls.handle_action(DtlsAction::Datagram(datagram));
    }
    for _ in 0..200 {
        client.dtls.handle_action(DtlsAction::Send(vec![2; 1000]));
    }
    for datagram in client.datagrams() {
        server.dtls.handle_action(DtlsAction::Datagram(datagram));
    }
    assert_eq!(server.dtls.stats().records_refused, 256); // the second time
    assert_eq!(server.dtls.stats().queue_full, 200); // 256 are untaken
    server.datagrams();
    assert_eq!(server.received().len(), 256);
}

/// Flooding a client's repeated flight makes a server repeat its own now and
/// then, not each time.
#[tokio::test(start_paused = true)]
async fn repeated_flights_are_not_amplified() {
    let (mut client, mut server) = pair();
    assert!(connect(&mut client, &mut server).await);
    let mut fragment = vec![16, 0, 0, 2, 0, 5, 0, 0, 0, 0, 0, 2];
    fragment.extend_from_slice(&[1, 1]);
    let mut answers = 0;
    for seq in 0..5000 {
        let repeated = record(22, 0, seq, &fragment);
        answers += server.exchange([repeated]).await.len();
    }
    assert_eq!(answers, 1);
}

/// A client of webrtc-dtls's own, on the other side of a server of ours.
struct Wire {
    out: mpsc::UnboundedSender<Vec<u8>>,
    inward: tokio::sync::Mutex<mpsc::UnboundedReceiver<Vec<u8>>>,
}

#[async_trait]
impl Conn for Wire {
    async fn recv(&self, buf: &mut [u8]) -> Result<usize, Error> {
        let Some(datagram) = self.inward.lock().await.recv().await else {
            return std::future::pending().await;
        };
        buf[..datagram.len()].copy_from_slice(&datagram);
        Ok(datagram.len())
    }
    async fn send(&self, datagram: &[u8]) -> Result<usize, Error> {
        let _ = self.out.send(datagram.to_vec());
        Ok(datagram.len())
    }
    async fn close(&self) -> Result<(), Error> {
        Ok(())
    }
    async fn connect(&self, _: SocketAddr) -> Result<(), Error> {
        Err(Error::ErrClosedListener)
    }
    async fn recv_from(&self, _: &mut [u8]) -> Result<(usize, SocketAddr), Error> {
        Err(Error::ErrClosedListener)
    }
    async fn send_to(&self, _: &[u8], _: SocketAddr) -> Result<usize, Error> {
        Err(Error::ErrClosedListener)
    }
    fn local_addr(&self) -> Result<SocketAddr, Error> {
        Err(Error::ErrClosedListener)
    }
    fn remote_addr(&self) -> Option<SocketAddr> {
        None
    }
    fn as_any(&self) -> &(dyn std::any::Any + Send + Sync) {
        self
    }
}

fn foreign_config() -> Config {
    Config {
        cipher_suites: vec![CipherSuiteId::Tls_Ecdhe_Ecdsa_With_Aes_128_Gcm_Sha256],
        srtp_protection_profiles: vec![SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm],
        insecure_skip_verify: true,
        server_name: "foreign".to_owned(),
        flight_interval: Duration::from_millis(100),
        ..Config::default()
    }
}

/// Runs a foreign client against a server of ours until the server knows.
async fn foreign_client(foreign: Config) -> End {
    let mut server = End::start(config(), DtlsRole::Server);
    let (out, mut outward) = mpsc::unbounded_channel();
    let (inward_tx, inward) = mpsc::unbounded_channel();
    let wire = Arc::new(Wire {
        out,
        inward: tokio::sync::Mutex::new(inward),
    });
    let client = Handle::current().spawn(async move {
        let _ = DTLSConn::new(wire, foreign, true, None).await;
        std::future::pending::<()>().await;
    });
    let until = tokio::time::Instant::now() + Duration::from_secs(5);
    while server.heard.is_empty() && tokio::time::Instant::now() < until {
        let mut to_server = vec![];
        while let Ok(datagram) = outward.try_recv() {
            to_server.push(datagram);
        }
        for datagram in server.exchange(to_server).await {
            let _ = inward_tx.send(datagram);
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    client.abort();
    server
}

fn foreign_certificate() -> (rcgen::KeyPair, webrtc_dtls::crypto::Certificate) {
    let key = rcgen::KeyPair::generate().unwrap();
    let made = rcgen::CertificateParams::default()
        .self_signed(&key)
        .unwrap();
    let certificate = webrtc_dtls::crypto::Certificate {
        certificate: vec![made.der().clone()],
        private_key: CryptoPrivateKey::from_key_pair(&key).unwrap(),
    };
    (key, certificate)
}

#[tokio::test(start_paused = true)]
async fn a_foreign_client_is_served() {
    let (_, certificate) = foreign_certificate();
    let der = certificate.certificate[0].to_vec();
    let server = foreign_client(Config {
        certificates: vec![certificate],
        ..foreign_config()
    })
    .await;
    assert_eq!(server.connected().unwrap().2, der);
}

#[tokio::test(start_paused = true)]
async fn a_client_without_a_certificate_is_refused() {
    let server = foreign_client(foreign_config()).await;
    assert!(server.connected().is_none());
    assert_eq!(server.failed(), Some(DtlsFailure::Handshake));
}

/// The certificate of somebody else, whose fingerprint would match, with a key
/// that does not belong to it.
#[tokio::test(start_paused = true)]
async fn a_client_with_a_stolen_certificate_is_refused() {
    let (_, mut certificate) = foreign_certificate();
    let victim = Certificate::generate().unwrap();
    certificate.certificate = vec![victim.der().to_vec().into()];
    let server = foreign_client(Config {
        certificates: vec![certificate],
        ..foreign_config()
    })
    .await;
    assert!(server.connected().is_none());
    assert_eq!(server.failed(), Some(DtlsFailure::Handshake));
}

#[tokio::test(start_paused = true)]
async fn a_client_without_extended_master_secret_is_refused() {
    let (_, certificate) = foreign_certificate();
    let server = foreign_client(Config {
        certificates: vec![certificate],
        extended_master_secret: ExtendedMasterSecretType::Disable,
        ..foreign_config()
    })
    .await;
    assert_eq!(server.failed(), Some(DtlsFailure::Handshake));
}

#[tokio::test(start_paused = true)]
async fn a_client_with_another_suite_is_refused() {
    let (_, certificate) = foreign_certificate();
    let server = foreign_client(Config {
        certificates: vec![certificate],
        cipher_suites: vec![CipherSuiteId::Tls_Ecdhe_Ecdsa_With_Aes_256_Cbc_Sha],
        ..foreign_config()
    })
    .await;
    assert_eq!(server.failed(), Some(DtlsFailure::Handshake));
}
