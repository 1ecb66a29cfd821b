//! A stream as the media thread knows it: its tracks and who is on it.

use transom_rtc_proto::peer::TrackId;
use transom_rtc_proto::sdp::{Direction, MediaKind, Session};

use super::published::PublishedTrack;

/// One publisher's tracks and the subscribers that read them.
#[derive(Debug, Default)]
pub(super) struct Stream {
    /// The publisher's key, while there is one.
    pub(super) publisher: Option<u32>,
    /// The subscribers' keys.
    pub(super) subscribers: Vec<u32>,
    /// At most one a kind. They outlive the publisher, so that subscribers can
    /// go on with the next one.
    pub(super) tracks: Vec<PublishedTrack>,
    /// Something came since the last fan-out.
    pub(super) has_fresh: bool,
}

impl Stream {
    /// A publisher begins: new tracks, or new generations of those there are.
    pub(super) fn set_publisher(&mut self, key: u32, session: &Session) {
        self.publisher = Some(key);
        let received = session.tracks.iter().enumerate();
        for (index, track) in received.filter(|(_, t)| t.direction == Direction::Receive) {
            let (Some(params), Ok(index)) = (track.codec(), u8::try_from(index)) else {
                continue;
            };
            let id = TrackId(index);
            match self.tracks.iter_mut().find(|t| t.kind == track.kind) {
                Some(existing) => existing.replace(params.codec, id),
                None => self
                    .tracks
                    .push(PublishedTrack::new(track.kind, params.codec, id, 0)),
            }
        }
        let still_there = |kind| session.tracks.iter().any(|t| t.kind == kind);
        self.tracks.retain(|t| still_there(t.kind));
    }

    /// The track of a kind.
    pub(super) fn track(&self, kind: MediaKind) -> Option<&PublishedTrack> {
        self.tracks.iter().find(|t| t.kind == kind)
    }

    /// The track that is `id` in the publisher's session.
    pub(super) fn track_by_id(&mut self, id: TrackId) -> Option<&mut PublishedTrack> {
        self.tracks.iter_mut().find(|t| t.id == id)
    }
}
