//! A board as its file has it wired.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::Duration;

use embedded_hal::digital::OutputPin;
use transom_boards_hal::{
    Active, Battery, ChimeLine, DifferentialDrive, Drive, DriveError, LineError, LockRelay,
    Measured, Motion, Motor, PanTilt, SerialDrive, Servo, ServoPair, ServoPulses, Switch, Switched,
    Watchdog,
};
use transom_boards_linux::{KernelBattery, KernelWatchdog, LineId, OutputLine, Place, TtyPort};
use transom_boards_raspberry_pi::{self as pi, PiUart};
use transom_boards_sim::{RobotConfig, SimLine, SimRobot, Trace};

use super::outputs::{NoDrive, Opener, Outputs, Slot, Switches};
use crate::board::{BatteryWiring, Line, Outputs as Driver, ServoWiring, Wiring};

/// Between two looks at the battery.
const LOOK: Duration = Duration::from_secs(1);

/// Opens what there is; what is absent is told to `complain` and left out.
pub(super) fn open(wiring: &Wiring, complain: &mut dyn FnMut(&str)) -> Outputs {
    let drive: Box<dyn Drive> = match wiring.drives() {
        true => Box::new(MovingDrive::new(wiring.clone(), complain)),
        false => Box::new(NoDrive),
    };
    let pan_tilt = wiring.pan_tilt.is_some().then(|| {
        let wiring = wiring.clone();
        Servos {
            open: Box::new(move || open_pan_tilt(&wiring)),
            opened: None,
        }
    });
    let battery = wiring.battery.clone().map(watch_battery);
    let mut complain_of = |error: &LineError| complain(&error.to_string());
    let switches = Switches {
        lock: wiring.lock.clone().map(|lock| {
            let all = wiring.clone();
            let open: Opener<dyn transom_boards_hal::Lock> = Box::new(move || {
                let longest_us = u64::from(lock.longest_ms) * 1000;
                let active = lock.active.into();
                let pin = open_pin(&all, &lock.line, active, "the lock", "lock")?;
                let switch = Switch::new(pin, active, "the lock")?;
                Ok(Box::new(LockRelay::new(switch, longest_us)))
            });
            Slot::new(open, &mut complain_of)
        }),
        light: wiring.light.clone().map(|light| {
            let all = wiring.clone();
            let open: Opener<dyn transom_boards_hal::Light> = Box::new(move || {
                let active = light.active.into();
                let pin = open_pin(&all, &light.line, active, "the light", "light")?;
                Ok(Box::new(Switch::new(pin, active, "the light")?))
            });
            Slot::new(open, &mut complain_of)
        }),
        chime: wiring.chime.clone().map(|chime| {
            let all = wiring.clone();
            let open: Opener<dyn transom_boards_hal::Chime> = Box::new(move || {
                let active = chime.active.into();
                let pin = open_pin(&all, &chime.line, active, "the chime", "chime")?;
                let switch = Switch::new(pin, active, "the chime")?;
                let ring_us = u64::from(chime.ring_ms) * 1000;
                Ok(Box::new(ChimeLine::new(switch, ring_us)))
            });
            Slot::new(open, &mut complain_of)
        }),
        watchdog: wiring.watchdog.as_ref().and_then(|watchdog| {
            let opened = KernelWatchdog::open(&watchdog.device);
            let opened = opened.inspect_err(|error| complain_of(error)).ok()?;
            Some(Box::new(opened) as Box<dyn Watchdog>)
        }),
    };
    let drive = match (pan_tilt, battery) {
        (None, None) => drive,
        (pan_tilt, battery) => Box::new(Equipped {
            drive,
            pan_tilt,
            battery,
        }),
    };
    Outputs::new(drive, switches)
}

/// A pin of any driver.
enum AnyPin {
    Pi(pi::OutputPin),
    Line(OutputLine),
    Sim(SimLine),
}

impl embedded_hal::digital::ErrorType for AnyPin {
    type Error = PinError;
}

/// What its driver says.
struct PinError(String);

impl std::fmt::Debug for PinError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl embedded_hal::digital::Error for PinError {
    fn kind(&self) -> embedded_hal::digital::ErrorKind {
        embedded_hal::digital::ErrorKind::Other
    }
}

impl OutputPin for AnyPin {
    fn set_low(&mut self) -> Result<(), PinError> {
        let told = |error: &dyn std::fmt::Debug| PinError(format!("{error:?}"));
        match self {
            Self::Pi(pin) => OutputPin::set_low(pin).map_err(|e| told(&e)),
            Self::Line(line) => line.set_low().map_err(|e| told(&e)),
            Self::Sim(line) => line.set_low().map_err(|e| told(&e)),
        }
    }

    fn set_high(&mut self) -> Result<(), PinError> {
        let told = |error: &dyn std::fmt::Debug| PinError(format!("{error:?}"));
        match self {
            Self::Pi(pin) => OutputPin::set_high(pin).map_err(|e| told(&e)),
            Self::Line(line) => line.set_high().map_err(|e| told(&e)),
            Self::Sim(line) => line.set_high().map_err(|e| told(&e)),
        }
    }
}

