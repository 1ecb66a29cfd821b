//! Traits and plain data of the boards: cameras, microphones, outputs.
