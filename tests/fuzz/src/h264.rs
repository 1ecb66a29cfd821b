//! H.264 from a publisher: byte streams from files and cameras, RTP payloads from the net.

use transom_rtc_proto::codec::h264::{
    AnnexB, Avcc, Depacketizer, NalType, Packetizer, SliceHeader, Sps, is_key_frame_start,
};
use transom_rtc_proto::id::{ExtSeq, MediaTime};

/// Small, so that short inputs are cut into many fragments.
const MAX_PAYLOAD: usize = 40;
const MAX_UNIT: usize = 4096;

/// H.264: a byte stream survives packetizing and depacketizing, and any payloads at all are bounded.
pub fn h264(data: &[u8]) -> bool {
    any_payloads(data);
    for nal in AnnexB::new(data)
        .chain(Avcc::new(data, 4))
        .chain(Avcc::new(data, 2))
    {
        let _ = (Sps::parse(nal), SliceHeader::parse(nal));
    }
    there_and_back(data)
}

/// The input cut into payloads: a length byte before each, whose highest bit is the marker.
fn any_payloads(data: &[u8]) {
    let mut depacketizer = Depacketizer::new(MAX_UNIT);
    let mut rest = data;
    for seq in 0.. {
        let Some((head, after)) = rest.split_first() else {
            break;
        };
        let (payload, after) = after.split_at(usize::from(head & 0x7f).min(after.len()));
        rest = after;
        let _ = is_key_frame_start(payload);
        let _ = depacketizer.push(ExtSeq(seq), MediaTime(0), head & 0x80 != 0, payload);
        while let Some(unit) = depacketizer.poll() {
            assert!(
                unit.data.len() <= MAX_UNIT,
                "a unit of {} bytes",
                unit.data.len()
            );
        }
    }
}

fn there_and_back(data: &[u8]) -> bool {
    let nals: Vec<&[u8]> = AnnexB::new(data).filter(|nal| is_sent(nal)).collect();
    if nals.is_empty() {
        return false;
    }
    let mut depacketizer = Depacketizer::new(2 * data.len() + 4 * nals.len());
    // A stream that is under way: at its very start a unit may be taken for the rest of one.
    let _ = depacketizer.push(ExtSeq(0), MediaTime(0), true, &[]);
    let mut buffer = [0; MAX_PAYLOAD];
    for (seq, payload) in (1..).zip(Packetizer::new(MAX_PAYLOAD).packetize(nals.iter().copied())) {
        let len = payload
            .write(&mut buffer)
            .expect("no payload is above the limit");
        let taken = depacketizer.push(ExtSeq(seq), MediaTime(0), payload.is_last(), &buffer[..len]);
        taken.expect("our own payloads are sound");
    }
    let unit = depacketizer.poll().expect("the last payload ends the unit");
    assert!(AnnexB::new(&unit.data).eq(nals), "not what was sent");
    true
}

/// What a packetizer sends as it is: no delimiters or filler, no aggregation or fragments of others.
fn is_sent(nal: &[u8]) -> bool {
    let header = nal[0];
    header & 0x80 == 0 && matches!(header & 0x1f, 1..=8) && NalType::of(nal).is_some()
}
