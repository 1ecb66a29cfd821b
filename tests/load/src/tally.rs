//! What all subscribers together have seen in the measured time.

use std::time::Duration;

/// Counters since the mark.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// RTP datagrams that came, repairs and those dropped on purpose too.
    pub(crate) datagrams: u64,
    /// Bytes of them, as UDP payload.
    pub(crate) bytes: u64,
    /// Repairs by RTX among them.
    pub(crate) repairs: u64,
    /// Numbers that came twice.
    pub(crate) duplicates: u64,
    /// What came as RTP and is none, or of no payload type that was agreed.
    pub(crate) strange: u64,
    /// Picture packets dropped here on purpose.
    pub(crate) dropped: u64,
    /// Those of them that came again, opened and checked.
    pub(crate) repaired: u64,
    /// Packets opened and checked, and those that failed either.
    pub(crate) sampled: u64,
    pub(crate) bad: u64,
    /// Reports of the server that came.
    pub(crate) sender_reports: u64,
    /// What was said to the server.
    pub(crate) reports: u64,
    pub(crate) nacks: u64,
    pub(crate) plis: u64,
    pub(crate) transport_feedback: u64,
    /// Of each sample, from its sending to its arrival.
    pub(crate) delays: Vec<Duration>,
    /// Filled when read: numbers expected and missing, of all sources.
    pub(crate) expected: u64,
    pub(crate) lost: u64,
    /// Filled when read: datagrams sent to the server, and those of it that were
    /// no RTP.
    pub(crate) sent: u64,
    pub(crate) others: u64,
    /// Filled when read: key frames asked of the publisher.
    pub(crate) key_frames_asked: u64,
    /// Filled when read: subscribers connected, and those that got nothing.
    pub(crate) connected: u64,
    pub(crate) silent: u64,
}
