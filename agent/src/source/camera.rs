//! A camera as a source: opened again for ever, raw pictures encoded here,
//! H.264 passed through.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::{Duration, Instant};

use transom_boards_hal::{Camera, CameraError, PixelFormat};
use transom_rtc_proto::codec::h264::AnnexB;

use super::access_unit::{Assembler, UnitError};
use crate::backoff::Backoff;
use crate::convert::Converter;
use crate::encode::{EncodeError, EncoderConfig, encode_until};
use crate::output::VideoOutput;
use crate::picture::Picture;
use crate::publish::{FeedControl, FeedCount};
use crate::slot::Slot;
use crate::stop::Stop;

/// Longest wait for a frame; a stop is seen in between.
const FRAME_TIMEOUT: Duration = Duration::from_millis(100);
/// A camera that gives nothing for this many waits is opened again.
const SILENT: u32 = 30;
/// A camera that gives only damaged frames is opened again after so many.
const MAX_BAD_FRAMES: u32 = 60;
/// A camera is asked for a key frame at most this often.
const KEY_REQUEST_SPACING: Duration = Duration::from_millis(300);

/// Why a camera's use ended.
#[derive(Debug, thiserror::Error)]
enum CaptureError {
    #[error(transparent)]
    Camera(#[from] CameraError),
    #[error(transparent)]
    Encode(#[from] EncodeError),
    #[error("the camera's H.264 cannot be passed on ({0}): choose a raw format or another camera")]
    Unit(#[from] UnitError),
    #[error("the camera gives no frames: connect it anew")]
    Silent,
    #[error("the camera gives only damaged frames: check its cable")]
    Damaged,
    #[error("the camera's driver crashed")]
    Panicked,
}

/// Captures until told to stop. `open` is called again whenever the camera is
/// absent or goes away.
pub fn run(
    open: &mut dyn FnMut() -> Result<Box<dyn Camera>, CameraError>,
    config: EncoderConfig,
    output: &mut VideoOutput,
    stop: &Stop,
) {
    let mut backoff = Backoff::default();
    while !stop.is_set() {
        // A driver crate may panic on what its device answers.
        let ended = catch_unwind(AssertUnwindSafe(|| {
            let mut camera = open()?;
            tracing::info!(format = %camera.format(), "camera opened");
            backoff.worked();
            capture(camera.as_mut(), config, output, stop)
        }));
        output.break_off();
        match ended.unwrap_or(Err(CaptureError::Panicked)) {
            Ok(()) => return,
            Err(error) => {
                if !backoff.failed(&error, stop) {
                    return;
                }
            }
        }
    }
}

/// Uses one camera until told to stop or it fails.
fn capture(
    camera: &mut dyn Camera,
    mut config: EncoderConfig,
    output: &mut VideoOutput,
    stop: &Stop,
) -> Result<(), CaptureError> {
    let format = camera.format();
    if format.pixels == PixelFormat::H264 {
        return pass_through(camera, output, stop);
    }
    config.size = Picture::new(format.size).size();
    let slot = Slot::default();
    let control = output.control().clone();
    thread::scope(|scope| {
        let encoding = scope.spawn(|| {
            let ended = encode_until(config, &slot, output, stop);
            slot.close();
            ended
        });
        // Closes the slot whatever happens, or the scope would wait for ever.
        let closing = CloseOnDrop(&slot);
        let captured = capture_raw(camera, config.fps, &slot, &control, stop);
        drop(closing);
        let encoded = encoding.join().unwrap_or(Err(EncodeError::Failed));
        captured?;
        Ok(encoded?)
    })
}

struct CloseOnDrop<'a>(&'a Slot);

impl Drop for CloseOnDrop<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}

fn capture_raw(
    camera: &mut dyn Camera,
    fps: u32,
    slot: &Slot,
    control: &FeedControl,
    stop: &Stop,
) -> Result<(), CaptureError> {
    let format = camera.format();
    let mut converter = Converter::default();
    let mut patience = Patience::default();
    let mut thinning = Thinning::new(fps);
    while !stop.is_set() && !slot.is_closed() {
        let (data, at) = match camera.next_frame(FRAME_TIMEOUT) {
            Ok(frame) => (frame.data, before_now(frame.age)),
            Err(error) => {
                patience.missed(error)?;
                continue;
            }
        };
        if control.is_paused() || !thinning.wants(at) {
            patience.good();
            continue;
        }
        control.add(FeedCount::Captured, 1);
        let mut picture = slot.spare().unwrap_or_else(|| Picture::new(format.size));
        match converter.convert(&format, data, &mut picture) {
            Ok(()) => {
                patience.good();
                slot.put(picture, at);
            }
            Err(error) => {
                tracing::debug!(%error, "a frame is lost");
                slot.give_back(picture);
                patience.missed(CameraError::BadFrame)?;
            }
        }
    }
    Ok(())
}

fn pass_through(
    camera: &mut dyn Camera,
    output: &mut VideoOutput,
    stop: &Stop,
) -> Result<(), CaptureError> {
    let mut assembler = Assembler::default();
    let mut patience = Patience::default();
    let mut bitrate = None;
    let mut asked_at: Option<Instant> = None;
    while !stop.is_set() {
        let control = output.control().clone();
        if let Some(bps) = control.bitrate().filter(|bps| Some(*bps) != bitrate) {
            bitrate = Some(bps);
            if !camera.set_bitrate(bps) {
                tracing::debug!(bps, "the camera keeps its own bitrate");
            }
        }
        let may_ask = asked_at.is_none_or(|asked| asked.elapsed() >= KEY_REQUEST_SPACING);
        if control.key_frame_wanted() && may_ask {
            // The request stays open until a key frame comes, by whatever cause.
            camera.request_key_frame();
            asked_at = Some(Instant::now());
        }
        let (data, at) = match camera.next_frame(FRAME_TIMEOUT) {
            Ok(frame) => (frame.data, before_now(frame.age)),
            Err(error) => {
                if error == CameraError::BadFrame {
                    output.break_off();
                }
                patience.missed(error)?;
                continue;
            }
        };
        patience.good();
        if let Some((unit, key)) = assembler.assemble(AnnexB::new(data))? {
            if key {
                control.take_key_frame_request();
            }
            control.add(FeedCount::Captured, 1);
            output.send(unit, at, key);
        }
    }
    Ok(())
}

fn before_now(age: Duration) -> Instant {
    let now = Instant::now();
    now.checked_sub(age).unwrap_or(now)
}

/// Counts what does not come.
#[derive(Debug, Default)]
struct Patience {
    timeouts: u32,
    bad: u32,
}

impl Patience {
    fn good(&mut self) {
        *self = Self::default();
    }

