//! The thread an encoder runs on.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use super::{EncodeError, Encoded, EncoderConfig, Encoders, H264Encoder};
use crate::output::VideoOutput;
use crate::publish::FeedCount;
use crate::slot::{Slot, Taken};
use crate::stop::Stop;
use transom_picture::Picture;

/// Key frames are at least this far apart, however often they are asked for:
/// each costs as much as ten others, and one answers all that asked.
const KEY_FRAME_SPACING: Duration = Duration::from_millis(300);
/// How often a waiting encoder looks whether it is to end.
const LOOK: Duration = Duration::from_millis(100);
/// Encoder errors in a row before it is built anew.
const MAX_FAILURES: u32 = 5;

/// Takes pictures from a [`Slot`] and sends access units to a [`VideoOutput`].
pub struct EncodeWorker<'a, E> {
    encoder: E,
    output: &'a mut VideoOutput,
    slot: &'a Slot,
    last_key: Option<Instant>,
    bitrate_bps: Option<u32>,
}

/// Encodes until the slot closes or `stop` is set.
///
/// The encoder is built anew when pictures change their size or it keeps
/// failing; the error comes back only when it cannot be built at all.
pub fn encode_until(
    mut config: EncoderConfig,
    encoders: &mut Encoders,
    slot: &Slot,
    output: &mut VideoOutput,
    stop: &Stop,
) -> Result<(), EncodeError> {
    loop {
        if let Some(bps) = output.control().bitrate() {
            config.bitrate_bps = bps;
        }
        let encoder = encoders.open(&config)?;
        output.control().set_encoder(encoder.name());
        output.break_off();
        match EncodeWorker::new(encoder, slot, output).run(config, stop) {
            Ended::Stopped => return Ok(()),
            Ended::Size(picture) => {
                config.size = picture.size();
                slot.give_back(picture);
            }
            Ended::Failing => {
                tracing::warn!("the H.264 encoder keeps failing: built anew");
                encoders.failed();
            }
        }
    }
}

/// Why a worker ended.
enum Ended {
    Stopped,
    /// A picture of another size came; it is not encoded.
    Size(Picture),
    Failing,
}

impl<'a, E: H264Encoder> EncodeWorker<'a, E> {
    /// A worker that has encoded nothing yet.
    pub fn new(encoder: E, slot: &'a Slot, output: &'a mut VideoOutput) -> Self {
        Self {
            encoder,
            output,
            slot,
            last_key: None,
            bitrate_bps: None,
        }
    }

    fn run(&mut self, config: EncoderConfig, stop: &Stop) -> Ended {
        let mut failures = 0;
        while !stop.is_set() {
            let (picture, at) = match self.slot.take(LOOK) {
                Taken::Picture(picture, at) => (picture, at),
                Taken::Nothing => continue,
                Taken::Closed => return Ended::Stopped,
            };
            if picture.size() != config.size {
                return Ended::Size(picture);
            }
            failures = match self.encode(&picture, at) {
                Ok(()) => 0,
                Err(error) => {
                    tracing::warn!(%error, "a picture is lost");
                    self.output.control().add(FeedCount::EncoderFailed, 1);
                    self.output.break_off();
                    failures + 1
                }
            };
            self.slot.give_back(picture);
            if failures >= MAX_FAILURES {
                return Ended::Failing;
            }
        }
        Ended::Stopped
    }

    /// Encodes one picture captured at `at`.
    pub fn encode(&mut self, picture: &Picture, at: Instant) -> Result<(), EncodeError> {
        let control = self.output.control().clone();
        control.add(FeedCount::EncoderBusy, self.slot.take_dropped());
        if control.is_paused() {
            self.output.break_off();
            return Ok(());
        }
        if let Some(bps) = control
            .bitrate()
            .filter(|bps| Some(*bps) != self.bitrate_bps)
        {
            self.bitrate_bps = Some(bps);
            self.encoder.set_bitrate(bps)?;
        }
        let key = control.key_frame_wanted() && self.key_frame_is_due(at);
        let media_time = at.saturating_duration_since(self.output.clock().origin());
        let mut data = Vec::with_capacity(16 * 1024);
        let (begun, busy) = (Instant::now(), thread_time());
        let encoded = self.encoder.encode(picture, media_time, key, &mut data)?;
        control.encoded_in(begun.elapsed(), thread_time().saturating_sub(busy));
        match encoded {
            Encoded::Key => {
                // Only now: a request that fails is still open.
                control.take_key_frame_request();
                self.last_key = Some(at);
            }
            Encoded::Delta => {}
            Encoded::Skipped => {
                control.add(FeedCount::EncoderSkipped, 1);
                return Ok(());
            }
        }
        self.output.send(data, at, encoded == Encoded::Key);
        Ok(())
    }

