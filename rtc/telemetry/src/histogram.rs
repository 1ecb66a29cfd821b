use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How long something took, how often. One call is three additions; a reader
/// may see one of them a moment before the others.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [Duration],
    /// One a bound, and one for what is longer than all of them.
    counts: Box<[AtomicU64]>,
    micros: AtomicU64,
}

impl Histogram {
    /// Nothing yet. `bounds` are the longest that each bucket takes, ascending.
    pub fn new(bounds: &'static [Duration]) -> Self {
        Self {
            bounds,
            counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            micros: AtomicU64::new(0),
        }
    }

    /// It took this long.
    pub fn observe(&self, took: Duration) {
        let bucket = self.bounds.partition_point(|bound| *bound < took);
        if let Some(count) = self.counts.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// What another process counted by the same bounds: a number for each bucket, and what all of them took
    /// together. More numbers than buckets count nowhere.
    pub fn add(&self, counts: impl IntoIterator<Item = u64>, micros: u64) {
        for (count, more) in self.counts.iter().zip(counts) {
            count.fetch_add(more, Ordering::Relaxed);
        }
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// How often.
    pub fn count(&self) -> u64 {
        self.buckets().map(|(_, count)| count).sum()
    }

    /// Each bucket's bound, `None` for the last one, and how many fell into it
    /// and into none before.
    pub(crate) fn buckets(&self) -> impl Iterator<Item = (Option<Duration>, u64)> {
        let bounds = self.bounds.iter().copied().map(Some).chain([None]);
        bounds.zip(
            self.counts
                .iter()
                .map(|count| count.load(Ordering::Relaxed)),
        )
    }

    /// All of it together.
    pub fn sum(&self) -> Duration {
        Duration::from_micros(self.micros.load(Ordering::Relaxed))
    }
}
