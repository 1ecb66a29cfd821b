use super::AttributeKind;
use super::attribute::{Attributes, body};

/// The USERNAME of a datagram that looks like a Binding request, before any
/// checksum or HMAC: what a demultiplexer of many agents goes by. Up to the
/// colon it is the username fragment of the receiver (RFC 8445 section 7.2.2).
pub fn peek_username(datagram: &[u8]) -> Option<&str> {
    if !datagram.starts_with(&[0x00, 0x01]) {
        return None;
    }
    let (_, username) = Attributes::new(body(datagram)?)
        .take(4) // every sender puts it first or behind SOFTWARE
        .find(|(kind, _)| *kind == AttributeKind::USERNAME)?;
    core::str::from_utf8(username).ok()
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;
    use crate::stun::{Class, MessageWriter, Method, TransactionId};

    fn message(class: Class) -> Vec<u8> {
        let mut buf = Vec::new();
        let mut writer =
            MessageWriter::new(&mut buf, class, Method::BINDING, TransactionId([1; 12]));
        writer.software("sender");
        writer.username("ours:theirs");
        writer.finish(None);
        buf
    }

    #[test]
    fn only_of_requests() {
        assert_eq!(peek_username(&message(Class::Request)), Some("ours:theirs"));
        assert_eq!(peek_username(&message(Class::Success)), None);
        assert_eq!(peek_username(&[]), None);
        assert_eq!(peek_username(&[0x80; 40]), None);
    }

    #[test]
    fn never_past_the_end() {
        let request = message(Class::Request);
        for len in 0..request.len() {
            assert_eq!(peek_username(&request[..len]), None);
        }
    }
}
