//! What a simulated robot's lines did.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The trace of a simulated robot.
pub struct Lines(PathBuf);

/// One edge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    /// When, in microseconds of CLOCK_MONOTONIC.
    pub at: u64,
    /// Which line.
    pub line: String,
    /// To what.
    pub value: i32,
}

impl Lines {
    /// That of the file at `path`.
    pub fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// All edges of a line so far.
    pub fn edges(&self, line: &str) -> Vec<Edge> {
        let text = fs::read_to_string(&self.0).unwrap_or_default();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole
            .lines()
            .map(|text| {
                let mut words = text.split(' ');
                let mut word = || words.next().expect("three words");
                Edge {
                    at: word().parse().expect("microseconds"),
                    line: word().to_owned(),
                    value: word().parse().expect("a value"),
                }
            })
            .filter(|edge| edge.line == line)
            .collect()
    }

    /// Whether it has power now.
    pub fn is_powered(&self) -> bool {
        let last = self.edges("enable").pop();
        last.is_some_and(|edge| edge.value == 1)
    }

    /// When it obeyed its last command that moved it before `stands`: each is to have a speed of its own.
    #[track_caller]
    pub fn last_command(&self, stands: u64) -> u64 {
        let edges = self.edges("left");
        let moved = edges
            .iter()
            .rfind(|edge| edge.value != 0 && edge.at <= stands);
        moved.expect("it moved").at
    }

    /// Waits until it has power, or has none, and tells since when.
    #[track_caller]
    pub fn wait_for_power(&self, power: bool, within: Duration) -> u64 {
        let deadline = Instant::now() + within;
        loop {
            match self.edges("enable").pop() {
                Some(edge) if (edge.value == 1) == power => return edge.at,
                edge => assert!(
                    Instant::now() < deadline,
                    "no power={power} within {within:?}; the last edge is {edge:?}"
                ),
            }
            sleep(Duration::from_millis(5));
        }
    }
}
