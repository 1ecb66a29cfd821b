//! Whether a picture has anything to do with the one before.

use std::time::Duration;

use crate::picture::Picture;

/// Fields a side: a field is large enough that noise and small motion leave its
/// mean as it was.
const FIELDS: usize = 12;
/// Fields change by so much on average when the camera is covered, turned
/// round or switched; a fast pan stays below.
const CHANGE: u32 = 28;
/// A key frame costs several other pictures: not one after the other.
const SPACING: Duration = Duration::from_secs(1);

/// Looks for cuts, of which a camera has few.
///
/// What comes after a cut cannot be predicted from what was before. As a
/// picture that tries, at the quality of a quiet scene, it is many times as
/// large as a key frame, whose quality goes by the bitrate: a second's worth
/// in one picture, which a narrow link then delivers a second late.
#[derive(Debug, Default)]
pub struct Scene {
    fields: Vec<u8>,
    last_cut: Option<Duration>,
}

impl Scene {
    /// Whether `picture`, captured at media time `at`, begins another scene.
    pub fn is_cut(&mut self, picture: &Picture, at: Duration) -> bool {
        let fields = means(picture);
        let before = std::mem::replace(&mut self.fields, fields);
        let count = u32::try_from(before.len()).unwrap_or(0);
        if before.len() != self.fields.len() || count == 0 {
            return false;
        }
        let pairs = before.iter().zip(&self.fields);
        let change: u32 = pairs.map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
        let is_soon = self
            .last_cut
            .is_some_and(|last| at.saturating_sub(last) < SPACING);
        let is_cut = change / count >= CHANGE && !is_soon;
        if is_cut {
            self.last_cut = Some(at);
        }
        is_cut
    }
}

/// The mean luma of each field, of every fourth pixel of every fourth row.
fn means(picture: &Picture) -> Vec<u8> {
    let (width, height) = (picture.width(), picture.height());
    let mut sums = vec![(0_u32, 0_u32); FIELDS * FIELDS];
    let rows = picture.planes().0.chunks_exact(width.max(1));
    for (y, row) in rows.enumerate().step_by(4) {
        let line = y * FIELDS / height.max(1) * FIELDS;
        for (x, pixel) in row.iter().enumerate().step_by(4) {
            if let Some((sum, count)) = sums.get_mut(line + x * FIELDS / width) {
                *sum += u32::from(*pixel);
                *count += 1;
            }
        }
    }
    let mean = |(sum, count): (u32, u32)| u8::try_from(sum / count.max(1)).unwrap_or(u8::MAX);
    sums.into_iter().map(mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_picture::TestPicture;
    use transom_boards_hal::FrameSize;
    use transom_rtc_proto::time::WallTime;

    const SIZE: FrameSize = FrameSize::new(320, 240);

    #[test]
    fn a_cut_is_seen_and_motion_is_none() {
        let source = TestPicture::new(SIZE);
        let mut picture = Picture::new(SIZE);
        let (mut scene, mut cuts, mut state) = (Scene::default(), Vec::new(), 1_u32);
        for frame in 0..90_u64 {
            let wall = WallTime::from_unix_micros(1_795_385_645_000_000 + frame * 33_333);
            source.draw(&mut picture, wall);
            let luma = picture.planes_mut().0;
            // The sensor's noise, and a pan of eight pixels a picture.
            for pixel in luma.iter_mut() {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                *pixel = pixel.saturating_add((state >> 28) as u8);
            }
            for row in luma.chunks_exact_mut(320) {
                row.rotate_left(frame as usize * 8 % 320);
            }
            if frame >= 45 {
                luma.iter_mut().for_each(|pixel| *pixel = 255 - *pixel);
            }
            if scene.is_cut(&picture, Duration::from_millis(frame * 33)) {
                cuts.push(frame);
            }
        }
        assert_eq!(cuts, [45]);
    }

    #[test]
    fn cuts_are_a_second_apart() {
        let mut scene = Scene::default();
        let pictures = [20, 220].map(|luma| {
            let mut picture = Picture::new(SIZE);
            picture.fill(0, 0, 320, 240, luma);
            picture
        });
        let cuts = (0..60_usize)
            .filter(|n| scene.is_cut(&pictures[n % 2], Duration::from_millis(*n as u64 * 50)))
            .count();
        assert_eq!(cuts, 3, "in three seconds of flicker");
    }
}
