//! A camera as a source: opened again for ever, raw pictures encoded here,
//! H.264 passed through.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::{Duration, Instant};

use transom_boards_hal::{Camera, CameraError, CameraFormat, CodecWish, PixelFormat};
use transom_rtc_proto::codec::h264::AnnexB;

use super::access_unit::{Assembler, UnitError};
use super::beginning::Beginning;
use super::thinning::Thinning;
use crate::backoff::Backoff;
use crate::encode::{EncodeError, EncoderConfig, Encoders, encode_until};
use crate::output::VideoOutput;
use crate::publish::{FeedControl, FeedCount};
use crate::slot::Slot;
use crate::stop::Stop;
use crate::taps::Taps;
use transom_picture::Converter;
use transom_picture::Picture;

/// Longest wait for a frame; a stop is seen in between.
const FRAME_TIMEOUT: Duration = Duration::from_millis(100);
/// A camera that gave pictures and gives none for so long, and for as long as
/// [`MISSING_FRAMES`] take, is opened again.
const SHORTEST_STALL: Duration = Duration::from_secs(1);
const MISSING_FRAMES: u32 = 10;
/// The first picture may take longer: the sensor starts, the lens moves.
const FIRST_FRAME: Duration = Duration::from_secs(5);
/// A camera that gives only damaged frames is opened again after so many.
const MAX_BAD_FRAMES: u32 = 60;
/// A camera is asked for a key frame at most this often.
const KEY_REQUEST_SPACING: Duration = Duration::from_millis(300);

/// Opens the camera, in the form that is wanted of its frames.
pub type Open<'a> = dyn FnMut(CodecWish) -> Result<Box<dyn Camera>, CameraError> + 'a;

