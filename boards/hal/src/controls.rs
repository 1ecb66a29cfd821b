//! What can be set on a camera besides its format.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;
use core::time::Duration;

/// Settings of a camera; what is `None` stays as the camera has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CameraControls {
    /// How long a picture is exposed.
    pub exposure: Option<Exposure>,
    /// Where it is sharp.
    pub focus: Option<Focus>,
    /// Left and right exchanged.
    pub hflip: Option<bool>,
    /// Upside down.
    pub vflip: Option<bool>,
    /// The mains, whose lamps flicker.
    pub power_line: Option<PowerLine>,
    /// Any others, by the names that the camera's driver gives them.
    pub other: Vec<(String, i64)>,
}

/// How long a picture is exposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposure {
    /// The camera measures.
    Auto,
    /// Always so long.
    Time(Duration),
}

/// Where the picture is sharp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Focus {
    /// The camera searches.
    Auto,
    /// Always there, in the camera's own units; of a CSI camera in tenths of a
    /// dioptre, 0 the farthest.
    At(u32),
}

/// The mains, whose lamps flicker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerLine {
    /// Nothing is done about it.
    Off,
    /// Europe, most of Asia and Africa.
    Hz50,
    /// America, the west of Japan.
    Hz60,
    /// The camera finds out.
    Auto,
}

/// A setting that cannot be read. The text names the mend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ControlSyntax(&'static str);

/// The longest exposure: a picture a second.
const MAX_EXPOSURE: Duration = Duration::from_secs(1);

impl FromStr for Exposure {
    type Err = ControlSyntax;

    fn from_str(text: &str) -> Result<Self, ControlSyntax> {
        const WRONG: ControlSyntax = ControlSyntax(
            "exposure: write \"auto\" or a time from 100us to 1000ms, as in \"10ms\"",
        );
        let text = text.trim();
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let (number, unit) = match (text.strip_suffix("us"), text.strip_suffix("ms")) {
            (Some(number), _) => (number, 1),
            (_, Some(number)) => (number, 1000),
            _ => return Err(WRONG),
        };
        let micros = number.trim().parse::<u64>().map_err(|_| WRONG)?;
        let time = Duration::from_micros(micros.saturating_mul(unit));
        match time >= Duration::from_micros(100) && time <= MAX_EXPOSURE {
            true => Ok(Self::Time(time)),
            false => Err(WRONG),
        }
    }
}

impl FromStr for Focus {
    type Err = ControlSyntax;

    fn from_str(text: &str) -> Result<Self, ControlSyntax> {
        match text.trim() {
            "auto" => Ok(Self::Auto),
            number => number.parse().map(Self::At).map_err(|_| {
                ControlSyntax("focus: write \"auto\" or a number in the camera's units, as in 120")
            }),
        }
    }
}

impl FromStr for PowerLine {
    type Err = ControlSyntax;

    fn from_str(text: &str) -> Result<Self, ControlSyntax> {
        match text.trim() {
            "off" => Ok(Self::Off),
            "50" | "50Hz" => Ok(Self::Hz50),
            "60" | "60Hz" => Ok(Self::Hz60),
            "auto" => Ok(Self::Auto),
            _ => Err(ControlSyntax(
                "power_line: write \"50Hz\", \"60Hz\", \"auto\" or \"off\"",
            )),
        }
    }
}

impl fmt::Display for Exposure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Time(time) if time.as_micros() % 1000 == 0 => write!(f, "{}ms", time.as_millis()),
            Self::Time(time) => write!(f, "{}us", time.as_micros()),
        }
    }
}

impl fmt::Display for Focus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::At(at) => write!(f, "{at}"),
        }
    }
}

impl fmt::Display for PowerLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "off",
            Self::Hz50 => "50Hz",
            Self::Hz60 => "60Hz",
            Self::Auto => "auto",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn settings_are_read_as_they_are_written() {
        for text in ["auto", "10ms", "125us", "1000ms"] {
            let exposure: Exposure = text.parse().expect(text);
            assert_eq!(exposure.to_string(), text);
        }
        assert_eq!("1000us".parse(), "1ms".parse::<Exposure>());
        for text in [
            "",
            "10",
            "ms",
            "10s",
            "50us",
            "1001ms",
            "-1ms",
            "99999999999999999999ms",
        ] {
            let error = text.parse::<Exposure>().expect_err(text).to_string();
            assert!(error.contains("10ms"), "{error}");
        }
        assert_eq!("auto".parse(), Ok(Focus::Auto));
        assert_eq!(" 120 ".parse(), Ok(Focus::At(120)));
        assert!("near".parse::<Focus>().is_err() && "-1".parse::<Focus>().is_err());
        for text in ["off", "50Hz", "60Hz", "auto"] {
            let mains: PowerLine = text.parse().expect(text);
            assert_eq!(mains.to_string(), text);
        }
        assert_eq!("50".parse(), Ok(PowerLine::Hz50));
        assert!("55".parse::<PowerLine>().is_err());
    }
}
