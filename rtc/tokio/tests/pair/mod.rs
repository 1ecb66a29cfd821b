//! Two drivers on loopback: a publisher that offers and controls, and a
//! server that answers and is ICE lite.
#![allow(dead_code, unreachable_pub)] // not every test uses all of it

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tokio::time::timeout;
use transom_rtc_dtls::{Certificate, DtlsConfig};
use transom_rtc_proto::ice::{Candidate, IceCredentials, IceRole};
use transom_rtc_proto::id::{MediaTime, Ssrc};
use transom_rtc_proto::peer::{CloseReason, Event, PeerConfig, TrackId};
use transom_rtc_proto::port::DtlsRole;
use transom_rtc_proto::sdp::{
    AnswerConfig, AnswerRole, Codec, CodecKind, Fingerprint, HashAlgorithm, LocalOffer, MediaKind,
    Msid, OfferConfig, OfferedTrack, ProfileLevelId, SendSsrc, Session, SessionDescription, answer,
};
use transom_rtc_proto::time::WallTime;
use transom_rtc_srtp::GuardedSrtp;
use transom_rtc_tokio::address::{AddressPolicy, host_candidates};
use transom_rtc_tokio::driver::{
    Connection, DriverConfig, MediaPacket, OutgoingFrame, PeerHandle, connect,
};
use transom_rtc_tokio::{Clock, Socket};
use transom_rtc_udp::SocketConfig;

pub const VIDEO: TrackId = TrackId(0);
pub const AUDIO: TrackId = TrackId(1);

/// One end, with its driver running.
pub struct End {
    pub handle: PeerHandle,
    pub events: tokio::sync::mpsc::Receiver<Event>,
    pub media: tokio::sync::mpsc::Receiver<MediaPacket>,
    pub task: JoinHandle<std::io::Result<CloseReason>>,
}

impl End {
    fn start(connection: Connection) -> Self {
        Self {
            handle: connection.handle,
            events: connection.events,
            media: connection.media,
            task: tokio::spawn(connection.driver.run()),
        }
    }

    /// Waits for an event that `wanted` picks; others are passed over.
    pub async fn event<T>(&mut self, wanted: impl Fn(Event) -> Option<T>) -> T {
        let picked = async {
            loop {
                let event = self.events.recv().await.expect("driver ended");
                if let Some(picked) = wanted(event) {
                    return picked;
                }
            }
        };
        timeout(Duration::from_secs(20), picked)
            .await
            .expect("no such event")
    }

    pub async fn connected(&mut self) {
        self.event(|e| (e == Event::Connected).then_some(())).await;
    }

    pub async fn packet(&mut self) -> MediaPacket {
        let packet = timeout(Duration::from_secs(20), self.media.recv()).await;
        packet.expect("no media").expect("driver ended")
    }

    /// Why the driver ended.
    pub async fn end(self) -> CloseReason {
        let ended = timeout(Duration::from_secs(60), self.task).await;
        ended.expect("does not end").unwrap().unwrap()
    }
}

/// What one end brings along.
struct Kit {
    socket: Socket,
    certificate: Certificate,
    candidates: Vec<Candidate>,
    ice: IceCredentials,
}

impl Kit {
    fn new(name: &str, ip: IpAddr) -> Self {
        let socket = Socket::bind(0, &SocketConfig::default()).unwrap();
        let policy = AddressPolicy {
            loopback: true,
            ..AddressPolicy::default()
        };
        let mut candidates = host_candidates(&policy, socket.port()).unwrap();
        candidates.retain(|c| c.addr.ip() == ip);
        Self {
            socket,
            certificate: Certificate::generate().unwrap(),
            candidates,
            ice: IceCredentials::new(name, "0123456789abcdefghijklmn").unwrap(),
        }
    }

    fn fingerprint(&self) -> Fingerprint {
        let digest = self.certificate.sha256_fingerprint();
        Fingerprint::new(HashAlgorithm::Sha256, &digest).unwrap()
    }

    fn connect(self, session: Session, lite: bool, seed: u8) -> End {
        let role = match lite {
            true => IceRole::Controlled,
            false => IceRole::Controlling,
        };
        let mut peer = PeerConfig::new(session, role, Arc::new(GuardedSrtp));
        peer.ice_lite = lite;
        peer.local_candidates = self.candidates;
        End::start(connect(DriverConfig {
            socket: self.socket,
            clock: Clock::new(),
            peer,
            dtls: DtlsConfig::new(self.certificate),
            seed: [seed; 32],
        }))
    }
}

