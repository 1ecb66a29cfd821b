use std::fmt;
use std::sync::Arc;

/// A stream's name: 1 to 64 of `A-Z a-z 0-9 . _ -`, not beginning with a dot.
/// It stands in paths, logs and metrics as it is, without escapes.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamName(Arc<str>);

/// Longest name, bytes.
pub const MAX_NAME_LEN: usize = 64;

impl StreamName {
    /// The name `s`, if it is one.
    pub fn new(s: &str) -> Option<Self> {
        let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        (!s.is_empty() && s.len() <= MAX_NAME_LEN && !s.starts_with('.') && s.bytes().all(legal))
            .then(|| Self(s.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name, shared.
    pub fn to_shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StreamName({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_need_no_escapes() {
        for good in ["door", "front-door_2.cam", "7", &"x".repeat(MAX_NAME_LEN)] {
            assert!(StreamName::new(good).is_some(), "{good}");
        }
        for bad in [
            "",
            ".",
            "..",
            ".hidden",
            "a/b",
            "a b",
            "tür",
            "a%2fb",
            "a\n",
            &"x".repeat(65),
        ] {
            assert!(StreamName::new(bad).is_none(), "{bad:?}");
        }
    }
}
