//! Exposure, focus, flips and the mains' frequency, by V4L2's control numbers.

use std::fmt;

use transom_boards_hal::{CameraControls, Exposure, Focus, PowerLine};
use v4l::control::{Control, Type, Value};
use v4l::device::Device;

use crate::contain::contained;

/// Numbers of the kernel's `v4l2-controls.h`: the user class (0x00980000), the
/// codec class (0x00990000) and the camera class (0x009a0000), each plus 0x900.
const HFLIP: u32 = 0x0098_0914;
const VFLIP: u32 = 0x0098_0915;
const POWER_LINE_FREQUENCY: u32 = 0x0098_0918;
const BITRATE: u32 = 0x0099_09cf;
const FORCE_KEY_FRAME: u32 = 0x0099_09e5;
const EXPOSURE_AUTO: u32 = 0x009a_0901;
const EXPOSURE_ABSOLUTE: u32 = 0x009a_0902;
const FOCUS_ABSOLUTE: u32 = 0x009a_090a;
const FOCUS_AUTO: u32 = 0x009a_090c;

/// `V4L2_EXPOSURE_MANUAL`, and what cameras call automatic: most USB cameras
/// only know that of a fixed aperture.
const EXPOSURE_MANUAL: i64 = 1;
const EXPOSURE_AUTOMATIC: [i64; 2] = [3, 0];

/// `V4L2_CID_EXPOSURE_ABSOLUTE` counts in these.
const EXPOSURE_UNIT_US: u128 = 100;

/// The settings by their names in the configuration, and their controls.
const NAMES: [(&str, u32); 6] = [
    ("exposure = \"auto\"", EXPOSURE_AUTO),
    ("exposure", EXPOSURE_ABSOLUTE),
    ("focus = \"auto\"", FOCUS_AUTO),
    ("focus", FOCUS_ABSOLUTE),
    ("hflip", HFLIP),
    ("vflip", VFLIP),
];
const POWER_LINE: (&str, u32) = ("power_line", POWER_LINE_FREQUENCY);

/// Controls named in a line.
const MAX_NAMES: usize = 40;

/// A setting that a camera has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ability {
    /// As the configuration calls it.
    pub name: &'static str,
    /// The least and the most that it takes, in the camera's units; `None`
    /// where the camera does not say, or where it is a switch.
    pub range: Option<(i64, i64)>,
}

impl fmt::Display for Ability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.name, self.range) {
            (name @ "exposure", Some((min, max))) => write!(
                f,
                "{name} ({}us to {}ms)",
                min.saturating_mul(100),
                max / 10
            ),
            (name @ "focus", Some((min, max))) => write!(f, "{name} ({min} to {max})"),
            (name, _) => f.write_str(name),
        }
    }
}

/// Which of the settings the camera has.
pub(crate) fn abilities(device: &Device) -> Vec<Ability> {
    // All or nothing: the crate gives up at a control of a kind it does not know.
    let described = contained("VIDIOC_QUERY_EXT_CTRL", || device.query_controls());
    let described = described.and_then(Result::ok).unwrap_or_default();
    NAMES
        .iter()
        .chain([&POWER_LINE])
        .filter_map(|(name, id)| {
            let range = described.iter().find(|control| control.id == *id);
            let range = range.map(|control| (control.minimum, control.maximum));
            (range.is_some() || get(device, *id).is_some()).then_some(Ability { name, range })
        })
        .collect()
}

/// Sets what is wished; a line for each that the camera has not or did not take.
pub(crate) fn set(device: &Device, camera: &str, wished: &CameraControls) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut check = |name: &str, value: &dyn fmt::Display, outcome: Outcome| match outcome {
        Outcome::Set => tracing::debug!("camera {camera}: {name} = {value}"),
        Outcome::Other(got) => complaints.push(format!(
            "camera {camera} was given {name} = {value} and took {got}"
        )),
        Outcome::Missing => complaints.push(format!(
            "camera {camera} has no {name} = {value}; it has {}",
            list(&abilities(device))
        )),
    };
    match wished.exposure {
        Some(value @ Exposure::Auto) => {
            let tried = EXPOSURE_AUTOMATIC.map(|mode| (EXPOSURE_AUTO, mode));
            check("exposure", &value, first(device, &tried));
        }
        Some(value @ Exposure::Time(time)) => {
            // A camera without a switch is always by hand.
            let _ = apply(device, EXPOSURE_AUTO, EXPOSURE_MANUAL);
            let units = i64::try_from(time.as_micros() / EXPOSURE_UNIT_US).unwrap_or(i64::MAX);
            check("exposure", &value, apply(device, EXPOSURE_ABSOLUTE, units));
        }
        None => {}
    }
    match wished.focus {
        Some(value @ Focus::Auto) => check("focus", &value, apply(device, FOCUS_AUTO, 1)),
        Some(value @ Focus::At(at)) => {
            let _ = apply(device, FOCUS_AUTO, 0);
            check("focus", &value, apply(device, FOCUS_ABSOLUTE, at.into()));
        }
        None => {}
    }
    for (name, id, flip) in [
        ("hflip", HFLIP, wished.hflip),
        ("vflip", VFLIP, wished.vflip),
    ] {
        if let Some(flip) = flip {
            check(name, &flip, apply(device, id, flip.into()));
        }
    }
    if let Some(mains) = wished.power_line {
        let value = match mains {
            PowerLine::Off => 0,
            PowerLine::Hz50 => 1,
            PowerLine::Hz60 => 2,
            PowerLine::Auto => 3,
        };
        let outcome = apply(device, POWER_LINE_FREQUENCY, value);
        check("power_line", &mains, outcome);
    }
    if !wished.other.is_empty() {
        complaints.extend(set_others(device, camera, &wished.other));
    }
    complaints
}

