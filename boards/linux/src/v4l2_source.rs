//! A camera that is opened again and again.

use transom_boards_hal::{CameraControls, CameraError, CameraWish};

use crate::identity::Identity;
use crate::v4l2_camera::V4l2Camera;

/// Opens one camera whenever it is asked to, and knows it by name and place
/// when it comes back under another number.
#[derive(Clone, Debug)]
pub struct V4l2Source {
    device: String,
    controls: CameraControls,
    known: Option<Identity>,
}

impl V4l2Source {
    /// A source of the camera at `device` (a path such as `/dev/video0`), with
    /// these settings whenever it is opened.
    pub fn new(device: &str, controls: CameraControls) -> Self {
        Self {
            device: device.to_owned(),
            controls,
            known: None,
        }
    }

    /// Opens the camera in the format nearest to `wish`.
    ///
    /// # Errors
    /// As [`V4l2Camera::open`].
    pub fn open(&mut self, wish: CameraWish) -> Result<V4l2Camera, CameraError> {
        let opened = match V4l2Camera::open(&self.device, wish) {
            Err(error @ (CameraError::Absent { .. } | CameraError::NotACamera { .. })) => {
                match self.known.as_ref().and_then(Identity::find) {
                    Some(elsewhere) => {
                        tracing::info!("camera {} is back as {elsewhere}", self.device);
                        V4l2Camera::open(&elsewhere, wish)
                    }
                    None => Err(error),
                }
            }
            opened => opened,
        };
        let camera = opened?;
        for line in camera.set_controls(&self.controls) {
            tracing::warn!("{line}");
        }
        self.known = Some(camera.identity().clone());
        Ok(camera)
    }
}
