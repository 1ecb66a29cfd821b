//! Values as they are written in flags, variables and the file.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::Deserialize;
use transom_boards_hal::FrameSize;
use transom_rtc_tokio::client::{CertificateFingerprint, PairingError, PairingLink, Url, UrlError};

use crate::feed::{AudioSource, VideoSource};

/// A value that cannot be read. The text names the mend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ValueError(String);

/// Bits a second, as `1500k`, `1.5M` or `1500000`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub struct Bitrate(u32);

impl Bitrate {
    /// So many bits a second.
    pub const fn from_bps(bps: u32) -> Self {
        Self(bps)
    }

    /// Bits a second.
    pub const fn bps(self) -> u32 {
        self.0
    }
}

impl FromStr for Bitrate {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let error = || ValueError(format!("`{text}` is no bitrate: write it as 1500k or 1.5M"));
        let trimmed = text.trim();
        let (number, unit) = match trimmed.char_indices().next_back() {
            Some((at, 'k' | 'K')) => (trimmed.get(..at), 1e3),
            Some((at, 'M')) => (trimmed.get(..at), 1e6),
            _ => (Some(trimmed), 1.0),
        };
        let number = number.ok_or_else(error)?;
        if !number.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(error());
        }
        let bps = number.parse::<f64>().map_err(|_| error())? * unit;
        if !(1.0..=1e9).contains(&bps) {
            return Err(error());
        }
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked just above"
        )]
        Ok(Self(bps.round() as u32))
    }
}

impl fmt::Display for Bitrate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_multiple_of(1000) {
            write!(f, "{}k", self.0 / 1000)
        } else {
            write!(f, "{}", self.0)
        }
    }
}

/// Pixels, as `640x480`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub struct Size(pub FrameSize);

impl FromStr for Size {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let sides = text.trim().split_once(['x', 'X']).and_then(|(w, h)| {
            let width = w.parse::<u32>().ok()?;
            Some((width, h.parse::<u32>().ok()?))
        });
        let even = |side: u32| side.is_multiple_of(2) && (16..=3840).contains(&side);
        match sides {
            Some((width, height)) if even(width) && even(height) => {
                Ok(Self(FrameSize::new(width, height)))
            }
            Some(_) => Err(ValueError(format!(
                "size {text}: both sides must be even and lie within 16 and 3840, as in 640x480"
            ))),
            None => Err(ValueError(format!(
                "`{text}` is no size: write WIDTHxHEIGHT, as in 640x480"
            ))),
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for VideoSource {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match split(text) {
            ("test", None) => Ok(Self::Test),
            ("file", Some(path)) => Ok(Self::File(PathBuf::from(path))),
            ("v4l2", Some(device)) => Ok(Self::V4l2(device.to_owned())),
            _ => Err(ValueError(format!(
                "`{text}` is no source: give test, file:PATH or v4l2:/dev/videoN"
            ))),
        }
    }
}

impl fmt::Display for VideoSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Test => f.write_str("test"),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::V4l2(device) => write!(f, "v4l2:{device}"),
        }
    }
}

impl FromStr for AudioSource {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match split(text) {
            ("none", None) => Ok(Self::None),
            ("test", None) => Ok(Self::Test),
            ("file", Some(path)) => Ok(Self::File(PathBuf::from(path))),
            ("alsa", Some(device)) if !device.contains('\0') => Ok(Self::Alsa(device.to_owned())),
            _ => Err(ValueError(format!(
                "`{text}` is no sound: give test, file:PATH.wav, alsa:DEVICE or none"
            ))),
        }
    }
}

impl fmt::Display for AudioSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Test => f.write_str("test"),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Alsa(device) => write!(f, "alsa:{device}"),
        }
    }
}

/// The kind and what follows the first colon, unless that is nothing.
fn split(text: &str) -> (&str, Option<&str>) {
    match text.split_once(':') {
        Some((kind, rest)) if !rest.is_empty() => (kind, Some(rest)),
        // `test:` is a slip, and so is `file`.
        Some(_) => ("", None),
        None => (text, None),
    }
}

/// Where to publish: an `http` or `https` address, or a pairing link, which
/// carries the token and the server's fingerprint behind its `#`. Printed
/// without those.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub struct WhipUrl {
    url: Url,
    token: Option<Token>,
    fingerprint: Option<Fingerprint>,
}

