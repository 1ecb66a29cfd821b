//! Single lines of the header, servos, and what hangs on its buses.

use std::path::Path;

use rppal::gpio::{Error, Gpio, OutputPin};
use rppal::i2c::I2c;
use rppal::uart::{Parity, Uart};
use transom_boards_hal::{Active, Ina219, LineError, SerialPort};

use crate::pwm::PiPwm;

/// Pulses a second of a servo.
const SERVO_HZ: f64 = 50.0;

/// Takes a GPIO (BCM number) as an output that is off from the first moment. It is an input again once it
/// is dropped. `line` says what it is for.
pub fn output(pin: u8, active: Active, line: &'static str) -> Result<OutputPin, LineError> {
    let what = || format!("GPIO {pin}");
    let gpio = Gpio::new().and_then(|gpio| gpio.get(pin));
    let pin = gpio.map_err(|error| match error {
        Error::UnknownModel => LineError::Absent {
            line,
            what: "a Raspberry Pi's header".to_owned(),
        },
        Error::PinNotAvailable(_) => LineError::Absent { line, what: what() },
        Error::PinUsed(_) => LineError::Busy {
            line,
            what: what(),
            by: "another line of the board file".to_owned(),
        },
        Error::PermissionDenied(path) => LineError::Denied {
            line,
            what: path,
            group: "gpio",
        },
        Error::Io(_) | Error::ThreadPanic => LineError::Failed {
            line,
            told: error.to_string(),
        },
    })?;
    Ok(match active {
        Active::High => pin.into_output_low(),
        Active::Low => pin.into_output_high(),
    })
}

/// A servo's line, its pulses made by a thread.
pub fn servo(pin: u8, line: &'static str) -> Result<PiPwm, LineError> {
    Ok(PiPwm::Software {
        pin: output(pin, Active::High, line)?,
        hz: SERVO_HZ,
    })
}

/// An INA219 on an I2C bus: `/dev/i2c-1` is the header's, once `dtparam=i2c_arm=on` is in config.txt.
pub fn ina219(bus: u8, address: u8) -> Result<Ina219<I2c>, LineError> {
    let line = "the battery";
    let opened = I2c::with_bus(bus).map_err(|error| match error {
        rppal::i2c::Error::Io(io) if io.kind() == std::io::ErrorKind::NotFound => {
            LineError::NoDevice {
                line,
                what: format!("/dev/i2c-{bus}"),
                mend: "`dtparam=i2c_arm=on` in config.txt and a restart, and `sudo modprobe i2c-dev`",
            }
        }
        rppal::i2c::Error::Io(io) if io.kind() == std::io::ErrorKind::PermissionDenied => {
            LineError::Denied {
                line,
                what: format!("/dev/i2c-{bus}"),
                group: "i2c",
            }
        }
        error => LineError::Failed {
            line,
            told: error.to_string(),
        },
    })?;
    Ina219::new(opened, address)
}

/// The header's UART, or any other port of a Raspberry Pi.
#[derive(Debug)]
pub struct PiUart(Uart);

impl PiUart {
    /// Opens and sets up the port at `path`: `/dev/serial0` is the header's.
    pub fn open(path: &Path, baud: u32) -> Result<Self, LineError> {
        let opened = Uart::with_path(path, baud, Parity::None, 8, 1).and_then(|mut uart| {
            uart.set_write_mode(false)?;
            Ok(uart)
        });
        opened.map(Self).map_err(|error| match error {
            rppal::uart::Error::Io(io) if io.kind() == std::io::ErrorKind::NotFound => {
                LineError::Absent {
                    line: PORT,
                    what: path.display().to_string(),
                }
            }
            rppal::uart::Error::Io(io) if io.kind() == std::io::ErrorKind::PermissionDenied => {
                LineError::Denied {
                    line: PORT,
                    what: path.display().to_string(),
                    group: "dialout",
                }
            }
            error => failed(error.to_string()),
        })
    }
}

impl SerialPort for PiUart {
    fn send(&mut self, bytes: &[u8]) -> Result<(), LineError> {
        match self.0.write(bytes) {
            Ok(len) if len == bytes.len() => Ok(()),
            Ok(_) => Err(failed("it takes no more".to_owned())),
            Err(error) => Err(failed(error.to_string())),
        }
    }
}

const PORT: &str = "the drive's port";

fn failed(told: String) -> LineError {
    LineError::Failed { line: PORT, told }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_machine_lacks_is_told_in_one_line() {
        let pi = std::fs::read_to_string("/proc/device-tree/model");
        if pi.is_ok_and(|model| model.contains("Raspberry Pi")) {
            return;
        }
        let errors = [
            output(22, Active::High, "the lock").map(drop),
            servo(18, "the pan servo").map(drop),
            ina219(99, 0x40).map(drop),
            PiUart::open(Path::new("/dev/serial99"), 9600).map(drop),
        ];
        for error in errors {
            let text = error.expect_err("not here").to_string();
            assert!(text.contains("absent") && !text.contains('\n'), "{text}");
        }
    }
}
