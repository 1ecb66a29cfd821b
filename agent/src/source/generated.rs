//! The `test` source: draws in real time.

use std::thread;
use std::time::{Duration, Instant};

use crate::clock::Pace;
use crate::encode::{EncodeError, EncoderConfig, Encoders, encode_until};
use crate::output::VideoOutput;
use crate::publish::FeedCount;
use crate::slot::Slot;
use crate::stop::Stop;
use crate::taps::Taps;
use transom_picture::Picture;
use transom_picture::TestPicture;

/// Draws and encodes until told to stop.
pub fn run(
    config: EncoderConfig,
    encoders: &mut Encoders,
    taps: &mut Taps,
    output: &mut VideoOutput,
    stop: &Stop,
) -> Result<(), EncodeError> {
    let slot = Slot::default();
    let (clock, control) = (*output.clock(), output.control().clone());
    thread::scope(|scope| {
        let encoding = scope.spawn(|| {
            let ended = encode_until(config, encoders, &slot, output, stop);
            // Whatever the end: the drawing thread must not draw for nobody.
            slot.close();
            ended
        });
        let source = TestPicture::new(config.size);
        let mut pace = Pace::new(Instant::now());
        let mut frame = 0_u64;
        while !slot.is_closed() {
            let due = Duration::from_nanos(frame * 1_000_000_000 / u64::from(config.fps.max(1)));
            let Some(_) = pace.wait(due, stop) else {
                break;
            };
            frame += 1;
            let mut picture = slot.spare().unwrap_or_else(|| Picture::new(config.size));
            // The moment of drawing, not the deadline: a late picture must not
            // look younger than it is.
            let at = Instant::now();
            let paused = control.is_paused();
            if paused && !taps.want(at) {
                slot.give_back(picture);
                continue;
            }
            source.draw(&mut picture, clock.capture(at).wall);
            taps.take(&picture, at);
            if paused {
                slot.give_back(picture);
                continue;
            }
            control.add(FeedCount::Captured, 1);
            slot.put(picture, at);
        }
        slot.close();
        encoding.join().unwrap_or(Err(EncodeError::Failed))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::MediaClock;
    use crate::encode::EncoderChoice;
    use crate::publish::FeedControl;
    use openh264::decoder::Decoder;
    use openh264::formats::YUVSource;
    use transom_boards_hal::FrameSize;
    use transom_picture::timecode;

    #[test]
    fn the_time_code_is_the_time_of_capture() {
        let control = FeedControl::default();
        let (mut output, (mut frames, _format)) =
            VideoOutput::new(MediaClock::new(Instant::now()), control);
        let stop = Stop::default();
        let ending = stop.clone();
        let size = FrameSize::new(320, 240);
        let config = EncoderConfig {
            size,
            fps: 30,
            bitrate_bps: 500_000,
            max_bitrate_bps: 1_000_000,
        };
        let started = Instant::now();
        let drawing = thread::spawn(move || {
            let mut encoders = Encoders::new(EncoderChoice::Software);
            run(
                config,
                &mut encoders,
                &mut Taps::default(),
                &mut output,
                &ending,
            )
        });
        let mut decoder = Decoder::new().expect("a decoder");
        let (began, mut read) = (Instant::now(), 0);
        while began.elapsed() < Duration::from_secs(1) {
            let Some(frame) = frames.try_recv() else {
                thread::sleep(Duration::from_millis(5));
                continue;
            };
            let picture = decoder.decode(&frame.data).expect("it decodes");
            let picture = picture.expect("a picture");
            let code = timecode::decode(picture.y(), picture.strides().0, size);
            let apart = code.expect("a time code").age_us(frame.capture.wall);
            // The code has steps of 100 us; the stamp is computed anew.
            assert!(apart.abs() < 5_000, "{apart} us apart");
            read += 1;
        }
        // So many are due, and one at once; a loaded machine may drop some.
        let due = started.elapsed().as_millis() * 30 / 1000 + 2;
        stop.set();
        drawing.join().expect("it ends").expect("without an error");
        assert!((15..=due).contains(&read), "{read} of {due}");
    }
}
