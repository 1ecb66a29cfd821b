//! Sizes, pixel formats and what a camera delivers.

use core::fmt;

/// Width and height of a picture in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FrameSize {
    /// Pixels a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl FrameSize {
    /// A size of `width` by `height` pixels.
    pub const fn new(width: u32, height: u32) -> Self {
        Self { width, height }
    }

    /// Pixels in the picture.
    pub const fn area(self) -> u64 {
        self.width as u64 * self.height as u64
    }
}

impl fmt::Display for FrameSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

/// A four-character code of a pixel format, as V4L2 writes it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct FourCc(pub [u8; 4]);

impl fmt::Display for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A device may report any bytes; only printable ones reach a log.
        for byte in self.0 {
            let shown = if byte.is_ascii_graphic() { byte } else { b'.' };
            write!(f, "{}", char::from(shown))?;
        }
        Ok(())
    }
}

impl fmt::Debug for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FourCc({self})")
    }
}

/// The pixel formats the agent can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PixelFormat {
    /// H.264 elementary stream in Annex-B form: passed through.
    H264,
    /// Motion JPEG: one JPEG picture a frame.
    Mjpeg,
    /// Planar 4:2:0, Y then U then V.
    I420,
    /// Semi-planar 4:2:0, Y then interleaved U and V.
    Nv12,
    /// Packed 4:2:2, bytes Y0 U Y1 V.
    Yuyv,
}

impl PixelFormat {
    /// The format of a V4L2 code, `None` where the agent has no use for it.
    pub const fn from_fourcc(code: FourCc) -> Option<Self> {
        match &code.0 {
            b"H264" => Some(Self::H264),
            b"MJPG" | b"JPEG" => Some(Self::Mjpeg),
            b"YU12" => Some(Self::I420),
            b"NV12" => Some(Self::Nv12),
            b"YUYV" => Some(Self::Yuyv),
            _ => None,
        }
    }

    /// The V4L2 code to ask a camera for.
    pub const fn fourcc(self) -> FourCc {
        FourCc(match self {
            Self::H264 => *b"H264",
            Self::Mjpeg => *b"MJPG",
            Self::I420 => *b"YU12",
            Self::Nv12 => *b"NV12",
            Self::Yuyv => *b"YUYV",
        })
    }
}

impl fmt::Display for PixelFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::H264 => "H.264",
            Self::Mjpeg => "MJPEG",
            Self::I420 => "I420",
            Self::Nv12 => "NV12",
            Self::Yuyv => "YUYV",
        })
    }
}

/// What a camera offers, or what it was set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CameraFormat {
    /// How the bytes of a frame are laid out.
    pub pixels: PixelFormat,
    /// Size of the picture.
    pub size: FrameSize,
    /// Bytes from one row of the first plane to the next; 0 where the rows are
    /// tight or the format has none.
    pub stride: u32,
    /// Frames in 1000 seconds; 0 where the camera does not say.
    pub millifps: u32,
}

impl fmt::Display for CameraFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.pixels, self.size)?;
        if self.millifps > 0 {
            write!(f, "@{}", self.millifps.div_ceil(1000))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn codes_go_both_ways() {
        for format in [
            PixelFormat::H264,
            PixelFormat::Mjpeg,
            PixelFormat::I420,
            PixelFormat::Nv12,
            PixelFormat::Yuyv,
        ] {
            assert_eq!(PixelFormat::from_fourcc(format.fourcc()), Some(format));
        }
        assert_eq!(PixelFormat::from_fourcc(FourCc(*b"BGR3")), None);
    }

    #[test]
    fn codes_are_printed_safely() {
        assert_eq!(FourCc(*b"a\n\0z").to_string(), "a..z");
    }
}
