//! An encoder of the board, driven as the agent drives it, but for key frames: a driver need not have them.

use std::time::{Duration, Instant};

use transom_boards_hal::FrameSize;
use transom_boards_linux::{M2mEncoder, list_encoders};

/// Of each coded picture, so much is told.
const HEAD: usize = 48;

/// Encodes so many pictures that move, then as many that do not, by the encoder opened anew. A line a
/// picture: its bytes, the microseconds that it took, its first bytes in hexadecimal digits.
pub(crate) fn encode(device: &str, width: u32, height: u32, pictures: u32) {
    println!("encoders: {:?}", list_encoders());
    let size = FrameSize::new(width, height);
    for moves in [true, false] {
        let opened = M2mEncoder::open(device, size, 1_000_000);
        let mut encoder = opened.unwrap_or_else(|error| panic!("{error}"));
        for n in 0..pictures {
            let step = if moves { n } else { 0 };
            let [luma, chroma] = picture(size, step);
            let at = Duration::from_millis(33) * n;
            let begun = Instant::now();
            let coded = encoder.encode([&luma, &chroma, &chroma], at, false);
            let coded = coded.unwrap_or_else(|error| panic!("picture {n}: {error}"));
            let head = coded.iter().take(HEAD).map(|byte| format!("{byte:02x}"));
            println!(
                "{} {n} {} {} {}",
                if moves { "moves" } else { "rests" },
                coded.len(),
                begun.elapsed().as_micros(),
                head.collect::<String>()
            );
            if n == pictures / 2 {
                println!("bitrate: {:?}", encoder.set_bitrate(300_000));
            }
        }
        let [luma, chroma] = picture(size, 0);
        let key = encoder.encode([&luma, &chroma, &chroma], Duration::ZERO, true);
        println!("key frame: {:?}", key.map(|coded| coded.len()));
    }
}

/// A gradient, and grey.
fn picture(size: FrameSize, step: u32) -> [Vec<u8>; 2] {
    let (width, height) = (size.width as usize, size.height as usize);
    let mut luma = vec![0; width * height];
    for (row, line) in luma.chunks_exact_mut(width).enumerate() {
        for (x, pixel) in line.iter_mut().enumerate() {
            *pixel = ((x + row + 4 * step as usize) % 220) as u8 + 16;
        }
    }
    [luma, vec![128; width * height / 4]]
}
