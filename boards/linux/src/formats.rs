//! What a camera offers, and setting it to the best of that.

use v4l::device::Device;
use v4l::format::FourCC;
use v4l::frameinterval::FrameIntervalEnum;
use v4l::framesize::FrameSizeEnum;
use v4l::video::Capture;
use v4l::video::capture::Parameters;

use transom_boards_hal::{
    CameraError, CameraFormat, CameraWish, Choice, FourCc, FrameSize, PixelFormat, choose,
};

use crate::system_error::refused;

/// Sets the camera to the best of its formats. Where the driver takes one and
/// silently delivers another, the next best is tried, as often as there are
/// pixel formats; what it reports in the end is what counts.
pub(crate) fn set_best(
    device: &Device,
    name: &str,
    wish: CameraWish,
) -> Result<CameraFormat, CameraError> {
    let mut offered = offers(device, name, wish)?;
    let only_coded = || CameraError::OnlyCoded {
        device: name.to_owned(),
    };
    let mut choice = choose(&offered, wish).ok_or_else(only_coded)?;
    loop {
        let got = set(device, name, choice.format, wish.fps)?;
        if got.pixels == choice.format.pixels {
            tell(name, &choice, got);
            return Ok(got);
        }
        tracing::warn!(
            "camera {name} says it has {} and delivers {}",
            choice.format.pixels,
            got.pixels
        );
        offered.retain(|offer| offer.pixels != choice.format.pixels);
        match choose(&offered, wish) {
            Some(next) => choice = next,
            None => return Ok(got),
        }
    }
}

fn tell(name: &str, choice: &Choice, got: CameraFormat) {
    tracing::info!("camera {name}: {choice}");
    if got.size != choice.format.size {
        tracing::warn!(
            "camera {name} was set to {} and delivers {got}",
            choice.format
        );
    }
}

/// The usable formats of a camera; those in steps are narrowed to the wish.
pub(crate) fn offers(
    device: &Device,
    name: &str,
    wish: CameraWish,
) -> Result<Vec<CameraFormat>, CameraError> {
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
fn fastest(device: &Device, fourcc: FourCC, size: FrameSize) -> u32 {
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

/// Sets format and rate, and asks what became of it.
fn set(
    device: &Device,
    name: &str,
    wished: CameraFormat,
    fps: u32,
) -> Result<CameraFormat, CameraError> {
    let fourcc = FourCC::new(&wished.pixels.fourcc().0);
    // The stride stays 0: the driver computes it.
    let request = v4l::Format::new(wished.size.width, wished.size.height, fourcc);
    device
        .set_format(&request)
        .map_err(|e| refused(name, "VIDIOC_S_FMT", &e))?;
    // The rate is a wish: not every driver can set it.
    let rate = device
        .set_params(&Parameters::with_fps(fps.max(1)))
        .or_else(|_| device.params())
        .map_or(wished.millifps, |p| millifps(&p.interval));
    // Only now: some drivers take another size for the sake of the rate.
    let got = device
        .format()
        .map_err(|e| refused(name, "VIDIOC_G_FMT", &e))?;
    let got_fourcc = FourCc(got.fourcc.repr);
    // Some drivers accept any code and silently deliver another.
    let pixels = PixelFormat::from_fourcc(got_fourcc).ok_or_else(|| CameraError::Substituted {
        device: name.to_owned(),
        got: got_fourcc,
    })?;
    let format = CameraFormat {
        pixels,
        size: FrameSize::new(got.width, got.height),
        stride: got.stride,
        millifps: rate,
    };
    match plausible(&format) {
        true => Ok(format),
        false => Err(CameraError::Nonsense {
            device: name.to_owned(),
            format,
        }),
    }
}

/// Whether a picture of this format can be read: rows hold their pixels.
fn plausible(format: &CameraFormat) -> bool {
    let row = match format.pixels {
        PixelFormat::H264 | PixelFormat::Mjpeg => 0,
        PixelFormat::I420 | PixelFormat::Nv12 => format.size.width,
        PixelFormat::Yuyv => format.size.width.saturating_mul(2),
    };
    let sides = [format.size.width, format.size.height];
    sides.iter().all(|side| (2..=8192).contains(side))
        && (format.stride == 0 || format.stride >= row)
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn rows_that_are_too_short_are_nonsense() {
        let format = |pixels, stride| CameraFormat {
            pixels,
            size: FrameSize::new(640, 480),
            stride,
            millifps: 0,
        };
        assert!(plausible(&format(PixelFormat::Yuyv, 1280)));
        assert!(plausible(&format(PixelFormat::Yuyv, 0)));
        assert!(!plausible(&format(PixelFormat::Yuyv, 640)));
        assert!(plausible(&format(PixelFormat::Nv12, 640)));
        assert!(plausible(&format(PixelFormat::Mjpeg, 1)));
        let nothing = CameraFormat {
            size: FrameSize::new(0, 480),
            ..format(PixelFormat::Mjpeg, 0)
        };
        assert!(!plausible(&nothing));
    }
}
