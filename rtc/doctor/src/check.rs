use std::fmt;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Not looked at, and why not is told.
    Skipped,
    /// As it should be.
    Ok,
    /// It works, but not as well as it could, or not for long.
    Warn,
    /// It does not work.
    Fail,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Skipped => "skip",
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "FAIL",
        })
    }
}

/// What a check found. Texts are one line each: what came from the network or
/// a device in between is stripped of control characters and cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How it came out.
    pub verdict: Verdict,
    /// What was seen.
    pub found: String,
    /// What a human can do about it.
    pub mend: Option<String>,
}

/// Longest text kept, characters.
const MAX_TEXT: usize = 600;

impl Finding {
    /// All is well.
    pub fn ok(found: impl Into<String>) -> Self {
        Self::new(Verdict::Ok, found, None)
    }

    /// It works, and yet should be mended.
    pub fn warn(found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::new(Verdict::Warn, found, Some(mend.into()))
    }

    /// It does not work.
    pub fn fail(found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::new(Verdict::Fail, found, Some(mend.into()))
    }

    /// It does not work, in the words of an error: its text names the mend behind
    /// the last `mark`. `otherwise` is the mend of a text without one.
    pub fn fail_told(error: impl fmt::Display, mark: &str, otherwise: &str) -> Self {
        let text = error.to_string();
        match text.rsplit_once(mark) {
            Some((found, mend)) => Self::fail(found, mend),
            None => Self::fail(text, otherwise),
        }
    }

    /// A mistake in a file, which stands in this line.
    pub fn mistake(path: &Path, line: usize, message: &str) -> Self {
        let path = path.display();
        Self::fail(
            format!("{path}:{line}: {message}"),
            format!("mend line {line} of {path}"),
        )
    }

    /// It was not looked at.
    pub fn skipped(why: impl Into<String>) -> Self {
        Self::new(Verdict::Skipped, why, None)
    }

    fn new(verdict: Verdict, found: impl Into<String>, mend: Option<String>) -> Self {
        Self {
            verdict,
            found: one_line(&found.into()),
            mend: mend.map(|mend| one_line(&mend)),
        }
    }
}

impl From<Finding> for Vec<Finding> {
    fn from(finding: Finding) -> Self {
        vec![finding]
    }
}

fn one_line(text: &str) -> String {
    let spaced = text.trim().chars().map(|c| match c.is_control() {
        true => ' ',
        false => c,
    });
    spaced.take(MAX_TEXT).collect()
}

/// A finding with the name of its check and the time that it took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What was looked at, in lower case with dashes.
    pub name: &'static str,
    /// What was found.
    pub finding: Finding,
    /// How long it took.
    pub took: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_stay_on_one_line_and_short() {
        let finding = Finding::fail("a\nb\u{1b}[31m", "x".repeat(5000));
        assert_eq!(finding.found, "a b [31m");
        assert_eq!(finding.mend.map(|m| m.len()), Some(MAX_TEXT));
    }

    #[test]
    fn an_error_names_its_mend_behind_the_last_mark() {
        let told = Finding::fail_told("a: b: do c", ": ", "see");
        assert_eq!(told, Finding::fail("a: b", "do c"));
        let bare = Finding::fail_told("nothing goes", "; ", "look about");
        assert_eq!(bare, Finding::fail("nothing goes", "look about"));
        let mistake = Finding::mistake(Path::new("/a.toml"), 3, "unknown");
        assert_eq!(mistake.found, "/a.toml:3: unknown");
        assert_eq!(mistake.mend.as_deref(), Some("mend line 3 of /a.toml"));
    }

    #[test]
    fn the_worst_is_the_greatest() {
        assert!(Verdict::Fail > Verdict::Warn && Verdict::Warn > Verdict::Ok);
        assert!(Verdict::Ok > Verdict::Skipped);
    }
}
