//! The end of every capture thread: stamps frames and queues them.

use std::time::Instant;

use tokio::sync::watch;
use transom_rtc_proto::codec::h264::{AnnexB, Sps};

use crate::clock::MediaClock;
use crate::publish::{
    AUDIO_CLOCK_HZ, AudioFrame, FeedControl, FeedCount, VIDEO_CLOCK_HZ, VideoFormat, VideoFrame,
};
use crate::queue::{self, Receiver, Sender};

/// Frames that may wait for the publisher: a quarter of a second at 30 a second.
const VIDEO_DEPTH: usize = 8;
/// Packets that may wait for the publisher: 200 ms.
const AUDIO_DEPTH: usize = 10;

/// Where encoded pictures go.
#[derive(Debug)]
pub struct VideoOutput {
    clock: MediaClock,
    control: FeedControl,
    queue: Sender<VideoFrame>,
    format: watch::Sender<Option<VideoFormat>>,
    /// A frame was lost, or the feed was paused: what refers to it is useless.
    broken: bool,
}

/// The other end of a [`VideoOutput`].
pub type VideoInput = (Receiver<VideoFrame>, watch::Receiver<Option<VideoFormat>>);

impl VideoOutput {
    /// An output and its other end.
    pub fn new(clock: MediaClock, control: FeedControl) -> (Self, VideoInput) {
        let (sender, receiver) = queue::bounded(VIDEO_DEPTH);
        let (format, format_seen) = watch::channel(None);
        let output = Self {
            clock,
            control,
            queue: sender,
            format,
            broken: true,
        };
        (output, (receiver, format_seen))
    }

    /// The wishes of the publisher.
    pub fn control(&self) -> &FeedControl {
        &self.control
    }

    /// The clock of the feed.
    pub fn clock(&self) -> &MediaClock {
        &self.clock
    }

    /// What comes next does not follow from what came before.
    pub fn break_off(&mut self) {
        self.broken = true;
    }

    /// Queues an access unit; one that refers to a lost frame is dropped and a
    /// key frame asked for.
    pub fn send(&mut self, data: Vec<u8>, at: Instant, key: bool) {
        if self.control.is_paused() {
            self.broken = true;
            return;
        }
        if self.queue.is_full() {
            // Late pictures help nobody, and what follows a gap cannot be
            // decoded: begin anew at the next key frame.
            let dropped = self.queue.drop_all();
            self.control.add(FeedCount::Late, dropped);
            self.broken = true;
        }
        if key {
            self.announce(&data);
            self.broken = false;
        } else if self.broken {
            self.control.add(FeedCount::Undecodable, 1);
            self.control.request_key_frame();
            return;
        }
        let frame = VideoFrame {
            data,
            capture: self.clock.capture(at),
            timestamp: self.clock.rtp(at, VIDEO_CLOCK_HZ),
            key,
        };
        self.control.add(FeedCount::Frames, 1);
        self.queue.push(frame);
    }

    /// Tells the publisher the format when it is new.
    fn announce(&self, key_unit: &[u8]) {
        let Some(sps) = AnnexB::new(key_unit).find_map(|nal| Sps::parse(nal).ok()) else {
            return;
        };
        let format = Some(VideoFormat {
            profile_level_id: sps.profile_level_id(),
            width: sps.width,
            height: sps.height,
        });
        self.format.send_if_modified(|known| {
            let new = *known != format;
            *known = format;
            new
        });
    }
}

/// Where Opus packets go.
#[derive(Debug)]
pub struct AudioOutput {
    clock: MediaClock,
    control: FeedControl,
    queue: Sender<AudioFrame>,
}

impl AudioOutput {
    /// An output and its other end.
    pub fn new(clock: MediaClock, control: FeedControl) -> (Self, Receiver<AudioFrame>) {
        let (sender, receiver) = queue::bounded(AUDIO_DEPTH);
        let output = Self {
            clock,
            control,
            queue: sender,
        };
        (output, receiver)
    }

    /// The clock of the feed.
    pub fn clock(&self) -> &MediaClock {
        &self.clock
    }

    /// Where things are counted.
    pub fn control(&self) -> &FeedControl {
        &self.control
    }

    /// Whether nobody listens.
    pub fn is_paused(&self) -> bool {
        self.control.is_paused()
    }

    /// The RTP timestamp of a moment.
    pub fn timestamp(&self, at: Instant) -> u32 {
        self.clock.rtp(at, AUDIO_CLOCK_HZ)
    }

    /// Queues a packet whose first sample was captured at `at`.
    pub fn send(&self, packet: Vec<u8>, at: Instant, timestamp: u32) {
        if self.is_paused() {
            return;
        }
        self.control.add(FeedCount::Sound, 1);
        let full = self.queue.push(AudioFrame {
            packet,
            capture: self.clock.capture(at),
            timestamp,
        });
        self.control.add(FeedCount::SoundLate, full.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An SPS of 640x480 and the beginning of an IDR slice.
    const KEY: &[u8] = &[
        0, 0, 0, 1, 0x67, 0x42, 0xc0, 0x1f, 0xf4, 0x05, 0x01, 0xe8, 0x80, 0, 0, 0, 1, 0x65, 0x88,
    ];
    const DELTA: &[u8] = &[0, 0, 0, 1, 0x41, 1];

    fn output() -> (VideoOutput, VideoInput) {
        VideoOutput::new(MediaClock::new(Instant::now()), FeedControl::default())
    }

    fn send(output: &mut VideoOutput, key: bool) {
        let data = if key { KEY } else { DELTA };
        output.send(data.to_vec(), Instant::now(), key);
    }

    #[test]
    fn a_stream_begins_with_a_key_frame_and_its_format() {
        let (mut output, (mut frames, format)) = output();
        output.control().take_key_frame_request();
        send(&mut output, false);
        assert!(frames.try_recv().is_none());
        assert!(output.control().take_key_frame_request());
        send(&mut output, true);
        send(&mut output, false);
        assert!(frames.try_recv().expect("the key frame").key);
        assert!(!frames.try_recv().expect("what follows it").key);
        let known = format.borrow().expect("the format");
        assert_eq!(known.to_string(), "H264/42c01f 640x480");
    }

    #[test]
    fn after_an_overflow_only_a_key_frame_goes_on() {
        let (mut output, (mut frames, _format)) = output();
        send(&mut output, true);
        output.control().take_key_frame_request();
        for _ in 0..8 {
            send(&mut output, false);
        }
        assert!(output.control().key_frame_wanted());
        assert!(frames.try_recv().is_none());
        assert_eq!(frames.dropped(), 8);
        send(&mut output, false);
        assert!(frames.try_recv().is_none());
        send(&mut output, true);
        assert!(frames.try_recv().expect("the key frame").key);
    }

    #[test]
    fn a_pause_is_followed_by_a_key_frame() {
        let (mut output, (mut frames, _format)) = output();
        send(&mut output, true);
        let _ = frames.try_recv();
        output.control().take_key_frame_request();
        output.control().pause();
        send(&mut output, false);
        output.control().resume();
        assert!(output.control().key_frame_wanted());
        send(&mut output, false);
        assert!(frames.try_recv().is_none());
        send(&mut output, true);
        assert!(frames.try_recv().expect("the key frame").key);
    }
}
