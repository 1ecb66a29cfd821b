use core::fmt;
use core::net::SocketAddr;

use super::attribute::body;
use super::fingerprint::fingerprint;
use super::{
    AttributeKind, Attributes, ErrorCode, HEADER_LEN, IntegrityKey, StunError, TieBreaker, address,
};

/// What a message is for (RFC 8489 section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Asks for a response.
    Request,
    /// Asks for nothing.
    Indication,
    /// Success response.
    Success,
    /// Error response.
    Error,
}

/// Method of a message, 12 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Method(u16);

impl Method {
    /// The only one that ICE uses.
    pub const BINDING: Self = Self(1);

    /// The number.
    pub const fn get(self) -> u16 {
        self.0
    }
}

/// Ties a response to its request.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionId(pub [u8; 12]);

impl fmt::Debug for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

/// A well-formed message that borrows its datagram. Well-formed is not
/// authentic: see [`Message::verify_integrity`].
#[derive(Clone, Debug)]
pub struct Message<'a> {
    datagram: &'a [u8],
    /// Where MESSAGE-INTEGRITY begins.
    integrity_at: Option<usize>,
    /// Where the attributes that count end: those behind MESSAGE-INTEGRITY
    /// are not covered by it and must be ignored (RFC 8489 section 14.5).
    end: usize,
}

/// Browsers send about ten attributes.
const MAX_ATTRIBUTES: usize = 32;

