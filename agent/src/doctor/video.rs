use std::path::Path;

use transom_boards_hal::{CameraInfo, FrameSize, list_cameras as camera_names};
use transom_boards_linux::list_cameras;
use transom_rtc_doctor::Finding;

use super::camera;
use crate::feed::VideoSource;
use crate::source::file::Recording;

/// Where pictures are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    /// Here, in this size and at this rate.
    Here(FrameSize, u32),
    /// The source delivers H.264.
    Elsewhere,
}

/// Whether the source gives pictures, and whether they must be encoded.
pub(super) fn examine(source: &VideoSource, size: FrameSize, fps: u32) -> (Vec<Finding>, Coding) {
    match source {
        VideoSource::Test => (made(&list_cameras()).into(), Coding::Here(size, fps)),
        VideoSource::File(path) => (recording(path, fps), Coding::Elsewhere),
        VideoSource::V4l2(device) => camera::examine(device, size, fps),
    }
}

/// The test picture, and what there is besides.
fn made(present: &[CameraInfo]) -> Finding {
    let found = "the picture is made here";
    Finding::ok(match present.first() {
        None => format!("{found}; no camera is connected"),
        Some(first) => format!(
            "{found}; --source v4l2:{} takes a camera: {}",
            first.device,
            camera_names(present)
        ),
    })
}

fn recording(path: &Path, fps: u32) -> Vec<Finding> {
    let recording = match Recording::open(path, fps) {
        Ok(recording) => recording,
        Err(error) => return file_error(&error.to_string(), path).into(),
    };
    let shown = path.display();
    let mut findings = vec![Finding::ok(format!("{shown} is H.264 that can be played"))];
    if recording.has_long_gops() {
        findings.push(Finding::warn(
            format!(
                "{shown} has a key frame every {:.0} s only: a viewer may wait so long",
                recording.longest_gop.as_secs_f32()
            ),
            "encode it with a key frame every 2 s (ffmpeg: -g 60)",
        ));
    }
    if recording.is_cut_off() {
        findings.push(Finding::warn(
            format!("{shown} ends before its last picture"),
            "copy or record it again",
        ));
    }
    findings
}

/// `recording PATH: what is wrong: what mends it`; the path may have colons.
fn file_error(text: &str, path: &Path) -> Finding {
    let shown = path.display().to_string();
    let prefix = format!("recording {shown}: ");
    let told = text.strip_prefix(&prefix).unwrap_or(text);
    match told.split_once(": ") {
        Some((found, mend)) => Finding::fail(format!("{shown}: {found}"), mend),
        None => Finding::fail(text, "take another recording"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_a_camera_is_told_how_to_take_it() {
        let camera = CameraInfo {
            device: "/dev/video0".into(),
            name: "USB Camera".into(),
        };
        let found = made(&[camera]).found;
        assert!(
            found.ends_with("--source v4l2:/dev/video0 takes a camera: /dev/video0 (USB Camera)"),
            "{found}"
        );
        assert!(made(&[]).found.contains("no camera"));
    }

    #[test]
    fn a_recording_that_is_not_there_is_told_with_its_mend() {
        let path = Path::new("/no: such/clip.mp4");
        let findings = recording(path, 30);
        let [finding] = findings.as_slice() else {
            panic!("{findings:?}");
        };
        assert!(
            finding.found.starts_with("/no: such/clip.mp4: there is no"),
            "{finding:?}"
        );
        assert!(
            finding
                .mend
                .as_deref()
                .is_some_and(|m| m.contains("--source file:PATH"))
        );
    }
}
