//! The tables `[video.controls]` and `[video.second]`.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, de};
use transom_boards_hal::{CameraControls, ControlSyntax, Exposure, Focus, PowerLine};

use super::value::{Bitrate, Size, Token, Written};
use super::whip::WhipUrl;
use crate::feed::SecondConfig;
use transom_boards_hal::FrameSize;

/// What is set on a camera; everything is optional.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Controls {
    #[serde(default, deserialize_with = "written")]
    exposure: Option<Exposure>,
    #[serde(default, deserialize_with = "written")]
    focus: Option<Focus>,
    hflip: Option<bool>,
    vflip: Option<bool>,
    #[serde(default, deserialize_with = "written")]
    power_line: Option<PowerLine>,
    #[serde(default)]
    other: BTreeMap<String, i64>,
}

/// Text, or a plain number.
fn written<'de, D: Deserializer<'de>, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: std::str::FromStr<Err = ControlSyntax>,
{
    let text = match Written::deserialize(deserializer)? {
        Written::Number(number) => number.to_string(),
        Written::Text(text) => text,
    };
    text.parse().map(Some).map_err(de::Error::custom)
}

impl From<Controls> for CameraControls {
    fn from(controls: Controls) -> Self {
        Self {
            exposure: controls.exposure,
            focus: controls.focus,
            hflip: controls.hflip,
            vflip: controls.vflip,
            power_line: controls.power_line,
            other: controls.other.into_iter().collect(),
        }
    }
}

/// A second stream of the same camera.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Second {
    stream: Option<String>,
    whip: Option<WhipUrl>,
    token: Option<Token>,
    size: Option<Size>,
    fps: Option<u32>,
    bitrate: Option<Bitrate>,
}

/// A second stream, checked.
#[derive(Clone, Debug)]
pub struct SecondStream {
    /// Where to publish it.
    pub whip: WhipUrl,
    /// The secret to publish it with, where that is another one.
    pub token: Option<Token>,
    /// What it is.
    pub config: SecondConfig,
}

/// Why `[video.second]` makes no sense. Each text is one line and names the mend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecondError {
    /// Nobody said what it is called, or twice.
    #[error(
        "[video.second] needs either stream = \"NAME\", on the same server, or whip = \"http://...\""
    )]
    Where,
    /// The name makes no address.
    #[error(
        "[video.second] stream {0:?}: give a name of letters, digits, - and _, other than the first stream's"
    )]
    Stream(String),
    /// A rate of pictures that makes no sense.
    #[error("[video.second] fps {0}: choose 1 to 120")]
    Fps(u32),
    /// A bitrate that makes no sense.
    #[error("[video.second] bitrate {0}: choose 50k to 50M")]
    Bitrate(Bitrate),
}

impl Second {
    /// What it adds up to beside the first stream, published at `first`.
    pub(super) fn check(self, first: &WhipUrl, fps: u32) -> Result<SecondStream, SecondError> {
        let whip = match (&self.stream, self.whip) {
            (Some(stream), None) => {
                let wrong = || SecondError::Stream(stream.clone());
                let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
                if stream.is_empty() || !stream.chars().all(plain) {
                    return Err(wrong());
                }
                let url = first.url().to_string();
                let (server, name) = url.rsplit_once('/').ok_or_else(wrong)?;
                if name == stream {
                    return Err(wrong());
                }
                format!("{server}/{stream}").parse().map_err(|_| wrong())?
            }
            (None, Some(whip)) => whip,
            _ => return Err(SecondError::Where),
        };
        let config = SecondConfig {
            size: self.size.map_or(FrameSize::new(320, 240), |size| size.0),
            fps: self.fps.unwrap_or(fps.min(15)),
            video_bps: self.bitrate.map_or(250_000, Bitrate::bps),
        };
        if !(1..=120).contains(&config.fps) {
            return Err(SecondError::Fps(config.fps));
        }
        if !(50_000..=50_000_000).contains(&config.video_bps) {
            return Err(SecondError::Bitrate(Bitrate::from_bps(config.video_bps)));
        }
        let token = self.token.or_else(|| whip.token());
        Ok(SecondStream {
            whip,
            token,
            config,
        })
    }
}

