//! Where a source's pictures go besides the encoder of the stream itself.

use std::time::Instant;

use crate::second::SecondLane;
use crate::still::Stills;
use transom_picture::Picture;

/// Still pictures for who asks, and a second, smaller stream.
#[derive(Debug, Default)]
pub struct Taps {
    /// One picture at a time, when it is wanted.
    pub stills: Stills,
    /// The second stream, where one is configured.
    pub second: Option<SecondLane>,
}

impl Taps {
    /// Whether the picture captured at `at` is of use here, though nobody may
    /// watch the stream itself.
    pub fn want(&self, at: Instant) -> bool {
        let second = self.second.as_ref();
        self.stills.is_wanted() || second.is_some_and(|lane| lane.wants(at))
    }

    /// Takes what is of use of a picture.
    pub fn take(&mut self, picture: &Picture, at: Instant) {
        self.stills.put(picture, at);
        if let Some(lane) = &mut self.second {
            lane.put(picture, at);
        }
    }

    /// Takes what is of use of an access unit that is passed through. Whether a
    /// key frame is needed.
    pub fn take_unit(&mut self, unit: &[u8], at: Instant, key: bool) -> bool {
        if key {
            self.stills.put_key_frame(unit, at);
        }
        let Some(lane) = &mut self.second else {
            return false;
        };
        lane.put_unit(unit, at, key);
        lane.needs_key_frame()
    }
}
