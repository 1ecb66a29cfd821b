//! Real files of FFmpeg, and damaged ones.

use std::collections::HashSet;
use std::fs;
use std::time::Instant;

use openh264::decoder::Decoder;
use openh264::formats::YUVSource;
use transom_rtc_proto::codec::h264::{AnnexB, NalType};

use super::*;
use crate::clock::MediaClock;
use crate::output::VideoOutput;
use crate::publish::FeedControl;
use crate::stop::Stop;
use crate::taps::Taps;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/data/media")
        .join(name)
}

fn open(name: &str) -> Recording {
    Recording::open(&fixture(name), 25).expect("a recording")
}

fn failure(path: &Path) -> FileErrorReason {
    let error = Recording::open(path, 25).expect_err("no recording");
    let text = error.to_string();
    assert!(!text.contains('\n'), "{text}");
    assert!(text.contains(": "), "{text}");
    println!("{text}");
    error.reason
}

fn units(recording: &mut Recording) -> Vec<AccessUnit> {
    std::iter::from_fn(|| recording.next_unit().expect("a picture")).collect()
}

/// A file that goes with the test.
struct Temporary(PathBuf);

impl Temporary {
    fn new(name: &str, content: &[u8]) -> Self {
        let path = std::env::temp_dir().join(format!("transom-{}-{name}", std::process::id()));
        fs::write(&path, content).expect("a temporary file");
        Self(path)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[test]
fn both_containers_give_the_same_decodable_pictures() {
    let mut shown = Vec::new();
    for name in ["baseline.mp4", "baseline.h264"] {
        let mut recording = open(name);
        let all = units(&mut recording);
        assert_eq!(all.len(), 60, "{name}");
        let keys: Vec<usize> = (0..60).filter(|&i| all[i].key).collect();
        assert_eq!(keys, [0, 15, 30, 45], "{name}");
        assert_eq!(recording.longest_gop.as_millis(), 500, "{name}");
        assert!(!recording.has_long_gops());
        for (index, unit) in (0_u32..).zip(&all) {
            let expected = Duration::from_secs(1) * index / 30;
            assert!(unit.at.abs_diff(expected) < Duration::from_millis(1));
            if unit.key {
                let kinds: Vec<_> = AnnexB::new(&unit.data).filter_map(NalType::of).collect();
                assert!(
                    kinds.starts_with(&[NalType::Sps, NalType::Pps]),
                    "{kinds:?}"
                );
                assert_eq!(kinds.last(), Some(&NalType::Idr));
            }
        }
        let mut decoder = Decoder::new().expect("a decoder");
        let sizes: HashSet<_> = all
            .iter()
            .map(|unit| {
                let picture = decoder.decode(&unit.data).expect("it decodes");
                picture.expect("each unit shows a picture").dimensions()
            })
            .collect();
        assert_eq!(sizes, HashSet::from([(160, 120)]), "{name}");
        shown.push(all.into_iter().map(|unit| unit.key).collect::<Vec<_>>());
    }
    assert_eq!(shown[0], shown[1]);
}

#[test]
fn a_recording_begins_anew_with_a_key_frame() {
    for name in ["baseline.mp4", "baseline.h264"] {
        let mut recording = open(name);
        let first = units(&mut recording);
        recording.rewind().expect("it rewinds");
        assert_eq!(first, units(&mut recording), "{name}");
    }
}

#[test]
fn b_frames_are_refused_with_the_mend() {
    for name in ["b-frames.mp4", "b-frames.h264"] {
        assert!(matches!(failure(&fixture(name)), FileErrorReason::BFrames));
        let text = Recording::open(&fixture(name), 25)
            .expect_err("refused")
            .to_string();
        assert!(
            text.contains("ffmpeg -i") && text.contains("-bf 0"),
            "{text}"
        );
    }
}

#[test]
fn a_path_with_a_space_can_be_copied_into_a_shell() {
    assert_eq!(shell_quoted(Path::new("/a/b-1.mp4")), "/a/b-1.mp4");
    assert_eq!(shell_quoted(Path::new("it's it.mp4")), r"'it'\''s it.mp4'");
}

#[test]
fn other_codecs_are_named() {
    for (name, expected) in [("hevc.mp4", "H.265 (HEVC)"), ("mpeg4.mp4", "MPEG-4 Visual")] {
        match failure(&fixture(name)) {
            FileErrorReason::NotH264 { codec } => assert_eq!(codec, expected),
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn other_files_are_refused() {
    assert!(matches!(
        failure(&fixture("high.mp4")),
        FileErrorReason::Profile { profile_idc: 100 }
    ));
    assert!(matches!(
        failure(&fixture("fragmented.mp4")),
        FileErrorReason::Fragmented
    ));
    assert!(matches!(
        failure(&fixture("sound-only.mp4")),
        FileErrorReason::NoPictures
    ));
    assert!(matches!(
        failure(&fixture("matroska.webm")),
        FileErrorReason::Unknown {
            looks_like: Some("a Matroska or WebM file")
        }
    ));
    assert!(matches!(
        failure(&fixture("README.md")),
        FileErrorReason::Unknown { looks_like: None }
    ));
    assert!(matches!(
        failure(&fixture("missing.mp4")),
        FileErrorReason::Read(_)
    ));
    for (path, expected) in [
        (fixture("."), "a directory"),
        ("/dev/null".into(), "a device"),
    ] {
        let reason = failure(&path);
        assert!(matches!(reason, FileErrorReason::NotAFile { kind } if kind == expected));
    }
    let empty = Temporary::new("empty.mp4", b"");
    assert!(matches!(failure(&empty.0), FileErrorReason::Empty));
}

#[test]
fn a_recording_that_was_cut_off_plays_what_is_there_or_says_so() {
    // The index stands in front in this one: half of the pictures are left.
    let whole = fs::read(fixture("baseline.mp4")).expect("the fixture");
    let half = Temporary::new("half.mp4", &whole[..whole.len() * 2 / 3]);
    let mut recording = Recording::open(&half.0, 25).expect("half a recording");
    let left = units(&mut recording).len();
    assert!((10..60).contains(&left), "{left}");
    assert!(recording.is_cut_off());
    assert!(!open("baseline.mp4").is_cut_off());
    // The index alone.
    let media = whole.windows(4).position(|kind| kind == b"mdat");
    let index = &whole[..media.expect("pictures") + 4];
    let none = Temporary::new("index.mp4", index);
    assert!(matches!(failure(&none.0), FileErrorReason::CutOff));
    // In this one it stands at the end.
    let whole = fs::read(fixture("mpeg4.mp4")).expect("the fixture");
    let half = Temporary::new("no-index.mp4", &whole[..whole.len() / 2]);
    assert!(matches!(failure(&half.0), FileErrorReason::NoIndex));
}

/// Opens and plays damaged bytes; only a panic or an endless loop fails.
fn survives(name: &str, bytes: &[u8]) {
    let file = Temporary::new(name, bytes);
    if let Ok(mut recording) = Recording::open(&file.0, 25) {
        for _ in 0..200 {
            match recording.next_unit() {
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => break,
            }
        }
        let _ = recording.rewind();
    }
}

#[test]
fn no_bytes_make_it_panic() {
    for name in ["baseline.mp4", "baseline.h264", "b-frames.mp4"] {
        let whole = fs::read(fixture(name)).expect("the fixture");
        for cut in (0..whole.len()).step_by(whole.len() / 60) {
            survives(name, &whole[..cut]);
        }
        let mut state = 7_u32;
        for _ in 0..400 {
            let mut bytes = whole.clone();
            for _ in 0..8 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                // The index is at the front: half of the damage goes there.
                let range = if state & 1 == 0 {
                    1500.min(bytes.len())
                } else {
                    bytes.len()
                };
                let at = (state >> 8) as usize % range;
                bytes[at] = (state >> 1) as u8;
            }
            survives(name, &bytes);
        }
    }
}

#[test]
fn it_plays_in_real_time_across_the_seam_and_restarts_after_a_pause() {
    let mut recording = open("baseline.mp4");
    let control = FeedControl::default();
    let origin = Instant::now();
    let (mut output, (mut frames, format)) =
        VideoOutput::new(MediaClock::new(origin), control.clone());
    let stop = Stop::default();
    let ending = stop.clone();
    let playing = std::thread::spawn(move || {
        play(&mut recording, &mut Taps::default(), &mut output, &ending)
    });
    let mut got = Vec::new();
    let mut gather = |until: Duration| {
        let mut now = Vec::new();
        while origin.elapsed() < until {
            now.extend(std::iter::from_fn(|| frames.try_recv()));
            std::thread::sleep(Duration::from_millis(5));
        }
        now
    };
    got.extend(gather(Duration::from_millis(2500)));
    // 75 are due in 2.5 s; a loaded machine may be late.
    assert!((60..=77).contains(&got.len()), "{}", got.len());
    let profile = format.borrow().expect("the format").profile_level_id;
    assert_eq!(profile >> 16, 66);
    for pair in got.windows(2) {
        let step = pair[1].timestamp.wrapping_sub(pair[0].timestamp);
        assert!((2990..=3010).contains(&step), "a step of {step}");
    }

    control.pause();
    std::thread::sleep(Duration::from_millis(200));
    let _ = gather(origin.elapsed() + Duration::from_millis(20));
    control.resume();
    let after = gather(origin.elapsed() + Duration::from_millis(250));
    assert!(after[0].key, "a session begins with a key frame");
    let gap = after[0]
        .timestamp
        .wrapping_sub(got[got.len() - 1].timestamp);
    assert!((90 * 150..90 * 400).contains(&gap), "a gap of {gap}");
    stop.set();
    playing.join().expect("it ends").expect("without an error");
}

#[test]
fn a_recording_that_is_cut_off_while_it_plays_is_taken_up_again() {
    let whole = fs::read(fixture("baseline.mp4")).expect("the fixture");
    let file = Temporary::new("changing.mp4", &whole);
    let recording = Recording::open(&file.0, 25).expect("a recording");
    let control = FeedControl::default();
    let (mut output, (mut frames, _)) =
        VideoOutput::new(MediaClock::new(Instant::now()), control.clone());
    let stop = Stop::default();
    let ending = stop.clone();
    let playing = std::thread::spawn(move || {
        play_for_ever(recording, 25, &mut Taps::default(), &mut output, &ending);
    });
    let mut comes = |within: Duration| {
        let begun = Instant::now();
        while begun.elapsed() < within {
            if let Some(frame) = frames.try_recv() {
                return Some(frame.key);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        None
    };
    assert_eq!(comes(Duration::from_secs(5)), Some(true));
    fs::write(&file.0, b"").expect("it is emptied");
    // What was read ahead still plays; then there is nothing.
    while comes(Duration::from_millis(700)).is_some() {}
    assert!(!playing.is_finished());
    fs::write(&file.0, &whole).expect("it is back");
    assert_eq!(comes(Duration::from_secs(10)), Some(true));
    stop.set();
    playing.join().expect("it ends");
}
