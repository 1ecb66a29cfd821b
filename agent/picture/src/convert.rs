//! What cameras deliver, into the pictures that are encoded.

use transom_boards_hal::{CameraFormat, FrameSize, PixelFormat};
use yuv::{BufferStoreMut, YuvPackedImage, YuvPlanarImageMut, yuyv422_to_yuv420};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use crate::picture::Picture;

/// No camera's picture is wider or higher.
const MAX_SIDE: usize = 8192;

/// Why a frame gives no picture; the next may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConvertError {
    /// The frame has fewer bytes than its format needs.
    #[error("the frame is too short")]
    Short,
    /// The JPEG is damaged.
    #[error("the JPEG is damaged")]
    Jpeg,
    /// The JPEG has another size than the camera said.
    #[error("the JPEG has another size than the camera said")]
    Size,
    /// The frame is coded: it is passed through and never converted.
    #[error("H.264 is not converted")]
    Coded,
}

/// Converts frames; keeps the buffer that JPEG needs.
#[derive(Debug, Default)]
pub struct Converter {
    jpeg: Vec<u8>,
}

impl Converter {
    /// Converts one frame of `format` into `picture`, whose size is made to fit.
    pub fn convert(
        &mut self,
        format: &CameraFormat,
        data: &[u8],
        picture: &mut Picture,
    ) -> Result<(), ConvertError> {
        let even = FrameSize::new(format.size.width & !1, format.size.height & !1);
        if picture.size() != even {
            *picture = Picture::new(even);
        }
        match format.pixels {
            PixelFormat::I420 => planar(format, data, picture),
            PixelFormat::Nv12 => semi_planar(format, data, picture),
            PixelFormat::Yuyv => packed(format, data, picture),
            PixelFormat::Mjpeg => self.jpeg(format, data, picture),
            PixelFormat::H264 => Err(ConvertError::Coded),
        }
    }

    fn jpeg(
        &mut self,
        format: &CameraFormat,
        data: &[u8],
        picture: &mut Picture,
    ) -> Result<(), ConvertError> {
        let options = DecoderOptions::default()
            .set_max_width(MAX_SIDE)
            .set_max_height(MAX_SIDE)
            .jpeg_set_out_colorspace(ColorSpace::YCbCr);
        let mut decoder = JpegDecoder::new_with_options(ZCursor::new(data), options);
        decoder.decode_headers().map_err(|_| ConvertError::Jpeg)?;
        let info = decoder.info().ok_or(ConvertError::Jpeg)?;
        let size = FrameSize::new(u32::from(info.width), u32::from(info.height));
        let len = decoder.output_buffer_size().ok_or(ConvertError::Jpeg)?;
        // Some cameras round the height up to whole blocks: the rest is cut off.
        let spare = |is: u32, told: u32| (told..told.saturating_add(16)).contains(&is);
        if !spare(size.width, format.size.width) || !spare(size.height, format.size.height) {
            return Err(ConvertError::Size);
        }
        let row = size.width as usize * 3;
        if len != row * size.height as usize {
            // Grey: it has no chroma to take.
            return Err(ConvertError::Jpeg);
        }
        self.jpeg.resize(len, 0);
        decoder
            .decode_into(&mut self.jpeg)
            .map_err(|_| ConvertError::Jpeg)?;
        subsample(&self.jpeg, row, picture);
        Ok(())
    }
}

/// Interleaved full-range Y, Cb, Cr at full size to 4:2:0 in limited range:
/// JPEG (JFIF) uses all 256 values, video does not.
fn subsample(pixels: &[u8], row: usize, picture: &mut Picture) {
    let width = picture.width();
    let (luma, u, v) = picture.planes_mut();
    let lines = luma
        .chunks_exact_mut(width * 2)
        .zip(pixels.chunks_exact(row * 2));
    let chroma = u
        .chunks_exact_mut(width / 2)
        .zip(v.chunks_exact_mut(width / 2));
    for ((out, lines), (u, v)) in lines.zip(chroma) {
        let (upper, lower) = lines.split_at(row);
        let (out_upper, out_lower) = out.split_at_mut(width);
        // Two by two pixels at a time: six bytes of each line.
        let blocks = upper.chunks_exact(6).zip(lower.chunks_exact(6));
        let outs = out_upper
            .chunks_exact_mut(2)
            .zip(out_lower.chunks_exact_mut(2))
            .zip(u.iter_mut().zip(v));
        for ((a, b), ((out_a, out_b), (u, v))) in blocks.zip(outs) {
            if let (
                &[a0, au0, av0, a1, au1, av1],
                &[b0, bu0, bv0, b1, bu1, bv1],
                [oa0, oa1],
                [ob0, ob1],
            ) = (a, b, out_a, out_b)
            {
                (*oa0, *oa1) = (limited_luma(a0), limited_luma(a1));
                (*ob0, *ob1) = (limited_luma(b0), limited_luma(b1));
                *u = limited_chroma([au0, au1, bu0, bu1]);
                *v = limited_chroma([av0, av1, bv0, bv1]);
            }
        }
    }
}

