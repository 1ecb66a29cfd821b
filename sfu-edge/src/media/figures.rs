//! What the control plane shows of a session.

use std::sync::atomic::Ordering::Relaxed;

use transom_rtc_proto::peer::TrackId;
use transom_rtc_proto::time::Instant;

use super::api::TrackStats;
use super::peers::PeerSlot;
use super::stream::Stream;

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
