//! A track as its publisher sends it, with the packets that may be asked for again.

use std::ops::Range;
use std::time::Duration;

use transom_rtc_proto::id::{ExtSeq, MediaTime, Ssrc};
use transom_rtc_proto::peer::{ClockReference, RtpInfo, TrackId};
use transom_rtc_proto::sdp::{Codec, MediaKind};
use transom_rtc_proto::stream::{MediaInfo, Place, RetransmitBuffer, Stored};
use transom_rtc_proto::time::Instant;

use super::equal;

/// What is kept of a picture track: some two seconds at 4 Mbit/s, and four
/// times that at the usual rates.
pub(super) const VIDEO_PACKETS: usize = 2048;
const VIDEO_BYTES: usize = 1 << 20;

/// What is kept of a sound track: five seconds.
const AUDIO_PACKETS: usize = 256;
const AUDIO_BYTES: usize = 64 << 10;

/// A fresh packet as the fan-out reads it.
#[derive(Debug)]
pub(super) struct Fresh {
    pub(super) place: Place,
    pub(super) padding: u8,
}

/// A published track.
#[derive(Debug)]
pub(super) struct PublishedTrack {
    pub(super) kind: MediaKind,
    pub(super) codec: Codec,
    /// Its place in the publisher's session.
    pub(super) id: TrackId,
    /// Counts the sources of this stream, of one publisher and the next:
    /// sequence numbers and timestamps of different generations have nothing to
    /// do with each other.
    pub(super) generation: u32,
    /// Where the packets come from, once one has come.
    source: Option<Ssrc>,
    buffer: RetransmitBuffer,
    /// What came since the last fan-out, in order of arrival.
    fresh: Vec<ExtSeq>,
    /// The same, ready to be read once a subscriber; see [`PublishedTrack::prepare`].
    batch: Vec<Fresh>,
    /// Room to work in.
    lengths: Vec<usize>,
    padding: Vec<u8>,
    /// Media time of the newest frame.
    newest: Option<MediaTime>,
    /// The publisher's clock, from its latest sender report.
    pub(super) clock: Option<ClockReference>,
    /// Frames begun, and those among them that a decoder can begin with.
    pub(super) frames: u64,
    pub(super) key_frames: u64,
}

impl PublishedTrack {
    pub(super) fn new(kind: MediaKind, codec: Codec, id: TrackId, generation: u32) -> Self {
        let (packets, bytes) = match kind {
            MediaKind::Audio => (AUDIO_PACKETS, AUDIO_BYTES),
            MediaKind::Video => (VIDEO_PACKETS, VIDEO_BYTES),
        };
        Self {
            kind,
            codec,
            id,
            generation,
            source: None,
            buffer: RetransmitBuffer::new(packets, bytes),
            fresh: Vec::with_capacity(64),
            batch: Vec::with_capacity(64),
            lengths: Vec::with_capacity(64),
            padding: Vec::with_capacity(64),
            newest: None,
            clock: None,
            frames: 0,
            key_frames: 0,
        }
    }

    /// Another publisher takes over.
    pub(super) fn replace(&mut self, codec: Codec, id: TrackId, generation: u32) {
        self.codec = codec;
        self.id = id;
        self.begin_generation(generation);
    }

    /// Whether a packet of `source` is from another one than those before it.
    pub(super) fn changes_source(&self, source: Ssrc) -> bool {
        self.source.is_some_and(|known| known != source)
    }

    /// Another source follows, be it of another publisher or of the same one.
    pub(super) fn begin_generation(&mut self, generation: u32) {
        self.generation = generation;
        self.source = None;
        self.buffer.clear();
        self.clear_fresh();
        self.newest = None;
        self.clock = None;
    }

    /// Keeps a packet for the next fan-out.
    pub(super) fn on_packet(&mut self, now: Instant, info: &RtpInfo, datagram: &[u8]) {
        self.source = Some(info.ssrc);
        let payload: Range<usize> = info.payload.clone();
        let Some(payload) = datagram.get(payload) else {
            return;
        };
        if self
            .newest
            .is_none_or(|newest| later(info.timestamp, newest))
        {
            self.newest = Some(info.timestamp);
            self.frames += 1;
            self.key_frames += u64::from(info.key_frame);
        }
        let media = MediaInfo {
            pt: info.pt,
            timestamp: info.timestamp,
            marker: info.marker,
            key_frame_start: info.key_frame,
        };
        let packet = Stored {
            seq: info.seq,
            at: now,
            info: media,
            payload,
        };
        self.keep(&packet, false);
    }

    /// Keeps an opened packet; for the next fan-out, unless it is `past`.
    pub(super) fn keep(&mut self, packet: &Stored<'_>, past: bool) {
        let kept = self
            .buffer
            .push(packet.at, packet.seq, packet.info, packet.payload);
        if kept && !past {
            self.fresh.push(packet.seq);
        }
    }

    /// Where a late joiner may begin: the latest key frame, if it is held and
    /// no older than `max_age`.
    pub(super) fn key_frame_to_begin_with(
        &self,
        now: Instant,
        max_age: Duration,
    ) -> Option<ExtSeq> {
        let first = self.buffer.latest_key_frame()?;
        self.buffer
            .get_fresh(now, first, max_age)
            .map(|packet| packet.seq)
    }

    /// The packets kept.
    pub(super) fn buffer(&self) -> &RetransmitBuffer {
        &self.buffer
    }

    /// What came since the last fan-out.
    pub(super) fn fresh(&self) -> &[ExtSeq] {
        &self.fresh
    }

    /// Finds each fresh packet, and the padding that brings them to one size,
    /// once for all subscribers.
    pub(super) fn prepare(&mut self) {
        self.batch.clear();
        self.lengths.clear();
        self.padding.clear();
        for seq in &self.fresh {
            // What the ring has lost already is lost to everybody.
            if let Some(place) = self.buffer.find(*seq) {
                self.lengths.push(place.payload_len());
                self.batch.push(Fresh { place, padding: 0 });
            }
        }
        equal::plan(&self.lengths, &mut self.padding);
        for (fresh, padding) in self.batch.iter_mut().zip(&self.padding) {
            fresh.padding = *padding;
        }
    }

    /// What was prepared.
    pub(super) fn batch(&self) -> &[Fresh] {
        &self.batch
    }

    /// The fan-out is done.
    pub(super) fn clear_fresh(&mut self) {
        self.fresh.clear();
        self.batch.clear();
    }
}

/// Whether `a` is after `b` on the clock that wraps.
pub(super) fn later(a: MediaTime, b: MediaTime) -> bool {
    a.0.wrapping_sub(b.0).cast_signed() > 0
}
