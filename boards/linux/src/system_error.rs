//! What the system's error numbers mean for a camera.

use std::io;

use rustix::io::Errno;
use transom_boards_hal::CameraError;

use crate::cameras;

pub(crate) fn refused(device: &str, operation: &'static str, error: &io::Error) -> CameraError {
    let device_name = device.to_owned();
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NOENT | Errno::NXIO) => CameraError::Absent {
            device: device_name,
            present: cameras::list(),
        },
        Some(Errno::NODEV) if operation == "open" => CameraError::Absent {
            device: device_name,
            present: cameras::list(),
        },
        Some(Errno::NODEV) => CameraError::Gone {
            device: device_name,
        },
        Some(Errno::ACCESS | Errno::PERM) => CameraError::Denied {
            device: device_name,
        },
        Some(Errno::BUSY) => CameraError::Busy {
            device: device_name,
        },
        Some(code) => driver(device, operation, code.raw_os_error()),
        None => driver(device, operation, 0),
    }
}

pub(crate) fn not_a_camera(device: &str) -> CameraError {
    CameraError::NotACamera {
        device: device.to_owned(),
        present: cameras::list(),
    }
}

pub(crate) fn driver(device: &str, operation: &'static str, code: i32) -> CameraError {
    CameraError::Driver {
        device: device.to_owned(),
        operation,
        code,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_system_become_texts_with_a_mend() {
        let of = |errno: Errno, operation| {
            refused(
                "/dev/video0",
                operation,
                &io::Error::from_raw_os_error(errno.raw_os_error()),
            )
        };
        assert!(matches!(
            of(Errno::ACCESS, "open"),
            CameraError::Denied { .. }
        ));
        assert!(matches!(
            of(Errno::BUSY, "VIDIOC_S_FMT"),
            CameraError::Busy { .. }
        ));
        assert!(matches!(
            of(Errno::NODEV, "VIDIOC_DQBUF"),
            CameraError::Gone { .. }
        ));
        assert!(matches!(
            of(Errno::IO, "VIDIOC_DQBUF"),
            CameraError::Driver { code: 5, .. }
        ));
    }
}
