use super::event::TrackId;

/// A step of fetching ahead; see [`Peer::prefetch`](super::Peer::prefetch). Each reads
/// what the former one has asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrefetchStep {
    /// The peer itself.
    Peer,
    /// Its SRTP layer.
    Srtp,
    /// The track.
    Track(TrackId),
    /// The keys, and what was sealed by them.
    Keys(TrackId),
}
