use super::*;
use crate::id::Mid;

fn publish(offer: &str) -> Session {
    negotiate(offer, &publishing()).unwrap().1
}

#[test]
fn chromium_publishes_constrained_baseline_with_rtx() {
    let (description, session) = negotiate(CHROMIUM_WHIP, &publishing()).unwrap();
    let [audio, video] = &session.tracks[..] else {
        panic!("two tracks")
    };
    assert_eq!(audio.kind, MediaKind::Audio);
    assert_eq!(
        audio.codec().map(|c| (c.pt, c.codec)),
        Some((pt(111), OPUS))
    );
    assert_eq!(audio.remote_ssrcs, [Ssrc(2_250_969_453)]);

    assert_eq!(video.direction, Direction::Receive);
    assert_eq!(
        video.codecs,
        [CodecParams {
            pt: pt(108), // not 102, Baseline, which comes first
            codec: h264("42e01f"),
            rtx_pt: Some(pt(109)),
            nack: true,
            pli: true,
            fir: true,
            transport_cc: true,
            remb: false,
        }]
    );
    assert_eq!(video.codec_of(pt(109)).map(|(_, rtx)| rtx), Some(true));
    assert_eq!(
        video.extensions,
        Extensions {
            mid: Some(4),
            transport_cc: Some(3),
            playout_delay: Some(5),
            ..Extensions::default()
        }
    );
    assert_eq!(video.remote_ssrcs, [Ssrc(3_575_014_737)]);
    assert_eq!(video.remote_rtx, [(Ssrc(3_575_014_737), Ssrc(545_233_407))]);
    assert!(video.rtcp_rsize);
    assert_eq!(session.remote_ice.ufrag(), "4WEX");
    assert_eq!(session.remote_candidates.len(), 8);
    assert_eq!(session.dtls_role, DtlsRole::Server);
    assert!(!session.remote_lite);

    let text = description.to_string();
    for line in [
        "a=ice-lite",
        "a=group:BUNDLE 0 1",
        "a=recvonly",
        "a=setup:passive",
        "a=rtcp-mux",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111",
        "m=video 9 UDP/TLS/RTP/SAVPF 108 109",
        "a=fmtp:108 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
        "a=fmtp:109 apt=108",
        "a=rtcp-fb:108 nack pli",
        "a=rtcp-fb:108 transport-cc",
        "a=end-of-candidates",
    ] {
        assert!(text.lines().any(|l| l == line), "{line}\n{text}");
    }
    assert!(text.contains(" udp 2130706431 192.0.2.80 7082 typ host\r\n"));
}

#[test]
fn ffmpeg_is_passive_and_has_neither_candidates_nor_extensions() {
    let (description, session) = negotiate(FFMPEG, &publishing()).unwrap();
    assert_eq!(session.dtls_role, DtlsRole::Client);
    assert!(description.to_string().contains("a=setup:active\r\n"));
    assert!(session.remote_candidates.is_empty());
    let video = &session.tracks[1];
    let codec = video.codec().unwrap();
    assert_eq!((codec.pt, codec.rtx_pt), (pt(106), Some(pt(105))));
    assert_eq!(codec.codec, h264("42000d"));
    assert!(codec.nack && !codec.pli && !codec.transport_cc);
    assert_eq!(video.extensions, Extensions::default());
    // The RTX source has no a=ssrc of its own.
    assert_eq!(video.remote_ssrcs, [Ssrc(3_649_292_855)]);
    assert_eq!(
        video.remote_rtx,
        [(Ssrc(3_649_292_855), Ssrc(3_649_292_856))]
    );
    assert_eq!(session.tracks[0].codec().map(|c| c.pt), Some(pt(111)));
}

#[test]
fn ffmpeg_without_sound_tags_its_only_m_line_1() {
    let session = publish(FFMPEG_HIGH);
    assert_eq!(session.tracks.len(), 1);
    assert_eq!(session.tracks[0].mid, Mid::new(b"1").unwrap());
    assert_eq!(session.tracks[0].mline, 0);
    assert_eq!(session.codec(MediaKind::Video), Some(h264("64000d")));
    // FFmpeg 8 names an m-line in the group that it does not have.
    publish(&edited(FFMPEG_HIGH, "BUNDLE 1", "BUNDLE 0 1"));
}