fn open_pin(
    wiring: &Wiring,
    line: &Line,
    active: Active,
    what: &'static str,
    name: &'static str,
) -> Result<AnyPin, LineError> {
    match wiring.outputs {
        Driver::Rppal => {
            let gpio = header(line, what)?;
            pi::output(gpio, active, what).map(AnyPin::Pi)
        }
        Driver::Gpiochip => OutputLine::open(&place(wiring, line), active, what).map(AnyPin::Line),
        Driver::Sim => Ok(AnyPin::Sim(SimLine::new(name, open_trace(wiring)?))),
    }
}

/// Where the kernel has a line of the board.
pub(crate) fn place(wiring: &Wiring, line: &Line) -> Place {
    Place {
        chip: wiring.chip.clone(),
        id: match line {
            Line::Number(number) => LineId::Offset(*number),
            Line::Name(name) => LineId::Name(name.clone()),
        },
    }
}

fn header(line: &Line, what: &'static str) -> Result<u8, LineError> {
    line.gpio().ok_or_else(|| LineError::Absent {
        line: what,
        what: format!("GPIO {line}"),
    })
}

fn open_trace(wiring: &Wiring) -> Result<Option<Trace>, LineError> {
    let open = |path: &Path| {
        Trace::open(path).map_err(|error| LineError::Failed {
            line: "the trace",
            told: format!("{}: {error}", path.display()),
        })
    };
    wiring.trace.as_deref().map(open).transpose()
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
}

/// A drive with what points the camera, by the spare axes, and with a voltmeter.
struct Equipped {
    drive: Box<dyn Drive>,
    pan_tilt: Option<Servos>,
    battery: Option<Arc<AtomicU16>>,
}

/// Servos, opened when they are first to point somewhere.
struct Servos {
    open: Opener<dyn PanTilt>,
    opened: Option<Box<dyn PanTilt>>,
}

impl Equipped {
    fn point(&mut self, motion: Motion) -> Result<(), LineError> {
        let Some(servos) = &mut self.pan_tilt else {
            return Ok(());
        };
        let mut opened = match (servos.opened.take(), motion) {
            (Some(opened), _) => opened,
            (None, Motion::STILL) => return Ok(()),
            (None, _) => (servos.open)()?,
        };
        let [pan, tilt] = motion.spare;
        match motion {
            Motion::STILL => opened.rest()?,
            _ => opened.point(pan, tilt)?,
        }
        servos.opened = Some(opened);
        Ok(())
    }
}

impl Drive for Equipped {
    fn set(&mut self, motion: Motion) -> Result<(), DriveError> {
        let moved = self.drive.set(motion);
        let pointed = self.point(motion);
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
            measured.battery_mv = battery.load(Ordering::Relaxed);
        }
        measured
    }
}

/// Looks at the battery on a thread of its own: a bus may take its time. Zero while it is not known.
fn watch_battery(wired: BatteryWiring) -> Arc<AtomicU16> {
    let seen = Arc::new(AtomicU16::new(0));
    let shown = Arc::clone(&seen);
    let look = move || {
        let mut battery = None;
        loop {
            if battery.is_none() {
                battery = open_battery(&wired).ok();
            }
            let now = battery.as_mut().map(|battery| battery.millivolts());
            let now = match now {
                Some(Ok(now)) => now,
                Some(Err(_)) | None => {
                    battery = None;
                    0
                }
            };
            shown.store(now, Ordering::Relaxed);
            thread::sleep(LOOK);
        }
    };
    // Without a thread the voltage is not known.
    let _ = thread::Builder::new()
        .name("battery".to_owned())
        .spawn(look);
    seen
}

fn open_battery(wired: &BatteryWiring) -> Result<Box<dyn Battery>, LineError> {
    match (&wired.file, &wired.ina219) {
        (Some(file), _) => Ok(Box::new(KernelBattery::new(file.clone()))),
        (None, Some(chip)) => Ok(Box::new(pi::ina219(chip.bus, chip.address)?)),
        (None, None) => Err(LineError::Absent {
            line: "the battery",
            what: "what measures it".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_board_that_lacks_everything_still_starts_and_says_so() {
        let text = r#"
            chip = "/dev/gpiochip99"
            lock = { line = 1 }
            light = { line = 2 }
            watchdog = { device = "/dev/nowatchdog" }
            battery = { file = "/nonexistent/voltage_now" }
            [drive]
            left_pwm = 5
            left_direction = 6
            right_pwm = 7
            right_direction = 8
            enable = 4
            pwm = "none"
        "#;
        let wiring: Wiring = toml::from_str(text).expect("good TOML");
        assert_eq!(wiring.mistakes(), []);
        let mut complaints = Vec::new();
        let mut outputs = open(&wiring, &mut |told| complaints.push(told.to_owned()));
        for part in ["enable line", "the lock", "the light", "the watchdog"] {
            let told = complaints.iter().find(|told| told.contains(part));
            assert!(
                told.is_some_and(|told| told.contains("absent")),
                "{part}: {complaints:?}"
            );
        }
        let ahead = Motion {
            linear: 1,
            ..Motion::STILL
        };
        assert!(outputs.drive.set(ahead).is_err());
        assert_eq!(outputs.drive.measure(1).battery_mv, 0);
    }
}
