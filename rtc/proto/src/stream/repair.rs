//! The whole repair path over a lossy link, in simulated time: packetizer,
//! retransmit buffer and RTX on one side; NACK, reordering and depacketizer on
//! the other.

use core::time::Duration;
use std::collections::BTreeMap;
use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use crate::codec::h264::{AnnexB, Depacketizer, Packetizer, START_CODE};
use crate::id::{ExtSeq, MediaTime, Pt, Ssrc};
use crate::rtcp::{Nack, Packet, Packets};
use crate::rtp::SeqUnwrapper;
use crate::stream::{
    Arrival, MediaInfo, NackGenerator, NackPolicy, ReorderBuffer, RetransmitBuffer, rtx,
};
use crate::time::Instant;

const FRAMES: u64 = 60;
const RTT: Duration = Duration::from_millis(40);

/// Loss and delay that depend on nothing but the seed.
struct Link {
    state: u64,
    loss_percent: u64,
    /// What is under way, by arrival time and number of sending.
    under_way: BTreeMap<(Instant, u64), Vec<u8>>,
    sent: u64,
}

impl Link {
    fn new(seed: u64, loss_percent: u64) -> Self {
        Self {
            state: seed | 1,
            loss_percent,
            under_way: BTreeMap::new(),
            sent: 0,
        }
    }

    fn random(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state >> 16
    }

    /// A link without loss is clean in all else too.
    fn send(&mut self, now: Instant, packet: Vec<u8>) {
        self.sent += 1;
        if self.chance(self.loss_percent) {
            return;
        }
        let dirty = self.loss_percent > 0;
        let mut at = now + RTT / 2;
        if dirty && self.chance(10) {
            at += Duration::from_millis(self.random() % 8); // falls behind
        }
        if dirty && self.chance(2) {
            self.under_way.insert((at + RTT, self.sent), packet.clone());
        }
        self.under_way.insert((at, self.sent), packet);
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.random() % 100 < percent
    }

    fn receive(&mut self, now: Instant) -> Option<Vec<u8>> {
        let entry = self.under_way.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }
}

/// A packet on the simulated wire: kind, marker, number, timestamp, payload.
fn wire(repair: bool, marker: bool, seq: u16, timestamp: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![u8::from(repair), u8::from(marker)];
    out.extend(seq.to_be_bytes());
    out.extend(timestamp.to_be_bytes());
    out.extend(payload);
    out
}

fn frame(n: u64) -> Vec<u8> {
    let mut data = Vec::new();
    let nals: &[(u8, u64)] = if n.is_multiple_of(30) {
        &[(0x67, 10), (0x68, 4), (0x65, 9000)]
    } else {
        &[(0x41, 2500)]
    };
    for (header, len) in nals {
        data.extend(START_CODE);
        data.push(*header);
        data.extend((0..*len).map(|i| 0x80 | (i * 31 + n) as u8));
    }
    data
}

