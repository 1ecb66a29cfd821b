//! Gives pictures to the board's video devices.
//!
//! `feeder CLIP DEVICE FOURCC WIDTH HEIGHT FPS` makes a camera of a recording. The clip is pictures one
//! after the other, each behind its length (32 bits, big-endian).
//!
//! `feeder encode DEVICE WIDTH HEIGHT PICTURES` has an encoder encode, and tells what it gave back.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test program fails where it fails"
)]

mod camera;
mod encoder;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.as_slice() {
        [verb, device, width, height, pictures] if verb == "encode" => {
            let number = |text: &String| text.parse().expect("a number");
            encoder::encode(device, number(width), number(height), number(pictures));
        }
        words => match words.try_into() {
            Ok(words) => camera::feed(words),
            Err(_) => panic!("feeder CLIP DEVICE FOURCC WIDTH HEIGHT FPS, or encode ..."),
        },
    }
}
