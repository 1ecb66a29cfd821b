//! STUN (RFC 8489), as ICE needs it: Binding messages with short-term credentials.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +---+---------------------------+-------------------------------+
//! |0 0|     message type          |  length (without this header) |
//! +---+---------------------------+-------------------------------+
//! |                 magic cookie = 0x2112A442                     |
//! +---------------------------------------------------------------+
//! |                  transaction id (96 bits)                     |
//! +---------------------------------------------------------------+
//! |  attribute type               |  length (without padding)     |
//! |  value, padded to a multiple of four bytes ...                |
//! ```

mod address;
mod attribute;
mod error;
mod fingerprint;
mod integrity;
mod message;
mod peek;
mod writer;

#[cfg(test)]
mod vectors;

pub use attribute::{AttributeKind, Attributes, ErrorCode, TieBreaker};
pub use error::StunError;
pub use integrity::IntegrityKey;
pub use message::{Class, Message, Method, TransactionId};
pub use peek::peek_username;
pub use writer::MessageWriter;

/// Bytes of a header.
pub const HEADER_LEN: usize = 20;
const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
