//! What one publisher may send: more than it would cost the others.

use std::time::Duration;

use transom_rtc_proto::time::Instant;

/// What may come at once, in time at the full rate: a key frame is many times
/// a picture's share.
const BURST: Duration = Duration::from_secs(1);

/// What a packet counts for at least, bytes.
const LEAST: usize = 250;

/// Bits a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bitrate(u64);

impl Bitrate {
    /// From megabits a second.
    pub const fn from_mbps(mbps: u32) -> Self {
        Self(mbps as u64 * 1_000_000)
    }
}

/// A bucket of bytes that fills at a bitrate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    rate: Bitrate,
    /// Nanobits: bits times 10^9, so that no interval is too short to count.
    left: u128,
    filled: Instant,
}

impl Budget {
    /// A full one.
    pub(super) fn new(now: Instant, rate: Bitrate) -> Self {
        Self {
            rate,
            left: earned(rate, BURST),
            filled: now,
        }
    }

    /// Takes a packet of `bytes` if there are as many left. A small one counts as
    /// a larger: to forward it costs as much.
    pub(super) fn take(&mut self, now: Instant, bytes: usize) -> bool {
        let bytes = bytes.max(LEAST);
        let most = earned(self.rate, BURST);
        let new = earned(self.rate, now.since(self.filled));
        self.left = (self.left + new).min(most);
        self.filled = now;
        let price = bytes as u128 * 8 * 1_000_000_000;
        let granted = price <= self.left;
        if granted {
            self.left -= price;
        }
        granted
    }
}

fn earned(rate: Bitrate, time: Duration) -> u128 {
    u128::from(rate.0) * time.as_nanos()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_publisher_within_its_rate_loses_nothing_and_one_beyond_gets_its_rate() {
        let mut now = Instant::from_millis(1000);
        let mut modest = Budget::new(now, Bitrate::from_mbps(2));
        let mut greedy = modest;
        let (mut refused, mut granted) = (0, 0);
        for _ in 0..10_000 {
            now += Duration::from_millis(1);
            refused += u32::from(!modest.take(now, 250)); // 2 Mbit/s
            for _ in 0..10 {
                granted += u32::from(greedy.take(now, 250)); // 20 Mbit/s
            }
        }
        assert_eq!(refused, 0);
        // Ten seconds' worth and the burst.
        assert!((10_000..=11_000).contains(&granted), "{granted}");
    }
}
