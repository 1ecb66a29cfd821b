//! CLOCK_MONOTONIC, for what has to wait at the end.

use std::thread;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(2);

/// Microseconds; all of this machine have the same.
pub(crate) fn monotonic_us() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let micros = now.tv_sec * 1_000_000 + now.tv_nsec / 1000;
    u64::try_from(micros).unwrap_or(0)
}

/// Looks again and again until it is `done`, or for `limit`; whether it was.
pub(crate) fn wait_for(limit: Duration, mut done: impl FnMut(u64) -> bool) -> bool {
    let begun = monotonic_us();
    loop {
        let now = monotonic_us();
        if done(now) {
            return true;
        }
        if u128::from(now.saturating_sub(begun)) >= limit.as_micros() {
            return false;
        }
        thread::sleep(LOOK);
    }
}