/// 0 to 255 onto 16 to 235.
fn limited_luma(full: u8) -> u8 {
    low_byte(16 + (u32::from(full) * 219 + 127) / 255)
}

/// The mean of four, 0 to 255 onto 16 to 240.
fn limited_chroma(full: [u8; 4]) -> u8 {
    let sum: u32 = full.into_iter().map(u32::from).sum();
    low_byte(16 + (sum * 224 + 510) / 1020)
}

fn low_byte(value: u32) -> u8 {
    u8::try_from(value).unwrap_or(u8::MAX)
}

fn planar(format: &CameraFormat, data: &[u8], picture: &mut Picture) -> Result<(), ConvertError> {
    let rows = Rows::of(format, 1)?;
    let (luma, chroma) = rows.split(data)?;
    let (half, lines) = (rows.stride / 2, rows.height / 2);
    let (u, v) = chroma
        .split_at_checked(half * lines)
        .ok_or(ConvertError::Short)?;
    let width = picture.width();
    let (to_luma, to_u, to_v) = picture.planes_mut();
    copy_rows(luma, rows.stride, to_luma, width)?;
    copy_rows(u, half, to_u, width / 2)?;
    copy_rows(v, half, to_v, width / 2)
}

fn semi_planar(
    format: &CameraFormat,
    data: &[u8],
    picture: &mut Picture,
) -> Result<(), ConvertError> {
    let rows = Rows::of(format, 1)?;
    let (luma, chroma) = rows.split(data)?;
    let width = picture.width();
    let (to_luma, to_u, to_v) = picture.planes_mut();
    copy_rows(luma, rows.stride, to_luma, width)?;
    let lines = to_u
        .chunks_exact_mut(width / 2)
        .zip(to_v.chunks_exact_mut(width / 2));
    for (index, (u, v)) in lines.enumerate() {
        let start = index * rows.stride;
        let pairs = chroma
            .get(start..start + width)
            .ok_or(ConvertError::Short)?;
        for (pair, (u, v)) in pairs.chunks_exact(2).zip(u.iter_mut().zip(v)) {
            if let [from_u, from_v] = pair {
                (*u, *v) = (*from_u, *from_v);
            }
        }
    }
    Ok(())
}

fn packed(format: &CameraFormat, data: &[u8], picture: &mut Picture) -> Result<(), ConvertError> {
    let rows = Rows::of(format, 2)?;
    let size = picture.size();
    let needed = rows.stride * picture.height();
    let yuy = data.get(..needed).ok_or(ConvertError::Short)?;
    let packed = YuvPackedImage {
        yuy,
        yuy_stride: u32::try_from(rows.stride).map_err(|_| ConvertError::Short)?,
        width: size.width,
        height: size.height,
    };
    let (luma, u, v) = picture.planes_mut();
    let mut planar = YuvPlanarImageMut {
        y_plane: BufferStoreMut::Borrowed(luma),
        y_stride: size.width,
        u_plane: BufferStoreMut::Borrowed(u),
        u_stride: size.width / 2,
        v_plane: BufferStoreMut::Borrowed(v),
        v_stride: size.width / 2,
        width: size.width,
        height: size.height,
    };
    yuyv422_to_yuv420(&mut planar, &packed).map_err(|_| ConvertError::Short)
}

/// How the rows of the first plane lie.
struct Rows {
    stride: usize,
    height: usize,
}

impl Rows {
    /// `bytes` a pixel in the first plane.
    fn of(format: &CameraFormat, bytes: usize) -> Result<Self, ConvertError> {
        let (width, height) = (format.size.width as usize, format.size.height as usize);
        if width > MAX_SIDE || height > MAX_SIDE {
            return Err(ConvertError::Size);
        }
        let tight = width * bytes;
        let stride = match format.stride as usize {
            0 => tight,
            stride => stride,
        };
        if stride < tight || stride > 4 * MAX_SIDE {
            return Err(ConvertError::Short);
        }
        Ok(Self { stride, height })
    }

    /// The first plane and what follows it.
    fn split<'a>(&self, data: &'a [u8]) -> Result<(&'a [u8], &'a [u8]), ConvertError> {
        data.split_at_checked(self.stride * self.height)
            .ok_or(ConvertError::Short)
    }
}

