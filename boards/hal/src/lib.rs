//! Traits and plain data of the boards: cameras, microphones, speakers, drives, buttons, locks, lights,
//! chimes, servos, batteries, watchdogs.
//!
//! A leaf: no clock, no file, no thread. A frame says how long ago it was
//! captured, and the program that has a clock turns that into an instant, so
//! that the same traits serve Linux and bare metal.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod battery;
mod button;
mod camera;
mod choice;
mod controls;
mod differential_drive;
mod drive;
mod line;
mod microphone;
mod pointing;
mod pulse;
mod serial_drive;
mod servo;
mod speaker;
mod video;
mod watchdog;

pub use battery::{Battery, Ina219};
pub use button::{Button, ButtonEvent, Debounce, PolledButton};
pub use camera::{Camera, CameraError, CameraInfo, CapturedFrame, ProgramEnd, list_cameras};
pub use choice::{CameraWish, Choice, CodecWish, choose};
pub use controls::{CameraControls, ControlSyntax, Exposure, Focus, PowerLine};
pub use differential_drive::{DifferentialDrive, Motor, Switched, SwitchedError};
pub use drive::{Drive, DriveError, DriveState, DriveSwitch, Measured, Motion, Wheels};
pub use line::{Active, Light, LineError, Pull, Switch};
pub use microphone::{Microphone, MicrophoneError, SoundFormat};
pub use pointing::Pointing;
pub use pulse::{Chime, ChimeLine, Horn, HornLine, Lock, LockRelay, Timed};
pub use serial_drive::{SerialDrive, SerialPort};
pub use servo::{PanTilt, Servo, ServoPair, ServoPulses};
pub use speaker::{Speaker, SpeakerError};
pub use video::{CameraFormat, FourCc, FrameSize, PixelFormat};
pub use watchdog::Watchdog;
