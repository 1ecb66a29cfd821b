//! What the control plane shows of a session, and what it adds to the totals.

use std::sync::atomic::Ordering::Relaxed;

use transom_rtc_proto::peer::TrackId;
use transom_rtc_proto::sdp::MediaKind;
use transom_rtc_proto::time::Instant;

use super::api::TrackStats;
use super::peers::{PeerSlot, Role};
use super::stream::Stream;
use super::totals::{Count, Counts};

/// Writes the figures of one session.
pub(super) fn write(now: Instant, slot: &mut PeerSlot, stream: Option<&Stream>) {
    let micros = |d: std::time::Duration| u32::try_from(d.as_micros()).unwrap_or(u32::MAX);
    let rtt = slot.peer.rtt().map_or(0, micros);
    slot.stats.rtt_us.store(rtt, Relaxed);
    let mut bytes = 0;
    for (index, figures) in slot.stats.tracks.iter().enumerate() {
        let Ok(id) = u8::try_from(index).map(TrackId) else {
            continue;
        };
        bytes += write_received(slot, id, stream, figures) + write_sent(slot, id, figures);
    }
    slot.stats
        .bitrate_bps
        .store(slot.rate.update(now, bytes), Relaxed);
    slot.stats.dropped.store(slot.dropped(), Relaxed);
}

/// What a peer has counted so far.
pub(super) fn count(slot: &PeerSlot) -> Counts {
    let mut counts = Counts::default();
    let dtls = slot.dtls.stats();
    counts.add(Count::DtlsRecordsRefused, dtls.records_refused);
    counts.add(Count::DtlsQueueFull, dtls.queue_full);
    match &slot.role {
        Role::Publisher(publication) => {
            for (index, track) in publication.negotiated.tracks.iter().enumerate() {
                let id = u8::try_from(index).ok().map(TrackId);
                let Some(stats) = id.and_then(|id| slot.peer.receive_stats(id)) else {
                    continue;
                };
                let (packets, bytes) = match track.kind {
                    MediaKind::Audio => (Count::AudioPacketsReceived, Count::AudioBytesReceived),
                    MediaKind::Video => (Count::VideoPacketsReceived, Count::VideoBytesReceived),
                };
                counts.add(packets, stats.packets);
                counts.add(bytes, stats.bytes);
                counts.add(Count::PacketsRepaired, stats.repaired);
                counts.add(Count::PacketsAskedFor, stats.nacked);
                counts.add(Count::KeyFramesAskedFor, stats.key_frame_requests);
            }
            counts.add(Count::OverBudget, publication.refused);
        }
        Role::Subscriber(subscriptions) => {
            for subscription in subscriptions {
                let Some(stats) = slot.peer.send_stats(subscription.track) else {
                    continue;
                };
                let (packets, bytes) = match subscription.kind {
                    MediaKind::Audio => (Count::AudioPacketsSent, Count::AudioBytesSent),
                    MediaKind::Video => (Count::VideoPacketsSent, Count::VideoBytesSent),
                };
                counts.add(packets, stats.packets);
                counts.add(bytes, stats.bytes);
                counts.add(Count::RepairsSent, stats.repairs);
                counts.add(Count::RepairsWanted, stats.nacked);
                counts.add(Count::NotSealed, subscription.dropped);
            }
        }
    }
    counts
}

fn write_received(slot: &PeerSlot, id: TrackId, stream: Option<&Stream>, to: &TrackStats) -> u64 {
    let Some(stats) = slot.peer.receive_stats(id) else {
        return 0;
    };
    to.packets.store(stats.packets, Relaxed);
    to.bytes.store(stats.bytes, Relaxed);
    let lost = u64::try_from(stats.lost)
        .unwrap_or(0)
        .saturating_sub(stats.repaired);
    to.lost.store(lost, Relaxed);
    to.fraction_lost.store(stats.fraction_lost, Relaxed);
    to.jitter_us.store(
        u32::try_from(stats.jitter.as_micros()).unwrap_or(u32::MAX),
        Relaxed,
    );
    to.repaired.store(stats.repaired, Relaxed);
    to.key_frame_requests
        .store(stats.key_frame_requests, Relaxed);
    if let Some(track) = stream.and_then(|s| s.tracks.iter().find(|t| t.id == id)) {
        to.frames.store(track.frames, Relaxed);
        to.key_frames.store(track.key_frames, Relaxed);
    }
    stats.bytes
}

fn write_sent(slot: &PeerSlot, id: TrackId, to: &TrackStats) -> u64 {
    let Some(stats) = slot.peer.send_stats(id) else {
        return 0;
    };
    to.packets.store(stats.packets, Relaxed);
    to.bytes.store(stats.bytes, Relaxed);
    to.lost
        .store(u64::try_from(stats.lost).unwrap_or(0), Relaxed);
    to.fraction_lost.store(stats.fraction_lost, Relaxed);
    to.jitter_us.store(
        u32::try_from(stats.jitter.as_micros()).unwrap_or(u32::MAX),
        Relaxed,
    );
    to.repaired.store(stats.repairs, Relaxed);
    stats.bytes
}
