//! A still picture of the camera, for whoever asks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use openh264::decoder::Decoder;
use openh264::formats::YUVSource as _;
use tokio::sync::watch;
use tokio::time::timeout;
use transom_boards_hal::FrameSize;

use crate::jpeg;
use transom_picture::Picture;

/// Who asks this soon after another gets the same picture.
const FRESH: Duration = Duration::from_millis(200);

/// The one picture that the sources leave here when one is wanted.
///
/// Nothing is copied while nobody asks, but for the key frames of a source that
/// is passed through: they are the only ones that can be shown by themselves.
#[derive(Clone, Debug)]
pub struct Stills(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    wanted: AtomicBool,
    latest: watch::Sender<Option<Arc<Still>>>,
}

/// A picture, in the form in which the source had it.
#[derive(Debug)]
pub struct Still {
    form: Form,
    at: Instant,
}

#[derive(Debug)]
enum Form {
    Picture(Picture),
    /// Of a camera that makes them: nothing is lost by coding it anew.
    Jpeg(Vec<u8>),
    /// A key frame of H.264, parameter sets in front.
    Coded(Vec<u8>),
}

/// Why there is no still picture. The message names the mend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StillError {
    /// None came.
    #[error(
        "the camera gives no picture now: look for it with `transom-agent doctor`, and try again"
    )]
    None,
    /// What came cannot be shown.
    #[error("the source's picture cannot be decoded: try again")]
    Damaged,
    /// It has a side that no JPEG has.
    #[error("the picture is too large for a JPEG: choose a smaller --size")]
    TooLarge,
}

impl Default for Stills {
    fn default() -> Self {
        Self(Arc::new(Shared {
            wanted: AtomicBool::new(false),
            latest: watch::Sender::new(None),
        }))
    }
}

impl Stills {
    /// Whether somebody waits for a picture.
    pub fn is_wanted(&self) -> bool {
        self.0.wanted.load(Ordering::Acquire)
    }

    /// Leaves a picture that was captured at `at`, if one is wanted.
    pub fn put(&self, picture: &Picture, at: Instant) {
        if self.is_wanted() {
            self.leave(Form::Picture(picture.clone()), at);
        }
    }

    /// Leaves a camera's JPEG, if one is wanted and it is one that others can
    /// show; where it is not, the picture in it still is wanted.
    pub fn put_jpeg(&self, data: &[u8], at: Instant) {
        if self.is_wanted() && jpeg::is_complete(data) {
            self.leave(Form::Jpeg(data.to_vec()), at);
        }
    }

    /// Leaves a key frame in Annex-B form, wanted or not: the next may be long
    /// in coming.
    pub fn put_key_frame(&self, unit: &[u8], at: Instant) {
        self.leave(Form::Coded(unit.to_vec()), at);
    }

    fn leave(&self, form: Form, at: Instant) {
        self.0.wanted.store(false, Ordering::Release);
        self.0
            .latest
            .send_replace(Some(Arc::new(Still { form, at })));
    }

    /// The next picture, at most `limit` from now. Of a source that is passed
    /// through, its latest key frame where no other comes in time.
    ///
    /// # Errors
    /// [`StillError::None`] where there is neither.
    pub async fn take(&self, limit: Duration) -> Result<Arc<Still>, StillError> {
        let mut latest = self.0.latest.subscribe();
        let known = latest.borrow_and_update().clone();
        if let Some(still) = known.filter(|still| still.age() < FRESH) {
            return Ok(still);
        }
        self.0.wanted.store(true, Ordering::Release);
        // It may have come between the look and the wish: then the next does.
        let came = timeout(limit, latest.changed()).await;
        let still = latest.borrow().clone();
        match (came, still) {
            (Ok(Ok(())), Some(still)) => Ok(still),
            (_, Some(still)) if still.is_coded() => Ok(still),
            _ => Err(StillError::None),
        }
    }
}

impl Still {
    /// How old it is.
    pub fn age(&self) -> Duration {
        self.at.elapsed()
    }

    fn is_coded(&self) -> bool {
        matches!(self.form, Form::Coded(_))
    }

