//! The picture of the `test` source.
//!
//! Colour bars above, a ball that bounces across them (so that a frozen or
//! stuttering picture is seen at a glance), a clock to read, a corner that
//! flashes with the beep of the `test` sound, and the time code strip.

use transom_boards_hal::FrameSize;
use transom_rtc_proto::time::WallTime;

use crate::font;
use crate::picture::Picture;
use crate::timecode::{self, TimeCode};

/// The flash and the beep begin with the second and last this long.
pub const FLASH_US: u64 = 100_000;

/// Bars at three quarters of full amplitude, BT.601 limited range (Y, U, V):
/// white, yellow, cyan, green, magenta, red, blue.
const BARS: [[u8; 3]; 7] = [
    [180, 128, 128],
    [162, 44, 142],
    [131, 156, 44],
    [112, 72, 58],
    [84, 184, 198],
    [65, 100, 212],
    [35, 212, 114],
];
const WHITE: u8 = 235;
const BLACK: u8 = 16;

/// Draws one picture after another.
#[derive(Debug)]
pub struct TestPicture {
    /// All that does not move, drawn once and copied.
    background: Picture,
}

impl TestPicture {
    /// A source of pictures of `size`.
    pub fn new(size: FrameSize) -> Self {
        let mut background = Picture::new(size);
        let (width, height) = (background.width(), background.height());
        let bar = (width / BARS.len()).next_multiple_of(2);
        for (index, colour) in BARS.into_iter().enumerate() {
            background.fill_colour(index * bar, 0, bar, height, colour);
        }
        let layout = Layout::of(width, height);
        background.fill(0, layout.ramp_top, width, height, BLACK);
        draw_ramp(&mut background, &layout);
        Self { background }
    }

    /// The size of the pictures.
    pub fn size(&self) -> FrameSize {
        self.background.size()
    }

    /// Draws the picture of the moment `wall` into `picture`.
    pub fn draw(&self, picture: &mut Picture, wall: WallTime) {
        if picture.size() == self.background.size() {
            picture
                .as_bytes_mut()
                .copy_from_slice(self.background.as_bytes());
        } else {
            *picture = self.background.clone();
        }
        let layout = Layout::of(picture.width(), picture.height());
        let us = wall.as_unix_micros();
        draw_ball(picture, &layout, us);
        draw_clock(picture, &layout, us);
        if us % 1_000_000 < FLASH_US {
            let side = layout.unit * 8;
            picture.fill(picture.width().saturating_sub(side), 0, side, side, WHITE);
        }
        timecode::encode(picture, TimeCode::new(wall));
    }
}

/// What lies where, in proportion to the size.
struct Layout {
    /// A 160th of the width, even: the dot of the clock.
    unit: usize,
    /// Where the bars end and the grey ramp begins.
    ramp_top: usize,
    ramp_height: usize,
}

impl Layout {
    fn of(width: usize, height: usize) -> Self {
        Self {
            unit: (width / 160).next_multiple_of(2).max(2),
            ramp_top: (height * 3 / 4) & !1,
            ramp_height: (height / 12) & !1,
        }
    }
}

/// A ramp of greys, that shows crushed blacks and whites.
fn draw_ramp(picture: &mut Picture, layout: &Layout) {
    const STEPS: usize = 16;
    let width = picture.width();
    let step = (width / STEPS).next_multiple_of(2);
    for index in 0..STEPS {
        let luma = BLACK + u8::try_from(index * 219 / (STEPS - 1)).unwrap_or(WHITE);
        picture.fill(
            index * step,
            layout.ramp_top,
            step,
            layout.ramp_height,
            luma,
        );
    }
}

/// A ball that crosses the bars in 4 s and comes back, and falls and rises in 1.5 s.
fn draw_ball(picture: &mut Picture, layout: &Layout, us: u64) {
    let radius = layout.unit * 5;
    let travel_x = picture.width().saturating_sub(2 * radius);
    let travel_y = layout.ramp_top.saturating_sub(2 * radius);
    let x = radius + bounce(us, 4_000_000, travel_x);
    let y = radius + bounce(us, 1_500_000, travel_y);
    for row in 0..2 * radius {
        // Half the chord at this height of the circle.
        let from_middle = row.abs_diff(radius);
        let half = (radius * radius - from_middle * from_middle).isqrt();
        let left = (x - half) & !1;
        picture.fill_colour(left, y - radius + row, 2 * half, 1, [210, 16, 146]);
    }
}

