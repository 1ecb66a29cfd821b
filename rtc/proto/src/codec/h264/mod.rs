//! H.264: byte streams (ITU-T H.264 annex B), RTP payloads (RFC 6184), and
//! what parameter sets and slice headers tell.

mod bits;
mod depacketizer;
mod nal;
mod packetizer;
mod payload;
mod slice;
mod sps;

pub use depacketizer::{AccessUnit, DepacketizeError, Depacketizer};
pub use nal::{AnnexB, Avcc, NalType, START_CODE};
pub use packetizer::{Packetizer, Payload, Payloads};
pub use payload::{is_key_frame_start, starts_access_unit};
pub use slice::{SliceHeader, SliceType};
pub use sps::{Sps, SpsError};

/// RFC 6184 section 5.2.
const STAP_A: u8 = 24;
const FU_A: u8 = 28;

/// Fields of the NAL unit header (section 1.3) and of the FU header (section 5.8).
const NRI_MASK: u8 = 0x60;
const TYPE_MASK: u8 = 0x1f;
const FU_START: u8 = 0x80;
const FU_END: u8 = 0x40;
