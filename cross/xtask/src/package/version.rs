//! What a package's version is called.

use std::fmt;

/// A version of ours and how often it was packaged: `0.1.0-1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    upstream: String,
    revision: u32,
}

impl Version {
    /// That of these sources.
    pub(crate) fn ours() -> Self {
        Self::of(env!("CARGO_PKG_VERSION"), 1)
    }

    /// The same, packaged anew.
    pub(crate) fn next(&self) -> Self {
        Self {
            revision: self.revision + 1,
            ..self.clone()
        }
    }

    /// Cargo's `1.0.0-beta.1` comes before `1.0.0`; to Debian that is `1.0.0~beta.1`.
    fn of(cargo: &str, revision: u32) -> Self {
        Self {
            upstream: cargo.replacen('-', "~", 1),
            revision,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.upstream, self.revision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_before_its_time_comes_before_it() {
        let text = |cargo| Version::of(cargo, 1).to_string();
        assert_eq!(text("0.1.0"), "0.1.0-1");
        assert_eq!(text("1.0.0-beta.1"), "1.0.0~beta.1-1");
        assert_eq!(Version::of("1.0.0", 1).next().to_string(), "1.0.0-2");
    }
}
