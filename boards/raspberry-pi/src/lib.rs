//! The lines of a Raspberry Pi: a differential drive on its header, through rppal.
//!
//! Only what differs from other boards; the drive itself is
//! [`DifferentialDrive`](transom_boards_hal::DifferentialDrive).

#![forbid(unsafe_code)]
#![cfg(target_os = "linux")]

mod drive;
mod pins;
mod pwm;

pub use drive::{PiDrive, open};
pub use pins::{DrivePins, PinsError, PwmKind};
