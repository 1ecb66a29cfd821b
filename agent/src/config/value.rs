//! Values as they are written in flags, variables and the file.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use serde::Deserialize;
use transom_boards_hal::{CodecWish, FrameSize, PixelFormat};

use crate::encode::{ChoiceError, EncoderChoice};
use crate::feed::{AudioSource, VideoSource};

/// A value that cannot be read. The text names the mend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ValueError(pub(super) String);

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

/// Where figures are served: an address with a port; `localhost` is 127.0.0.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct MetricsAddr(pub SocketAddr);

impl MetricsAddr {
    /// Whether only this machine reaches it.
    pub fn is_loopback(self) -> bool {
        self.0.ip().to_canonical().is_loopback()
    }
}

impl FromStr for MetricsAddr {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let text = text.trim();
        let port = text.strip_prefix("localhost:").map(str::parse);
        let address = match port {
            Some(Ok(port)) => Some((Ipv4Addr::LOCALHOST, port).into()),
            Some(Err(_)) => None,
            None => text.parse().ok(),
        };
        address.map(Self).ok_or_else(|| {
            ValueError(format!(
                "`{text}` is no address with a port: write it as 127.0.0.1:9101"
            ))
        })
    }
}

impl TryFrom<String> for MetricsAddr {
    type Error = ValueError;

    fn try_from(text: String) -> Result<Self, ValueError> {
        text.parse()
    }
}

impl fmt::Display for MetricsAddr {
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
            ("csi", None) => Ok(Self::Csi(0)),
            ("csi", Some(number)) if number.parse::<u8>().is_ok() => {
                Ok(Self::Csi(number.parse().unwrap_or(0)))
            }
            _ => Err(ValueError(format!(
                "`{text}` is no source: give test, file:PATH, v4l2:/dev/videoN or csi"
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
            Self::Csi(0) => f.write_str("csi"),
            Self::Csi(number) => write!(f, "csi:{number}"),
        }
    }
}

/// In which form a camera's frames are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Format(pub CodecWish);

const FORMATS: [(&str, CodecWish); 7] = [
    ("auto", CodecWish::Any),
    ("h264", CodecWish::Only(PixelFormat::H264)),
    ("mjpeg", CodecWish::Only(PixelFormat::Mjpeg)),
    ("i420", CodecWish::Only(PixelFormat::I420)),
    ("nv12", CodecWish::Only(PixelFormat::Nv12)),
    ("yuyv", CodecWish::Only(PixelFormat::Yuyv)),
    ("raw", CodecWish::Pictures),
];

impl FromStr for Format {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let found = FORMATS.iter().find(|(name, _)| *name == text.trim());
        found.map(|(_, wish)| Self(*wish)).ok_or_else(|| {
            let names: Vec<&str> = FORMATS.iter().map(|(name, _)| *name).collect();
            ValueError(format!("`{text}` is no format: give {}", names.join(", ")))
        })
    }
}

impl TryFrom<String> for Format {
    type Error = ValueError;

    fn try_from(text: String) -> Result<Self, ValueError> {
        text.parse()
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = FORMATS.iter().find(|(_, wish)| *wish == self.0);
        f.write_str(name.map_or("auto", |(name, _)| name))
    }
}

/// What encodes: `auto`, `openh264` or `v4l2:/dev/videoN`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct EncoderName(pub EncoderChoice);

impl FromStr for EncoderName {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let choice = text.trim().parse().map(Self);
        choice.map_err(|error: ChoiceError| ValueError(error.to_string()))
    }
}

impl TryFrom<String> for EncoderName {
    type Error = ValueError;

    fn try_from(text: String) -> Result<Self, ValueError> {
        text.parse()
    }
}

impl fmt::Display for EncoderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
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

/// Where the chime and who talks back are heard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SpeakerDevice {
    /// Nowhere.
    #[default]
    None,
    /// An ALSA device.
    Alsa(String),
}

impl FromStr for SpeakerDevice {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match split(text) {
            ("none", None) => Ok(Self::None),
            ("alsa", Some(device)) if !device.contains('\0') => Ok(Self::Alsa(device.to_owned())),
            _ => Err(ValueError(format!(
                "`{text}` is no speaker: give alsa:DEVICE or none"
            ))),
        }
    }
}

impl fmt::Display for SpeakerDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
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
pub(super) enum Written {
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

pub(super) use from_written;

from_written!(
    Bitrate,
    Size,
    VideoSource,
    AudioSource,
    SpeakerDevice,
    Token
);

impl<'de> Deserialize<'de> for VideoSource {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::try_from(Written::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for SpeakerDevice {
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
        for text in [
            "test",
            "file:/a b/c:d.mp4",
            "v4l2:/dev/video0",
            "csi",
            "csi:1",
        ] {
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
            "csi:",
            "csi:300",
            "test:1",
            "/dev/video0",
        ] {
            assert!(text.parse::<VideoSource>().is_err(), "{text}");
        }
        assert!("alsa:".parse::<AudioSource>().is_err());
        for text in ["none", "alsa:plughw:CARD=Device,DEV=0"] {
            assert_eq!(text.parse::<SpeakerDevice>().expect(text).to_string(), text);
        }
        for text in ["", "alsa", "test", "none:"] {
            assert!(text.parse::<SpeakerDevice>().is_err(), "{text}");
        }
    }

    #[test]
    fn formats_and_encoders_are_printed_as_they_are_written() {
        for (text, _) in FORMATS {
            assert_eq!(text.parse::<Format>().expect(text).to_string(), text);
        }
        let error = "h265".parse::<Format>().expect_err("none").to_string();
        assert!(error.contains("h264, mjpeg"), "{error}");
        let encoder: EncoderName = "v4l2:/dev/video11".parse().expect("an encoder");
        assert_eq!(encoder.to_string(), "v4l2:/dev/video11");
        assert!("x264".parse::<EncoderName>().is_err());
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