#[test]
fn the_others_publish_too() {
    for (offer, video, remote_ufrag) in [
        (FIREFOX_WHIP, h264("42e01f"), "51af2c3e"),
        (OBS, h264("42e01f"), "uT7K"),
        (
            GSTREAMER,
            h264("42c01e"),
            "9ZpPZcT0bGq6O2dVhQmXwAe5iVnK3yL1",
        ),
        (AIORTC_PUBLISH, h264("42e01f"), "1WN0"),
    ] {
        let session = publish(offer);
        assert_eq!(session.codec(MediaKind::Video), Some(video));
        assert!(session.codec(MediaKind::Audio).is_some());
        assert_eq!(session.remote_ice.ufrag(), remote_ufrag);
    }
}

#[test]
fn a_bundle_only_m_line_with_port_0_is_not_switched_off() {
    let (description, session) = negotiate(FIREFOX_WHIP, &publishing()).unwrap();
    assert_eq!(session.tracks.len(), 2);
    assert!(!description.to_string().contains("bundle-only"));
    let off = edited(FIREFOX_WHIP, "a=bundle-only\r\n", "");
    assert_eq!(publish(&off).tracks.len(), 1);
}

#[test]
fn the_server_prefers_codecs_in_its_own_order() {
    let config = answering(AnswerRole::Publish {
        accept: [CodecKind::Vp8, CodecKind::H264, CodecKind::Opus].into(),
    });
    let (_, session) = negotiate(CHROMIUM_WHIP, &config).unwrap();
    let codec = session.tracks[1].codec().unwrap();
    assert_eq!((codec.pt, codec.codec), (pt(96), Codec::Vp8));
    assert_eq!(codec.rtx_pt, Some(pt(97)));
}

#[test]
fn packetization_mode_0_is_taken_where_there_is_nothing_else() {
    let single = edited(OBS, "packetization-mode=1;", "");
    let codec = publish(&single).codec(MediaKind::Video);
    assert!(matches!(
        codec,
        Some(Codec::H264 {
            packetization_mode: 0,
            ..
        })
    ));
}

#[test]
fn stereo_is_heard_of() {
    let stereo = Codec::Opus {
        stereo: true,
        fec: true,
    };
    let (description, session) = negotiate(OBS, &publishing()).unwrap();
    assert_eq!(session.codec(MediaKind::Audio), Some(stereo));
    // Chromium sends two channels only if the answer asks for them.
    assert!(description.to_string().contains("stereo=1"));
}

#[test]
fn the_first_simulcast_layer_comes_alone() {
    let (description, session) = negotiate(CHROMIUM_SIMULCAST, &publishing()).unwrap();
    assert_eq!(session.tracks.len(), 1);
    let extensions = session.tracks[0].extensions;
    assert_eq!(
        (extensions.rid, extensions.repaired_rid),
        (Some(10), Some(11))
    );
    assert!(!description.to_string().contains("a=simulcast"));
    assert!(!description.to_string().contains("a=rid"));
}

#[test]
fn transport_cc_is_all_or_nothing() {
    let mut config = publishing();
    config.transport_cc = false;
    let (description, session) = negotiate(CHROMIUM_WHIP, &config).unwrap();
    assert_eq!(session.tracks[1].extensions.transport_cc, None);
    assert!(!session.tracks[1].codecs[0].transport_cc);
    assert!(!description.to_string().contains("transport-wide-cc"));
    assert!(!description.to_string().contains("transport-cc"));

    let no_feedback = edited(CHROMIUM_WHIP, "a=rtcp-fb:108 transport-cc\r\n", "");
    let session = publish(&no_feedback);
    assert_eq!(session.tracks[1].extensions.transport_cc, None);
}

#[test]
fn an_extension_that_the_publisher_only_receives_is_not_taken() {
    let from = "a=extmap:5 http";
    let session = publish(&edited(CHROMIUM_WHIP, from, "a=extmap:5/recvonly http"));
    assert_eq!(session.tracks[1].extensions.playout_delay, None);
}

#[test]
fn data_channels_are_rejected_or_taken_as_configured() {
    let (description, session) = negotiate(CHROMIUM_DATA, &publishing()).unwrap();
    assert_eq!(session.data_channel, None);
    assert_eq!(session.tracks.len(), 2);
    let text = description.to_string();
    assert!(text.contains("m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\n"));
    assert!(text.contains("a=group:BUNDLE 0 1\r\n"));

    let mut config = publishing();
    config.data_channel = true;
    let (description, session) = negotiate(CHROMIUM_DATA, &config).unwrap();
    assert_eq!(
        session.data_channel,
        Some(DataChannelParams {
            mid: Mid::new(b"2").unwrap(),
            mline: 2,
            local_port: 5000,
            remote_port: 5000,
            max_message_size: Some(262_144),
        })
    );
    let text = description.to_string();
    assert!(text.contains("m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n"));
    assert!(text.contains("a=sctp-port:5000\r\n"));
    assert!(text.contains("a=group:BUNDLE 0 1 2\r\n"));
}

