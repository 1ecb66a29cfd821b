//! Who publishes and subscribes.

use std::net::SocketAddr;
use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use transom_rtc_proto::ice::{Candidate, IceCredentials, IceRole, Path};
use transom_rtc_proto::id::{MediaTime, Ssrc};
use transom_rtc_proto::peer::{Event, Frame, Peer, PeerConfig, Received, RtpInfo, TrackId};
use transom_rtc_proto::port::{DtlsEvent, DtlsRole, Srtp, SrtpFactory, SrtpKey, SrtpProfile};
use transom_rtc_proto::rtp::{PacketKind, classify};
use transom_rtc_proto::sdp::{
    AnswerConfig, AnswerRole, Codec, CodecKind, Fingerprint, HashAlgorithm, LocalOffer, MediaKind,
    Msid, OfferConfig, OfferedTrack, Outgoing, ProfileLevelId, SendSsrc, SessionDescription,
    answer,
};
use transom_rtc_proto::time::{Instant, WallTime};
use transom_rtc_srtp::GuardedSrtp;

use super::world_addr;
use crate::media::api::{PeerSetup, SessionId, SessionStats, StreamKey};

pub(super) fn h264() -> Codec {
    Codec::H264 {
        profile_level_id: ProfileLevelId::CONSTRAINED_BASELINE_31,
        packetization_mode: 1,
    }
}

pub(super) fn opus() -> Codec {
    Codec::Opus {
        stereo: false,
        fec: true,
    }
}

const PROFILE: SrtpProfile = SrtpProfile::AeadAes128Gcm;

/// What the handshake agrees on, each time.
fn keying_material() -> Vec<u8> {
    (0..).take(PROFILE.keying_material_len()).collect()
}

/// Opens and seals what clients send.
pub(super) fn layer() -> Box<dyn Srtp> {
    let material = keying_material();
    let key = SrtpKey::new(PROFILE, &material[..16], &material[32..44]).expect("the lengths");
    GuardedSrtp.create(PROFILE, &key, &key).expect("a layer")
}

fn source(ssrc: u32) -> SendSsrc {
    SendSsrc {
        ssrc: Ssrc(ssrc),
        rtx: Some(Ssrc(ssrc + 1)),
        cname: "town".into(),
        msid: Msid {
            stream: "stream".into(),
            track: ssrc.to_string(),
        },
    }
}

/// What both DTLS neighbours say in the end, of a peer with this certificate.
pub(super) fn connected(certificate: &[u8]) -> DtlsEvent {
    DtlsEvent::Connected {
        profile: PROFILE,
        keying_material: keying_material(),
        certificate: certificate.to_vec(),
    }
}

/// The payload type that a client sends or gets.
pub(super) fn pt(client: &Client, kind: MediaKind) -> u8 {
    let mut pts = client.pts.iter();
    pts.find(|(k, _)| *k == kind).expect("negotiated").1
}

/// A peer of the world's.
pub(super) struct Client {
    peer: Peer,
    pub(super) addr: SocketAddr,
    pub(super) session: SessionId,
    /// The picture as it came.
    pub(super) video: Vec<RtpInfo>,
    video_track: TrackId,
    /// When a sender report of the picture came.
    pub(super) clocked: Vec<Instant>,
    /// Payload types, by kind.
    pts: Vec<(MediaKind, u8)>,
    /// Opens and seals anew what leaves under another source.
    change: Option<Box<dyn Srtp>>,
    /// Neither sends nor receives any more.
    dead: bool,
}

impl Client {
    pub(super) fn publisher(
        now: Instant,
        number: usize,
        stream: StreamKey,
        codecs: &[Codec],
    ) -> (Self, PeerSetup) {
        let role = AnswerRole::Publish {
            accept: vec![CodecKind::H264, CodecKind::Opus],
        };
        Self::new(now, number, stream, codecs, true, role)
    }

    pub(super) fn subscriber(
        now: Instant,
        number: usize,
        stream: StreamKey,
        codecs: &[Codec],
    ) -> (Self, PeerSetup) {
        let outgoing = |kind| {
            let codec = codecs.iter().find(|c| c.media() == kind)?;
            Some(Outgoing {
                codec: *codec,
                send: source(1000 + number as u32 * 10 + kind as u32 * 2),
            })
        };
        let role = AnswerRole::Subscribe {
            audio: outgoing(MediaKind::Audio),
            video: outgoing(MediaKind::Video),
        };
        Self::new(now, number, stream, codecs, false, role)
    }

