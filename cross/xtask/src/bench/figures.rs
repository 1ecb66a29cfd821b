//! What the load generator prints: `key=value` lines.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use crate::failure::Failure;

/// The figures of one run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures(BTreeMap<String, String>);

impl Figures {
    /// Runs `command` and reads its figures. Its last words are the failure's.
    pub(crate) fn of(mut command: Command) -> Result<Self, Failure> {
        let output = command
            .stdin(Stdio::null())
            .output()
            .map_err(Failure::io(command.get_program().display()))?;
        if output.status.success() {
            return Ok(Self::parse(&String::from_utf8_lossy(&output.stdout)));
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().rfind(|line| !line.trim().is_empty());
        let last = last.unwrap_or("it failed without a word");
        Err(Failure::new(
            last.strip_prefix("transom-load: ").unwrap_or(last),
        ))
    }

    pub(super) fn parse(text: &str) -> Self {
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        Self(
            pairs
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
        )
    }

    /// A figure that is no number.
    pub(crate) fn text(&self, key: &str) -> &str {
        self.0.get(key).map_or("", String::as_str)
    }

    /// A figure; `None` where it was not measured.
    pub(crate) fn number(&self, key: &str) -> Option<f64> {
        self.0.get(key)?.parse().ok()
    }
}

/// The pairs of a figure that has one for each thread: `name:number`, with commas
/// between them.
pub(super) fn by_thread(text: &str) -> Vec<(&str, f64)> {
    let pairs = text.split(',').filter_map(|pair| pair.rsplit_once(':'));
    pairs
        .filter_map(|(name, number)| Some((name, number.parse().ok()?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_figures() {
        let figures = Figures::parse("a=1.5\nname=gcm\nempty=\nno line\n");
        assert_eq!(figures.number("a"), Some(1.5));
        assert_eq!(figures.number("name"), None);
        assert_eq!(figures.number("empty"), None);
        assert_eq!(figures.number("b"), None);
        assert_eq!((figures.text("name"), figures.text("b")), ("gcm", ""));
        let threads = by_thread("control:0.5,media-1:2");
        assert_eq!(threads, [("control", 0.5), ("media-1", 2.0)]);
        assert!(by_thread("").is_empty());
    }

    #[test]
    fn a_failure_has_the_programs_last_words() {
        let mut shell = Command::new("sh");
        shell.args([
            "-c",
            "echo first >&2; echo 'transom-load: no GCM' >&2; exit 1",
        ]);
        let error = Figures::of(shell).expect_err("fails").to_string();
        assert_eq!(error, "no GCM");
    }
}
