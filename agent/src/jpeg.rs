//! Pictures as JPEGs.

use jpeg_encoder::{Encoder, ImageBuffer, JpegColorType, SamplingFactor};

use transom_picture::Picture;

/// Good to look at, and a tenth of a byte to a quarter a pixel.
const QUALITY: u8 = 85;

/// A JPEG (JFIF) of the picture; `None` where it is larger than one can be.
pub fn encode(picture: &Picture) -> Option<Vec<u8>> {
    let mut jpeg = Vec::new();
    let mut encoder = Encoder::new(&mut jpeg, QUALITY);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    encoder.encode_image(FullRange(picture)).ok()?;
    Some(jpeg)
}

/// A picture as JFIF wants it: full range, all three at full size; the encoder
/// takes the mean of the four that are the same.
struct FullRange<'a>(&'a Picture);

impl ImageBuffer for FullRange<'_> {
    fn get_jpeg_color_type(&self) -> JpegColorType {
        JpegColorType::Ycbcr
    }

    fn width(&self) -> u16 {
        u16::try_from(self.0.width()).unwrap_or(0)
    }

    fn height(&self) -> u16 {
        u16::try_from(self.0.height()).unwrap_or(0)
    }

    fn fill_buffers(&self, row: u16, buffers: &mut [Vec<u8>; 4]) {
        let (row, width) = (usize::from(row), self.0.width());
        let (y, u, v) = self.0.planes();
        let line = |plane: &'_ [u8], row: usize, width: usize| {
            let start = row * width;
            plane.get(start..start + width).unwrap_or_default().to_vec()
        };
        let [to_y, to_u, to_v, _] = buffers;
        to_y.extend(line(y, row, width).into_iter().map(full_luma));
        for (to, plane) in [(to_u, u), (to_v, v)] {
            let pixels = line(plane, row / 2, width / 2).into_iter();
            to.extend(pixels.map(full_chroma).flat_map(|pixel| [pixel, pixel]));
        }
    }
}

/// 16 to 235 onto 0 to 255.
fn full_luma(limited: u8) -> u8 {
    let full = (i32::from(limited) - 16) * 255 + 109;
    clamped(full.div_euclid(219))
}

/// 16 to 240 onto 0 to 255, grey in the middle.
fn full_chroma(limited: u8) -> u8 {
    let off = (i32::from(limited) - 128) * 255;
    clamped(128 + (off + 112).div_euclid(224))
}

fn clamped(value: i32) -> u8 {
    u8::try_from(value.clamp(0, 255)).unwrap_or(u8::MAX)
}

/// Whether a camera's JPEG can be shown by others: many cameras leave out the
/// Huffman tables, which a motion JPEG has always the same.
pub fn is_complete(data: &[u8]) -> bool {
    const SOI: [u8; 2] = [0xff, 0xd8];
    const DHT: u8 = 0xc4;
    const SOS: u8 = 0xda;
    let Some(mut rest) = data.strip_prefix(&SOI) else {
        return false;
    };
    // Segments: FF, a kind, the length of what follows with its own two bytes.
    while let [0xff, kind, high, low, ..] = *rest {
        match kind {
            DHT => return true,
            SOS => return false,
            _ => {}
        }
        let length = usize::from(u16::from_be_bytes([high, low]));
        match rest.get(2 + length.max(2)..) {
            Some(next) => rest = next,
            None => return false,
        }
    }
    false
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use transom_boards_hal::{CameraFormat, FrameSize, PixelFormat};
    use transom_picture::Converter;

    const RED: &[u8] = include_bytes!("../../tests/data/media/red.jpg");

    fn decode(jpeg: &[u8], size: FrameSize) -> Picture {
        let format = CameraFormat {
            pixels: PixelFormat::Mjpeg,
            size,
            stride: 0,
            millifps: 0,
        };
        let mut picture = Picture::new(size);
        let converted = Converter::default().convert(&format, jpeg, &mut picture);
        converted.expect("a JPEG");
        picture
    }

    /// The mean luma of a JPEG of 64 by 48, in limited range.
    pub(crate) fn mean(jpeg: &[u8]) -> u8 {
        let picture = decode(jpeg, FrameSize::new(64, 48));
        let luma = picture.planes().0;
        let sum: usize = luma.iter().map(|&pixel| usize::from(pixel)).sum();
        u8::try_from(sum / luma.len()).expect("a mean of bytes")
    }

    #[test]
    fn colours_survive() {
        // An odd number of blocks either way.
        let size = FrameSize::new(50, 34);
        let mut picture = Picture::new(size);
        picture.fill_colour(0, 0, 50, 34, [81, 90, 240]);
        picture.fill_colour(0, 0, 16, 34, [235, 128, 128]);
        let back = decode(&encode(&picture).expect("a JPEG"), size);
        let (y, u, v) = back.planes();
        assert!(y[0].abs_diff(235) <= 2 && y[49].abs_diff(81) <= 3, "{y:?}");
        assert!(u[24].abs_diff(90) <= 3 && v[24].abs_diff(240) <= 3);
    }

    #[test]
    fn ranges_meet_at_their_ends() {
        assert_eq!([16, 235, 0, 255].map(full_luma), [0, 255, 0, 255]);
        assert_eq!([16, 128, 240].map(full_chroma), [1, 128, 255]);
    }

    #[test]
    fn a_jpeg_without_tables_is_not_for_others() {
        assert!(is_complete(RED));
        assert!(is_complete(
            &encode(&Picture::new(FrameSize::new(16, 16))).expect("a JPEG")
        ));
        let tables = RED
            .windows(2)
            .position(|bytes| bytes == [0xff, 0xc4])
            .expect("its tables");
        let mut bare = RED.to_vec();
        bare[tables + 1] = 0xfe;
        for from in tables + 2..bare.len() - 1 {
            if bare[from..from + 2] == [0xff, 0xc4] {
                bare[from + 1] = 0xfe;
            }
        }
        assert!(!is_complete(&bare));
        for cut in 0..RED.len() {
            let _ = is_complete(&RED[..cut]);
        }
        assert!(!is_complete(b"no JPEG") && !is_complete(&[0xff, 0xd8, 0xff, 0xe0, 0, 0]));
    }
}
