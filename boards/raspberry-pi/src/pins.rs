//! Which line is where.

use std::fmt;
use std::str::FromStr;

/// Hertz that make sense: below, a motor stutters; above, software cannot, and bridges get hot.
const PWM_HZ: std::ops::RangeInclusive<u32> = 20..=25_000;
/// What software manages without taking the processor.
const SOFTWARE_HZ: u32 = 1_000;

/// GPIO numbers (BCM, not the header's) of a differential drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrivePins {
    /// Speed of the left motor.
    pub left_pwm: u8,
    /// Direction of the left motor; high is backwards.
    pub left_direction: u8,
    /// Speed of the right motor.
    pub right_pwm: u8,
    /// Direction of the right motor; high is backwards.
    pub right_direction: u8,
    /// High while it moves; wants a pull-down resistor.
    pub enable: u8,
    /// Who makes the pulses.
    pub pwm: PwmKind,
    /// Pulses a second.
    pub pwm_hz: u32,
}

impl Default for DrivePins {
    fn default() -> Self {
        Self {
            left_pwm: 12,
            left_direction: 5,
            right_pwm: 13,
            right_direction: 6,
            enable: 16,
            pwm: PwmKind::Software,
            pwm_hz: 200,
        }
    }
}

/// Who makes the pulses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PwmKind {
    /// A thread a line: any pin, up to 1 kHz.
    Software,
    /// The chip: GPIO 12 or 18 for one motor and 13 or 19 for the other, `dtoverlay=pwm-2chan` in
    /// config.txt.
    Hardware,
}

impl FromStr for PwmKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "software" => Ok(Self::Software),
            "hardware" => Ok(Self::Hardware),
            _ => Err(format!("`{text}` is no PWM: give software or hardware")),
        }
    }
}

impl fmt::Display for PwmKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Software => "software",
            Self::Hardware => "hardware",
        })
    }
}

/// Why the pins cannot be used so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinsError {
    /// The header has no such GPIO.
    Absent(u8),
    /// Two lines on one pin.
    Twice(u8),
    /// The chip makes no pulses there.
    NoHardwarePwm(u8),
    /// Both motors would have the same pulses.
    SameChannel,
    /// A frequency that makes no sense.
    Frequency(u32),
}

impl fmt::Display for PinsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent(pin) => write!(f, "GPIO {pin} is not on the header: choose 2 to 27"),
            Self::Twice(pin) => write!(f, "GPIO {pin} has two lines: give each its own"),
            Self::NoHardwarePwm(pin) => write!(
                f,
                "GPIO {pin} has no hardware PWM: choose 12 or 18 and 13 or 19, or pwm = \"software\""
            ),
            Self::SameChannel => f.write_str(
                "both motors share one hardware PWM: choose 12 or 18 for one and 13 or 19 for the other",
            ),
            Self::Frequency(hz) => write!(
                f,
                "pwm_hz {hz}: choose 20 to 1000 with software PWM, to 25000 with hardware PWM"
            ),
        }
    }
}

impl std::error::Error for PinsError {}

impl DrivePins {
    /// Whether a Raspberry Pi can have its lines so.
    pub fn check(&self) -> Result<(), PinsError> {
        let all = [
            self.left_pwm,
            self.left_direction,
            self.right_pwm,
            self.right_direction,
            self.enable,
        ];
        for (at, pin) in all.into_iter().enumerate() {
            // GPIO 0 and 1 are the identification EEPROM's.
            if !(2..=27).contains(&pin) {
                return Err(PinsError::Absent(pin));
            }
            if all.iter().take(at).any(|other| *other == pin) {
                return Err(PinsError::Twice(pin));
            }
        }
        let most = match self.pwm {
            PwmKind::Software => SOFTWARE_HZ,
            PwmKind::Hardware => *PWM_HZ.end(),
        };
        if !PWM_HZ.contains(&self.pwm_hz) || self.pwm_hz > most {
            return Err(PinsError::Frequency(self.pwm_hz));
        }
        if self.pwm == PwmKind::Hardware {
            let channel = |pin| pwm_channel(pin).ok_or(PinsError::NoHardwarePwm(pin));
            if channel(self.left_pwm)? == channel(self.right_pwm)? {
                return Err(PinsError::SameChannel);
            }
        }
        Ok(())
    }
}

/// The chip's PWM channel behind a GPIO.
pub(crate) const fn pwm_channel(pin: u8) -> Option<u8> {
    match pin {
        12 | 18 => Some(0),
        13 | 19 => Some(1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_is_told_with_the_mend() {
        let good = DrivePins::default();
        assert_eq!(good.check(), Ok(()));
        let hardware = DrivePins {
            pwm: PwmKind::Hardware,
            pwm_hz: 20_000,
            ..good
        };
        assert_eq!(hardware.check(), Ok(()));
        let refused = |pins: DrivePins| {
            let error = pins.check().expect_err("refused");
            assert!(error.to_string().contains("choose") || error.to_string().contains("give"));
            error
        };
        let with_enable = |enable| DrivePins { enable, ..good };
        assert_eq!(refused(with_enable(28)), PinsError::Absent(28));
        assert_eq!(refused(with_enable(1)), PinsError::Absent(1));
        assert_eq!(refused(with_enable(12)), PinsError::Twice(12));
        let fast = DrivePins {
            pwm_hz: 20_000,
            ..good
        };
        assert_eq!(refused(fast), PinsError::Frequency(20_000));
        let slow = DrivePins { pwm_hz: 0, ..good };
        assert_eq!(refused(slow), PinsError::Frequency(0));
        let elsewhere = DrivePins {
            left_pwm: 17,
            ..hardware
        };
        assert_eq!(refused(elsewhere), PinsError::NoHardwarePwm(17));
        let same = DrivePins {
            left_pwm: 19,
            ..hardware
        };
        assert_eq!(refused(same), PinsError::SameChannel);
    }
}
