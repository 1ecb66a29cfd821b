//! Against a stand-in for `rpicam-vid`: a script that writes a recorded clip
//! frame by frame, and that dies, hangs or writes nonsense.

use super::*;
use crate::clock::MediaClock;
use crate::encode::{EncoderChoice, EncoderConfig, Encoders};
use crate::output::{VideoInput, VideoOutput};
use crate::publish::FeedControl;
use crate::source::camera::{self, Capture};
use crate::stop::Stop;
use crate::taps::Taps;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use transom_boards_hal::CodecWish;

const CLIP: &[u8] = include_bytes!("../../../../tests/data/media/baseline.h264");
const SIZE: FrameSize = FrameSize::new(160, 120);

/// What plays once all frames, at about 30 a second.
const PLAY: &str = "for frame in $frames/*; do cat $frame; sleep 0.03; done";

/// A program in a folder of its own.
struct StandIn {
    folder: PathBuf,
}

impl StandIn {
    /// `does` is what it does unless it is asked for help; `$frames` is a folder
    /// of frames.
    fn new(does: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("transom-csi-{}-{count}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let frames = folder.join("frames");
        fs::create_dir_all(&frames).expect("a temporary folder");
        let now = Instant::now();
        let mut splitter = Splitter::default();
        splitter.push(CLIP, now);
        let mut units: Vec<Vec<u8>> = Vec::new();
        while let Some((unit, _)) = splitter.next_unit(now) {
            units.push(unit);
        }
        units.extend(splitter.flush(now).map(|(unit, _)| unit));
        for (n, unit) in units.iter().enumerate() {
            fs::write(frames.join(format!("{n:03}")), unit).expect("a frame");
        }
        let script = format!(
            "#!/bin/sh\n\
             if [ \"$1\" = --help ]; then echo '  --low-latency arg'; exit; fi\n\
             folder={}\nframes=$folder/frames\n\
             echo \"$@\" >>$folder/started\n{does}\n",
            folder.display()
        );
        let program = folder.join("rpicam-vid");
        fs::write(&program, script).expect("a script");
        let executable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(&program, executable).expect("permissions");
        Self { folder }
    }

    fn source(&self) -> CsiSource {
        let program = self.folder.join("rpicam-vid");
        CsiSource::new(0, SIZE, 30, 500_000, CameraControls::default()).with_program(program)
    }

    /// The command lines with which it was started.
    fn started(&self) -> Vec<String> {
        let told = fs::read_to_string(self.folder.join("started")).unwrap_or_default();
        told.lines().map(str::to_owned).collect()
    }

    /// Captures for a while; what came out, and when after the beginning.
    fn capture(&self, d: Duration) -> Vec<(bool, Duration)> {
        let clock = MediaClock::new(Instant::now());
        let (mut output, mut input): (_, VideoInput) =
            VideoOutput::new(clock, FeedControl::default());
        let stop = Stop::default();
        let (ending, mut source) = (stop.clone(), self.source());
        let capture = Capture {
            config: EncoderConfig {
                size: SIZE,
                fps: 30,
                bitrate_bps: 500_000,
                max_bitrate_bps: 500_000,
            },
            codec: CodecWish::Any,
            encoders: Encoders::new(EncoderChoice::Software),
            taps: Taps::default(),
        };
        let capturing = thread::spawn(move || {
            let mut open = |_: CodecWish| -> Result<Box<dyn Camera>, CameraError> {
                Ok(Box::new(source.open()?))
            };
            camera::run(&mut open, capture, &mut output, &ending);
        });
        let (begun, mut frames) = (Instant::now(), Vec::new());
        while begun.elapsed() < d {
            match input.0.try_recv() {
                Some(frame) => frames.push((frame.key, begun.elapsed())),
                None => thread::sleep(Duration::from_millis(5)),
            }
        }
        stop.set();
        capturing.join().expect("it ends");
        frames
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Frames one after the other, and why there are no more.
fn read_all(camera: &mut CsiCamera) -> (Vec<Vec<u8>>, CameraError) {
    let mut frames = Vec::new();
    loop {
        match camera.next_frame(Duration::from_secs(3)) {
            Ok(frame) => frames.push(frame.data.to_vec()),
            Err(error) => return (frames, error),
        }
    }
}

#[test]
fn each_frame_comes_as_it_is_written_and_the_end_is_told() {
    let does = format!("{PLAY}; echo first >&2; echo 'ERROR: *** no cameras *** ' >&2; exit 3");
    let program = StandIn::new(&does);
    let mut camera = program.source().open().expect("it starts");
    let begun = Instant::now();
    camera.next_frame(Duration::from_secs(3)).expect("a frame");
    let first = begun.elapsed();
    let (frames, error) = read_all(&mut camera);
    // One was taken, and the last goes with the end of the stream.
    assert!((57..=59).contains(&frames.len()), "{} frames", frames.len());
    let text = error.to_string();
    assert!(
        text.starts_with("rpicam-vid ended with status 3 (ERROR: *** no cameras ***)"),
        "{text}"
    );
    println!("the first frame after {first:?}");
    let started = program.started();
    assert!(started[0].contains("--intra 30 --inline --flush --low-latency"));
}

#[test]
fn a_frame_does_not_wait_for_the_next() {
    // Twice a second: a frame that waits for the next would be 500 ms late.
    let does = "for frame in $frames/*; do date +%s%N >>$folder/times; cat $frame; sleep 0.5; done";
    let program = StandIn::new(does);
    let mut source = program.source();
    source.settings.fps = 2;
    let mut camera = source.open().expect("it starts");
    for _ in 0..3 {
        let frame = camera.next_frame(Duration::from_secs(5)).expect("a frame");
        // From its first byte on; a pause of an eighth of a frame ends it.
        assert!(frame.age < Duration::from_millis(300), "{:?}", frame.age);
    }
}

#[test]
fn a_program_that_dies_is_started_again() {
    let program = StandIn::new("for frame in $frames/00*; do cat $frame; sleep 0.03; done; exit 1");
    let frames = program.capture(Duration::from_secs(4));
    let started = program.started().len();
    let keys = frames.iter().filter(|(key, _)| *key).count();
    println!(
        "{} frames, {keys} key frames, {started} starts",
        frames.len()
    );
    assert!(started >= 3, "{started} starts");
    assert!(frames.len() >= 15 && keys >= 2, "{frames:?}");
    assert!(frames[0].0, "a stream begins with a key frame");
}

#[test]
fn a_program_that_hangs_is_ended_and_started_again() {
    let program =
        StandIn::new("for frame in $frames/00*; do cat $frame; sleep 0.03; done; exec sleep 1000");
    let frames = program.capture(Duration::from_secs(5));
    let times: Vec<Duration> = frames.iter().map(|(_, at)| *at).collect();
    let gap = times.windows(2).map(|pair| pair[1] - pair[0]).max();
    let gap = gap.expect("frames");
    println!("{} frames, longest gap {gap:?}", frames.len());
    assert!(program.started().len() >= 2);
    // A second is the stall; the program starts at once.
    assert!(gap >= Duration::from_millis(900), "{gap:?}");
    assert!(gap < Duration::from_secs(3), "{gap:?}");
}

#[test]
fn nonsense_is_told() {
    let program = StandIn::new("yes nonsense");
    let mut camera = program.source().open().expect("it starts");
    let (frames, error) = read_all(&mut camera);
    assert!(frames.is_empty());
    assert!(matches!(error, CameraError::NotH264 { .. }), "{error}");
    let absent = CsiSource::new(0, SIZE, 30, 1, CameraControls::default())
        .with_program("/nonexistent/rpicam-vid".into())
        .open()
        .err()
        .expect("no program");
    assert!(!absent.to_string().contains('\n'), "{absent}");
}

#[test]
fn another_bitrate_starts_it_anew_and_the_old_one_is_gone() {
    let program = StandIn::new(&format!("while true; do {PLAY}; done"));
    let mut camera = program.source().open().expect("it starts");
    let wait = Duration::from_secs(3);
    camera.next_frame(wait).expect("a frame");
    assert!(camera.set_bitrate(600_000));
    camera.started = Instant::now() - RESTART_SPACING;
    camera.next_frame(wait).expect("a frame");
    assert_eq!(program.started().len(), 1, "a fifth more is no reason");
    camera.set_bitrate(200_000);
    camera.next_frame(wait).expect("a frame of the new one");
    camera.set_bitrate(900_000);
    camera.next_frame(wait).expect("a frame of the same");
    let started = program.started();
    assert_eq!(started.len(), 2, "not so soon again");
    assert!(started[1].contains("--bitrate 200000"), "{}", started[1]);
}
