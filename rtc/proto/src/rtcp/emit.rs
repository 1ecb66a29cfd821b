//! Framing of emitted packets.

use alloc::vec::Vec;

/// An RTCP packet being appended to a buffer.
pub(super) struct Emitter<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
}

impl<'a> Emitter<'a> {
    pub(super) fn begin(out: &'a mut Vec<u8>, packet_type: u8, count: u8) -> Self {
        let start = out.len();
        out.extend_from_slice(&[0x80 | (count & 0x1f), packet_type, 0, 0]);
        Self { out, start }
    }

    pub(super) fn u8(&mut self, value: u8) {
        self.out.push(value);
    }

    pub(super) fn u16(&mut self, value: u16) {
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// Fills up to whole words and writes the length.
    pub(super) fn finish(self) {
        let len = (self.out.len() - self.start).next_multiple_of(4);
        self.out.resize(self.start + len, 0);
        // No packet emitted here comes near 2^16 words.
        let words = u16::try_from(len / 4 - 1).unwrap_or(u16::MAX);
        if let Some(field) = self.out.get_mut(self.start + 2..self.start + 4) {
            field.copy_from_slice(&words.to_be_bytes());
        }
    }
}
