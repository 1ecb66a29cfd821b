use webrtc_dtls::content::ContentType as TheirContent;
use webrtc_dtls::crypto::crypto_gcm::CryptoGcm;
use webrtc_dtls::record_layer::record_layer_header::{PROTOCOL_VERSION1_2, RecordLayerHeader};

use super::*;
use crate::guard::fragment::frame_message;
use crate::guard::record::{DTLS_1_2, RECORD_HEADER, frame};

/// An end, and what came of what it was given.
struct End {
    established: Established,
    out: Outbox,
    stats: DtlsStats,
}

impl End {
    fn new(role: DtlsRole) -> Self {
        let (client, server) = (vec![1; 32], vec![2; 32]);
        let (local_random, remote_random) = match role {
            DtlsRole::Client => (client, server),
            DtlsRole::Server => (server, client),
        };
        let secrets = KeyLogData {
            local_random,
            remote_random,
            master_secret: vec![3; 48],
        };
        let last_flight = LastFlight::of(b"last flight".to_vec());
        Self {
            established: Established::new(role, &secrets, &finished(), last_flight).unwrap(),
            out: Outbox::default(),
            stats: DtlsStats::default(),
        }
    }

    fn does(&mut self, action: DtlsAction) -> (Next, Vec<DtlsEvent>) {
        let Self {
            established,
            out,
            stats,
        } = self;
        let next = established.handle_action(action, out, stats);
        (next, std::iter::from_fn(|| out.take()).collect())
    }

    fn sends(&mut self, data: &[u8]) -> Vec<u8> {
        match self.does(DtlsAction::Send(data.to_vec())).1.as_slice() {
            [DtlsEvent::Datagram(datagram)] => datagram.clone(),
            other => panic!("{other:?}"),
        }
    }

    fn hears(&mut self, datagram: &[u8]) -> Vec<DtlsEvent> {
        let (next, events) = self.does(DtlsAction::Datagram(datagram.to_vec()));
        assert_eq!(next, Next::GoesOn, "{datagram:?}");
        events
    }
}

/// Of a handshake with one record sealed, under a nonce that begins with zeros.
fn finished() -> Sealed {
    let mut record = forged(ContentType::Handshake, 1, FINISHED_RECORD);
    record[5..11].fill(0);
    record[RECORD_HEADER..RECORD_HEADER + 8].fill(0);
    let mut sealed = Sealed::default();
    sealed.note(&take_record(&mut record.as_slice()).unwrap());
    sealed
}

fn pair() -> (End, End) {
    (End::new(DtlsRole::Client), End::new(DtlsRole::Server))
}

fn received(data: &[u8]) -> Vec<DtlsEvent> {
    vec![DtlsEvent::Received(data.to_vec())]
}

/// A record of any content, epoch and length, not sealed by anybody.
fn forged(content: ContentType, epoch: u16, body_len: usize) -> Vec<u8> {
    let mut record = vec![content as u8];
    record.extend_from_slice(&DTLS_1_2);
    record.extend_from_slice(&epoch.to_be_bytes());
    record.extend_from_slice(&[0, 0, 0, 0, 0, 9]);
    record.extend_from_slice(&(body_len as u16).to_be_bytes());
    record.resize(RECORD_HEADER + body_len, 1);
    record
}

/// webrtc-dtls's cipher with the keys of the client.
fn oracle() -> CryptoGcm {
    let [client, server] = keys::expand(&[3; 48], &[1; 32], &[2; 32]).unwrap();
    CryptoGcm::new(&client.key, &client.salt, &server.key, &server.salt)
}

#[test]
fn webrtc_dtls_opens_what_we_seal_and_we_what_it_seals() {
    let oracle = oracle();
    let mut server = End::new(DtlsRole::Server);
    for len in [0, 1, 15, 16, 17, 1200, MAX_APPLICATION_DATA] {
        let data: Vec<u8> = (0..len).map(|i| i as u8).collect();
        let record = server.sends(&data);
        let opened = oracle.decrypt(&record).unwrap();
        assert_eq!(opened[RECORD_HEADER..], data, "{len}");

        let header = RecordLayerHeader {
            content_type: TheirContent::ApplicationData,
            protocol_version: PROTOCOL_VERSION1_2,
            epoch: 1,
            sequence_number: 77 + len as u64,
            content_len: len as u16,
        };
        let mut raw = Vec::new();
        header.marshal(&mut raw).unwrap();
        raw.extend_from_slice(&data);
        let sealed = oracle.encrypt(&header, &raw).unwrap();
        assert_eq!(server.hears(&sealed), received(&data), "{len}");
    }
    assert_eq!(server.stats, DtlsStats::default());
}

