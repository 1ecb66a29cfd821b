//! A bitmap font of 5 by 7 dots: what the test picture writes, no more.

use crate::picture::Picture;

/// Dots from one character to the next.
pub(crate) const ADVANCE: usize = 6;
/// Dots from the top of a line to its bottom.
pub(crate) const HEIGHT: usize = 7;

const WIDTH: usize = 5;

/// The rows of a character, the leftmost dot in bit 4. Unknown ones are blank.
const fn glyph(character: char) -> [u8; HEIGHT] {
    match character {
        '0' => [0x0e, 0x11, 0x13, 0x15, 0x19, 0x11, 0x0e],
        '1' => [0x04, 0x0c, 0x04, 0x04, 0x04, 0x04, 0x0e],
        '2' => [0x0e, 0x11, 0x01, 0x06, 0x08, 0x10, 0x1f],
        '3' => [0x0e, 0x11, 0x01, 0x06, 0x01, 0x11, 0x0e],
        '4' => [0x02, 0x06, 0x0a, 0x12, 0x1f, 0x02, 0x02],
        '5' => [0x1f, 0x10, 0x1e, 0x01, 0x01, 0x11, 0x0e],
        '6' => [0x06, 0x08, 0x10, 0x1e, 0x11, 0x11, 0x0e],
        '7' => [0x1f, 0x01, 0x02, 0x04, 0x08, 0x08, 0x08],
        '8' => [0x0e, 0x11, 0x11, 0x0e, 0x11, 0x11, 0x0e],
        '9' => [0x0e, 0x11, 0x11, 0x0f, 0x01, 0x02, 0x0c],
        ':' => [0x00, 0x0c, 0x0c, 0x00, 0x0c, 0x0c, 0x00],
        '.' => [0x00, 0x00, 0x00, 0x00, 0x00, 0x0c, 0x0c],
        'U' => [0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x0e],
        'T' => [0x1f, 0x04, 0x04, 0x04, 0x04, 0x04, 0x04],
        'C' => [0x0e, 0x11, 0x10, 0x10, 0x10, 0x11, 0x0e],
        _ => [0; HEIGHT],
    }
}

/// Writes `text` in luma `ink`, its top left corner at (`x`, `y`), each dot
/// `scale` pixels wide and high. What lies outside the picture is cut off.
pub(crate) fn write(
    picture: &mut Picture,
    text: &str,
    (x, y): (usize, usize),
    scale: usize,
    ink: u8,
) {
    for (index, character) in text.chars().enumerate() {
        let left = x + index * ADVANCE * scale;
        for (row, dots) in glyph(character).into_iter().enumerate() {
            for column in 0..WIDTH {
                if dots >> (WIDTH - 1 - column) & 1 == 1 {
                    let (dot_x, dot_y) = (left + column * scale, y + row * scale);
                    picture.fill(dot_x, dot_y, scale, scale, ink);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_of_a_clock_differs() {
        let characters = [
            '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', ':', '.', ' ',
        ];
        for (i, a) in characters.iter().enumerate() {
            for b in &characters[i + 1..] {
                assert_ne!(glyph(*a), glyph(*b), "{a} and {b}");
            }
        }
    }

    #[test]
    fn dots_fit_their_box() {
        for character in "0123456789:.UTC ".chars() {
            assert!(glyph(character).iter().all(|row| row >> WIDTH == 0));
        }
    }
}