impl<'a> Message<'a> {
    /// Checks the header, the bounds of every attribute and FINGERPRINT, which
    /// may be absent.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, StunError> {
        if datagram.len() < HEADER_LEN {
            return Err(StunError::Length);
        }
        let Some(body) = body(datagram) else {
            return Err(match datagram.get(4..8) {
                Some(cookie) if cookie == super::COOKIE && datagram[0] < 0x40 => StunError::Length,
                _ => StunError::NotStun,
            });
        };
        let mut message = Self {
            datagram,
            integrity_at: None,
            end: datagram.len(),
        };
        let mut attributes = Attributes::new(body);
        for n in 0.. {
            let at = datagram.len() - attributes.rest().len();
            let Some((kind, value)) = attributes.next() else {
                break;
            };
            if n >= MAX_ATTRIBUTES {
                return Err(StunError::TooManyAttributes);
            }
            match kind {
                AttributeKind::MESSAGE_INTEGRITY if message.integrity_at.is_none() => {
                    message.integrity_at = Some(at);
                    message.end = at;
                }
                AttributeKind::FINGERPRINT => {
                    let covered = &datagram[..at];
                    if !attributes.rest().is_empty()
                        || value != fingerprint(covered).to_be_bytes().as_slice()
                    {
                        return Err(StunError::Fingerprint);
                    }
                    message.end = message.end.min(at);
                }
                _ => {}
            }
        }
        if !attributes.rest().is_empty() {
            return Err(StunError::Attribute);
        }
        Ok(message)
    }

    /// RFC 8489 section 5: the class is in bits 4 and 8 of the type.
    pub fn class(&self) -> Class {
        match self.kind() & 0x0110 {
            0x0000 => Class::Request,
            0x0010 => Class::Indication,
            0x0100 => Class::Success,
            _ => Class::Error,
        }
    }

    /// The method, whose bits lie around those of the class.
    pub fn method(&self) -> Method {
        let kind = self.kind();
        Method((kind & 0x000f) | ((kind & 0x00e0) >> 1) | ((kind & 0x3e00) >> 2))
    }

    /// The transaction id.
    pub fn transaction_id(&self) -> TransactionId {
        let mut id = [0; 12];
        id.copy_from_slice(&self.datagram[8..HEADER_LEN]);
        TransactionId(id)
    }

    /// The attributes that MESSAGE-INTEGRITY covers; all but FINGERPRINT where
    /// there is none.
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes::new(&self.datagram[HEADER_LEN..self.end])
    }

    /// The value of the first attribute of this kind: later ones are to be
    /// ignored (RFC 8489 section 14).
    pub fn attribute(&self, kind: AttributeKind) -> Option<&'a [u8]> {
        self.attributes().find(|(k, _)| *k == kind).map(|(_, v)| v)
    }

    /// Compares MESSAGE-INTEGRITY with what `key` makes of the message, in
    /// constant time.
    pub fn verify_integrity(&self, key: &IntegrityKey) -> Result<(), StunError> {
        let at = self.integrity_at.ok_or(StunError::NoIntegrity)?;
        let (covered, rest) = self.datagram.split_at(at);
        match Attributes::new(rest).next() {
            Some((_, tag)) if tag.len() == IntegrityKey::TAG_LEN => key.verify(covered, tag),
            _ => Err(StunError::NoIntegrity),
        }
    }

    /// USERNAME.
    pub fn username(&self) -> Option<&'a str> {
        core::str::from_utf8(self.attribute(AttributeKind::USERNAME)?).ok()
    }

    /// PRIORITY.
    pub fn priority(&self) -> Option<u32> {
        let value = self.attribute(AttributeKind::PRIORITY)?;
        Some(u32::from_be_bytes(value.try_into().ok()?))
    }

    /// USE-CANDIDATE.
    pub fn use_candidate(&self) -> bool {
        self.attribute(AttributeKind::USE_CANDIDATE).is_some()
    }

    /// ICE-CONTROLLING or ICE-CONTROLLED, whichever comes first.
    pub fn tie_breaker(&self) -> Option<TieBreaker> {
        self.attributes().find_map(|(kind, value)| {
            let role = match kind {
                AttributeKind::ICE_CONTROLLING => TieBreaker::Controlling,
                AttributeKind::ICE_CONTROLLED => TieBreaker::Controlled,
                _ => return None,
            };
            Some(role(u64::from_be_bytes(value.try_into().ok()?)))
        })
    }

    /// XOR-MAPPED-ADDRESS.
    pub fn xor_mapped_address(&self) -> Option<SocketAddr> {
        let value = self.attribute(AttributeKind::XOR_MAPPED_ADDRESS)?;
        address::parse(value, self.transaction_id())
    }

    /// ERROR-CODE.
    pub fn error_code(&self) -> Option<ErrorCode> {
        ErrorCode::parse(self.attribute(AttributeKind::ERROR_CODE)?)
    }

    /// SOFTWARE.
    pub fn software(&self) -> Option<&'a str> {
        core::str::from_utf8(self.attribute(AttributeKind::SOFTWARE)?).ok()
    }

    /// The kinds that would have to be understood and are not (RFC 8489
    /// section 6.3.1).
    pub fn unknown_required(&self) -> impl Iterator<Item = AttributeKind> + 'a {
        self.attributes()
            .map(|(kind, _)| kind)
            .filter(|kind| !kind.is_known())
    }

    fn kind(&self) -> u16 {
        u16::from_be_bytes([self.datagram[0], self.datagram[1]])
    }
}

