//! One picture in planar 4:2:0.

use openh264::formats::YUVSource;
use transom_boards_hal::FrameSize;

/// A picture in I420: a plane of luma, then two of chroma at half the width
/// and height. Limited range (16-235), BT.601, as cameras deliver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    size: FrameSize,
    data: Vec<u8>,
}

impl Picture {
    /// A grey picture. Odd sizes lose their last column or row: 4:2:0 has none.
    pub fn new(size: FrameSize) -> Self {
        let size = FrameSize::new(size.width & !1, size.height & !1);
        let mut picture = Self {
            size,
            data: Vec::new(),
        };
        picture.data = vec![128; picture.luma_len() + 2 * picture.chroma_len()];
        picture
    }

    /// Width and height, both even.
    pub fn size(&self) -> FrameSize {
        self.size
    }

    /// Bytes a row of luma.
    pub fn width(&self) -> usize {
        self.size.width as usize
    }

    /// Rows of luma.
    pub fn height(&self) -> usize {
        self.size.height as usize
    }

    /// All three planes.
    pub fn planes(&self) -> (&[u8], &[u8], &[u8]) {
        let (luma, chroma) = self.data.split_at(self.luma_len());
        let (u, v) = chroma.split_at(self.chroma_len());
        (luma, u, v)
    }

    /// All three planes, to draw on.
    pub fn planes_mut(&mut self) -> (&mut [u8], &mut [u8], &mut [u8]) {
        let (luma_len, chroma_len) = (self.luma_len(), self.chroma_len());
        let (luma, chroma) = self.data.split_at_mut(luma_len);
        let (u, v) = chroma.split_at_mut(chroma_len);
        (luma, u, v)
    }

    /// The whole buffer, plane after plane.
    pub fn as_bytes_mut(&mut self) -> &mut [u8] {
        &mut self.data
    }

    /// The whole buffer, plane after plane.
    pub fn as_bytes(&self) -> &[u8] {
        &self.data
    }

    /// Fills the part of a rectangle that lies inside the picture with luma `y`
    /// and grey chroma. Chroma is exact for even corners.
    pub fn fill(&mut self, x: usize, y: usize, width: usize, height: usize, luma: u8) {
        self.fill_colour(x, y, width, height, [luma, 128, 128]);
    }

    /// Fills the part of a rectangle that lies inside the picture with a
    /// colour (Y, U, V). Chroma is exact for even corners.
    pub fn fill_colour(
        &mut self,
        x: usize,
        y: usize,
        width: usize,
        height: usize,
        [luma, u, v]: [u8; 3],
    ) {
        let (row, rows) = (self.width(), self.height());
        let (right, bottom) = (
            x.saturating_add(width).min(row),
            y.saturating_add(height).min(rows),
        );
        let (y_plane, u_plane, v_plane) = self.planes_mut();
        fill_plane(y_plane, row, (x, y), (right, bottom), luma);
        let (from, to) = ((x / 2, y / 2), (right.div_ceil(2), bottom.div_ceil(2)));
        fill_plane(u_plane, row / 2, from, to, u);
        fill_plane(v_plane, row / 2, from, to, v);
    }

    fn luma_len(&self) -> usize {
        self.width() * self.height()
    }

    fn chroma_len(&self) -> usize {
        self.luma_len() / 4
    }
}

fn fill_plane(plane: &mut [u8], row: usize, from: (usize, usize), to: (usize, usize), value: u8) {
    if from.0 >= to.0 || row == 0 {
        return;
    }
    for line in plane.chunks_exact_mut(row).take(to.1).skip(from.1) {
        if let Some(span) = line.get_mut(from.0..to.0) {
            span.fill(value);
        }
    }
}

impl YUVSource for Picture {
    fn dimensions(&self) -> (usize, usize) {
        (self.width(), self.height())
    }

    fn strides(&self) -> (usize, usize, usize) {
        (self.width(), self.width() / 2, self.width() / 2)
    }

    fn y(&self) -> &[u8] {
        self.planes().0
    }

    fn u(&self) -> &[u8] {
        self.planes().1
    }

    fn v(&self) -> &[u8] {
        self.planes().2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawing_stays_inside() {
        let mut picture = Picture::new(FrameSize::new(33, 17));
        assert_eq!(picture.size(), FrameSize::new(32, 16));
        picture.fill_colour(30, 14, 1000, usize::MAX, [200, 10, 20]);
        let (y, u, v) = picture.planes();
        assert_eq!(y.iter().filter(|&&p| p == 200).count(), 4);
        assert_eq!(u.iter().filter(|&&p| p == 10).count(), 1);
        assert_eq!(v.iter().filter(|&&p| p == 20).count(), 1);
        let before = picture.clone();
        picture.fill(100, 0, 5, 5, 1);
        assert_eq!(picture, before);
    }
}
