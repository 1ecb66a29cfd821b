use std::io;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use transom_rtc_doctor::forgiving::{self, Forgiven};

use super::{Advertise, Family, Hold, HttpAddr, ListenAddr, Workers};
use crate::auth::{Scope, StreamPattern, Token};

/// `transom-sfu.toml`. A key that is not known is an error, not a surprise.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct File {
    /// Where HTTP listens.
    pub http: Option<HttpAddr>,
    /// Whether the LAN is served by HTTPS.
    pub lan: Option<bool>,
    /// Where else is listened: HTTPS, but for loopback.
    pub listen: Vec<ListenAddr>,
    /// The certificate for HTTPS, with its chain.
    pub tls_cert: Option<PathBuf>,
    /// Its private key.
    pub tls_key: Option<PathBuf>,
    /// Whether plain HTTP may leave this machine.
    pub allow_plain_http: bool,
    /// What the links on stdout begin with.
    pub public_url: Option<String>,
    /// UDP port for all media.
    pub udp_port: Option<u16>,
    /// Threads that send media.
    pub workers: Option<Workers>,
    /// How long packets of a stream with many subscribers may wait for company.
    pub hold_ms: Option<Hold>,
    /// Where the secrets are kept.
    pub state_dir: Option<PathBuf>,
    /// Addresses to offer besides those of the interfaces.
    pub advertise: Vec<Advertise>,
    /// Interfaces to offer; an empty list offers none.
    pub interfaces: Option<Vec<String>>,
    /// Interfaces not to offer.
    pub exclude_interfaces: Option<Vec<String>>,
    /// Address families to offer.
    pub families: Option<Vec<Family>>,
    /// What is logged.
    pub log: Option<String>,
    /// Bounds.
    pub limits: Limits,
    /// More tokens.
    #[serde(rename = "token")]
    pub tokens: Vec<TokenEntry>,
}

/// Bounds on what clients can make the program hold or do.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Streams published or waited for.
    pub max_streams: NonZeroU32,
    /// Subscribers of one stream.
    pub max_subscribers: NonZeroU32,
    /// Sessions of all streams.
    pub max_sessions: NonZeroU32,
    /// What one publisher may send, megabits a second; what is more is dropped.
    pub max_publish_mbps: NonZeroU32,
    /// HTTP connections.
    pub max_connections: NonZeroU32,
    /// HTTP connections of one client address.
    pub max_connections_per_address: NonZeroU32,
    /// POST, PATCH and DELETE requests a second that one client address may
    /// go on with.
    pub requests_per_second: NonZeroU32,
    /// How many of them it may make at once.
    pub request_burst: NonZeroU32,
}

const fn nonzero(n: u32) -> NonZeroU32 {
    match NonZeroU32::new(n) {
        Some(n) => n,
        None => NonZeroU32::MIN,
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_streams: nonzero(64),
            max_subscribers: nonzero(256),
            max_sessions: nonzero(512),
            max_publish_mbps: nonzero(20),
            max_connections: nonzero(512),
            max_connections_per_address: nonzero(128),
            requests_per_second: nonzero(20),
            request_burst: nonzero(200),
        }
    }
}

/// `[[token]]`: a token besides the three that the first start makes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenEntry {
    /// Who holds it, for the log.
    pub name: String,
    /// The secret.
    pub token: Token,
    /// What it is good for: one thing at least.
    #[serde(deserialize_with = "some_scopes")]
    pub scopes: Vec<Scope>,
    /// On which streams; every one by default.
    #[serde(default = "every_stream")]
    pub streams: Vec<StreamPattern>,
}

fn every_stream() -> Vec<StreamPattern> {
    vec![StreamPattern::any()]
}

fn some_scopes<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Scope>, D::Error> {
    let scopes = Vec::deserialize(from)?;
    match scopes.is_empty() {
        true => Err(D::Error::custom(
            "a token without scopes is good for nothing; give it `publish`, `watch`, `drive`, `admin` or `metrics`, or remove it",
        )),
        false => Ok(scopes),
    }
}

impl TokenEntry {
    /// Whether the drive scope is of no use: who drives has a viewer's session.
    pub fn drives_blindly(&self) -> bool {
        self.scopes.contains(&Scope::Drive) && !self.scopes.contains(&Scope::Watch)
    }

