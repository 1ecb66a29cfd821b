//! The camera trait and what can go wrong with a camera.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use crate::video::{CameraFormat, FourCc};

/// A camera the board knows of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CameraInfo {
    /// How to name it in the configuration (`/dev/video0`).
    pub device: String,
    /// What its maker calls it; may be empty.
    pub name: String,
}

/// What a program that captures could not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProgramEnd {
    /// Its exit status, `None` where a signal ended it.
    pub status: Option<i32>,
}

impl fmt::Display for ProgramEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.status {
            Some(status) => write!(f, "with status {status}"),
            None => f.write_str("by a signal"),
        }
    }
}

/// One captured frame, borrowed from the camera's buffer.
#[derive(Clone, Copy, Debug)]
pub struct CapturedFrame<'a> {
    /// The bytes of the frame, without the tail of the buffer it lies in.
    pub data: &'a [u8],
    /// How long ago it was captured.
    pub age: Duration,
}

/// A camera that is open and set to a format.
pub trait Camera {
    /// What the camera was set to; may differ from the wish.
    fn format(&self) -> CameraFormat;

    /// Waits at most `timeout` for the next frame.
    ///
    /// Any error but [`CameraError::Timeout`] and [`CameraError::BadFrame`]
    /// ends this camera's use: close it and open it again.
    fn next_frame(&mut self, timeout: Duration) -> Result<CapturedFrame<'_>, CameraError>;

    /// Asks a camera that encodes for a key frame. False where it cannot.
    fn request_key_frame(&mut self) -> bool {
        false
    }

    /// Asks a camera that encodes for a bitrate, in bits a second. False where
    /// it cannot.
    fn set_bitrate(&mut self, _bps: u32) -> bool {
        false
    }

    /// The longest time from one key frame to the next that a camera makes by
    /// itself, where it encodes and that is known. It answers a request that
    /// the camera has no way to take.
    fn key_frame_interval(&self) -> Option<Duration> {
        None
    }
}

/// Why a camera gives no frames. Each text is one line and names the mend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CameraError {
    /// There is no such device.
    #[error("camera {device} is absent; {}", present_cameras(.present))]
    Absent {
        /// The device asked for.
        device: String,
        /// The cameras that are there.
        present: Vec<CameraInfo>,
    },
    /// The device may not be opened.
    #[error(
        "camera {device} may not be opened: add the user to the group `video` and log in again"
    )]
    Denied {
        /// The device asked for.
        device: String,
    },
    /// Another program holds the camera.
    #[error(
        "camera {device} is in use by another program: close that program (`fuser -v {device}` names it)"
    )]
    Busy {
        /// The device asked for.
        device: String,
    },
    /// The device exists and is no camera that can stream.
    #[error("{device} is not a camera that streams (it may be the metadata node of one); {}", present_cameras(.present))]
    NotACamera {
        /// The device asked for.
        device: String,
        /// The cameras that are there.
        present: Vec<CameraInfo>,
    },
    /// None of the formats is one the agent can use.
    #[error("camera {device} offers none of H264, MJPG, YU12, NV12, YUYV (it offers {}): use another camera", fourccs(.offered))]
    NoUsableFormat {
        /// The device asked for.
        device: String,
        /// What it offers.
        offered: Vec<FourCc>,
    },
    /// The camera took the setting and then reported a format nobody asked for.
    #[error(
        "camera {device} answered with the format {got}, which the agent cannot use: choose another size"
    )]
    Substituted {
        /// The device asked for.
        device: String,
        /// What it delivers.
        got: FourCc,
    },
    /// The camera answered with a format in which no picture can be.
    #[error("camera {device} answered with {format} in rows of {} bytes, which is nonsense: choose another size", .format.stride)]
    Nonsense {
        /// The device asked for.
        device: String,
        /// What it says it delivers.
        format: CameraFormat,
    },
    /// Pictures are needed, and the camera has H.264 only.
    #[error(
        "camera {device} offers H.264 only, and pictures are needed: leave the second stream out, or use another camera"
    )]
    OnlyCoded {
        /// The device asked for.
        device: String,
    },
    /// No frame came in time.
    #[error("no frame from the camera in time")]
    Timeout,
    /// The frame is marked as damaged or does not fit its format; the next may be good.
    #[error("a damaged frame from the camera")]
    BadFrame,
    /// The camera went away.
    #[error("camera {device} was unplugged")]
    Gone {
        /// The device that was in use.
        device: String,
    },
    /// The driver refused an operation.
    #[error("camera {device}: {operation} failed with error {code}")]
    Driver {
        /// The device in use.
        device: String,
        /// What was tried, as the driver's documentation calls it.
        operation: &'static str,
        /// The operating system's error number; 0 where there is none.
        code: i32,
    },
    /// The program that captures from CSI cameras is not there.
    #[error(
        "no program for CSI cameras is installed (looked for {looked_for}): install the package `rpicam-apps`"
    )]
    NoProgram {
        /// The names looked for.
        looked_for: String,
    },
    /// It ended.
    #[error("{program} ended {end}{}: see `{program} --list-cameras`", last_words(.told))]
    ProgramEnded {
        /// The program.
        program: String,
        /// How.
        end: ProgramEnd,
        /// The last line it wrote to its standard error; may be empty.
        told: String,
    },
    /// It gives something else than pictures.
    #[error("{program} gives no H.264: is it rpicam-vid? See `{program} --version`")]
    NotH264 {
        /// The program.
        program: String,
    },
}

/// What a program said at its end, on one line.
fn last_words(told: &str) -> String {
    match told {
        "" => String::new(),
        told => alloc::format!(" ({})", told.replace(|c: char| c.is_control(), " ")),
    }
}

fn present_cameras(present: &[CameraInfo]) -> String {
    if present.is_empty() {
        return String::from("no camera is present: connect one (it is taken up when it appears)");
    }
    alloc::format!("present: {}", list_cameras(present))
}

/// The cameras on one line: `/dev/video0 (Name), /dev/video2 (Name)`.
pub fn list_cameras(cameras: &[CameraInfo]) -> String {
    let mut line = String::new();
    for camera in cameras {
        if !line.is_empty() {
            line.push_str(", ");
        }
        line.push_str(&camera.device);
        if !camera.name.is_empty() {
            // Names come from a device: keep them to one line.
            line.push_str(" (");
            line.extend(camera.name.chars().filter(|c| !c.is_control()));
            line.push(')');
        }
    }
    line
}

fn fourccs(codes: &[FourCc]) -> impl fmt::Display {
    let mut line = String::new();
    for code in codes {
        if !line.is_empty() {
            line.push_str(", ");
        }
        line.push_str(&alloc::format!("{code}"));
    }
    if line.is_empty() {
        line.push_str("nothing");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloc::vec;

    #[test]
    fn an_absent_camera_names_those_present() {
        let error = CameraError::Absent {
            device: "/dev/video7".into(),
            present: vec![
                CameraInfo {
                    device: "/dev/video0".into(),
                    name: "USB\nCamera".into(),
                },
                CameraInfo {
                    device: "/dev/video2".into(),
                    name: String::new(),
                },
            ],
        };
        assert_eq!(
            error.to_string(),
            "camera /dev/video7 is absent; present: /dev/video0 (USBCamera), /dev/video2"
        );
    }

    #[test]
    fn no_camera_at_all_names_the_mend() {
        let error = CameraError::Absent {
            device: "/dev/video0".into(),
            present: vec![],
        };
        assert!(error.to_string().contains("connect one"));
    }
}
