//! Which of a camera's formats to take.

use crate::video::{CameraFormat, FrameSize, PixelFormat};

/// What the configuration asks of a camera; a camera does what comes nearest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CameraWish {
    /// Size of the picture.
    pub size: FrameSize,
    /// Frames a second.
    pub fps: u32,
}

/// The offered format that serves `wish` best, `None` where nothing is offered.
///
/// In this order: a rate within a tenth of the wish (a fluent small picture
/// beats a large stuttering one), the nearest size, then the pixel format that
/// costs the board least: H.264 is passed through, MJPEG spares the USB bus,
/// raw formats are encoded here. A format that does not tell its rate counts
/// as fast enough.
pub fn choose(offered: &[CameraFormat], wish: CameraWish) -> Option<CameraFormat> {
    offered
        .iter()
        .copied()
        .filter(|format| format.size.width >= 16 && format.size.height >= 16)
        .min_by_key(|format| {
            (
                rate_shortfall(format, wish),
                size_distance(format.size, wish.size),
                preference(format.pixels),
                rate_excess(format, wish),
            )
        })
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
    };

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
        assert_eq!(choose(&[], WISH), None);
        assert_eq!(choose(&[offer(PixelFormat::Yuyv, 1, 1, 30)], WISH), None);
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
            let chosen = choose(&offered, WISH).expect("something is offered");
            assert_eq!(chosen.pixels, expected);
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
            fps: 30,
        };
        assert_eq!(choose(&offered, wish), Some(offered[2]));
    }

    #[test]
    fn the_nearest_size_wins_and_larger_beats_smaller() {
        let offered = [
            offer(PixelFormat::Yuyv, 320, 240, 30),
            offer(PixelFormat::Yuyv, 800, 600, 30),
            offer(PixelFormat::H264, 1920, 1080, 30),
        ];
        assert_eq!(choose(&offered, WISH), Some(offered[1]));
    }

    #[test]
    fn a_rate_just_below_the_wish_is_good_enough_and_excess_breaks_ties() {
        let ntsc = CameraFormat {
            millifps: 29_970,
            ..offer(PixelFormat::Yuyv, 640, 480, 0)
        };
        let offered = [offer(PixelFormat::Yuyv, 640, 480, 60), ntsc];
        assert_eq!(choose(&offered, WISH), Some(ntsc));
    }
}
