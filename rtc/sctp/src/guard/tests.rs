use super::*;
use crate::packet::{params, push_param};
use proptest::prelude::*;

const CONFIG: SctpConfig = SctpConfig {
    initiate: false,
    local_port: 5000,
    remote_port: 5001,
    max_receive_message: 1000,
    max_send_message: 1000,
    receive_buffer: 100_000,
    max_streams: 4,
    max_packet: 1163,
};
const TSN: u32 = 100;

fn packet(chunks: &[(u8, u8, &[u8])]) -> Vec<u8> {
    let mut writer = Writer::new(Header {
        source: 5001,
        destination: 5000,
        tag: 1,
    });
    for (kind, flags, value) in chunks {
        writer.chunk(*kind, *flags, value);
    }
    writer.finish().to_vec()
}

fn init_value(tag: u32, credit: u32, tsn: u32) -> Vec<u8> {
    let mut value = Vec::new();
    value.extend(tag.to_be_bytes());
    value.extend(credit.to_be_bytes());
    value.extend([0, 10, 0, 10]);
    value.extend(tsn.to_be_bytes());
    value
}

fn data_value(tsn: u32, stream: u16, len: usize) -> Vec<u8> {
    let mut value = Vec::new();
    value.extend(tsn.to_be_bytes());
    value.extend(stream.to_be_bytes());
    value.extend([0, 0, 0, 0, 0, 53]);
    value.extend(vec![7; len]);
    value
}

fn guard() -> Guard {
    let mut guard = Guard::new(&CONFIG);
    let init = packet(&[(chunk::INIT, 0, &init_value(9, 5000, TSN))]);
    let admitted = guard.admit(&init, false).unwrap();
    assert!(admitted.init);
    assert_eq!(guard.peer_tag(), Some(9));
    guard
}

/// The chunks of a packet that went on: type and value.
type Heard = Vec<(u8, Vec<u8>)>;

impl Guard {
    fn hears(&mut self, chunks: &[(u8, u8, &[u8])]) -> Result<Vec<Heard>, Refusal> {
        let admitted = self.admit(&packet(chunks), true)?;
        let chunks = |p: &Bytes| {
            let (_, chunks) = parse(p).unwrap();
            let owned = chunks.map(|c| c.unwrap());
            owned.map(|c| (c.kind, c.value.to_vec())).collect()
        };
        Ok(admitted.packets.iter().map(chunks).collect())
    }

    fn hears_data(&mut self, tsn: u32, stream: u16, len: usize) -> Result<usize, Refusal> {
        let heard = self.hears(&[(chunk::DATA, 3, &data_value(tsn, stream, len))])?;
        Ok(heard.iter().flatten().count())
    }
}

#[test]
fn other_ports_sums_and_lengths_are_not_for_us() {
    let mut guard = guard();
    let good = packet(&[(chunk::COOKIE_ACK, 0, &[])]);
    assert_eq!(guard.admit(&good, true).unwrap().packets.len(), 1);
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        assert_eq!(guard.admit(&bad, true).unwrap_err(), Refusal::Packet);
    }
    for len in 0..good.len() {
        assert!(guard.admit(&good[..len], true).is_err());
    }
    let many = vec![(chunk::COOKIE_ACK, 0, &[][..]); MAX_CHUNKS + 1];
    assert_eq!(guard.hears(&many), Err(Refusal::Packet));
    let long = vec![0; MAX_PACKET + 1];
    assert_eq!(guard.admit(&long, true).unwrap_err(), Refusal::Packet);
}

#[test]
fn an_init_stands_alone_once_and_keeps_what_matters() {
    let mut guard = Guard::new(&CONFIG);
    for bad in [
        init_value(0, 5000, TSN),
        init_value(9, 1499, TSN),
        init_value(9, 5000, TSN)[..15].to_vec(),
    ] {
        let init = packet(&[(chunk::INIT, 0, &bad)]);
        assert_eq!(guard.admit(&init, false).unwrap_err(), Refusal::Packet);
    }
    let mut value = init_value(9, 5000, TSN);
    push_param(&mut value, 5, &[127, 0, 0, 1]); // sctp-proto refuses an address
    push_param(&mut value, 0xc000, &[]);
    push_param(&mut value, 0x8001, &[0, 0, 0, 1]);
    push_param(&mut value, 7, b"cookie");
    let two = packet(&[(chunk::INIT, 0, &value), (chunk::COOKIE_ACK, 0, &[])]);
    assert_eq!(guard.admit(&two, false).unwrap_err(), Refusal::Packet);
    let init = packet(&[(chunk::INIT, 7, &value)]);
    let admitted = guard.admit(&init, false).unwrap();
    let (_, mut chunks) = parse(&admitted.packets[0]).unwrap();
    let kept = chunks.next().unwrap().unwrap();
    assert_eq!(kept.flags, 0);
    let kept = params(&kept.value[16..]).unwrap();
    assert_eq!(kept, [(0xc000, &[][..]), (7, b"cookie")]);
    // Again, yes; another, no; once established, no.
    assert!(guard.admit(&init, false).is_ok());
    let other = packet(&[(chunk::INIT, 0, &init_value(8, 5000, TSN))]);
    assert_eq!(guard.admit(&other, false).unwrap_err(), Refusal::Packet);
    assert_eq!(guard.admit(&init, true).unwrap_err(), Refusal::Packet);
}

