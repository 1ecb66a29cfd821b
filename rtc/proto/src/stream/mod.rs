//! What a stream keeps beside its packets: what is missing, what may be asked
//! for again, and how it fares. All are values; time is an argument.

pub mod nack;
pub mod retransmit;
pub mod rtx;
mod seen;

pub use nack::{Arrival, NackGenerator, NackPolicy};
pub use retransmit::{MediaInfo, RetransmitBuffer, Stored};
