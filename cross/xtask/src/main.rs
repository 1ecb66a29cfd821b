//! The project's commands: demo, test, bench.

fn main() {}
