//! What an operator is told at its start.

use crate::numbers::Lease;

/// Intervals, in microseconds of the operator's own clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OperatorConfig {
    /// Between two setpoints.
    pub interval_us: u64,
    /// How long one [`drive`](super::Operator::drive) lasts: a dead program must not hold a key.
    pub input_hold_us: u64,
    /// The number of the lease, where the server told it; zero else.
    pub lease: Lease,
    /// Whether a server is between, which gives leases to operators and takes from one without it nothing but
    /// arms and stops. Sequence numbers begin anew with every lease then, and what the device heard may be
    /// anybody's; so pings wait for an arm of one's own.
    pub relayed: bool,
}

impl Default for OperatorConfig {
    fn default() -> Self {
        Self {
            interval_us: 33_000,
            input_hold_us: 250_000,
            lease: Lease(0),
            relayed: false,
        }
    }
}
