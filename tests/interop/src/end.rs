//! One end, from a description.

use std::sync::Arc;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinHandle;
use transom_rtc_dtls::{Certificate, DtlsConfig};
use transom_rtc_proto::channel::ChannelEvent;
use transom_rtc_proto::ice::{Candidate, IceCredentials, IceRole};
use transom_rtc_proto::peer::{CloseReason, PeerConfig};
use transom_rtc_proto::port::DtlsRole;
use transom_rtc_proto::sdp::{
    AnswerConfig, AnswerRole, Fingerprint, HashAlgorithm, LocalOffer, OfferConfig, Session,
    SessionDescription, answer as answer_offer,
};
use transom_rtc_sctp::GuardedSctp;
use transom_rtc_srtp::GuardedSrtp;
use transom_rtc_tokio::address::{AddressPolicy, host_candidates};
use transom_rtc_tokio::driver::{Connection, DriverConfig, PeerHandle, connect};
use transom_rtc_tokio::{Clock, Socket};
use transom_rtc_udp::SocketConfig;

/// A peer with its driver running.
pub(crate) struct End {
    pub(crate) handle: PeerHandle,
    pub(crate) channels: Receiver<ChannelEvent>,
    pub(crate) driver: JoinHandle<std::io::Result<CloseReason>>,
}

/// What an end brings along.
struct Kit {
    socket: Socket,
    certificate: Certificate,
    candidates: Vec<Candidate>,
    ice: IceCredentials,
    seed: [u8; 32],
    session_id: u64,
}

/// An offer that waits for its answer.
pub(crate) struct Offered {
    pub(crate) description: String,
    local: LocalOffer,
    kit: Kit,
}

/// Answers an offer; the peer waits for the other end.
pub(crate) fn answer(offer: &str) -> (String, End) {
    let kit = Kit::new();
    let offer = SessionDescription::parse(offer).expect("an offer");
    let config = AnswerConfig {
        role: AnswerRole::Publish { accept: Vec::new() },
        ice: kit.ice.clone(),
        ice_lite: true,
        candidates: kit.candidates.clone(),
        fingerprint: kit.fingerprint(),
        dtls_role: DtlsRole::Server,
        session_id: kit.session_id,
        transport_cc: false,
        playout_delay: false,
        data_channel: true,
    };
    let (description, session) = answer_offer(&offer, &config).expect("an answer");
    (description.to_string(), kit.connect(session, true))
}

/// Offers data channels and nothing else.
pub(crate) fn offer() -> Offered {
    let kit = Kit::new();
    let (description, local) = LocalOffer::create(&OfferConfig {
        tracks: Vec::new(),
        ice: kit.ice.clone(),
        ice_lite: false,
        candidates: kit.candidates.clone(),
        fingerprint: kit.fingerprint(),
        session_id: kit.session_id,
        transport_cc: false,
        playout_delay: false,
        data_channel: true,
    });
    Offered {
        description: description.to_string(),
        local,
        kit,
    }
}

impl Offered {
    pub(crate) fn accept(self, answer: &str) -> End {
        let answer = SessionDescription::parse(answer).expect("an answer");
        let session = self.local.accept(&answer).expect("an answer that fits");
        self.kit.connect(session, false)
    }
}

impl Kit {
    fn new() -> Self {
        let mut seed = [0; 32];
        SystemRandom::new().fill(&mut seed).expect("randomness");
        let mut rng = ChaCha20Rng::from_seed(seed);
        let socket = Socket::bind(0, &SocketConfig::default()).expect("a socket");
        let policy = AddressPolicy {
            loopback: true,
            ..AddressPolicy::default()
        };
        let candidates = host_candidates(&policy, socket.port()).expect("addresses");
        rng.fill_bytes(&mut seed);
        Self {
            socket,
            certificate: Certificate::generate().expect("a certificate"),
            candidates,
            ice: IceCredentials::generate(&mut rng),
            seed,
            session_id: rng.next_u64() >> 2,
        }
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(HashAlgorithm::Sha256, self.certificate.der())
    }

    fn connect(self, session: Session, lite: bool) -> End {
        let role = match lite {
            true => IceRole::Controlled,
            false => IceRole::Controlling,
        };
        let Connection {
            handle,
            channels,
            driver,
            ..
        } = connect(DriverConfig {
            socket: self.socket,
            clock: Clock::new(),
            peer: PeerConfig {
                ice_lite: lite,
                local_candidates: self.candidates,
                sctp: Some(Arc::new(GuardedSctp)),
                ..PeerConfig::new(session, role, Arc::new(GuardedSrtp))
            },
            dtls: DtlsConfig::new(self.certificate),
            seed: self.seed,
        });
        End {
            handle,
            channels,
            driver: tokio::spawn(driver.run()),
        }
    }
}
