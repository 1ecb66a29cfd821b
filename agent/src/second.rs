//! A second, smaller stream of the same camera.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::thread;
use std::time::Instant;

use openh264::decoder::Decoder;
use transom_boards_hal::FrameSize;

use crate::publish::{FeedControl, FeedCount};
use crate::slot::Slot;
use crate::source::Thinning;
use crate::still;
use transom_picture::Picture;
use transom_picture::{fit, scale};

/// Coded pictures that wait to be decoded: a quarter of a second at 30 a second.
const UNITS: usize = 8;

/// What the capturing side and the second stream's encoder share.
#[derive(Debug)]
pub struct Second {
    /// Where its encoder takes its pictures from.
    pub slot: Slot,
    /// The wishes of its publisher.
    control: FeedControl,
    /// The size into which pictures are to fit.
    room: FrameSize,
}

impl Second {
    /// A second stream of pictures that fit into `room`.
    pub fn new(control: FeedControl, room: FrameSize) -> Self {
        Self {
            slot: Slot::default(),
            control,
            room,
        }
    }

    /// Makes `picture` small enough and hands it to the encoder.
    fn put(&self, picture: &Picture, at: Instant) {
        let size = fit(picture.size(), self.room);
        let spare = self.slot.spare().filter(|spare| spare.size() == size);
        let mut small = spare.unwrap_or_else(|| Picture::new(size));
        scale(picture, &mut small);
        self.control.add(FeedCount::Captured, 1);
        self.slot.put(small, at);
    }
}

/// The capturing side of a second stream.
#[derive(Debug)]
pub struct SecondLane {
    shared: Arc<Second>,
    thinning: Thinning,
    decoding: Option<Decoding>,
}

impl SecondLane {
    /// At most `fps` pictures a second go to `shared`.
    pub fn new(shared: Arc<Second>, fps: u32) -> Self {
        Self {
            shared,
            thinning: Thinning::new(fps),
            decoding: None,
        }
    }

    /// Whether a picture captured at `at` is of use.
    pub fn wants(&self, at: Instant) -> bool {
        !self.shared.control.is_paused() && self.thinning.is_due(at)
    }

    /// Takes a picture, if it is of use.
    pub fn put(&mut self, picture: &Picture, at: Instant) {
        if !self.shared.control.is_paused() && self.thinning.wants(at) {
            self.shared.put(picture, at);
        }
    }

    /// Takes an access unit, to be decoded on a thread of its own. Drop policy:
    /// where that cannot keep up, all goes by until the next key frame.
    pub fn put_unit(&mut self, unit: &[u8], at: Instant, key: bool) {
        if self.shared.control.is_paused() {
            // Its thread ends; the next one begins with a key frame.
            self.decoding = None;
            return;
        }
        let wanted = self.thinning.wants(at);
        let decoding = match &mut self.decoding {
            Some(decoding) => decoding,
            none => match Decoding::start(&self.shared) {
                Some(decoding) => none.insert(decoding),
                None => return,
            },
        };
        let unit = CodedPicture {
            data: unit.to_vec(),
            at,
            key,
            wanted,
        };
        let lost = decoding.put(unit);
        self.shared.control.add(FeedCount::EncoderBusy, lost);
    }

    /// Whether nothing can be decoded before the next key frame.
    pub fn needs_key_frame(&self) -> bool {
        let decoding = self.decoding.as_ref();
        decoding.is_some_and(|decoding| decoding.broken.load(Ordering::Acquire))
    }
}

#[derive(Debug)]
struct CodedPicture {
    data: Vec<u8>,
    at: Instant,
    key: bool,
    /// Whether it is to be shown; all must be decoded.
    wanted: bool,
}

/// The thread that decodes.
#[derive(Debug)]
struct Decoding {
    units: SyncSender<CodedPicture>,
    /// What comes next refers to what was lost.
    broken: Arc<AtomicBool>,
}

