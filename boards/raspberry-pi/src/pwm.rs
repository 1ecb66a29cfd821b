//! rppal's two kinds of PWM as embedded-hal's.

use std::fmt;

use embedded_hal::pwm::{Error, ErrorKind, ErrorType, SetDutyCycle};
use rppal::{gpio, pwm};

/// Steps of a duty cycle.
const STEPS: u16 = i16::MAX.unsigned_abs();

/// A line that pulses.
#[derive(Debug)]
pub enum PiPwm {
    /// By a thread of rppal's.
    Software {
        /// The line.
        pin: gpio::OutputPin,
        /// Pulses a second.
        hz: f64,
    },
    /// By the chip.
    Hardware(pwm::Pwm),
}

/// What rppal says.
pub struct PwmError(String);

impl fmt::Debug for PwmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for PwmError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

impl ErrorType for PiPwm {
    type Error = PwmError;
}

impl SetDutyCycle for PiPwm {
    fn max_duty_cycle(&self) -> u16 {
        STEPS
    }

    fn set_duty_cycle(&mut self, duty: u16) -> Result<(), PwmError> {
        let fraction = f64::from(duty.min(STEPS)) / f64::from(STEPS);
        match self {
            // A level needs no thread.
            Self::Software { pin, .. } if duty == 0 => {
                let cleared = pin.clear_pwm().map_err(told);
                pin.set_low();
                cleared
            }
            Self::Software { pin, hz } => pin.set_pwm_frequency(*hz, fraction).map_err(told),
            Self::Hardware(pwm) => pwm.set_duty_cycle(fraction).map_err(told),
        }
    }
}

fn told(error: impl fmt::Display) -> PwmError {
    PwmError(error.to_string())
}
