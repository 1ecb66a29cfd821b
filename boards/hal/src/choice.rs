//! Which of a camera's formats to take, and why.

use alloc::vec::Vec;
use core::fmt;

use crate::video::{CameraFormat, FrameSize, PixelFormat};

/// What the configuration asks of a camera; a camera does what comes nearest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CameraWish {
    /// Size of the picture.
    pub size: FrameSize,
    /// Frames a second.
    pub fps: u32,
    /// In which form frames are to come.
    pub codec: CodecWish,
}

/// In which form frames are to come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CodecWish {
    /// Whichever costs the board least.
    #[default]
    Any,
    /// In this one; in another where the camera does not offer it.
    Only(PixelFormat),
    /// As pictures that can be encoded here: anything but H.264.
    Pictures,
}

impl CodecWish {
    fn is_met_by(self, pixels: PixelFormat) -> bool {
        match self {
            Self::Any => true,
            Self::Only(wished) => pixels == wished,
            Self::Pictures => pixels != PixelFormat::H264,
        }
    }
}

/// The offered format that serves a wish best. Its text, one line, tells why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// What was chosen.
    pub format: CameraFormat,
    wish: CameraWish,
    /// How many there were to choose from.
    offered: usize,
    /// The best of the next cheaper pixel format, where there is one.
    passed_over: Option<CameraFormat>,
}

/// Chooses for `wish`, `None` where nothing is offered that it allows.
///
/// In this order: the form that was asked for; a rate within a tenth of the
/// wish (a fluent small picture beats a large stuttering one); the nearest
/// size; then the pixel format that costs the board least: H.264 is passed
/// through, MJPEG spares the USB bus, raw formats are encoded here. A format
/// that does not tell its rate counts as fast enough.
pub fn choose(offered: &[CameraFormat], wish: CameraWish) -> Option<Choice> {
    let allowed: Vec<CameraFormat> = offered
        .iter()
        .copied()
        .filter(|format| format.size.width >= 16 && format.size.height >= 16)
        .filter(|format| match wish.codec {
            // Passing through is not an option then, whatever else there is.
            CodecWish::Pictures => wish.codec.is_met_by(format.pixels),
            CodecWish::Any | CodecWish::Only(_) => true,
        })
        .collect();
    let format = best(&allowed, wish, |_| true)?;
    let cheaper = |other: &CameraFormat| preference(other.pixels) < preference(format.pixels);
    Some(Choice {
        format,
        wish,
        offered: offered.len(),
        passed_over: match wish.codec {
            CodecWish::Only(_) => None,
            CodecWish::Any | CodecWish::Pictures => best(&allowed, wish, cheaper),
        },
    })
}

fn best(
    offered: &[CameraFormat],
    wish: CameraWish,
    which: impl Fn(&CameraFormat) -> bool,
) -> Option<CameraFormat> {
    offered.iter().copied().filter(which).min_by_key(|format| {
        (
            !wish.codec.is_met_by(format.pixels),
            rate_shortfall(format, wish),
            size_distance(format.size, wish.size),
            preference(format.pixels),
            rate_excess(format, wish),
        )
    })
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (format, wish) = (&self.format, &self.wish);
        let plural = if self.offered == 1 { "" } else { "s" };
        write!(f, "{format} of {} format{plural}: ", self.offered)?;
        match format.size == wish.size {
            true => f.write_str("the size asked for")?,
            false => write!(f, "the size nearest to {}", wish.size)?,
        }
        if rate_shortfall(format, *wish) > 0 {
            let fps = format.millifps.div_ceil(1000);
            write!(f, ", only {fps} of {} pictures a second", wish.fps)?;
        }
        write!(f, ", {}", cost(format.pixels))?;
        if let CodecWish::Only(wished) = wish.codec
            && wished != format.pixels
        {
            write!(f, "; {wished}, which was asked for, is not offered")?;
        }
        if let Some(other) = self.passed_over {
            // It lost by rate or size, or it would have been taken.
            let why = match rate_shortfall(&other, *wish) > rate_shortfall(format, *wish) {
                true => "too slow",
                false => "farther from the size",
            };
            write!(f, "; not {other}, {why}")?;
        }
        Ok(())
    }
}

const fn cost(pixels: PixelFormat) -> &'static str {
    match pixels {
        PixelFormat::H264 => "passed through as it is",
        PixelFormat::Mjpeg => "decoded and encoded here, light on the bus",
        PixelFormat::I420 => "encoded here as it is",
        PixelFormat::Nv12 | PixelFormat::Yuyv => "converted and encoded here",
    }
}

/// Tenths of the wished rate that are missing.
fn rate_shortfall(format: &CameraFormat, wish: CameraWish) -> u64 {
    let wished = u64::from(wish.fps).saturating_mul(1000).max(1);
    if format.millifps == 0 {
        return 0;
    }
    wished.saturating_sub(u64::from(format.millifps)) * 10 / wished
}

/// The rate above the wish in frames a second: frames that would be thrown away.
fn rate_excess(format: &CameraFormat, wish: CameraWish) -> u32 {
    (format.millifps / 1000).saturating_sub(wish.fps)
}

/// How far apart two sizes are, as an area; a smaller picture counts double,
/// because what is not captured cannot be won back.
fn size_distance(size: FrameSize, wish: FrameSize) -> u64 {
    let wide = i64::from(size.width) - i64::from(wish.width);
    let high = i64::from(size.height) - i64::from(wish.height);
    let cost = |missing: i64, length: u32| {
        let weight = if missing < 0 { 2 } else { 1 };
        missing.unsigned_abs() * weight * u64::from(length.max(1))
    };
    cost(wide, wish.height) + cost(high, wish.width)
}

