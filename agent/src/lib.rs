//! The agent: captures, encodes and publishes by WHIP.

pub mod clock;
pub mod convert;
pub mod encode;
pub mod output;
pub mod picture;
pub mod publish;
pub mod queue;
pub mod slot;
pub mod sound;
pub mod source;
pub mod stop;
