use super::COOKIE;

/// Attribute type. The upper half of the range may be ignored when unknown
/// (RFC 8489 section 14).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AttributeKind(pub u16);

impl AttributeKind {
    /// RFC 8489 section 14.3.
    pub const USERNAME: Self = Self(0x0006);
    /// RFC 8489 section 14.5.
    pub const MESSAGE_INTEGRITY: Self = Self(0x0008);
    /// RFC 8489 section 14.8.
    pub const ERROR_CODE: Self = Self(0x0009);
    /// RFC 8489 section 14.13.
    pub const UNKNOWN_ATTRIBUTES: Self = Self(0x000a);
    /// RFC 8489 section 14.2.
    pub const XOR_MAPPED_ADDRESS: Self = Self(0x0020);
    /// RFC 8445 section 7.1.1.
    pub const PRIORITY: Self = Self(0x0024);
    /// RFC 8445 section 7.1.2.
    pub const USE_CANDIDATE: Self = Self(0x0025);
    /// RFC 8489 section 14.14.
    pub const SOFTWARE: Self = Self(0x8022);
    /// RFC 8489 section 14.7.
    pub const FINGERPRINT: Self = Self(0x8028);
    /// RFC 8445 section 7.1.3.
    pub const ICE_CONTROLLED: Self = Self(0x8029);
    /// RFC 8445 section 7.1.3.
    pub const ICE_CONTROLLING: Self = Self(0x802a);

    /// Whether a receiver that does not know it has to refuse the message.
    pub const fn comprehension_required(self) -> bool {
        self.0 < 0x8000
    }

    /// Whether we know what it means; the attributes of RFC 8489 that ICE has
    /// no use for count as known.
    pub const fn is_known(self) -> bool {
        !self.comprehension_required()
            || matches!(
                self.0,
                0x0001 // MAPPED-ADDRESS
                    | 0x0006 | 0x0008 | 0x0009 | 0x000a
                    | 0x0014 | 0x0015 // REALM, NONCE
                    | 0x001c
                    ..=0x001e // MESSAGE-INTEGRITY-SHA256, PASSWORD-ALGORITHM, USERHASH
                    | 0x0020 | 0x0024 | 0x0025
            )
    }
}

/// ICE-CONTROLLING or ICE-CONTROLLED: the sender's role and tie-breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TieBreaker {
    /// The sender believes to be controlling.
    Controlling(u64),
    /// The sender believes to be controlled.
    Controlled(u64),
}

/// ERROR-CODE without its reason phrase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ErrorCode(u16);

impl ErrorCode {
    /// RFC 8489 section 14.8.
    pub const UNKNOWN_ATTRIBUTE: Self = Self(420);
    /// RFC 8445 section 7.3.1.1.
    pub const ROLE_CONFLICT: Self = Self(487);

    /// The number, 300 to 699.
    pub const fn get(self) -> u16 {
        self.0
    }

    /// RFC 8489 section 14.8: class in three bits, number in eight.
    pub(super) fn parse(value: &[u8]) -> Option<Self> {
        let &[_, _, class, number] = value.first_chunk::<4>()?;
        let class = class & 0x07;
        ((3..=6).contains(&class) && number < 100)
            .then(|| Self(u16::from(class) * 100 + u16::from(number)))
    }

    pub(super) fn emit(self) -> [u8; 4] {
        #[allow(clippy::cast_possible_truncation)] // both below 256
        let (class, number) = ((self.0 / 100) as u8, (self.0 % 100) as u8);
        [0, 0, class, number]
    }

    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::UNKNOWN_ATTRIBUTE => "Unknown Attribute",
            Self::ROLE_CONFLICT => "Role Conflict",
            _ => "",
        }
    }
}

/// The attributes in a stretch of bytes, as far as they hold together.
#[derive(Clone, Debug)]
pub struct Attributes<'a>(&'a [u8]);

impl<'a> Attributes<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// What has not been iterated over: empty at the end of a sound message.
    pub(super) const fn rest(&self) -> &'a [u8] {
        self.0
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (AttributeKind, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (&[k0, k1, l0, l1], rest) = self.0.split_first_chunk::<4>()?;
        let len = usize::from(u16::from_be_bytes([l0, l1]));
        let value = rest.get(..len)?;
        self.0 = rest.get(len.next_multiple_of(4)..)?;
        Some((AttributeKind(u16::from_be_bytes([k0, k1])), value))
    }
}

/// The body of `datagram` if its header is that of a STUN message of exactly
/// this length.
pub(super) fn body(datagram: &[u8]) -> Option<&[u8]> {
    let (header, body) = datagram.split_first_chunk::<{ super::HEADER_LEN }>()?;
    let &[t0, _, l0, l1, c0, c1, c2, c3, ..] = header;
    let len = usize::from(u16::from_be_bytes([l0, l1]));
    (t0 < 0x40 && len == body.len() && len.is_multiple_of(4) && [c0, c1, c2, c3] == COOKIE)
        .then_some(body)
}
