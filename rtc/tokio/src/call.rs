//! A session from nothing: socket, candidates, certificate, offer, answer, peer.
//!
//! [`place`] posts an offer to a WHIP or WHEP endpoint; what the server made
//! of it stands in [`Answered`], whose [`connect`](Answered::connect) makes the
//! peer and its driver.

use std::io;
use std::net::IpAddr;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use ring::rand::{SecureRandom, SystemRandom};
use transom_rtc_dtls::{Certificate, CertificateError, DtlsConfig};
use transom_rtc_proto::ice::{Candidate, IceCredentials, IceRole};
use transom_rtc_proto::id::Ssrc;
use transom_rtc_proto::peer::{PeerConfig, TrackId};
use transom_rtc_proto::sdp::{
    Codec, Direction, Fingerprint, HashAlgorithm, LocalOffer, MediaKind, Msid, NegotiationError,
    OfferConfig, OfferedTrack, SdpError, SendSsrc, Session as Negotiated, SessionDescription,
};
use transom_rtc_sctp::GuardedSctp;
use transom_rtc_srtp::GuardedSrtp;
use transom_rtc_udp::SocketConfig;

use crate::address::{AddressPolicy, host_candidates};
use crate::client::{ClientError, Endpoint, Session};
use crate::driver::{Connection, DriverConfig, connect};
use crate::{Clock, Socket};

/// What to offer, where to, and from which addresses.
#[derive(Clone, Debug)]
pub struct CallConfig {
    /// The WHIP or WHEP endpoint.
    pub endpoint: Endpoint,
    /// Which of our addresses to offer. Loopback is added where the endpoint is there.
    pub addresses: AddressPolicy,
    /// The tracks, in the order of their m-lines.
    pub tracks: Vec<CallTrack>,
    /// Offer data channels too. Some servers take no offer that has them.
    pub data_channels: bool,
}

/// A track to offer.
#[derive(Clone, Debug)]
pub struct CallTrack {
    /// Sound or picture.
    pub kind: MediaKind,
    /// Codecs, the preferred first.
    pub codecs: Vec<Codec>,
    /// Which way the media goes, seen from here.
    pub direction: Direction,
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
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
    #[error("cannot open a UDP socket: {0}")]
    Socket(#[source] io::Error),
    /// No list of our addresses.
    #[error("cannot list the network interfaces: {0}")]
    Interfaces(#[source] io::Error),
    /// None of our addresses may be offered.
    #[error(
        "no address of this machine can be offered: is its network up, and not left out by the configuration?"
    )]
    NoAddress,
    /// No certificate.
    #[error("cannot make a DTLS certificate: {0}")]
    Certificate(#[from] CertificateError),
    /// The system gives no random numbers.
    #[error("cannot get random numbers from the system")]
    Random,
}

/// An offer that the server has accepted.
#[derive(Debug)]
pub struct Answered {
    /// The session on the server. To be closed when done.
    pub session: Session,
    /// What was agreed on.
    pub negotiated: Negotiated,
    socket: Socket,
    certificate: Certificate,
    candidates: Vec<Candidate>,
    seed: [u8; 32],
}

/// Posts an offer and takes the answer. A session whose answer is of no use is
/// closed, not left to time out on the server.
///
/// # Errors
/// See [`CallError`].
pub async fn place(config: &CallConfig) -> Result<Answered, CallError> {
    let mut rng = ChaCha20Rng::from_seed(random_seed()?);
    let socket = Socket::bind(0, &SocketConfig::default()).map_err(CallError::Socket)?;
    let policy = AddressPolicy {
        loopback: config.addresses.loopback || is_loopback(config.endpoint.url().host()),
        ipv6: config.addresses.ipv6 && socket.carries_ipv6(),
        ..config.addresses.clone()
    };
    let candidates = host_candidates(&policy, socket.port()).map_err(CallError::Interfaces)?;
    if candidates.is_empty() {
        // A machine that starts may have a route before its link counts as up. Without a candidate
        // of ours there would be nothing to check, and half a minute to wait for it.
        return Err(CallError::NoAddress);
    }
    let certificate = Certificate::generate()?;
    let (description, offer) = LocalOffer::create(&OfferConfig {
        tracks: offered(&config.tracks, &mut rng),
        ice: IceCredentials::generate(&mut rng),
        ice_lite: false,
        candidates: candidates.clone(),
        fingerprint: Fingerprint::of(HashAlgorithm::Sha256, certificate.der()),
        session_id: rng.next_u64() >> 2,
        transport_cc: true,
        playout_delay: true,
        data_channel: config.data_channels,
    });
    let opened = config.endpoint.open(&description.to_string()).await?;
    match accept(&offer, &opened.answer) {
        Ok(negotiated) => Ok(Answered {
            session: opened.session,
            negotiated,
            socket,
            certificate,
            candidates,
            seed: random_seed()?,
        }),
        Err(error) => {
            let _ = opened.session.close().await;
            Err(error)
        }
    }
}

impl Answered {
    /// The place of the track of a kind and direction among those agreed on.
    pub fn track(&self, kind: MediaKind, direction: Direction) -> Option<TrackId> {
        let mut tracks = self.negotiated.tracks.iter();
        let at = tracks.position(|t| t.kind == kind && t.direction == direction)?;
        u8::try_from(at).ok().map(TrackId)
    }

    /// Makes the peer and what drives it, on `clock`. Within a runtime only.
    /// The driver should be run at once.
    pub fn connect(self, clock: Clock) -> (Session, Connection) {
        let connection = connect(DriverConfig {
            socket: self.socket,
            clock,
            peer: PeerConfig {
                local_candidates: self.candidates,
                sctp: Some(std::sync::Arc::new(GuardedSctp)),
                ..PeerConfig::new(
                    self.negotiated,
                    IceRole::Controlling,
                    std::sync::Arc::new(GuardedSrtp),
                )
            },
            dtls: DtlsConfig::new(self.certificate),
            seed: self.seed,
        });
        (self.session, connection)
    }
}

fn accept(offer: &LocalOffer, answer: &str) -> Result<Negotiated, CallError> {
    Ok(offer.accept(&SessionDescription::parse(answer)?)?)
}

/// The tracks with sources of their own, all of one clock.
fn offered(tracks: &[CallTrack], rng: &mut ChaCha20Rng) -> Vec<OfferedTrack> {
    let cname = format!("{:016x}", rng.next_u64());
    let offered = tracks.iter().map(|track| OfferedTrack {
        kind: track.kind,
        codecs: track.codecs.clone(),
        send: (track.direction == Direction::Send).then(|| SendSsrc {
            ssrc: Ssrc(rng.next_u32()),
            rtx: Some(Ssrc(rng.next_u32())),
            cname: cname.clone(),
            msid: Msid {
                stream: "transom".into(),
                track: track.kind.to_string(),
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

fn is_loopback(host: &str) -> bool {
    let ip = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .parse::<IpAddr>();
    host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::EndpointConfig;

    #[tokio::test]
    async fn without_an_address_nobody_is_called() {
        let config = EndpointConfig::new("http://192.0.2.1/whip/door", None);
        let placed = place(&CallConfig {
            endpoint: Endpoint::new(config).unwrap(),
            addresses: AddressPolicy {
                interfaces: vec!["no-such-interface".into()],
                ..AddressPolicy::default()
            },
            tracks: Vec::new(),
            data_channels: false,
        })
        .await;
        assert!(matches!(placed, Err(CallError::NoAddress)));
    }
}
