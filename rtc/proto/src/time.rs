//! Time as an argument.

use core::fmt;
use core::ops::{Add, AddAssign, Sub};
use core::time::Duration;

/// A point on a monotonic clock, in microseconds since an origin of the driver's choice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The instant `us` microseconds after the clock's origin.
    pub const fn from_micros(us: u64) -> Self {
        Self(us)
    }

    /// The instant `ms` milliseconds after the clock's origin.
    pub const fn from_millis(ms: u64) -> Self {
        Self(ms * 1000)
    }

    /// Microseconds since the clock's origin.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// The time from `earlier` to `self`, zero where `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

fn micros(d: Duration) -> u64 {
    u64::try_from(d.as_micros()).unwrap_or(u64::MAX)
}

impl Add<Duration> for Instant {
    type Output = Self;
    fn add(self, d: Duration) -> Self {
        Self(self.0.saturating_add(micros(d)))
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, d: Duration) {
        *self = *self + d;
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;
    fn sub(self, d: Duration) -> Self {
        Self(self.0.saturating_sub(micros(d)))
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}s", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

/// Wall-clock time, in microseconds since the Unix epoch. Only sender reports
/// and capture time codes carry it; no timer ever does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct WallTime(u64);

/// Seconds from the NTP era (1900) to the Unix epoch (1970).
const NTP_UNIX_OFFSET: u64 = 2_208_988_800;

impl WallTime {
    /// `us` microseconds after the Unix epoch.
    pub const fn from_unix_micros(us: u64) -> Self {
        Self(us)
    }

    /// Microseconds since the Unix epoch.
    pub const fn as_unix_micros(self) -> u64 {
        self.0
    }

    /// The 64-bit NTP timestamp of RFC 3550 section 4: seconds since 1900 in
    /// the upper half, the fraction of a second in the lower.
    pub const fn to_ntp(self) -> u64 {
        let seconds = (self.0 / 1_000_000 + NTP_UNIX_OFFSET) & 0xffff_ffff;
        let fraction = ((self.0 % 1_000_000) << 32) / 1_000_000;
        (seconds << 32) | fraction
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ntp_of_the_unix_epoch() {
        assert_eq!(WallTime::from_unix_micros(0).to_ntp(), 2_208_988_800 << 32);
        let half = WallTime::from_unix_micros(500_000).to_ntp();
        assert_eq!(half & 0xffff_ffff, 0x8000_0000);
    }

    #[test]
    fn since_saturates() {
        let a = Instant::from_millis(5);
        assert_eq!(a.since(Instant::from_millis(9)), Duration::ZERO);
        assert_eq!(
            (a + Duration::from_millis(2)).since(a),
            Duration::from_millis(2)
        );
    }
}
