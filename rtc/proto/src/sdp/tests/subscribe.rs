use super::*;

fn video_of(offer: &str, stream: Codec) -> CodecParams {
    let (_, session) = negotiate(offer, &subscribing(stream)).unwrap();
    let track = session
        .tracks
        .iter()
        .find(|t| t.kind == MediaKind::Video)
        .unwrap();
    assert_eq!(track.direction, Direction::Send);
    assert_eq!(track.codecs[0].codec, stream, "the stream stays what it is");
    track.codecs[0]
}

#[test]
fn a_subscriber_hears_and_sees_our_sources() {
    let (description, session) = negotiate(CHROMIUM_WHEP, &subscribing(h264("42e01f"))).unwrap();
    let [audio, video] = &session.tracks[..] else {
        panic!("two tracks")
    };
    assert_eq!(audio.send.as_ref().map(|s| s.ssrc), Some(Ssrc(11)));
    assert_eq!(video.send, Some(send(22, Some(23))));
    assert!(video.remote_ssrcs.is_empty());
    let text = description.to_string();
    for line in [
        "a=sendonly",
        "a=msid:door camera",
        "a=ssrc-group:FID 22 23",
        "a=ssrc:22 cname:transom",
        "a=ssrc:23 cname:transom",
        "a=ssrc:11 cname:transom",
    ] {
        assert!(text.lines().any(|l| l == line), "{line}\n{text}");
    }
}

#[test]
fn each_profile_finds_its_payload_type() {
    for (stream, pts) in [
        ("42e01f", (108, 109)),
        ("42c00d", (108, 109)),
        ("42001f", (102, 103)),
        ("4d0028", (116, 117)),
        // High in Chromium's High 4:4:4 Predictive.
        ("64001f", (41, 42)),
        ("640c1f", (41, 42)),
    ] {
        let params = video_of(CHROMIUM_WHEP, h264(stream));
        let found = (params.pt, params.rtx_pt);
        assert_eq!(found, (pt(pts.0), Some(pt(pts.1))), "{stream}");
    }
    assert_eq!(video_of(CHROMIUM_WHEP, Codec::Vp8).pt, pt(96));
}

#[test]
fn constrained_baseline_plays_on_a_higher_decoder() {
    for only in ["42001f", "4d001f", "64001f", "640c1f"] {
        let offer = edited(FIREFOX_WHEP, "42e01f", only);
        let (description, session) = negotiate(&offer, &subscribing(h264("42e01f"))).unwrap();
        assert_eq!(session.tracks[1].codecs[0].pt, pt(126));
        // The answer keeps the offered profile (RFC 6184 section 8.2.2).
        let fmtp = alloc::format!("profile-level-id={only}\r\n");
        assert!(description.to_string().contains(&fmtp));
    }
}

#[test]
fn baseline_in_name_plays_where_only_constrained_baseline_is_offered() {
    // FFmpeg labels its Constrained Baseline so, and Firefox offers no other.
    assert_eq!(video_of(FIREFOX_WHEP, h264("42000d")).pt, pt(126));
}

#[test]
fn fragments_are_not_sent_to_a_single_nal_unit_receiver() {
    let single = edited(
        FIREFOX_WHEP,
        ";level-asymmetry-allowed=1;packetization-mode=1",
        "",
    );
    let error = negotiate(&single, &subscribing(h264("42e01f"))).unwrap_err();
    assert_eq!(
        error.to_string(),
        "no common video codec: the offer has VP8, VP9, H264 42e01f mode 0; wanted is H264 42e01f"
    );
    let mode_0 = Codec::H264 {
        profile_level_id: ProfileLevelId::CONSTRAINED_BASELINE_31,
        packetization_mode: 0,
    };
    // It goes to the mode 0 payload type, though mode 1 comes first.
    assert_eq!(video_of(FIREFOX_WHEP, mode_0).pt, pt(97));
}