#[test]
fn data_goes_both_ways_once_and_in_any_order() {
    let (mut client, mut server) = pair();
    for n in 0..100_u8 {
        let (a, b) = (client.sends(&[n, 1]), client.sends(&[n, 2]));
        assert_eq!(server.hears(&b), received(&[n, 2]));
        assert_eq!(server.hears(&a), received(&[n, 1]));
        assert_eq!(server.hears(&a), []);
        assert_eq!(server.hears(&b), []);
        let back = server.sends(&[n]);
        assert_eq!(client.hears(&back), received(&[n]));
    }
    assert_eq!(server.stats.records_refused, 200);
}

#[test]
fn several_records_may_share_a_datagram() {
    let (mut client, mut server) = pair();
    let both = [client.sends(b"one"), client.sends(b"two")].concat();
    let heard = server.hears(&both);
    assert_eq!(heard, [received(b"one"), received(b"two")].concat());
}

#[test]
fn a_datagram_of_many_records_costs_no_more_than_its_share() {
    let (mut client, mut server) = pair();
    let many: Vec<u8> = (0..1700).flat_map(|_| client.sends(b"")).collect();
    assert_eq!(server.hears(&many).len(), MAX_RECORDS);
    assert_eq!(server.stats.records_refused, 1);
}

#[test]
fn no_bit_of_a_record_may_change() {
    let (mut client, mut server) = pair();
    let record = client.sends(b"forward");
    for bit in 0..record.len() * 8 {
        let mut changed = record.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(server.hears(&changed), [], "bit {bit}");
    }
    for len in 0..record.len() {
        assert_eq!(server.hears(&record[..len]), [], "{len} bytes");
    }
    // Nothing of all this stands in its way: no forgery moved the window.
    assert_eq!(server.hears(&record), received(b"forward"));
}

#[test]
fn what_we_sealed_ourselves_is_not_taken_for_the_others() {
    let mut client = End::new(DtlsRole::Client);
    let record = client.sends(b"echo");
    assert_eq!(client.hears(&record), []);
}

#[test]
fn every_record_has_a_nonce_of_its_own() {
    let mut client = End::new(DtlsRole::Client);
    let nonces: std::collections::BTreeSet<Vec<u8>> = (0..10_000)
        .map(|_| client.sends(b"x")[RECORD_HEADER..RECORD_HEADER + 8].to_vec())
        .collect();
    assert_eq!(nonces.len(), 10_000);
    // The number behind that of the Finished message, and a prefix that is not its nonce's.
    assert_eq!(nonces.first().unwrap()[..], [0, 1, 0, 0, 0, 0, 0, 1]);
}

#[test]
fn no_nonce_begins_as_one_of_webrtc_dtls_did() {
    let mut sealed = Sealed::default();
    for (n, prefix) in [0_u8, 1, 3, 0].into_iter().enumerate() {
        let mut record = forged(ContentType::Handshake, 1, FINISHED_RECORD);
        record[10] = n as u8;
        record[RECORD_HEADER..RECORD_HEADER + 2].copy_from_slice(&[0, prefix]);
        sealed.note(&take_record(&mut record.as_slice()).unwrap());
    }
    let mut sealer = Sealer::new(&no_key(), &sealed).unwrap();
    let record = sealer.seal(ContentType::ApplicationData, b"x").unwrap();
    assert_eq!(record[3..11], [0, 1, 0, 0, 0, 0, 0, 4]);
    assert_eq!(record[RECORD_HEADER..][..8], [0, 2, 0, 0, 0, 0, 0, 4]);
}

#[test]
fn what_is_no_master_secret_makes_no_keys() {
    for len in [0, 47, 49] {
        assert!(keys::expand(&vec![3; len], &[1; 32], &[2; 32]).is_none());
    }
}

fn no_key() -> keys::RecordKey {
    keys::RecordKey {
        key: [0; 16],
        salt: [0; 4],
    }
}

#[test]
fn numbers_that_are_used_up_seal_nothing() {
    let mut record = forged(ContentType::Handshake, 1, FINISHED_RECORD);
    record[5..11].copy_from_slice(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xfe]);
    let mut sealed = Sealed::default();
    sealed.note(&take_record(&mut record.as_slice()).unwrap());
    let mut sealer = Sealer::new(&no_key(), &sealed).unwrap();
    assert!(sealer.seal(ContentType::ApplicationData, b"last").is_some());
    assert!(
        sealer
            .seal(ContentType::ApplicationData, b"one more")
            .is_none()
    );
    assert!(
        sealer
            .seal(ContentType::ApplicationData, b"one more")
            .is_none()
    );
}