/// Frames received whole and in order, and repairs sent.
fn run(seed: u64, loss_percent: u64) -> (Vec<Vec<u8>>, u32) {
    let (mut down, mut up) = (
        Link::new(seed, loss_percent),
        Link::new(!seed, loss_percent),
    );
    let mut kept = RetransmitBuffer::new(512, 200_000);
    let mut sent_seq = ExtSeq(65_300 + 65_536); // rolls over on the way
    let mut repairs = 0;

    let mut unwrapper = SeqUnwrapper::new();
    let mut nack = NackGenerator::new(NackPolicy::default());
    let mut order = ReorderBuffer::new(512, Duration::from_millis(1000));
    let mut depacketizer = Depacketizer::new(100_000);
    let mut received = Vec::new();

    // One frame more, so that each loss before it shows as a gap.
    for tick in 0..FRAMES * 33 + 2000 {
        let now = Instant::from_millis(tick);
        if tick.is_multiple_of(33) && tick / 33 <= FRAMES {
            let data = frame(tick / 33);
            let timestamp = MediaTime(tick as u32 * 90);
            for piece in Packetizer::new(400).packetize(AnnexB::new(&data)) {
                let mut payload = vec![0; piece.len()];
                piece.write(&mut payload).unwrap();
                let info = MediaInfo {
                    pt: Pt::from_low_bits(96),
                    timestamp,
                    marker: piece.is_last(),
                    key_frame_start: false,
                };
                assert!(kept.push(now, sent_seq, info, &payload));
                let seq = sent_seq.seq().0;
                // The first packet always arrives: a receiver cannot miss what is before it.
                let bytes = wire(false, info.marker, seq, timestamp.0, &payload);
                match tick {
                    0 if received.is_empty() && down.sent == 0 => {
                        down.sent += 1;
                        down.under_way.insert((now, 0), bytes);
                    }
                    _ => down.send(now, bytes),
                }
                sent_seq = ExtSeq(sent_seq.0 + 1);
            }
        }
        while let Some(rtcp) = up.receive(now) {
            for packet in Packets::parse(&rtcp).unwrap() {
                let Packet::Nack(nack) = packet else {
                    panic!("{packet:?}")
                };
                for seq in nack.lost() {
                    let back = sent_seq.seq().distance(seq);
                    let seq = ExtSeq(sent_seq.0 - back.unsigned_abs() as u64);
                    let stored = kept.get(seq).unwrap();
                    let mut out = vec![0; stored.payload.len() + rtx::OVERHEAD];
                    rtx::encapsulate(seq.seq(), stored.payload, &mut out).unwrap();
                    let MediaInfo {
                        marker, timestamp, ..
                    } = stored.info;
                    down.send(now, wire(true, marker, repairs as u16, timestamp.0, &out));
                    repairs += 1;
                }
            }
        }
        while let Some(bytes) = down.receive(now) {
            let (head, payload) = bytes.split_first_chunk::<8>().unwrap();
            let mut seq = crate::id::SeqNo(u16::from_be_bytes([head[2], head[3]]));
            let mut payload = payload;
            if head[0] == 1 {
                (seq, payload) = rtx::decapsulate(payload).unwrap();
            }
            let timestamp = MediaTime(u32::from_be_bytes([head[4], head[5], head[6], head[7]]));
            let seq = unwrapper.unwrap(seq);
            if nack.on_packet(now, seq) != Arrival::Duplicate {
                order.push(now, seq, (timestamp, head[1] == 1, payload.to_vec()));
            }
        }
        while let Some((seq, (timestamp, marker, payload))) = order.pop(now) {
            let _ = depacketizer.push(seq, timestamp, marker, &payload);
            received.extend(depacketizer.poll().map(|u| u.data));
        }
        let mut due = Vec::new();
        nack.poll(now, RTT, &mut due);
        let mut rest = &due[..];
        while !rest.is_empty() {
            let mut rtcp = Vec::new();
            let told = Nack::emit(&mut rtcp, Ssrc(1), Ssrc(2), rest);
            up.send(now, rtcp);
            rest = &rest[told..];
        }
    }
    (received, repairs)
}

#[test]
fn a_clean_link_needs_no_repair() {
    let (received, repairs) = run(1, 0);
    assert_eq!((received.len() as u64, repairs), (FRAMES + 1, 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn every_frame_arrives_whole_through_loss(seed: u64, loss in 1u64..11) {
        let (received, repairs) = run(seed, loss);
        let expected: Vec<Vec<u8>> = (0..FRAMES).map(frame).collect();
        prop_assert!(repairs > 0);
        prop_assert!(received.starts_with(&expected), "{} of {FRAMES}", received.len());
    }

    #[test]
    fn the_same_seed_gives_the_same_run(seed: u64) {
        prop_assert_eq!(run(seed, 5), run(seed, 5));
    }
}
