use super::*;
use crate::id::Mid;

fn agent() -> OfferConfig {
    OfferConfig {
        tracks: [
            OfferedTrack {
                kind: MediaKind::Audio,
                codecs: [OPUS].into(),
                send: Some(send(1, None)),
            },
            OfferedTrack {
                kind: MediaKind::Video,
                codecs: [h264("42c01f"), Codec::Vp8].into(),
                send: Some(send(2, Some(3))),
            },
        ]
        .into(),
        ice: IceCredentials::new("AgentUfrag", "AgentPasswordAgentPasswd").unwrap(),
        ice_lite: false,
        candidates: our_candidates(),
        fingerprint: Fingerprint::of(HashAlgorithm::Sha256, b"agent"),
        session_id: 7,
        transport_cc: true,
        playout_delay: false,
        data_channel: false,
    }
}

fn player() -> OfferConfig {
    OfferConfig {
        tracks: [
            OfferedTrack {
                kind: MediaKind::Video,
                codecs: [h264("42e01f"), h264("4d001f"), Codec::Vp8].into(),
                send: None,
            },
            OfferedTrack {
                kind: MediaKind::Audio,
                codecs: [OPUS].into(),
                send: None,
            },
        ]
        .into(),
        playout_delay: true,
        ..agent()
    }
}

/// Offer and answer over the wire; both ends' sessions.
fn shake_hands(offer: &OfferConfig, answer: &AnswerConfig) -> (Session, Session) {
    let (description, local) = LocalOffer::create(offer);
    let text = description.to_string();
    assert_eq!(parse(&text), description);
    assert_eq!(
        text.matches("a=setup:actpass").count(),
        description.media_count()
    );
    let (answer, theirs) = negotiate(&text, answer).unwrap();
    (local.accept(&parse(&answer.to_string())).unwrap(), theirs)
}

#[test]
fn the_agent_publishes_to_our_own_server() {
    let (ours, theirs) = shake_hands(&agent(), &publishing());
    assert_eq!(ours.remote_ice, our_ice());
    assert_eq!(theirs.remote_ice.ufrag(), "AgentUfrag");
    assert!(ours.remote_lite && !theirs.remote_lite);
    assert_eq!(ours.remote_candidates, our_candidates());
    assert_eq!(theirs.remote_candidates, our_candidates());
    assert!(ours.fingerprints[0].matches(b"our certificate"));
    assert!(theirs.fingerprints[0].matches(b"agent"));
    assert_eq!(ours.dtls_role, DtlsRole::Client);
    assert_eq!(theirs.dtls_role, DtlsRole::Server);

    assert_eq!(ours.tracks.len(), 2);
    for (mine, other) in ours.tracks.iter().zip(&theirs.tracks) {
        assert_eq!(mine.mid, other.mid);
        assert_eq!(mine.direction, Direction::Send);
        assert_eq!(other.direction, Direction::Receive);
        assert_eq!(mine.codecs, other.codecs);
        assert_eq!(mine.extensions, other.extensions);
        let sent = mine.send.as_ref().unwrap();
        assert_eq!(other.remote_ssrcs, [sent.ssrc]);
        assert_eq!(other.remote_rtx.first().map(|r| r.1), sent.rtx);
    }
    assert_eq!(ours.codec(MediaKind::Video), Some(h264("42c01f")));
    assert!(ours.tracks[1].codecs[0].rtx_pt.is_some());
    assert!(ours.tracks[1].codecs[0].transport_cc);
}

#[test]
fn a_player_subscribes_at_our_own_server() {
    let (ours, theirs) = shake_hands(&player(), &subscribing(h264("4d001f")));
    let (mine, other) = (&ours.tracks[0], &theirs.tracks[0]);
    assert_eq!(mine.codecs[0].codec, h264("4d001f"));
    assert_eq!(mine.codecs[0].pt, other.codecs[0].pt);
    assert_eq!(mine.remote_ssrcs, [Ssrc(22)]);
    assert_eq!(mine.remote_rtx, [(Ssrc(22), Ssrc(23))]);
    assert_eq!(mine.extensions, other.extensions);
    assert_eq!(mine.extensions.playout_delay, Some(3));
    assert_eq!(ours.tracks[1].remote_ssrcs, [Ssrc(11)]);
}

#[test]
fn data_channels_cross() {
    let mut offer = agent();
    offer.data_channel = true;
    let mut answer = publishing();
    let (ours, theirs) = shake_hands(&offer, &answer);
    assert_eq!((ours.data_channel, theirs.data_channel), (None, None));
    answer.data_channel = true;
    let (ours, theirs) = shake_hands(&offer, &answer);
    assert_eq!(ours.data_channel, theirs.data_channel);
    assert_eq!(ours.data_channel.map(|d| d.mid), Mid::new(b"2"));
    offer.tracks.clear();
    let (ours, _) = shake_hands(&offer, &answer);
    assert!(ours.tracks.is_empty() && ours.data_channel.is_some());
}

#[test]
fn a_lone_track_needs_no_bundle_in_the_answer() {
    let mut offer = agent();
    offer.tracks.truncate(1);
    let (description, local) = LocalOffer::create(&offer);
    let (answer, _) = negotiate(&description.to_string(), &publishing()).unwrap();
    let answer = edited(&answer.to_string(), "a=group:BUNDLE 0\r\n", "");
    assert_eq!(local.accept(&parse(&answer)).unwrap().tracks.len(), 1);
}

