//! What a datagram on a shared port is, from its first two bytes
//! (RFC 7983 section 7, RFC 5761 section 4).

/// The protocol that a datagram belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PacketKind {
    /// First byte 0 to 3.
    Stun,
    /// First byte 20 to 63.
    Dtls,
    /// First byte 128 to 191, and not RTCP.
    Rtp,
    /// First byte 128 to 191, second byte 192 to 223.
    Rtcp,
    /// Anything else: ZRTP, TURN channel data, noise.
    Unknown,
}

/// Tells the protocols on one port apart. Says nothing about validity.
pub fn classify(datagram: &[u8]) -> PacketKind {
    match datagram.first() {
        Some(0..=3) => PacketKind::Stun,
        Some(20..=63) => PacketKind::Dtls,
        Some(128..=191) if is_rtcp(datagram) => PacketKind::Rtcp,
        Some(128..=191) => PacketKind::Rtp,
        _ => PacketKind::Unknown,
    }
}

/// Whether a datagram of the RTP range is RTCP: its payload type field, the
/// marker bit left out, is 64 to 95 (RFC 5761 section 4).
pub fn is_rtcp(datagram: &[u8]) -> bool {
    matches!(datagram.get(1), Some(192..=223))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes_of_rfc_7983() {
        for (bytes, kind) in [
            (&[][..], PacketKind::Unknown),
            (&[0, 1], PacketKind::Stun),
            (&[3, 0], PacketKind::Stun),
            (&[4, 0], PacketKind::Unknown),
            (&[16, 0], PacketKind::Unknown),
            (&[20, 254], PacketKind::Dtls),
            (&[63, 0], PacketKind::Dtls),
            (&[64, 0], PacketKind::Unknown),
            (&[127, 200], PacketKind::Unknown),
            (&[128, 200], PacketKind::Rtcp),
            (&[128, 96], PacketKind::Rtp),
            (&[144, 0x80 | 96], PacketKind::Rtp),
            (&[191, 223], PacketKind::Rtcp),
            (&[128, 191], PacketKind::Rtp),
            (&[128, 224], PacketKind::Rtp),
            (&[128], PacketKind::Rtp),
            (&[192, 200], PacketKind::Unknown),
        ] {
            assert_eq!(classify(bytes), kind, "{bytes:?}");
        }
    }
}