#[test]
fn data_goes_apart_from_the_rest_and_is_acknowledged_at_once() {
    let mut guard = guard();
    let (a, b) = (data_value(TSN, 0, 5), data_value(TSN + 1, 0, 1));
    let packets = guard
        .admit(
            &packet(&[
                (chunk::COOKIE_ACK, 0, &[]),
                (chunk::DATA, 2, &a),
                (chunk::DATA, 1, &b),
                (chunk::COOKIE_ACK, 0, &[]),
            ]),
            true,
        )
        .unwrap()
        .packets;
    assert_eq!(packets.len(), 3);
    let (_, chunks) = parse(&packets[1]).unwrap();
    let flags: Vec<u8> = chunks.map(|c| c.unwrap().flags).collect();
    assert_eq!(flags, [2 | 8, 1 | 8]);
}

#[test]
fn what_sctp_proto_would_choke_on_is_left_out() {
    let mut guard = guard();
    let ok = guard.hears(&[
        (9, 0, b"\0\x04\0\x04"), // ERROR
        (5, 0, b"\0\x01\0\x04"), // HEARTBEAT ACK
        (15, 0, b"AUTH"),        // AUTH
        (0x84, 0, &[0; 100]),    // PAD
        (0xc1, 0, b"ASCONF"),    // ASCONF
        (194, 0, &[0; 4]),       // I-FORWARD-TSN
        (chunk::COOKIE_ACK, 0, b"what?"),
    ]);
    assert_eq!(ok, Ok(vec![vec![(chunk::COOKIE_ACK, vec![])]]));
    // I-DATA is unknown, and says to stop there.
    let heard = guard.hears(&[(0x40, 0, &[0; 20]), (chunk::COOKIE_ACK, 0, &[])]);
    assert_eq!(heard, Ok(vec![]));
}

#[test]
fn empty_data_ends_the_association() {
    assert_eq!(guard().hears_data(TSN, 0, 0), Err(Refusal::Hostile));
    let short = guard().hears(&[(chunk::DATA, 3, &[0; 5])]);
    assert_eq!(short, Err(Refusal::Hostile));
}

#[test]
fn streams_have_a_bound() {
    let mut guard = guard();
    for stream in 0..4 {
        assert_eq!(guard.hears_data(TSN + u32::from(stream), stream, 1), Ok(1));
    }
    assert!(!guard.add(StreamId(4)));
    assert_eq!(guard.hears_data(TSN + 4, 4, 1), Err(Refusal::Hostile));
    guard.forget(StreamId(0));
    assert_eq!(guard.hears_data(TSN + 5, 4, 1), Ok(1));
}

#[test]
fn tsns_far_ahead_are_not_taken() {
    let mut guard = guard();
    assert_eq!(guard.hears_data(TSN + window::WINDOW, 0, 1), Ok(0));
    assert_eq!(guard.hears_data(TSN + (1 << 30), 0, 1), Ok(0));
    assert_eq!(guard.hears_data(TSN + window::WINDOW - 1, 0, 1), Ok(1));
    let forward = |tsn: u32| tsn.to_be_bytes();
    let far = guard.hears(&[(chunk::FORWARD_TSN, 0, &forward(TSN + 2000))]);
    assert_eq!(far, Ok(vec![]));
    let near = guard.hears(&[(chunk::FORWARD_TSN, 0, &forward(TSN + 10))]);
    assert_eq!(near.unwrap().len(), 1);
    assert_eq!(guard.hears_data(TSN + 10 + window::WINDOW, 0, 1), Ok(1));
}

#[test]
fn chunks_that_wait_have_a_bound_whatever_their_size() {
    let mut guard = guard();
    for n in 0..MAX_PENDING as u32 {
        assert_eq!(guard.hears_data(TSN + 1 + n, 0, 1), Ok(1));
    }
    let next = TSN + 1 + MAX_PENDING as u32;
    assert_eq!(guard.hears_data(next, 0, 1), Ok(0));
    // What fills a gap is always taken: nothing goes on without it.
    assert_eq!(guard.hears_data(TSN, 0, 1), Ok(1));
    guard.delivered(2);
    assert_eq!(guard.hears_data(next, 0, 1), Ok(1));
    assert_eq!(guard.hears_data(next + 1, 0, 1), Ok(0));
    // A SACK of ours with the whole window: nothing is held any more.
    let mut sack = Vec::from(TSN.to_be_bytes());
    sack.extend(100_000_u32.to_be_bytes());
    sack.extend([0; 4]);
    guard.on_sent(&packet(&[(chunk::SACK, 0, &sack)]), 100_000);
    assert_eq!(guard.hears_data(next + 1, 0, 1), Ok(1));
}

