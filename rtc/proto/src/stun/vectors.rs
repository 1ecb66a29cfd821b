//! RFC 5769: test vectors for STUN.

use std::vec::Vec;

use super::*;

const PASSWORD: &[u8] = b"VOkJxbRl1RmTxUk/WvJxBt";
const ID: TransactionId = TransactionId([
    0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae,
]);

/// Section 2.1.
const REQUEST: &str = "
    00010058 2112a442 b7e7a701 bc34d686 fa87dfae
    80220010 5354554e 20746573 7420636c 69656e74
    00240004 6e0001ff
    80290008 932ff9b1 51263b36
    00060009 6576746a 3a683676 59202020
    00080014 9aeaa70c bfd8cb56 781ef2b5 b2d3f249 c1b571a2
    80280004 e57a3bcf";

/// Section 2.2.
const RESPONSE_IPV4: &str = "
    0101003c 2112a442 b7e7a701 bc34d686 fa87dfae
    8022000b 74657374 20766563 746f7220
    00200008 0001a147 e112a643
    00080014 2b91f599 fd9e90c3 8c7489f9 2af9ba53 f06be7d7
    80280004 c07d4c96";

/// Section 2.3.
const RESPONSE_IPV6: &str = "
    01010048 2112a442 b7e7a701 bc34d686 fa87dfae
    8022000b 74657374 20766563 746f7220
    00200014 0002a147 0113a9fa a5d3f179 bc25f4b5 bed2b9d9
    00080014 a382954e 4be67bf1 1784c97c 8292c275 bfe3ed41
    80280004 c8fb0b4c";

/// Section 2.4, with a long-term credential.
const REQUEST_LONG_TERM: &str = "
    00010060 2112a442 78ad3433 c6ad72c0 29da412e
    00060012 e3839ee3 8388e383 aae38383 e382afe3 82b90000
    0015001c 662f2f34 39396b39 35346436 4f4c3334 6f4c3946 53547679 36347341
    0014000b 6578616d 706c652e 6f726700
    00080014 f6702465 6dd64a3e 02b8e071 2e85c9a2 8ca89666";

/// MD5 of "U+30DE U+30C8 U+30EA U+30C3 U+30AF U+30B9:example.org:TheMatrIX".
const LONG_TERM_KEY: &str = "e8ca7ad59d5eb0518e312911d2dab2a9";

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().filter_map(|c| c.to_digit(16)).collect();
    digits
        .chunks_exact(2)
        .map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap())
        .collect()
}

#[test]
fn sample_request() {
    let datagram = bytes(REQUEST);
    let message = Message::parse(&datagram).unwrap();
    message
        .verify_integrity(&IntegrityKey::new(PASSWORD))
        .unwrap();
    assert_eq!(message.class(), Class::Request);
    assert_eq!(message.method(), Method::BINDING);
    assert_eq!(message.transaction_id(), ID);
    assert_eq!(message.software(), Some("STUN test client"));
    assert_eq!(message.username(), Some("evtj:h6vY"));
    assert_eq!(peek_username(&datagram), Some("evtj:h6vY"));
    assert_eq!(message.priority(), Some(0x6e00_01ff));
    assert_eq!(
        message.tie_breaker(),
        Some(TieBreaker::Controlled(0x932f_f9b1_5126_3b36))
    );
    assert!(!message.use_candidate());
    assert_eq!(message.unknown_required().count(), 0);
}

#[test]
fn sample_responses() {
    for (hex, mapped) in [
        (RESPONSE_IPV4, "192.0.2.1:32853"),
        (
            RESPONSE_IPV6,
            "[2001:db8:1234:5678:11:2233:4455:6677]:32853",
        ),
    ] {
        let datagram = bytes(hex);
        let message = Message::parse(&datagram).unwrap();
        message
            .verify_integrity(&IntegrityKey::new(PASSWORD))
            .unwrap();
        assert_eq!(message.class(), Class::Success);
        assert_eq!(message.transaction_id(), ID);
        assert_eq!(message.software(), Some("test vector"));
        assert_eq!(message.xor_mapped_address(), mapped.parse().ok());
    }
}

#[test]
fn sample_request_with_long_term_credential() {
    let datagram = bytes(REQUEST_LONG_TERM);
    let message = Message::parse(&datagram).unwrap();
    message
        .verify_integrity(&IntegrityKey::new(&bytes(LONG_TERM_KEY)))
        .unwrap();
    assert_eq!(
        message.username(),
        Some("\u{30DE}\u{30C8}\u{30EA}\u{30C3}\u{30AF}\u{30B9}")
    );
}

/// What we write differs from the vectors only in the padding, which RFC 8489
/// section 14 sets to zero; the vectors' lengths need none but in USERNAME.
#[test]
fn what_we_write_has_the_vectors_bytes() {
    let mut written = Vec::new();
    let mut writer = MessageWriter::new(&mut written, Class::Request, Method::BINDING, ID);
    writer.software("STUN test client");
    writer.priority(0x6e00_01ff);
    writer.tie_breaker(TieBreaker::Controlled(0x932f_f9b1_5126_3b36));
    writer.username("evtj:h6vY");
    writer.finish(Some(&IntegrityKey::new(PASSWORD)));
    let vector = bytes(REQUEST);
    let padding = 20 + 20 + 8 + 12 + 4 + 9;
    assert_eq!(written[..padding], vector[..padding]);
    assert_eq!(written[padding..padding + 3], [0, 0, 0]);
    assert_eq!(written.len(), vector.len());
}
