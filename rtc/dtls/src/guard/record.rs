//! DTLS records (RFC 6347 section 4.1).
//!
//! ```text
//! struct {
//!      ContentType type;            1 byte
//!      ProtocolVersion version;     2 bytes
//!      uint16 epoch;
//!      uint48 sequence_number;
//!      uint16 length;
//!      opaque fragment[DTLSPlaintext.length];
//! } DTLSPlaintext;
//! ```

use crate::guard::reader::Reader;

/// Bytes of a record's header.
pub(crate) const RECORD_HEADER: usize = 13;
/// DTLS 1.2 on the wire.
pub(crate) const DTLS_1_2: [u8; 2] = [0xfe, 0xfd];
/// DTLS 1.0, which stands on a first ClientHello (RFC 6347 section 4.2.1).
const DTLS_1_0: [u8; 2] = [0xfe, 0xff];
/// webrtc-dtls reads datagrams into a buffer of this size.
pub(crate) const MAX_RECORD: usize = 8192;

/// The content types of DTLS 1.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ContentType {
    ChangeCipherSpec = 20,
    Alert = 21,
    Handshake = 22,
    ApplicationData = 23,
}

/// A record in a datagram.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'a> {
    pub(crate) content: ContentType,
    pub(crate) epoch: u16,
    /// 48 bits.
    pub(crate) sequence_number: u64,
    pub(crate) body: &'a [u8],
    /// Header and body.
    pub(crate) bytes: &'a [u8],
}

impl Record<'_> {
    /// Epoch and sequence number, as they stand in the header.
    pub(crate) fn place(&self) -> [u8; 8] {
        (u64::from(self.epoch) << 48 | self.sequence_number).to_be_bytes()
    }
}

/// Takes the record at the front of `datagram` off it; `None` when what stands
/// there is not one whole record of DTLS 1.0 or 1.2.
pub(crate) fn take_record<'a>(datagram: &mut &'a [u8]) -> Option<Record<'a>> {
    let whole = *datagram;
    let mut reader = Reader(whole);
    let content = match reader.u8()? {
        20 => ContentType::ChangeCipherSpec,
        21 => ContentType::Alert,
        22 => ContentType::Handshake,
        23 => ContentType::ApplicationData,
        _ => return None,
    };
    let version = reader.array()?;
    let epoch = reader.u16()?;
    let [a, b, c, d, e, f] = reader.array()?;
    let body = reader.vec16()?.0;
    let bytes = whole.get(..RECORD_HEADER + body.len())?;
    let known = version == DTLS_1_2 || (version == DTLS_1_0 && epoch == 0);
    if !known || body.is_empty() || bytes.len() > MAX_RECORD {
        return None;
    }
    *datagram = reader.0;
    Some(Record {
        content,
        epoch,
        sequence_number: u64::from_be_bytes([0, 0, a, b, c, d, e, f]),
        body,
        bytes,
    })
}

/// A record of epoch 0 as webrtc-dtls shall see it.
pub(crate) fn frame(content: ContentType, sequence_number: u64, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(RECORD_HEADER + body.len());
    out.push(content as u8);
    out.extend_from_slice(&DTLS_1_2);
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(&sequence_number.to_be_bytes()[2..]);
    #[allow(clippy::cast_possible_truncation)] // at most MAX_RECORD
    out.extend_from_slice(&(body.len() as u16).to_be_bytes());
    out.extend_from_slice(body);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_records_one_by_one() {
        let datagram = [
            frame(ContentType::Handshake, 5, &[1, 2, 3]),
            frame(ContentType::Alert, 6, &[2, 40]),
        ]
        .concat();
        let mut rest = datagram.as_slice();
        let first = take_record(&mut rest).unwrap();
        assert_eq!(
            (first.content, first.body),
            (ContentType::Handshake, &[1, 2, 3][..])
        );
        assert_eq!(first.bytes.len(), RECORD_HEADER + 3);
        assert_eq!(take_record(&mut rest).unwrap().content, ContentType::Alert);
        assert!(rest.is_empty());
    }

    #[test]
    fn refuses_what_is_no_record() {
        let good = frame(ContentType::Handshake, 0, &[0; 12]);
        for end in 0..good.len() {
            assert!(take_record(&mut &good[..end]).is_none(), "{end}");
        }
        for (at, byte) in [(0, 19), (0, 24), (1, 3), (2, 0xfc)] {
            let mut bad = good.clone();
            bad[at] = byte;
            assert!(take_record(&mut bad.as_slice()).is_none());
        }
        assert!(take_record(&mut frame(ContentType::Alert, 0, &[]).as_slice()).is_none());
        let mut old = good.clone();
        old[2] = 0xff; // DTLS 1.0
        assert!(take_record(&mut old.as_slice()).is_some());
        old[4] = 1; // but not when enciphered
        assert!(take_record(&mut old.as_slice()).is_none());
    }
}
