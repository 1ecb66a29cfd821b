use super::event::TrackId;

/// A step of reading ahead; see [`Peer::warm`](super::Peer::warm). Each reads
/// where the former one led.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WarmStep {
    /// The peer itself.
    Peer,
    /// Its SRTP layer.
    Srtp,
    /// The track.
    Track(TrackId),
    /// The keys, and what was sealed by them.
    Keys(TrackId),
}
