//! A V4L2 camera: single-planar, memory-mapped buffers.

use std::mem;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use transom_boards_hal::{
    Camera, CameraControls, CameraError, CameraFormat, CameraWish, CapturedFrame, PixelFormat,
};
use v4l::buffer::{Flags as BufferFlags, Metadata, Type};
use v4l::capability::Capabilities;
use v4l::device::Device;
use v4l::io::mmap::Stream;
use v4l::io::traits::{CaptureStream, Stream as _};

use crate::cameras::captures;
use crate::contain::contained;
use crate::controls::{self, Ability};
use crate::formats;
use crate::identity::Identity;
use crate::system_error::{driver, not_a_camera, refused};

/// Buffers asked of the driver: one is held here while the others fill.
const BUFFERS: u32 = 4;

/// The first frame waits for the sensor to start; slow cameras need seconds.
const FIRST_FRAME: Duration = Duration::from_secs(5);

/// A camera that is open, set to a format and streams from the first
/// [`next_frame`](Camera::next_frame) on.
pub struct V4l2Camera {
    name: String,
    device: Device,
    identity: Identity,
    /// `None` once the driver misbehaved.
    stream: Option<Stream<'static>>,
    format: CameraFormat,
    started: bool,
}

impl V4l2Camera {
    /// Opens `device` (a path such as `/dev/video0`) in the format nearest to `wish`.
    pub fn open(device: &str, wish: CameraWish) -> Result<Self, CameraError> {
        contained("opening", || Self::open_uncontained(device, wish))
            .unwrap_or_else(|| Err(driver(device, "opening", 0)))
    }

    /// The formats of `device` that the agent can use; those in steps are
    /// narrowed to the wish. Nothing is set, and a camera in use can be asked.
    pub fn offers(device: &str, wish: CameraWish) -> Result<Vec<CameraFormat>, CameraError> {
        let offered = contained("VIDIOC_ENUM_FMT", || {
            let (opened, _) = open_device(device)?;
            formats::offers(&opened, device, wish)
        });
        offered.unwrap_or_else(|| Err(driver(device, "VIDIOC_ENUM_FMT", 0)))
    }

    /// Sets what `wished` says. What the camera has not, or did not take, is no
    /// error: it is told in lines for a person.
    pub fn set_controls(&self, wished: &CameraControls) -> Vec<String> {
        controls::set(&self.device, &self.name, wished)
    }

    /// Which settings `device` has, with their ranges.
    pub fn abilities(device: &str) -> Result<Vec<Ability>, CameraError> {
        let (opened, _) = contained("opening", || open_device(device))
            .unwrap_or_else(|| Err(driver(device, "opening", 0)))?;
        Ok(controls::abilities(&opened))
    }

    /// What it is known by when it comes back under another number.
    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    fn open_uncontained(name: &str, wish: CameraWish) -> Result<Self, CameraError> {
        let (device, capabilities) = open_device(name)?;
        let format = formats::set_best(&device, name, wish)?;
        let stream = Stream::with_buffers(&device, Type::VideoCapture, BUFFERS)
            .map_err(|e| refused(name, "VIDIOC_REQBUFS", &e))?;
        Ok(Self {
            name: name.to_owned(),
            device,
            identity: Identity::of(&capabilities),
            stream: Some(stream),
            format,
            started: false,
        })
    }
}

/// Opens a device that is a camera.
fn open_device(name: &str) -> Result<(Device, Capabilities), CameraError> {
    let device = Device::with_path(name).map_err(|e| refused(name, "open", &e))?;
    let capabilities = device.query_caps().map_err(|_| not_a_camera(name))?;
    match captures(&capabilities) {
        true => Ok((device, capabilities)),
        false => Err(not_a_camera(name)),
    }
}

impl Camera for V4l2Camera {
    fn format(&self) -> CameraFormat {
        self.format
    }