impl Decoding {
    fn start(shared: &Arc<Second>) -> Option<Self> {
        let (units, waiting) = mpsc::sync_channel(UNITS);
        let broken = Arc::new(AtomicBool::new(true));
        let (shared, lost) = (Arc::clone(shared), Arc::clone(&broken));
        let run = move || decode_all(&waiting, &shared, &lost);
        let thread = thread::Builder::new().name("video-second-decode".to_owned());
        match thread.spawn(run) {
            Ok(_) => Some(Self { units, broken }),
            Err(error) => {
                tracing::warn!("no thread for the second stream: {error}");
                None
            }
        }
    }

    /// How many were lost.
    fn put(&self, unit: CodedPicture) -> u64 {
        if unit.key {
            self.broken.store(false, Ordering::Release);
        } else if self.broken.load(Ordering::Acquire) {
            return 1;
        }
        match self.units.try_send(unit) {
            Ok(()) => 0,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.broken.store(true, Ordering::Release);
                1
            }
        }
    }
}

/// Decodes until the other end is gone.
fn decode_all(units: &Receiver<CodedPicture>, shared: &Second, broken: &AtomicBool) {
    let mut decoder = None;
    for unit in units {
        if unit.key {
            decoder = Decoder::new().ok();
        }
        let Some(decoder) = &mut decoder else {
            continue;
        };
        match decoder.decode(&unit.data) {
            Ok(Some(decoded)) if unit.wanted => {
                if let Some(picture) = still::copy(&decoded) {
                    shared.put(&picture, unit.at);
                }
            }
            Ok(_) => {}
            Err(error) => {
                tracing::debug!(%error, "the second stream lost a picture");
                broken.store(true, Ordering::Release);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::{EncoderConfig, H264Encoder as _, SoftwareEncoder};
    use crate::slot::Taken;
    use std::time::Duration;

    const ROOM: FrameSize = FrameSize::new(64, 64);

    fn lane(fps: u32) -> (SecondLane, Arc<Second>, FeedControl) {
        let control = FeedControl::default();
        let shared = Arc::new(Second::new(control.clone(), ROOM));
        (SecondLane::new(Arc::clone(&shared), fps), shared, control)
    }

    fn taken(second: &Second) -> Option<Picture> {
        match second.slot.take(Duration::from_secs(5)) {
            Taken::Picture(picture, _) => Some(picture),
            Taken::Nothing | Taken::Closed => None,
        }
    }

    #[test]
    fn pictures_are_made_small_and_few() {
        let (mut lane, shared, control) = lane(10);
        let start = Instant::now();
        let picture = Picture::new(FrameSize::new(128, 96));
        let mut count = 0;
        for frame in 0..30 {
            let at = start + Duration::from_millis(frame * 33);
            count += u32::from(lane.wants(at));
            lane.put(&picture, at);
        }
        assert_eq!(count, 10);
        let small = taken(&shared).expect("a picture");
        assert_eq!(small.size(), FrameSize::new(64, 48));
        control.pause();
        assert!(!lane.wants(start + Duration::from_secs(9)));
    }

    #[test]
    fn coded_pictures_are_decoded_from_a_key_frame_on() {
        let (mut lane, shared, _control) = lane(30);
        let size = FrameSize::new(128, 96);
        let mut encoder = SoftwareEncoder::new(&EncoderConfig {
            size,
            fps: 30,
            bitrate_bps: 500_000,
            max_bitrate_bps: 500_000,
        })
        .expect("an encoder");
        let mut picture = Picture::new(size);
        let start = Instant::now();
        let mut units = Vec::new();
        for luma in [60, 120] {
            picture.fill(0, 0, 128, 96, luma);
            let mut unit = Vec::new();
            let at = Duration::from_millis(units.len() as u64 * 33);
            encoder
                .encode(&picture, at, false, &mut unit)
                .expect("a unit");
            units.push((unit, start + at));
        }
        lane.put_unit(&units[1].0, units[1].1, false);
        assert!(lane.needs_key_frame());
        for (n, (unit, at)) in units.iter().enumerate() {
            lane.put_unit(unit, *at + Duration::from_secs(1), n == 0);
            let small = taken(&shared).expect("a picture");
            let luma = small.planes().0[0];
            let expected = if n == 0 { 60_u8 } else { 120 };
            assert!(luma.abs_diff(expected) <= 4, "{luma}");
        }
        assert!(!lane.needs_key_frame());
    }
}
