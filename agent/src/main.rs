//! The device program: captures, encodes, publishes by WHIP.

fn main() {}