    fn missed(&mut self, error: CameraError) -> Result<(), CaptureError> {
        match error {
            CameraError::Timeout => {
                self.timeouts += 1;
                if self.timeouts >= SILENT {
                    return Err(CaptureError::Silent);
                }
            }
            CameraError::BadFrame => {
                self.bad += 1;
                if self.bad >= MAX_BAD_FRAMES {
                    return Err(CaptureError::Damaged);
                }
            }
            error => return Err(error.into()),
        }
        Ok(())
    }
}

/// Leaves out frames of a camera that is faster than the wish.
#[derive(Debug)]
struct Thinning {
    interval: Duration,
    next: Option<Instant>,
}

impl Thinning {
    fn new(fps: u32) -> Self {
        Self {
            interval: Duration::from_secs(1) / fps.max(1),
            next: None,
        }
    }

    /// Whether the frame captured at `at` is wanted. Cameras jitter: a
    /// quarter of an interval early is in time.
    fn wants(&mut self, at: Instant) -> bool {
        let due = self.next.unwrap_or(at);
        if at + self.interval / 4 < due {
            return false;
        }
        // A camera that is late does not get to catch up.
        self.next = Some(due.max(at.checked_sub(self.interval).unwrap_or(at)) + self.interval);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::MediaClock;
    use crate::publish::FeedControl;
    use std::collections::VecDeque;
    use transom_boards_hal::{CameraFormat, CapturedFrame, FrameSize};

    const CONFIG: EncoderConfig = EncoderConfig {
        size: FrameSize::new(640, 480),
        fps: 30,
        bitrate_bps: 300_000,
        max_bitrate_bps: 1_000_000,
    };

    /// Gives `frames` frames, then is gone or panics.
    struct FakeCamera {
        pixels: PixelFormat,
        frames: VecDeque<Vec<u8>>,
        panics: bool,
        asked: u32,
    }

    impl Camera for FakeCamera {
        fn format(&self) -> CameraFormat {
            CameraFormat {
                pixels: self.pixels,
                size: FrameSize::new(32, 16),
                stride: 0,
                millifps: 30_000,
            }
        }

        fn next_frame(&mut self, _: Duration) -> Result<CapturedFrame<'_>, CameraError> {
            thread::sleep(Duration::from_millis(34));
            self.frames.rotate_left(1);
            if self.frames.back().is_none_or(Vec::is_empty) {
                assert!(!self.panics, "as a driver would");
                return Err(CameraError::Gone {
                    device: "fake".into(),
                });
            }
            Ok(CapturedFrame {
                data: self.frames.back().map(Vec::as_slice).unwrap_or_default(),
                age: Duration::from_millis(5),
            })
        }

        fn request_key_frame(&mut self) -> bool {
            self.asked += 1;
            true
        }
    }

