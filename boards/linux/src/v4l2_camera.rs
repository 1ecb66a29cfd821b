//! A V4L2 camera: single-planar, memory-mapped buffers.

use std::io;
use std::time::Duration;

use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};
use transom_boards_hal::{
    Camera, CameraError, CameraFormat, CameraWish, CapturedFrame, FourCc, FrameSize, PixelFormat,
    choose,
};
use v4l::buffer::{Flags as BufferFlags, Metadata, Type};
use v4l::control::{Control, Value};
use v4l::device::Device;
use v4l::frameinterval::FrameIntervalEnum;
use v4l::framesize::FrameSizeEnum;
use v4l::io::mmap::Stream;
use v4l::io::traits::CaptureStream;
use v4l::video::Capture;
use v4l::video::capture::Parameters;

use crate::cameras::{self, captures};
use crate::contain::contained;

/// Buffers asked of the driver: one is held here while the others fill.
const BUFFERS: u32 = 4;

/// The first frame waits for the sensor to start; slow cameras need seconds.
const FIRST_FRAME: Duration = Duration::from_secs(5);

/// `V4L2_CID_MPEG_VIDEO_BITRATE` and `V4L2_CID_MPEG_VIDEO_FORCE_KEY_FRAME` of
/// the kernel's `v4l2-controls.h`: the codec class (0x00990000) plus 0x900.
const BITRATE: u32 = 0x0099_09cf;
const FORCE_KEY_FRAME: u32 = 0x0099_09e5;

/// A camera that is open, set to a format and streams from the first
/// [`next_frame`](Camera::next_frame) on.
pub struct V4l2Camera {
    name: String,
    device: Device,
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
            let opened = Device::with_path(device).map_err(|e| refused(device, "open", &e))?;
            let capabilities = opened.query_caps().map_err(|_| not_a_camera(device))?;
            match captures(&capabilities) {
                true => offers(&opened, device, wish),
                false => Err(not_a_camera(device)),
            }
        });
        offered.unwrap_or_else(|| Err(driver(device, "VIDIOC_ENUM_FMT", 0)))
    }

    fn open_uncontained(name: &str, wish: CameraWish) -> Result<Self, CameraError> {
        let device = Device::with_path(name).map_err(|e| refused(name, "open", &e))?;
        let capabilities = device.query_caps().map_err(|_| not_a_camera(name))?;
        if !captures(&capabilities) {
            return Err(not_a_camera(name));
        }
        let wished = choose(&offers(&device, name, wish)?, wish).ok_or_else(|| {
            CameraError::NoUsableFormat {
                device: name.to_owned(),
                offered: Vec::new(),
            }
        })?;
        let format = set(&device, name, wished, wish.fps)?;
        let stream = Stream::with_buffers(&device, Type::VideoCapture, BUFFERS)
            .map_err(|e| refused(name, "VIDIOC_REQBUFS", &e))?;
        Ok(Self {
            name: name.to_owned(),
            device,
            stream: Some(stream),
            format,
            started: false,
        })
    }

    fn set_control(&self, id: u32, value: i64) -> bool {
        let control = Control {
            id,
            value: Value::Integer(value),
        };
        contained("VIDIOC_S_EXT_CTRLS", || self.device.set_control(control))
            .is_some_and(|outcome| outcome.is_ok())
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
        self.format.pixels == PixelFormat::H264 && self.set_control(FORCE_KEY_FRAME, 1)
    }

    fn set_bitrate(&mut self, bps: u32) -> bool {
        self.format.pixels == PixelFormat::H264 && self.set_control(BITRATE, i64::from(bps))
    }
}

impl Drop for V4l2Camera {
    fn drop(&mut self) {
        // The stream's own drop panics where the driver refuses to stop.
        let stream = self.stream.take();
        let _ = contained("VIDIOC_STREAMOFF", move || drop(stream));
    }
}

/// `POLLIN` of poll(2).
const POLLIN: i16 = 1;

fn milliseconds(timeout: Duration) -> i32 {
    i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX)
}

/// The usable formats of a camera; those in steps are narrowed to the wish.
fn offers(device: &Device, name: &str, wish: CameraWish) -> Result<Vec<CameraFormat>, CameraError> {
    let described = device
        .enum_formats()
        .map_err(|e| refused(name, "VIDIOC_ENUM_FMT", &e))?;
    let mut offers = Vec::new();
    for description in &described {
        let Some(pixels) = PixelFormat::from_fourcc(FourCc(description.fourcc.repr)) else {
            continue;
        };
        let sizes = device
            .enum_framesizes(description.fourcc)
            .unwrap_or_default();
        let sizes: Vec<FrameSize> = if sizes.is_empty() {
            vec![wish.size]
        } else {
            sizes.iter().map(|s| within(&s.size, wish.size)).collect()
        };
        for size in sizes {
            offers.push(CameraFormat {
                pixels,
                size,
                stride: 0,
                millifps: fastest(device, description.fourcc, size),
            });
        }
    }
    if offers.is_empty() {
        return Err(CameraError::NoUsableFormat {
            device: name.to_owned(),
            offered: described.iter().map(|d| FourCc(d.fourcc.repr)).collect(),
        });
    }
    Ok(offers)
}

