//! The table `[record]`: where what happens is written down.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::Origin;
use crate::record::RecordConfig;

const MAX_MB: u64 = 64;
const SYNC_S: u64 = 10;

/// What a file may say; everything is optional.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    pub(super) dir: Option<PathBuf>,
    max_mb: Option<u64>,
    sync_s: Option<u64>,
}

/// Why `[record]` makes no sense. Each text is one line and names the mend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// A size beyond reason.
    #[error("[record] max_mb {0}: choose 1 to 65536")]
    Size(u64),
    /// A time beyond reason.
    #[error("[record] sync_s {0}: choose 1 to 3600")]
    Sync(u64),
    /// How, but not where.
    #[error("[record] {0} without `dir`: say where it is written, or leave it out")]
    Nowhere(&'static str),
    /// No directory.
    #[error("[record] dir is empty: give a directory, or leave it out")]
    Empty,
}

impl Record {
    pub(super) fn check(self) -> Result<Option<RecordConfig>, RecordError> {
        let Some(dir) = self.dir else {
            return match (self.max_mb, self.sync_s) {
                (Some(_), _) => Err(RecordError::Nowhere("max_mb")),
                (None, Some(_)) => Err(RecordError::Nowhere("sync_s")),
                (None, None) => Ok(None),
            };
        };
        if dir.as_os_str().is_empty() {
            return Err(RecordError::Empty);
        }
        let max_mb = self.max_mb.unwrap_or(MAX_MB);
        if !(1..=65_536).contains(&max_mb) {
            return Err(RecordError::Size(max_mb));
        }
        let sync_s = self.sync_s.unwrap_or(SYNC_S);
        if !(1..=3600).contains(&sync_s) {
            return Err(RecordError::Sync(sync_s));
        }
        Ok(Some(RecordConfig {
            dir,
            max_bytes: max_mb * 1024 * 1024,
            sync_after: Duration::from_secs(sync_s),
        }))
    }
}

/// Tells `line` everything about it, as name, value, origin and meaning.
pub(super) fn explain(
    record: Option<&RecordConfig>,
    mut line: impl FnMut(&str, &dyn fmt::Display, Origin, &str),
) {
    let Some(record) = record else {
        line(
            "record.dir",
            &"off",
            Origin::Default,
            "what happens is not written down",
        );
        return;
    };
    line(
        "record.dir",
        &record.dir.display(),
        Origin::File,
        "`transom-agent log` reads what happened",
    );
    line(
        "record.max_mb",
        &(record.max_bytes / (1024 * 1024)),
        Origin::File,
        "all of it; the oldest goes",
    );
    line(
        "record.sync_s",
        &record.sync_after.as_secs(),
        Origin::File,
        "what a loss of power may take, besides stops",
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<Option<RecordConfig>, RecordError> {
        toml::from_str::<Record>(text).expect("good TOML").check()
    }

    #[test]
    fn it_is_off_unless_a_place_is_named() {
        assert_eq!(check(""), Ok(None));
        let config = check("dir = \"/tmp/r\"").expect("good").expect("on");
        assert_eq!(config.max_bytes, 64 << 20);
        assert_eq!(config.sync_after, Duration::from_secs(10));
        let config = check("dir = \"r\"\nmax_mb = 1\nsync_s = 60").expect("good");
        assert_eq!(config.expect("on").max_bytes, 1 << 20);
    }

    #[test]
    fn what_makes_no_sense_is_refused_in_one_line() {
        for (text, words) in [
            ("dir = \"\"", "directory"),
            ("max_mb = 64", "without `dir`"),
            ("sync_s = 5", "without `dir`"),
            ("dir = \"r\"\nmax_mb = 0", "1 to 65536"),
            ("dir = \"r\"\nsync_s = 0", "1 to 3600"),
        ] {
            let error = check(text).expect_err(text).to_string();
            assert!(error.contains(words) && !error.contains('\n'), "{error}");
        }
    }
}