/// Tells `line` what is set on the camera, and of the second stream, as name,
/// value and meaning.
pub(super) fn explain(
    controls: &CameraControls,
    second: Option<&SecondStream>,
    mut line: impl FnMut(&str, &dyn fmt::Display, &str),
) {
    let CameraControls {
        exposure,
        focus,
        hflip,
        vflip,
        power_line,
        other,
    } = controls;
    if let Some(exposure) = exposure {
        line(
            "video.controls.exposure",
            exposure,
            "how long a picture is exposed",
        );
    }
    if let Some(focus) = focus {
        line("video.controls.focus", focus, "in the camera's units");
    }
    for (name, flip) in [("hflip", hflip), ("vflip", vflip)] {
        if let Some(flip) = flip {
            line(
                &format!("video.controls.{name}"),
                flip,
                "mirrored by the camera",
            );
        }
    }
    if let Some(mains) = power_line {
        line("video.controls.power_line", mains, "whose lamps flicker");
    }
    for (name, value) in other {
        let name = format!("video.controls.other.{name:?}");
        line(&name, value, "by the driver's own name");
    }
    if let Some(second) = second {
        line(
            "video.second.whip",
            &second.whip,
            "a second stream of the same pictures",
        );
        let SecondConfig {
            size,
            fps,
            video_bps,
        } = second.config;
        let what = format!("{size}@{fps} {}", Bitrate::from_bps(video_bps));
        line(
            "video.second",
            &what,
            "the size into which they fit, rate, bits a second",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn first() -> WhipUrl {
        "http://127.0.0.1:7080/whip/door"
            .parse()
            .expect("an address")
    }

    fn second(text: &str) -> Result<SecondStream, SecondError> {
        toml::from_str::<Second>(text)
            .expect("good TOML")
            .check(&first(), 30)
    }

    #[test]
    fn controls_are_read_and_slips_name_the_mend() {
        let text =
            "exposure = \"5ms\"\nfocus = 120\nhflip = true\npower_line = 50\n[other]\nGain = 3\n";
        let controls: Controls = toml::from_str(text).expect("controls");
        assert_eq!(
            CameraControls::from(controls),
            CameraControls {
                exposure: Some(Exposure::Time(Duration::from_millis(5))),
                focus: Some(Focus::At(120)),
                hflip: Some(true),
                vflip: None,
                power_line: Some(PowerLine::Hz50),
                other: vec![("Gain".to_owned(), 3)],
            }
        );
        for (text, words) in [
            ("exposure = 10", "10ms"),
            ("focus = \"near\"", "auto"),
            ("power_line = 55", "60Hz"),
            ("brightness = 3", "power_line"),
        ] {
            let error = toml::from_str::<Controls>(text).expect_err(text);
            assert!(error.message().contains(words), "{}", error.message());
        }
    }

    #[test]
    fn a_second_stream_is_beside_the_first() {
        let stream = second("stream = \"door-low\"").expect("a stream");
        assert_eq!(
            stream.whip.to_string(),
            "http://127.0.0.1:7080/whip/door-low"
        );
        assert_eq!((stream.config.fps, stream.config.video_bps), (15, 250_000));
        let other = second("whip = \"http://127.0.0.1:9000/whip/x\"\nsize = \"160x120\"");
        assert_eq!(
            other.expect("a stream").config.size,
            FrameSize::new(160, 120)
        );
        for (text, words) in [
            ("", "either stream"),
            ("stream = \"door\"", "other than the first"),
            ("stream = \"a/b\"", "letters"),
            ("stream = \"a\"\nfps = 0", "1 to 120"),
            ("stream = \"a\"\nbitrate = 1", "50k to 50M"),
            ("stream = \"a\"\nwhip = \"http://a/whip/b\"", "either"),
        ] {
            let error = second(text).expect_err(text).to_string();
            assert!(error.contains(words) && !error.contains('\n'), "{error}");
        }
    }
}
