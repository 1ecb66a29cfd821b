//! Plays a recording in real time, for ever.

use std::time::{Duration, Instant};

use super::{FileError, FileErrorReason, Recording};
use crate::backoff::Backoff;
use crate::clock::Pace;
use crate::output::VideoOutput;
use crate::publish::FeedCount;
use crate::stop::Stop;
use crate::taps::Taps;

/// A loop shorter than this is held for as long, or it would spin.
const SHORTEST_LOOP: Duration = Duration::from_millis(33);

/// Played for so long, a recording works: what comes next is a new failure.
const WORKED: Duration = Duration::from_secs(60);

/// Plays `recording` until told to stop. One that is changed or cut off
/// meanwhile is opened again, like a camera, until it can be played.
pub fn play_for_ever(
    mut recording: Recording,
    fps: u32,
    taps: &mut Taps,
    output: &mut VideoOutput,
    stop: &Stop,
) {
    let path = recording.path().to_owned();
    let mut backoff = Backoff::default();
    loop {
        let begun = Instant::now();
        let Err(mut error) = play(&mut recording, taps, output, stop) else {
            return;
        };
        if begun.elapsed() >= WORKED {
            backoff.worked();
        }
        recording = loop {
            if !backoff.failed(&error, stop) {
                return;
            }
            match Recording::open(&path, fps) {
                Ok(recording) => break recording,
                Err(again) => error = again,
            }
        };
        tracing::info!(file = %path.display(), "recording opened again");
        output.break_off();
    }
}

/// Plays `recording` into `output`, from the beginning again after the end and
/// after every pause, until told to stop. Time goes on across the seam.
pub fn play(
    recording: &mut Recording,
    taps: &mut Taps,
    output: &mut VideoOutput,
    stop: &Stop,
) -> Result<(), FileError> {
    if recording.has_long_gops() {
        tracing::warn!(
            file = %recording.path().display(),
            seconds = recording.longest_gop.as_secs(),
            "key frames are far apart: who joins late waits for the next one; \
             encode the recording with `-g 60` to shorten that"
        );
    }
    if recording.is_cut_off() {
        tracing::warn!(
            file = %recording.path().display(),
            "the recording is cut off: what is there is played; copy or record it again"
        );
    }
    let mut pace = Pace::new(Instant::now());
    // Media time of the recording's beginning in this round, and of its end.
    let (mut begin, mut end) = (Duration::ZERO, Duration::ZERO);
    let mut first_at = None;
    let mut was_paused = false;
    while !stop.is_set() {
        let paused = output.control().is_paused();
        let resumed = was_paused && !paused;
        was_paused = paused;
        let unit = if resumed {
            None
        } else {
            recording.next_unit()?
        };
        let Some(unit) = unit else {
            if first_at.is_none() && !resumed {
                return Err(FileError {
                    path: recording.path().to_owned(),
                    reason: FileErrorReason::NoKeyFrame,
                });
            }
            recording.rewind()?;
            output.break_off();
            begin = end.max(begin + SHORTEST_LOOP);
            first_at = None;
            continue;
        };
        let first = *first_at.get_or_insert(unit.at);
        let due = begin + unit.at.saturating_sub(first);
        end = due + unit.duration;
        let Some(at) = pace.wait(due, stop) else {
            break;
        };
        if unit.key {
            // It answers whoever asked.
            output.control().take_key_frame_request();
        }
        // A recording makes no key frame for anybody.
        let _ = taps.take_unit(&unit.data, at, unit.key);
        output.control().add(FeedCount::Captured, 1);
        output.send(unit.data, at, unit.key);
    }
    Ok(())
}
