//! Records on their way out.

use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use super::aad;
use super::keys::{RecordKey, SALT};
use crate::guard::record::{ContentType, DTLS_1_2, RECORD_HEADER, Record};

/// Sequence numbers have 48 bits (RFC 6347 section 4.1).
const SEQUENCE_NUMBERS: u64 = 1 << 48;
/// The one epoch that is enciphered.
const EPOCH: u16 = 1;

/// Bytes of the part of a nonce that a record carries (RFC 5288 section 3).
pub(crate) const EXPLICIT_NONCE: usize = 8;

/// What was sealed before with the key, by webrtc-dtls: its Finished message, once a
/// transmission, each under a random nonce.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sealed {
    /// First sequence number that no record has yet.
    next: u64,
    /// How their explicit nonces begin.
    prefixes: Vec<u16>,
}

impl Sealed {
    /// Notes a record of the epoch that is enciphered.
    pub(crate) fn note(&mut self, record: &Record<'_>) {
        self.next = self.next.max(record.sequence_number + 1);
        if let Some(prefix) = record.body.first_chunk() {
            self.prefixes.push(u16::from_be_bytes(*prefix));
        }
    }

    /// How no explicit nonce begins that was used; `None` after 2^16 records.
    fn free_prefix(&self) -> Option<u16> {
        (0..=u16::MAX).find(|prefix| !self.prefixes.contains(prefix))
    }
}

/// Seals the records of one direction, each under a nonce of its own: a prefix
/// that webrtc-dtls has not used, and the record's sequence number.
pub(crate) struct Sealer {
    key: LessSafeKey,
    salt: [u8; SALT],
    prefix: u16,
    /// Sequence number of the next record.
    next: u64,
}

impl Sealer {
    /// Seals with `key` what comes after `before`.
    pub(crate) fn new(key: &RecordKey, before: &Sealed) -> Option<Self> {
        Some(Self {
            key: cipher(key)?,
            salt: key.salt,
            prefix: before.free_prefix()?,
            next: before.next,
        })
    }

    /// The whole record; `None` once the numbers are used up.
    pub(crate) fn seal(&mut self, content: ContentType, body: &[u8]) -> Option<Vec<u8>> {
        let sequence_number = self.next;
        if sequence_number >= SEQUENCE_NUMBERS {
            return None;
        }
        self.next += 1; // whatever comes of it, no second time
        let of = |prefix: u16| (u64::from(prefix) << 48 | sequence_number).to_be_bytes();
        let (place, explicit) = (of(EPOCH), of(self.prefix));
        let sealed_len = EXPLICIT_NONCE + body.len() + AES_128_GCM.tag_len();
        let mut record = Vec::with_capacity(RECORD_HEADER + sealed_len);
        record.push(content as u8);
        record.extend_from_slice(&DTLS_1_2);
        record.extend_from_slice(&place);
        record.extend_from_slice(&u16::try_from(sealed_len).ok()?.to_be_bytes());
        record.extend_from_slice(&explicit);
        let text = record.len();
        record.extend_from_slice(body);
        let aad = aad(place, content, body.len())?;
        let nonce = nonce(self.salt, explicit);
        let sealed = record.get_mut(text..)?;
        let tag = self
            .key
            .seal_in_place_separate_tag(nonce, Aad::from(aad), sealed)
            .ok()?;
        record.extend_from_slice(tag.as_ref());
        Some(record)
    }
}

/// The cipher with this key, whose length is right by its type.
pub(super) fn cipher(key: &RecordKey) -> Option<LessSafeKey> {
    let key = UnboundKey::new(&AES_128_GCM, &key.key).ok()?;
    Some(LessSafeKey::new(key))
}

/// Salt and explicit part (RFC 5288 section 3).
pub(super) fn nonce(salt: [u8; SALT], explicit: [u8; EXPLICIT_NONCE]) -> Nonce {
    let mut nonce = [0; SALT + EXPLICIT_NONCE];
    let (head, tail) = nonce.split_at_mut(SALT);
    head.copy_from_slice(&salt);
    tail.copy_from_slice(&explicit);
    Nonce::assume_unique_for_key(nonce)
}
