//! A capture time that a program can read from the decoded picture.
//!
//! A strip of 64 square-ish cells near the bottom edge carries, in black and
//! white, when the picture was drawn. Whoever sees the picture subtracts that
//! from its own clock and has the glass-to-glass latency, whatever lies between.
//!
//! # Layout
//!
//! ```text
//!   cell_w = width / 80, rounded down to an even number (8 at 640)
//!   cell_h = 2 * cell_w                                 (16 at 640)
//!   cell i = left x = cell_w * (8 + i), top y = height - 2 * cell_h
//!
//!    0               16                                      56        64
//!   +----------------+---------------------------------------+---------+
//!   | sync  0xA5C3   | capture time, 40 bits                  | CRC-8   |
//!   +----------------+---------------------------------------+---------+
//! ```
//!
//! Most significant bit first; white (luma 235) is 1, black (luma 16) is 0;
//! chroma is grey. The capture time is Unix time in units of 100 us modulo
//! 2^40 (it wraps every three years and a half). The CRC-8 has the polynomial
//! 0x07 and starts at 0; it covers the five bytes of the time.
//!
//! The reader takes the mean luma of the inner half of each cell (a quarter of
//! the cell is left out on every side) and compares it with the middle between
//! the brightest and the darkest cell. The picture must have its original
//! size. Pictures less than 160 wide or 64 high carry no strip.

use transom_boards_hal::FrameSize;
use transom_rtc_proto::time::WallTime;

use crate::picture::Picture;

const SYNC: u16 = 0xa5c3;
const CELLS: usize = 64;
const WHITE: u8 = 235;
const BLACK: u8 = 16;
/// The unit of the time in microseconds.
const UNIT_US: u64 = 100;
const TIME_BITS: u32 = 40;
/// Cells left free at the left edge.
const MARGIN: usize = 8;
/// White and black must lie at least this far apart, or there is no strip.
const MIN_CONTRAST: u32 = 64;

/// A capture time as the strip carries it: 100 us units modulo 2^40.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeCode(u64);

impl TimeCode {
    /// The code of a wall time.
    pub fn new(wall: WallTime) -> Self {
        Self((wall.as_unix_micros() / UNIT_US) & ((1 << TIME_BITS) - 1))
    }

    /// Units of 100 us, modulo 2^40.
    pub fn units(self) -> u64 {
        self.0
    }

    /// The time from this code to `now` in microseconds, to the resolution of
    /// the code; negative where the clocks disagree. Right across the wrap.
    pub fn age_us(self, now: WallTime) -> i64 {
        let now = Self::new(now).0;
        let apart = now.wrapping_sub(self.0) & ((1 << TIME_BITS) - 1);
        let half = 1 << (TIME_BITS - 1);
        let apart = i64::try_from(apart).unwrap_or(0);
        let signed = if apart >= half {
            apart - 2 * half
        } else {
            apart
        };
        signed * 100
    }

    /// All 64 bits of the strip, the first cell in the highest bit.
    fn to_bits(self) -> u64 {
        let crc = crc8(&self.time_bytes());
        (u64::from(SYNC) << 48) | (self.0 << 8) | u64::from(crc)
    }

    /// Checks sync and CRC.
    fn from_bits(bits: u64) -> Option<Self> {
        let code = Self((bits >> 8) & ((1 << TIME_BITS) - 1));
        (code.to_bits() == bits).then_some(code)
    }

    fn time_bytes(self) -> [u8; 5] {
        let [_, _, _, time @ ..] = self.0.to_be_bytes();
        time
    }
}

/// Draws the strip of `code` into a picture; nothing where it is too small.
pub fn encode(picture: &mut Picture, code: TimeCode) {
    let Some(strip) = Strip::of(picture.size()) else {
        return;
    };
    let bits = code.to_bits();
    for cell in 0..CELLS {
        let luma = if bits >> (CELLS - 1 - cell) & 1 == 1 {
            WHITE
        } else {
            BLACK
        };
        picture.fill(
            strip.left(cell),
            strip.top,
            strip.cell_w,
            strip.cell_h,
            luma,
        );
    }
}

/// Reads the strip from a plane of luma with `stride` bytes a row; `None`
/// where there is no strip or its check fails.
pub fn decode(luma: &[u8], stride: usize, size: FrameSize) -> Option<TimeCode> {
    let strip = Strip::of(size)?;
    let mut means = [0; CELLS];
    for (cell, mean) in means.iter_mut().enumerate() {
        *mean = strip.mean(luma, stride, cell)?;
    }
    let (darkest, brightest) = (means.iter().min()?, means.iter().max()?);
    if brightest - darkest < MIN_CONTRAST {
        return None;
    }
    let threshold = (brightest + darkest) / 2;
    let bits = means
        .iter()
        .fold(0, |bits, &mean| bits << 1 | u64::from(mean > threshold));
    TimeCode::from_bits(bits)
}

/// Where the cells lie in a picture.
struct Strip {
    cell_w: usize,
    cell_h: usize,
    top: usize,
}