/// Why a camera's use ended.
#[derive(Debug, thiserror::Error)]
enum CaptureError {
    #[error(transparent)]
    Camera(#[from] CameraError),
    #[error(transparent)]
    Encode(#[from] EncodeError),
    #[error("the camera's H.264 cannot be passed on ({0}): choose a raw format or another camera")]
    Unit(#[from] UnitError),
    #[error("the camera gave no frame for {:.1} s: opened anew", .0.as_secs_f32())]
    Silent(Duration),
    #[error("the camera gives only damaged frames: check its cable")]
    Damaged,
    #[error("the camera's driver crashed")]
    Panicked,
}

/// How a camera is used.
#[derive(Debug)]
pub struct Capture {
    /// What is encoded.
    pub config: EncoderConfig,
    /// The form in which frames are wanted.
    pub codec: CodecWish,
    /// What encodes, where the camera does not.
    pub encoders: Encoders,
    /// Who else takes pictures.
    pub taps: Taps,
}

/// Captures until told to stop. `open` is called again whenever the camera is
/// absent or goes away.
pub fn run(open: &mut Open<'_>, mut capture: Capture, output: &mut VideoOutput, stop: &Stop) {
    let mut backoff = Backoff::brisk();
    while !stop.is_set() {
        let codec = capture.codec;
        // A driver crate may panic on what its device answers.
        let ended = catch_unwind(AssertUnwindSafe(|| {
            let mut camera = open(codec)?;
            tracing::info!(format = %camera.format(), "camera opened");
            backoff.worked();
            capture.run(camera.as_mut(), output, stop)
        }));
        output.break_off();
        match ended.unwrap_or(Err(CaptureError::Panicked)) {
            Ok(()) => return,
            Err(error) => {
                capture.learn(&error);
                if !backoff.failed(&error, stop) {
                    return;
                }
            }
        }
    }
}

impl Capture {
    /// Uses one camera until told to stop or it fails.
    fn run(
        &mut self,
        camera: &mut dyn Camera,
        output: &mut VideoOutput,
        stop: &Stop,
    ) -> Result<(), CaptureError> {
        match camera.format().pixels {
            PixelFormat::H264 => pass_through(camera, self, output, stop),
            _ => self.encode(camera, output, stop),
        }
    }

    fn encode(
        &mut self,
        camera: &mut dyn Camera,
        output: &mut VideoOutput,
        stop: &Stop,
    ) -> Result<(), CaptureError> {
        self.config.size = Picture::new(camera.format().size).size();
        let slot = Slot::default();
        let control = output.control().clone();
        let (config, encoders, taps) = (self.config, &mut self.encoders, &mut self.taps);
        thread::scope(|scope| {
            let encoding = scope.spawn(|| {
                let ended = encode_until(config, encoders, &slot, output, stop);
                slot.close();
                ended
            });
            // Closes the slot whatever happens, or the scope would wait for ever.
            let closing = CloseOnDrop(&slot);
            let captured = capture_raw(camera, config.fps, &slot, taps, &control, stop);
            drop(closing);
            let encoded = encoding.join().unwrap_or(Err(EncodeError::Failed));
            captured?;
            Ok(encoded?)
        })
    }

    /// What cannot be passed on is encoded here from now on, and where there
    /// are no pictures, H.264 is taken.
    fn learn(&mut self, error: &CaptureError) {
        match error {
            CaptureError::Unit(UnitError::BFrames) if self.codec != CodecWish::Pictures => {
                tracing::warn!("its pictures are taken in another form and encoded here");
                self.codec = CodecWish::Pictures;
            }
            CaptureError::Camera(CameraError::OnlyCoded { .. }) => self.codec = CodecWish::Any,
            _ => {}
        }
    }
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
    taps: &mut Taps,
    control: &FeedControl,
    stop: &Stop,
) -> Result<(), CaptureError> {
    let format = camera.format();
    let mut converter = Converter::default();
    let mut patience = Patience::new(&format, fps);
    let mut thinning = Thinning::new(fps);
    while !stop.is_set() && !slot.is_closed() {
        let (data, at) = match camera.next_frame(FRAME_TIMEOUT) {
            Ok(frame) => (frame.data, before_now(frame.age)),
            Err(error) => {
                patience.missed(error)?;
                continue;
            }
        };
        let streamed = !control.is_paused() && thinning.wants(at);
        if format.pixels == PixelFormat::Mjpeg {
            taps.stills.put_jpeg(data, at);
        }
        if !streamed && !taps.want(at) {
            patience.good();
            continue;
        }
        let mut picture = slot.spare().unwrap_or_else(|| Picture::new(format.size));
        match converter.convert(&format, data, &mut picture) {
            Ok(()) => {
                patience.good();
                taps.take(&picture, at);
                if streamed {
                    control.add(FeedCount::Captured, 1);
                    slot.put(picture, at);
                } else {
                    slot.give_back(picture);
                }
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
    capture: &mut Capture,
    output: &mut VideoOutput,
    stop: &Stop,
) -> Result<(), CaptureError> {
    let mut assembler = Assembler::default();
    let mut beginning = Beginning::default();
    let mut patience = Patience::new(&camera.format(), capture.config.fps);
    let mut bitrate = None;
    let mut asked_at: Option<Instant> = None;
    let mut told = false;
    let control = output.control().clone();
    control.set_encoder("");
    while !stop.is_set() {
        if let Some(bps) = control.bitrate().filter(|bps| Some(*bps) != bitrate) {
            bitrate = Some(bps);
            if !camera.set_bitrate(bps) {
                tracing::debug!(bps, "the camera keeps its own bitrate");
            }
        }
        let may_ask = asked_at.is_none_or(|asked| asked.elapsed() >= KEY_REQUEST_SPACING);
        if (control.key_frame_wanted() || capture.taps.stills.is_wanted()) && may_ask {
            // The request stays open until a key frame comes, by whatever cause.
            let taken = camera.request_key_frame();
            asked_at = Some(Instant::now());
            if !taken && !told {
                told = true;
                match camera.key_frame_interval() {
                    Some(every) => tracing::info!(
                        "this camera makes no key frame on request, but one every {:.1} s",
                        every.as_secs_f32()
                    ),
                    None => tracing::info!(
                        "this camera makes no key frame on request: who joins waits for its next"
                    ),
                }
            }
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
        match assembler.assemble(AnnexB::new(data)) {
            Ok(Some((unit, key))) => {
                patience.good();
                if let Some(never) = beginning.picture(at, &unit, key) {
                    tracing::warn!("{never}");
                }
                if key {
                    control.take_key_frame_request();
                }
                if capture.taps.take_unit(&unit, at, key) {
                    control.request_key_frame();
                }
                control.add(FeedCount::Captured, 1);
                output.send(unit, at, key);
            }
            // Parameter sets that come alone.
            Ok(None) => patience.good(),
            Err(error @ UnitError::BFrames) => return Err(error.into()),
            Err(UnitError::SliceHeader) => {
                output.break_off();
                patience.missed(CameraError::BadFrame)?;
            }
        }
    }
    Ok(())
}

fn before_now(age: Duration) -> Instant {
    let now = Instant::now();
    now.checked_sub(age).unwrap_or(now)
}

/// Counts what does not come.
#[derive(Debug)]
struct Patience {
    /// How long a camera that gave pictures may give none.
    limit: Duration,
    /// Until when the next one must have come.
    until: Instant,
    bad: u32,
}

impl Patience {
    /// For a camera set to `format`; `fps` is its rate where it does not tell.
    fn new(format: &CameraFormat, fps: u32) -> Self {
        let millifps = match format.millifps {
            0 => fps.max(1).saturating_mul(1000),
            told => told,
        };
        let frames = Duration::from_secs(1000) * MISSING_FRAMES / millifps;
        Self {
            limit: frames.max(SHORTEST_STALL),
            until: Instant::now() + FIRST_FRAME,
            bad: 0,
        }
    }

    fn good(&mut self) {
        self.until = Instant::now() + self.limit;
        self.bad = 0;
    }

    fn missed(&mut self, error: CameraError) -> Result<(), CaptureError> {
        match error {
            CameraError::Timeout => {
                if Instant::now() >= self.until {
                    return Err(CaptureError::Silent(self.limit));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::MediaClock;
    use crate::encode::EncoderChoice;
    use crate::still::Stills;
    use std::collections::VecDeque;
    use transom_boards_hal::{CapturedFrame, FrameSize};

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

    fn capture(codec: CodecWish) -> Capture {
        Capture {
            config: CONFIG,
            codec,
            encoders: Encoders::new(EncoderChoice::Software),
            taps: Taps::default(),
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
        let mut open = move |_: CodecWish| {
            steps.pop_front().unwrap_or_else(|| {
                ending.set();
                Err(absent())
            })
        };
        let clock = MediaClock::new(Instant::now());
        let (mut output, (mut frames, format)) = VideoOutput::new(clock, FeedControl::default());
        run(&mut open, capture(CodecWish::Any), &mut output, &stop);
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
    fn a_stalled_camera_is_opened_again() {
        let format = |millifps| CameraFormat {
            pixels: PixelFormat::Yuyv,
            size: FrameSize::new(640, 480),
            stride: 0,
            millifps,
        };
        for (millifps, fps, seconds) in [(30_000, 30, 1), (5_000, 30, 2), (0, 2, 5), (0, 0, 10)] {
            let patience = Patience::new(&format(millifps), fps);
            assert_eq!(patience.limit, Duration::from_secs(seconds));
        }
        let mut patience = Patience::new(&format(30_000), 30);
        patience.missed(CameraError::Timeout).expect("it starts");
        patience.limit = Duration::from_millis(20);
        patience.good();
        patience.missed(CameraError::Timeout).expect("patient");
        thread::sleep(Duration::from_millis(25));
        let ended = patience.missed(CameraError::Timeout);
        assert!(matches!(ended, Err(CaptureError::Silent(_))));
        patience.good();
        for _ in 1..MAX_BAD_FRAMES {
            patience.missed(CameraError::BadFrame).expect("patient");
        }
        let ended = patience.missed(CameraError::BadFrame);
        assert!(matches!(ended, Err(CaptureError::Damaged)));
    }

    #[test]
    fn a_camera_with_b_frames_is_asked_for_pictures() {
        let b_frames = include_bytes!("../../../tests/data/media/b-frames.h264");
        // One buffer a picture, as cameras give them; all in one will do here.
        let camera = FakeCamera {
            pixels: PixelFormat::H264,
            frames: [b_frames.to_vec(), Vec::new()].into(),
            panics: false,
            asked: 0,
        };
        let mut first: Option<Box<dyn Camera>> = Some(Box::new(camera));
        let stop = Stop::default();
        let (ending, mut asked) = (stop.clone(), Vec::new());
        let mut open = |codec: CodecWish| {
            asked.push(codec);
            first.take().ok_or_else(|| {
                ending.set();
                CameraError::Timeout
            })
        };
        let clock = MediaClock::new(Instant::now());
        let (mut output, _input) = VideoOutput::new(clock, FeedControl::default());
        run(&mut open, capture(CodecWish::Any), &mut output, &stop);
        assert_eq!(asked, [CodecWish::Any, CodecWish::Pictures]);
    }

    #[tokio::test]
    async fn a_still_is_taken_while_nobody_watches() {
        let control = FeedControl::default();
        control.pause();
        let clock = MediaClock::new(Instant::now());
        let (mut output, (mut frames, _format)) = VideoOutput::new(clock, control);
        let stop = Stop::default();
        let (mut capture, ending) = (capture(CodecWish::Any), stop.clone());
        let stills = Stills::default();
        capture.taps.stills = stills.clone();
        let capturing = thread::spawn(move || {
            let mut open = |_: CodecWish| Ok(raw(60, false));
            run(&mut open, capture, &mut output, &ending);
        });
        let still = stills.take(Duration::from_secs(5)).await;
        stop.set();
        capturing.join().expect("it ends");
        let jpeg = still.expect("a picture").to_jpeg().expect("a JPEG");
        assert!(jpeg.starts_with(&[0xff, 0xd8, 0xff]));
        assert!(frames.try_recv().is_none());
    }
}
