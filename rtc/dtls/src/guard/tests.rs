use std::time::{Duration, Instant};

use super::record::DTLS_1_2;
use super::*;

/// A ClientHello in the shape of Chromium 156's: 1,413 bytes with its headers
/// left out of the count, X25519MLKEM768 key share, DTLS 1.3 and 1.2 offered,
/// counter mode before AES-GCM.
fn chromium_client_hello() -> Vec<u8> {
    let mut extensions = Vec::new();
    let mut add = |kind: u16, body: &[u8]| {
        extensions.extend_from_slice(&kind.to_be_bytes());
        extensions.extend_from_slice(&(body.len() as u16).to_be_bytes());
        extensions.extend_from_slice(body);
    };
    add(23, &[]); // extended_master_secret
    add(0xff01, &[0]); // renegotiation_info
    add(10, &[0, 8, 0x11, 0xec, 0, 29, 0, 23, 0, 24]); // supported_groups
    add(11, &[1, 0]); // ec_point_formats
    add(13, &[0, 8, 4, 3, 8, 4, 4, 1, 2, 1]); // signature_algorithms
    add(14, &[0, 6, 0, 1, 0, 8, 0, 7, 0]); // use_srtp
    add(43, &[4, 0xfe, 0xfc, 0xfe, 0xfd]); // supported_versions
    let mut key_share = vec![0x04, 0xc4, 0x11, 0xec, 0x04, 0xc0];
    key_share.resize(2 + 4 + 1216, 0xaa);
    add(51, &key_share);
    let padding = 1413 - (2 + 32 + 2 + 2 + 22 + 2 + 2) - extensions.len() - 4;
    extensions.extend_from_slice(&[0, 21]); // padding (RFC 7685)
    extensions.extend_from_slice(&(padding as u16).to_be_bytes());
    extensions.resize(extensions.len() + padding, 0);

    let mut hello = vec![0xfe, 0xfd];
    hello.extend_from_slice(&[0x5a; 32]);
    hello.extend_from_slice(&[0, 0]); // no session id, no cookie
    hello.extend_from_slice(&[0, 22]);
    for suite in [
        0x1301_u16, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xcca9, 0xcca8, 0xc009, 0xc013, 0xc00a, 0xc014,
    ] {
        hello.extend_from_slice(&suite.to_be_bytes());
    }
    hello.extend_from_slice(&[1, 0]);
    hello.extend_from_slice(&(extensions.len() as u16).to_be_bytes());
    hello.extend_from_slice(&extensions);
    assert_eq!(hello.len(), 1413);
    hello
}

fn fragment_record(kind: u8, seq: u16, message: &[u8], from: usize, to: usize) -> Vec<u8> {
    let mut body = frame_message(kind, seq, message);
    body.truncate(FRAGMENT_HEADER);
    body[6..9].copy_from_slice(&(from as u32).to_be_bytes()[1..]);
    body[9..12].copy_from_slice(&((to - from) as u32).to_be_bytes()[1..]);
    body.extend_from_slice(&message[from..to]);
    frame(ContentType::Handshake, 0, &body)
}

fn enciphered(content: ContentType, epoch: u16, body_len: usize) -> Vec<u8> {
    let mut record = vec![content as u8];
    record.extend_from_slice(&DTLS_1_2);
    record.extend_from_slice(&epoch.to_be_bytes());
    record.extend_from_slice(&[0, 0, 0, 0, 0, 1]);
    record.extend_from_slice(&(body_len as u16).to_be_bytes());
    record.resize(13 + body_len, 1);
    record
}

#[test]
fn chromiums_client_hello_comes_in_two_datagrams() {
    let hello = chromium_client_hello();
    let pieces = [
        fragment_record(1, 0, &hello, 0, 1147),
        fragment_record(1, 0, &hello, 1147, 1413),
    ];
    for order in [[0, 1], [1, 0]] {
        let mut guard = Guard::new(DtlsRole::Server);
        let first = guard.handle_datagram(&pieces[order[0]]).unwrap();
        assert!(first.datagrams.is_empty());
        assert_eq!(guard.offered_profiles(), None);
        let second = guard.handle_datagram(&pieces[order[1]]).unwrap();
        let whole = frame(ContentType::Handshake, 0, &frame_message(1, 0, &hello));
        assert_eq!(second.datagrams, [whole]);
        assert_eq!(
            guard.offered_profiles(),
            Some(&[SrtpProfile::Aes128CmSha1_80, SrtpProfile::AeadAes128Gcm][..])
        );
        assert_eq!(guard.refused(), 0);
    }
}

#[test]
fn a_repeated_client_hello_nudges_webrtc_dtls_once() {
    let hello = chromium_client_hello();
    let mut guard = Guard::new(DtlsRole::Server);
    let record = fragment_record(1, 0, &hello, 0, hello.len());
    assert_eq!(guard.handle_datagram(&record).unwrap().datagrams.len(), 1);
    let nudge = guard.handle_datagram(&record).unwrap().datagrams;
    assert_eq!(
        nudge,
        [frame(ContentType::Handshake, 1, &frame_message(1, 0, &[]))]
    );
    let tail = fragment_record(1, 0, &hello, 1147, 1413);
    assert!(guard.handle_datagram(&tail).unwrap().datagrams.is_empty());
    for _ in 0..500 {
        guard.handle_datagram(&record).unwrap();
    }
    assert_eq!(guard.counters.hello_retransmissions, 128);
}