    /// The picture as a JPEG. Takes some milliseconds.
    ///
    /// # Errors
    /// Where it cannot be decoded.
    pub fn to_jpeg(&self) -> Result<Vec<u8>, StillError> {
        match &self.form {
            Form::Picture(picture) => jpeg::encode(picture).ok_or(StillError::TooLarge),
            Form::Jpeg(data) => Ok(data.clone()),
            Form::Coded(unit) => {
                let picture = decode(unit).ok_or(StillError::Damaged)?;
                jpeg::encode(&picture).ok_or(StillError::TooLarge)
            }
        }
    }
}

fn decode(unit: &[u8]) -> Option<Picture> {
    let mut decoder = Decoder::new().ok()?;
    let picture = decoder.decode(unit).ok().flatten();
    match picture {
        Some(decoded) => copy(&decoded),
        None => {
            let flushed = decoder.flush_remaining().ok()?;
            copy(flushed.first()?)
        }
    }
}

/// A copy of what a decoder shows.
pub(crate) fn copy(decoded: &openh264::decoder::DecodedYUV<'_>) -> Option<Picture> {
    let (width, height) = decoded.dimensions();
    let size = FrameSize::new(u32::try_from(width).ok()?, u32::try_from(height).ok()?);
    let mut picture = Picture::new(size);
    let (width, (y_row, u_row, v_row)) = (picture.width(), decoded.strides());
    let (y, u, v) = picture.planes_mut();
    for (to, from, row, width) in [
        (y, decoded.y(), y_row, width),
        (u, decoded.u(), u_row, width / 2),
        (v, decoded.v(), v_row, width / 2),
    ] {
        let lines = to.chunks_exact_mut(width.max(1));
        for (to, from) in lines.zip(from.chunks(row.max(1))) {
            to.copy_from_slice(from.get(..width)?);
        }
    }
    Some(picture)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::{EncoderConfig, H264Encoder as _, SoftwareEncoder};
    use crate::jpeg::tests::mean;

    const SIZE: FrameSize = FrameSize::new(64, 48);
    const LIMIT: Duration = Duration::from_millis(300);

    fn picture(luma: u8) -> Picture {
        let mut picture = Picture::new(SIZE);
        picture.fill(0, 0, 64, 48, luma);
        picture
    }

    #[tokio::test]
    async fn a_picture_is_left_only_for_who_asks() {
        let stills = Stills::default();
        stills.put(&picture(200), Instant::now());
        assert_eq!(stills.take(LIMIT).await.err(), Some(StillError::None));
        let source = stills.clone();
        let capturing = tokio::spawn(async move {
            while !source.is_wanted() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            source.put(&picture(180), Instant::now());
        });
        let (one, two) = tokio::join!(stills.take(LIMIT), stills.take(LIMIT));
        capturing.await.expect("it puts one");
        for still in [one, two] {
            let jpeg = still.expect("a picture").to_jpeg().expect("a JPEG");
            assert!(mean(&jpeg).abs_diff(180) <= 3, "{}", mean(&jpeg));
        }
        assert!(!stills.is_wanted());
    }

    #[tokio::test]
    async fn of_coded_pictures_the_latest_key_frame_serves() {
        let mut encoder = SoftwareEncoder::new(&EncoderConfig {
            size: SIZE,
            fps: 30,
            bitrate_bps: 500_000,
            max_bitrate_bps: 500_000,
        })
        .expect("an encoder");
        let mut unit = Vec::new();
        encoder
            .encode(&picture(90), Duration::ZERO, true, &mut unit)
            .expect("a key frame");
        let stills = Stills::default();
        let before = Instant::now() - Duration::from_secs(5);
        stills.put_key_frame(&unit, before);
        let still = stills.take(Duration::from_millis(20)).await;
        let still = still.expect("the key frame");
        assert!(still.age() >= Duration::from_secs(5));
        let luma = mean(&still.to_jpeg().expect("a JPEG"));
        assert!(luma.abs_diff(90) <= 3, "{luma}");
        stills.put_key_frame(&[0, 0, 0, 1, 0x65, 1, 2, 3], Instant::now());
        let still = stills.take(LIMIT).await.expect("what was put");
        assert_eq!(still.to_jpeg().err(), Some(StillError::Damaged));
    }
}
