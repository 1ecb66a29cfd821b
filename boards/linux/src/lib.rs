//! Linux devices behind the traits of the boards: V4L2 cameras, ALSA sound, GPIO lines, serial ports,
//! batteries and watchdogs that the kernel knows.
//!
//! Everything here blocks: each device wants a thread of its own. The crates
//! below can panic on what a driver answers; such a panic ends here as an
//! error of the device.

#![cfg(target_os = "linux")]

#[cfg(feature = "alsa")]
mod alsa_card;
#[cfg(feature = "alsa")]
mod alsa_microphone;
#[cfg(feature = "alsa")]
mod alsa_speaker;
mod cameras;
mod contain;
mod controls;
mod formats;
mod gpio;
mod identity;
mod kernel_battery;
mod kernel_watchdog;
mod m2m;
#[cfg(all(target_pointer_width = "64", target_env = "gnu"))]
mod m2m_encoder;
#[cfg(not(all(target_pointer_width = "64", target_env = "gnu")))]
#[path = "no_m2m_encoder.rs"]
mod m2m_encoder;
#[cfg(not(feature = "alsa"))]
mod no_microphone;
#[cfg(not(feature = "alsa"))]
mod no_speaker;
mod serial_port;
mod system_error;
mod v4l2_camera;
mod v4l2_source;

#[cfg(feature = "alsa")]
pub use alsa_microphone::{AlsaMicrophone, list_microphones};
#[cfg(feature = "alsa")]
pub use alsa_speaker::{AlsaSpeaker, list_speakers};
pub use cameras::{list as list_cameras, list_codecs};
pub use controls::Ability;
pub use gpio::{ChipLines, LineButton, LineId, LineUse, OutputLine, Place, list_lines};
pub use kernel_battery::KernelBattery;
pub use kernel_watchdog::KernelWatchdog;
pub use m2m::{M2mError, list_encoders};
pub use m2m_encoder::M2mEncoder;
#[cfg(not(feature = "alsa"))]
pub use no_microphone::{AlsaMicrophone, list_microphones};
#[cfg(not(feature = "alsa"))]
pub use no_speaker::{AlsaSpeaker, list_speakers};
pub use serial_port::TtyPort;
pub use v4l2_camera::V4l2Camera;
pub use v4l2_source::V4l2Source;
