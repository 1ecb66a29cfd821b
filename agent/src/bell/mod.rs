//! The bell: a button is pressed, and everybody who is to know is told.

mod figures;
mod hook;
mod ringer;

pub use figures::BellFigures;
pub use hook::{Hook, HookError};
pub use ringer::{Bell, BellButton, BellConfig, OnRing, Ring};
