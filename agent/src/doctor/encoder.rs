use std::time::{Duration, Instant};

use transom_boards_hal::{FrameSize, list_cameras};
use transom_boards_linux::list_codecs;
use transom_rtc_doctor::Finding;
use transom_rtc_proto::time::WallTime;

use crate::encode::{EncodeError, EncoderChoice, EncoderConfig, Encoders};
use transom_picture::{Picture, TestPicture};

/// How long is measured, key frame not counted.
const MEASURE: Duration = Duration::from_secs(1);

/// Pictures drawn beforehand, and encoded by turns: drawing is not measured.
const PICTURES: u32 = 4;

/// Pixels from one picture to the next: a slow turn of the head.
const PAN: u32 = 5;

/// Below this, a scene with more motion or another program makes it stutter.
const COMFORT: f64 = 1.5;

const MEND: &str = "smaller --size, lower --fps, or a camera that delivers H.264 itself";

/// Whether the encoder keeps up with `fps` pictures of `size` a second.
pub(super) fn examine(
    choice: EncoderChoice,
    size: FrameSize,
    fps: u32,
    bitrate_bps: u32,
) -> Finding {
    match measure(choice, size, fps, bitrate_bps) {
        Ok((name, rate)) => judge(&name, rate, size, fps),
        Err(error) => Finding::fail(error.to_string(), MEND),
    }
}

/// The encoder, and pictures a second, as many as go.
fn measure(
    choice: EncoderChoice,
    size: FrameSize,
    fps: u32,
    bitrate_bps: u32,
) -> Result<(String, f64), EncodeError> {
    let mut encoder = Encoders::new(choice).open(&EncoderConfig {
        size,
        fps,
        bitrate_bps,
        max_bitrate_bps: bitrate_bps,
    })?;
    let pictures: Vec<Picture> = (0..PICTURES).map(|i| lively(size, i)).collect();
    let interval = Duration::from_secs(1) / fps.max(1);
    let (mut at, mut out) = (Duration::ZERO, Vec::new());
    let mut began = Instant::now();
    let mut count = 0_u32;
    for picture in pictures.iter().cycle() {
        out.clear();
        let first = at.is_zero();
        encoder.encode(picture, at, first, &mut out)?;
        at += interval;
        if first {
            began = Instant::now();
            continue;
        }
        count += 1;
        if began.elapsed() >= MEASURE {
            break;
        }
    }
    let rate = f64::from(count) / began.elapsed().as_secs_f64().max(f64::EPSILON);
    Ok((encoder.name().to_owned(), rate))
}

/// The test picture, panned from one to the next and with a sensor's noise on
/// it: a still and clean one is cheaper to encode than any camera's.
fn lively(size: FrameSize, number: u32) -> Picture {
    let mut picture = Picture::new(size);
    // A third of a second apart: the ball moves on.
    let wall = WallTime::from_unix_micros(1_795_385_645_000_000 + u64::from(number) * 333_333);
    TestPicture::new(size).draw(&mut picture, wall);
    let width = picture.width().max(1);
    let pan = usize::try_from(number * PAN).unwrap_or(0) % width;
    let mut state = number.wrapping_add(1);
    for row in picture.planes_mut().0.chunks_exact_mut(width) {
        row.rotate_left(pan);
        for pixel in row {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let grain = u8::try_from(state >> 28).unwrap_or(0);
            *pixel = pixel.saturating_add(grain);
        }
    }
    picture
}

fn judge(name: &str, rate: f64, size: FrameSize, fps: u32) -> Finding {
    let found =
        format!("{name} makes {rate:.0} pictures of {size} a second, where {fps} are configured");
    let share = rate / f64::from(fps.max(1));
    if share < 1.0 {
        Finding::fail(format!("too slow: {found}"), MEND)
    } else if share < COMFORT {
        Finding::warn(format!("just fast enough: {found}"), MEND)
    } else {
        Finding::ok(found)
    }
}

/// Which codecs there are in hardware.
pub(super) fn hardware() -> Finding {
    let codecs = list_codecs();
    match codecs.is_empty() {
        true => Finding::ok("none in hardware; the processor encodes"),
        false => Finding::ok(format!(
            "in hardware: {}; encoder = \"auto\" tries those that encode, and uses one that works",
            list_cameras(&codecs)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use transom_rtc_doctor::Verdict;

    #[test]
    fn the_margin_decides() {
        let size = FrameSize::new(640, 480);
        assert_eq!(judge("openh264", 29.0, size, 30).verdict, Verdict::Fail);
        assert_eq!(judge("openh264", 40.0, size, 30).verdict, Verdict::Warn);
        assert_eq!(judge("openh264", 90.0, size, 30).verdict, Verdict::Ok);
    }

    #[test]
    fn small_pictures_are_encoded_in_time() {
        let choice = EncoderChoice::Software;
        let measured = measure(choice, FrameSize::new(160, 120), 5, 200_000);
        let (name, rate) = measured.expect("a rate");
        assert!(rate > 5.0 && name == "openh264", "{rate}");
    }

    #[test]
    fn impossible_sizes_are_told() {
        let finding = examine(EncoderChoice::Software, FrameSize::new(8, 8), 30, 200_000);
        assert_eq!(finding.verdict, Verdict::Fail);
    }
}