#[test]
fn payload_types_are_never_given_twice() {
    let mut offer = agent();
    let track = OfferedTrack {
        codecs: core::iter::repeat_n(Codec::Vp8, 20).collect(),
        ..offer.tracks[1].clone()
    };
    let more: Vec<OfferedTrack> = core::iter::repeat_n(track, 20).collect();
    offer.tracks.extend(more);
    let (description, _) = LocalOffer::create(&offer);
    parse(&description.to_string());
    let mut pts: Vec<Pt> = description.media.iter().flat_map(|m| m.pts()).collect();
    let given = pts.len();
    assert!(given > 40);
    pts.sort_unstable();
    pts.dedup();
    assert_eq!(pts.len(), given);
    assert!(pts.iter().all(|pt| !(64..96).contains(&pt.get())));
}

#[test]
fn rejected_tracks_are_missing_and_a_full_rejection_is_an_error() {
    let video_only = answering(AnswerRole::Publish {
        accept: [CodecKind::H264].into(),
    });
    let (ours, theirs) = shake_hands(&agent(), &video_only);
    assert_eq!(ours.tracks.len(), 1);
    assert_eq!(ours.tracks[0].mline, 1);
    assert_eq!(ours.tracks[0].mid, theirs.tracks[0].mid);

    let (description, local) = LocalOffer::create(&agent());
    let (answer, _) = negotiate(&description.to_string(), &publishing()).unwrap();
    let text = answer.to_string();
    let none = edited(&text, "a=recvonly", "a=inactive");
    assert_eq!(
        local.accept(&parse(&none)),
        Err(NegotiationError::AllRejected)
    );
}

#[test]
fn answers_that_do_not_fit_are_refused() {
    let (description, local) = LocalOffer::create(&agent());
    let (answer, _) = negotiate(&description.to_string(), &publishing()).unwrap();
    let text = answer.to_string();
    let (head, video) = text.split_at(text.find("m=video").unwrap());
    let (session, audio) = head.split_at(head.find("m=audio").unwrap());
    for (answer, expected) in [
        (head.to_string(), NegotiationError::AnswerMismatch),
        (
            session.to_string() + video + audio,
            NegotiationError::AnswerMismatch,
        ),
        (
            edited(&text, "mid:1", "mid:7"),
            NegotiationError::AnswerMismatch,
        ),
        (
            edited(&text, "setup:passive", "setup:actpass"),
            NegotiationError::BadSetup,
        ),
        (
            edited(&text, "a=setup:passive\r\n", ""),
            NegotiationError::BadSetup,
        ),
        (
            edited(&text, "a=group:BUNDLE 0 1\r\n", ""),
            NegotiationError::NotBundled,
        ),
        (
            edited(&text, "a=fingerprint", "a=x"),
            NegotiationError::NoFingerprint,
        ),
        (
            edited(&text, "a=ice-ufrag", "a=x"),
            NegotiationError::NoIceCredentials,
        ),
        (
            edited(&text, "a=rtcp-mux\r\n", ""),
            NegotiationError::NoRtcpMux { mline: 0 },
        ),
    ] {
        assert_eq!(local.accept(&parse(&answer)), Err(expected), "{answer}");
    }
    let other_codec = edited(&text, "H264/90000", "VP9/90000");
    let error = local.accept(&parse(&other_codec)).unwrap_err();
    assert!(matches!(error, NegotiationError::NoCommonCodec { .. }));
}

#[test]
fn a_server_that_does_not_read_fragments_is_refused_and_one_that_says_nothing_is_not() {
    let (description, local) = LocalOffer::create(&agent());
    let (answer, _) = negotiate(&description.to_string(), &publishing()).unwrap();
    let text = answer.to_string();
    let mode_0 = edited(&text, "packetization-mode=1", "packetization-mode=0");
    assert!(matches!(
        local.accept(&parse(&mode_0)),
        Err(NegotiationError::NoCommonCodec { .. })
    ));
    let fmtp = text
        .lines()
        .find(|l| l.contains("profile-level-id"))
        .unwrap();
    let silent = edited(&text, &alloc::format!("{fmtp}\r\n"), "");
    let session = local.accept(&parse(&silent)).unwrap();
    assert_eq!(session.codec(MediaKind::Video), Some(h264("42c01f")));
}

#[test]
fn feedback_and_extensions_that_the_answer_leaves_out_are_off() {
    let (description, local) = LocalOffer::create(&agent());
    let (answer, _) = negotiate(&description.to_string(), &publishing()).unwrap();
    let bare: String = answer
        .to_string()
        .split_inclusive('\n')
        .filter(|l| {
            !["a=rtcp-fb", "a=extmap", "a=rtcp-rsize", "a=rtpmap:97"]
                .iter()
                .any(|p| l.starts_with(p))
        })
        .collect();
    let session = local.accept(&parse(&bare)).unwrap();
    let video = &session.tracks[1];
    let codec = video.codecs[0];
    assert_eq!(video.extensions, Extensions::default());
    assert!(!codec.nack && !codec.pli && !codec.transport_cc && !video.rtcp_rsize);
    assert_eq!(codec.rtx_pt, None);
    assert_eq!(video.send.as_ref().map(|s| s.rtx), Some(None));
}
