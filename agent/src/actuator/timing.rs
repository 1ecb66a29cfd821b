//! How the loop fares, counted where nothing may wait: plain numbers, told to the agent now and then.

use std::time::Duration;

use transom_rtc_telemetry::bounds::LOCAL;

/// A bucket for each bound, and one for what is longer.
const BUCKETS: usize = LOCAL.len() + 1;
/// A tally in a frame: its buckets, the sum and the two longest.
const TALLY_LEN: usize = BUCKETS * 4 + 8 + 4 + 4;

/// Times by the bounds of [`LOCAL`], since the process began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many fell into each bucket.
    pub counts: [u32; BUCKETS],
    /// All together, microseconds.
    pub sum_us: u64,
    /// The longest, microseconds.
    pub longest_us: u32,
    /// The longest since the agent was told last.
    pub lately_us: u32,
}

/// How the actuator's loop fares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timing {
    /// How late it woke, against the time that it had asked for.
    pub woke_late: Tally,
    /// From taking a command until the board has what follows from it.
    pub applied: Tally,
}

impl Tally {
    /// It took so many microseconds.
    pub fn observe(&mut self, micros: u64) {
        let took = Duration::from_micros(micros);
        let bucket = LOCAL.partition_point(|bound| *bound < took);
        if let Some(count) = self.counts.get_mut(bucket) {
            *count = count.saturating_add(1);
        }
        self.sum_us = self.sum_us.saturating_add(micros);
        let micros = u32::try_from(micros).unwrap_or(u32::MAX);
        self.longest_us = self.longest_us.max(micros);
        self.lately_us = self.lately_us.max(micros);
    }

    fn emit(&self, to: &mut Vec<u8>) {
        for count in self.counts {
            to.extend(count.to_be_bytes());
        }
        to.extend(self.sum_us.to_be_bytes());
        to.extend(self.longest_us.to_be_bytes());
        to.extend(self.lately_us.to_be_bytes());
    }

    fn parse(bytes: &[u8; TALLY_LEN]) -> Option<Self> {
        let mut tally = Self::default();
        let mut rest = bytes.as_slice();
        for count in &mut tally.counts {
            let (bytes, more) = rest.split_first_chunk()?;
            *count = u32::from_be_bytes(*bytes);
            rest = more;
        }
        let (sum, rest) = rest.split_first_chunk()?;
        tally.sum_us = u64::from_be_bytes(*sum);
        let (longest, rest) = rest.split_first_chunk()?;
        tally.longest_us = u32::from_be_bytes(*longest);
        tally.lately_us = u32::from_be_bytes(*rest.first_chunk()?);
        Some(tally)
    }
}

impl Timing {
    /// The agent knows this.
    pub(super) fn told(&mut self) {
        self.woke_late.lately_us = 0;
        self.applied.lately_us = 0;
    }

    pub(super) fn emit(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(2 * TALLY_LEN);
        self.woke_late.emit(&mut bytes);
        self.applied.emit(&mut bytes);
        bytes
    }

    /// Reads what [`emit`](Self::emit) wrote; `None` for anything else.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let (late, rest) = bytes.split_first_chunk()?;
        let (applied, rest) = rest.split_first_chunk()?;
        rest.is_empty().then_some(())?;
        Some(Self {
            woke_late: Tally::parse(late)?,
            applied: Tally::parse(applied)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actuator::{FromActuator, MAX_FRAME};

    #[test]
    fn a_tally_is_read_as_it_was_written_and_fits_a_frame() {
        let mut timing = Timing::default();
        for micros in [0, 100, 101, 7_000, 5_000_000_000] {
            timing.woke_late.observe(micros);
        }
        timing.applied.observe(300);
        assert_eq!(timing.woke_late.counts, [2, 1, 0, 0, 0, 0, 1, 0, 0, 1]);
        assert_eq!(timing.woke_late.longest_us, u32::MAX);
        let bytes = timing.emit();
        assert_eq!(Timing::parse(&bytes), Some(timing));
        assert_eq!(Timing::parse(&bytes[1..]), None);
        assert_eq!(Timing::parse(&[bytes.as_slice(), &[0]].concat()), None);
        assert!(FromActuator::Timing(timing).emit().len() <= MAX_FRAME);
    }
}