#[test]
fn gaps_are_in_order_and_counted() {
    let sack = |gaps: &[[u16; 2]], duplicates: u16, rest: usize| {
        let mut value = vec![0; 8];
        value.extend((gaps.len() as u16).to_be_bytes());
        value.extend(duplicates.to_be_bytes());
        value.extend(gaps.iter().flatten().flat_map(|g| g.to_be_bytes()));
        value.extend(vec![1; rest]);
        guard().hears(&[(chunk::SACK, 0, &value)]).unwrap()
    };
    let kept = sack(&[[2, 3], [5, 5]], 1, 4);
    assert_eq!(kept[0][0].1.len(), 20);
    assert_eq!(kept[0][0].1[10..12], [0, 0]);
    for refused in [
        sack(&[[0, 3]], 0, 0),
        sack(&[[3, 2]], 0, 0),
        sack(&[[2, 5], [4, 8]], 0, 0),
        sack(&[[1, 65_535], [1, 65_535]], 0, 0),
        sack(&[[2, 3]], 1, 0),
        sack(&[[2, 3]], 0, 4),
    ] {
        assert!(refused.is_empty());
    }
}

#[test]
fn heartbeats_are_short() {
    let heartbeat = |len: usize| {
        let mut value = Vec::new();
        push_param(&mut value, 1, &vec![1; len]);
        guard().hears(&[(chunk::HEARTBEAT, 0, &value)]).unwrap()
    };
    assert_eq!(heartbeat(40).len(), 1);
    assert!(heartbeat(1000).is_empty());
}

fn reset(last_tsn: u32, streams: &[u16]) -> Vec<u8> {
    let mut content = vec![0; 8];
    content.extend(last_tsn.to_be_bytes());
    content.extend(streams.iter().flat_map(|s| s.to_be_bytes()));
    let mut value = Vec::new();
    push_param(&mut value, 13, &content);
    value
}

#[test]
fn resets_go_one_by_one_and_have_a_bound() {
    let mut guard = guard();
    guard.hears_data(TSN, 2, 1).unwrap();
    let mut both = reset(TSN, &[2]);
    push_param(&mut both, 16, &[0; 8]);
    push_param(&mut both, 14, &[0; 8]); // incoming reset: not understood
    let heard = guard.hears(&[(chunk::RE_CONFIG, 0, &both)]).unwrap();
    assert_eq!(heard[0].len(), 2);
    let all = guard.hears(&[(chunk::RE_CONFIG, 0, &reset(TSN, &[]))]);
    assert_eq!(all, Ok(vec![]));
    // Of streams that do not exist they cost nothing.
    for _ in 0..1000 {
        let none = guard.hears(&[(chunk::RE_CONFIG, 0, &reset(TSN, &[3]))]);
        assert_eq!(none.unwrap().len(), 1);
    }
    for _ in 1..MAX_RESETS {
        assert!(
            guard
                .hears(&[(chunk::RE_CONFIG, 0, &reset(TSN, &[2]))])
                .is_ok()
        );
    }
    guard.reset_over();
    assert!(
        guard
            .hears(&[(chunk::RE_CONFIG, 0, &reset(TSN, &[2]))])
            .is_ok()
    );
    let more = guard.hears(&[(chunk::RE_CONFIG, 0, &reset(TSN, &[2]))]);
    assert_eq!(more, Err(Refusal::Hostile));
}

#[test]
fn a_number_is_not_used_again_before_its_reset_is_over() {
    let mut guard = guard();
    guard.hears_data(TSN, 2, 1).unwrap();
    // TSN + 1 is missing.
    let request = reset(TSN + 1, &[2]);
    guard.hears(&[(chunk::RE_CONFIG, 0, &request)]).unwrap();
    assert_eq!(guard.hears_data(TSN + 2, 2, 1), Ok(0));
    assert_eq!(guard.hears_data(TSN + 2, 1, 1), Ok(1));
    assert_eq!(guard.hears_data(TSN + 1, 2, 1), Ok(1));
    assert_eq!(guard.hears_data(TSN + 3, 2, 1), Ok(1));
}

#[test]
fn a_message_over_the_bound_is_noticed() {
    let mut guard = guard();
    for n in 0..3 {
        let flags = if n == 0 { 2 } else { 0 };
        let value = data_value(TSN + n, 0, 400);
        guard.hears(&[(chunk::DATA, flags, &value)]).unwrap();
    }
    assert!(guard.too_large);
}

proptest! {
    #[test]
    fn whatever_comes_is_written_well(chunks in prop::collection::vec(
        (prop_oneof![0_u8..16, Just(130), Just(192), any::<u8>()], any::<u8>(), prop::collection::vec(any::<u8>(), 0..64)),
        0..20,
    )) {
        let mut guard = guard();
        let chunks: Vec<(u8, u8, &[u8])> = chunks.iter().map(|(k, f, v)| (*k, *f, &v[..])).collect();
        if let Ok(admitted) = guard.admit(&packet(&chunks), true) {
            for packet in admitted.packets {
                let (_, mut chunks) = parse(&packet).expect("a checksum");
                prop_assert!(chunks.all(|c| c.is_ok()));
                prop_assert!(packet.len() % 4 == 0);
            }
        }
    }
}
