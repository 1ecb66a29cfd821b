//! The task of one peer: wait for the role, shake hands, and hand over what the
//! connection goes on with.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, Once};
use std::task::Poll;

use tokio::time::timeout;
use transom_rtc_proto::port::{DtlsEvent, DtlsFailure, DtlsRole, SrtpProfile};
use webrtc_dtls::cipher_suite::CipherSuiteId;
use webrtc_dtls::config::{ClientAuthType, Config, ExtendedMasterSecretType};
use webrtc_dtls::conn::DTLSConn;
use webrtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use webrtc_dtls::state::KeyLogData;
use webrtc_util::KeyingMaterialExporter;
use webrtc_util::conn::Conn;

use crate::config::DtlsConfig;
use crate::established::Established;
use crate::flights::LastFlight;
use crate::guard::Guard;
use crate::mailbox::{Input, Mailbox};
use crate::transport::Transport;

/// RFC 5764 section 4.2.
const EXPORTER_LABEL: &str = "EXTRACTOR-dtls_srtp";
/// Handshake messages are fragmented above this: with two headers a fragment
/// stays below the 1,200 bytes that pass everywhere.
const MESSAGE_MTU: usize = 1175;
/// A fatal `handshake_failure` as the first record of an epoch.
const HANDSHAKE_FAILURE: [u8; 15] = [21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 40];

/// How a session ended.
#[derive(Debug)]
enum End {
    /// The core closed it.
    Closed,
    Failed(DtlsFailure),
}

/// Shakes hands, or reports why there was nothing to shake. A panic in it, or in
/// webrtc-dtls below it, ends this peer only.
pub(crate) async fn run(mailbox: Arc<Mailbox>, config: DtlsConfig) {
    match caught(session(&mailbox, &config)).await {
        Some(Ok(())) => return, // it goes on without a task
        Some(Err(End::Closed)) => {}
        Some(Err(End::Failed(failure))) => mailbox.put_event(DtlsEvent::Failed(failure)),
        None => {
            mailbox.count(|s| s.panics += 1);
            mailbox.put_event(DtlsEvent::Failed(DtlsFailure::Panicked));
        }
    }
    mailbox.finish();
}

async fn session(mailbox: &Arc<Mailbox>, config: &DtlsConfig) -> Result<(), End> {
    let role = mailbox.role().await.ok_or(End::Closed)?;
    let peer = Peer {
        mailbox,
        transport: Arc::new(Transport::new(Arc::clone(mailbox), config.flight_interval)),
    };
    // Dropping the handshake, here or by the caller, ends webrtc-dtls's tasks.
    // In a box: its state is many times that of a task that waits for its role,
    // and a task keeps the room of its largest state to the end.
    let shaken = timeout(
        config.handshake_deadline,
        Box::pin(peer.shake_hands(role, config)),
    );
    shaken
        .await
        .unwrap_or(Err(End::Failed(DtlsFailure::Handshake)))
}

struct Peer<'a> {
    mailbox: &'a Arc<Mailbox>,
    transport: Arc<Transport>,
}

