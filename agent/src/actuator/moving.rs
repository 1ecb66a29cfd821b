//! What moves, as a board file has it: wheels, and what points the camera.

use transom_boards_hal::{
    Active, DifferentialDrive, Drive, DriveError, DriveState, DriveSwitch, LineError, Measured,
    Motion, Motor, PanTilt, Pointing, SerialDrive, Servo, ServoPair, ServoPulses, Switched,
};
use transom_boards_linux::{OutputLine, TtyPort};
use transom_boards_raspberry_pi::{self as pi, PiUart};
use transom_boards_sim::{RobotConfig, SimRobot};

use super::gauge::Gauge;
use super::outputs::{NoDrive, Opener};
use super::pin::{header, open_trace, place};
use super::robot;
use crate::board::{Outputs as Driver, ServoWiring, Wiring};

/// Opens it; what is absent is told to `complain`, and opened when it is to do something.
pub(super) fn open(wiring: &Wiring, complain: &mut dyn FnMut(&str)) -> Box<dyn Drive> {
    let drive: Box<dyn Drive> = match wiring.drives() {
        true if robot::is_wired(wiring) => robot::open(wiring),
        true => Box::new(MovingDrive::new(wiring.clone(), complain)),
        false => Box::new(NoDrive),
    };
    let servos = wiring.pan_tilt.is_some().then(|| {
        let wiring = wiring.clone();
        Servos {
            open: Box::new(move || open_pan_tilt(&wiring)),
            opened: None,
            speeds: [0; 2],
            pointing: Pointing::default(),
            trouble: None,
        }
    });
    match (servos, wiring.battery.clone().map(Gauge::start)) {
        (None, None) => drive,
        (pan_tilt, battery) => Box::new(Equipped {
            drive,
            pan_tilt,
            battery,
        }),
    }
}

/// A drive that may be absent; opened anew whenever it is to do something, and after each of its errors.
struct MovingDrive {
    wiring: Wiring,
    drive: Option<Box<dyn Drive>>,
}

impl MovingDrive {
    fn new(wiring: Wiring, complain: &mut dyn FnMut(&str)) -> Self {
        let drive = open_drive(&wiring);
        let drive = drive.inspect_err(|error| complain(&error.to_string())).ok();
        Self { wiring, drive }
    }
}

impl Drive for MovingDrive {
    fn set(&mut self, motion: Motion) -> Result<(), DriveError> {
        let mut drive = match self.drive.take() {
            Some(drive) => drive,
            None => open_drive(&self.wiring)?,
        };
        // One that failed is dropped, which makes safe what can be.
        drive.set(motion)?;
        self.drive = Some(drive);
        Ok(())
    }

    fn measure(&mut self, now_us: u64) -> Measured {
        let drive = self.drive.as_mut();
        drive.map_or_else(Measured::default, |drive| drive.measure(now_us))
    }

    fn switch(&mut self, switch: DriveSwitch) -> Result<bool, DriveError> {
        self.drive
            .as_mut()
            .map_or(Ok(false), |drive| drive.switch(switch))
    }
}

/// A drive with what points the camera, and with a voltmeter.
struct Equipped {
    drive: Box<dyn Drive>,
    pan_tilt: Option<Servos>,
    battery: Option<Gauge>,
}

/// Servos, opened when they are first to turn. At rest they hold where they are: a camera that dropped would
/// show the floor.
struct Servos {
    open: Opener<dyn PanTilt>,
    opened: Option<Box<dyn PanTilt>>,
    speeds: [i16; 2],
    pointing: Pointing,
    /// Why they do not obey; told by the next order.
    trouble: Option<LineError>,
}

impl Servos {
    fn turn(&mut self, speeds: [i16; 2]) -> Result<(), LineError> {
        self.speeds = speeds;
        if let Some(trouble) = self.trouble.take() {
            self.speeds = [0; 2];
            return Err(trouble);
        }
        if self.opened.is_none() && speeds != [0; 2] {
            self.opened = Some((self.open)()?);
        }
        Ok(())
    }

    /// Points on.
    fn advance(&mut self, now_us: u64) {
        self.pointing.turn(now_us, self.speeds);
        let Some(opened) = self.opened.as_mut().filter(|_| self.speeds != [0; 2]) else {
            return;
        };
        let [pan, tilt] = self.pointing.places();
        if let Err(error) = opened.point(pan, tilt) {
            (self.trouble, self.opened) = (Some(error), None);
        }
    }
}

