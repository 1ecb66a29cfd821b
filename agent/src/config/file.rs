//! The file `transom-agent.toml`.

use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use transom_rtc_doctor::forgiving::{self, Forgiven};

use super::control::Control;
use super::record::Record;
use super::talk::TalkUrl;
use super::value::{Bitrate, EncoderName, Format, MetricsAddr, Size, SpeakerDevice, Token};
use super::video::{Controls, Second};
use super::whip::{Fingerprint, WhipUrl};
use crate::feed::{AudioSource, VideoSource};
use crate::metrics::HostName;

/// What a file may say; everything is optional.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) whip: Option<WhipUrl>,
    pub(super) token: Option<Token>,
    pub(super) token_file: Option<PathBuf>,
    pub(super) fingerprint: Option<Fingerprint>,
    pub(super) log: Option<String>,
    pub(super) metrics: Option<MetricsAddr>,
    #[serde(default)]
    pub(super) metrics_open: bool,
    #[serde(default)]
    pub(super) metrics_hosts: Vec<HostName>,
    #[serde(default)]
    pub(super) video: Video,
    #[serde(default)]
    pub(super) audio: Audio,
    #[serde(default)]
    pub(super) control: Control,
    #[serde(default)]
    pub(super) bell: Bell,
    #[serde(default)]
    pub(super) record: Record,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Bell {
    run: Option<Run>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "`run` wants a program's path, or a list of it and its arguments"
)]
enum Run {
    Program(String),
    Words(Vec<String>),
}

impl Bell {
    /// The program and its arguments.
    pub(super) fn words(self) -> Option<Vec<String>> {
        self.run.map(|run| match run {
            Run::Program(path) => vec![path],
            Run::Words(words) => words,
        })
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Video {
    pub(super) source: Option<VideoSource>,
    pub(super) size: Option<Size>,
    pub(super) fps: Option<u32>,
    pub(super) bitrate: Option<Bitrate>,
    pub(super) min_bitrate: Option<Bitrate>,
    pub(super) format: Option<Format>,
    pub(super) encoder: Option<EncoderName>,
    #[serde(default)]
    pub(super) controls: Controls,
    pub(super) second: Option<Second>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Audio {
    pub(super) source: Option<AudioSource>,
    pub(super) bitrate: Option<Bitrate>,
    pub(super) speaker: Option<SpeakerDevice>,
    pub(super) chime: Option<PathBuf>,
    pub(super) talk: Option<TalkUrl>,
}

/// Why the file cannot be used. Each text is one line and names the mend.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("{}: {source}: check the path given with --config", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It is no TOML, or says what the agent does not know.
    #[error("{}:{line}: {message}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// Counted from one.
        line: usize,
        /// What is wrong, in one line.
        message: String,
    },
}

impl File {
    pub(super) fn read(path: &Path) -> Result<Self, FileError> {
        let text = std::fs::read_to_string(path).map_err(|source| FileError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text).map_err(|(line, message)| FileError::Content {
            path: path.to_owned(),
            line,
            message,
        })
    }

    /// What can be understood of the file at `path`, and every mistake in it.
    pub(super) fn examine(path: &Path) -> (Option<Self>, Vec<FileError>) {
        let path = path.to_owned();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(source) => return (None, vec![FileError::Read { path, source }]),
        };
        let Forgiven { value, mistakes } = forgiving::parse(&text);
        let mistakes = mistakes.into_iter().map(|m| FileError::Content {
            path: path.clone(),
            line: m.line,
            message: m.message,
        });
        (value, mistakes.collect())
    }

    /// The line and the text of an error.
    fn parse(text: &str) -> Result<Self, (usize, String)> {
        toml::from_str(text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            let before = text.get(..start).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            (line, error.message().replace('\n', ", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> (usize, String) {
        File::parse(text).expect_err("an error")
    }

    #[test]
    fn a_whole_file() {
        let file = File::parse(
            r#"
            whip = "http://127.0.0.1:7080/whip/front"
            token = "abc"
            log = "debug"
            [video]
            source = "file:clip.mp4"
            size = "320x240"
            fps = 15
            bitrate = 500000
            min_bitrate = "100k"
            [audio]
            source = "none"
            bitrate = "24k"
            [bell]
            run = ["/usr/local/bin/ring", "door"]
            "#,
        )
        .expect("a file");
        assert_eq!(file.video.fps, Some(15));
        assert_eq!(file.video.bitrate, Some(Bitrate::from_bps(500_000)));
        assert_eq!(file.audio.source, Some(AudioSource::None));
        assert_eq!(file.bell.words().map(|words| words.len()), Some(2));
        assert!(File::parse("").expect("an empty file").whip.is_none());
    }

    #[test]
    fn errors_name_the_line_and_the_mend() {
        let (line, text) = error("log = \"info\"\n[video]\nsize = \"big\"\n");
        assert_eq!(line, 3);
        assert!(text.contains("640x480"), "{text}");
        let (line, text) = error("\n[video]\nsice = \"640x480\"\n");
        assert_eq!(line, 3);
        assert!(text.contains("sice") && text.contains("size"), "{text}");
        let (line, text) = error("whip = \"http://a/b\"\nlog = info\n");
        assert_eq!(line, 2);
        assert!(!text.contains('\n'), "{text}");
        let (_, text) = error("[bell]\nrun = 5\n");
        assert!(text.contains("a program's path"), "{text}");
        let (line, _) = error("[video]\nfps = \"thirty\"\n");
        assert_eq!(line, 2);
    }

    #[test]
    fn a_file_that_is_missing_is_named() {
        let error = File::read(Path::new("/nonexistent/agent.toml")).expect_err("an error");
        let text = error.to_string();
        assert!(text.starts_with("/nonexistent/agent.toml: "), "{text}");
    }
}
