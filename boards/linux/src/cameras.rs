//! Which cameras there are.

use std::fs;
use std::path::Path;

use transom_boards_hal::CameraInfo;
use v4l::capability::{Capabilities, Flags};
use v4l::device::Device;

use crate::contain::contained;

/// At most this many video nodes are looked at: a board has tens at most.
const MAX_NODES: usize = 64;

/// The cameras present, in the order of their numbers.
///
/// Nodes that do not capture (a camera's metadata, a codec) are left out; one
/// that cannot be opened is listed, since it may be the one that is meant.
pub fn list() -> Vec<CameraInfo> {
    list_under(Path::new("/sys/class/video4linux"), |device| {
        let opened = contained("VIDIOC_QUERYCAP", || {
            Device::with_path(device).and_then(|device| device.query_caps())
        });
        match opened {
            Some(Ok(capabilities)) => captures(&capabilities),
            Some(Err(_)) | None => true,
        }
    })
}

/// The nodes of codecs in hardware (memory to memory), likewise.
pub fn list_codecs() -> Vec<CameraInfo> {
    list_under(Path::new("/sys/class/video4linux"), |device| {
        let opened = contained("VIDIOC_QUERYCAP", || {
            Device::with_path(device).and_then(|device| device.query_caps())
        });
        let codec = Flags::VIDEO_M2M | Flags::VIDEO_M2M_MPLANE;
        matches!(opened, Some(Ok(c)) if c.capabilities.intersects(codec))
    })
}

/// Whether a device with these capabilities streams pictures in one plane.
pub(crate) fn captures(capabilities: &Capabilities) -> bool {
    capabilities
        .capabilities
        .contains(Flags::VIDEO_CAPTURE | Flags::STREAMING)
}

fn list_under(class: &Path, is_camera: impl Fn(&str) -> bool) -> Vec<CameraInfo> {
    let Ok(entries) = fs::read_dir(class) else {
        return Vec::new();
    };
    let mut nodes: Vec<(u32, CameraInfo)> = entries
        .flatten()
        .take(MAX_NODES)
        .filter_map(|entry| {
            let node = entry.file_name().into_string().ok()?;
            let number = node.strip_prefix("video")?.parse().ok()?;
            let name = fs::read_to_string(entry.path().join("name")).unwrap_or_default();
            Some((
                number,
                CameraInfo {
                    device: format!("/dev/{node}"),
                    name: name.trim().to_owned(),
                },
            ))
        })
        .collect();
    nodes.sort_by_key(|(number, _)| *number);
    nodes
        .into_iter()
        .map(|(_, info)| info)
        .filter(|info| is_camera(&info.device))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_sorted_by_number_and_named() {
        let class = std::env::temp_dir().join(format!("transom-cameras-{}", std::process::id()));
        for (node, name) in [
            ("video10", "Codec\n"),
            ("video2", "USB Camera\n"),
            ("v4l-subdev0", "not a node"),
            ("video-x", "not a number"),
        ] {
            fs::create_dir_all(class.join(node)).expect("a temporary folder");
            fs::write(class.join(node).join("name"), name).expect("a temporary file");
        }
        let found = list_under(&class, |device| device != "/dev/video10");
        let all = list_under(&class, |_| true);
        fs::remove_dir_all(&class).expect("the temporary folder goes");

        let devices: Vec<_> = all.iter().map(|info| info.device.as_str()).collect();
        assert_eq!(devices, ["/dev/video2", "/dev/video10"]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].name, "USB Camera");
    }

    #[test]
    fn a_board_without_video_has_no_cameras() {
        assert!(list_under(Path::new("/nonexistent"), |_| true).is_empty());
    }
}
