//! Fresh packets of one stream, packed once and read by several workers.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use transom_rtc_proto::id::ExtSeq;
use transom_rtc_proto::sdp::MediaKind;
use transom_rtc_proto::stream::{MediaInfo, Stored};
use transom_rtc_proto::time::Instant;

use super::api::StreamKey;

/// Slabs kept for use again, those that wait for a worker among them. Past them
/// a slab is made and let go.
const MAX_KEPT: usize = 128;

/// A slab that has grown past this is let go of: a flood made it.
const MAX_KEPT_BYTES: usize = 256 * 1024;

/// Opened packets, one behind the other. Read only once it is shared.
#[derive(Debug)]
pub(super) struct Slab {
    pub(super) stream: StreamKey,
    entries: Vec<Entry>,
    bytes: Vec<u8>,
}

/// One packet of a slab.
#[derive(Clone, Debug)]
struct Entry {
    kind: MediaKind,
    generation: u32,
    seq: ExtSeq,
    at: Instant,
    info: MediaInfo,
    payload: Range<usize>,
}

/// A packet as it lies in a slab, and the track it belongs to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packed<'a> {
    pub(super) kind: MediaKind,
    pub(super) generation: u32,
    pub(super) packet: Stored<'a>,
}

impl Slab {
    fn empty(stream: StreamKey) -> Self {
        Self {
            stream,
            entries: Vec::new(),
            bytes: Vec::new(),
        }
    }

    /// Adds a packet.
    pub(super) fn push(&mut self, kind: MediaKind, generation: u32, packet: &Stored<'_>) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(packet.payload);
        self.entries.push(Entry {
            kind,
            generation,
            seq: packet.seq,
            at: packet.at,
            info: packet.info,
            payload: start..self.bytes.len(),
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The packets, in order of arrival within each track.
    pub(super) fn packets(&self) -> impl Iterator<Item = Packed<'_>> {
        self.entries.iter().filter_map(|entry| {
            Some(Packed {
                kind: entry.kind,
                generation: entry.generation,
                packet: Stored {
                    seq: entry.seq,
                    at: entry.at,
                    info: entry.info,
                    payload: self.bytes.get(entry.payload.clone())?,
                },
            })
        })
    }
}

/// Slabs that come back when the last worker has let go of them, so that the
/// usual turn allocates nothing.
#[derive(Debug, Default)]
pub(super) struct SlabPool {
    shared: VecDeque<Arc<Slab>>,
}

impl SlabPool {
    /// A slab filled by `fill`; `None` where that added nothing.
    pub(super) fn pack(
        &mut self,
        stream: StreamKey,
        fill: impl FnOnce(&mut Slab),
    ) -> Option<Arc<Slab>> {
        // Workers let go of them in the order in which they got them.
        let mut slab = match self.shared.front() {
            Some(oldest) if Arc::strong_count(oldest) == 1 => self.shared.pop_front()?,
            _ => Arc::new(Slab::empty(stream)),
        };
        // Nobody else has it: the count was one, or it is new.
        let contents = Arc::get_mut(&mut slab)?;
        contents.stream = stream;
        contents.entries.clear();
        contents.bytes.clear();
        fill(contents);
        let packed = (!contents.is_empty()).then(|| Arc::clone(&slab));
        if self.shared.len() < MAX_KEPT && slab.bytes.capacity() <= MAX_KEPT_BYTES {
            match packed {
                Some(_) => self.shared.push_back(slab),
                None => self.shared.push_front(slab),
            }
        }
        packed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(seq: u64, payload: &[u8]) -> Stored<'_> {
        Stored {
            seq: ExtSeq(seq),
            at: Instant::from_millis(seq),
            info: MediaInfo::default(),
            payload,
        }
    }

    #[test]
    fn packets_come_out_as_they_went_in() {
        let mut pool = SlabPool::default();
        let slab = pool.pack(StreamKey(1), |slab| {
            slab.push(MediaKind::Video, 3, &packet(7, b"seven"));
            slab.push(MediaKind::Audio, 4, &packet(8, b""));
        });
        let slab = slab.expect("two packets");
        let got: Vec<_> = slab.packets().collect();
        assert_eq!(got[0].packet, packet(7, b"seven"));
        assert_eq!((got[0].kind, got[0].generation), (MediaKind::Video, 3));
        assert_eq!(got[1].packet, packet(8, b""));
    }

    #[test]
    fn a_slab_is_used_again_once_nobody_reads_it() {
        let mut pool = SlabPool::default();
        let fill = |slab: &mut Slab| slab.push(MediaKind::Video, 0, &packet(1, b"x"));
        let first = pool.pack(StreamKey(1), fill).expect("a packet");
        let address = Arc::as_ptr(&first);
        let second = pool.pack(StreamKey(1), fill).expect("a packet");
        assert_ne!(Arc::as_ptr(&second), address, "the first is still read");
        drop(first);
        let third = pool.pack(StreamKey(2), fill).expect("a packet");
        assert_eq!(Arc::as_ptr(&third), address);
        assert_eq!(third.packets().count(), 1, "what it held is gone");
        assert_eq!(third.stream, StreamKey(2));
    }

    #[test]
    fn nothing_packed_is_nothing_to_read() {
        let mut pool = SlabPool::default();
        assert!(pool.pack(StreamKey(1), |_| ()).is_none());
    }
}
