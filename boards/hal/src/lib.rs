//! Traits and plain data of the boards: cameras, microphones, speakers, drives.
//!
//! A leaf: no clock, no file, no thread. A frame says how long ago it was
//! captured, and the program that has a clock turns that into an instant, so
//! that the same traits serve Linux and bare metal.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod camera;
mod choice;
mod controls;
mod differential_drive;
mod drive;
mod microphone;
mod speaker;
mod video;

pub use camera::{Camera, CameraError, CameraInfo, CapturedFrame, ProgramEnd, list_cameras};
pub use choice::{CameraWish, Choice, CodecWish, choose};
pub use controls::{CameraControls, ControlSyntax, Exposure, Focus, PowerLine};
pub use differential_drive::{DifferentialDrive, Motor};
pub use drive::{Drive, DriveError, Measured, Motion, Wheels};
pub use microphone::{Microphone, MicrophoneError, SoundFormat};
pub use speaker::{Speaker, SpeakerError};
pub use video::{CameraFormat, FourCc, FrameSize, PixelFormat};
