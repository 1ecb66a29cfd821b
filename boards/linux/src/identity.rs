//! What a camera is known by when it comes back under another number.

use v4l::capability::Capabilities;
use v4l::device::Device;

use crate::cameras::{self, captures};
use crate::contain::contained;

/// A camera's name and where it is connected. A node's number is given anew
/// when a camera comes back before the last user of the old node has let go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    card: String,
    bus: String,
}

impl Identity {
    pub(crate) fn of(capabilities: &Capabilities) -> Self {
        Self {
            card: capabilities.card.clone(),
            bus: capabilities.bus.clone(),
        }
    }

    /// The node under which it is now, `None` while it is away. Connected
    /// elsewhere, it is known by its name, if no other camera has that.
    pub(crate) fn find(&self) -> Option<String> {
        let present: Vec<(String, Self)> = cameras::list()
            .into_iter()
            .filter_map(|info| {
                let capabilities = contained("VIDIOC_QUERYCAP", || {
                    Device::with_path(&info.device).and_then(|device| device.query_caps())
                });
                let capabilities = capabilities?.ok().filter(captures)?;
                Some((info.device, Self::of(&capabilities)))
            })
            .collect();
        self.among(&present).map(str::to_owned)
    }

    fn among<'a>(&self, present: &'a [(String, Self)]) -> Option<&'a str> {
        let mut namesakes = present.iter().filter(|(_, other)| other.card == self.card);
        let there = namesakes.clone().find(|(_, other)| other == self);
        let (device, _) = match (there, namesakes.next(), namesakes.next()) {
            (Some(there), _, _) => there,
            (None, Some(only), None) => only,
            _ => return None,
        };
        Some(device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(card: &str, bus: &str) -> Identity {
        Identity {
            card: card.to_owned(),
            bus: bus.to_owned(),
        }
    }

    #[test]
    fn a_camera_is_found_where_it_was_and_else_by_its_name() {
        let present = [
            ("/dev/video1".to_owned(), identity("Webcam", "usb-1")),
            ("/dev/video2".to_owned(), identity("Webcam", "usb-2")),
            ("/dev/video3".to_owned(), identity("Other", "usb-3")),
        ];
        let found = |card, bus| identity(card, bus).among(&present);
        assert_eq!(found("Webcam", "usb-2"), Some("/dev/video2"));
        assert_eq!(found("Webcam", "usb-4"), None, "it could be either");
        assert_eq!(found("Other", "usb-9"), Some("/dev/video3"));
        assert_eq!(found("Third", "usb-1"), None);
    }
}