#[test]
fn forty_thousand_descending_fragments_are_cut_short() {
    let began = Instant::now();
    let message = vec![0; 40_000];
    let mut guard = Guard::new(DtlsRole::Server);
    // As many to a datagram as fit: 755 datagrams in all.
    let mut ended = None;
    for (n, chunk) in (0..40_000).rev().collect::<Vec<_>>().chunks(53).enumerate() {
        let datagram: Vec<u8> = chunk
            .iter()
            .flat_map(|at| fragment_record(1, 0, &message, *at, *at + 1))
            .collect();
        match guard.handle_datagram(&datagram) {
            Ok(admitted) => assert!(admitted.datagrams.is_empty()),
            Err(Hostile) => {
                ended = Some(n);
                break;
            }
        }
    }
    assert!(ended.is_some_and(|n| n < 200), "{ended:?}");
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[test]
fn three_thousand_ascending_fragments_cost_little() {
    let mut hello = chromium_client_hello();
    let grow = 3000 - hello.len();
    // The padding extension is the last: lengthen it, and the extensions with it.
    let at = 2 + 32 + 2 + 2 + 22 + 2;
    let extensions = u16::from_be_bytes([hello[at], hello[at + 1]]) + grow as u16;
    hello[at..at + 2].copy_from_slice(&extensions.to_be_bytes());
    let padding = hello.iter().rposition(|b| *b != 0).unwrap() - 1;
    let padding_len = (hello.len() - padding - 2 + grow) as u16;
    hello[padding..padding + 2].copy_from_slice(&padding_len.to_be_bytes());
    hello.resize(3000, 0);

    let began = Instant::now();
    let mut guard = Guard::new(DtlsRole::Server);
    let mut passed = vec![];
    for at in 0..3000 {
        let record = fragment_record(1, 0, &hello, at, at + 1);
        passed.extend(guard.handle_datagram(&record).unwrap().datagrams);
    }
    let whole = frame(ContentType::Handshake, 0, &frame_message(1, 0, &hello));
    assert_eq!(passed, [whole]);
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[test]
fn a_handshake_has_a_byte_cap() {
    let mut guard = Guard::new(DtlsRole::Server);
    let message = vec![0; 8000];
    let record = fragment_record(11, 5, &message, 0, 8000);
    let admitted = (0..1000)
        .take_while(|_| guard.handle_datagram(&record).is_ok())
        .count();
    assert_eq!(admitted, (1 << 20) / record.len());
}

#[test]
fn a_message_that_would_make_webrtc_dtls_panic_ends_the_handshake() {
    let mut hello = chromium_client_hello();
    let at = 2 + 32 + 2 + 2 + 22 + 2;
    let extensions = u16::from_be_bytes([hello[at], hello[at + 1]]) + 1;
    hello[at..at + 2].copy_from_slice(&extensions.to_be_bytes());
    hello.push(0); // one byte of an extension
    let record = fragment_record(1, 0, &hello, 0, hello.len());
    let mut guard = Guard::new(DtlsRole::Server);
    assert_eq!(guard.handle_datagram(&record).unwrap_err(), Hostile);

    let record = fragment_record(16, 0, &[0], 0, 1);
    let mut guard = Guard::new(DtlsRole::Server);
    assert_eq!(guard.handle_datagram(&record).unwrap_err(), Hostile);
}

#[test]
fn messages_of_the_wrong_side_are_refused() {
    for (role, kind) in [(DtlsRole::Server, 2), (DtlsRole::Client, 1)] {
        let mut guard = Guard::new(role);
        let record = fragment_record(kind, 0, &[0; 50], 0, 50);
        assert!(guard.handle_datagram(&record).unwrap().datagrams.is_empty());
        assert_eq!(guard.refused(), 1);
    }
}

#[test]
fn finished_brings_its_change_cipher_spec() {
    let mut guard = Guard::new(DtlsRole::Server);
    let finished = enciphered(ContentType::Handshake, 1, FINISHED_RECORD);
    let passed = guard.handle_datagram(&finished).unwrap().datagrams;
    let expected = [frame(ContentType::ChangeCipherSpec, 0, &[1]), finished].concat();
    assert_eq!(passed, [expected]);
}

#[test]
fn what_follows_the_handshake_waits_for_it() {
    let mut guard = Guard::new(DtlsRole::Client);
    let data = enciphered(ContentType::ApplicationData, 1, 100);
    let alert = enciphered(ContentType::Alert, 1, ALERT_RECORD);
    for record in [&data, &alert].into_iter().cycle().take(20) {
        assert!(guard.handle_datagram(record).unwrap().datagrams.is_empty());
    }
    assert_eq!(guard.refused(), 12);
    let early = guard.into_early();
    assert_eq!(early.len(), 8);
    assert_eq!(early[6..], [data, alert]);
}

#[test]
fn during_the_handshake_only_what_belongs_there_passes() {
    let mut guard = Guard::new(DtlsRole::Server);
    for refused in [
        frame(ContentType::ApplicationData, 0, &[1; 40]),
        frame(ContentType::ChangeCipherSpec, 0, &[2]),
        frame(ContentType::Alert, 0, &[1, 41]), // a warning
        frame(ContentType::Alert, 0, &[2, 40, 0]),
        enciphered(ContentType::Handshake, 1, FINISHED_RECORD + 1),
        enciphered(ContentType::Alert, 1, 23),
        enciphered(ContentType::ApplicationData, 1, 23),
        enciphered(ContentType::Handshake, 2, FINISHED_RECORD),
        vec![22; 7],
    ] {
        let before = guard.refused();
        let admitted = guard.handle_datagram(&refused).unwrap();
        assert!(admitted.datagrams.is_empty(), "{refused:?}");
        assert_eq!(guard.refused(), before + 1, "{refused:?}");
    }
    let fatal = frame(ContentType::Alert, 0, &[2, 40]);
    let admitted = guard.handle_datagram(&fatal).unwrap();
    assert!(admitted.alert && admitted.datagrams == [fatal]);
}
