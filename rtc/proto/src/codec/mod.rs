//! What of the codecs a WebRTC peer must know: packetization, where decoding
//! can begin, dimensions and durations. Nothing here decodes.

pub mod h264;
pub mod opus;
pub mod vp8;
