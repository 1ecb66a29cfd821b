//! Session descriptions.

use transom_rtc_proto::ice::IceCredentials;
use transom_rtc_proto::port::DtlsRole;
use transom_rtc_proto::sdp::{
    AnswerConfig, AnswerRole, CodecKind, Fingerprint, HashAlgorithm, SessionDescription, answer,
};

/// SDP: what is written reads back as the same text, and an answer to anything is itself sound.
pub fn sdp(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else {
        return false;
    };
    let Ok(offer) = SessionDescription::parse(text) else {
        return false;
    };
    reads_back(&offer);
    let Ok((answer, session)) = answer(&offer, &config()) else {
        return true;
    };
    reads_back(&answer);
    let lines =
        |description: &SessionDescription| description.to_string().matches("\r\nm=").count();
    assert_eq!(
        lines(&answer),
        lines(&offer),
        "an answer has the offer's m-lines"
    );
    assert!(session.tracks.len() <= lines(&offer));
    true
}

fn reads_back(description: &SessionDescription) {
    let written = description.to_string();
    let read =
        SessionDescription::parse(&written).unwrap_or_else(|error| panic!("{error}:\n{written}"));
    assert_eq!(read.to_string(), written);
}

fn config() -> AnswerConfig {
    AnswerConfig {
        role: AnswerRole::Publish {
            accept: vec![CodecKind::H264, CodecKind::Vp8, CodecKind::Opus],
        },
        ice: IceCredentials::new("ufrag", "aPasswordOf22IceChars1").expect("sound credentials"),
        ice_lite: true,
        candidates: Vec::new(),
        fingerprint: Fingerprint::of(HashAlgorithm::Sha256, b"certificate"),
        dtls_role: DtlsRole::Server,
        session_id: 1,
        transport_cc: true,
        playout_delay: true,
        data_channel: false,
    }
}
