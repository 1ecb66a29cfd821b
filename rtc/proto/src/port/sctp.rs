//! The SCTP port (RFC 9260), as much of it as data channels need (RFC 8831).
//!
//! A layer with calls, as SRTP is: it has no tasks, and its timers are asked for.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use crate::time::Instant;

/// A stream of an association; both directions of a number are one channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u16);

/// Payload protocol identifier (RFC 8831 section 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ppid(pub u32);

/// How often or how long a message is tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Reliability {
    /// Until it arrives.
    #[default]
    Reliable,
    /// Sent again at most so many times; 0 for once only (RFC 7496 section 3.2).
    MaxRetransmits(u16),
    /// Tried for so long, in whole milliseconds (RFC 3758 section 4.1).
    MaxLifetime(Duration),
}

/// How messages of a stream travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Delivery {
    /// In the order they were sent, or each as it comes.
    pub ordered: bool,
    /// How hard is tried.
    pub reliability: Reliability,
}

impl Default for Delivery {
    fn default() -> Self {
        Self {
            ordered: true,
            reliability: Reliability::Reliable,
        }
    }
}

/// What an association is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SctpConfig {
    /// Whether we begin. Who does not waits a moment for the other end, then
    /// begins all the same: some answerers never do.
    pub initiate: bool,
    /// Our port (`a=sctp-port`).
    pub local_port: u16,
    /// The other end's port.
    pub remote_port: u16,
    /// Largest message taken, bytes.
    pub max_receive_message: usize,
    /// Largest message that the other end takes, bytes.
    pub max_send_message: usize,
    /// Bytes kept of messages that are incomplete or not yet taken up.
    pub receive_buffer: usize,
    /// Streams that may be in use at once.
    pub max_streams: usize,
    /// Largest packet made, bytes: what DTLS and UDP leave of the path's MTU.
    pub max_packet: usize,
}

/// What the association tells the core.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SctpEvent {
    /// Messages can be sent.
    Connected,
    /// A whole message arrived.
    Message {
        /// Of this stream.
        stream: StreamId,
        /// What it is.
        ppid: Ppid,
        /// Its bytes.
        data: Vec<u8>,
    },
    /// The other end reset its half of the stream; ours follows by itself
    /// (RFC 8831 section 6.7). Nothing more comes of it.
    Reset(StreamId),
    /// Both halves are reset: the number may be used anew.
    ResetComplete(StreamId),
    /// What waits to be acknowledged of this stream sank to its threshold.
    BufferedLow(StreamId),
    /// The association is over. Nothing follows.
    Closed(SctpFailure),
}

/// Why an association ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum SctpFailure {
    /// We ended it.
    #[error("SCTP association closed here")]
    Local,
    /// The other end ended it.
    #[error("SCTP association closed by the other end")]
    Remote,
    /// The other end did not answer our INIT.
    #[error("no answer to SCTP INIT: the other end offered data channels and has none")]
    NoAnswer,
    /// The other end sent what no honest peer sends, or more than was agreed.
    #[error("hostile SCTP input")]
    Hostile,
    /// A message larger than `a=max-message-size` came.
    #[error("a message larger than the a=max-message-size of our SDP arrived")]
    MessageTooLarge,
    /// The layer panicked; the panic was caught.
    #[error("SCTP panicked")]
    Panicked,
}

/// Why a message was not taken for sending, or a stream not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum SctpError {
    /// The association is not up, or over.
    #[error("no SCTP association")]
    NotConnected,
    /// The stream is being reset, or was never opened.
    #[error("no such stream")]
    NoStream,
    /// Too many streams are in use.
    #[error("too many streams")]
    TooManyStreams,
}

/// What an association did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SctpStats {
    /// Packets taken.
    pub packets_received: u64,
    /// Packets that the guard refused: malformed, out of place or over a cap.
    pub packets_refused: u64,
    /// Chunks left out of packets that were taken: unknown or of no use.
    pub chunks_ignored: u64,
    /// Packets sent.
    pub packets_sent: u64,
    /// Panics caught below the port.
    pub panics: u64,
}

/// An SCTP association over one DTLS connection.
///
/// An implementation bounds its state whatever arrives, and never panics.
pub trait Sctp: Send {
    /// Takes a packet: the application data of one DTLS record.
    fn handle_packet(&mut self, now: Instant, packet: &[u8]);

    /// Does what is due at `now`.
    fn handle_timeout(&mut self, now: Instant);

    /// When to call [`Sctp::handle_timeout`].
    fn poll_timeout(&self) -> Option<Instant>;

    /// The next packet to send. Call until `None`, after everything else.
    fn poll_transmit(&mut self, now: Instant) -> Option<Vec<u8>>;

    /// The next event. Messages that are not taken up close the receive window
    /// and make the other end wait.
    fn poll_event(&mut self) -> Option<SctpEvent>;

    /// Makes the stream, or sets how its later messages travel, and the
    /// `low` mark of bytes at which [`SctpEvent::BufferedLow`] is due.
    ///
    /// # Errors
    /// Where the association is not up, the stream is being reset, or there are
    /// too many.
    fn configure(
        &mut self,
        stream: StreamId,
        delivery: Delivery,
        low: usize,
    ) -> Result<(), SctpError>;

    /// Queues a message; `data` is not empty. The caller bounds what it queues
    /// by [`Sctp::buffered`].
    ///
    /// # Errors
    /// Where the association is not up or the stream takes nothing.
    fn send(&mut self, stream: StreamId, ppid: Ppid, data: &[u8]) -> Result<(), SctpError>;

    /// Resets our half of the stream once what was sent on it is acknowledged.
    /// The other end resets its own in turn.
    fn reset(&mut self, stream: StreamId);

    /// Bytes of all streams that are not yet acknowledged.
    fn buffered(&mut self) -> usize;

    /// Bytes of one stream that are not yet acknowledged.
    fn stream_buffered(&mut self, stream: StreamId) -> usize;

    /// Ends the association: tells the other end with an ABORT.
    fn abort(&mut self);

    /// Counters.
    fn stats(&self) -> SctpStats;
}

/// Makes the SCTP association of a peer when it is first needed.
pub trait SctpFactory: Send + Sync {
    /// An association that begins at `now`. Randomness, of which the layer
    /// below may have its own, comes from `seed`.
    fn create(&self, now: Instant, config: SctpConfig, seed: [u8; 32]) -> Box<dyn Sctp>;
}
