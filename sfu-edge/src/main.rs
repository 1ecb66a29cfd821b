//! A small WHIP/WHEP SFU for ARM boards.

fn main() {}