/// A discrete size as it is, a range narrowed to what comes nearest to `wish`.
fn within(size: &FrameSizeEnum, wish: FrameSize) -> FrameSize {
    match size {
        FrameSizeEnum::Discrete(size) => FrameSize::new(size.width, size.height),
        FrameSizeEnum::Stepwise(range) => FrameSize::new(
            step(
                wish.width,
                range.min_width,
                range.max_width,
                range.step_width,
            ),
            step(
                wish.height,
                range.min_height,
                range.max_height,
                range.step_height,
            ),
        ),
    }
}

fn step(wish: u32, min: u32, max: u32, step: u32) -> u32 {
    let inside = wish.clamp(min, max.max(min));
    inside - (inside - min) % step.max(1)
}

/// The highest rate at a size in frames in 1000 s, 0 where the driver does not say.
fn fastest(device: &Device, fourcc: v4l::FourCC, size: FrameSize) -> u32 {
    let intervals = device
        .enum_frameintervals(fourcc, size.width, size.height)
        .unwrap_or_default();
    intervals
        .iter()
        .map(|interval| match &interval.interval {
            FrameIntervalEnum::Discrete(fraction) => millifps(fraction),
            FrameIntervalEnum::Stepwise(range) => millifps(&range.min),
        })
        .max()
        .unwrap_or(0)
}

/// The rate of a frame interval.
fn millifps(interval: &v4l::Fraction) -> u32 {
    let rate = u64::from(interval.denominator) * 1000 / u64::from(interval.numerator.max(1));
    u32::try_from(rate).unwrap_or(u32::MAX)
}

/// Sets format and rate; what the driver reports back is what counts.
fn set(
    device: &Device,
    name: &str,
    wished: CameraFormat,
    fps: u32,
) -> Result<CameraFormat, CameraError> {
    let fourcc = v4l::FourCC::new(&wished.pixels.fourcc().0);
    // The stride stays 0: the driver computes it.
    let request = v4l::Format::new(wished.size.width, wished.size.height, fourcc);
    let got = device
        .set_format(&request)
        .map_err(|e| refused(name, "VIDIOC_S_FMT", &e))?;
    let got_fourcc = FourCc(got.fourcc.repr);
    // Some drivers accept any code and silently deliver another.
    let pixels = PixelFormat::from_fourcc(got_fourcc).ok_or_else(|| CameraError::Substituted {
        device: name.to_owned(),
        got: got_fourcc,
    })?;
    // The rate is a wish: not every driver can set it.
    let rate = device
        .set_params(&Parameters::with_fps(fps.max(1)))
        .or_else(|_| device.params())
        .map_or(wished.millifps, |p| millifps(&p.interval));
    Ok(CameraFormat {
        pixels,
        size: FrameSize::new(got.width, got.height),
        stride: got.stride,
        millifps: rate,
    })
}

/// How long ago a buffer was filled; zero where its stamp is of another clock.
fn age(metadata: &Metadata) -> Duration {
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

fn refused(device: &str, operation: &'static str, error: &io::Error) -> CameraError {
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

fn not_a_camera(device: &str) -> CameraError {
    CameraError::NotACamera {
        device: device.to_owned(),
        present: cameras::list(),
    }
}

fn driver(device: &str, operation: &'static str, code: i32) -> CameraError {
    CameraError::Driver {
        device: device.to_owned(),
        operation,
        code,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WISH: CameraWish = CameraWish {
        size: FrameSize::new(640, 480),
        fps: 30,
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
    fn a_range_of_sizes_is_narrowed_to_the_wish() {
        assert_eq!(step(640, 16, 1920, 16), 640);
        assert_eq!(step(650, 16, 1920, 16), 640);
        assert_eq!(step(4000, 16, 1920, 16), 1920);
        assert_eq!(step(8, 16, 1920, 0), 16);
        assert_eq!(step(8, 16, 4, 1), 16);
    }

    #[test]
    fn rates_survive_odd_intervals() {
        assert_eq!(millifps(&v4l::Fraction::new(1001, 30_000)), 29_970);
        assert_eq!(millifps(&v4l::Fraction::new(0, u32::MAX)), u32::MAX);
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
