use std::sync::Arc;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};
use transom_rtc_proto::ice::{Candidate, IceCredentials};
use transom_rtc_proto::id::Ssrc;
use transom_rtc_proto::port::DtlsRole;
use transom_rtc_proto::sdp::{
    self, AnswerConfig, AnswerRole, Codec, CodecKind, Fingerprint, MediaKind, Msid,
    NegotiationError, Outgoing, SendSsrc, SessionDescription,
};

use super::Opened;
use crate::directory::{Formats, StreamName};
use crate::media::api::{DriveRights, PeerSetup, SessionId, SessionStats, StreamKey};

/// What we take from publishers, the preferred first: browsers and boards
/// decode H.264 in hardware.
const ACCEPTED: [CodecKind; 3] = [CodecKind::H264, CodecKind::Vp8, CodecKind::Opus];

/// All randomness of one session, from one seed.
#[derive(Debug)]
pub struct Randomness(ChaCha20Rng);

impl Randomness {
    /// The randomness that follows from `seed`.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(ChaCha20Rng::from_seed(seed))
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.fill_bytes(&mut bytes);
        bytes
    }

    /// A source other than those in `taken`. 0 is legal but looks unset.
    fn ssrc(&mut self, taken: &[Ssrc]) -> Ssrc {
        loop {
            let ssrc = Ssrc(self.0.next_u32());
            if ssrc != Ssrc(0) && !taken.contains(&ssrc) {
                return ssrc;
            }
        }
    }
}

/// Answers one offer.
pub(super) struct Answerer {
    random: Randomness,
    candidates: Vec<Candidate>,
    fingerprint: Fingerprint,
}

impl Answerer {
    pub(super) fn new(
        random: Randomness,
        candidates: Vec<Candidate>,
        fingerprint: Fingerprint,
    ) -> Self {
        Self {
            random,
            candidates,
            fingerprint,
        }
    }

    pub(super) fn answer(
        mut self,
        offer: &SessionDescription,
        role: AnswerRole,
    ) -> Result<Prepared, NegotiationError> {
        let config = AnswerConfig {
            ice: IceCredentials::generate(&mut self.random.0),
            // We are reachable at the candidates we give or not at all: checks
            // of our own would find nothing more (RFC 8445 section 2.5).
            ice_lite: true,
            candidates: self.candidates,
            fingerprint: self.fingerprint,
            // RFC 8842 section 5.3 recommends active, which saves a round trip
            // once a session. The server chooses the SRTP profile, though, and
            // browsers would choose the one that costs us four times as much
            // for every packet.
            dtls_role: DtlsRole::Server,
            session_id: self.random.0.next_u64() >> 2,
            // A publisher adapts by it; what we send is not ours to adapt.
            transport_cc: matches!(role, AnswerRole::Publish { .. }),
            playout_delay: true,
            data_channel: true,
            role,
        };
        let (answer, negotiated) = sdp::answer(offer, &config)?;
        Ok(Prepared {
            session: SessionId::from_bytes(self.random.bytes()),
            answer: answer.to_string(),
            negotiated,
            candidates: config.candidates,
            ice_lite: config.ice_lite,
            seed: self.random.bytes(),
        })
    }
}

pub(super) fn publish_role() -> AnswerRole {
    AnswerRole::Publish {
        accept: ACCEPTED.to_vec(),
    }
}

pub(super) fn subscribe_role(
    answerer: &mut Answerer,
    name: &StreamName,
    formats: &Formats,
) -> AnswerRole {
    let cname: String = answerer
        .random
        .bytes::<12>()
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    let mut taken = Vec::new();
    let mut outgoing = |codec: Codec, track: &str| {
        let ssrc = answerer.random.ssrc(&taken);
        taken.push(ssrc);
        // Sound is not repaired by RTX: it would come too late.
        let rtx = (codec.media() == MediaKind::Video).then(|| answerer.random.ssrc(&taken));
        taken.extend(rtx);
        let msid = Msid {
            stream: name.as_str().into(),
            track: track.into(),
        };
        Outgoing {
            codec,
            send: SendSsrc {
                ssrc,
                rtx,
                cname: cname.clone(),
                msid,
            },
        }
    };
    AnswerRole::Subscribe {
        audio: formats.audio.map(|codec| outgoing(codec, "audio")),
        video: formats.video.map(|codec| outgoing(codec, "video")),
    }
}

/// An answer and the session behind it, before anybody knows of them.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) session: SessionId,
    answer: String,
    negotiated: sdp::Session,
    candidates: Vec<Candidate>,
    ice_lite: bool,
    seed: [u8; 32],
}

impl Prepared {
    pub(super) fn formats(&self) -> Formats {
        Formats {
            audio: self.negotiated.codec(MediaKind::Audio),
            video: self.negotiated.codec(MediaKind::Video),
        }
    }

    pub(super) fn opened(&self) -> Opened {
        Opened {
            session: self.session,
            answer: self.answer.clone(),
        }
    }

    pub(super) fn into_setup(
        self,
        stream: StreamKey,
        name: &StreamName,
        rights: DriveRights,
    ) -> PeerSetup {
        PeerSetup {
            session: self.session,
            stream,
            name: name.to_shared(),
            stats: Arc::new(SessionStats::new(self.negotiated.tracks.len())),
            negotiated: self.negotiated,
            local_candidates: self.candidates,
            ice_lite: self.ice_lite,
            seed: self.seed,
            rights,
        }
    }
}
