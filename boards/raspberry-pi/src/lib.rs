//! The lines of a Raspberry Pi's header, servos and buses, through rppal.
//!
//! Only what differs from other boards; the drive itself is
//! [`DifferentialDrive`](transom_boards_hal::DifferentialDrive).

#![forbid(unsafe_code)]
#![cfg(target_os = "linux")]

mod drive;
mod outputs;
mod pins;
mod pwm;

pub use drive::{PiDrive, open};
pub use outputs::{PiUart, ina219, output, servo};
pub use pins::{DrivePins, PinsError, PwmKind};
pub use pwm::PiPwm;
pub use rppal::gpio::OutputPin;