pub(super) fn message_type(class: Class, method: Method) -> u16 {
    let m = method.0;
    let class = match class {
        Class::Request => 0x0000,
        Class::Indication => 0x0010,
        Class::Success => 0x0100,
        Class::Error => 0x0110,
    };
    (m & 0x000f) | ((m & 0x0070) << 1) | ((m & 0x0f80) << 2) | class
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;
    use crate::stun::MessageWriter;

    fn sample() -> Vec<u8> {
        let mut buf = Vec::new();
        let mut writer = MessageWriter::new(
            &mut buf,
            Class::Request,
            Method::BINDING,
            TransactionId([7; 12]),
        );
        writer.username("abcd:efgh");
        writer.priority(5);
        writer.finish(Some(&IntegrityKey::new(b"pass")));
        buf
    }

    #[test]
    fn the_type_holds_every_class_and_method() {
        for class in [
            Class::Request,
            Class::Indication,
            Class::Success,
            Class::Error,
        ] {
            for method in [0, 1, 0x7f, 0x80, 0xfff] {
                let method = Method(method);
                let mut buf = Vec::new();
                MessageWriter::new(&mut buf, class, method, TransactionId([0; 12])).finish(None);
                let message = Message::parse(&buf).unwrap();
                assert_eq!((message.class(), message.method()), (class, method));
            }
        }
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let good = sample();
        let key = IntegrityKey::new(b"pass");
        let verified = |datagram: &[u8]| Message::parse(datagram)?.verify_integrity(&key);
        verified(&good).unwrap();
        // All but FINGERPRINT's own type and length: with those bent it is one
        // more attribute behind the integrity, and ignored as such.
        let fingerprint = good.len() - 8;
        let value = fingerprint + 4;
        for bit in (0..fingerprint * 8).chain(value * 8..good.len() * 8) {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(verified(&bad).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn every_cut_is_noticed() {
        let good = sample();
        for len in 0..good.len() {
            assert!(Message::parse(&good[..len]).is_err(), "length {len}");
        }
        let mut long = good;
        long.push(0);
        assert_eq!(Message::parse(&long).unwrap_err(), StunError::Length);
    }

    #[test]
    fn attributes_behind_the_integrity_do_not_count() {
        let mut buf = sample();
        buf.truncate(buf.len() - 8); // FINGERPRINT
        buf.extend([0x00, 0x25, 0, 0]); // USE-CANDIDATE, by somebody on the way
        let len = u16::try_from(buf.len() - HEADER_LEN).unwrap();
        buf[2..4].copy_from_slice(&len.to_be_bytes());
        let message = Message::parse(&buf).unwrap();
        message
            .verify_integrity(&IntegrityKey::new(b"pass"))
            .unwrap();
        assert!(!message.use_candidate());
    }

    #[test]
    fn an_attribute_ends_before_the_message_does() {
        for len in [1, 5, 8, 0xffff_u16] {
            let mut buf = std::vec![0, 1, 0, 8];
            buf.extend(super::super::COOKIE);
            buf.extend([0; 12]);
            buf.extend([0x80, 0x22]);
            buf.extend(len.to_be_bytes());
            buf.extend([0; 4]);
            let parsed = Message::parse(&buf).map(|m| m.software().map(str::len));
            match len {
                1 => assert_eq!(parsed, Ok(Some(1))),
                _ => assert_eq!(parsed, Err(StunError::Attribute), "length {len}"),
            }
        }
    }

    #[test]
    fn no_more_attributes_than_sensible() {
        let mut buf = std::vec![0, 1, 0, 0];
        buf.extend(super::super::COOKIE);
        buf.extend([0; 12]);
        for _ in 0..=MAX_ATTRIBUTES {
            buf.extend([0x80, 0x22, 0, 0]);
        }
        let len = u16::try_from(buf.len() - HEADER_LEN).unwrap();
        buf[2..4].copy_from_slice(&len.to_be_bytes());
        assert_eq!(
            Message::parse(&buf).unwrap_err(),
            StunError::TooManyAttributes
        );
    }

    #[test]
    fn a_wrong_or_missing_password_fails() {
        let buf = sample();
        let message = Message::parse(&buf).unwrap();
        assert_eq!(
            message.verify_integrity(&IntegrityKey::new(b"word")),
            Err(StunError::BadIntegrity)
        );
        let mut bare = Vec::new();
        MessageWriter::new(
            &mut bare,
            Class::Request,
            Method::BINDING,
            TransactionId([0; 12]),
        )
        .finish(None);
        assert_eq!(
            Message::parse(&bare)
                .unwrap()
                .verify_integrity(&IntegrityKey::new(b"pass")),
            Err(StunError::NoIntegrity)
        );
    }
}
