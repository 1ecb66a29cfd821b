//! Two peers, their DTLS neighbours and the links between them, driven through
//! simulated time.

use std::hash::{DefaultHasher, Hash};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use transom_rtc_proto::ice::{Candidate, IceCredentials, IceRole, Path};
use transom_rtc_proto::id::Ssrc;
use transom_rtc_proto::peer::{Event, Peer, PeerConfig, Received, RtpInfo, SendMode};
use transom_rtc_proto::port::{DtlsAction, DtlsEvent, DtlsRole, SctpFactory, SrtpFactory};
use transom_rtc_proto::sdp::{
    AnswerConfig, AnswerRole, Codec, CodecKind, Fingerprint, HashAlgorithm, LocalOffer, MediaKind,
    Msid, OfferConfig, OfferedTrack, ProfileLevelId, SendSsrc, SessionDescription, answer,
};
use transom_rtc_proto::time::Instant;

use crate::fake::{FakeDtls, FakeSrtp};
use crate::link::{Link, LinkConfig};

/// A DTLS neighbour as the simulation drives it.
pub trait Neighbour {
    /// Carries out what the core asks.
    fn handle_action(&mut self, now: Instant, action: DtlsAction);
    /// What there is to tell the core.
    fn poll_event(&mut self) -> Option<DtlsEvent>;
    /// When `handle_timeout` wants to be called.
    fn poll_timeout(&self) -> Option<Instant>;
    /// Does what is due.
    fn handle_timeout(&mut self, now: Instant);
}

/// How a pair is made.
#[derive(Clone, Copy, Debug)]
pub struct PairConfig {
    /// Both directions of the link.
    pub link: LinkConfig,
    /// The answerer is an ICE lite agent, as the SFU is.
    pub lite: bool,
    /// What everything random comes from.
    pub seed: u64,
}

/// A packet as the answerer got it.
#[derive(Clone, Debug)]
pub struct Got {
    /// When.
    pub at: Instant,
    /// What.
    pub info: RtpInfo,
    /// Its payload.
    pub payload: Vec<u8>,
}

/// One end.
pub struct End<D> {
    /// The peer.
    pub peer: Peer,
    dtls: D,
    addr: SocketAddr,
    /// Events, as they came.
    pub events: Vec<(Instant, Event)>,
    /// Media, as it came.
    pub got: Vec<Got>,
    /// Of everything sent: when, where to and what.
    pub transcript: DefaultHasher,
    /// Datagrams sent.
    pub sent: u64,
    /// The datagrams themselves, where somebody wants them.
    pub tap: Option<Vec<Vec<u8>>>,
}

/// The offerer (it sends) and the answerer (it receives).
pub struct Pair<D = FakeDtls> {
    /// Simulated time.
    pub now: Instant,
    /// The agent.
    pub offerer: End<D>,
    /// The SFU.
    pub answerer: End<D>,
    up: Link,
    down: Link,
}

impl Pair {
    /// Negotiates and makes both peers, with stand-ins for DTLS and SRTP;
    /// nothing has been sent yet.
    pub fn new(config: PairConfig) -> Self {
        let certificates = [b"offerer".to_vec(), b"answerer".to_vec()];
        let neighbours = certificates.clone().map(FakeDtls::new);
        Self::with(
            config,
            &certificates,
            neighbours,
            &(Arc::new(FakeSrtp) as _),
        )
    }

    /// The same, with data channels over `sctp`.
    pub fn with_channels(config: PairConfig, sctp: Arc<dyn SctpFactory>) -> Self {
        let certificates = [b"offerer".to_vec(), b"answerer".to_vec()];
        let neighbours = certificates.clone().map(FakeDtls::new);
        let srtp: Arc<dyn SrtpFactory> = Arc::new(FakeSrtp);
        Self::make(config, &certificates, neighbours, &srtp, Some(sctp))
    }
}

impl<D: Neighbour> Pair<D> {
    /// Negotiates and makes both peers, the offerer's certificate (DER) and
    /// neighbour first.
    pub fn with(
        config: PairConfig,
        certificates: &[Vec<u8>; 2],
        neighbours: [D; 2],
        srtp: &Arc<dyn SrtpFactory>,
    ) -> Self {
        Self::make(config, certificates, neighbours, srtp, None)
    }

