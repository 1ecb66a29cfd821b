//! What the peers of a world report, and what follows from it.

use std::sync::Arc;
use std::time::Duration;

use transom_control::wire::Picture;
use transom_rtc_proto::channel::{ChannelEvent, ChannelSendError};
use transom_rtc_proto::id::SeqNo;
use transom_rtc_proto::peer::{ClockReference, CloseReason, Event, TrackId};
use transom_rtc_proto::sdp::MediaKind;
use transom_rtc_proto::time::Instant;

use super::World;
use crate::media::api::{GoneReason, MediaEvent, SessionState};
use crate::media::channels::{ChannelNote, Outgoing, Speaker};
use crate::media::link::Note;
use crate::media::peers::Role;
use crate::media::pictures;
use crate::media::relay::DropReason;
use crate::media::totals::Count;

/// A publisher's sender reports are taken this often; honest ones come once a
/// second or so.
const CLOCK_EVERY: Duration = Duration::from_millis(100);

impl World {
    pub(super) fn on_event(&mut self, now: Instant, key: u32, event: Event) {
        let Some(slot) = self.peers.get_mut(key) else {
            return;
        };
        match event {
            Event::PathSelected(path) => {
                tracing::debug!(session = %slot.session, %path, "path selected");
            }
            Event::Connected => self.on_connected(now, key),
            Event::KeyFrameRequested { track } => self.on_key_frame_request(now, key, track),
            Event::Nacked { track, seqs } => self.on_nacked(now, key, track, &seqs),
            Event::SenderReport {
                track,
                ntp,
                timestamp,
            } => {
                let clock = ClockReference {
                    at: now,
                    ntp,
                    timestamp,
                };
                self.on_sender_report(key, track, clock);
            }
            Event::Closed(reason) => {
                let gone = gone_reason(reason, slot.stats.state());
                let (session, role) = (slot.session, slot.label());
                tracing::info!(stream = &*slot.name, %session, role, %reason, "session ended");
                self.events.push(MediaEvent::Gone {
                    session,
                    reason: gone,
                });
                self.forget(now, key);
            }
            // Loss is shown, not acted upon: the publisher's encoder is not ours.
            Event::Feedback { .. } => {}
            Event::Channel(event) => self.on_channel(key, event),
            _ => {}
        }
    }

    /// Tells the relay, which is with the ingress thread.
    fn on_channel(&mut self, key: u32, event: ChannelEvent) {
        let Some(slot) = self.peers.get_mut(key) else {
            return;
        };
        let open = slot.channels.get_or_insert_default();
        if let Some((label, what)) = open.on_event(event)
            && self.gauge.take(&what)
        {
            let speaker = Speaker {
                key,
                session: slot.session,
                stream: slot.stream,
                publisher: slot.is_publisher(),
                rights: slot.rights,
            };
            let note = ChannelNote {
                speaker,
                label,
                what,
            };
            self.notes.push(Note::Channel(Box::new(note)));
        }
    }

    /// Says something on a channel of a peer here.
    pub(in crate::media) fn send_on_channel(&mut self, outgoing: Outgoing) {
        let key = outgoing.key;
        let Some(outgoing) = self.as_seen(outgoing) else {
            return;
        };
        let Some(slot) = self.peers.get_mut(key) else {
            return;
        };
        let Some(open) = &mut slot.channels else {
            return self.relayed.count(DropReason::ChannelClosed);
        };
        match open.send(&mut slot.peer, outgoing) {
            Ok(sent) => {
                if sent.superseded {
                    self.relayed.count(DropReason::Superseded);
                }
                if sent.queued {
                    self.mark(key);
                }
            }
            Err(error) => self.on_left_out(error),
        }
    }

    /// What is told of a picture, in the time of the one who is told.
    pub(in crate::media) fn as_seen(&self, outgoing: Outgoing) -> Option<Outgoing> {
        if !Picture::is(&outgoing.data) {
            return Some(outgoing);
        }
        let slot = self.peers.get(outgoing.key)?;
        let stream = self.streams.get(&slot.stream)?;
        match &slot.role {
            Role::Subscriber(subscriptions) => pictures::as_seen(outgoing, stream, subscriptions),
            Role::Publisher(_) => None,
        }
    }

    /// Sends what waited for room on a channel of a peer.
    pub(super) fn release_channels(&mut self, key: u32) {
        if let Some(slot) = self.peers.get_mut(key)
            && let Some(open) = &mut slot.channels
            && let Err(error) = open.release(&mut slot.peer)
        {
            self.on_left_out(error);
        }
    }

