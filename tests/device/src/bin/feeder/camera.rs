//! A camera of a recording: it is written, picture by picture and for ever, to a device of v4l2loopback.

use std::io::Write as _;
use std::thread;
use std::time::{Duration, Instant};

use v4l::FourCC;
use v4l::device::Device;
use v4l::format::Format;
use v4l::video::Output;

/// `CLIP DEVICE FOURCC WIDTH HEIGHT FPS`.
pub(crate) fn feed([clip, device, fourcc, width, height, fps]: &[String; 6]) {
    let number = |text: &String| text.parse::<u32>().expect("a number");
    let fourcc: [u8; 4] = fourcc.as_bytes().try_into().expect("four characters");
    let bytes = std::fs::read(clip).expect("the clip");
    let pictures = pictures(&bytes);
    let mut camera = Device::with_path(device).expect("the device");
    let format = Format::new(number(width), number(height), FourCC::new(&fourcc));
    let set = Output::set_format(&camera, &format).expect("the format");
    assert_eq!(set.fourcc.repr, fourcc, "the device took another format");
    println!("{} pictures of {clip} to {device}", pictures.len());
    let interval = Duration::from_secs(1) / number(fps);
    let begun = Instant::now();
    for (n, picture) in (0_u32..).zip(pictures.iter().cycle()) {
        let due = begun + interval * n;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        camera.write_all(picture).expect("the picture is taken");
    }
}

fn pictures(clip: &[u8]) -> Vec<&[u8]> {
    let (mut pictures, mut rest) = (Vec::new(), clip);
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = u32::from_be_bytes(*length) as usize;
        let (picture, after) = after.split_at_checked(length).expect("a whole picture");
        pictures.push(picture);
        rest = after;
    }
    assert!(!pictures.is_empty(), "the clip is empty");
    pictures
}