    fn key_frame_is_due(&self, at: Instant) -> bool {
        self.last_key
            .is_none_or(|last| at.saturating_duration_since(last) >= KEY_FRAME_SPACING)
    }
}

/// Processor time of this thread.
fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::MediaClock;
    use crate::encode::EncoderChoice;
    use crate::output::VideoInput;
    use crate::publish::FeedControl;
    use std::thread;
    use transom_boards_hal::FrameSize;

    /// Writes what it was asked into the stream.
    #[derive(Default)]
    struct FakeEncoder {
        started: bool,
        bitrates: Vec<u32>,
    }

    impl H264Encoder for FakeEncoder {
        fn name(&self) -> &str {
            "fake"
        }

        fn encode(
            &mut self,
            _picture: &Picture,
            _at: Duration,
            key: bool,
            out: &mut Vec<u8>,
        ) -> Result<Encoded, EncodeError> {
            let key = key || !self.started;
            self.started = true;
            out.push(u8::from(key));
            Ok(if key { Encoded::Key } else { Encoded::Delta })
        }

        fn set_bitrate(&mut self, bps: u32) -> Result<(), EncodeError> {
            self.bitrates.push(bps);
            Ok(())
        }
    }

    fn output() -> (VideoOutput, FeedControl, VideoInput) {
        let control = FeedControl::default();
        let clock = MediaClock::new(Instant::now());
        let (output, input) = VideoOutput::new(clock, control.clone());
        (output, control, input)
    }

    fn keys(input: &mut VideoInput) -> Vec<bool> {
        std::iter::from_fn(|| input.0.try_recv())
            .map(|frame| frame.key)
            .collect()
    }

    #[test]
    fn requests_for_key_frames_are_coalesced_and_none_is_lost() {
        let (mut output, control, mut input) = output();
        let slot = Slot::default();
        let mut worker = EncodeWorker::new(FakeEncoder::default(), &slot, &mut output);
        let picture = Picture::new(FrameSize::new(16, 16));
        let start = Instant::now();
        let mut got = Vec::new();
        for frame in 0..30 {
            if frame == 0 || (3..6).contains(&frame) {
                control.request_key_frame();
            }
            let at = start + Duration::from_millis(33 * frame);
            worker.encode(&picture, at).expect("the fake encodes");
            got.extend(keys(&mut input));
        }
        let at: Vec<usize> = (0..30).filter(|&frame| got[frame]).collect();
        // The three requests after the first wait until 300 ms have passed.
        assert_eq!(at, [0, 10]);
    }

    #[test]
    fn the_bitrate_is_set_when_it_changes() {
        let (mut output, control, _input) = output();
        let slot = Slot::default();
        let mut worker = EncodeWorker::new(FakeEncoder::default(), &slot, &mut output);
        let picture = Picture::new(FrameSize::new(16, 16));
        for bps in [None, Some(500_000), None, Some(500_000), Some(700_000)] {
            if let Some(bps) = bps {
                control.set_bitrate(bps);
            }
            worker
                .encode(&picture, Instant::now())
                .expect("the fake encodes");
        }
        assert_eq!(worker.encoder.bitrates, [500_000, 700_000]);
    }

    #[test]
    fn a_new_size_gives_a_new_stream() {
        let (mut output, control, mut input) = output();
        let slot = Slot::default();
        let stop = Stop::default();
        let config = EncoderConfig {
            size: FrameSize::new(320, 240),
            fps: 30,
            bitrate_bps: 500_000,
            max_bitrate_bps: 1_000_000,
        };
        let mut encoders = Encoders::new(EncoderChoice::Software);
        thread::scope(|scope| {
            let encoding =
                scope.spawn(|| encode_until(config, &mut encoders, &slot, &mut output, &stop));
            assert!(next_key(&slot, 320, 240, &mut input));
            assert_eq!(control.encoder(), "openh264");
            assert!(control.encode_cpu() > Duration::ZERO);
            // What the first encoder still makes goes by.
            thread::sleep(Duration::from_millis(100));
            while input.0.try_recv().is_some() {}
            assert!(next_key(&slot, 176, 144, &mut input));
            slot.close();
            assert_eq!(encoding.join().expect("the thread ends"), Ok(()));
        });
    }

    /// Whether the next frame out is a key frame, given pictures of this size.
    fn next_key(slot: &Slot, width: u32, height: u32, input: &mut VideoInput) -> bool {
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            let picture = Picture::new(FrameSize::new(width, height));
            slot.put(picture, Instant::now());
            thread::sleep(Duration::from_millis(10));
            if let Some(frame) = input.0.try_recv() {
                return frame.key;
            }
        }
        panic!("no frame");
    }
}
