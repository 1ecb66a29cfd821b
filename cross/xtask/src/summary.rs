//! What passed, what failed, what was skipped: counted test by test where a part has tests, else
//! the part as one.

use std::fmt;
use std::time::Duration;

use crate::step::minutes;

/// The result of one part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
    /// Why something failed or was skipped.
    pub(crate) note: String,
}

impl Count {
    pub(crate) fn success() -> Self {
        Self {
            passed: 1,
            ..Self::default()
        }
    }

    pub(crate) fn failure(note: impl Into<String>) -> Self {
        Self {
            failed: 1,
            note: note.into(),
            ..Self::default()
        }
    }

    pub(crate) fn skip(note: impl Into<String>) -> Self {
        Self {
            skipped: 1,
            note: note.into(),
            ..Self::default()
        }
    }

    /// Counts a test runner's summary line: cargo-nextest's, libtest's or Node's.
    pub(crate) fn read(&mut self, line: &str) {
        let line = plain(line);
        if let Some(line) = line.trim_start().strip_prefix("Summary [") {
            self.passed += number_before(line, " passed");
            self.failed += number_before(line, " failed") + number_before(line, " timed out");
            self.skipped += number_before(line, " skipped");
        // At the margin only: nextest shows a failed test's own libtest output indented.
        } else if line.starts_with("test result:") {
            self.passed += number_before(&line, " passed");
            self.failed += number_before(&line, " failed");
            self.skipped += number_before(&line, " ignored");
        } else if let Some(rest) = line.strip_prefix("ℹ ").or_else(|| line.strip_prefix("# ")) {
            let (word, number) = rest.split_once(' ').unwrap_or_default();
            let number = number.parse().unwrap_or(0);
            match word {
                "pass" => self.passed += number,
                "fail" | "cancelled" => self.failed += number,
                "skipped" | "todo" => self.skipped += number,
                _ => {}
            }
        }
    }

    /// A runner that failed without a failed test (it did not compile, it was killed) counts as one;
    /// so does a runner that ran nothing at all.
    pub(crate) fn checked(mut self, success: bool) -> Self {
        if !success && self.failed == 0 {
            self.failed = 1;
            self.note = "it ended with an error; see above".to_owned();
        }
        if self.passed + self.failed + self.skipped == 0 {
            self.failed = 1;
            self.note = "no test ran".to_owned();
        }
        self
    }

    pub(crate) fn join(&mut self, other: &Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
        if self.note.is_empty() {
            self.note.clone_from(&other.note);
        }
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} passed, {} failed, {} skipped",
            self.passed, self.failed, self.skipped
        )?;
        if self.note.is_empty() {
            Ok(())
        } else {
            write!(f, " ({})", self.note)
        }
    }
}

/// All parts; ends in a line that CI reads.
#[derive(Default)]
pub(crate) struct Summary(Vec<(&'static str, Count, Duration)>);

impl Summary {
    pub(crate) fn add(&mut self, name: &'static str, count: Count, took: Duration) {
        self.0.push((name, count, took));
    }

    pub(crate) fn failed(&self) -> u64 {
        self.total().failed
    }

    fn total(&self) -> Count {
        let mut total = Count::default();
        for (_, count, _) in &self.0 {
            total.join(count);
        }
        total.note.clear();
        total
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<12} {:>7} {:>7} {:>7} {:>10}",
            "part", "passed", "failed", "skipped", "took"
        )?;
        for (name, count, took) in &self.0 {
            let Count {
                passed,
                failed,
                skipped,
                note,
            } = count;
            let took = minutes(*took);
            writeln!(
                f,
                "{name:<12} {passed:>7} {failed:>7} {skipped:>7} {took:>10}   {note}"
            )?;
        }
        let took = self.0.iter().map(|(_, _, took)| *took).sum();
        writeln!(f, "together {:>37}\n", minutes(took))?;
        write!(f, "{}", self.total())
    }
}

/// The number that stands right before `mark`; 0 where there is none.
fn number_before(line: &str, mark: &str) -> u64 {
    let before = line.split_once(mark).map_or("", |(before, _)| before);
    let digits = before.len() - before.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    before[before.len() - digits..].parse().unwrap_or(0)
}

/// The line without colours (CSI ... m).
fn plain(line: &str) -> String {
    let mut parts = line.split('\u{1b}');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain.push_str(part.split_once('m').map_or("", |(_, text)| text));
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runners_summaries_are_read() {
        let lines = [
            "\u{1b}[32;1m     Summary\u{1b}[0m [   0.014s] \u{1b}[1m12\u{1b}[0m tests run: \u{1b}[1m10\u{1b}[0m passed (1 slow), \u{1b}[1m2\u{1b}[0m failed, \u{1b}[1m3\u{1b}[0m skipped",
            "test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            "    test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 3 filtered out",
            "ℹ pass 7",
            "ℹ fail 1",
            "# skipped 2",
            "# Subtest: pass 100",
        ];
        let mut count = Count::default();
        for line in lines {
            count.read(line);
        }
        assert_eq!((count.passed, count.failed, count.skipped), (22, 3, 6));
    }

    #[test]
    fn a_runner_that_broke_or_ran_nothing_is_a_failure() {
        assert_eq!(
            Count {
                passed: 3,
                ..Count::default()
            }
            .checked(false)
            .failed,
            1
        );
        assert_eq!(Count::default().checked(true).failed, 1);
        assert_eq!(
            Count {
                passed: 3,
                ..Count::default()
            }
            .checked(true)
            .failed,
            0
        );
    }

    #[test]
    fn the_last_line_is_the_one_that_ci_reads() {
        let mut summary = Summary::default();
        summary.add(
            "unit",
            Count {
                passed: 40,
                ..Count::default()
            },
            Duration::from_secs(61),
        );
        summary.add("deny", Count::skip("no cargo-deny"), Duration::ZERO);
        let text = summary.to_string();
        assert!(text.ends_with("\n40 passed, 0 failed, 1 skipped"), "{text}");
        assert!(text.contains("1:01 min"), "{text}");
    }
}