impl Peer<'_> {
    async fn shake_hands(&self, role: DtlsRole, config: &DtlsConfig) -> Result<(), End> {
        let mut guard = Guard::new(role);
        let profiles = match role {
            DtlsRole::Client => config.profiles.clone(),
            DtlsRole::Server => vec![self.choose_profile(config, &mut guard).await?],
        };
        let mut handshake = pin!(connect(&self.transport, role, config, &profiles));
        let dtls = loop {
            // In order: the client's next flight must find the handshake complete.
            tokio::select! {
                biased;
                done = &mut handshake => break done.map_err(|e| self.failure(&e))?,
                input = self.mailbox.input() => self.on_early_input(input, &mut guard)?,
            }
        };
        let (connected, secrets) = self.keys(&dtls).await?;
        let (last_flight, sealed) = self.transport.complete();
        let last_flight = match role {
            DtlsRole::Server => last_flight,
            DtlsRole::Client => LastFlight::default(), // the server's Finished message came last
        };
        let established = Established::new(role, &secrets, &sealed, last_flight)
            .ok_or(End::Failed(DtlsFailure::Handshake))?;
        self.mailbox
            .establish(established, connected, guard.into_early());
        Ok(())
    }

    /// Waits for the ClientHello and takes the best profile of ours that it
    /// offers. webrtc-dtls would take the first of the client's: Chromium's
    /// list begins with counter mode.
    async fn choose_profile(
        &self,
        config: &DtlsConfig,
        guard: &mut Guard,
    ) -> Result<SrtpProfile, End> {
        loop {
            if let Some(offered) = guard.offered_profiles() {
                let mut ours = config.profiles.iter();
                return ours.find(|p| offered.contains(p)).copied().ok_or_else(|| {
                    let alert = HANDSHAKE_FAILURE.to_vec();
                    self.mailbox.put_event(DtlsEvent::Datagram(alert));
                    End::Failed(DtlsFailure::NoProfile)
                });
            }
            let input = self.mailbox.input().await;
            self.on_early_input(input, guard)?;
        }
    }

    fn on_early_input(&self, input: Input, guard: &mut Guard) -> Result<(), End> {
        match input {
            Input::Close => Err(End::Closed),
            Input::Datagram(datagram) => self.on_datagram(&datagram, guard),
        }
    }

    fn on_datagram(&self, datagram: &[u8], guard: &mut Guard) -> Result<(), End> {
        let admitted = guard.handle_datagram(datagram);
        self.mailbox.count(|s| {
            s.records_refused = guard.refused();
            s.handshake_bytes = guard.handshake_bytes();
        });
        let admitted = admitted.map_err(|_| End::Failed(DtlsFailure::Hostile))?;
        if admitted.alert {
            self.transport.note_alert();
        }
        for datagram in admitted.datagrams {
            self.transport.deliver(datagram);
        }
        Ok(())
    }

    /// What the core gets to know, and what the records go on with.
    async fn keys(&self, dtls: &DTLSConn) -> Result<(DtlsEvent, KeyLogData), End> {
        let profile = match dtls.selected_srtpprotection_profile() {
            SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm => SrtpProfile::AeadAes128Gcm,
            SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80 => SrtpProfile::Aes128CmSha1_80,
            _ => return Err(End::Failed(DtlsFailure::NoProfile)),
        };
        let mut state = dtls.connection_state().await;
        let keying_material = state
            .export_keying_material(EXPORTER_LABEL, &[], profile.keying_material_len())
            .await
            .map_err(|_| End::Failed(DtlsFailure::Handshake))?;
        let secrets = state
            .key_log_data()
            .map_err(|_| End::Failed(DtlsFailure::Handshake))?;
        if state.peer_certificates.is_empty() {
            return Err(End::Failed(DtlsFailure::Handshake));
        }
        let connected = DtlsEvent::Connected {
            profile,
            keying_material,
            certificate: state.peer_certificates.swap_remove(0),
        };
        Ok((connected, secrets))
    }

    /// What a handshake that webrtc-dtls gave up died of.
    fn failure(&self, error: &webrtc_dtls::Error) -> End {
        use webrtc_dtls::Error as E;
        tracing::debug!(%error, "DTLS handshake failed");
        match error {
            E::ErrServerNoMatchingSrtpProfile
            | E::ErrClientNoMatchingSrtpProfile
            | E::ErrRequestedButNoSrtpExtension => End::Failed(DtlsFailure::NoProfile),
            E::ErrAlertFatalOrClose if !self.transport.saw_alert() => self.panicked_below(),
            _ => End::Failed(DtlsFailure::Handshake),
        }
    }

    /// The reader is a task of webrtc-dtls's own and ends without an alert in
    /// one case only.
    fn panicked_below(&self) -> End {
        self.mailbox.count(|s| s.panics += 1);
        End::Failed(DtlsFailure::Panicked)
    }
}

