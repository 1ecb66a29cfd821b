//! Bounds of histograms that both programs have, so that a dashboard lays them over each other.

use std::time::Duration;

/// Over a network and back: one in the house takes milliseconds, and a device stops by itself after two seconds
/// at most.
pub const NETWORK: &[Duration] = &[
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(20),
    Duration::from_millis(40),
    Duration::from_millis(80),
    Duration::from_millis(160),
    Duration::from_millis(320),
    Duration::from_millis(640),
    Duration::from_millis(1280),
];

/// Within a machine: a wake-up or two, unless it is overloaded.
pub const LOCAL: &[Duration; 9] = &[
    Duration::from_micros(100),
    Duration::from_micros(250),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_micros(2500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(50),
    Duration::from_millis(250),
];
