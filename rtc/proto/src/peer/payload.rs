//! From frames to payloads, by codec.

use alloc::vec;
use alloc::vec::Vec;

use crate::codec::{h264, vp8};
use crate::sdp::CodecKind;

/// Turns frames into RTP payloads.
#[derive(Debug)]
pub(super) struct Packetizer {
    codec: CodecKind,
    h264: h264::Packetizer,
    max_payload: usize,
    /// One payload under construction.
    scratch: Vec<u8>,
}

impl Packetizer {
    /// Payloads of at most `max_payload` bytes.
    pub(super) fn new(codec: CodecKind, max_payload: usize) -> Self {
        Self {
            codec,
            h264: h264::Packetizer::new(max_payload),
            max_payload,
            scratch: vec![0; max_payload.max(MIN_SCRATCH)],
        }
    }

    /// How many payloads `frame` makes; none where it cannot be packetized.
    pub(super) fn count(&self, frame: &[u8]) -> usize {
        match self.codec {
            CodecKind::H264 => self.h264.packetize(h264::AnnexB::new(frame)).count(),
            // RFC 7587 section 4.2: one Opus packet a payload, never split.
            CodecKind::Opus => usize::from(!frame.is_empty() && frame.len() <= self.max_payload),
            // VP8 is forwarded, never made here.
            CodecKind::Vp8 => 0,
        }
    }

    /// Hands each payload of `frame` to `each`; the flag marks the last.
    pub(super) fn packetize(&mut self, frame: &[u8], mut each: impl FnMut(&[u8], bool)) {
        match self.codec {
            CodecKind::H264 => {
                for payload in self.h264.packetize(h264::AnnexB::new(frame)) {
                    let len = payload.write(&mut self.scratch).unwrap_or(0);
                    each(
                        self.scratch.get(..len).unwrap_or_default(),
                        payload.is_last(),
                    );
                }
            }
            // The marker begins a talkspurt (RFC 7587 section 4.2), and ours has no pauses.
            CodecKind::Opus => each(frame, false),
            CodecKind::Vp8 => {}
        }
    }
}

/// The least payload that [`h264::Packetizer`] makes do with.
const MIN_SCRATCH: usize = 16;

/// Whether a decoder can begin with this payload.
pub(super) fn is_key_frame_start(codec: CodecKind, payload: &[u8]) -> bool {
    match codec {
        CodecKind::H264 => h264::is_key_frame_start(payload),
        CodecKind::Vp8 => vp8::is_key_frame_start(payload),
        CodecKind::Opus => false,
    }
}