    fn new(
        now: Instant,
        number: usize,
        stream: StreamKey,
        codecs: &[Codec],
        sends: bool,
        role: AnswerRole,
    ) -> (Self, PeerSetup) {
        let mut rng = ChaCha8Rng::seed_from_u64(number as u64);
        let addr = SocketAddr::from(([127, 0, 0, 1], 50_000 + number as u16));
        let video = 10 + number as u32 * 10;
        let track = |codec: &Codec| OfferedTrack {
            kind: codec.media(),
            codecs: vec![*codec],
            send: sends.then(|| source(video + codec.media() as u32 * 2)),
        };
        let fingerprint = |certificate| Fingerprint::of(HashAlgorithm::Sha256, certificate);
        let (offer, local) = LocalOffer::create(&OfferConfig {
            tracks: codecs.iter().map(track).collect(),
            ice: IceCredentials::generate(&mut rng),
            ice_lite: false,
            candidates: vec![Candidate::host(addr, 65_535)],
            fingerprint: fingerprint(b"client"),
            session_id: 1,
            transport_cc: true,
            playout_delay: true,
            data_channel: false,
        });
        // Nobody has to announce sources, and then they are known by what comes.
        let offer: String = offer
            .to_string()
            .split_inclusive('\n')
            .filter(|line| !line.starts_with("a=ssrc"))
            .collect();
        let offer = SessionDescription::parse(&offer).expect("an offer");
        let config = AnswerConfig {
            role,
            ice: IceCredentials::generate(&mut rng),
            ice_lite: true,
            candidates: vec![Candidate::host(world_addr(), 65_535)],
            fingerprint: fingerprint(b"world"),
            dtls_role: DtlsRole::Server,
            session_id: 2,
            transport_cc: true,
            playout_delay: true,
            data_channel: false,
        };
        let (description, negotiated) = answer(&offer, &config).expect("an answer");
        let ours = local.accept(&description).expect("accepts the answer");
        let pts = ours.tracks.iter().map(|t| (t.kind, t.codecs[0].pt.get()));
        let pts = pts.collect();
        let config = PeerConfig {
            local_candidates: vec![Candidate::host(addr, 65_535)],
            ..PeerConfig::new(ours, IceRole::Controlling, Arc::new(GuardedSrtp))
        };
        let mut seed = || {
            let mut seed = [0; 32];
            rng.fill_bytes(&mut seed);
            seed
        };
        let mut id = [0; SessionId::LEN];
        id[0] = number as u8 + 1;
        let setup = PeerSetup {
            session: SessionId::from_bytes(id),
            stream,
            name: "stream".into(),
            stats: Arc::new(SessionStats::new(negotiated.tracks.len())),
            negotiated,
            local_candidates: vec![Candidate::host(world_addr(), 65_535)],
            ice_lite: true,
            seed: seed(),
            rights: Default::default(),
        };
        let at = codecs.iter().position(|c| c.media() == MediaKind::Video);
        let client = Self {
            peer: Peer::new(now, config, seed()),
            addr,
            session: setup.session,
            video: Vec::new(),
            video_track: TrackId(at.expect("a picture") as u8),
            clocked: Vec::new(),
            pts,
            change: None,
            dead: false,
        };
        (client, setup)
    }

    pub(super) fn shake_hands(&mut self, now: Instant) {
        self.peer.handle_dtls(now, connected(b"world"));
        assert!(self.peer.is_connected());
    }

    /// Queues a frame; each 30th is a key frame.
    pub(super) fn films(&mut self, now: Instant, number: u32) {
        let header: u8 = if number.is_multiple_of(30) {
            0x65
        } else {
            0x41
        };
        let mut data = Vec::new();
        if header == 0x65 {
            data.extend([
                0, 0, 0, 1, 0x67, 0x42, 0xe0, 0x1f, 0x80, 0, 0, 0, 1, 0x68, 0xce,
            ]);
        }
        data.extend([0, 0, 0, 1, header, 0x80]);
        data.resize(data.len() + 2000, 0x55);
        let frame = Frame {
            data: &data,
            timestamp: MediaTime(number * 3000),
            captured: now,
            wall: WallTime::from_unix_micros(now.as_micros()),
        };
        self.peer
            .send_frame(now, self.video_track, &frame)
            .expect("room");
    }

    pub(super) fn sends(&mut self, now: Instant) -> Vec<(Path, Vec<u8>)> {
        if self.dead {
            return Vec::new();
        }
        if self.peer.poll_timeout().is_some_and(|(at, _)| at <= now) {
            self.peer.handle_timeout(now);
        }
        while self.peer.poll_dtls(now).is_some() {}
        while let Some(event) = self.peer.poll_event() {
            let is_clock =
                matches!(event, Event::SenderReport { track, .. } if track == self.video_track);
            self.clocked.extend(is_clock.then_some(now));
        }
        let mut datagrams = Vec::new();
        let mut buf = Vec::new();
        while let Some(sent) = self.peer.poll_transmit(now, &mut buf, 1) {
            // The other end's view of the path.
            let path = Path {
                local: sent.path.remote,
                remote: self.addr,
            };
            let mut datagram = std::mem::take(&mut buf);
            self.rewrite(&mut datagram);
            datagrams.push((path, datagram));
        }
        datagrams
    }

    /// Its machine is gone, without a word.
    pub(super) fn die(&mut self) {
        self.dead = true;
    }

    /// From now on media comes from other sources, which count elsewhere.
    pub(super) fn change_source(&mut self) {
        self.change = Some(layer());
    }

    fn rewrite(&mut self, datagram: &mut [u8]) {
        let Some(srtp) = &mut self.change else { return };
        if classify(datagram) == PacketKind::Rtp {
            let len = srtp.unprotect_rtp(datagram).expect("our own");
            datagram[2] = (datagram[2] + 40) & 0x7f;
            datagram[8] ^= 0x40;
            srtp.protect_rtp(datagram, len).expect("as long as before");
        }
    }

    pub(super) fn receives(&mut self, now: Instant, path: Path, mut datagram: Vec<u8>) {
        if self.dead {
            return;
        }
        let path = Path {
            local: self.addr,
            remote: path.local,
        };
        if let Received::Rtp(info) = self.peer.handle_datagram(now, path, &mut datagram)
            && info.track == self.video_track
        {
            self.video.push(info);
        }
    }
}
