use std::collections::BTreeMap;
use std::time::Duration;

use transom_rtc_proto::sdp::Codec;
use transom_rtc_proto::time::Instant;

use super::StreamName;
use crate::media::api::{SessionId, SessionState, StreamKey};

/// What a publisher sends, and so what its subscribers negotiate: at most one
/// track a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Formats {
    /// The codec of its sound.
    pub audio: Option<Codec>,
    /// The codec of its picture.
    pub video: Option<Codec>,
}

impl Formats {
    /// Whether who negotiated `self` can go on with a publisher of `other`.
    pub fn fits(&self, other: &Self) -> bool {
        let same = |a: Option<Codec>, b: Option<Codec>| match (a, b) {
            (None, None) => true,
            (Some(a), Some(b)) => same_decoder(a, b),
            _ => false,
        };
        same(self.audio, other.audio) && same(self.video, other.video)
    }
}

/// Whether what decodes `a` decodes `b`. Neither the level (a browser answers
/// its own) nor how Opus is used ends a session.
fn same_decoder(a: Codec, b: Codec) -> bool {
    match (a, b) {
        (
            Codec::H264 {
                profile_level_id: a,
                packetization_mode: mode_a,
            },
            Codec::H264 {
                profile_level_id: b,
                packetization_mode: mode_b,
            },
        ) => a.profile() == b.profile() && mode_a == mode_b,
        _ => a.kind() == b.kind(),
    }
}

/// A named stream that somebody publishes or waits for.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) key: StreamKey,
    /// The connected one; where there is none, the one that is to be.
    pub(super) publisher: Option<Publisher>,
    /// Takes a connected publisher's place once it is connected itself.
    pub(super) challenger: Option<Publisher>,
    /// With what each negotiated: the formats of the publisher there was.
    pub(super) subscribers: BTreeMap<SessionId, Formats>,
    /// Since when there is no publisher.
    pub(super) absent_since: Option<Instant>,
}

/// Who sends a stream now.
#[derive(Debug)]
pub(super) struct Publisher {
    pub(super) session: SessionId,
    pub(super) since: Instant,
    pub(super) state: SessionState,
    pub(super) formats: Formats,
}

impl Stream {
    pub(super) fn new(key: StreamKey) -> Self {
        Self {
            key,
            publisher: None,
            challenger: None,
            subscribers: BTreeMap::new(),
            absent_since: None,
        }
    }

    /// Whether there is a publisher that a new one has to outdo.
    pub(super) fn is_live(&self) -> bool {
        let publisher = self.publisher.as_ref();
        publisher.is_some_and(|p| p.state == SessionState::Connected)
    }

    /// Whose place a publisher that begins takes at once: it has not connected.
    pub(super) fn pending(&mut self) -> &mut Option<Publisher> {
        match self.is_live() {
            true => &mut self.challenger,
            false => &mut self.publisher,
        }
    }

    /// Whether nobody sends it and nobody waits for it.
    pub(super) fn is_deserted(&self) -> bool {
        self.publisher.is_none() && self.subscribers.is_empty()
    }

    pub(super) fn view<'a>(&'a self, name: &'a StreamName, now: Instant) -> StreamView<'a> {
        StreamView {
            name,
            key: self.key,
            publisher: self.publisher.as_ref().map(|p| PublisherView {
                session: p.session,
                since: now.since(p.since),
                state: p.state,
            }),
            subscribers: self.subscribers.len(),
        }
    }
}

/// A stream as `/api/streams` shows it.
#[derive(Clone, Copy, Debug)]
pub struct StreamView<'a> {
    /// Its name.
    pub name: &'a StreamName,
    /// Its key on the media thread.
    pub key: StreamKey,
    /// Who publishes it; `None` during the grace.
    pub publisher: Option<PublisherView>,
    /// How many read it or wait for it.
    pub subscribers: usize,
}

/// A publisher as `/api/streams` shows it.
#[derive(Clone, Copy, Debug)]
pub struct PublisherView {
    /// Its session.
    pub session: SessionId,
    /// How long it has been there.
    pub since: Duration,
    /// How far it has come.
    pub state: SessionState,
}