#[test]
fn what_is_too_long_is_neither_sent_nor_taken() {
    let (mut client, mut server) = pair();
    let long = vec![1; MAX_APPLICATION_DATA + 1];
    assert_eq!(client.does(DtlsAction::Send(long.clone())).1, []);
    assert_eq!(client.stats.queue_full, 1);
    let sealer = &mut client.established.sealer;
    let record = sealer.seal(ContentType::ApplicationData, &long).unwrap();
    assert_eq!(server.hears(&record), []);
    assert_eq!(server.stats.records_refused, 1);
}

#[test]
fn close_notify_ends_both_and_is_answered() {
    let (mut client, mut server) = pair();
    let (next, said) = client.does(DtlsAction::Close);
    assert_eq!(next, Next::Over);
    let [DtlsEvent::Datagram(goodbye)] = said.as_slice() else {
        panic!("{said:?}")
    };
    let (next, heard) = server.does(DtlsAction::Datagram(goodbye.clone()));
    assert_eq!(next, Next::Over);
    let [DtlsEvent::Datagram(answer), DtlsEvent::Closed] = heard.as_slice() else {
        panic!("{heard:?}")
    };
    let opened = client.does(DtlsAction::Datagram(answer.clone()));
    assert_eq!(opened.0, Next::Over);
}

#[test]
fn a_fatal_alert_ends_it_and_a_warning_does_not() {
    let (mut client, mut server) = pair();
    let mut alert = |body: [u8; 2]| {
        let sealer = &mut client.established.sealer;
        DtlsAction::Datagram(sealer.seal(ContentType::Alert, &body).unwrap())
    };
    assert_eq!(server.does(alert([1, 90])), (Next::GoesOn, vec![]));
    let ended = server.does(alert([2, 20]));
    assert_eq!(ended, (Next::Over, vec![DtlsEvent::Closed]));
}

#[test]
fn nothing_in_the_clear_and_nothing_forged_passes() {
    let mut server = End::new(DtlsRole::Server);
    for refused in [
        frame(ContentType::Alert, 0, &[2, 40]),
        frame(ContentType::Alert, 0, &CLOSE_NOTIFY),
        frame(ContentType::ApplicationData, 0, &[1; 40]),
        frame(ContentType::ChangeCipherSpec, 0, &[1]),
        // A message that only a server sends.
        frame(ContentType::Handshake, 0, &frame_message(2, 0, &[0; 50])),
        forged(ContentType::ChangeCipherSpec, 1, 1),
        forged(ContentType::ChangeCipherSpec, 1, 25),
        forged(ContentType::Handshake, 1, GCM_OVERHEAD + 13),
        forged(ContentType::Alert, 1, ALERT_RECORD),
        forged(ContentType::ApplicationData, 1, GCM_OVERHEAD - 1),
        forged(ContentType::ApplicationData, 1, GCM_OVERHEAD),
        forged(ContentType::ApplicationData, 1, 2000),
        forged(ContentType::ApplicationData, 1, 8000),
        forged(ContentType::ApplicationData, 2, 40),
        vec![23; 7],
    ] {
        let before = server.stats.records_refused;
        assert_eq!(server.hears(&refused), [], "{refused:?}");
        assert_eq!(server.stats.records_refused, before + 1, "{refused:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_repeats_its_last_flight_gets_ours() {
    let mut server = End::new(DtlsRole::Server);
    for repeated in [
        frame(ContentType::Handshake, 0, &frame_message(11, 2, &[0; 50])),
        forged(ContentType::Handshake, 1, FINISHED_RECORD),
    ] {
        let ours = [DtlsEvent::Datagram(b"last flight".to_vec())];
        assert_eq!(server.hears(&repeated), ours);
        assert_eq!(server.hears(&repeated), []); // not at once again
        tokio::time::advance(std::time::Duration::from_secs(1)).await;
    }
}

/// Records of every kind, whole, cut, changed and made up.
#[test]
fn a_million_hostile_records_end_nothing() {
    let (mut client, mut server) = pair();
    let good = client.sends(&[7; 40]);
    let mut dice = 1_u64;
    let mut roll = |n: usize| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (dice >> 33) as usize % n
    };
    let mut hostile = Vec::new();
    for _ in 0..1_000_000 {
        hostile.clear();
        hostile.extend_from_slice(&good[..roll(good.len() + 1)]);
        hostile.resize(hostile.len() + roll(20), 0x5a);
        for _ in 0..1 + roll(4) {
            let len = hostile.len().max(1);
            if let Some(byte) = hostile.get_mut(roll(len)) {
                *byte = roll(256) as u8;
            }
        }
        if hostile.starts_with(&good) {
            continue; // one in many is the record itself, which is not hostile
        }
        let heard = server.hears(&hostile);
        let only_flights =
            |e: &DtlsEvent| matches!(e, DtlsEvent::Datagram(d) if d == b"last flight");
        assert!(heard.iter().all(only_flights), "{hostile:?}");
    }
    assert_eq!(server.hears(&good), received(&[7; 40]));
}
