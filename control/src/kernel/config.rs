//! What a kernel is told at its start.

use super::motion::Limits;

/// Limits and intervals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelConfig {
    /// How old a command's echo may be, and how long a setpoint lasts at most, in microseconds.
    pub limit_us: u64,
    /// How much earlier a setpoint ends, in microseconds: what a driver may need from the kernel's time to
    /// the line's edge, so that the edge lies within the limit and not only the decision.
    pub lead_us: u64,
    /// How old the operator's picture may be, in microseconds. `None` asks for no picture.
    pub picture_limit_us: Option<u64>,
    /// From which age of the picture on the device goes slower, down to nothing at the limit, in
    /// microseconds; no less than the limit: not at all.
    pub picture_slow_us: u64,
    /// What the axes may have, and how quickly.
    pub limits: Limits,
    /// Between two beacons, in microseconds. What changes is told at once.
    pub beacon_us: u64,
    /// Between two telemetry reports, in microseconds.
    pub telemetry_us: u64,
}

impl KernelConfig {
    /// 300 ms.
    pub const DEFAULT_LIMIT_US: u64 = 300_000;
}

impl Default for KernelConfig {
    fn default() -> Self {
        Self {
            limit_us: Self::DEFAULT_LIMIT_US,
            lead_us: 0,
            picture_limit_us: None,
            picture_slow_us: u64::MAX,
            limits: Limits::default(),
            beacon_us: 50_000,
            telemetry_us: 100_000,
        }
    }
}
