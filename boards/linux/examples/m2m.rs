//! Tries out an encoder in hardware: `m2m DEVICE [WIDTH HEIGHT [OUT]]`, such as
//! `m2m /dev/video11 1280 720 out.h264`.
//!
//! Encodes 150 pictures of a moving gradient, asks for a key frame and another bitrate on the way, and
//! tells sizes and times. It then opens the encoder a second time, as the agent does after a failure.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a program to try things out"
)]

use std::time::{Duration, Instant};

use transom_boards_hal::FrameSize;
use transom_boards_linux::{M2mEncoder, list_encoders};

const PICTURES: u32 = 150;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let Some(device) = words.first() else {
        println!(
            "m2m DEVICE [WIDTH HEIGHT [OUT]]; encoders here: {:?}",
            list_encoders()
        );
        return;
    };
    let side = |at: usize, default| {
        words
            .get(at)
            .map_or(default, |w| w.parse().expect("a number"))
    };
    let size = FrameSize::new(side(1, 640), side(2, 480));
    for round in 1..=2 {
        let stream = encode(device, size);
        println!(
            "round {round}: {} bytes, beginning with {:02x?}",
            stream.len(),
            &stream[..16]
        );
        if let Some(out) = words.get(3) {
            std::fs::write(out, &stream).expect("the file is written");
        }
    }
}

fn encode(device: &str, size: FrameSize) -> Vec<u8> {
    let mut encoder = M2mEncoder::open(device, size, 1_000_000).unwrap_or_else(|e| panic!("{e}"));
    let (width, height) = (size.width as usize, size.height as usize);
    let mut luma = vec![0_u8; width * height];
    let chroma = vec![128_u8; width * height / 4];
    let (mut stream, mut slowest, mut total) = (Vec::new(), Duration::ZERO, Duration::ZERO);
    for n in 0..PICTURES {
        for (row, line) in luma.chunks_exact_mut(width).enumerate() {
            for (x, pixel) in line.iter_mut().enumerate() {
                *pixel = ((x + row + 4 * n as usize) % 220) as u8 + 16;
            }
        }
        if n == PICTURES / 2 {
            let set = encoder.set_bitrate(300_000);
            println!("another bitrate: {set:?}");
        }
        let begun = Instant::now();
        let at = Duration::from_millis(u64::from(n) * 33);
        let key = n % 50 == 0;
        let unit = encoder.encode([&luma, &chroma, &chroma], at, key);
        let unit = unit.unwrap_or_else(|error| panic!("picture {n}: {error}"));
        let took = begun.elapsed();
        slowest = slowest.max(took);
        total += took;
        if key {
            println!("picture {n}, a key frame: {} bytes in {took:?}", unit.len());
        }
        stream.extend(unit);
    }
    println!(
        "{PICTURES} pictures of {size}: {:?} each, {slowest:?} at most",
        total / PICTURES
    );
    stream
}
