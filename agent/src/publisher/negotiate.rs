//! The offer of a publisher, and what comes of its answer.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use ring::rand::{SecureRandom, SystemRandom};
use transom_rtc_dtls::Certificate;
use transom_rtc_proto::ice::{Candidate, IceCredentials};
use transom_rtc_proto::id::Ssrc;
use transom_rtc_proto::peer::TrackId;
use transom_rtc_proto::sdp::{
    Codec, Direction, Fingerprint, HashAlgorithm, LocalOffer, MediaKind, Msid, OfferConfig,
    OfferedTrack, ProfileLevelId, SendSsrc, Session as Negotiated, SessionDescription,
};

use super::SessionError;
use super::session::Media;

/// Fills `bytes` from the system's random source.
pub(super) fn fill_random(bytes: &mut [u8]) -> Result<(), SessionError> {
    let filled = SystemRandom::new().fill(bytes);
    filled.map_err(|_| SessionError::Crypto("get random numbers from the system"))
}

/// What is offered while the camera's own format is not known: that of our encoder.
const OUR_ENCODER: ProfileLevelId = ProfileLevelId::from_sps([0x42, 0xc0, 0x1f]);

/// An offer under way.
pub(super) struct Negotiation {
    /// The offer, for the wire.
    pub(super) offer: String,
    local: LocalOffer,
}

/// Where each kind of frame goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tracks {
    pub(super) video: Option<TrackId>,
    pub(super) audio: Option<TrackId>,
}

impl Negotiation {
    pub(super) fn offer(
        media: Media,
        candidates: Vec<Candidate>,
        certificate: &Certificate,
    ) -> Result<Self, SessionError> {
        let mut seed = [0; 32];
        fill_random(&mut seed)?;
        let mut rng = ChaCha20Rng::from_seed(seed);
        let cname = format!("{:016x}", rng.next_u64());
        let mut source = |track: &str| SendSsrc {
            ssrc: Ssrc(rng.next_u32()),
            rtx: Some(Ssrc(rng.next_u32())),
            cname: cname.clone(),
            msid: Msid {
                stream: "transom".into(),
                track: track.into(),
            },
        };
        let mut tracks = Vec::new();
        if media.audio {
            tracks.push(OfferedTrack {
                kind: MediaKind::Audio,
                codecs: vec![Codec::Opus {
                    stereo: false,
                    fec: true,
                }],
                send: Some(source("audio")),
            });
        }
        let told = media
            .video
            .and_then(|v| ProfileLevelId::from_bits(v.profile_level_id));
        tracks.push(OfferedTrack {
            kind: MediaKind::Video,
            codecs: vec![Codec::H264 {
                profile_level_id: told.unwrap_or(OUR_ENCODER),
                packetization_mode: 1,
            }],
            send: Some(source("video")),
        });
        let (description, local) = LocalOffer::create(&OfferConfig {
            tracks,
            ice: IceCredentials::generate(&mut rng),
            ice_lite: false,
            candidates,
            fingerprint: Fingerprint::of(HashAlgorithm::Sha256, certificate.der()),
            session_id: rng.next_u64() >> 2,
            transport_cc: true,
            playout_delay: false,
            data_channel: false,
        });
        Ok(Self {
            offer: description.to_string(),
            local,
        })
    }

    /// What the server's answer makes of the offer.
    pub(super) fn accept(&self, answer: &str) -> Result<Negotiated, SessionError> {
        let unusable = |e: &dyn std::fmt::Display| SessionError::Answer(e.to_string());
        let answer = SessionDescription::parse(answer).map_err(|e| unusable(&e))?;
        self.local.accept(&answer).map_err(|e| unusable(&e))
    }
}

impl Tracks {
    pub(super) fn of(negotiated: &Negotiated) -> Self {
        let of_kind = |kind| {
            let sent = |t: &transom_rtc_proto::sdp::Track| {
                t.kind == kind && t.direction == Direction::Send
            };
            let at = negotiated.tracks.iter().position(sent)?;
            u8::try_from(at).ok().map(TrackId)
        };
        Self {
            video: of_kind(MediaKind::Video),
            audio: of_kind(MediaKind::Audio),
        }
    }
}