impl WhipUrl {
    /// The address.
    pub const fn url(&self) -> &Url {
        &self.url
    }

    /// The token of a pairing link.
    pub fn token(&self) -> Option<Token> {
        self.token.clone()
    }

    /// The fingerprint of a pairing link.
    pub const fn fingerprint(&self) -> Option<Fingerprint> {
        self.fingerprint
    }
}

impl FromStr for WhipUrl {
    type Err = ValueError;

    fn from_str(written: &str) -> Result<Self, ValueError> {
        // Behind it may stand a token, which no message quotes.
        let text = written.split('#').next().unwrap_or_default();
        let link: PairingLink = written.parse().map_err(|error| match error {
            // Not shown: there is a password in it.
            PairingError::Url(UrlError::UserInfo) => ValueError(error.to_string()),
            PairingError::Url(error) => ValueError(format!(
                "`{text}` is no WHIP address ({error}): write it as http://HOST:7080/whip/NAME"
            )),
            _ => ValueError(format!("the link {text}#..: {error}")),
        })?;
        let path = link.url.target().split('?').next().unwrap_or_default();
        let mut names = path.split('/').filter(|name| !name.is_empty());
        if names.clone().any(|name| name == "whep") && !names.clone().any(|name| name == "whip") {
            return Err(ValueError(format!(
                "`{text}` is where viewers watch (WHEP): publish to {}",
                text.replacen("/whep", "/whip", 1)
            )));
        }
        // Other servers have other paths; some take the token for the name.
        if matches!((names.next(), names.next()), (None | Some("whip"), None)) {
            let hint = match link.token {
                Some(_) => "; a viewer's link is not for the agent, `transom-sfu link` prints both",
                None => "",
            };
            return Err(ValueError(format!(
                "`{text}` does not name a stream: write it as http://HOST:7080/whip/NAME{hint}"
            )));
        }
        Ok(Self {
            token: link.token.as_deref().map(str::parse).transpose()?,
            fingerprint: link.fingerprint.map(Fingerprint),
            url: link.url,
        })
    }
}

impl fmt::Display for WhipUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.url.fmt(f)
    }
}

/// The SHA-256 fingerprint of the server's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub struct Fingerprint(pub CertificateFingerprint);

