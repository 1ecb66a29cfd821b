use std::path::Path;
use std::time::Duration;

use transom_boards_hal::{
    Camera as _, CameraError, CameraFormat, CameraInfo, CameraWish, FrameSize, PixelFormat,
    list_cameras,
};
use transom_boards_linux::V4l2Camera;
use transom_rtc_doctor::Finding;
use transom_rtc_doctor::machine::holders_of_file;

use super::device;
use super::video::Coding;

/// Formats named in a line.
const MAX_SHOWN: usize = 8;

/// A damaged picture at the start is no fault.
const TRIES: usize = 5;

/// Opens the camera as the agent does, and takes a picture.
pub(super) fn examine(name: &str, size: FrameSize, fps: u32) -> (Vec<Finding>, Coding) {
    let wish = CameraWish { size, fps };
    let unknown = Coding::Here(size, fps);
    let offered = match V4l2Camera::offers(name, wish) {
        Ok(offered) => offered,
        Err(error) => return (explain(name, &error).into(), unknown),
    };
    let mut findings = vec![Finding::ok(format!("{name} offers {}", shown(&offered)))];
    match picture(name, wish) {
        Ok(format) => {
            findings.push(compare(format, wish));
            let coding = match format.pixels {
                PixelFormat::H264 => Coding::Elsewhere,
                _ => Coding::Here(format.size, fps),
            };
            (findings, coding)
        }
        Err(error) => {
            findings.push(explain(name, &error));
            (findings, unknown)
        }
    }
}

fn picture(name: &str, wish: CameraWish) -> Result<CameraFormat, CameraError> {
    let mut camera = V4l2Camera::open(name, wish)?;
    let mut last = CameraError::Timeout;
    for _ in 0..TRIES {
        match camera.next_frame(Duration::from_secs(2)) {
            Ok(_) => return Ok(camera.format()),
            Err(error @ (CameraError::BadFrame | CameraError::Timeout)) => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}

fn compare(got: CameraFormat, wish: CameraWish) -> Finding {
    let slow = got.millifps > 0 && u64::from(got.millifps) < u64::from(wish.fps) * 900;
    if got.size == wish.size && !slow {
        return Finding::ok(format!("it delivers {got}, as configured"));
    }
    Finding::warn(
        format!(
            "it delivers {got}, where {}@{} is configured",
            wish.size, wish.fps
        ),
        "choose --size and --fps among what it offers, or leave it: the agent takes what comes nearest",
    )
}

fn shown(offered: &[CameraFormat]) -> String {
    let mut texts: Vec<String> = offered
        .iter()
        .take(MAX_SHOWN)
        .map(ToString::to_string)
        .collect();
    if offered.len() > MAX_SHOWN {
        texts.push(format!("and {} more", offered.len() - MAX_SHOWN));
    }
    texts.join(", ")
}

fn explain(name: &str, error: &CameraError) -> Finding {
    match error {
        CameraError::Absent { present, .. } => Finding::fail(
            format!("camera {name} is absent"),
            match present.is_empty() {
                true => "connect one (on a Pi: see `rpicam-hello --list-cameras` and `dmesg`); the agent takes it up when it appears".into(),
                false => choose(present),
            },
        ),
        CameraError::NotACamera { present, .. } => Finding::fail(
            format!("{name} is not a camera that streams (it may be the metadata node of one)"),
            match present.is_empty() {
                true => "connect a camera; `v4l2-ctl --list-devices` shows what there is".into(),
                false => choose(present),
            },
        ),
        CameraError::Denied { .. } => device::denied(Path::new(name), "video"),
        CameraError::Busy { .. } => device::busy(name, &holders_of_file(Path::new(name))),
        // The first picture's own bound ends as an error of the driver.
        CameraError::Timeout
        | CameraError::Driver {
            operation: "VIDIOC_DQBUF",
            ..
        } => Finding::fail(
            format!("camera {name} opens, but gives no picture"),
            "unplug it and plug it in again; on USB try another port or cable, and see `dmesg`",
        ),
        CameraError::BadFrame => Finding::fail(
            format!("camera {name} gives damaged pictures only"),
            "try another USB port or cable, or a smaller --size",
        ),
        other => device::told(other),
    }
}

fn choose(present: &[CameraInfo]) -> String {
    format!(
        "use one that is present with --source v4l2:DEVICE: {}",
        list_cameras(present)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use transom_rtc_doctor::Verdict;

    const WISH: CameraWish = CameraWish {
        size: FrameSize::new(640, 480),
        fps: 30,
    };

    fn got(width: u32, millifps: u32) -> Verdict {
        let format = CameraFormat {
            pixels: PixelFormat::Mjpeg,
            size: FrameSize::new(width, 480),
            stride: 0,
            millifps,
        };
        compare(format, WISH).verdict
    }

    #[test]
    fn what_is_delivered_is_compared_with_the_wish() {
        assert_eq!(got(640, 29_970), Verdict::Ok);
        assert_eq!(got(640, 0), Verdict::Ok);
        assert_eq!(got(640, 15_000), Verdict::Warn);
        assert_eq!(got(800, 30_000), Verdict::Warn);
    }

    #[test]
    fn a_camera_that_is_absent_is_told_and_encoding_is_measured_all_the_same() {
        let (findings, coding) = examine("/dev/transom-no-such-camera", WISH.size, WISH.fps);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].found.contains("is absent"), "{findings:?}");
        assert_eq!(coding, Coding::Here(WISH.size, WISH.fps));
    }

    #[test]
    fn every_error_has_a_mend() {
        let device = || "/dev/video0".to_owned();
        for error in [
            CameraError::Denied { device: device() },
            CameraError::Busy { device: device() },
            CameraError::Gone { device: device() },
            CameraError::Timeout,
            CameraError::BadFrame,
            CameraError::NoUsableFormat {
                device: device(),
                offered: vec![],
            },
            CameraError::Driver {
                device: device(),
                operation: "VIDIOC_S_FMT",
                code: 5,
            },
        ] {
            let finding = explain("/dev/video0", &error);
            assert!(finding.mend.is_some_and(|m| m.len() > 10), "{error}");
        }
    }
}
