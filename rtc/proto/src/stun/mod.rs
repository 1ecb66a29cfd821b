//! STUN (RFC 8489), as ICE needs it: Binding messages with short-term credentials.

mod error;

pub use error::StunError;
