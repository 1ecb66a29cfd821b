//! Stand-ins for DTLS and SRTP that make a run a pure function of its seed.

mod dtls;
mod srtp;

pub use dtls::FakeDtls;
pub use srtp::FakeSrtp;
