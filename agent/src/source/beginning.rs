//! A coded stream that never begins: nobody can decode it, and nothing else would say why.

use std::fmt;
use std::time::{Duration, Instant};

use transom_rtc_proto::codec::h264::{AnnexB, NalType};

/// How long a stream may be without a beginning: cameras make a key frame every second, some every five.
const PATIENCE: Duration = Duration::from_secs(10);

/// Watches a stream from its first picture on.
#[derive(Debug, Default)]
pub(super) struct Beginning {
    first: Option<Instant>,
    /// There was an IDR picture, without its parameter sets.
    bare: bool,
    /// It has begun, or was told of.
    over: bool,
}

/// Why nothing can be decoded. The text names the mend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NeverBegins {
    NoParameterSets,
    NoKeyFrame,
}

impl fmt::Display for NeverBegins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lack = match self {
            Self::NoParameterSets => "gives key frames without SPS and PPS",
            Self::NoKeyFrame => "gives no key frame",
        };
        write!(
            f,
            "the camera's H.264 cannot be decoded by anybody: in {} s it {lack}. \
             Set its encoder to repeat them (often \"repeat headers\" or \"inline headers\"), \
             or choose [video] format = \"mjpeg\" or \"raw\"",
            PATIENCE.as_secs()
        )
    }
}

impl Beginning {
    /// A picture of the stream, `key` where it can be begun with. What is to be told, once.
    pub(super) fn picture(&mut self, at: Instant, unit: &[u8], key: bool) -> Option<NeverBegins> {
        self.over |= key;
        if self.over {
            return None;
        }
        self.bare |= AnnexB::new(unit).any(|nal| NalType::of(nal) == Some(NalType::Idr));
        let first = *self.first.get_or_insert(at);
        if at.saturating_duration_since(first) < PATIENCE {
            return None;
        }
        self.over = true;
        Some(match self.bare {
            true => NeverBegins::NoParameterSets,
            false => NeverBegins::NoKeyFrame,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is told of a stream whose pictures come once a second, a key frame each fifth.
    fn told(seconds: u64, idr: bool, sets_from: u64) -> Vec<(u64, NeverBegins)> {
        let (mut beginning, start) = (Beginning::default(), Instant::now());
        let told = (0..seconds).filter_map(|second| {
            let at = start + Duration::from_secs(second);
            let (idr, slice) = match idr && second % 5 == 0 {
                true => (true, [0, 0, 1, 0x65, 0x88]),
                false => (false, [0, 0, 1, 0x41, 0x9a]),
            };
            let told = beginning.picture(at, &slice, idr && second >= sets_from);
            Some((second, told?))
        });
        told.collect()
    }

    #[test]
    fn what_never_begins_is_told_once() {
        assert_eq!(
            told(60, true, u64::MAX),
            [(10, NeverBegins::NoParameterSets)]
        );
        assert_eq!(told(60, false, 0), [(10, NeverBegins::NoKeyFrame)]);
        for lack in [NeverBegins::NoParameterSets, NeverBegins::NoKeyFrame] {
            assert!(lack.to_string().contains("format = \"mjpeg\""), "{lack}");
        }
    }

    #[test]
    fn what_begins_late_or_lasts_for_long_is_left_alone() {
        assert_eq!(told(60, true, 0), []);
        assert_eq!(told(60, true, 5), []);
    }
}