impl Drive for Equipped {
    fn set(&mut self, motion: Motion) -> Result<(), DriveError> {
        let moved = self.drive.set(motion);
        let speeds = [motion.pan, motion.tilt];
        let pointed = match &mut self.pan_tilt {
            Some(servos) => servos.turn(speeds),
            None => Ok(()),
        };
        moved?;
        pointed.map_err(|error| {
            // The error that led here is the one to tell.
            let _ = self.drive.set(Motion::STILL);
            error.into()
        })
    }

    fn measure(&mut self, now_us: u64) -> Measured {
        let mut measured = self.drive.measure(now_us);
        if let Some(battery) = &self.battery {
            measured.battery_mv = battery.millivolts();
        }
        if let Some(servos) = &mut self.pan_tilt {
            servos.advance(now_us);
            [measured.pan_mrad, measured.tilt_mrad] = servos.pointing.mrad();
        }
        measured
    }

    fn switch(&mut self, switch: DriveSwitch) -> Result<bool, DriveError> {
        self.drive.switch(switch)
    }

    fn set_state(&mut self, state: DriveState) {
        self.drive.set_state(state);
    }

    fn check(&mut self) -> Result<(), DriveError> {
        self.drive.check()
    }

    fn poll_timeout(&self) -> Option<u64> {
        self.drive.poll_timeout()
    }

    fn poll_note(&mut self) -> Option<String> {
        self.drive.poll_note()
    }

    fn poll_warning(&mut self) -> Option<String> {
        let trouble = self.battery.as_ref().and_then(Gauge::poll_trouble);
        trouble.or_else(|| self.drive.poll_warning())
    }

    fn end(&mut self) -> Result<(), DriveError> {
        let turned = self.pan_tilt.as_mut().map(|servos| servos.turn([0; 2]));
        self.drive.end()?;
        Ok(turned.unwrap_or(Ok(()))?)
    }
}

fn open_drive(wiring: &Wiring) -> Result<Box<dyn Drive>, DriveError> {
    if let Some(serial) = &wiring.serial_drive {
        return match wiring.outputs {
            Driver::Rppal => {
                let port = PiUart::open(&serial.device, serial.baud)?;
                Ok(Box::new(SerialDrive::new(port)?))
            }
            Driver::Gpiochip | Driver::Sim => {
                let port = TtyPort::open(&serial.device, serial.baud)?;
                Ok(Box::new(SerialDrive::new(port)?))
            }
        };
    }
    let Some(drive) = &wiring.drive else {
        return Ok(Box::new(NoDrive));
    };
    match wiring.outputs {
        Driver::Rppal => {
            let pins = drive.pins().ok_or_else(|| DriveError::Line {
                line: "the drive",
                told: "a line is not on the header".to_owned(),
            })?;
            Ok(Box::new(pi::open(&pins)?))
        }
        Driver::Gpiochip => {
            let line = |line, what| OutputLine::open(&place(wiring, line), Active::High, what);
            // First of all: whoever had the lines before may have left it high.
            let enable = line(&drive.enable, "the enable line")?;
            let left = Motor {
                speed: Switched(line(&drive.left_pwm, "the left motor's speed")?),
                direction: line(&drive.left_direction, "the left motor's direction")?,
            };
            let right = Motor {
                speed: Switched(line(&drive.right_pwm, "the right motor's speed")?),
                direction: line(&drive.right_direction, "the right motor's direction")?,
            };
            Ok(Box::new(DifferentialDrive::new(left, right, enable)?))
        }
        Driver::Sim => Ok(Box::new(SimRobot::new(
            RobotConfig::default(),
            open_trace(wiring)?,
        ))),
    }
}

fn open_pan_tilt(wiring: &Wiring) -> Result<Box<dyn PanTilt>, LineError> {
    let (Some(both), Driver::Rppal) = (&wiring.pan_tilt, wiring.outputs) else {
        return Err(LineError::Absent {
            line: "the pan servo",
            what: "a maker of pulses".to_owned(),
        });
    };
    let servo = |wired: &ServoWiring, what| {
        let pulses = ServoPulses {
            min_us: wired.min_us,
            max_us: wired.max_us,
            ..ServoPulses::default()
        };
        Servo::new(pi::servo(header(&wired.line, what)?, what)?, pulses, what)
    };
    let pan = servo(&both.pan, "the pan servo")?;
    Ok(Box::new(ServoPair::new(
        pan,
        servo(&both.tilt, "the tilt servo")?,
    )))
}