    /// Whether the scope `admin` is of no use: who takes a lease must be able to drive by it.
    pub fn overrides_in_vain(&self) -> bool {
        self.scopes.contains(&Scope::Admin) && !self.scopes.contains(&Scope::Drive)
    }

    pub(super) fn streams_text(&self) -> String {
        let streams: Vec<&str> = self.streams.iter().map(StreamPattern::as_str).collect();
        streams.join(", ")
    }
}

/// Why the file is of no use. Each message is one line: file, line, mend.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("cannot read {}: {source}; give the right file with --config", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not TOML, or says something that is not known.
    #[error("{}:{line}: {message}; mend this line", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        message: String,
    },
}

/// No honest file is longer, bytes.
const MAX_FILE_LEN: u64 = 1 << 20;

impl File {
    /// Reads the file at `path`.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let text = read_bounded(path).map_err(|source| FileError::Io {
            path: path.into(),
            source,
        })?;
        Self::parse(path, &text)
    }

    /// What can be understood of the file at `path`, and every mistake in it.
    pub fn examine(path: &Path) -> (Option<Self>, Vec<FileError>) {
        let text = match read_bounded(path) {
            Ok(text) => text,
            Err(source) => {
                let path = path.into();
                return (None, vec![FileError::Io { path, source }]);
            }
        };
        let Forgiven { value, mistakes } = forgiving::parse(&text);
        let mistakes = mistakes.into_iter().map(|m| FileError::Malformed {
            path: path.into(),
            line: m.line,
            message: m.message,
        });
        (value, mistakes.collect())
    }

    /// Understands `text`, which came from `path`.
    pub fn parse(path: &Path, text: &str) -> Result<Self, FileError> {
        toml::from_str(text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            let line = 1 + text.bytes().take(start).filter(|b| *b == b'\n').count();
            // The full text of the error would quote the line, and a line may
            // hold a token.
            let message = error.message().replace('\n', ", ");
            FileError::Malformed {
                path: path.into(),
                line,
                message,
            }
        })
    }
}

fn read_bounded(path: &Path) -> io::Result<String> {
    use io::Read as _;
    let mut text = String::new();
    std::fs::File::open(path)?
        .take(MAX_FILE_LEN)
        .read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_of(text: &str) -> String {
        let error = File::parse(Path::new("transom-sfu.toml"), text)
            .unwrap_err()
            .to_string();
        assert_eq!(error.lines().count(), 1, "{error}");
        error
    }

    #[test]
    fn errors_name_the_line_and_the_mend() {
        let error = error_of("udp_port = 7082\nhtp = \"127.0.0.1:1\"\n");
        assert!(
            error.starts_with("transom-sfu.toml:2: ") && error.contains("`http`"),
            "{error}"
        );
        let error = error_of("\n\nhttp = \"7080\"\n");
        assert!(
            error.starts_with("transom-sfu.toml:3: ") && error.contains("127.0.0.1:7080"),
            "{error}"
        );
        let error = error_of("advertise = [\"example.org\"]");
        assert!(error.contains("203.0.113.7"), "{error}");
        let error = error_of("[limits]\nmax_streams = 0");
        assert!(error.starts_with("transom-sfu.toml:2: "), "{error}");
        let error = error_of("udp_port = 70000");
        assert!(error.starts_with("transom-sfu.toml:1: "), "{error}");
        let error = error_of("this is not TOML");
        assert!(error.starts_with("transom-sfu.toml:1: "), "{error}");
    }

    #[test]
    fn a_refused_token_is_not_quoted() {
        let error =
            error_of("[[token]]\nname = \"x\"\ntoken = \"hush hush\"\nscopes = [\"watch\"]\n");
        assert!(
            error.contains("openssl rand") && !error.contains("hush"),
            "{error}"
        );
        let error =
            error_of("[[token]]\nname = \"x\"\ntoken = \"0123456789abcdef\"\nscopes = [\"see\"]\n");
        assert!(
            error.contains(":4:") && error.contains("`watch`"),
            "{error}"
        );
        let error =
            error_of("[[token]]\nname = \"x\"\ntoken = \"0123456789abcdef\"\nscopes = []\n");
        assert!(
            error.contains(":4:") && error.contains("without scopes"),
            "{error}"
        );
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = File::read(Path::new("/nowhere/transom-sfu.toml"))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("/nowhere/transom-sfu.toml") && error.contains("--config"),
            "{error}"
        );
    }
}
