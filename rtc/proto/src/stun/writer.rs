use alloc::vec::Vec;
use core::net::SocketAddr;

use super::fingerprint::fingerprint;
use super::message::message_type;
use super::{
    AttributeKind, COOKIE, Class, ErrorCode, HEADER_LEN, IntegrityKey, Method, TieBreaker,
    TransactionId, address,
};

/// Appends one message to a buffer. [`MessageWriter::finish`] completes it.
#[derive(Debug)]
pub struct MessageWriter<'b> {
    buf: &'b mut Vec<u8>,
    start: usize,
    id: TransactionId,
}

/// The longest value that RFC 8489 knows (sections 14.3 and 14.14), bytes.
const MAX_VALUE: usize = 763;

impl<'b> MessageWriter<'b> {
    /// Begins a message behind what `buf` holds.
    pub fn new(buf: &'b mut Vec<u8>, class: Class, method: Method, id: TransactionId) -> Self {
        let start = buf.len();
        buf.extend_from_slice(&message_type(class, method).to_be_bytes());
        buf.extend_from_slice(&[0, 0]);
        buf.extend_from_slice(&COOKIE);
        buf.extend_from_slice(&id.0);
        Self { buf, start, id }
    }

    /// USERNAME, at most 508 bytes long (RFC 8489 section 14.3).
    pub fn username(&mut self, username: &str) {
        self.attribute(AttributeKind::USERNAME, username.as_bytes());
    }

    /// PRIORITY.
    pub fn priority(&mut self, priority: u32) {
        self.attribute(AttributeKind::PRIORITY, &priority.to_be_bytes());
    }

    /// USE-CANDIDATE.
    pub fn use_candidate(&mut self) {
        self.attribute(AttributeKind::USE_CANDIDATE, &[]);
    }

    /// ICE-CONTROLLING or ICE-CONTROLLED.
    pub fn tie_breaker(&mut self, tie_breaker: TieBreaker) {
        let (kind, value) = match tie_breaker {
            TieBreaker::Controlling(value) => (AttributeKind::ICE_CONTROLLING, value),
            TieBreaker::Controlled(value) => (AttributeKind::ICE_CONTROLLED, value),
        };
        self.attribute(kind, &value.to_be_bytes());
    }

    /// XOR-MAPPED-ADDRESS.
    pub fn xor_mapped_address(&mut self, addr: SocketAddr) {
        let (value, len) = address::emit(addr, self.id);
        self.attribute(AttributeKind::XOR_MAPPED_ADDRESS, &value[..len]);
    }

    /// ERROR-CODE with its usual reason phrase.
    pub fn error_code(&mut self, code: ErrorCode) {
        let reason = code.reason().as_bytes();
        let mut value = [0; 32];
        value[..4].copy_from_slice(&code.emit());
        let len = 4 + reason.len().min(28);
        value[4..len].copy_from_slice(&reason[..len - 4]);
        self.attribute(AttributeKind::ERROR_CODE, &value[..len]);
    }

    /// UNKNOWN-ATTRIBUTES, of at most eight kinds.
    pub fn unknown_attributes(&mut self, kinds: &[AttributeKind]) {
        let mut value = [0; 16];
        let mut len = 0;
        for (out, kind) in value.chunks_exact_mut(2).zip(kinds) {
            out.copy_from_slice(&kind.0.to_be_bytes());
            len += 2;
        }
        self.attribute(AttributeKind::UNKNOWN_ATTRIBUTES, &value[..len]);
    }

    /// SOFTWARE, at most 763 bytes long (RFC 8489 section 14.14).
    pub fn software(&mut self, software: &str) {
        self.attribute(AttributeKind::SOFTWARE, software.as_bytes());
    }