    fn make(
        config: PairConfig,
        certificates: &[Vec<u8>; 2],
        neighbours: [D; 2],
        srtp: &Arc<dyn SrtpFactory>,
        sctp: Option<Arc<dyn SctpFactory>>,
    ) -> Self {
        let now = Instant::from_millis(1000);
        let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
        let addrs = [
            SocketAddr::from(([192, 0, 2, 1], 5000)),
            SocketAddr::from(([192, 0, 2, 2], 7082)),
        ];
        let (description, local) = offer(&mut rng, addrs[0], &certificates[0], sctp.is_some());
        let answer_config = answer_config(&mut rng, addrs[1], &certificates[1], config.lite);
        // Through text, as over HTTP.
        let description = SessionDescription::parse(&description.to_string()).expect("our offer");
        let (description, answered) = answer(&description, &answer_config).expect("our answer");
        let description = SessionDescription::parse(&description.to_string()).expect("our answer");
        let offered = local.accept(&description).expect("accepts our answer");

        let peer_config = |session, role, lite, addr| PeerConfig {
            ice_lite: lite,
            local_candidates: vec![Candidate::host(addr, 65_535)],
            send_mode: SendMode::Frames,
            sctp: sctp.clone(),
            ..PeerConfig::new(session, role, Arc::clone(srtp))
        };
        let a = peer_config(offered, IceRole::Controlling, false, addrs[0]);
        let b = peer_config(answered, IceRole::Controlled, config.lite, addrs[1]);
        let [a_dtls, b_dtls] = neighbours;
        Self {
            now,
            offerer: End::new(Peer::new(now, a, seed(&mut rng)), a_dtls, addrs[0]),
            answerer: End::new(Peer::new(now, b, seed(&mut rng)), b_dtls, addrs[1]),
            up: Link::new(config.link, rng.next_u64()),
            down: Link::new(config.link, rng.next_u64()),
        }
    }

    /// Changes both directions from now on.
    pub fn set_link(&mut self, link: LinkConfig) {
        self.up.set_config(link);
        self.down.set_config(link);
    }

    /// Lets simulated time pass.
    pub fn run_for(&mut self, d: Duration) {
        let end = self.now + d;
        self.drain();
        while self.step(end) {}
    }

    /// Lets time pass until `done`, for at most `limit`; how long it took.
    pub fn run_until(&mut self, limit: Duration, done: impl Fn(&Self) -> bool) -> Option<Duration> {
        let (start, end) = (self.now, self.now + limit);
        self.drain();
        while !done(self) {
            if !self.step(end) {
                return None;
            }
        }
        Some(self.now.since(start))
    }

    /// Whether both ends can send media.
    pub fn is_connected(&self) -> bool {
        self.offerer.peer.is_connected() && self.answerer.peer.is_connected()
    }

    /// Goes to the next thing that happens, at latest to `end`; `false` there.
    fn step(&mut self, end: Instant) -> bool {
        let next = self.next_event().unwrap_or(end);
        if next >= end {
            self.now = end;
            return false;
        }
        self.advance_to(next);
        true
    }

    /// When something happens next, if nothing else happens before.
    pub fn next_event(&self) -> Option<Instant> {
        let arrivals = self
            .up
            .next_arrival()
            .into_iter()
            .chain(self.down.next_arrival());
        let timeouts = self
            .offerer
            .next_timeout()
            .into_iter()
            .chain(self.answerer.next_timeout());
        arrivals.chain(timeouts).min()
    }

    /// Does all that is due at `next`, and sends what follows from it.
    pub fn advance_to(&mut self, next: Instant) {
        self.now = self.now.max(next);
        while let Some(datagram) = self.up.receive(self.now) {
            self.answerer.receive(self.now, self.offerer.addr, datagram);
        }
        while let Some(datagram) = self.down.receive(self.now) {
            self.offerer.receive(self.now, self.answerer.addr, datagram);
        }
        self.offerer.timeout(self.now);
        self.answerer.timeout(self.now);
        self.drain();
    }

    /// Puts on the links what both ends have to say.
    pub fn drain(&mut self) {
        self.offerer.drain(self.now, &mut self.up);
        self.answerer.drain(self.now, &mut self.down);
    }
}

impl<D: Neighbour> End<D> {
    fn new(peer: Peer, dtls: D, addr: SocketAddr) -> Self {
        let (events, got) = (Vec::new(), Vec::new());
        Self {
            peer,
            dtls,
            addr,
            events,
            got,
            transcript: DefaultHasher::new(),
            sent: 0,
            tap: None,
        }
    }

    /// Whether an event of this kind has come.
    pub fn saw(&self, wanted: impl Fn(&Event) -> bool) -> bool {
        self.events.iter().any(|(_, e)| wanted(e))
    }

