//! RTP packets: parsing, writing and telling them from their neighbours
//! (RFC 3550, RFC 8285, RFC 5761, RFC 7983).

mod demux;
mod extension;
mod header;
mod packet;
mod unwrap;
mod write;

pub use demux::{PacketKind, classify, is_rtcp};
pub use extension::Extensions;
pub use header::{ExtensionBlock, FIXED_HEADER_LEN, RtpError, RtpHeader, validate_header};
pub use packet::RtpPacket;
pub use unwrap::SeqUnwrapper;
pub use write::{RtpHeaderFields, RtpWriteError, pad, rewrite_header, write_header};