    fn next_frame(&mut self, timeout: Duration) -> Result<CapturedFrame<'_>, CameraError> {
        let name = self.name.as_str();
        let Some(stream) = self.stream.as_mut() else {
            return Err(driver(name, "streaming", 0));
        };
        if self.started {
            // The stream hands its buffer back before it waits; a time-out in
            // there would hand it back twice. So wait first, then take.
            let ready = stream
                .handle()
                .poll(POLLIN, milliseconds(timeout))
                .map_err(|e| refused(name, "poll", &e))?;
            if ready == 0 {
                return Err(CameraError::Timeout);
            }
        }
        stream.set_timeout(FIRST_FRAME);
        let (buffer, metadata) =
            CaptureStream::next(stream).map_err(|e| refused(name, "VIDIOC_DQBUF", &e))?;
        self.started = true;
        let used = usize::try_from(metadata.bytesused).unwrap_or(usize::MAX);
        match buffer.get(..used) {
            Some(data) if used > 0 && !metadata.flags.contains(BufferFlags::ERROR) => {
                Ok(CapturedFrame {
                    data,
                    age: age(metadata),
                })
            }
            _ => Err(CameraError::BadFrame),
        }
    }

    fn request_key_frame(&mut self) -> bool {
        self.format.pixels == PixelFormat::H264 && controls::force_key_frame(&self.device)
    }

    fn set_bitrate(&mut self, bps: u32) -> bool {
        self.format.pixels == PixelFormat::H264 && controls::set_bitrate(&self.device, bps)
    }
}

impl Drop for V4l2Camera {
    fn drop(&mut self) {
        let Some(mut stream) = self.stream.take() else {
            return;
        };
        // The stream's own drop panics where the driver refuses to stop, and
        // that of its buffers then panics within the panic, which ends the
        // program. A camera that went away is let go without either.
        const GONE: i32 = 19;
        match stream.stop() {
            Err(error) if error.raw_os_error() != Some(GONE) => {
                tracing::warn!("camera {} does not stop: {error}", self.name);
                mem::forget(stream);
            }
            _ => {
                let _ = contained("VIDIOC_REQBUFS", move || drop(stream));
            }
        }
    }
}

/// `POLLIN` of poll(2).
const POLLIN: i16 = 1;

fn milliseconds(timeout: Duration) -> i32 {
    i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX)
}

/// How long ago a buffer was filled; zero where its stamp is of another clock.
fn age(metadata: &Metadata) -> Duration {
    if metadata.flags & BufferFlags::TIMESTAMP_MASK != BufferFlags::TIMESTAMP_MONOTONIC {
        return Duration::ZERO;
    }
    let now = clock_gettime(ClockId::Monotonic);
    let now_us = now.tv_sec.saturating_mul(1_000_000) + now.tv_nsec / 1000;
    #[allow(clippy::useless_conversion, reason = "32 bits on 32-bit boards")]
    let stamp_us = i64::from(metadata.timestamp.sec)
        .saturating_mul(1_000_000)
        .saturating_add(i64::from(metadata.timestamp.usec));
    plausible_age(now_us, stamp_us)
}

fn plausible_age(now_us: i64, stamp_us: i64) -> Duration {
    match u64::try_from(now_us.saturating_sub(stamp_us)) {
        Ok(age) if age < 1_000_000 => Duration::from_micros(age),
        _ => Duration::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use transom_boards_hal::{CodecWish, FrameSize};

    const WISH: CameraWish = CameraWish {
        size: FrameSize::new(640, 480),
        fps: 30,
        codec: CodecWish::Any,
    };

    fn failure(device: &str) -> CameraError {
        match V4l2Camera::open(device, WISH) {
            Ok(_) => panic!("{device} opened as a camera"),
            Err(error) => error,
        }
    }

    #[test]
    fn an_absent_camera_is_reported_as_such() {
        let error = failure("/dev/transom-no-such-camera");
        assert!(matches!(error, CameraError::Absent { .. }), "{error}");
        assert!(!error.to_string().contains('\n'));
    }

    #[test]
    fn what_is_no_camera_is_reported_as_such() {
        let error = failure("/dev/null");
        assert!(matches!(error, CameraError::NotACamera { .. }), "{error}");
    }

    #[test]
    fn a_stamp_of_another_clock_gives_no_age() {
        assert_eq!(
            plausible_age(5_000_000, 4_990_000),
            Duration::from_millis(10)
        );
        assert_eq!(plausible_age(5_000_000, 0), Duration::ZERO);
        assert_eq!(
            plausible_age(5_000_000, 1_700_000_000_000_000),
            Duration::ZERO
        );
        assert_eq!(plausible_age(5, i64::MIN), Duration::ZERO);
    }
}