    fn on_left_out(&self, error: ChannelSendError) {
        tracing::debug!(%error, "message left out");
        self.relayed.count(match error {
            ChannelSendError::WouldBlock => DropReason::NoRoom,
            _ => DropReason::ChannelClosed,
        });
    }

    fn on_connected(&mut self, now: Instant, key: u32) {
        let Some(slot) = self.peers.get_mut(key) else {
            return;
        };
        slot.stats.set_state(SessionState::Connected);
        let (session, role, stream) = (slot.session, slot.label(), slot.stream);
        let (path, profile) = (slot.peer.path(), slot.peer.srtp_profile());
        let name = Arc::clone(&slot.name);
        tracing::info!(stream = &*name, %session, role, ?profile, path = ?path.map(|p| p.remote), "connected");
        self.events.push(MediaEvent::Connected { session });
        let Some(state) = self.streams.get_mut(&stream) else {
            return;
        };
        if let Role::Publisher(publication) = &slot.role {
            state.set_publisher(key, &publication.negotiated);
            self.notes.push(Note::TracksChanged { stream });
            if !state.subscribers.is_empty() {
                self.request_key_frame(now, stream, MediaKind::Video);
            }
            return;
        }
        // A key frame of its own for a late joiner; until that comes, the latest serves.
        self.request_key_frame(now, stream, MediaKind::Video);
        self.catch_up.begin(now, key);
    }

    /// A subscriber wants a key frame: the publisher is asked, for all who want one at once.
    fn on_key_frame_request(&mut self, now: Instant, key: u32, track: TrackId) {
        let Some(slot) = self.peers.get_mut(key) else {
            return;
        };
        self.counts.add(Count::KeyFramesWanted, 1);
        let stream = slot.stream;
        let mut subscriptions = slot.subscriptions_mut().iter_mut();
        if let Some(subscription) = subscriptions.find(|s| s.track == track)
            && subscription.may_request_key_frame(now)
        {
            let kind = subscription.kind;
            self.request_key_frame(now, stream, kind);
        }
    }

    fn on_nacked(&mut self, now: Instant, key: u32, track: TrackId, seqs: &[SeqNo]) {
        let Some(slot) = self.peers.get_mut(key) else {
            return;
        };
        let Some(stream) = self.streams.get(&slot.stream) else {
            return;
        };
        let Some(path) = slot.peer.path() else { return };
        let Role::Subscriber(subscriptions) = &mut slot.role else {
            return;
        };
        let Some(subscription) = subscriptions.iter_mut().find(|s| s.track == track) else {
            return;
        };
        let Some(published) = stream.track(subscription.kind) else {
            return;
        };
        for seq in seqs {
            if !subscription.may_repair(now) {
                return;
            }
            let Some(packet) = subscription.repair(now, published, *seq) else {
                continue;
            };
            let start = self.egress.buf().len();
            if slot
                .peer
                .forward_repair(track, &packet, self.egress.buf())
                .is_ok()
            {
                self.egress.commit(path, start, None);
            }
        }
    }

    fn on_sender_report(&mut self, key: u32, track: TrackId, clock: ClockReference) {
        let Some(key_of_stream) = self.peers.get(key).map(|s| s.stream) else {
            return;
        };
        let state = self.streams.get(&key_of_stream);
        let state = state.filter(|s| s.publisher == Some(key));
        let Some(published) = state.and_then(|s| s.tracks.iter().find(|t| t.id == track)) else {
            return;
        };
        // Each is work for every subscriber.
        if published
            .clock
            .is_some_and(|c| clock.at.since(c.at) < CLOCK_EVERY)
        {
            return;
        }
        let (kind, generation) = (published.kind, published.generation);
        self.set_clock(key_of_stream, kind, generation, clock);
        self.notes.push(Note::ClockSet {
            stream: key_of_stream,
            kind,
        });
    }
}

fn gone_reason(reason: CloseReason, state: SessionState) -> GoneReason {
    match reason {
        CloseReason::Local | CloseReason::Remote => GoneReason::Closed,
        CloseReason::IceFailed | CloseReason::HandshakeTimeout => GoneReason::NeverConnected,
        CloseReason::ConsentLost if state == SessionState::Connecting => GoneReason::NeverConnected,
        CloseReason::ConsentLost => GoneReason::ConsentLost,
        CloseReason::FingerprintMismatch => GoneReason::FingerprintMismatch,
        _ => GoneReason::DtlsFailed,
    }
}
