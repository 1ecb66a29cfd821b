//! From frames to payloads, by codec.
use crate::sdp::CodecKind;
#[derive(Debug)]
pub(super) struct Packetizer;
impl Packetizer {
    pub(super) fn new(_: CodecKind, _: usize) -> Self {
        Self
    }
    pub(super) fn count(&self, _: &[u8]) -> usize {
        0
    }
    pub(super) fn packetize(&mut self, _: &[u8], _: impl FnMut(&[u8], bool)) {}
}
pub(super) fn is_key_frame_start(_: CodecKind, _: &[u8]) -> bool {
    false
}