impl Strip {
    fn of(size: FrameSize) -> Option<Self> {
        if size.width < 160 || size.height < 64 {
            return None;
        }
        let cell_w = (size.width as usize / 80) & !1;
        let cell_h = 2 * cell_w;
        let top = (size.height as usize).checked_sub(2 * cell_h)?;
        Some(Self {
            cell_w,
            cell_h,
            top,
        })
    }

    fn left(&self, cell: usize) -> usize {
        self.cell_w * (MARGIN + cell)
    }

    /// Mean luma of the inner half of a cell.
    fn mean(&self, luma: &[u8], stride: usize, cell: usize) -> Option<u32> {
        let inset = self.cell_w / 4;
        let (left, right) = (
            self.left(cell) + inset,
            self.left(cell) + self.cell_w - inset,
        );
        let inset = self.cell_h / 4;
        let (mut sum, mut count) = (0, 0);
        for row in self.top + inset..self.top + self.cell_h - inset {
            let start = row.checked_mul(stride)?;
            let span = luma.get(start.checked_add(left)?..start.checked_add(right)?)?;
            for &pixel in span {
                sum += u32::from(pixel);
                count += 1;
            }
        }
        sum.checked_div(count)
    }
}

/// CRC-8 with polynomial 0x07, initial value 0, no reflection.
fn crc8(bytes: &[u8]) -> u8 {
    let mut crc = 0_u8;
    for byte in bytes {
        crc ^= byte;
        for _ in 0..8 {
            let carry = crc & 0x80 != 0;
            crc <<= 1;
            if carry {
                crc ^= 0x07;
            }
        }
    }
    crc
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: WallTime = WallTime::from_unix_micros(1_796_000_123_456_789);

    fn read(picture: &Picture) -> Option<TimeCode> {
        decode(picture.planes().0, picture.width(), picture.size())
    }

    #[test]
    fn the_crc_is_the_common_one() {
        // The check value of CRC-8 (poly 0x07, init 0).
        assert_eq!(crc8(b"123456789"), 0xf4);
    }

    #[test]
    fn the_bits_are_as_documented() {
        // The page reads the same strip: this value must never change.
        let code = TimeCode::new(WallTime::from_unix_micros(0x12_3456_789a * 100));
        let bits = code.to_bits();
        assert_eq!(bits >> 48, 0xa5c3);
        assert_eq!(bits >> 8 & 0xff_ffff_ffff, 0x12_3456_789a);
        assert_eq!(
            bits & 0xff,
            u64::from(crc8(&[0x12, 0x34, 0x56, 0x78, 0x9a]))
        );
    }

    #[test]
    fn what_is_drawn_is_read_at_every_size() {
        for (width, height) in [
            (160, 120),
            (320, 240),
            (640, 480),
            (1280, 720),
            (1920, 1080),
        ] {
            let mut picture = Picture::new(FrameSize::new(width, height));
            assert_eq!(read(&picture), None);
            encode(&mut picture, TimeCode::new(NOW));
            assert_eq!(read(&picture), Some(TimeCode::new(NOW)), "{width}x{height}");
        }
    }

    #[test]
    fn the_layout_at_640_is_as_documented() {
        let mut picture = Picture::new(FrameSize::new(640, 480));
        encode(&mut picture, TimeCode::new(NOW));
        let (luma, ..) = picture.planes();
        let row = |y: usize| &luma[y * 640..(y + 1) * 640];
        // 0xA5C3 begins 1010 0101.
        for (cell, bit) in [1, 0, 1, 0, 0, 1, 0, 1].into_iter().enumerate() {
            let expected = if bit == 1 { WHITE } else { BLACK };
            assert!(
                row(448)[64 + 8 * cell..72 + 8 * cell]
                    .iter()
                    .all(|&p| p == expected)
            );
        }
        assert!(row(447).iter().all(|&p| p == 128));
        assert!(row(464).iter().all(|&p| p == 128));
        assert_eq!(row(448)[63], 128);
        assert_eq!(row(448)[64 + 512], 128);
    }

    #[test]
    fn a_small_picture_carries_none_and_a_short_buffer_is_no_strip() {
        let mut picture = Picture::new(FrameSize::new(128, 96));
        let before = picture.clone();
        encode(&mut picture, TimeCode::new(NOW));
        assert_eq!(picture, before);
        assert_eq!(decode(&[0; 10], 640, FrameSize::new(640, 480)), None);
        assert_eq!(decode(&[0; 10], usize::MAX, FrameSize::new(640, 480)), None);
    }

    #[test]
    fn a_wrong_bit_is_noticed() {
        let bits = TimeCode::new(NOW).to_bits();
        for bit in 0..64 {
            assert_eq!(TimeCode::from_bits(bits ^ 1 << bit), None);
        }
    }

    #[test]
    fn ages_cross_the_wrap() {
        let wrap = (1_u64 << 40) * UNIT_US;
        let before = TimeCode::new(WallTime::from_unix_micros(wrap - 1000));
        assert_eq!(before.age_us(WallTime::from_unix_micros(wrap + 1000)), 2000);
        let ahead = TimeCode::new(WallTime::from_unix_micros(5000));
        assert_eq!(ahead.age_us(WallTime::from_unix_micros(4000)), -1000);
    }
}
