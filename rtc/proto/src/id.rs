//! Newtypes for the numbers and names on the wire.

use core::cmp::Ordering;
use core::fmt;

/// Synchronization source (RFC 3550 section 3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ssrc(pub u32);

impl fmt::Display for Ssrc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010x}", self.0)
    }
}

/// RTP payload type, 0 to 127.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pt(u8);

impl Pt {
    /// The payload type `value`, if it fits in seven bits.
    pub const fn new(value: u8) -> Option<Self> {
        if value < 128 { Some(Self(value)) } else { None }
    }

    /// The payload type in the low seven bits of `byte`.
    pub const fn from_low_bits(byte: u8) -> Self {
        Self(byte & 0x7f)
    }

    /// The number.
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl fmt::Display for Pt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// RTP sequence number as it stands on the wire; it wraps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SeqNo(pub u16);

impl SeqNo {
    /// The number `n` steps on.
    pub const fn add(self, n: u16) -> Self {
        Self(self.0.wrapping_add(n))
    }

    /// Signed distance from `other` to `self` by the shorter way round.
    pub const fn distance(self, other: Self) -> i16 {
        self.0.wrapping_sub(other.0).cast_signed()
    }

    /// Serial number order (RFC 1982).
    pub fn serial_cmp(self, other: Self) -> Ordering {
        self.distance(other).cmp(&0)
    }
}

/// A sequence number with its rollovers counted: it never wraps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExtSeq(pub u64);

impl ExtSeq {
    /// What stands on the wire.
    pub const fn seq(self) -> SeqNo {
        #[allow(clippy::cast_possible_truncation)] // the low 16 bits are meant
        SeqNo(self.0 as u16)
    }
}

/// RTP timestamp in the units of the codec's clock; it wraps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct MediaTime(pub u32);

/// Longest media or RTP stream identification taken from a peer. RFC 8843
/// sets no bound; one-byte header extensions carry at most 16 bytes.
pub const MAX_MID_LEN: usize = 16;

/// Identification tag of an m-line (`a=mid`, RFC 5888), or an RTP stream id
/// (`rid`, RFC 8852): 1 to 16 token bytes, held inline.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mid {
    len: u8,
    bytes: [u8; MAX_MID_LEN],
}

impl Mid {
    /// The tag `s`, if it is 1 to 16 bytes of the SDP token alphabet (RFC 8866 section 9).
    pub fn new(s: &[u8]) -> Option<Self> {
        if s.is_empty() || s.len() > MAX_MID_LEN || !s.iter().all(|b| is_token_byte(*b)) {
            return None;
        }
        let mut bytes = [0; MAX_MID_LEN];
        bytes[..s.len()].copy_from_slice(s);
        #[allow(clippy::cast_possible_truncation)] // at most 16
        let len = s.len() as u8;
        Some(Self { len, bytes })
    }

    /// The tag that is `n` in decimal, as browsers number their m-lines.
    pub const fn from_number(n: u8) -> Self {
        let digits = [b'0' + n / 100, b'0' + n / 10 % 10, b'0' + n % 10];
        let mut bytes = [0; MAX_MID_LEN];
        let (a, b, c, len) = match n {
            0..10 => (digits[2], 0, 0, 1),
            10..100 => (digits[1], digits[2], 0, 2),
            _ => (digits[0], digits[1], digits[2], 3),
        };
        bytes[0] = a;
        bytes[1] = b;
        bytes[2] = c;
        Self { len, bytes }
    }

    /// The tag's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// The tag as text.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

impl fmt::Debug for Mid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mid({})", self.as_str())
    }
}

impl fmt::Display for Mid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

const fn is_token_byte(b: u8) -> bool {
    matches!(b, 0x21 | 0x23..=0x27 | 0x2a..=0x2b | 0x2d..=0x2e | 0x30..=0x39 | 0x41..=0x5a | 0x5e..=0x7e)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequence_numbers_compare_round_the_corner() {
        assert_eq!(SeqNo(1).serial_cmp(SeqNo(65_535)), Ordering::Greater);
        assert_eq!(SeqNo(65_535).distance(SeqNo(1)), -2);
        assert_eq!(ExtSeq(65_536 + 7).seq(), SeqNo(7));
    }

    #[test]
    fn mids_are_short_tokens() {
        assert_eq!(Mid::new(b"0").map(|m| m.as_str() == "0"), Some(true));
        for n in [0, 7, 10, 99, 100, 255] {
            let text = std::format!("{n}");
            assert_eq!(Some(Mid::from_number(n)), Mid::new(text.as_bytes()));
        }
        assert!(Mid::new(b"").is_none());
        assert!(Mid::new(b"has space").is_none());
        assert!(Mid::new(&[b'a'; 17]).is_none());
    }
}