    /// Adds MESSAGE-INTEGRITY, if there is a key, and FINGERPRINT, and returns
    /// the length of the message.
    pub fn finish(mut self, key: Option<&IntegrityKey>) -> usize {
        if let Some(key) = key {
            let tag = key.tag(&self.buf[self.start..]);
            self.attribute(AttributeKind::MESSAGE_INTEGRITY, &tag);
        }
        // The length that FINGERPRINT covers includes FINGERPRINT.
        self.set_length(8);
        let value = fingerprint(&self.buf[self.start..]).to_be_bytes();
        self.attribute(AttributeKind::FINGERPRINT, &value);
        self.len()
    }

    /// Any attribute.
    #[cfg(test)]
    pub(crate) fn raw(&mut self, kind: AttributeKind, value: &[u8]) {
        self.attribute(kind, value);
    }

    /// Values longer than any that RFC 8489 knows are cut.
    fn attribute(&mut self, kind: AttributeKind, value: &[u8]) {
        let value = &value[..value.len().min(MAX_VALUE)];
        #[allow(clippy::cast_possible_truncation)] // at most MAX_VALUE
        let len = value.len() as u16;
        self.buf.extend_from_slice(&kind.0.to_be_bytes());
        self.buf.extend_from_slice(&len.to_be_bytes());
        self.buf.extend_from_slice(value);
        let padded = self.start + self.len().next_multiple_of(4);
        self.buf.resize(padded, 0);
    }

    fn set_length(&mut self, more: usize) {
        // A handful of attributes of at most MAX_VALUE stays far below 64 KiB.
        let len = u16::try_from(self.len() - HEADER_LEN + more).unwrap_or(u16::MAX);
        let at = self.start + 2;
        if let Some(field) = self.buf.get_mut(at..at + 2) {
            field.copy_from_slice(&len.to_be_bytes());
        }
    }

    fn len(&self) -> usize {
        self.buf.len() - self.start
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stun::Message;

    #[test]
    fn what_is_written_is_read() {
        let id = TransactionId(*b"0123456789ab");
        let key = IntegrityKey::new(b"0123456789012345678901");
        for addr in ["192.0.2.1:32853", "[2001:db8::7]:9"] {
            let addr: SocketAddr = addr.parse().unwrap();
            let mut buf = b"before".to_vec();
            let mut writer = MessageWriter::new(&mut buf, Class::Error, Method::BINDING, id);
            writer.username("a:b");
            writer.priority(77);
            writer.use_candidate();
            writer.tie_breaker(TieBreaker::Controlled(1 << 63));
            writer.xor_mapped_address(addr);
            writer.error_code(ErrorCode::ROLE_CONFLICT);
            writer.unknown_attributes(&[AttributeKind(0x7777)]);
            writer.software("transom");
            let len = writer.finish(Some(&key));
            let message = Message::parse(&buf[6..]).unwrap();
            assert_eq!(len, buf.len() - 6);
            message.verify_integrity(&key).unwrap();
            assert_eq!(message.transaction_id(), id);
            assert_eq!(message.username(), Some("a:b"));
            assert_eq!(message.priority(), Some(77));
            assert!(message.use_candidate());
            assert_eq!(message.tie_breaker(), Some(TieBreaker::Controlled(1 << 63)));
            assert_eq!(message.xor_mapped_address(), Some(addr));
            assert_eq!(message.error_code(), Some(ErrorCode::ROLE_CONFLICT));
            assert_eq!(
                message.attribute(AttributeKind::UNKNOWN_ATTRIBUTES),
                Some([0x77, 0x77].as_slice())
            );
            assert_eq!(message.software(), Some("transom"));
        }
    }

    #[test]
    fn a_mapped_ipv4_address_is_written_as_ipv4() {
        let mut buf = Vec::new();
        let id = TransactionId([3; 12]);
        let mut writer = MessageWriter::new(&mut buf, Class::Success, Method::BINDING, id);
        writer.xor_mapped_address("[::ffff:192.0.2.1]:5".parse().unwrap());
        writer.finish(None);
        assert_eq!(
            Message::parse(&buf).unwrap().xor_mapped_address(),
            Some("192.0.2.1:5".parse().unwrap())
        );
    }
}
