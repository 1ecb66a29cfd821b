//! What cannot be so in a board file that can be read.

use std::ops::RangeInclusive;

use super::line::Line;
use super::wiring::{Outputs, Pwm, Wiring};

/// Why a board cannot be wired so. Each text is one line and names the mend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WiringError {
    /// Two things on one line.
    #[error("{first} and {second} are both on line {line}: give each its own")]
    Twice {
        /// The line.
        line: Line,
        /// One thing.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
    /// The header has no such line.
    #[error("{key} = {line}: not on a Raspberry Pi's header: choose 2 to 27")]
    NotOnTheHeader {
        /// What it is for.
        key: &'static str,
        /// Which it is.
        line: Line,
    },
    /// A number beyond reason.
    #[error("{key} = {value}: choose {least} to {most}")]
    Range {
        /// Which number.
        key: &'static str,
        /// What it is.
        value: u32,
        /// What it may be.
        least: u32,
        /// What it may be.
        most: u32,
    },
    /// The motors' lines do not go together.
    #[error("[drive] {0}")]
    Drive(String),
    /// Two that exclude each other, or neither.
    #[error("{0}")]
    Choice(&'static str),
}

impl Wiring {
    /// Everything that cannot be so.
    pub fn mistakes(&self) -> Vec<WiringError> {
        let mut mistakes = Vec::new();
        let lines = self.lines();
        for (at, (key, line)) in lines.iter().enumerate() {
            let others = lines.iter().take(at);
            let same = |other: &&(&'static str, &Line)| match (other.1.gpio(), line.gpio()) {
                (Some(a), Some(b)) if self.outputs == Outputs::Rppal => a == b,
                _ => other.1 == *line,
            };
            if let Some((first, _)) = others.into_iter().find(same) {
                mistakes.push(WiringError::Twice {
                    line: (*line).clone(),
                    first,
                    second: key,
                });
            }
            if self.outputs == Outputs::Rppal && line.gpio().is_none() {
                mistakes.push(WiringError::NotOnTheHeader {
                    key,
                    line: (*line).clone(),
                });
            }
        }
        self.check_numbers(&mut mistakes);
        self.check_choices(&mut mistakes);
        mistakes
    }

    fn check_numbers(&self, mistakes: &mut Vec<WiringError>) {
        let mut within = |key, value: u32, bounds: RangeInclusive<u32>| {
            if !bounds.contains(&value) {
                mistakes.push(WiringError::Range {
                    key,
                    value,
                    least: *bounds.start(),
                    most: *bounds.end(),
                });
            }
        };
        if let Some(button) = &self.button {
            within("[button] debounce_ms", button.debounce_ms.into(), 1..=500);
        }
        if let Some(lock) = &self.lock {
            within("[lock] longest_ms", lock.longest_ms.into(), 100..=30_000);
        }
        if let Some(chime) = &self.chime {
            within("[chime] ring_ms", chime.ring_ms.into(), 50..=10_000);
        }
        if let Some(horn) = &self.horn {
            within("[horn] longest_ms", horn.longest_ms.into(), 50..=10_000);
        }
        if let Some(serial) = &self.serial_drive {
            within("[serial_drive] baud", serial.baud, 1200..=4_000_000);
        }
        if let Some(program) = &self.program {
            within("[program] answer_ms", program.answer_ms.into(), 50..=5000);
        }
        if let Some(mavlink) = &self.mavlink {
            within("[mavlink] baud", mavlink.baud, 1200..=4_000_000);
            within("[mavlink] system", mavlink.system.into(), 1..=255);
            within("[mavlink] station", mavlink.station.into(), 1..=255);
        }
        if let Some(both) = &self.pan_tilt {
            for (key, us) in [
                ("[pan_tilt] pan.min_us", both.pan.min_us),
                ("[pan_tilt] pan.max_us", both.pan.max_us),
                ("[pan_tilt] tilt.min_us", both.tilt.min_us),
                ("[pan_tilt] tilt.max_us", both.tilt.max_us),
            ] {
                within(key, us.into(), 300..=2700);
            }
        }
        if let Some(chip) = self.battery.as_ref().and_then(|b| b.ina219.as_ref()) {
            within("[battery] ina219.address", chip.address.into(), 0x40..=0x4f);
        }
    }

    fn check_choices(&self, mistakes: &mut Vec<WiringError>) {
        let mut refuse = |when: bool, why| {
            if when {
                mistakes.push(WiringError::Choice(why));
            }
        };
        let drives = [
            self.drive.is_some(),
            self.serial_drive.is_some(),
            self.program.is_some(),
            self.mavlink.is_some(),
        ];
        refuse(
            drives.iter().filter(|there| **there).count() > 1,
            "of [drive], [serial_drive], [program] and [mavlink] there can be one: remove the others",
        );
        if let Some(program) = &self.program {
            refuse(
                program.command.is_some() == program.socket.is_some(),
                "[program] wants one of `command` and `socket`",
            );
            refuse(
                program.command.as_ref().is_some_and(|words| {
                    words.first().is_none_or(String::is_empty)
                        || words.iter().any(|w| w.contains('\0'))
                }),
                "[program] command begins with the program: command = [\"python3\", \"/home/me/robot.py\"]",
            );
            refuse(
                program.uid.is_some() && program.socket.is_none(),
                "[program] uid is for `socket`: remove it",
            );
            refuse(
                program.folder.is_some() && program.command.is_none(),
                "[program] folder is for `command`: remove it",
            );
        }
        if let Some(mavlink) = &self.mavlink {
            refuse(
                mavlink.device.is_some() == mavlink.listen.is_some(),
                "[mavlink] wants one of `device` (a serial port) and `listen` with `peer` (UDP)",
            );
            refuse(
                mavlink.listen.is_some() != mavlink.peer.is_some(),
                "[mavlink] wants `listen` and `peer` together: whose datagrams count is to be known",
            );
            refuse(
                mavlink.system == mavlink.station,
                "[mavlink] system and station are the same: the vehicle is system 1 as a rule, and we are 255",
            );
            refuse(
                cfg!(not(feature = "mavlink")),
                "[mavlink] is not in this program: build it with the feature mavlink",
            );
        }
        refuse(
            self.battery
                .as_ref()
                .is_some_and(|b| b.file.is_some() == b.ina219.is_some()),
            "[battery] wants one of `file` and `ina219`",
        );
        refuse(
            self.pan_tilt.is_some() && self.outputs == Outputs::Gpiochip,
            "[pan_tilt] wants outputs = \"rppal\": the kernel's GPIO device makes no pulses",
        );
        refuse(
            self.trace.is_some() && self.outputs != Outputs::Sim,
            "trace is for outputs = \"sim\": remove it",
        );
        let named = |line: &Line| matches!(line, Line::Name(_));
        refuse(
            self.outputs == Outputs::Gpiochip
                && self.chip.is_none()
                && self.lines().iter().any(|(_, line)| !named(line)),
            "chip is missing: lines with numbers want the chip that they are of, such as \"/dev/gpiochip0\"",
        );
        let Some(drive) = &self.drive else { return };
        match (self.outputs, drive.pwm) {
            (Outputs::Rppal, Pwm::None) => mistakes.push(WiringError::Drive(
                "pwm = \"none\": a Raspberry Pi makes pulses: choose software or hardware"
                    .to_owned(),
            )),
            (Outputs::Gpiochip, Pwm::Software | Pwm::Hardware) => {
                mistakes.push(WiringError::Drive(
                    "pwm: the kernel's GPIO device makes no pulses: write pwm = \"none\""
                        .to_owned(),
                ));
            }
            (Outputs::Rppal, _) => {
                if let Some(Err(error)) = drive.pins().map(|pins| pins.check()) {
                    mistakes.push(WiringError::Drive(error.to_string()));
                }
            }
            (Outputs::Gpiochip | Outputs::Sim, _) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(text: &str) -> Vec<String> {
        let wiring: Wiring = toml::from_str(text).expect("good TOML");
        let mistakes = wiring.mistakes();
        mistakes.iter().map(WiringError::to_string).collect()
    }

    #[test]
    fn every_mistake_is_told_with_its_mend() {
        let text = r#"
            outputs = "gpiochip"
            [button]
            line = 3
            debounce_ms = 5000
            [lock]
            line = 3
            longest_ms = 60000
            [pan_tilt]
            pan = { line = "A", min_us = 1 }
            tilt = { line = "B" }
            [battery]
            [drive]
            left_pwm = 5
            left_direction = 6
            right_pwm = 7
            right_direction = 8
            enable = 9
            pwm = "hardware"
        "#;
        let told = mistakes(text);
        for (part, mend) in [
            (
                "[button] line and [lock] line are both on line 3",
                "its own",
            ),
            ("[button] debounce_ms = 5000", "choose 1 to 500"),
            ("[lock] longest_ms = 60000", "choose 100 to 30000"),
            ("[pan_tilt] pan.min_us = 1", "choose 300 to 2700"),
            ("[pan_tilt] wants", "rppal"),
            ("[battery]", "one of"),
            ("[drive] pwm", "pwm = \"none\""),
            ("chip is missing", "/dev/gpiochip0"),
        ] {
            let found = told.iter().find(|told| told.contains(part));
            assert!(
                found.is_some_and(|told| told.contains(mend)),
                "{part}: {told:#?}"
            );
        }
        assert_eq!(told.len(), 8, "{told:#?}");
        assert!(told.iter().all(|told| !told.contains('\n')));
    }

    #[test]
    fn robots_that_drive_by_themselves_are_one_and_can_be_reached() {
        for (text, words) in [
            ("[program]", "one of `command` and `socket`"),
            ("[program]\ncommand = []", "begins with the program"),
            (
                "[program]\ncommand = [\"a\"]\nuid = 3",
                "uid is for `socket`",
            ),
            (
                "[program]\nsocket = \"/run/a\"\nfolder = \"/\"",
                "folder is for `command`",
            ),
            (
                "[program]\nsocket = \"/run/a\"\nanswer_ms = 9",
                "50 to 5000",
            ),
            (
                "[program]\nsocket = \"/run/a\"\n[mavlink]\ndevice = \"/dev/a\"",
                "there can be one",
            ),
            ("[mavlink]", "one of `device`"),
            (
                "[mavlink]\nlisten = \"0.0.0.0:1\"",
                "`listen` and `peer` together",
            ),
            (
                "[mavlink]\ndevice = \"/dev/a\"\nsystem = 255",
                "are the same",
            ),
        ] {
            let told = mistakes(text);
            assert_eq!(told.len(), 1, "{text}: {told:?}");
            assert!(
                told[0].contains(words) && !told[0].contains('\n'),
                "{told:?}"
            );
        }
        assert!(mistakes("[mavlink]\nlisten = \"[::]:14550\"\npeer = \"[::1]:14555\"").is_empty());
        assert!(mistakes("[program]\ncommand = [\"robot\"]\n[lock]\nline = \"A\"").is_empty());
    }

    #[test]
    fn a_raspberry_pis_header_has_names_and_numbers_for_the_same() {
        let text = "outputs = \"rppal\"\n[button]\nline = 17\n[lock]\nline = \"GPIO17\"\n[light]\nline = 28";
        let told = mistakes(text);
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].contains("line GPIO17") && told[1].contains("2 to 27"));
    }

    #[test]
    fn what_is_unknown_is_refused_with_what_there_is() {
        for (text, words) in [
            ("colour = 1", "unknown field `colour`"),
            ("[lock]\nline = 1\nopen_ms = 5", "`longest_ms`"),
            ("[lock]\nline = -1", "counted from 0"),
            ("[lock]\nline = true", "such as 17"),
            ("[lock]\nline = 1\nactive = \"up\"", "`high` or `low`"),
            ("outputs = \"gpio\"", "`gpiochip`"),
            ("[lock]\nactive = \"low\"", "missing field `line`"),
        ] {
            let error = toml::from_str::<Wiring>(text).expect_err(text).to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn a_wiring_survives_the_way_to_the_actuator() {
        let text = "name = \"A\"\nchip = \"pl061\"\n[lock]\nline = \"X\"\nactive = \"low\"\n[battery]\nina219 = { bus = 1, address = 0x40 }";
        let wiring: Wiring = toml::from_str(text).expect("good TOML");
        let json = serde_json::to_string(&wiring).expect("JSON");
        let read: Wiring = serde_json::from_str(&json).expect("JSON");
        assert_eq!(read, wiring);
        assert!(wiring.has_outputs() && !wiring.drives());
    }

    #[test]
    fn a_battery_alone_is_looked_at() {
        let text = "name = \"A\"\n[battery]\nina219 = { bus = 1, address = 0x40 }";
        let wiring: Wiring = toml::from_str(text).expect("good TOML");
        assert!(wiring.has_outputs() && !wiring.drives());
    }
}
