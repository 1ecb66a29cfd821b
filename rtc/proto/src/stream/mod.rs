//! What a stream keeps beside its packets: what is missing, what may be asked
//! for again, and how it fares. All are values; time is an argument.

mod nack;
mod receive_stats;
mod reorder;
#[cfg(test)]
mod repair;
mod retransmit;
pub mod rtx;
mod send_stats;
mod twcc_receiver;
mod twcc_sender;

pub use nack::{Arrival, NackGenerator, NackPolicy};
pub use receive_stats::ReceiveStats;
pub use reorder::ReorderBuffer;
pub use retransmit::{MediaInfo, Place, RetransmitBuffer, Stored};
pub use send_stats::SendStats;
pub use twcc_receiver::TwccReceiver;
pub use twcc_sender::{PacketFate, TwccSender, TwccSummary};
