use std::vec;
use std::vec::Vec;

use super::*;
use crate::ice::IceCredentials;
use crate::id::{MediaTime, Mid};
use crate::port::DtlsRole;
use crate::rtcp::{Packet, Packets};
use crate::rtp::{RtpHeaderFields, write_header};
use crate::sdp::{CodecParams, Extensions, ProfileLevelId};

const PT: Pt = Pt::from_low_bits(96);
const RTX_PT: Pt = Pt::from_low_bits(97);
const VIDEO: TrackId = TrackId(0);

fn ms(ms: u64) -> Instant {
    Instant::from_millis(ms)
}

/// One picture track whose sources nobody announced.
fn receive() -> ReceiveSide {
    let credentials =
        IceCredentials::new("ufrag", "a password of 22 chars".replace(' ', "+").as_str());
    let credentials = credentials.expect("valid");
    let codec = CodecParams {
        pt: PT,
        codec: Codec::H264 {
            profile_level_id: ProfileLevelId::CONSTRAINED_BASELINE_31,
            packetization_mode: 1,
        },
        rtx_pt: Some(RTX_PT),
        nack: true,
        pli: true,
        fir: false,
        transport_cc: false,
        remb: false,
    };
    let track = Track {
        mid: Mid::from_number(0),
        mline: 0,
        kind: MediaKind::Video,
        direction: Direction::Receive,
        codecs: vec![codec],
        extensions: Extensions::default(),
        send: None,
        remote_ssrcs: Vec::new(),
        remote_rtx: Vec::new(),
        rtcp_rsize: true,
    };
    let session = Session {
        local_ice: credentials.clone(),
        remote_ice: credentials,
        remote_lite: false,
        remote_candidates: Vec::new(),
        fingerprints: Vec::new(),
        dtls_role: DtlsRole::Server,
        tracks: vec![track],
        data_channel: None,
    };
    ReceiveSide::new(&session, Ssrc(1))
}

fn packet(pt: Pt, ssrc: u32, seq: u16, payload: &[u8]) -> Vec<u8> {
    let fields = RtpHeaderFields {
        marker: false,
        pt,
        seq: SeqNo(seq),
        timestamp: MediaTime(0),
        ssrc: Ssrc(ssrc),
    };
    let mut buf = vec![0; 12];
    write_header(&mut buf, &fields, &[]).expect("fits");
    buf.extend_from_slice(payload);
    buf
}

/// Source and number of the media that a packet carries on.
fn taken(r: &mut ReceiveSide, now: Instant, ssrc: u32, seq: u16) -> Option<(u32, u16)> {
    match r.on_rtp(now, &packet(PT, ssrc, seq, b"\x41media")) {
        Ok(Received::Rtp(info)) => Some((info.ssrc.0, info.seq.seq().0)),
        Ok(_) => None,
        Err(e) => panic!("{e:?}"),
    }
}

#[test]
fn nothing_is_due_for_a_source_nobody_knows() {
    let mut r = receive();
    assert!(r.request_key_frame(ms(0), VIDEO));
    let mut out = Vec::new();
    r.compose_feedback(ms(10), None, &mut out);
    assert!(out.is_empty(), "there is nobody to ask");
    assert_eq!(
        r.next_key_frame_request(),
        None,
        "a timer would fire for ever"
    );
    // The request is not forgotten.
    taken(&mut r, ms(20), 7, 1);
    assert_eq!(r.next_key_frame_request(), Some(ms(0)));
    r.compose_feedback(ms(20), None, &mut out);
    assert!(matches!(
        Packets::parse(&out).expect("sound").next(),
        Some(Packet::Pli(Pli { media: Ssrc(7), .. }))
    ));
}

#[test]
fn a_later_source_takes_the_track_over_and_the_former_one_is_not_mixed_in() {
    let mut r = receive();
    assert_eq!(taken(&mut r, ms(0), 7, 100), Some((7, 100)));
    assert_eq!(taken(&mut r, ms(1), 8, 40_000), Some((8, 40_000)));
    assert_eq!(
        taken(&mut r, ms(2), 7, 101),
        None,
        "late, of the former source"
    );
    assert_eq!(taken(&mut r, ms(3), 8, 40_001), Some((8, 40_001)));
    // It may come back, once the other has fallen silent.
    assert_eq!(taken(&mut r, ms(500), 7, 102), None);
    assert_eq!(taken(&mut r, ms(1003), 7, 103), Some((7, 103)));
    assert_eq!(taken(&mut r, ms(1004), 7, 104), Some((7, 104)));
}

#[test]
fn a_repair_before_any_media_repairs_nothing() {
    let mut r = receive();
    let repair = packet(RTX_PT, 9, 1, b"\0\x05\x41media");
    assert_eq!(
        r.on_rtp(ms(0), &repair),
        Err(DropReason::UnknownPayloadType)
    );
    taken(&mut r, ms(1), 7, 4);
    taken(&mut r, ms(1), 7, 6);
    let repair = packet(RTX_PT, 9, 2, b"\0\x05\x41media");
    match r.on_rtp(ms(2), &repair) {
        Ok(Received::Rtp(info)) => {
            assert_eq!(
                (info.ssrc, info.seq.seq(), info.pt),
                (Ssrc(7), SeqNo(5), PT)
            );
            assert!(info.repaired);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_goodbye_needs_no_word_of_the_repairs_and_media_takes_it_back() {
    let mut r = receive();
    taken(&mut r, ms(0), 7, 1);
    taken(&mut r, ms(0), 7, 2);
    r.on_rtp(ms(0), &packet(RTX_PT, 9, 1, b"\0\x01\x41"))
        .expect("a repair");
    assert!(!r.on_bye([Ssrc(9)].into_iter()));
    assert!(r.on_bye([Ssrc(7)].into_iter()));
    taken(&mut r, ms(1), 7, 3);
    assert!(!r.on_bye([Ssrc(9)].into_iter()));
    assert!(!receive().on_bye([Ssrc(7)].into_iter()), "never heard of");
}

#[test]
fn requests_for_many_sources_go_out_in_datagrams_that_fit() {
    let mut r = receive();
    for ssrc in 1..=8 {
        taken(&mut r, ms(0), ssrc, 0);
        // Every second one is missing, far more than one packet names.
        for seq in 0..700 {
            taken(&mut r, ms(0), ssrc, seq * 34);
        }
    }
    r.want_nack();
    let mut datagrams = 0;
    loop {
        let mut out = Vec::new();
        r.compose_feedback(ms(20), None, &mut out);
        if out.is_empty() {
            break;
        }
        assert!(out.len() <= MAX_COMPOUND, "{} bytes", out.len());
        datagrams += 1;
        assert!(datagrams <= 8, "it never ends");
    }
    assert!(datagrams >= 4);
    assert!(r.next_nack().is_some_and(|at| at > ms(20)));
}