impl FromStr for Fingerprint {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let fingerprint = text.parse();
        fingerprint
            .map(Self)
            .map_err(|error| ValueError(format!("`{text}`: {error}")))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A secret; never printed.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub struct Token(String);

impl Token {
    /// The secret itself, for the `Authorization` header.
    pub fn secret(&self) -> &str {
        &self.0
    }
}

impl FromStr for Token {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let text = text.trim();
        if text.is_empty() || !text.chars().all(|c| c.is_ascii_graphic()) {
            // Not shown: it may be a secret with a slip in it.
            return Err(ValueError(
                "the token is empty or has characters a token cannot have: copy it anew from what transom-sfu printed".to_owned(),
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "set ({} characters)", self.0.len())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({self})")
    }
}

/// What the file holds: text, or a plain number.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected text in quotes or a number")]
enum Written {
    Number(u64),
    Text(String),
}

macro_rules! from_written {
    ($($kind:ty),*) => {$(
        impl TryFrom<Written> for $kind {
            type Error = ValueError;

            fn try_from(written: Written) -> Result<Self, ValueError> {
                match written {
                    Written::Number(number) => number.to_string().parse(),
                    Written::Text(text) => text.parse(),
                }
            }
        }
    )*};
}

from_written!(
    Bitrate,
    Size,
    VideoSource,
    AudioSource,
    WhipUrl,
    Fingerprint,
    Token
);

impl<'de> Deserialize<'de> for VideoSource {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::try_from(Written::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for AudioSource {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::try_from(Written::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bitrates() {
        for (text, bps) in [
            ("1500k", 1_500_000),
            ("1.5M", 1_500_000),
            ("1500000", 1_500_000),
            (" 64K ", 64_000),
        ] {
            assert_eq!(text.parse(), Ok(Bitrate(bps)), "{text}");
        }
        for text in [
            "", "k", "-5k", "1500kb", "nan", "inf", "1e99", "0", "fast", "ü",
        ] {
            assert!(text.parse::<Bitrate>().is_err(), "{text}");
        }
        assert_eq!(Bitrate(1_500_000).to_string(), "1500k");
    }

    #[test]
    fn sizes() {
        assert_eq!("640x480".parse(), Ok(Size(FrameSize::new(640, 480))));
        for text in [
            "640", "640*480", "x", "0x0", "641x480", "99999x2", "640x-480",
        ] {
            let error = text.parse::<Size>().expect_err(text).to_string();
            assert!(error.contains("640x480"), "{error}");
        }
    }

    #[test]
    fn sources_are_printed_as_they_are_written() {
        for text in ["test", "file:/a b/c:d.mp4", "v4l2:/dev/video0"] {
            assert_eq!(text.parse::<VideoSource>().expect(text).to_string(), text);
        }
        for text in ["none", "test", "file:a.wav", "alsa:plughw:CARD=Cam,DEV=0"] {
            assert_eq!(text.parse::<AudioSource>().expect(text).to_string(), text);
        }
        for text in [
            "",
            "tset",
            "file",
            "file:",
            "v4l2:",
            "test:1",
            "/dev/video0",
        ] {
            assert!(text.parse::<VideoSource>().is_err(), "{text}");
        }
        assert!("alsa:".parse::<AudioSource>().is_err());
    }

    #[test]
    fn addresses() {
        for text in [
            "http://127.0.0.1:7080/whip/front",
            "http://127.0.0.1:7080/whip/whep",
            "https://[::1]/whip/a?b=c",
            "https://live.example/door/whip",
            "https://live.example/api/whip",
        ] {
            assert!(text.parse::<WhipUrl>().is_ok(), "{text}");
        }
        for text in [
            "",
            "127.0.0.1:7080",
            "ftp://a/b",
            "http://",
            "http:///x",
            "http://a b/",
            "http://a:0/whip/front",
        ] {
            assert!(text.parse::<WhipUrl>().is_err(), "{text}");
        }
        let refused = |text: &str| text.parse::<WhipUrl>().expect_err(text).to_string();
        for text in ["http://a", "http://a/", "http://a/whip", "http://a/whip/?x"] {
            assert!(refused(text).contains("/whip/NAME"), "{text}");
        }
        assert!(refused("http://a/whep/door").ends_with("publish to http://a/whip/door"));
        assert!(!refused("http://me:hush@a/whip/door").contains("hush"));
    }

    #[test]
    fn a_pairing_link_carries_token_and_fingerprint_and_shows_neither() {
        let fingerprint = CertificateFingerprint::of(b"certificate");
        let text = format!("https://192.168.1.5:8443/whip/door#token=hush-hush&fp={fingerprint}");
        let whip: WhipUrl = text.parse().expect("a link");
        assert_eq!(whip.to_string(), "https://192.168.1.5:8443/whip/door");
        assert_eq!(whip.token().as_ref().map(Token::secret), Some("hush-hush"));
        assert_eq!(whip.fingerprint(), Some(Fingerprint(fingerprint)));
        assert!(!format!("{whip:?}").contains("hush"));
        for bad in [
            "https://a/whip/door#token=hush&fp=sha256:12",
            "https://a/whip/door#token=hush&token=hush",
            "https://a/#token=hush",
            "https://a/whep/door#token=hush",
            "a/whip/door#token=hush",
        ] {
            let error = bad.parse::<WhipUrl>().expect_err(bad).to_string();
            assert!(!error.contains("hush"), "{error}");
        }
        let viewers = "https://a/#token=hush".parse::<WhipUrl>();
        assert!(
            viewers
                .expect_err("no stream")
                .to_string()
                .contains("transom-sfu link")
        );
        let error = "ab:cd".parse::<Fingerprint>().expect_err("too short");
        assert!(error.to_string().contains("64 hexadecimal digits"));
    }

    #[test]
    fn a_token_is_never_shown() {
        let token: Token = " geheim123 ".parse().expect("a token");
        assert_eq!(token.secret(), "geheim123");
        assert_eq!(
            format!("{token} {token:?}"),
            "set (9 characters) Token(set (9 characters))"
        );
        let error = "gehe im".parse::<Token>().expect_err("a space");
        assert!(!error.to_string().contains("gehe"));
    }
}
