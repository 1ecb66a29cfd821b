//! Linux devices behind the traits of the boards: V4L2 cameras, ALSA sound, GPIO lines, serial ports,
//! batteries and watchdogs that the kernel knows.
//!
//! Everything here blocks: each device wants a thread of its own. The crates
//! below can panic on what a driver answers; such a panic ends here as an
//! error of the device.

#![cfg(target_os = "linux")]

#[cfg(feature = "alsa")]
mod alsa_microphone;
mod cameras;
mod contain;
mod gpio;
mod kernel_battery;
mod kernel_watchdog;
#[cfg(not(feature = "alsa"))]
mod no_microphone;
mod serial_port;
mod v4l2_camera;

#[cfg(feature = "alsa")]
pub use alsa_microphone::{AlsaMicrophone, list_microphones};
pub use cameras::{list as list_cameras, list_codecs};
pub use gpio::{ChipLines, LineButton, LineId, LineUse, OutputLine, Place, list_lines};
pub use kernel_battery::KernelBattery;
pub use kernel_watchdog::KernelWatchdog;
#[cfg(not(feature = "alsa"))]
pub use no_microphone::{AlsaMicrophone, list_microphones};
pub use serial_port::TtyPort;
pub use v4l2_camera::V4l2Camera;
