//! Pictures made smaller.

use transom_boards_hal::FrameSize;

use crate::picture::Picture;

/// The largest size of the shape of `source` that fits into `room`, both sides
/// even; never larger than `source`.
pub fn fit(source: FrameSize, room: FrameSize) -> FrameSize {
    let (width, height) = (u64::from(source.width), u64::from(source.height));
    let (room_width, room_height) = (u64::from(room.width), u64::from(room.height));
    if (room_width >= width && room_height >= height) || width == 0 || height == 0 {
        return source;
    }
    // The side that is shorter of room decides.
    let (fit_width, fit_height) = match room_width * height <= room_height * width {
        true => (room_width, room_width * height / width),
        false => (room_height * width / height, room_height),
    };
    let even = |side: u64| u32::try_from(side & !1).unwrap_or(u32::MAX).max(16);
    FrameSize::new(even(fit_width), even(fit_height))
}

/// Fills `to` with the whole of `from`: each pixel is the mean of those that it
/// covers.
pub fn scale(from: &Picture, to: &mut Picture) {
    let (row, rows) = (from.width(), from.height());
    let (to_row, to_rows) = (to.width(), to.height());
    let (y, u, v) = from.planes();
    let (to_y, to_u, to_v) = to.planes_mut();
    let full = (Side::of(row, to_row), Side::of(rows, to_rows));
    let half = (
        Side::of(row / 2, to_row / 2),
        Side::of(rows / 2, to_rows / 2),
    );
    scale_plane(y, to_y, &full);
    scale_plane(u, to_u, &half);
    scale_plane(v, to_v, &half);
}

/// Which pixels of a longer side each of a shorter one covers.
struct Side {
    from: usize,
    spans: Vec<(usize, usize)>,
}

impl Side {
    fn of(from: usize, to: usize) -> Self {
        let spans = (0..to).map(|i| {
            let begin = (i * from / to).min(from.saturating_sub(1));
            let end = ((i + 1) * from / to).max(begin + 1).min(from);
            (begin, end)
        });
        Self {
            from,
            spans: spans.collect(),
        }
    }
}

fn scale_plane(from: &[u8], to: &mut [u8], (columns, lines): &(Side, Side)) {
    let width = columns.spans.len();
    if width == 0 || columns.from == 0 {
        return;
    }
    let mut sums = vec![0_u32; width];
    for (to, (begin, end)) in to.chunks_exact_mut(width).zip(&lines.spans) {
        sums.fill(0);
        let covered = from.chunks_exact(columns.from).take(*end).skip(*begin);
        for line in covered {
            for (sum, (left, right)) in sums.iter_mut().zip(&columns.spans) {
                let pixels = line.get(*left..*right).unwrap_or_default();
                *sum += pixels.iter().map(|&pixel| u32::from(pixel)).sum::<u32>();
            }
        }
        for (pixel, (sum, (left, right))) in to.iter_mut().zip(sums.iter().zip(&columns.spans)) {
            let count = u32::try_from((end - begin) * (right - left))
                .unwrap_or(1)
                .max(1);
            *pixel = u8::try_from((sum + count / 2) / count).unwrap_or(u8::MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_fits_and_keeps_its_shape() {
        let fits = |source: (u32, u32), room: (u32, u32)| {
            let size = fit(
                FrameSize::new(source.0, source.1),
                FrameSize::new(room.0, room.1),
            );
            (size.width, size.height)
        };
        assert_eq!(fits((1280, 720), (320, 240)), (320, 180));
        assert_eq!(fits((640, 480), (320, 180)), (240, 180));
        assert_eq!(fits((640, 480), (640, 480)), (640, 480));
        assert_eq!(fits((320, 240), (640, 480)), (320, 240));
        assert_eq!(fits((3840, 64), (64, 64)), (64, 16));
        assert_eq!(fits((640, 0), (64, 64)), (640, 0));
    }

    #[test]
    fn a_pixel_is_the_mean_of_what_it_covers() {
        let mut from = Picture::new(FrameSize::new(4, 4));
        let luma = [10, 20, 30, 40, 30, 40, 50, 60, 1, 1, 2, 2, 1, 2, 2, 2];
        from.planes_mut().0.copy_from_slice(&luma);
        from.planes_mut().1.copy_from_slice(&[1, 3, 5, 7]);
        let mut to = Picture::new(FrameSize::new(2, 2));
        scale(&from, &mut to);
        assert_eq!(to.as_bytes(), [25, 45, 1, 2, 4, 128]);
    }

    #[test]
    fn any_sizes_go() {
        for (w, h) in [(2, 2), (34, 18), (320, 180), (64, 48)] {
            let mut from = Picture::new(FrameSize::new(w, h));
            from.fill(0, 0, 1000, 1000, 77);
            for (to_w, to_h) in [(2, 2), (16, 16), (98, 50)] {
                let mut to = Picture::new(FrameSize::new(to_w, to_h));
                scale(&from, &mut to);
                assert!(to.planes().0.iter().all(|&pixel| pixel == 77));
            }
        }
    }
}
