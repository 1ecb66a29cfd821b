//! The two clocks of an entry, and moments as people write them.

use std::fs;
use std::io;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

/// This machine's clock, microseconds since 1970.
pub fn wall_us() -> i64 {
    match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
        // A Pi without a clock begins where its system was built, never here.
        Err(_) => 0,
    }
}

/// Which boot this is; zero where the kernel does not tell.
pub fn boot_id() -> [u8; 16] {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let mut digits = text.chars().filter_map(|c| c.to_digit(16));
    let mut id = [0; 16];
    for byte in &mut id {
        let (high, low) = (digits.next().unwrap_or(0), digits.next().unwrap_or(0));
        *byte = u8::try_from(high * 16 + low).unwrap_or(0);
    }
    id
}

/// CLOCK_MONOTONIC, microseconds.
pub fn monotonic_us() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let micros = now.tv_sec * 1_000_000 + now.tv_nsec / 1000;
    u64::try_from(micros).unwrap_or(0)
}

/// A moment as an entry has it, for people: `2026-11-30T12:00:00.123456Z`.
pub(crate) fn written(wall_us: i64) -> String {
    let since = Duration::from_micros(u64::try_from(wall_us).unwrap_or(0));
    let at = SystemTime::UNIX_EPOCH + since;
    // Beyond the year 9999 it cannot be written.
    let latest = SystemTime::UNIX_EPOCH + Duration::from_secs(253_402_300_799);
    humantime::format_rfc3339_micros(at.min(latest)).to_string()
}

/// Since when entries are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Since {
    /// Microseconds since 1970.
    pub wall_us: i64,
}

/// What was written is no moment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no moment: write how long ago, such as 90s, 15min, 2h or 3days, or a time (UTC) such as 2026-11-30T12:00:00Z"
)]
pub struct SinceError(String);

impl Since {
    fn of(at: SystemTime) -> Self {
        let since = at.duration_since(SystemTime::UNIX_EPOCH);
        let micros = since.map_or(0, |since| since.as_micros());
        Self {
            wall_us: i64::try_from(micros).unwrap_or(i64::MAX),
        }
    }
}

impl FromStr for Since {
    type Err = SinceError;

    fn from_str(text: &str) -> Result<Self, SinceError> {
        if let Ok(ago) = humantime::parse_duration(text) {
            let at = SystemTime::now().checked_sub(ago);
            return Ok(Self::of(at.unwrap_or(SystemTime::UNIX_EPOCH)));
        }
        let day = format!("{text} 00:00:00");
        let parsed = humantime::parse_rfc3339_weak(text);
        let parsed = parsed.or_else(|_| humantime::parse_rfc3339_weak(&day));
        parsed
            .map(Self::of)
            .map_err(|_| SinceError(text.to_owned()))
    }
}

/// An error of the system, said with what mends it.
pub(crate) fn with_mend(error: &io::Error) -> String {
    let mend = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; make room, or lower `max_mb` in [record]"
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            "; mount it writable, or give another `dir` in [record]"
        }
        io::ErrorKind::PermissionDenied => {
            "; let the agent's user write there, or give another `dir` in [record]"
        }
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            "; give a directory as `dir` in [record]"
        }
        _ => "",
    };
    format!("{error}{mend}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_as_people_write_them() {
        let at = |text: &str| text.parse::<Since>().map(|since| since.wall_us);
        let noon = 1_796_040_000_000_000;
        for text in ["2026-11-30T12:00:00Z", "2026-11-30 12:00:00"] {
            assert_eq!(at(text), Ok(noon), "{text}");
        }
        assert_eq!(at("2026-11-30"), Ok(noon - 12 * 3_600_000_000));
        assert_eq!(written(noon + 5), "2026-11-30T12:00:00.000005Z");
        let hour = at("1h").expect("an hour ago");
        assert!((wall_us() - hour - 3_600_000_000).abs() < 10_000_000);
        let error = at("yesterday").expect_err("no moment").to_string();
        assert!(
            error.contains("2h") && error.contains("yesterday"),
            "{error}"
        );
        // Nothing that is on a disk can panic here.
        for odd in [i64::MIN, -1, i64::MAX] {
            assert!(written(odd).ends_with('Z'));
        }
        assert_ne!(boot_id(), [0; 16]);
    }
}
