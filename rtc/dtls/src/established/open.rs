//! Records on their way in.

use ring::aead::{Aad, LessSafeKey};
use transom_rtc_proto::window::SeenWindow;

use super::aad;
use super::keys::{RecordKey, SALT};
use super::seal::{EXPLICIT_NONCE, cipher, nonce};
use crate::guard::record::Record;

/// The sequence numbers that are remembered: as many as RFC 6347 section 4.1.2.6 has for a default.
type ReplayWindow = SeenWindow<1>;

/// Opens the records of one direction, each once.
pub(crate) struct Opener {
    key: LessSafeKey,
    salt: [u8; SALT],
    seen: ReplayWindow,
}

impl Opener {
    pub(crate) fn new(key: &RecordKey) -> Option<Self> {
        Some(Self {
            key: cipher(key)?,
            salt: key.salt,
            seen: ReplayWindow::default(),
        })
    }

    /// What `record` says; `None` where it is not authentic, too short, seen
    /// before or too old to tell.
    pub(crate) fn open(&mut self, record: &Record<'_>) -> Option<Vec<u8>> {
        if !self.seen.is_new(record.sequence_number) {
            return None;
        }
        let (explicit, sealed) = record.body.split_first_chunk::<EXPLICIT_NONCE>()?;
        let len = sealed.len().checked_sub(self.key.algorithm().tag_len())?;
        let aad = aad(record.place(), record.content, len)?;
        let mut text = sealed.to_vec();
        let nonce = nonce(self.salt, *explicit);
        self.key
            .open_in_place(nonce, Aad::from(aad), &mut text)
            .ok()?;
        text.truncate(len);
        self.seen.note(record.sequence_number);
        Some(text)
    }
}
