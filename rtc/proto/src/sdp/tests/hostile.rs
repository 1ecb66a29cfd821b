//! Whatever comes, nothing panics, and what is answered is a proper answer.

use super::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

const ROUNDS: usize = 4_000;

fn below(rng: &mut ChaCha8Rng, n: usize) -> usize {
    (rng.next_u64() % n.max(1) as u64) as usize
}

/// Everything that takes a peer's text.
fn exercise(text: &str, offers: &[LocalOffer]) -> bool {
    let Ok(description) = SessionDescription::parse(text) else {
        return false;
    };
    let canonical = description.to_string();
    if canonical.len() <= MAX_SDP_LEN {
        assert!(SessionDescription::parse(&canonical).is_ok(), "{canonical}");
    }
    for offer in offers {
        let _ = offer.accept(&description);
    }
    let mut data = publishing();
    data.data_channel = true;
    let mut answered = false;
    for config in [
        publishing(),
        data,
        subscribing(h264("42e01f")),
        subscribing(Codec::Vp8),
    ] {
        match negotiate(text, &config) {
            Ok(_) => answered = true,
            Err(e) => assert!(!e.to_string().contains('\n')),
        }
    }
    answered
}

fn mutate(rng: &mut ChaCha8Rng, text: &str) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_string).collect();
    for _ in 0..=below(rng, 4) {
        let i = below(rng, lines.len());
        let j = below(rng, lines.len());
        match below(rng, 9) {
            0 => drop(lines.remove(i)),
            1 => lines.insert(i, lines[j].clone()),
            2 => lines.swap(i, j),
            3 => lines.truncate(i.max(1)),
            4 => {
                let foreign = ALL[below(rng, ALL.len())];
                let count = foreign.lines().count();
                lines[i] = foreign.lines().nth(below(rng, count)).unwrap().into();
            }
            5 => {
                let number = [
                    "0",
                    "-1",
                    "127",
                    "128",
                    "65536",
                    "4294967296",
                    "99999999999999999999",
                ];
                let number = number[below(rng, number.len())];
                let mut parts: Vec<&str> = lines[i].split(' ').collect();
                let k = below(rng, parts.len());
                parts[k] = number;
                lines[i] = parts.join(" ");
            }
            6 => {
                let cut = below(rng, lines[i].chars().count());
                lines[i] = lines[i].chars().take(cut).collect();
            }
            _ => {
                let mut chars: Vec<char> = lines[i].chars().collect();
                let k = below(rng, chars.len());
                let odd = [
                    '=', ':', ' ', '/', ';', '0', '9', 'a', '\u{e9}', '\r', '\u{0}',
                ];
                if let Some(c) = chars.get_mut(k) {
                    *c = odd[below(rng, odd.len())];
                }
                lines[i] = chars.into_iter().collect();
            }
        }
        if lines.is_empty() {
            break;
        }
    }
    lines.join("\r\n")
}

#[test]
fn mutated_offers_are_answered_properly_or_refused() {
    let mut rng = ChaCha8Rng::from_seed([1; 32]);
    let mut answered = 0;
    for round in 0..ROUNDS {
        let text = mutate(&mut rng, ALL[round % ALL.len()]);
        answered += usize::from(exercise(&text, &[]));
    }
    // Both ways are well trodden.
    assert!(answered > ROUNDS / 10 && answered < ROUNDS, "{answered}");
}

#[test]
fn mutated_answers_are_taken_or_refused() {
    let config = OfferConfig {
        tracks: [(MediaKind::Video, h264("42e01f")), (MediaKind::Audio, OPUS)]
            .map(|(kind, codec)| OfferedTrack {
                kind,
                codecs: [codec].into(),
                send: Some(send(5, Some(6))),
            })
            .into(),
        ice: our_ice(),
        ice_lite: false,
        candidates: our_candidates(),
        fingerprint: our_fingerprint(),
        session_id: 1,
        transport_cc: true,
        playout_delay: true,
        data_channel: true,
    };
    let (offer, local) = LocalOffer::create(&config);
    let (answer, _) = negotiate(&offer.to_string(), &publishing()).unwrap();
    let text = answer.to_string();
    let mut rng = ChaCha8Rng::from_seed([2; 32]);
    let mut accepted = 0;
    for _ in 0..ROUNDS {
        let mutated = mutate(&mut rng, &text);
        if let Ok(description) = SessionDescription::parse(&mutated) {
            accepted += usize::from(local.accept(&description).is_ok());
        }
    }
    assert!(accepted > ROUNDS / 20 && accepted < ROUNDS, "{accepted}");
}

