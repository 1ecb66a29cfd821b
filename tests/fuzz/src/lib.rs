//! What the fuzz targets do with their input. The same functions run over the committed corpora on the
//! stable toolchain (`cargo xtask test --only fuzz-replay`).
//!
//! Each tells whether the input was taken, so that the replay can see that a corpus reaches past the
//! first check. Each panics where a property does not hold.

mod bridge;
mod channel;
mod control;
mod dtls;
mod h264;
mod lease;
mod net;
mod record;
mod relay;
mod sdp;
mod srtp;

pub use bridge::{mavlink, program};
pub use channel::{dcep, sctp};
pub use control::control;
pub use dtls::dtls;
pub use h264::h264;
pub use lease::lease;
pub use net::{rtcp, rtp, stun};
pub use record::record;
pub use relay::relay;
pub use sdp::sdp;
pub use srtp::srtp;