/// Sets controls by the names that the driver gives them.
fn set_others(device: &Device, camera: &str, wished: &[(String, i64)]) -> Vec<String> {
    let described = contained("VIDIOC_QUERY_EXT_CTRL", || device.query_controls());
    let described = described.and_then(Result::ok).unwrap_or_default();
    let complain = |(name, value): &(String, i64)| {
        let found = described.iter().find(|control| control.name == *name);
        let Some(control) = found else {
            let names: Vec<String> = described
                .iter()
                .filter(|control| control.typ != Type::CtrlClass)
                .take(MAX_NAMES)
                .map(|control| {
                    format!(
                        "{} ({} to {})",
                        control.name, control.minimum, control.maximum
                    )
                })
                .collect();
            return Some(format!(
                "camera {camera} has no control \"{name}\"; it has {}",
                names.join(", ")
            ));
        };
        match apply(device, control.id, *value) {
            Outcome::Set => None,
            Outcome::Other(got) => Some(format!(
                "camera {camera} was given \"{name}\" = {value} and took {got}"
            )),
            Outcome::Missing => Some(format!(
                "camera {camera} refuses \"{name}\" = {value}: it takes {} to {}, unless another setting forbids it",
                control.minimum, control.maximum
            )),
        }
    };
    wished.iter().filter_map(complain).collect()
}

fn list(abilities: &[Ability]) -> String {
    if abilities.is_empty() {
        return "none of exposure, focus, hflip, vflip, power_line".to_owned();
    }
    let all: Vec<String> = abilities.iter().map(ToString::to_string).collect();
    all.join(", ")
}

/// Sets the bitrate of a camera that encodes, in bits a second.
pub(crate) fn set_bitrate(device: &Device, bps: u32) -> bool {
    put(device, BITRATE, i64::from(bps))
}

/// Asks a camera that encodes for a key frame.
pub(crate) fn force_key_frame(device: &Device) -> bool {
    put(device, FORCE_KEY_FRAME, 1)
}

/// What became of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Set,
    /// The driver took the nearest it has.
    Other(i64),
    Missing,
}

fn first(device: &Device, tried: &[(u32, i64)]) -> Outcome {
    let outcomes = tried.iter().map(|(id, value)| apply(device, *id, *value));
    let mut outcomes = outcomes.skip_while(|outcome| *outcome != Outcome::Set);
    outcomes.next().unwrap_or(Outcome::Missing)
}

/// Sets a control and looks what it became.
fn apply(device: &Device, id: u32, value: i64) -> Outcome {
    if !put(device, id, value) {
        return Outcome::Missing;
    }
    match get(device, id) {
        Some(got) if got != value => Outcome::Other(got),
        _ => Outcome::Set,
    }
}

fn put(device: &Device, id: u32, value: i64) -> bool {
    let control = Control {
        id,
        value: Value::Integer(value),
    };
    contained("VIDIOC_S_EXT_CTRLS", || device.set_control(control))
        .is_some_and(|outcome| outcome.is_ok())
}

fn get(device: &Device, id: u32) -> Option<i64> {
    let got = contained("VIDIOC_G_EXT_CTRLS", || device.control(id))?.ok()?;
    match got.value {
        Value::Integer(value) => Some(value),
        Value::Boolean(value) => Some(value.into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_camera_has_is_told_in_the_words_of_the_configuration() {
        let ability = |name, range| Ability { name, range };
        let all = [
            ability("exposure", Some((3, 2047))),
            ability("focus", Some((0, 250))),
            ability("hflip", Some((0, 1))),
            ability("power_line", None),
        ];
        assert_eq!(
            list(&all),
            "exposure (300us to 204ms), focus (0 to 250), hflip, power_line"
        );
        assert!(list(&[]).starts_with("none of"));
    }
}