async fn connect(
    transport: &Arc<Transport>,
    role: DtlsRole,
    config: &DtlsConfig,
    profiles: &[SrtpProfile],
) -> Result<DTLSConn, webrtc_dtls::Error> {
    choose_crypto_provider();
    let profile = |p: &SrtpProfile| match p {
        SrtpProfile::Aes128CmSha1_80 => SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80,
        SrtpProfile::AeadAes128Gcm => SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm,
    };
    let below = Config {
        certificates: vec![config.certificate.to_dtls()],
        // The guard knows the sizes of this suite's records.
        cipher_suites: vec![CipherSuiteId::Tls_Ecdhe_Ecdsa_With_Aes_128_Gcm_Sha256],
        srtp_protection_profiles: profiles.iter().map(profile).collect(),
        client_auth: ClientAuthType::RequireAnyClientCert,
        // The server side of webrtc-dtls does not compare the client's
        // verify_data; with this extension the keys depend on the transcript.
        extended_master_secret: ExtendedMasterSecretType::Require,
        flight_interval: config.flight_interval,
        // The core compares the certificate with the signalled fingerprint.
        insecure_skip_verify: true,
        server_name: "transom".to_owned(),
        mtu: MESSAGE_MTU,
        ..Config::default()
    };
    let conn = Arc::clone(transport) as Arc<dyn Conn + Send + Sync>;
    DTLSConn::new(conn, below, role == DtlsRole::Client, None).await
}

/// webrtc-dtls builds rustls verifiers that it then does not use, and panics
/// when a program links two of rustls's providers and has chosen none.
fn choose_crypto_provider() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // An error means that somebody else was quicker.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
    });
}

/// `None` when polling `future` panicked. In a box, because an `async fn` would
/// keep room for its argument and for what it is moved to.
fn caught<F: Future>(future: F) -> impl Future<Output = Option<F::Output>> {
    let mut future = Box::pin(future);
    poll_fn(
        move |cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(poll) => poll.map(Some),
            Err(_) => Poll::Ready(None),
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::Certificate;

    /// A ClientHello that the guard would refuse: its extensions end in one
    /// byte, and webrtc-dtls reads the four of a header.
    fn deadly_client_hello() -> Vec<u8> {
        let mut body = vec![1, 0, 0, 45, 0, 0, 0, 0, 0, 0, 0, 45, 0xfe, 0xfd];
        body.extend_from_slice(&[7; 32]);
        body.extend_from_slice(&[0, 0, 0, 2, 0xc0, 0x2b, 1, 0, 0, 1, 0]);
        let mut record = vec![22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, body.len() as u8];
        record.extend_from_slice(&body);
        record
    }

    #[tokio::test]
    async fn a_panic_inside_webrtc_dtls_fails_the_handshake() {
        let mailbox = Arc::new(Mailbox::new(Arc::new(|| ())));
        let config = DtlsConfig::new(Certificate::generate().unwrap());
        let peer = Peer {
            mailbox: &mailbox,
            transport: Arc::new(Transport::new(Arc::clone(&mailbox), config.flight_interval)),
        };
        peer.transport.deliver(deadly_client_hello());
        let profiles = config.profiles.clone();
        let connecting = connect(&peer.transport, DtlsRole::Server, &config, &profiles);
        let error = connecting.await.err().unwrap();
        let end = peer.failure(&error);
        assert!(matches!(end, End::Failed(DtlsFailure::Panicked)), "{end:?}");
        assert_eq!(mailbox.stats().panics, 1);
    }

    /// A task that waits for its role may wait for as long as connectivity checks take.
    #[test]
    fn a_session_does_not_keep_the_room_of_its_handshake() {
        let mailbox = Arc::new(Mailbox::new(Arc::new(|| ())));
        let config = DtlsConfig::new(Certificate::generate().unwrap());
        let size = size_of_val(&session(&mailbox, &config));
        assert!(size < 3072, "{size} bytes");
    }

    #[tokio::test]
    async fn a_panic_in_the_task_itself_is_caught() {
        let unlucky = async {
            tokio::task::yield_now().await;
            panic!("on purpose")
        };
        assert_eq!(caught::<_>(unlucky).await, None::<()>);
        assert_eq!(caught(async { 3 }).await, Some(3));
    }
}
