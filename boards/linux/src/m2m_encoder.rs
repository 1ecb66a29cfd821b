//! An H.264 encoder in hardware: V4L2 memory to memory, multi-planar, as the
//! Raspberry Pi's `bcm2835-codec` is. `cargo run --example m2m` tries one out.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use shiguredo_v4l2::v4l2_m2m::{
    EncodeInput, EncodedFrame, EncoderConfig, Error, FnEncodeHandler, H264Encoder, H264Level,
    H264Profile, Resolution,
};
use transom_boards_hal::FrameSize;

use crate::contain::contained;
use crate::m2m::M2mError;

/// A picture takes 10 to 25 ms; the first one waits for the firmware.
const PATIENCE: Duration = Duration::from_millis(500);
const FIRST_PATIENCE: Duration = Duration::from_secs(2);

/// As good as never: a key frame comes when it is asked for.
const KEY_FRAME_PERIOD: u32 = 1 << 20;

/// Pictures on their way: one, since each is waited for.
const BUFFERS: u32 = 2;

type Coded = Result<Vec<u8>, Error>;

/// An encoder that is open and set to a size.
pub struct M2mEncoder {
    device: String,
    encoder: H264Encoder<FnEncodeHandler<()>>,
    coded: Receiver<Coded>,
    size: FrameSize,
    started: bool,
}

impl M2mEncoder {
    /// Opens the encoder at `device` (a path such as `/dev/video11`) for I420
    /// pictures of `size`.
    ///
    /// # Errors
    /// Where there is none, or it refuses the size.
    pub fn open(device: &str, size: FrameSize, bitrate_bps: u32) -> Result<Self, M2mError> {
        let mut config = EncoderConfig::new(size.width, size.height, bitrate_bps);
        config.device_path = device.to_owned();
        // What every browser decodes, and has no B-frames.
        config.profile = H264Profile::ConstrainedBaseline;
        config.level = match size.area() {
            0..=921_600 => H264Level::Level3_1,
            921_601..=2_088_960 => H264Level::Level4_0,
            _ => H264Level::Level5_1,
        };
        config.i_period = KEY_FRAME_PERIOD;
        config.output_buffer_count = BUFFERS;
        config.capture_buffer_count = BUFFERS;
        let (sender, coded) = mpsc::channel();
        let handler = FnEncodeHandler::new(move |result: Result<EncodedFrame<()>, Error>| {
            let unit = result.map(|frame| frame.data().unwrap_or_default().to_vec());
            // Nobody waits for it any more: the encoder is being dropped.
            let _ = sender.send(unit);
        });
        let opened = contained("opening", || H264Encoder::new(config, handler));
        let encoder = opened
            .ok_or_else(|| refused(device, "opening", None))?
            .map_err(|error| refused(device, "opening", Some(&error)))?;
        let got = encoder.resolution();
        if !fits(&got, size) {
            return Err(M2mError::Size {
                device: device.to_owned(),
                size,
                got: FrameSize::new(got.width, got.height),
            });
        }
        if (got.width, got.height) != (size.width, size.height) {
            // Nothing here tells it which part of that is to be shown: the Pi's remembers what it was asked for.
            tracing::info!(
                "encoder {device} makes {}x{} of {size}: it may show what is added, which repeats the edge",
                got.width,
                got.height
            );
        }
        Ok(Self {
            device: device.to_owned(),
            encoder,
            coded,
            size,
            started: false,
        })
    }

    /// The device.
    pub fn device(&self) -> &str {
        &self.device
    }

    /// Encodes one picture, given as its planes without padding, captured at
    /// media time `at`, and waits for it.
    ///
    /// # Errors
    /// Where the encoder refuses it, or takes too long; build it anew then.
    pub fn encode(
        &mut self,
        planes: [&[u8]; 3],
        at: Duration,
        key: bool,
    ) -> Result<Vec<u8>, M2mError> {
        // One that was late is no answer to this picture.
        while self.coded.try_recv().is_ok() {}
        if key && let Err(error) = self.encoder.force_keyframe() {
            tracing::debug!("{}", refused(&self.device, "VIDIOC_S_CTRL", Some(&error)));
            return Err(M2mError::NoKeyFrames {
                device: self.device.clone(),
            });
        }
        let size = self.size;
        let mut fill =
            |buffer: &mut [u8], layout: &Resolution, (): &()| fill(buffer, layout, size, planes);
        let stamp = i64::try_from(at.as_micros()).unwrap_or(i64::MAX);
        let input = EncodeInput::Mmap(&mut fill);
        let taken = contained("VIDIOC_QBUF", || {
            self.encoder.encode(input, stamp, false, ())
        });
        taken
            .ok_or_else(|| refused(&self.device, "VIDIOC_QBUF", None))?
            .map_err(|error| refused(&self.device, "VIDIOC_QBUF", Some(&error)))?;
        let patience = match self.started {
            true => PATIENCE,
            false => FIRST_PATIENCE,
        };
        self.started = true;
        match self.coded.recv_timeout(patience) {
            Ok(Ok(unit)) => Ok(unit),
            Ok(Err(error)) => Err(refused(&self.device, "VIDIOC_DQBUF", Some(&error))),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                Err(M2mError::Silent {
                    device: self.device.clone(),
                })
            }
        }
    }

    /// Changes the bitrate, in bits a second.
    ///
    /// # Errors
    /// Where the encoder has no such control.
    pub fn set_bitrate(&mut self, bps: u32) -> Result<(), M2mError> {
        let set = self.encoder.set_bitrate(bps);
        set.map_err(|error| refused(&self.device, "VIDIOC_S_CTRL", Some(&error)))
    }
}

