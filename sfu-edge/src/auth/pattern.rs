use serde::Deserialize;

use crate::directory::StreamName;
use crate::wildcard;

/// Which streams a token is for: a name in which `*` stands for any run of
/// characters, such as `door` or `robot-*`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct StreamPattern(String);

/// A pattern that can match no stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a stream pattern is up to 64 of `A-Z a-z 0-9 . _ -` and `*`, such as \"door\" or \"robot-*\""
)]
pub struct PatternError;

impl StreamPattern {
    /// The pattern `s`.
    pub fn new(s: &str) -> Result<Self, PatternError> {
        let as_name = s.replace('*', "x");
        let legal = StreamName::new(&as_name).is_some();
        legal.then(|| Self(s.into())).ok_or(PatternError)
    }

    /// The pattern that matches every stream.
    pub fn any() -> Self {
        Self("*".into())
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `name` is meant.
    pub fn matches(&self, name: &StreamName) -> bool {
        wildcard::matches(&self.0, name.as_str())
    }
}

impl TryFrom<String> for StreamPattern {
    type Error = PatternError;
    fn try_from(s: String) -> Result<Self, PatternError> {
        Self::new(&s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_that_match_nothing_are_refused() {
        for bad in ["", "a b", "a/*", ".x*", "[ab]"] {
            assert!(StreamPattern::new(bad).is_err(), "{bad}");
        }
    }
}