/// How the two ends are to differ from the usual.
pub struct Quirks {
    pub ip: IpAddr,
    /// The server signals the fingerprint of another certificate.
    pub wrong_fingerprint: bool,
}

impl Default for Quirks {
    fn default() -> Self {
        Self {
            ip: [127, 0, 0, 1].into(),
            wrong_fingerprint: false,
        }
    }
}

/// A publisher of picture and sound, and its server.
pub fn publish(quirks: &Quirks) -> (End, End) {
    let publisher = Kit::new("pubpub", quirks.ip);
    let server = Kit::new("server", quirks.ip);
    let send = |ssrc: u32, rtx: Option<u32>, track: &str| SendSsrc {
        ssrc: Ssrc(ssrc),
        rtx: rtx.map(Ssrc),
        cname: "door".into(),
        msid: Msid {
            stream: "door".into(),
            track: track.into(),
        },
    };
    let h264 = Codec::H264 {
        profile_level_id: ProfileLevelId::CONSTRAINED_BASELINE_31,
        packetization_mode: 1,
    };
    let opus = Codec::Opus {
        stereo: false,
        fec: true,
    };
    let (offer, local) = LocalOffer::create(&OfferConfig {
        tracks: vec![
            OfferedTrack {
                kind: MediaKind::Video,
                codecs: vec![h264],
                send: Some(send(11, Some(12), "video")),
            },
            OfferedTrack {
                kind: MediaKind::Audio,
                codecs: vec![opus],
                send: Some(send(13, None, "audio")),
            },
        ],
        ice: publisher.ice.clone(),
        ice_lite: false,
        candidates: publisher.candidates.clone(),
        fingerprint: publisher.fingerprint(),
        session_id: 1,
        transport_cc: true,
        playout_delay: false,
        data_channel: false,
    });
    let fingerprint = if quirks.wrong_fingerprint {
        publisher.fingerprint()
    } else {
        server.fingerprint()
    };
    let offer = SessionDescription::parse(&offer.to_string()).unwrap();
    let (answer, server_session) = answer(
        &offer,
        &AnswerConfig {
            role: AnswerRole::Publish {
                accept: vec![CodecKind::H264, CodecKind::Opus],
            },
            ice: server.ice.clone(),
            ice_lite: true,
            candidates: server.candidates.clone(),
            fingerprint,
            dtls_role: DtlsRole::Server,
            session_id: 2,
            transport_cc: true,
            playout_delay: false,
            data_channel: false,
        },
    )
    .unwrap();
    let answer = SessionDescription::parse(&answer.to_string()).unwrap();
    let session = local.accept(&answer).unwrap();
    (
        publisher.connect(session, false, 1),
        server.connect(server_session, true, 2),
    )
}

/// A picture frame of one slice of `len` bytes, after parameter sets where it is a key frame.
pub fn picture(timestamp: u32, len: usize, key: bool) -> OutgoingFrame {
    let mut data = Vec::new();
    if key {
        data.extend([0, 0, 0, 1, 0x67, 0x42, 0xe0, 0x1f, 0x8c]);
        data.extend([0, 0, 0, 1, 0x68, 0xce, 0x3c, 0x80]);
    }
    data.extend([0, 0, 0, 1, if key { 0x65 } else { 0x41 }]);
    data.extend(slice_body(len));
    frame(VIDEO, timestamp, data)
}

/// What follows the NAL unit header in a slice of [`picture`].
pub fn slice_body(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i % 200) as u8 + 10).collect()
}

/// A sound frame: 20 ms of Opus, in name.
pub fn sound(timestamp: u32) -> OutgoingFrame {
    frame(AUDIO, timestamp, vec![0x78; 80])
}

fn frame(track: TrackId, timestamp: u32, data: Vec<u8>) -> OutgoingFrame {
    OutgoingFrame {
        track,
        data,
        timestamp: MediaTime(timestamp),
        captured: Instant::now(),
        wall: WallTime::from_unix_micros(1_700_000_000_000_000),
    }
}