/// Whether a picture fits into what the driver made of its size: rows and
/// lines may be padded.
fn fits(got: &Resolution, size: FrameSize) -> bool {
    let padded = |got: u32, side: u32| (side..=side.saturating_add(64)).contains(&got);
    padded(got.width, size.width)
        && padded(got.height, size.height)
        && got.stride >= size.width
        && got.stride <= size.width.saturating_add(4096)
}

/// Copies the planes to where the driver's layout has them; how many bytes that
/// are, `None` where they do not fit. What the driver added repeats the picture's edge.
fn fill(
    buffer: &mut [u8],
    layout: &Resolution,
    size: FrameSize,
    planes: [&[u8]; 3],
) -> Option<usize> {
    let len = layout.yuv420_size();
    let (width, stride) = (size.width as usize, layout.stride as usize);
    let (lines, half) = (layout.height as usize, layout.height.div_ceil(2) as usize);
    let luma_len = stride.checked_mul(lines)?;
    let (luma, chroma) = buffer.get_mut(..len)?.split_at_mut_checked(luma_len)?;
    let half_stride = stride.div_ceil(2);
    let (u, v) = chroma.split_at_mut_checked(half_stride.checked_mul(half)?)?;
    let [from_y, from_u, from_v] = planes;
    let (made, half_made) = (layout.width as usize, layout.width.div_ceil(2) as usize);
    for (to, stride, from, width, made) in [
        (luma, stride, from_y, width, made),
        (u, half_stride, from_u, width / 2, half_made),
        (v, half_stride, from_v, width / 2, half_made),
    ] {
        let rows = from.chunks_exact(width.max(1));
        let last = rows.clone().next_back()?;
        let rows = rows.chain(std::iter::repeat(last));
        for (to, from) in to.chunks_mut(stride.max(1)).zip(rows) {
            to.get_mut(..width)?.copy_from_slice(from);
            if let (Some(added), Some(edge)) = (to.get_mut(width..made), from.last()) {
                added.fill(*edge);
            }
        }
    }
    Some(len)
}

fn refused(device: &str, operation: &'static str, error: Option<&Error>) -> M2mError {
    let code = match error {
        Some(
            Error::DeviceOpen { source, .. }
            | Error::Ioctl { source, .. }
            | Error::Mmap { source }
            | Error::Poll { source }
            | Error::StreamOn { source }
            | Error::StreamOff { source },
        ) => source.raw_os_error(),
        _ => None,
    };
    M2mError::Refused {
        device: device.to_owned(),
        operation: match error {
            Some(Error::Ioctl { request, .. }) => request,
            Some(Error::DeviceOpen { .. }) => "open",
            _ => operation,
        },
        code: code.unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_are_laid_out_as_the_driver_wants_them() {
        let layout = Resolution {
            width: 4,
            height: 4,
            stride: 6,
        };
        let mut buffer = [0; 40];
        let planes = [&[1, 2, 3, 4, 5, 6, 7, 8][..], &[20, 21], &[30, 31]];
        let used = fill(&mut buffer, &layout, FrameSize::new(4, 2), planes);
        assert_eq!(used, Some(36));
        assert_eq!(buffer[..6], [1, 2, 3, 4, 0, 0]);
        assert_eq!(buffer[6..12], [5, 6, 7, 8, 0, 0]);
        // The picture has two lines, the buffer four.
        assert_eq!(buffer[18..24], [5, 6, 7, 8, 0, 0]);
        assert_eq!(buffer[24..30], [20, 21, 0, 20, 21, 0]);
        assert_eq!(buffer[30..36], [30, 31, 0, 30, 31, 0]);
        let short = fill(&mut buffer[..35], &layout, FrameSize::new(4, 2), planes);
        assert_eq!(short, None);
    }

    #[test]
    fn columns_that_the_driver_added_repeat_the_edge() {
        let layout = Resolution {
            width: 6,
            height: 2,
            stride: 8,
        };
        let mut buffer = [0; 24];
        let planes = [&[1, 2, 3, 4, 5, 6, 7, 8][..], &[20, 21], &[30, 31]];
        let used = fill(&mut buffer, &layout, FrameSize::new(4, 2), planes);
        assert_eq!(used, Some(24));
        assert_eq!(buffer[..8], [1, 2, 3, 4, 4, 4, 0, 0]);
        assert_eq!(buffer[8..16], [5, 6, 7, 8, 8, 8, 0, 0]);
        assert_eq!(buffer[16..], [20, 21, 21, 0, 30, 31, 31, 0]);
    }

    #[test]
    fn padding_is_taken_and_another_size_is_not() {
        let got = |width, height, stride| Resolution {
            width,
            height,
            stride,
        };
        let size = FrameSize::new(1920, 1080);
        assert!(fits(&got(1920, 1088, 1920), size));
        assert!(fits(&got(1920, 1080, 2048), size));
        assert!(!fits(&got(1280, 720, 1280), size));
        assert!(!fits(&got(1920, 1080, 960), size));
    }

    #[test]
    fn what_is_no_encoder_is_refused_in_one_line() {
        for device in ["/dev/transom-no-such-encoder", "/dev/null"] {
            let size = FrameSize::new(640, 480);
            let error = match M2mEncoder::open(device, size, 1_000_000) {
                Ok(_) => panic!("{device} opened as an encoder"),
                Err(error) => error.to_string(),
            };
            assert!(error.contains(device) && !error.contains('\n'), "{error}");
        }
    }
}
