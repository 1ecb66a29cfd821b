use super::*;
use crate::ice::Transport;

#[test]
fn every_fixture_reads_and_its_canonical_form_reads_back() {
    for text in ALL {
        let description = parse(text);
        let again = parse(&description.to_string());
        // What was passed over is not written.
        let mut expected = description.clone();
        expected.transport.unusable_candidates = 0;
        for media in &mut expected.media {
            media.transport.unusable_candidates = 0;
        }
        assert_eq!(again, expected, "{text}");
    }
}

#[test]
fn line_ends_make_no_difference() {
    for text in ALL {
        let lf = text.replace("\r\n", "\n");
        let crlf = lf.replace('\n', "\r\n");
        assert_eq!(parse(&lf), parse(&crlf));
        assert_eq!(parse(lf.trim_end()), parse(&crlf));
    }
}

#[test]
fn chromiums_candidates_are_kept_and_firefoxs_mdns_names_counted() {
    let chromium = parse(CHROMIUM_WHIP);
    assert_eq!(chromium.candidates().count(), 8);
    let udp = |c: &&Candidate| c.transport == Transport::Udp;
    assert_eq!(chromium.candidates().filter(udp).count(), 4);
    assert_eq!(chromium.unusable_candidates(), 0);
    let firefox = parse(FIREFOX_WHEP);
    assert_eq!(firefox.candidates().count(), 1);
    assert_eq!(firefox.unusable_candidates(), 2);
}

#[test]
fn what_is_not_sdp_says_so() {
    for text in [
        "",
        "\n",
        "{\"sdp\": \"v=0\"}",
        "v=1\r\n",
        "o=- 1 1 IN IP4 x\r\nv=0\r\n",
    ] {
        assert_eq!(SessionDescription::parse(text), Err(SdpError::NotSdp));
    }
    assert_eq!(
        SessionDescription::parse("v=0\r\ns=-\r\n"),
        Err(SdpError::NoMedia)
    );
    let long = "v=0\n".to_string() + &"a=x\n".repeat(20_000);
    assert_eq!(SessionDescription::parse(&long), Err(SdpError::TooLong));
}

#[test]
fn errors_name_the_line() {
    let head = "v=0\no=- 1 1 IN IP4 192.0.2.1\nm=audio 9 UDP/TLS/RTP/SAVPF 111\n";
    for (line, name) in [
        ("m=audio", "m="),
        ("m=audio 70000 UDP/TLS/RTP/SAVPF 111", "m="),
        ("m=audio 9 UDP/TLS/RTP/SAVPF", "m="),
        ("a=mid:", "mid"),
        ("a=fingerprint:sha-256 AB:CD", "fingerprint"),
        ("a=setup:maybe", "setup"),
        ("a=rtpmap:200 opus/48000/2", "rtpmap"),
        ("a=fmtp:111", "fmtp"),
        ("a=extmap:x urn:y", "extmap"),
        ("a=ssrc:4294967296 cname:x", "ssrc"),
        ("a=ssrc-group:FID 1", "ssrc-group"),
        ("a=sctp-port:65536", "sctp-port"),
    ] {
        let text = head.to_string() + line + "\n";
        let error = SessionDescription::parse(&text).unwrap_err();
        assert_eq!(error, SdpError::Malformed { line: 4, name }, "{line}");
    }
    for line in ["no equals sign", "=", "mm=x", "a=msid:a\rb", "a=msid:\u{7}"] {
        let text = head.to_string() + line + "\n";
        let error = SessionDescription::parse(&text).unwrap_err();
        assert_eq!(error, SdpError::Syntax { line: 4 }, "{line}");
    }
}

#[test]
fn everything_is_bounded() {
    let section = "m=audio 9 UDP/TLS/RTP/SAVPF 111\n";
    let head = "v=0\n".to_string() + section;
    let lines = |n: usize, line: &dyn Fn(usize) -> String| -> String {
        head.clone() + &(0..n).map(line).collect::<String>()
    };
    let too_many = |text: &str| {
        matches!(
            SessionDescription::parse(text),
            Err(SdpError::TooMany { .. })
        )
    };
    assert!(!too_many(&lines(15, &|_| section.into())));
    assert!(too_many(&lines(16, &|_| section.into())));
    assert!(too_many(&lines(200, &|_| "a=rtpmap:1 x/1\n".into())));
    assert!(too_many(&lines(200, &|_| "a=fmtp:1 x=1\n".into())));
    assert!(too_many(&lines(2000, &|_| "a=rtcp-fb:1 nack\n".into())));
    assert!(too_many(&lines(200, &|i| alloc::format!("a=ssrc:{i} a\n"))));
    let formats: String = (0..200).map(|i| alloc::format!(" {i}")).collect();
    assert!(too_many(&(head.clone() + "m=audio 9 RTP" + &formats)));

    let candidates = lines(100, &|i| {
        alloc::format!("a=candidate:1 1 udp 1 192.0.2.1 {} typ host\n", i + 1)
    });
    let description = parse(&candidates);
    assert_eq!(description.candidates().count(), 64);
    assert_eq!(description.unusable_candidates(), 36);
}

#[test]
fn one_tag_names_one_m_line() {
    let text = edited(CHROMIUM_WHIP, "a=mid:1", "a=mid:0");
    assert!(matches!(
        SessionDescription::parse(&text),
        Err(SdpError::DuplicateMid { .. })
    ));
}
