//! A WHEP subscriber on our own peer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use transom_rtc_dtls::{Certificate, DtlsConfig};
use transom_rtc_proto::codec::h264::{AccessUnit, Depacketizer};
use transom_rtc_proto::ice::{IceCredentials, IceRole};
use transom_rtc_proto::id::{ExtSeq, MediaTime};
use transom_rtc_proto::peer::{CloseReason, Event, PeerConfig};
use transom_rtc_proto::sdp::{
    Codec, Fingerprint, HashAlgorithm, LocalOffer, MediaKind, OfferConfig, OfferedTrack,
    ProfileLevelId, Session, SessionDescription,
};
use transom_rtc_srtp::GuardedSrtp;
use transom_rtc_tokio::address::{AddressPolicy, host_candidates};
use transom_rtc_tokio::client::{ClientError, Endpoint, EndpointConfig, Session as Whep};
use transom_rtc_tokio::driver::{Connection, DriverConfig, MediaPacket, PeerHandle, connect};
use transom_rtc_tokio::{Clock, Socket};
use transom_rtc_udp::SocketConfig;

use crate::Sfu;

/// A picture packet as it came.
#[derive(Clone, Debug)]
pub struct Packet {
    /// When.
    pub at: Instant,
    /// Its number, rollovers counted.
    pub seq: ExtSeq,
    /// Its media time.
    pub timestamp: MediaTime,
    /// It filled a gap.
    pub repaired: bool,
    marker: bool,
    payload: Vec<u8>,
}

/// A subscriber of one stream.
pub struct Player {
    /// Its session on the server.
    pub whep: Whep,
    /// Its peer.
    pub handle: PeerHandle,
    session: Session,
    events: mpsc::Receiver<Event>,
    media: mpsc::Receiver<MediaPacket>,
    driver: JoinHandle<std::io::Result<CloseReason>>,
}

impl Player {
    /// Opens a session; `through` stands between us and the server, if given.
    pub async fn open(
        sfu: &Sfu,
        stream: &str,
        through: Option<SocketAddr>,
    ) -> Result<Self, ClientError> {
        let socket = Socket::bind(0, &SocketConfig::default()).expect("a socket");
        let policy = AddressPolicy {
            loopback: true,
            ..AddressPolicy::default()
        };
        let candidates = host_candidates(&policy, socket.port()).expect("our addresses");
        let certificate = Certificate::generate().expect("a certificate");
        let (description, local) = offer(candidates.clone(), &certificate);
        let url = format!("http://{}/whep/{stream}", sfu.http);
        let config = EndpointConfig::new(&url, Some(&sfu.token("watch")));
        let endpoint = Endpoint::new(config).expect("an endpoint");
        let opened = endpoint.open(&description.to_string()).await?;
        let answer = SessionDescription::parse(&opened.answer).expect("an answer");
        let mut session = local.accept(&answer).expect("an answer to our offer");
        if let Some(proxy) = through {
            session.remote_candidates.retain(|c| c.addr.is_ipv4());
            session.remote_candidates.truncate(1);
            session
                .remote_candidates
                .iter_mut()
                .for_each(|c| c.addr = proxy);
        }
        let Connection {
            handle,
            events,
            media,
            driver,
        } = connect(DriverConfig {
            socket,
            clock: Clock::new(),
            peer: PeerConfig {
                local_candidates: candidates,
                ..PeerConfig::new(session.clone(), IceRole::Controlling, Arc::new(GuardedSrtp))
            },
            dtls: DtlsConfig::new(certificate),
            seed: [7; 32],
        });
        let driver = tokio::spawn(driver.run());
        Ok(Self {
            whep: opened.session,
            handle,
            session,
            events,
            media,
            driver,
        })
    }

    /// Waits until media can flow.
    pub async fn connected(&mut self) {
        let connected = async {
            while let Some(event) = self.events.recv().await {
                match event {
                    Event::Connected => return,
                    Event::Closed(reason) => panic!("closed: {reason}"),
                    _ => {}
                }
            }
            panic!("the driver ended");
        };
        timeout(Duration::from_secs(15), connected)
            .await
            .expect("connects");
    }

    /// Takes what comes for `d`: the picture's packets, and how many of sound.
    pub async fn watch(&mut self, d: Duration) -> Watched {
        let end = tokio::time::Instant::now() + d;
        let mut watched = Watched::default();
        while let Ok(Some(packet)) = tokio::time::timeout_at(end, self.media.recv()).await {
            let track = &self.session.tracks[usize::from(packet.info.track.0)];
            match track.kind {
                MediaKind::Audio => watched.audio += 1,
                MediaKind::Video => watched.video.push(Packet {
                    at: Instant::now(),
                    seq: packet.info.seq,
                    timestamp: packet.info.timestamp,
                    repaired: packet.info.repaired,
                    marker: packet.info.marker,
                    payload: packet.payload,
                }),
            }
        }
        watched
    }

    /// Whether the peer has ended.
    pub fn is_over(&self) -> bool {
        self.driver.is_finished()
    }
}

/// What a player got.
#[derive(Debug, Default)]
pub struct Watched {
    /// Picture packets, in order of arrival.
    pub video: Vec<Packet>,
    /// Sound packets.
    pub audio: usize,
}

impl Watched {
    /// Picture packets in order of their numbers, none twice.
    pub fn in_order(&self) -> Vec<&Packet> {
        let mut packets: Vec<_> = self.video.iter().collect();
        packets.sort_by_key(|p| p.seq);
        assert!(
            packets.windows(2).all(|w| w[0].seq < w[1].seq),
            "a number came twice"
        );
        packets
    }

    /// The access units that came whole, and how many packets are missing.
    pub fn units(&self) -> (Vec<AccessUnit>, u64) {
        let packets = self.in_order();
        let missing = packets
            .windows(2)
            .map(|w| w[1].seq.0 - w[0].seq.0 - 1)
            .sum();
        let mut depacketizer = Depacketizer::new(4 << 20);
        let mut units = Vec::new();
        for p in packets {
            let _ = depacketizer.push(p.seq, p.timestamp, p.marker, &p.payload);
            units.extend(std::iter::from_fn(|| depacketizer.poll()));
        }
        (units, missing)
    }
}

fn offer(
    candidates: Vec<transom_rtc_proto::ice::Candidate>,
    certificate: &Certificate,
) -> (SessionDescription, LocalOffer) {
    let receive = |kind, codec| OfferedTrack {
        kind,
        codecs: vec![codec],
        send: None,
    };
    LocalOffer::create(&OfferConfig {
        tracks: vec![
            receive(
                MediaKind::Audio,
                Codec::Opus {
                    stereo: true,
                    fec: true,
                },
            ),
            receive(
                MediaKind::Video,
                Codec::H264 {
                    profile_level_id: ProfileLevelId::CONSTRAINED_BASELINE_31,
                    packetization_mode: 1,
                },
            ),
        ],
        // One player an address: the credentials need not be secret here, but differ.
        ice: IceCredentials::new(
            &format!("p{:07x}", certificate_tag(certificate)),
            "0123456789abcdefghijklmn",
        )
        .expect("credentials"),
        ice_lite: false,
        candidates,
        fingerprint: Fingerprint::of(HashAlgorithm::Sha256, certificate.der()),
        session_id: 1,
        transport_cc: false,
        playout_delay: true,
        data_channel: false,
    })
}

fn certificate_tag(certificate: &Certificate) -> u32 {
    let [a, b, c, d, ..] = certificate.sha256_fingerprint();
    u32::from_be_bytes([0, a, b, c ^ d])
}