/// A position that goes from 0 to `travel` and back, each way in `period_us`.
fn bounce(us: u64, period_us: u64, travel: usize) -> usize {
    let phase = us % (2 * period_us);
    let there = phase.min(2 * period_us - phase);
    let travel = travel as u64;
    usize::try_from(there * travel / period_us).unwrap_or(0)
}

/// `HH:MM:SS.mmm UTC` on a black field in the middle of the bars.
fn draw_clock(picture: &mut Picture, layout: &Layout, us: u64) {
    let text = clock_text(us);
    let columns = text.len() * font::ADVANCE;
    // The clock takes three fifths of the width.
    let scale = (picture.width() * 3 / 5 / columns).max(1);
    let (width, height) = (columns * scale, font::HEIGHT * scale);
    let left = (picture.width().saturating_sub(width) / 2) & !1;
    let top = (layout.ramp_top.saturating_sub(height) / 2) & !1;
    let margin = (2 * scale).next_multiple_of(2);
    picture.fill(
        left.saturating_sub(margin),
        top.saturating_sub(margin),
        width + 2 * margin,
        height + 2 * margin,
        BLACK,
    );
    font::write(picture, &text, (left, top), scale, WHITE);
}

fn clock_text(us: u64) -> String {
    let ms = us / 1000;
    let seconds = ms / 1000;
    format!(
        "{:02}:{:02}:{:02}.{:03} UTC",
        seconds / 3600 % 24,
        seconds / 60 % 60,
        seconds % 60,
        ms % 1000
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-22 22:14:05.678901 UTC.
    const WALL: WallTime = WallTime::from_unix_micros(1_795_385_645_678_901);

    #[test]
    fn the_clock_reads_utc() {
        assert_eq!(clock_text(WALL.as_unix_micros()), "22:14:05.678 UTC");
        assert_eq!(clock_text(0), "00:00:00.000 UTC");
    }

    #[test]
    fn the_time_code_is_in_every_picture() {
        for (width, height) in [(640, 480), (320, 240), (1280, 720)] {
            let source = TestPicture::new(FrameSize::new(width, height));
            let mut picture = Picture::new(FrameSize::new(2, 2));
            source.draw(&mut picture, WALL);
            let code = timecode::decode(picture.planes().0, picture.width(), picture.size());
            assert_eq!(code, Some(TimeCode::new(WALL)));
        }
    }

    #[test]
    fn it_moves_and_flashes() {
        let source = TestPicture::new(FrameSize::new(640, 480));
        let mut pictures = [0, 33_000, 500_000].map(|us| {
            let mut picture = Picture::new(source.size());
            source.draw(&mut picture, WallTime::from_unix_micros(1_000_000_000 + us));
            picture
        });
        let corner = |picture: &Picture| picture.planes().0[picture.width() - 1];
        assert_eq!(corner(&pictures[0]), WHITE);
        assert_ne!(corner(&pictures[2]), WHITE);
        // The ball is somewhere else, even with clock and code painted over.
        for picture in &mut pictures {
            picture.fill(100, 100, 440, 200, 0);
            picture.fill(0, 440, 640, 40, 0);
        }
        assert_ne!(pictures[0], pictures[1]);
    }

    #[test]
    fn a_tiny_picture_does_no_harm() {
        for (width, height) in [(2, 2), (16, 16), (100, 20), (20, 100)] {
            let source = TestPicture::new(FrameSize::new(width, height));
            let mut picture = Picture::new(source.size());
            for us in [0, 123_456, 2_000_000, 3_999_999] {
                source.draw(&mut picture, WallTime::from_unix_micros(us));
            }
        }
    }

    #[test]
    fn it_bounces_within_its_travel() {
        assert_eq!(bounce(0, 1_000_000, 600), 0);
        assert_eq!(bounce(1_000_000, 1_000_000, 600), 600);
        assert_eq!(bounce(1_500_000, 1_000_000, 600), 300);
    }
}
