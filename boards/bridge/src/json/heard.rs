//! What a program says.

use serde::Deserialize;

use super::VERSION;
use super::output::Output;

/// Bytes of a line at most, without its end.
pub const MAX_LINE: usize = 1024;
/// Characters of a text at most.
const MAX_TEXT: usize = 200;

/// A line of a program's.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// Its first one.
    Hello {
        /// Who it is.
        name: String,
        /// What it switches.
        outputs: Vec<Output>,
    },
    /// The answer to each line of ours.
    State {
        /// The number of the latest line that it has obeyed.
        seq: u32,
        /// What it measures.
        telemetry: Telemetry,
        /// Why it does not do what it is told, if so.
        fault: Option<String>,
    },
}

/// What a program measures; what is not known is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Telemetry {
    /// Millivolts.
    pub battery_mv: Option<u16>,
    /// Where it is.
    pub pose: Option<Pose>,
    /// Millimetres to what is ahead.
    pub range_mm: Option<u16>,
    /// Degrees Celsius.
    pub temperatures: [Option<f32>; 2],
    /// Whatever the program likes to tell.
    pub user: [Option<i32>; 4],
}

/// Where it is, in the frame of the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pose {
    /// Millimetres ahead.
    pub x_mm: i32,
    /// Millimetres to the left.
    pub y_mm: i32,
    /// Milliradians, counter-clockwise.
    pub heading_mrad: i32,
    /// Where the camera points: milliradians to the left.
    #[serde(default)]
    pub pan_mrad: i16,
    /// Milliradians upwards.
    #[serde(default)]
    pub tilt_mrad: i16,
}

/// Why a line is none. Each text is one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeardError {
    /// It is no such JSON.
    #[error("a line is not understood: {0}")]
    Json(String),
    /// Of another time.
    #[error("it speaks version {0} of the protocol, and this is version {VERSION}")]
    Version(u32),
}

/// The form on the wire.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
enum Line {
    Hello {
        version: u32,
        #[serde(default)]
        name: String,
        #[serde(default)]
        outputs: Vec<String>,
    },
    State {
        seq: u32,
        battery_mv: Option<u16>,
        pose: Option<Pose>,
        range_mm: Option<u16>,
        #[serde(default)]
        temperatures_c: Vec<f32>,
        #[serde(default)]
        user: Vec<i32>,
        fault: Option<String>,
    },
}

impl Heard {
    /// Reads a line of at most [`MAX_LINE`] bytes.
    pub fn parse(line: &[u8]) -> Result<Self, HeardError> {
        let line: Line = serde_json::from_slice(line)
            .map_err(|error| HeardError::Json(plain(&error.to_string())))?;
        match line {
            Line::Hello { version, .. } if version != VERSION => Err(HeardError::Version(version)),
            Line::Hello { name, outputs, .. } => {
                let known = |name: &String| {
                    Output::from_name(name).ok_or_else(|| {
                        let told = format!(
                            "there is no output `{}`: lock, light, chime, horn, user0 to user127",
                            plain(name)
                        );
                        HeardError::Json(told)
                    })
                };
                Ok(Self::Hello {
                    name: plain(&name),
                    outputs: outputs.iter().map(known).collect::<Result<_, _>>()?,
                })
            }
            Line::State {
                seq,
                battery_mv,
                pose,
                range_mm,
                temperatures_c,
                user,
                fault,
            } => Ok(Self::State {
                seq,
                telemetry: Telemetry {
                    battery_mv,
                    pose,
                    range_mm,
                    temperatures: few(&temperatures_c, "temperatures_c")?,
                    user: few(&user, "user")?,
                },
                fault: fault.map(|text| plain(&text)),
            }),
        }
    }
}

fn few<T: Copy, const N: usize>(values: &[T], key: &str) -> Result<[Option<T>; N], HeardError> {
    if values.len() > N {
        return Err(HeardError::Json(format!(
            "`{key}` has more than {N} values"
        )));
    }
    Ok(std::array::from_fn(|at| values.get(at).copied()))
}

/// Text that may stand in a line of a log.
pub(crate) fn plain(text: &str) -> String {
    let text = text.chars().take(MAX_TEXT);
    text.map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read() {
        let hello = br#"{"type":"hello","version":1,"name":"Rover\nX","outputs":["horn"]}"#;
        let name = "Rover X".to_owned();
        let outputs = Output::from_name("horn").into_iter().collect();
        assert_eq!(Heard::parse(hello), Ok(Heard::Hello { name, outputs }));
        let bare = Heard::parse(br#"{"type":"state","seq":7}"#).expect("good");
        let telemetry = Telemetry::default();
        let fault = None;
        assert_eq!(
            bare,
            Heard::State {
                seq: 7,
                telemetry,
                fault
            }
        );
        let full =
            br#"{"seq":8,"type":"state","battery_mv":12400,"range_mm":350,"temperatures_c":[41.5],
            "pose":{"x_mm":-5,"y_mm":6,"heading_mrad":-1570},"user":[1,-2],"fault":"too hot"}"#;
        let Ok(Heard::State {
            telemetry, fault, ..
        }) = Heard::parse(full)
        else {
            panic!("a state");
        };
        assert_eq!(telemetry.battery_mv, Some(12_400));
        assert_eq!(telemetry.temperatures, [Some(41.5), None]);
        assert_eq!(telemetry.user, [Some(1), Some(-2), None, None]);
        assert_eq!(telemetry.pose.map(|pose| pose.heading_mrad), Some(-1570));
        assert_eq!(fault.as_deref(), Some("too hot"));
    }

    #[test]
    fn what_is_no_line_is_told_in_one_line() {
        for (line, words) in [
            (r#"{"type":"hello","version":2}"#, "version 2"),
            (r#"{"type":"state"}"#, "seq"),
            (r#"{"type":"state","seq":-1}"#, "-1"),
            (r#"{"type":"state","seq":1,"batery_mv":3}"#, "batery_mv"),
            (r#"{"type":"state","seq":1,"battery_mv":70000}"#, "70000"),
            (
                r#"{"type":"state","seq":1,"user":[1,2,3,4,5]}"#,
                "more than 4",
            ),
            (
                r#"{"type":"hello","version":1,"outputs":["hupe"]}"#,
                "no output `hupe`",
            ),
            (r#"{"type":"drive"}"#, "drive"),
            ("[[[[", "expected"),
            (r#"{"type":"state","seq":1,"a\nb":3}"#, "a b"),
            ("\u{fffd}", "expected"),
        ] {
            let told = Heard::parse(line.as_bytes()).expect_err(line).to_string();
            assert!(told.contains(words) && !told.contains('\n'), "{told}");
        }
        let deep = [b'['; MAX_LINE];
        assert!(Heard::parse(&deep).is_err());
    }
}