fn copy_rows(from: &[u8], stride: usize, to: &mut [u8], width: usize) -> Result<(), ConvertError> {
    if width == 0 {
        return Ok(());
    }
    for (index, line) in to.chunks_exact_mut(width).enumerate() {
        let start = index * stride;
        let row = from.get(start..start + width).ok_or(ConvertError::Short)?;
        line.copy_from_slice(row);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(pixels: PixelFormat, width: u32, height: u32, stride: u32) -> CameraFormat {
        CameraFormat {
            pixels,
            size: FrameSize::new(width, height),
            stride,
            millifps: 30_000,
        }
    }

    fn convert(format: &CameraFormat, data: &[u8]) -> Result<Picture, ConvertError> {
        let mut picture = Picture::new(FrameSize::new(2, 2));
        Converter::default()
            .convert(format, data, &mut picture)
            .map(|()| picture)
    }

    /// 4 by 2 pixels: luma 1 to 8, U 20 and 21, V 30 and 31.
    fn expected() -> Picture {
        let mut picture = Picture::new(FrameSize::new(4, 2));
        picture
            .as_bytes_mut()
            .copy_from_slice(&[1, 2, 3, 4, 5, 6, 7, 8, 20, 21, 30, 31]);
        picture
    }

    #[test]
    fn raw_formats_with_and_without_padding() {
        let i420 = [1, 2, 3, 4, 5, 6, 7, 8, 20, 21, 30, 31];
        assert_eq!(
            convert(&format(PixelFormat::I420, 4, 2, 0), &i420),
            Ok(expected())
        );
        let padded = [1, 2, 3, 4, 0, 0, 5, 6, 7, 8, 0, 0, 20, 21, 0, 30, 31, 0];
        assert_eq!(
            convert(&format(PixelFormat::I420, 4, 2, 6), &padded),
            Ok(expected())
        );
        let nv12 = [1, 2, 3, 4, 0, 0, 5, 6, 7, 8, 0, 0, 20, 30, 21, 31, 0, 0];
        assert_eq!(
            convert(&format(PixelFormat::Nv12, 4, 2, 6), &nv12),
            Ok(expected())
        );
        let yuyv = [
            1, 20, 2, 30, 3, 21, 4, 31, 9, 9, 5, 20, 6, 30, 7, 21, 8, 31, 9, 9,
        ];
        assert_eq!(
            convert(&format(PixelFormat::Yuyv, 4, 2, 10), &yuyv),
            Ok(expected())
        );
    }

    #[test]
    fn jpegs_come_out_in_limited_range() {
        let jpeg = format(PixelFormat::Mjpeg, 64, 48, 0);
        let red = include_bytes!("../../../tests/data/media/red.jpg");
        let picture = convert(&jpeg, red).expect("a picture");
        let (y, u, v) = picture.planes();
        // Red in BT.601 limited range is 81, 90, 240.
        for (plane, expected) in [(y, 81_u8), (u, 90), (v, 240)] {
            assert!(
                plane.iter().all(|p| p.abs_diff(expected) <= 3),
                "{expected}: {}",
                plane[0]
            );
        }
        let cut = format(PixelFormat::Mjpeg, 62, 40, 0);
        let picture = convert(&cut, red).expect("a picture");
        assert_eq!(picture.size(), FrameSize::new(62, 40));
        assert!(picture.planes().2.iter().all(|p| p.abs_diff(240) <= 3));
        let white = include_bytes!("../../../tests/data/media/white.jpg");
        let picture = convert(&jpeg, white).expect("a picture");
        assert!(picture.planes().0.iter().all(|p| p.abs_diff(235) <= 1));
        assert!(picture.planes().1.iter().all(|p| p.abs_diff(128) <= 1));
    }

    #[test]
    fn damaged_frames_are_errors() {
        let red = include_bytes!("../../../tests/data/media/red.jpg");
        let jpeg = format(PixelFormat::Mjpeg, 64, 48, 0);
        assert_eq!(convert(&jpeg, b"no JPEG"), Err(ConvertError::Jpeg));
        assert_eq!(
            convert(&format(PixelFormat::Mjpeg, 640, 480, 0), red),
            Err(ConvertError::Size)
        );
        for cut in 0..red.len() {
            let _ = convert(&jpeg, &red[..cut]);
        }
        for at in 0..red.len() {
            let mut bytes = red.to_vec();
            bytes[at] ^= 0x55;
            let _ = convert(&jpeg, &bytes);
        }
        for pixels in [PixelFormat::I420, PixelFormat::Nv12, PixelFormat::Yuyv] {
            for (stride, len) in [(0, 0), (0, 11), (2, 1000), (u32::MAX, 1000)] {
                let outcome = convert(&format(pixels, 4, 2, stride), &vec![0; len]);
                assert_eq!(outcome, Err(ConvertError::Short), "{pixels} {stride} {len}");
            }
        }
        assert_eq!(
            convert(&format(PixelFormat::H264, 4, 2, 0), &[]),
            Err(ConvertError::Coded)
        );
    }

    #[test]
    fn odd_sizes_lose_their_edge() {
        let picture = convert(&format(PixelFormat::I420, 5, 3, 0), &[7; 64]).expect("a picture");
        assert_eq!(picture.size(), FrameSize::new(4, 2));
        assert!(convert(&format(PixelFormat::Yuyv, 5, 3, 0), &[7; 64]).is_ok());
        assert!(convert(&format(PixelFormat::Nv12, 5, 3, 0), &[7; 64]).is_ok());
    }
}
