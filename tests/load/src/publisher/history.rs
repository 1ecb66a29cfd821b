//! What was sent lately, for those who miss it.

use transom_rtc_proto::id::{MediaTime, SeqNo};
use transom_rtc_proto::peer::{Outgoing, TrackId};

/// Packets kept: about two seconds.
const KEPT: usize = 512;

/// A ring of packets. Past its bound the oldest gives way.
#[derive(Debug, Default)]
pub(super) struct History {
    packets: Vec<Kept>,
    next: usize,
}

#[derive(Debug)]
struct Kept {
    track: TrackId,
    seq: SeqNo,
    timestamp: MediaTime,
    marker: bool,
    payload: Vec<u8>,
}

impl History {
    pub(super) fn push(&mut self, track: TrackId, packet: &Outgoing<'_>) {
        let kept = Kept {
            track,
            seq: packet.seq,
            timestamp: packet.timestamp,
            marker: packet.marker,
            payload: Vec::new(),
        };
        if self.packets.len() < KEPT {
            self.packets.push(kept);
        } else if let Some(slot) = self.packets.get_mut(self.next) {
            let payload = std::mem::take(&mut slot.payload);
            *slot = Kept { payload, ..kept };
        }
        if let Some(slot) = self.packets.get_mut(self.next) {
            slot.payload.clear();
            slot.payload.extend_from_slice(packet.payload);
        }
        self.next = (self.next + 1) % KEPT;
    }

    pub(super) fn get(&self, track: TrackId, seq: SeqNo) -> Option<Outgoing<'_>> {
        let mut packets = self.packets.iter();
        let kept = packets.find(|p| p.track == track && p.seq == seq)?;
        Some(Outgoing {
            seq,
            timestamp: kept.timestamp,
            marker: kept.marker,
            payload: &kept.payload,
            padding: 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_are_kept() {
        let mut history = History::default();
        for n in 0..2000 {
            let payload = n.to_string();
            let packet = Outgoing {
                seq: SeqNo(n),
                timestamp: MediaTime(7),
                marker: n % 8 == 7,
                payload: payload.as_bytes(),
                padding: 0,
            };
            history.push(TrackId(1), &packet);
        }
        let got = history.get(TrackId(1), SeqNo(1999)).expect("kept");
        assert_eq!((got.payload, got.marker), (&b"1999"[..], true));
        assert!(history.get(TrackId(1), SeqNo(1488)).is_some());
        assert!(history.get(TrackId(1), SeqNo(1487)).is_none());
        assert!(history.get(TrackId(0), SeqNo(1999)).is_none());
    }
}