#[test]
fn random_text_is_refused_without_a_panic() {
    let mut rng = ChaCha8Rng::from_seed([3; 32]);
    let alphabet: Vec<char> = "vmaoc=:;/ \r\n0123456789-+.rtpfingecadumsx\u{e9}\u{1f600}\0"
        .chars()
        .collect();
    let (_, local) = LocalOffer::create(&OfferConfig {
        tracks: Vec::new(),
        ice: our_ice(),
        ice_lite: false,
        candidates: Vec::new(),
        fingerprint: our_fingerprint(),
        session_id: 1,
        transport_cc: true,
        playout_delay: false,
        data_channel: true,
    });
    for round in 0..ROUNDS {
        let mut text = String::from(if round % 2 == 0 {
            ""
        } else {
            "v=0\nm=audio 9 a 1\n"
        });
        for _ in 0..below(&mut rng, 300) {
            text.push(alphabet[below(&mut rng, alphabet.len())]);
        }
        exercise(&text, core::slice::from_ref(&local));
    }
}

#[test]
fn random_attributes_are_refused_without_a_panic() {
    let names = [
        "group:BUNDLE",
        "mid:",
        "candidate:",
        "fingerprint:sha-256 ",
        "setup:",
        "rtpmap:",
        "fmtp:",
        "rtcp-fb:",
        "extmap:",
        "msid:",
        "ssrc:",
        "ssrc-group:FID",
        "rid:",
        "sctp-port:",
        "max-message-size:",
        "ice-ufrag:",
        "ice-pwd:",
        "ice-options:",
    ];
    let values = [
        "",
        " ",
        "0",
        "1",
        "96",
        "apt=96",
        "* nack",
        "H264/90000",
        "opus/48000/2",
        "1/sendonly",
        "urn:ietf:params:rtp-hdrext:sdes:mid",
        "AB:CD",
        "1 1 udp 1 ::1 1 typ host",
        "actpass",
        "send",
        "profile-level-id=",
        "\u{e9}",
        "18446744073709551616",
    ];
    let mut rng = ChaCha8Rng::from_seed([4; 32]);
    for _ in 0..ROUNDS {
        let mut text = String::from("v=0\nm=video 9 UDP/TLS/RTP/SAVPF 96 97\n");
        for _ in 0..12 {
            text += "a=";
            text += names[below(&mut rng, names.len())];
            for _ in 0..below(&mut rng, 4) {
                text += values[below(&mut rng, values.len())];
                text += [" ", "", ";"][below(&mut rng, 3)];
            }
            text += "\n";
        }
        exercise(&text, &[]);
    }
}

#[test]
fn an_offer_at_the_bounds_is_read() {
    let mut text = String::from("v=0\nm=video 9 UDP/TLS/RTP/SAVPF");
    for pt in 0..128 {
        text += &alloc::format!(" {pt}");
    }
    text += "\na=rtcp-mux\n";
    for pt in (0..128).step_by(2) {
        let rtx = pt + 1;
        text += &alloc::format!("a=rtpmap:{pt} H264/90000\na=fmtp:{pt} packetization-mode=1\n");
        text += &alloc::format!("a=rtpmap:{rtx} rtx/90000\na=fmtp:{rtx} apt={pt}\n");
    }
    for i in 0..1024 {
        text += &alloc::format!("a=rtcp-fb:{} nack pli\n", i % 128);
    }
    let payloads = parse(&text).media[0].payloads();
    assert_eq!(payloads.len(), 64);
    assert!(
        payloads
            .iter()
            .all(|p| p.params.pli && p.params.rtx_pt.is_some())
    );
}