#[test]
fn the_level_is_the_streams_where_asymmetry_is_allowed() {
    let fmtp_of = |offer: &str| {
        let (description, _) = negotiate(offer, &subscribing(h264("42e028"))).unwrap();
        let text = description.to_string();
        let fmtp = text.lines().find(|l| l.starts_with("a=fmtp:126 "));
        fmtp.unwrap().to_string()
    };
    assert_eq!(
        fmtp_of(FIREFOX_WHEP),
        "a=fmtp:126 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e028"
    );
    let symmetric = edited(FIREFOX_WHEP, "level-asymmetry-allowed=1;", "");
    assert_eq!(
        fmtp_of(&symmetric),
        "a=fmtp:126 packetization-mode=1;profile-level-id=42e01f"
    );
}

#[test]
fn a_picture_that_cannot_be_decoded_fails_and_names_both_sides() {
    let error = negotiate(FIREFOX_WHEP, &subscribing(h264("640028"))).unwrap_err();
    assert_eq!(
        error.to_string(),
        "no common video codec: the offer has VP8, VP9, H264 42e01f, H264 42e01f mode 0; \
         wanted is H264 640028"
    );
}

#[test]
fn a_sound_that_cannot_be_decoded_is_left_out() {
    let deaf = edited(CHROMIUM_WHEP, "opus/48000/2", "opus/16000/1");
    let (description, session) = negotiate(&deaf, &subscribing(Codec::Vp8)).unwrap();
    assert_eq!(session.tracks.len(), 1);
    assert!(!description.to_string().contains("ssrc:11"));
}

#[test]
fn a_stream_without_sound_leaves_the_audio_m_line_to_carry_the_transport() {
    let mut config = subscribing(h264("42e01f"));
    config.role = AnswerRole::Subscribe {
        audio: None,
        video: Some(Outgoing {
            codec: h264("42e01f"),
            send: send(22, None),
        }),
    };
    let (description, session) = negotiate(CHROMIUM_WHEP, &config).unwrap();
    assert_eq!(session.tracks.len(), 1);
    // Without a source for RTX of our own there is no RTX.
    assert_eq!(session.tracks[0].codecs[0].rtx_pt, None);
    assert!(!description.to_string().contains("rtx"));
    let text = description.to_string();
    let audio = &text[text.find("m=audio").unwrap()..text.find("m=video").unwrap()];
    for line in [
        "m=audio 9 UDP/TLS/RTP/SAVPF 111",
        "a=inactive",
        "a=rtcp-mux",
    ] {
        assert!(audio.lines().any(|l| l == line), "{line}\n{audio}");
    }
    assert_eq!(description.media[0].transport.candidates.len(), 2);
    assert!(text.contains("a=group:BUNDLE 0 1\r\n"));
    assert_eq!(session.remote_candidates.len(), 8);
}

#[test]
fn the_playout_delay_extension_is_taken_as_configured() {
    let mut config = subscribing(h264("42e01f"));
    for (wanted, id) in [(true, Some(6)), (false, None)] {
        config.playout_delay = wanted;
        let (_, session) = negotiate(FIREFOX_WHEP, &config).unwrap();
        assert_eq!(session.tracks[1].extensions.playout_delay, id);
        assert_eq!(session.tracks[0].extensions.playout_delay, None);
    }
}

#[test]
fn aiortc_subscribes_with_video_first() {
    let (_, session) = negotiate(AIORTC_SUBSCRIBE, &subscribing(h264("42e01f"))).unwrap();
    assert_eq!(session.tracks[0].kind, MediaKind::Video);
    assert_eq!(session.tracks[0].codecs[0].pt, pt(101));
    assert_eq!(session.fingerprints.len(), 3);
}

#[test]
fn a_publisher_at_the_subscribers_door_is_told() {
    let error = negotiate(FFMPEG, &subscribing(h264("42e01f"))).unwrap_err();
    assert_eq!(error, NegotiationError::NothingUsable { publish: false });
    assert!(error.to_string().contains("recvonly"));
}
