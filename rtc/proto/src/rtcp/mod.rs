//! RTCP packets: parsing and emitting (RFC 3550 section 6, RFC 4585, RFC 5104,
//! draft-holmer-rmcat-transport-wide-cc-extensions-01, draft-alvestrand-rmcat-remb-03).
//!
//! Compound packets may be reduced-size (RFC 5506): no report need come first.
//! Each `emit` appends one packet, a multiple of four bytes, to a buffer.

mod bye;
mod compound;
mod emit;
mod feedback;
mod remb;
mod report;
mod sdes;
mod twcc;
mod twcc_emit;

pub use bye::Bye;
pub use compound::{MAX_PACKETS, Packet, Packets, RtcpError};
pub use feedback::{Fir, FirEntry, Nack, Pli};
pub use remb::Remb;
pub use report::{ReceiverReport, ReportBlock, SenderInfo, SenderReport};
pub use sdes::{Sdes, SdesChunk};
pub use twcc::{Arrivals, TICK, TwccArrival, TwccFeedback};

const SR: u8 = 200;
const RR: u8 = 201;
const SDES: u8 = 202;
const BYE: u8 = 203;
const RTPFB: u8 = 205;
const PSFB: u8 = 206;

/// RTPFB formats (RFC 4585 section 6.2, draft-holmer section 3.1).
const FMT_NACK: u8 = 1;
const FMT_TWCC: u8 = 15;

/// PSFB formats (RFC 4585 section 6.3, RFC 5104 section 4.3.1).
const FMT_PLI: u8 = 1;
const FMT_FIR: u8 = 4;
const FMT_APPLICATION: u8 = 15;
