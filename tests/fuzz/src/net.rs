//! Datagrams.

use transom_rtc_proto::{rtcp::Packets, rtp, stun::Message};

/// STUN: every attribute of what parses can be asked for.
pub fn stun(data: &[u8]) -> bool {
    let Ok(message) = Message::parse(data) else {
        return false;
    };
    let _ = (message.class(), message.method(), message.transaction_id());
    let _ = (
        message.username(),
        message.priority(),
        message.use_candidate(),
        message.tie_breaker(),
    );
    let _ = (
        message.xor_mapped_address(),
        message.error_code(),
        message.software(),
    );
    assert!(
        message.attributes().count() <= data.len() / 4,
        "more attributes than there is room for"
    );
    assert!(message.unknown_required().count() <= data.len() / 4);
    true
}

/// RTP: header and payload lie inside the packet, and whatever the full parser takes the one for
/// still encrypted packets takes as well.
pub fn rtp(data: &[u8]) -> bool {
    let validated = rtp::validate_header(data);
    let Ok(packet) = rtp::RtpPacket::parse(data) else {
        return false;
    };
    let header = validated.expect("a sound packet has a sound header");
    assert!(header.header_len + packet.payload().len() <= data.len());
    for (id, value) in packet.extensions() {
        assert!(
            value.len() <= 255,
            "extension {id} is longer than its length can say"
        );
    }
    true
}

/// RTCP: what was checked once is readable to its end.
pub fn rtcp(data: &[u8]) -> bool {
    let Ok(packets) = Packets::parse(data) else {
        return false;
    };
    let count = packets.map(|packet| format!("{packet:?}").len()).count();
    assert!(
        (1..=data.len() / 4).contains(&count),
        "{count} packets in {} bytes",
        data.len()
    );
    true
}
