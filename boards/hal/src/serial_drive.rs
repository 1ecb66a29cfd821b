//! A drive behind a microcontroller on a serial port, told by lines of text.
//!
//! ```text
//! M <left> <right>*<checksum>\n      wheels in 32767ths of full scale, forwards positive
//! ```
//!
//! The checksum is NMEA 0183's: all bytes before `*` by exclusive or, as two hexadecimal digits. A line
//! holds for 200 ms: the microcontroller must stop the motors by itself when no good line came for that
//! long. Lines are repeated every 50 ms while something moves.

use alloc::format;
use alloc::string::String;

use crate::drive::{Drive, DriveError, Measured, Motion, Wheels};
use crate::line::LineError;

/// Between two lines while something moves, in microseconds.
const REPEAT_US: u64 = 50_000;

/// A serial port.
pub trait SerialPort {
    /// Sends all of it without waiting, or fails: what finds no room now would come too late.
    fn send(&mut self, bytes: &[u8]) -> Result<(), LineError>;
}

/// A drive behind a serial port.
#[derive(Debug)]
pub struct SerialDrive<S: SerialPort> {
    port: S,
    wheels: Wheels,
    /// A line that could not be sent: told at the next [`set`](Drive::set).
    broken: Option<LineError>,
    sent_us: u64,
}

impl<S: SerialPort> SerialDrive<S> {
    /// Takes the port over and stops the wheels.
    pub fn new(port: S) -> Result<Self, DriveError> {
        let mut drive = Self {
            port,
            wheels: Wheels::STILL,
            broken: None,
            sent_us: 0,
        };
        drive.set(Motion::STILL)?;
        Ok(drive)
    }

    fn tell(&mut self) -> Result<(), LineError> {
        self.port.send(line(self.wheels).as_bytes())
    }
}

impl<S: SerialPort> Drive for SerialDrive<S> {
    fn set(&mut self, motion: Motion) -> Result<(), DriveError> {
        let wheels = Wheels::mix(motion);
        if let Some(error) = self.broken.take() {
            self.wheels = Wheels::STILL;
            // The error that was first is the one to tell.
            let _ = self.tell();
            return Err(error.into());
        }
        self.wheels = wheels;
        self.tell().map_err(|error| {
            self.wheels = Wheels::STILL;
            error.into()
        })
    }

    /// Repeats what holds; nothing is measured.
    fn measure(&mut self, now_us: u64) -> Measured {
        if self.wheels != Wheels::STILL && now_us.saturating_sub(self.sent_us) >= REPEAT_US {
            self.sent_us = now_us;
            if let Err(error) = self.tell() {
                self.wheels = Wheels::STILL;
                self.broken = Some(error);
            }
        }
        Measured::default()
    }
}

impl<S: SerialPort> Drop for SerialDrive<S> {
    fn drop(&mut self) {
        let _ = self.set(Motion::STILL);
    }
}

fn line(wheels: Wheels) -> String {
    let said = format!("M {} {}", wheels.left, wheels.right);
    let checksum = said.bytes().fold(0, |sum, byte| sum ^ byte);
    format!("{said}*{checksum:02X}\n")
}

#[cfg(test)]
mod tests {
    use alloc::rc::Rc;
    use alloc::string::ToString;
    use core::cell::{Cell, RefCell};

    use super::*;

    #[derive(Clone, Default)]
    struct Port {
        said: Rc<RefCell<String>>,
        full: Rc<Cell<bool>>,
    }

    impl SerialPort for Port {
        fn send(&mut self, bytes: &[u8]) -> Result<(), LineError> {
            if self.full.get() {
                let told = "full".to_string();
                return Err(LineError::Failed {
                    line: "the drive's port",
                    told,
                });
            }
            let text = core::str::from_utf8(bytes).expect("text");
            self.said.borrow_mut().push_str(text);
            Ok(())
        }
    }

    fn ahead(linear: i16) -> Motion {
        Motion {
            linear,
            ..Motion::STILL
        }
    }

    #[test]
    fn lines_are_repeated_while_it_moves_and_only_then() {
        let port = Port::default();
        let mut drive = SerialDrive::new(port.clone()).expect("a port");
        for ms in 0..200 {
            drive.measure(ms * 1000);
        }
        assert_eq!(port.said.take(), "M 0 0*4D\n");
        drive.set(ahead(1000)).expect("a port");
        for ms in 200..300 {
            drive.measure(ms * 1000);
        }
        assert_eq!(port.said.take(), "M 1000 1000*4D\n".repeat(3));
        drive.set(Motion::STILL).expect("a port");
        drive.measure(1_000_000);
        drop(drive);
        assert_eq!(port.said.take(), "M 0 0*4D\n".repeat(2));
        assert_eq!(
            line(Wheels {
                left: -5,
                right: 12
            }),
            "M -5 12*56\n"
        );
    }

    #[test]
    fn a_port_that_takes_nothing_is_a_fault_and_nothing_moves_after_it() {
        let port = Port::default();
        let mut drive = SerialDrive::new(port.clone()).expect("a port");
        drive.set(ahead(1000)).expect("a port");
        port.full.set(true);
        drive.measure(1_000_000);
        port.full.set(false);
        port.said.take();
        assert!(drive.set(ahead(2000)).is_err());
        assert_eq!(port.said.take(), "M 0 0*4D\n");
        drive.set(Motion::STILL).expect("it works again");
        port.full.set(true);
        assert!(drive.set(ahead(1)).is_err());
    }
}