    fn raw(frames: usize, panics: bool) -> Box<dyn Camera> {
        let mut queue: VecDeque<_> = vec![vec![100; 32 * 16 * 3 / 2]; frames].into();
        queue.push_back(Vec::new());
        Box::new(FakeCamera {
            pixels: PixelFormat::I420,
            frames: queue,
            panics,
            asked: 0,
        })
    }

    fn coded() -> Box<dyn Camera> {
        let key = vec![
            0, 0, 0, 1, 0x67, 0x42, 0xc0, 0x1f, 0xf4, 0x05, 0x01, 0xe8, 0x80, 0, 0, 0, 1, 0x68,
            0xce, 0x3c, 0x80, 0, 0, 0, 1, 0x65, 0x88, 0x84, 0x21,
        ];
        let delta = vec![0, 0, 0, 1, 0x41, 0x9a, 0x23, 0x6c];
        Box::new(FakeCamera {
            pixels: PixelFormat::H264,
            frames: [key, delta.clone(), delta, Vec::new()].into(),
            panics: false,
            asked: 0,
        })
    }

    #[test]
    fn a_camera_is_taken_up_however_it_comes_and_goes() {
        let absent = || CameraError::Absent {
            device: "fake".into(),
            present: vec![],
        };
        let mut steps: VecDeque<Result<Box<dyn Camera>, CameraError>> = [
            Err(absent()),
            Ok(raw(5, false)),
            Ok(raw(5, true)),
            Ok(coded()),
        ]
        .into();
        let stop = Stop::default();
        let ending = stop.clone();
        let mut open = move || {
            steps.pop_front().unwrap_or_else(|| {
                ending.set();
                Err(absent())
            })
        };
        let clock = MediaClock::new(Instant::now());
        let (mut output, (mut frames, format)) = VideoOutput::new(clock, FeedControl::default());
        run(&mut open, CONFIG, &mut output, &stop);
        // The queue holds eight: the last three are those of the H.264 camera,
        // which begin with a key frame of their own.
        let got: Vec<_> = std::iter::from_fn(|| frames.try_recv()).collect();
        assert!(got.len() >= 3, "{got:?}");
        let last = &got[got.len() - 3..];
        assert_eq!(
            last.iter().map(|frame| frame.key).collect::<Vec<_>>(),
            [true, false, false]
        );
        let format = format.borrow().expect("a format");
        assert_eq!((format.width, format.height), (640, 480));
    }

    #[test]
    fn frames_beyond_the_wish_are_left_out() {
        let mut thinning = Thinning::new(30);
        let start = Instant::now();
        let taken = (0..120)
            .filter(|frame| thinning.wants(start + Duration::from_micros(frame * 16_667)))
            .count();
        assert_eq!(taken, 60);
        let mut thinning = Thinning::new(30);
        // 30 a second with 8 ms of jitter: all are taken.
        let taken = (0..60)
            .filter(|frame| {
                let jitter = frame % 3 * 4;
                thinning.wants(start + Duration::from_micros(frame * 33_333 + jitter * 1000))
            })
            .count();
        assert_eq!(taken, 60);
    }

    #[test]
    fn patience_ends() {
        let mut patience = Patience::default();
        for _ in 1..SILENT {
            patience.missed(CameraError::Timeout).expect("patient");
        }
        let ended = patience.missed(CameraError::Timeout);
        assert!(matches!(ended, Err(CaptureError::Silent)));
        patience.good();
        for _ in 1..MAX_BAD_FRAMES {
            patience.missed(CameraError::BadFrame).expect("patient");
        }
        let ended = patience.missed(CameraError::BadFrame);
        assert!(matches!(ended, Err(CaptureError::Damaged)));
    }
}
