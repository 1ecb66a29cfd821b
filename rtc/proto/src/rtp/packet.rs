//! A plain RTP packet in a buffer.

use super::extension::Extensions;
use super::header::{RtpError, RtpHeader, validate_header};

/// A checked view of an RTP packet.
#[derive(Clone, Copy, Debug)]
pub struct RtpPacket<'a> {
    header: RtpHeader,
    bytes: &'a [u8],
    payload: &'a [u8],
}

impl<'a> RtpPacket<'a> {
    /// Checks the packet in `bytes`, padding included (RFC 3550 section 5.1).
    pub fn parse(bytes: &'a [u8]) -> Result<Self, RtpError> {
        let header = validate_header(bytes)?;
        let mut payload = bytes.get(header.header_len..).unwrap_or_default();
        if header.padding {
            let count = usize::from(*payload.last().ok_or(RtpError::Padding)?);
            let len = payload.len().checked_sub(count).filter(|_| count > 0);
            payload = len
                .and_then(|len| payload.get(..len))
                .ok_or(RtpError::Padding)?;
        }
        Ok(Self {
            header,
            bytes,
            payload,
        })
    }

    /// The header.
    pub const fn header(&self) -> &RtpHeader {
        &self.header
    }

    /// The payload without padding; empty in a packet of padding only.
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// The value of the first extension element `id`.
    pub fn extension(&self, id: u8) -> Option<&'a [u8]> {
        self.extensions().find(|(i, _)| *i == id).map(|(_, v)| v)
    }

    /// All extension elements, in packet order.
    pub fn extensions(&self) -> Extensions<'a> {
        self.header.extensions(self.bytes)
    }
}

impl RtpHeader {
    /// The extension elements of `packet`, whose header this is; they are
    /// readable before the payload is opened. Elements that do not lie in
    /// `packet` are left out.
    pub fn extensions<'a>(&self, packet: &'a [u8]) -> Extensions<'a> {
        match self.extension {
            Some(e) => Extensions::new(e.profile, packet.get(e.start..e.end).unwrap_or_default()),
            None => Extensions::new(0, &[]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(first: u8, payload: &[u8]) -> std::vec::Vec<u8> {
        let mut p = std::vec![first, 96, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
        p.extend_from_slice(payload);
        p
    }

    #[test]
    fn padding_is_taken_off() {
        let bytes = packet(0xa0, &[1, 2, 3, 0, 2]);
        assert_eq!(RtpPacket::parse(&bytes).unwrap().payload(), &[1, 2, 3]);
        let only_padding = packet(0xa0, &[0, 0, 3]);
        assert!(
            RtpPacket::parse(&only_padding)
                .unwrap()
                .payload()
                .is_empty()
        );
    }

    #[test]
    fn impossible_padding_is_refused() {
        for payload in [&[][..], &[0], &[1, 2, 4]] {
            let bytes = packet(0xa0, payload);
            assert_eq!(RtpPacket::parse(&bytes).err(), Some(RtpError::Padding));
            // While sealed, the count is not readable and not judged.
            assert!(validate_header(&bytes).is_ok());
        }
    }

    #[test]
    fn extensions_by_id() {
        let bytes = packet(0x90, &[0xbe, 0xde, 0, 1, 0x31, 7, 8, 0, 0x55]);
        let p = RtpPacket::parse(&bytes).unwrap();
        assert_eq!(p.extension(3), Some(&[7, 8][..]));
        assert_eq!(p.extension(4), None);
        assert_eq!(p.payload(), &[0x55]);
    }
}
