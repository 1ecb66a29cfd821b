//! A line as a board file names it.

use std::fmt;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A line's place on its chip, or its name. On a Raspberry Pi both say the same: 17 and "GPIO17".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// Its place.
    Number(u32),
    /// Its name.
    Name(String),
}

impl Line {
    /// The GPIO of a Raspberry Pi's header, if it is one.
    pub fn gpio(&self) -> Option<u8> {
        let number = match self {
            Self::Number(number) => u8::try_from(*number).ok()?,
            Self::Name(name) => name.strip_prefix("GPIO")?.parse().ok()?,
        };
        // 0 and 1 are the identification EEPROM's.
        (2..=27).contains(&number).then_some(number)
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

impl Serialize for Line {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(number) => serializer.serialize_u32(*number),
            Self::Name(name) => serializer.serialize_str(name),
        }
    }
}

impl<'de> Deserialize<'de> for Line {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LineVisitor)
    }
}

struct LineVisitor;

impl Visitor<'_> for LineVisitor {
    type Value = Line;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a line's number, such as 17, or its name, such as \"GPIO17\"")
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Line, E> {
        let number = u32::try_from(number);
        number
            .map(Line::Number)
            .map_err(|_| E::custom("no chip has so many lines: give a line's number, such as 17"))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Line, E> {
        let number = u64::try_from(number)
            .map_err(|_| E::custom("lines are counted from 0: give a line's number, such as 17"))?;
        self.visit_u64(number)
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Line, E> {
        match name.trim() {
            "" => Err(E::custom(
                "a line's name is empty: give one such as \"GPIO17\"",
            )),
            name => Ok(Line::Name(name.to_owned())),
        }
    }
}
