//! Negotiation with the offers of real clients. One behaviour a test.

mod hostile;
mod local_offer;
mod publish;
mod reading;
mod subscribe;

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::*;
use crate::ice::{Candidate, IceCredentials};
use crate::id::{Pt, Ssrc};
use crate::port::DtlsRole;

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("../../../../../tests/data/sdp/", $name))
    };
}

const CHROMIUM_WHIP: &str = fixture!("chromium-156-whip.sdp");
const CHROMIUM_DATA: &str = fixture!("chromium-156-sendrecv-datachannel.sdp");
const CHROMIUM_WHEP: &str = fixture!("chromium-156-whep.sdp");
const CHROMIUM_SIMULCAST: &str = fixture!("chromium-156-simulcast.sdp");
const FFMPEG: &str = fixture!("ffmpeg-9-whip.sdp");
const FFMPEG_HIGH: &str = fixture!("ffmpeg-9-whip-high.sdp");
const AIORTC_PUBLISH: &str = fixture!("aiortc-1.16-publish.sdp");
const AIORTC_SUBSCRIBE: &str = fixture!("aiortc-1.16-subscribe.sdp");
const FIREFOX_WHIP: &str = fixture!("firefox-140-whip.sdp");
const FIREFOX_WHEP: &str = fixture!("firefox-140-whep.sdp");
const OBS: &str = fixture!("obs-31-whip.sdp");
const GSTREAMER: &str = fixture!("gstreamer-1.26-whip.sdp");
const H265: &str = fixture!("whip-client-h265.sdp");

const ALL: [&str; 13] = [
    CHROMIUM_WHIP,
    CHROMIUM_DATA,
    CHROMIUM_WHEP,
    CHROMIUM_SIMULCAST,
    FFMPEG,
    FFMPEG_HIGH,
    AIORTC_PUBLISH,
    AIORTC_SUBSCRIBE,
    FIREFOX_WHIP,
    FIREFOX_WHEP,
    OBS,
    GSTREAMER,
    H265,
];

fn parse(text: &str) -> SessionDescription {
    SessionDescription::parse(text).unwrap()
}

/// `text` with `from` replaced by `to`, which must occur.
fn edited(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from:?} is not in the fixture");
    text.replace(from, to)
}

fn pt(n: u8) -> Pt {
    Pt::new(n).unwrap()
}

fn h264(digits: &str) -> Codec {
    Codec::H264 {
        profile_level_id: ProfileLevelId::parse(digits).unwrap(),
        packetization_mode: 1,
    }
}

const OPUS: Codec = Codec::Opus {
    stereo: false,
    fec: true,
};

fn our_ice() -> IceCredentials {
    IceCredentials::new("OurUfrag", "OurPasswordOurPassword24").unwrap()
}

fn our_fingerprint() -> Fingerprint {
    Fingerprint::of(HashAlgorithm::Sha256, b"our certificate")
}

fn our_candidates() -> Vec<Candidate> {
    [
        Candidate::host("192.0.2.80:7082".parse().unwrap(), 65_535),
        Candidate::host("[2001:db8::80]:7082".parse().unwrap(), 65_534),
    ]
    .into()
}

fn send(ssrc: u32, rtx: Option<u32>) -> SendSsrc {
    SendSsrc {
        ssrc: Ssrc(ssrc),
        rtx: rtx.map(Ssrc),
        cname: "transom".to_string(),
        msid: Msid {
            stream: "door".to_string(),
            track: "camera".to_string(),
        },
    }
}

fn answering(role: AnswerRole) -> AnswerConfig {
    AnswerConfig {
        role,
        ice: our_ice(),
        ice_lite: true,
        candidates: our_candidates(),
        fingerprint: our_fingerprint(),
        dtls_role: DtlsRole::Server,
        session_id: 42,
        transport_cc: true,
        playout_delay: true,
        data_channel: false,
    }
}

fn publishing() -> AnswerConfig {
    answering(AnswerRole::Publish {
        accept: [CodecKind::H264, CodecKind::Vp8, CodecKind::Opus].into(),
    })
}

fn subscribing(video: Codec) -> AnswerConfig {
    answering(AnswerRole::Subscribe {
        audio: Some(Outgoing {
            codec: OPUS,
            send: send(11, None),
        }),
        video: Some(Outgoing {
            codec: video,
            send: send(22, Some(23)),
        }),
    })
}

/// Answers, and checks what must hold for every answer.
fn negotiate(
    offer: &str,
    config: &AnswerConfig,
) -> Result<(SessionDescription, Session), NegotiationError> {
    let offer = parse(offer);
    let (description, session) = answer(&offer, config)?;
    let text = description.to_string();
    assert_eq!(parse(&text), description, "an answer reads back");
    assert!(text.lines().all(|l| !l.is_empty()) && text.ends_with("\r\n"));
    assert_eq!(text.matches("\r\n").count(), text.matches('\n').count());
    assert!(!text.contains("actpass"));
    assert!(!text.contains("trickle"));

    assert_eq!(description.media.len(), offer.media.len());
    let mut accepted = Vec::new();
    for (ours, theirs) in description.media.iter().zip(&offer.media) {
        assert_eq!(ours.media, theirs.media);
        assert_eq!(ours.mid, theirs.mid);
        assert_eq!(ours.protocol, theirs.protocol);
        assert!(!ours.formats.is_empty());
        for format in &ours.formats {
            assert!(theirs.formats.contains(format), "{format} was not offered");
        }
        for map in &ours.extmaps {
            let offered = theirs.extmaps.iter().find(|m| m.id == map.id);
            assert_eq!(offered.map(|m| m.extension), Some(map.extension));
        }
        if ours.port == 0 {
            assert!(ours.rtpmaps.is_empty() && ours.transport.ice_ufrag.is_none());
        } else {
            assert!(!theirs.is_off());
            accepted.extend(ours.mid);
        }
    }
    if let Some(group) = description.bundle.first() {
        let mut group = group.clone();
        let mut accepted = accepted;
        group.sort_unstable();
        accepted.sort_unstable();
        assert_eq!(group, accepted, "what is accepted is bundled");
    } else {
        assert!(accepted.len() <= 1);
    }
    let with_candidates = |m: &&description::MediaDescription| !m.transport.candidates.is_empty();
    assert!(description.media.iter().filter(with_candidates).count() <= 1);
    assert!(!session.fingerprints.is_empty());
    for track in &session.tracks {
        assert!(!track.codecs.is_empty());
        assert_eq!(track.send.is_some(), track.direction == Direction::Send);
    }
    Ok((description, session))
}
