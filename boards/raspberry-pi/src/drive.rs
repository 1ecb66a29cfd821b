//! The drive on the header.

use rppal::gpio::{self, Gpio, OutputPin};
use rppal::pwm::{self, Channel, Polarity, Pwm};
use transom_boards_hal::{DifferentialDrive, DriveError, Motor};

use crate::pins::{DrivePins, PwmKind, pwm_channel};
use crate::pwm::PiPwm;

const BOARD: &str = "Raspberry Pi";

/// A differential drive on a Raspberry Pi.
///
/// The pins are given back as inputs when it is dropped, so that the pull resistors decide.
pub type PiDrive = DifferentialDrive<PiPwm, OutputPin, OutputPin>;

/// Takes the lines over and makes them safe.
pub fn open(pins: &DrivePins) -> Result<PiDrive, DriveError> {
    pins.check().map_err(|error| DriveError::Line {
        line: "the drive",
        told: error.to_string(),
    })?;
    let gpio = Gpio::new().map_err(unusable)?;
    let line = |pin| {
        gpio.get(pin)
            .map(|pin| pin.into_output_low())
            .map_err(unusable)
    };
    // First of all: whoever had the pins before may have left it high.
    let enable = line(pins.enable)?;
    let motor = |speed, direction| -> Result<_, DriveError> {
        Ok(Motor {
            speed: match pins.pwm {
                PwmKind::Software => PiPwm::Software {
                    pin: line(speed)?,
                    hz: f64::from(pins.pwm_hz),
                },
                PwmKind::Hardware => PiPwm::Hardware(hardware(speed, pins.pwm_hz)?),
            },
            direction: line(direction)?,
        })
    };
    let left = motor(pins.left_pwm, pins.left_direction)?;
    let right = motor(pins.right_pwm, pins.right_direction)?;
    DifferentialDrive::new(left, right, enable)
}

fn hardware(pin: u8, hz: u32) -> Result<Pwm, DriveError> {
    let channel = match pwm_channel(pin) {
        Some(0) => Channel::Pwm0,
        _ => Channel::Pwm1,
    };
    Pwm::with_frequency(channel, f64::from(hz), 0.0, Polarity::Normal, true).map_err(
        |error: pwm::Error| DriveError::Line {
            line: "hardware PWM",
            told: format!("{error}: write dtoverlay=pwm-2chan into config.txt and start anew"),
        },
    )
}

fn unusable(error: gpio::Error) -> DriveError {
    let told = error.to_string();
    match error {
        gpio::Error::UnknownModel => DriveError::NotThisBoard { board: BOARD, told },
        gpio::Error::PinUsed(_) | gpio::Error::PinNotAvailable(_) => DriveError::Line {
            line: "the drive",
            told,
        },
        gpio::Error::PermissionDenied(_) | gpio::Error::Io(_) | gpio::Error::ThreadPanic => {
            DriveError::Denied { board: BOARD, told }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_machine_is_told_apart() {
        if std::fs::read_to_string("/proc/device-tree/model")
            .is_ok_and(|model| model.contains("Raspberry Pi"))
        {
            return;
        }
        let error = open(&DrivePins::default()).map(drop).expect_err("no Pi");
        let text = error.to_string();
        assert!(text.starts_with("not a Raspberry Pi: "), "{text}");
        assert!(text.contains("board") && !text.contains('\n'), "{text}");
    }

    #[test]
    fn pins_that_cannot_be_are_refused_before_any_is_touched() {
        let pins = DrivePins {
            enable: 12,
            ..DrivePins::default()
        };
        let error = open(&pins).map(drop).expect_err("two on one");
        assert!(error.to_string().contains("GPIO 12"), "{error}");
    }
}
