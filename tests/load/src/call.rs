//! A session from nothing: a socket of its own, an offer, the answer.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use ring::rand::{SecureRandom, SystemRandom};
use transom_rtc_dtls::Certificate;
use transom_rtc_proto::ice::{Candidate, IceCredentials};
use transom_rtc_proto::id::Ssrc;
use transom_rtc_proto::sdp::{
    Codec, Direction, Fingerprint, HashAlgorithm, LocalOffer, MediaKind, Msid, NegotiationError,
    OfferConfig, OfferedTrack, ProfileLevelId, SdpError, SendSsrc, Session, SessionDescription,
};
use transom_rtc_proto::time::Instant;
use transom_rtc_tokio::address::{AddressPolicy, host_candidates};
use transom_rtc_tokio::client::{ClientError, Endpoint, Session as HttpSession};
use transom_rtc_udp::{SocketConfig, UdpSocket};

use crate::clock::Clock;

/// What is offered: the codecs that every server surveyed takes.
const H264: Codec = Codec::H264 {
    profile_level_id: ProfileLevelId::CONSTRAINED_BASELINE_31,
    packetization_mode: 1,
};
const OPUS: Codec = Codec::Opus {
    stereo: true,
    fec: true,
};

/// Kernel buffers of each socket, bytes: a late turn of ours is no loss of the server's.
const BUFFER: usize = 2 << 20;

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum CallError {
    /// The exchange with the server failed.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The answer is not SDP.
    #[error("the server's answer cannot be read: {0}")]
    Answer(#[from] SdpError),
    /// The answer does not fit our offer.
    #[error("the server's answer cannot be used: {0}")]
    Negotiation(#[from] NegotiationError),
    /// No socket.
    #[error("cannot open a UDP socket: {0}; `ulimit -n` bounds how many there may be")]
    Socket(#[source] io::Error),
    /// No list of our addresses.
    #[error("cannot list the network interfaces: {0}")]
    Interfaces(#[source] io::Error),
    /// The system gives no random numbers.
    #[error("cannot get random numbers from the system")]
    Random,
}

/// An offer that the server has accepted.
#[derive(Debug)]
pub(crate) struct Call {
    /// The session on the server. To be closed when done.
    pub(crate) http: HttpSession,
    /// What the peer is made of.
    pub(crate) link: Link,
    /// When the offer was posted, and when its answer was there.
    pub(crate) posted: Instant,
    pub(crate) answered: Instant,
}

/// What was agreed on, and the socket it was agreed for.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) session: Session,
    pub(crate) socket: UdpSocket,
    pub(crate) candidates: Vec<Candidate>,
    /// Randomness for the peer.
    pub(crate) seed: [u8; 32],
}

/// Posts an offer that sends or receives, and takes the answer. A session whose
/// answer is of no use is closed.
pub(crate) async fn place(
    endpoint: &Endpoint,
    direction: Direction,
    certificate: &Certificate,
    clock: Clock,
) -> Result<Call, CallError> {
    let seed = random_seed()?;
    let mut rng = ChaCha20Rng::from_seed(random_seed()?);
    let socket = open_socket().map_err(CallError::Socket)?;
    let policy = AddressPolicy {
        loopback: true,
        ipv6: false,
        ..AddressPolicy::default()
    };
    let candidates =
        host_candidates(&policy, socket.local_addr().port()).map_err(CallError::Interfaces)?;
    let (description, offer) = LocalOffer::create(&OfferConfig {
        tracks: offered(direction, &mut rng),
        ice: IceCredentials::generate(&mut rng),
        ice_lite: false,
        candidates: candidates.clone(),
        fingerprint: Fingerprint::of(HashAlgorithm::Sha256, certificate.der()),
        session_id: rng.next_u64() >> 2,
        transport_cc: true,
        playout_delay: true,
        data_channel: false,
    });
    let description = description.to_string();
    let posted = clock.now();
    let opened = endpoint.open(&description).await?;
    let answered = clock.now();
    let accepted = SessionDescription::parse(&opened.answer)
        .map_err(CallError::from)
        .and_then(|answer| Ok(offer.accept(&answer)?));
    match accepted {
        Ok(session) => Ok(Call {
            http: opened.session,
            link: Link {
                session,
                socket,
                candidates,
                seed,
            },
            posted,
            answered,
        }),
        Err(error) => {
            let _ = opened.session.close().await;
            Err(error)
        }
    }
}

/// A socket on which nothing is coalesced: each datagram that the server sends
/// is one here too, whatever it left the server in.
pub(crate) fn open_socket() -> io::Result<UdpSocket> {
    let config = SocketConfig {
        recv_buffer: BUFFER,
        send_buffer: BUFFER,
        gro: false,
        ..SocketConfig::default()
    };
    UdpSocket::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)), &config)
}

fn offered(direction: Direction, rng: &mut ChaCha20Rng) -> Vec<OfferedTrack> {
    let cname = format!("{:016x}", rng.next_u64());
    let tracks = [(MediaKind::Audio, OPUS), (MediaKind::Video, H264)];
    let offered = tracks.into_iter().map(|(kind, codec)| OfferedTrack {
        kind,
        codecs: vec![codec],
        send: (direction == Direction::Send).then(|| SendSsrc {
            ssrc: Ssrc(rng.next_u32()),
            rtx: Some(Ssrc(rng.next_u32())),
            cname: cname.clone(),
            msid: Msid {
                stream: "load".into(),
                track: kind.to_string(),
            },
        }),
    });
    offered.collect()
}

fn random_seed() -> Result<[u8; 32], CallError> {
    let mut seed = [0; 32];
    SystemRandom::new()
        .fill(&mut seed)
        .map_err(|_| CallError::Random)?;
    Ok(seed)
}
