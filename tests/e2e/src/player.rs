//! A WHEP subscriber on our own peer.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use transom_rtc_proto::codec::h264::{AccessUnit, Depacketizer};
use transom_rtc_proto::id::{ExtSeq, MediaTime};
use transom_rtc_proto::peer::{CloseReason, Event};
use transom_rtc_proto::sdp::{Codec, Direction, MediaKind, ProfileLevelId, Session};
use transom_rtc_tokio::Clock;
use transom_rtc_tokio::address::AddressPolicy;
use transom_rtc_tokio::call::{CallConfig, CallError, CallTrack, place};
use transom_rtc_tokio::client::{Endpoint, EndpointConfig, Session as Whep};
use transom_rtc_tokio::driver::{Connection, MediaPacket, PeerHandle};

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
    ) -> Result<Self, CallError> {
        let url = format!("http://{}/whep/{stream}", sfu.http);
        let config = EndpointConfig::new(&url, Some(&sfu.token("watch")));
        let receive = |kind, codec| CallTrack {
            kind,
            codecs: vec![codec],
            direction: Direction::Receive,
        };
        let mut answered = place(&CallConfig {
            endpoint: Endpoint::new(config).expect("an endpoint"),
            addresses: AddressPolicy::default(),
            tracks: vec![
                receive(
                    MediaKind::Audio,
                    Codec::Opus {
                        stereo: true,
                        fec: true,
                    },
                ),
                receive(MediaKind::Video, H264),
            ],
            data_channels: false,
        })
        .await?;
        if let Some(proxy) = through {
            let candidates = &mut answered.negotiated.remote_candidates;
            candidates.retain(|c| c.addr.is_ipv4());
            candidates.truncate(1);
            candidates.iter_mut().for_each(|c| c.addr = proxy);
        }
        let session = answered.negotiated.clone();
        let (whep, connection) = answered.connect(Clock::new());
        let Connection {
            handle,
            events,
            media,
            driver,
            ..
        } = connection;
        let driver = tokio::spawn(driver.run());
        Ok(Self {
            whep,
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

    /// Takes the sound that comes for `d`, packet by packet (Opus), in order of their numbers.
    pub async fn listen(&mut self, d: Duration) -> Vec<Vec<u8>> {
        let end = tokio::time::Instant::now() + d;
        let mut sound = Vec::new();
        while let Ok(Some(packet)) = tokio::time::timeout_at(end, self.media.recv()).await {
            let track = &self.session.tracks[usize::from(packet.info.track.0)];
            if track.kind == MediaKind::Audio {
                sound.push((packet.info.seq, packet.payload));
            }
        }
        sound.sort_by_key(|(seq, _)| *seq);
        sound.into_iter().map(|(_, payload)| payload).collect()
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

const H264: Codec = Codec::H264 {
    profile_level_id: ProfileLevelId::CONSTRAINED_BASELINE_31,
    packetization_mode: 1,
};