#[test]
fn an_active_offer_makes_us_the_dtls_server() {
    let mut config = publishing();
    config.dtls_role = DtlsRole::Client;
    let active = edited(CHROMIUM_WHIP, "setup:actpass", "setup:active");
    let (_, session) = negotiate(&active, &config).unwrap();
    assert_eq!(session.dtls_role, DtlsRole::Server);
    let (_, session) = negotiate(CHROMIUM_WHIP, &config).unwrap();
    assert_eq!(session.dtls_role, DtlsRole::Client);
}

#[test]
fn kinds_that_the_server_does_not_take_are_rejected() {
    let config = answering(AnswerRole::Publish {
        accept: [CodecKind::H264].into(),
    });
    // Where the sound is not what the bundle hangs on.
    let video_first = edited(CHROMIUM_WHIP, "BUNDLE 0 1", "BUNDLE 1 0");
    let (description, session) = negotiate(&video_first, &config).unwrap();
    assert_eq!(session.tracks.len(), 1);
    assert_eq!(session.tracks[0].mline, 1);
    assert_eq!(description.media[0].port, 0);
    assert_eq!(description.media[1].transport.candidates.len(), 2);
}

#[test]
fn what_cannot_be_agreed_to_names_the_mend() {
    let fingerprint = CHROMIUM_WHIP
        .lines()
        .find(|l| l.starts_with("a=fingerprint"))
        .unwrap();
    let sha1 = "a=fingerprint:sha-1 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33";
    let second_video = {
        let start = CHROMIUM_WHIP.find("m=video").unwrap();
        let more = edited(&CHROMIUM_WHIP[start..], "a=mid:1", "a=mid:2");
        edited(CHROMIUM_WHIP, "BUNDLE 0 1", "BUNDLE 0 1 2") + &more
    };
    for (offer, expected, mend) in [
        (
            edited(CHROMIUM_WHIP, fingerprint, sha1),
            NegotiationError::NoFingerprint,
            "sha-256",
        ),
        (
            edited(CHROMIUM_WHIP, "a=ice-pwd", "a=x-ice-pwd"),
            NegotiationError::NoIceCredentials,
            "a=ice-pwd",
        ),
        (
            edited(CHROMIUM_WHIP, "a=ice-ufrag:4WEX", "a=ice-ufrag:4 X"),
            NegotiationError::NoIceCredentials,
            "a=ice-ufrag",
        ),
        (
            edited(CHROMIUM_WHIP, "a=group:BUNDLE 0 1\r\n", ""),
            NegotiationError::NotBundled,
            "max-bundle",
        ),
        (
            edited(CHROMIUM_WHIP, "a=group:BUNDLE 0 1", "a=group:BUNDLE 0"),
            NegotiationError::NotBundled,
            "a=group:BUNDLE",
        ),
        (
            edited(CHROMIUM_WHIP, "a=rtcp-mux\r\n", ""),
            NegotiationError::NoRtcpMux { mline: 0 },
            "a=rtcp-mux",
        ),
        (
            edited(CHROMIUM_WHIP, "a=setup:actpass", "a=setup:holdconn"),
            NegotiationError::BadSetup,
            "actpass",
        ),
        (
            CHROMIUM_WHEP.into(),
            NegotiationError::NothingUsable { publish: true },
            "sendonly",
        ),
        (
            second_video,
            NegotiationError::TooManyTracks {
                kind: MediaKind::Video,
            },
            "at most one",
        ),
    ] {
        let error = negotiate(&offer, &publishing()).unwrap_err();
        assert_eq!(error, expected);
        let text = error.to_string();
        assert!(text.contains(mend) && !text.contains('\n'), "{text}");
    }
}

#[test]
fn no_common_codec_names_both_sides() {
    // The sound comes first, and a publisher is not to succeed in part.
    let error = negotiate(H265, &publishing()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "no common audio codec: the offer has PCMU; wanted is opus"
    );
    let only_video = edited(H265, "m=audio 9", "m=audio 0");
    let error = negotiate(&only_video, &publishing()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "no common video codec: the offer has H265, H264; wanted is H264, VP8"
    );
}
