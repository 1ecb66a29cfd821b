//! Walks the sample tables of an MP4 track (ISO/IEC 14496-12 section 8.6 and
//! 8.7) without unrolling them.

use mp4_atom::{Ctts, Stsc, Stsz, StszSamples, Stts};

/// Two days of 60 pictures a second; tables of a few bytes may claim more.
const MAX_LOOKED_AT: usize = 10_368_000;

/// Where a sample lies and when it is shown, in units of the track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) offset: u64,
    pub(super) size: u32,
    /// Decoding time.
    pub(super) time: u64,
    pub(super) duration: u32,
}

/// The tables of one track.
#[derive(Clone, Debug)]
pub(super) struct SampleTable {
    pub(super) times: Stts,
    pub(super) chunks: Stsc,
    pub(super) sizes: Stsz,
    pub(super) chunk_offsets: Vec<u64>,
}

impl SampleTable {
    /// Samples in the track.
    pub(super) fn len(&self) -> usize {
        match &self.sizes.samples {
            StszSamples::Identical { count, .. } => *count as usize,
            StszSamples::Different { sizes } => sizes.len(),
        }
    }

    /// Whether a file of `len` bytes ends before one of the samples.
    pub(super) fn reaches_beyond(&self, len: u64) -> bool {
        let mut cursor = Cursor::default();
        std::iter::from_fn(|| cursor.next(self))
            .take(MAX_LOOKED_AT)
            .any(|sample| sample.offset.saturating_add(u64::from(sample.size)) > len)
    }

    fn size(&self, index: usize) -> Option<u32> {
        match &self.sizes.samples {
            StszSamples::Identical { count, size } => (index < *count as usize).then_some(*size),
            StszSamples::Different { sizes } => sizes.get(index).copied(),
        }
    }
}

/// Whether composition times differ in their distance to decoding times: the
/// pictures are shown in another order than they are stored.
pub(super) fn reorders(composition: &Ctts) -> bool {
    let mut offsets = composition
        .entries
        .iter()
        .filter(|entry| entry.sample_count > 0)
        .map(|entry| entry.sample_offset);
    let first = offsets.next();
    offsets.any(|offset| Some(offset) != first)
}

/// A place in a [`SampleTable`].
#[derive(Clone, Debug, Default)]
pub(super) struct Cursor {
    index: usize,
    time: u64,
    /// Entry of the time table and samples of it that are done.
    time_entry: usize,
    time_done: u32,
    /// Chunk, entry of the chunk table, samples of the chunk that are done,
    /// bytes of it that are done.
    chunk: usize,
    chunk_entry: usize,
    chunk_done: u32,
    chunk_bytes: u64,
}

impl Cursor {
    /// The next sample; `None` at the end, or where the tables end too early.
    pub(super) fn next(&mut self, table: &SampleTable) -> Option<Sample> {
        let size = table.size(self.index)?;
        let duration = self.duration(table)?;
        let start = self.chunk_start(table)?;
        let sample = Sample {
            offset: start.checked_add(self.chunk_bytes)?,
            size,
            time: self.time,
            duration,
        };
        self.index += 1;
        self.time = self.time.checked_add(u64::from(duration))?;
        self.time_done += 1;
        self.chunk_done += 1;
        self.chunk_bytes += u64::from(size);
        Some(sample)
    }

    fn duration(&mut self, table: &SampleTable) -> Option<u32> {
        loop {
            let entry = table.times.entries.get(self.time_entry)?;
            if self.time_done < entry.sample_count {
                return Some(entry.sample_delta);
            }
            self.time_entry += 1;
            self.time_done = 0;
        }
    }

    fn chunk_start(&mut self, table: &SampleTable) -> Option<u64> {
        loop {
            let start = *table.chunk_offsets.get(self.chunk)?;
            let entries = &table.chunks.entries;
            // An entry holds from its first chunk, counted from one, to the
            // next entry's.
            while let Some(next) = entries.get(self.chunk_entry + 1) {
                if u64::from(next.first_chunk) > self.chunk as u64 + 1 {
                    break;
                }
                self.chunk_entry += 1;
            }
            if self.chunk_done < entries.get(self.chunk_entry)?.samples_per_chunk {
                return Some(start);
            }
            self.chunk += 1;
            self.chunk_done = 0;
            self.chunk_bytes = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mp4_atom::{CttsEntry, StscEntry, SttsEntry};

    fn table(sizes: &[u32], per_chunk: &[(u32, u32)], offsets: &[u64]) -> SampleTable {
        SampleTable {
            times: Stts {
                entries: vec![
                    SttsEntry {
                        sample_count: 2,
                        sample_delta: 10,
                    },
                    SttsEntry {
                        sample_count: u32::MAX,
                        sample_delta: 20,
                    },
                ],
            },
            chunks: Stsc {
                entries: per_chunk
                    .iter()
                    .map(|&(first_chunk, samples_per_chunk)| StscEntry {
                        first_chunk,
                        samples_per_chunk,
                        sample_description_index: 1,
                    })
                    .collect(),
            },
            sizes: Stsz {
                samples: StszSamples::Different {
                    sizes: sizes.to_vec(),
                },
            },
            chunk_offsets: offsets.to_vec(),
        }
    }

    fn walk(table: &SampleTable) -> Vec<(u64, u64)> {
        let mut cursor = Cursor::default();
        std::iter::from_fn(|| cursor.next(table))
            .map(|sample| (sample.offset, sample.time))
            .collect()
    }

    #[test]
    fn samples_lie_behind_one_another_in_their_chunks() {
        let table = table(&[1, 2, 3, 4, 5], &[(1, 2), (3, 1)], &[100, 200, 300]);
        let expected = [(100, 0), (101, 10), (200, 20), (203, 40), (300, 60)];
        assert_eq!(walk(&table), expected);
    }

    #[test]
    fn tables_that_end_too_early_end_the_track() {
        assert_eq!(walk(&table(&[1, 2, 3], &[(1, 1)], &[100])), [(100, 0)]);
        assert_eq!(walk(&table(&[1, 2], &[], &[100])), []);
        assert_eq!(walk(&table(&[1, 2], &[(1, 0)], &[100, 200])), []);
        assert_eq!(walk(&table(&[1], &[(1, 1)], &[u64::MAX])), [(u64::MAX, 0)]);
        assert_eq!(
            walk(&table(&[9, 9], &[(1, 2)], &[u64::MAX])),
            [(u64::MAX, 0)]
        );
    }

    #[test]
    fn reordering_shows_in_the_composition_times() {
        let ctts = |offsets: &[(u32, i64)]| Ctts {
            entries: offsets
                .iter()
                .map(|&(sample_count, sample_offset)| CttsEntry {
                    sample_count,
                    sample_offset,
                })
                .collect(),
        };
        assert!(!reorders(&ctts(&[])));
        assert!(!reorders(&ctts(&[(5, 10), (0, 99), (7, 10)])));
        assert!(reorders(&ctts(&[(1, 20), (1, 40)])));
    }
}