const fn preference(pixels: PixelFormat) -> u8 {
    match pixels {
        PixelFormat::H264 => 0,
        PixelFormat::Mjpeg => 1,
        PixelFormat::I420 => 2,
        PixelFormat::Nv12 => 3,
        PixelFormat::Yuyv => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WISH: CameraWish = CameraWish {
        size: FrameSize::new(640, 480),
        fps: 30,
        codec: CodecWish::Any,
    };

    fn chosen(offered: &[CameraFormat], wish: CameraWish) -> Option<CameraFormat> {
        choose(offered, wish).map(|choice| choice.format)
    }

    fn offer(pixels: PixelFormat, width: u32, height: u32, fps: u32) -> CameraFormat {
        CameraFormat {
            pixels,
            size: FrameSize::new(width, height),
            stride: 0,
            millifps: fps * 1000,
        }
    }

    #[test]
    fn nothing_offered_nothing_chosen() {
        assert_eq!(chosen(&[], WISH), None);
        assert_eq!(chosen(&[offer(PixelFormat::Yuyv, 1, 1, 30)], WISH), None);
    }

    #[test]
    fn at_the_same_size_and_rate_the_cheapest_format_wins() {
        let mut offered = [
            offer(PixelFormat::Yuyv, 640, 480, 30),
            offer(PixelFormat::Nv12, 640, 480, 30),
            offer(PixelFormat::Mjpeg, 640, 480, 30),
            offer(PixelFormat::H264, 640, 480, 30),
        ];
        for expected in [
            PixelFormat::H264,
            PixelFormat::Mjpeg,
            PixelFormat::Nv12,
            PixelFormat::Yuyv,
        ] {
            let format = chosen(&offered, WISH).expect("something is offered");
            assert_eq!(format.pixels, expected);
            for format in &mut offered {
                if format.pixels == expected {
                    format.millifps = 1000;
                }
            }
        }
    }

    #[test]
    fn a_usb_camera_too_slow_in_raw_is_taken_in_mjpeg() {
        // What a common USB 2 camera offers at 1280x720.
        let offered = [
            offer(PixelFormat::Yuyv, 640, 480, 30),
            offer(PixelFormat::Yuyv, 1280, 720, 10),
            offer(PixelFormat::Mjpeg, 1280, 720, 30),
            offer(PixelFormat::Mjpeg, 1920, 1080, 30),
        ];
        let wish = CameraWish {
            size: FrameSize::new(1280, 720),
            ..WISH
        };
        assert_eq!(chosen(&offered, wish), Some(offered[2]));
    }

    #[test]
    fn the_nearest_size_wins_and_larger_beats_smaller() {
        let offered = [
            offer(PixelFormat::Yuyv, 320, 240, 30),
            offer(PixelFormat::Yuyv, 800, 600, 30),
            offer(PixelFormat::H264, 1920, 1080, 30),
        ];
        assert_eq!(chosen(&offered, WISH), Some(offered[1]));
    }

    #[test]
    fn a_rate_just_below_the_wish_is_good_enough_and_excess_breaks_ties() {
        let ntsc = CameraFormat {
            millifps: 29_970,
            ..offer(PixelFormat::Yuyv, 640, 480, 0)
        };
        let offered = [offer(PixelFormat::Yuyv, 640, 480, 60), ntsc];
        assert_eq!(chosen(&offered, WISH), Some(ntsc));
    }

    #[test]
    fn the_form_that_was_asked_for_is_taken_where_it_is_offered() {
        let offered = [
            offer(PixelFormat::H264, 640, 480, 30),
            offer(PixelFormat::Yuyv, 320, 240, 15),
        ];
        let of = |codec| choose(&offered, CameraWish { codec, ..WISH }).expect("a choice");
        assert_eq!(of(CodecWish::Any).format, offered[0]);
        assert_eq!(of(CodecWish::Only(PixelFormat::Yuyv)).format, offered[1]);
        assert_eq!(of(CodecWish::Pictures).format, offered[1]);
        assert_eq!(of(CodecWish::Only(PixelFormat::Nv12)).format, offered[0]);
        let only_h264 = CameraWish {
            codec: CodecWish::Pictures,
            ..WISH
        };
        assert_eq!(choose(&offered[..1], only_h264), None);
    }

    #[test]
    fn the_reason_is_told_in_a_line() {
        let offered = [
            offer(PixelFormat::Yuyv, 640, 480, 30),
            offer(PixelFormat::Yuyv, 1280, 720, 10),
            offer(PixelFormat::Mjpeg, 1280, 720, 30),
            offer(PixelFormat::H264, 1280, 720, 15),
        ];
        let why = |wish| alloc::format!("{}", choose(&offered, wish).expect("a choice"));
        let hd = CameraWish {
            size: FrameSize::new(1280, 720),
            ..WISH
        };
        assert_eq!(
            why(hd),
            "MJPEG 1280x720@30 of 4 formats: the size asked for, decoded and encoded here, light \
             on the bus; not H.264 1280x720@15, too slow"
        );
        assert_eq!(
            why(CameraWish {
                codec: CodecWish::Only(PixelFormat::H264),
                ..hd
            }),
            "H.264 1280x720@15 of 4 formats: the size asked for, only 15 of 30 pictures a second, \
             passed through as it is"
        );
        assert_eq!(
            why(CameraWish {
                codec: CodecWish::Only(PixelFormat::Nv12),
                ..WISH
            }),
            "YUYV 640x480@30 of 4 formats: the size asked for, converted and encoded here; NV12, \
             which was asked for, is not offered"
        );
        let large = CameraWish {
            size: FrameSize::new(1920, 1080),
            ..WISH
        };
        assert!(why(large).contains("the size nearest to 1920x1080"));
    }
}
