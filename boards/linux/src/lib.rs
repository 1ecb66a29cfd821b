//! Linux devices: V4L2 cameras and ALSA sound, behind the traits of the boards.
//!
//! Everything here blocks: each device wants a thread of its own. The crates
//! below can panic on what a driver answers; such a panic ends here as an
//! error of the device.

#![cfg(target_os = "linux")]

mod alsa_microphone;
mod cameras;
mod contain;
mod v4l2_camera;

pub use alsa_microphone::{AlsaMicrophone, list_microphones};
pub use cameras::{list as list_cameras, list_codecs};
pub use v4l2_camera::V4l2Camera;