    fn receive(&mut self, now: Instant, from: SocketAddr, mut datagram: Vec<u8>) {
        let path = Path {
            local: self.addr,
            remote: from,
        };
        if let Received::Rtp(info) = self.peer.handle_datagram(now, path, &mut datagram) {
            let payload = datagram[info.payload.clone()].to_vec();
            self.got.push(Got {
                at: now,
                info,
                payload,
            });
        }
    }

    fn next_timeout(&self) -> Option<Instant> {
        let peer = self.peer.poll_timeout().map(|(at, _)| at);
        peer.into_iter().chain(self.dtls.poll_timeout()).min()
    }

    fn timeout(&mut self, now: Instant) {
        if self.peer.poll_timeout().is_some_and(|(at, _)| at <= now) {
            self.peer.handle_timeout(now);
        }
        self.dtls.handle_timeout(now);
    }

    /// Empties peer and neighbour into the link.
    fn drain(&mut self, now: Instant, link: &mut Link) {
        let mut buf = Vec::new();
        loop {
            let mut quiet = true;
            // Turn by turn, as the real neighbour: what is sealed has to find room.
            while let Some(action) = self.peer.poll_dtls(now) {
                self.dtls.handle_action(now, action);
                quiet = false;
                while let Some(event) = self.dtls.poll_event() {
                    self.peer.handle_dtls(now, event);
                }
            }
            while let Some(event) = self.dtls.poll_event() {
                self.peer.handle_dtls(now, event);
                quiet = false;
            }
            while let Some(event) = self.peer.poll_event() {
                self.events.push((now, event));
                quiet = false;
            }
            buf.clear();
            while let Some(sent) = self.peer.poll_transmit(now, &mut buf, 8) {
                assert_eq!(buf.len(), sent.len, "the buffer holds what is said");
                assert!(sent.len > 0, "an empty datagram");
                for datagram in buf.chunks(sent.segment_size.unwrap_or(sent.len)) {
                    (now, sent.path.remote, datagram).hash(&mut self.transcript);
                    self.sent += 1;
                    if let Some(tap) = &mut self.tap {
                        tap.push(datagram.to_vec());
                    }
                    link.send(now, datagram);
                }
                buf.clear();
                quiet = false;
            }
            if quiet {
                return;
            }
        }
    }
}

fn seed(rng: &mut ChaCha8Rng) -> [u8; 32] {
    let mut seed = [0; 32];
    rng.fill_bytes(&mut seed);
    seed
}

/// The codec that the offerer sends.
pub fn h264() -> Codec {
    let profile_level_id = ProfileLevelId::parse("42e01f").expect("constrained baseline");
    Codec::H264 {
        profile_level_id,
        packetization_mode: 1,
    }
}

fn offer(
    rng: &mut ChaCha8Rng,
    addr: SocketAddr,
    certificate: &[u8],
    data_channel: bool,
) -> (SessionDescription, LocalOffer) {
    let mut send = |track: &str| SendSsrc {
        ssrc: Ssrc(rng.next_u32()),
        rtx: Some(Ssrc(rng.next_u32())),
        cname: "sim".into(),
        msid: Msid {
            stream: "s".into(),
            track: track.into(),
        },
    };
    let audio = OfferedTrack {
        kind: MediaKind::Audio,
        codecs: vec![Codec::Opus {
            stereo: false,
            fec: true,
        }],
        send: Some(send("audio")),
    };
    let video = OfferedTrack {
        kind: MediaKind::Video,
        codecs: vec![h264()],
        send: Some(send("video")),
    };
    LocalOffer::create(&OfferConfig {
        tracks: vec![audio, video],
        ice: IceCredentials::generate(rng),
        ice_lite: false,
        candidates: vec![Candidate::host(addr, 65_535)],
        fingerprint: Fingerprint::of(HashAlgorithm::Sha256, certificate),
        session_id: 1,
        transport_cc: true,
        playout_delay: false,
        data_channel,
    })
}

fn answer_config(
    rng: &mut ChaCha8Rng,
    addr: SocketAddr,
    certificate: &[u8],
    lite: bool,
) -> AnswerConfig {
    AnswerConfig {
        role: AnswerRole::Publish {
            accept: vec![CodecKind::H264, CodecKind::Opus],
        },
        ice: IceCredentials::generate(rng),
        ice_lite: lite,
        candidates: vec![Candidate::host(addr, 65_535)],
        fingerprint: Fingerprint::of(HashAlgorithm::Sha256, certificate),
        dtls_role: DtlsRole::Server,
        session_id: 2,
        transport_cc: true,
        playout_delay: false,
        data_channel: true,
    }
}
