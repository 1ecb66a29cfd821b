//! A recorded publisher: `data/chromium.trace`, one packet a line.

use std::time::Duration;

use transom_rtc_proto::sdp::MediaKind;

use super::{Schedule, Slot};

/// Recorded by tests/browser/bench/record-trace.js.
const CHROMIUM: &str = include_str!("../../data/chromium.trace");

/// From the last packet of the recording to the first of its repetition.
const SEAM: Duration = Duration::from_millis(20);

pub(super) fn chromium() -> Schedule {
    parse(CHROMIUM)
}

/// Lines of another form are passed over: a test holds that the file has none.
fn parse(text: &str) -> Schedule {
    let lines: Vec<Line> = text.lines().filter_map(Line::parse).collect();
    // The recording may begin or end within a frame: only whole ones are repeated.
    let marks = |l: &&Line| l.kind == MediaKind::Video && l.marker;
    let first_mark = lines.iter().find(marks).map_or(Duration::ZERO, |l| l.at);
    let last_mark = lines.iter().rfind(marks).map_or(Duration::ZERO, |l| l.at);
    let mut slots = Vec::with_capacity(lines.len());
    let mut frame: Vec<Line> = Vec::new();
    for line in lines {
        if line.kind == MediaKind::Audio {
            slots.push(Slot::sound(line.at, line.len));
            continue;
        }
        if line.at <= first_mark || line.at > last_mark {
            continue;
        }
        frame.push(line);
        if line.marker {
            let captured = frame.first().map_or(line.at, |l| l.at);
            let of = frame.len();
            slots.extend(frame.drain(..).enumerate().map(|(index, l)| Slot {
                at: l.at,
                captured,
                kind: l.kind,
                len: l.len,
                index,
                of,
            }));
        }
    }
    let end = slots.iter().map(|s| s.at).max().unwrap_or_default();
    Schedule::new(slots, end + SEAM)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Line {
    at: Duration,
    kind: MediaKind,
    len: usize,
    marker: bool,
}

impl Line {
    /// `<microseconds> <v|a> <bytes of payload> <marker>`
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let line = Self {
            at: Duration::from_micros(words.next()?.parse().ok()?),
            kind: match words.next()? {
                "v" => MediaKind::Video,
                "a" => MediaKind::Audio,
                _ => return None,
            },
            len: words.next()?.parse().ok()?,
            marker: words.next()? == "1",
        };
        words.next().is_none().then_some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_recording_is_read() {
        let packets = CHROMIUM.lines().filter(|l| !l.starts_with('#'));
        assert!(packets.clone().count() > 4000);
        for line in packets {
            assert!(Line::parse(line).is_some(), "{line}");
        }
        let schedule = chromium();
        let frames = schedule.slots.iter().filter(|s| s.marker()).count();
        let seconds = schedule.period.as_secs_f64();
        assert!(
            (25.0..31.0).contains(&(frames as f64 / seconds)),
            "{frames}"
        );
        assert!(schedule.rate() > 200.0, "{}", schedule.rate());
    }

    #[test]
    fn frames_are_whole() {
        let text = "0 v 10 1\n5 a 3 0\n10 v 100 0\n12 a 4 0\n13 v 101 1\n20 v 100 0\n";
        let schedule = parse(text);
        let got: Vec<_> = schedule
            .slots
            .iter()
            .map(|s| {
                (
                    s.at.as_micros(),
                    s.captured.as_micros(),
                    s.len,
                    s.index,
                    s.of,
                )
            })
            .collect();
        assert_eq!(
            got,
            [
                (5, 5, 3, 0, 1),
                (10, 10, 100, 0, 2),
                (12, 12, 4, 0, 1),
                (13, 10, 101, 1, 2)
            ]
        );
    }

    #[test]
    fn other_lines_are_no_packets() {
        for line in ["", "# text", "1 x 5 0", "1 v five 0", "1 v 5", "1 v 5 0 0"] {
            assert_eq!(Line::parse(line), None, "{line}");
        }
    }
}
