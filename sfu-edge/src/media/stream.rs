//! A stream as the media thread knows it: its tracks and who is on it.

use std::time::Duration;

use transom_rtc_proto::peer::{RtpInfo, TrackId};
use transom_rtc_proto::sdp::{Direction, MediaKind, Session};
use transom_rtc_proto::time::Instant;

use super::link::TrackHead;
use super::published::PublishedTrack;
use super::slab::Packed;

/// One publisher's tracks and the subscribers that read them.
#[derive(Debug, Default)]
pub(super) struct Stream {
    /// The key of the publisher that is heard: the one connected last.
    pub(super) publisher: Option<u32>,
    /// The subscribers' keys.
    pub(super) subscribers: Vec<u32>,
    /// At most one a kind. They outlive the publisher, so that subscribers can
    /// go on with the next one.
    pub(super) tracks: Vec<PublishedTrack>,
    /// Something came since the last fan-out, which is due then.
    pub(super) due: Option<Instant>,
    /// Subscribers are so many that fresh packets wait for company.
    pub(super) crowded: bool,
    /// The generation begun last. It counts on when tracks vanish and come
    /// back, so that none is taken for a former one.
    generation: u32,
}

impl Stream {
    /// A publisher begins: new tracks, or new generations of those there are.
    pub(super) fn set_publisher(&mut self, key: u32, session: &Session) {
        self.publisher = Some(key);
        self.generation += 1;
        let generation = self.generation;
        let received = session.tracks.iter().enumerate();
        for (index, track) in received.filter(|(_, t)| t.direction == Direction::Receive) {
            let (Some(params), Ok(index)) = (track.codec(), u8::try_from(index)) else {
                continue;
            };
            let id = TrackId(index);
            match self.tracks.iter_mut().find(|t| t.kind == track.kind) {
                Some(existing) => existing.replace(params.codec, id, generation),
                None => self.tracks.push(PublishedTrack::new(
                    track.kind,
                    params.codec,
                    id,
                    generation,
                )),
            }
        }
        let still_there = |kind| session.tracks.iter().any(|t| t.kind == kind);
        self.tracks.retain(|t| still_there(t.kind));
    }

    /// What other workers need to know of the tracks.
    pub(super) fn heads(&self) -> Vec<TrackHead> {
        let head = |t: &PublishedTrack| TrackHead {
            kind: t.kind,
            codec: t.codec,
            id: t.id,
            generation: t.generation,
        };
        self.tracks.iter().map(head).collect()
    }

    /// The publisher is elsewhere and has these tracks.
    pub(super) fn set_tracks(&mut self, heads: &[TrackHead]) {
        for head in heads {
            match self.tracks.iter_mut().find(|t| t.kind == head.kind) {
                Some(track) if track.generation == head.generation => {}
                Some(track) => track.replace(head.codec, head.id, head.generation),
                None => self.tracks.push(PublishedTrack::new(
                    head.kind,
                    head.codec,
                    head.id,
                    head.generation,
                )),
            }
        }
        self.tracks
            .retain(|t| heads.iter().any(|head| head.kind == t.kind));
    }

    /// Keeps a packet that another worker opened; for the next fan-out, unless
    /// it is `past`.
    pub(super) fn on_packed(&mut self, packed: &Packed<'_>, past: bool) {
        let Some(track) = self.tracks.iter_mut().find(|t| t.kind == packed.kind) else {
            return;
        };
        // A publisher may change its source without changing its tracks.
        if track.generation != packed.generation {
            track.begin_generation(packed.generation);
        }
        track.keep(&packed.packet, past);
    }

    /// The track of a kind.
    pub(super) fn track(&self, kind: MediaKind) -> Option<&PublishedTrack> {
        self.tracks.iter().find(|t| t.kind == kind)
    }

    /// Keeps a packet of the publisher's for the next fan-out; whether one of
    /// its tracks took it.
    pub(super) fn on_packet(&mut self, now: Instant, info: &RtpInfo, datagram: &[u8]) -> bool {
        let Some(track) = self.tracks.iter_mut().find(|t| t.id == info.track) else {
            return false;
        };
        if track.changes_source(info.ssrc) {
            self.generation += 1;
            track.begin_generation(self.generation);
        }
        track.on_packet(now, info, datagram);
        true
    }

    /// Something fresh came, to be sent after `hold` at most; `ends` where
    /// nothing more belongs to it. Whether it is the first since the last fan-out.
    pub(super) fn set_due(&mut self, now: Instant, hold: Duration, ends: bool) -> bool {
        let first = self.due.is_none();
        // Sound alone has nobody to wait for.
        let waits = self.crowded && !ends && self.track(MediaKind::Video).is_some();
        if first || ends {
            self.due = Some(if waits { now + hold } else { now });
        }
        first
    }
}
