//! Two motors behind H-bridges with a direction and a speed input each, and one line that enables both.

use alloc::format;
use core::fmt::{self, Debug};

use embedded_hal::digital::OutputPin;
use embedded_hal::pwm::{self, SetDutyCycle};

use crate::drive::{Drive, DriveError, Measured, Motion, Wheels};

/// One motor's lines.
#[derive(Debug)]
pub struct Motor<P, D> {
    /// How fast.
    pub speed: P,
    /// High is backwards.
    pub direction: D,
}

/// The speed of a motor on a line without pulses: half speed and more is on, less is off.
#[derive(Debug)]
pub struct Switched<P>(pub P);

impl<P: OutputPin> pwm::ErrorType for Switched<P> {
    type Error = SwitchedError<P::Error>;
}

/// What the pin says.
pub struct SwitchedError<E>(E);

impl<E: Debug> Debug for SwitchedError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<E: Debug> pwm::Error for SwitchedError<E> {
    fn kind(&self) -> pwm::ErrorKind {
        pwm::ErrorKind::Other
    }
}

impl<P: OutputPin> SetDutyCycle for Switched<P> {
    fn max_duty_cycle(&self) -> u16 {
        i16::MAX.unsigned_abs()
    }

    fn set_duty_cycle(&mut self, duty: u16) -> Result<(), Self::Error> {
        if duty > self.max_duty_cycle() / 2 {
            self.0.set_high()
        } else {
            self.0.set_low()
        }
        .map_err(SwitchedError)
    }
}

/// A differential drive over the pins of embedded-hal.
///
/// `enable` is high only while it moves: with a pull-down resistor on it, a board that resets, a process
/// that is killed before it could act, or a pulled cable leaves the motors without power.
#[derive(Debug)]
pub struct DifferentialDrive<P: SetDutyCycle, D: OutputPin, E: OutputPin> {
    left: Motor<P, D>,
    right: Motor<P, D>,
    enable: E,
    enabled: bool,
}

impl<P: SetDutyCycle, D: OutputPin, E: OutputPin> DifferentialDrive<P, D, E> {
    /// Takes the lines over and makes them safe.
    pub fn new(left: Motor<P, D>, right: Motor<P, D>, enable: E) -> Result<Self, DriveError> {
        let mut drive = Self {
            left,
            right,
            enable,
            // Not known: whoever had the pins before may have left it high.
            enabled: true,
        };
        drive.rest()?;
        Ok(drive)
    }

    /// Takes the power away. Every line is tried, whatever the others say; the first error is told.
    fn rest(&mut self) -> Result<(), DriveError> {
        let enable = self.enable.set_low().map_err(failed("the enable line"));
        let left = set_speed(&mut self.left, 0, "the left motor's speed");
        let right = set_speed(&mut self.right, 0, "the right motor's speed");
        self.enabled = enable.is_err();
        enable.and(left).and(right)
    }

    fn go(&mut self, wheels: Wheels) -> Result<(), DriveError> {
        turn(
            &mut self.left,
            wheels.left,
            ["the left motor's speed", "the left motor's direction"],
        )?;
        turn(
            &mut self.right,
            wheels.right,
            ["the right motor's speed", "the right motor's direction"],
        )?;
        if !self.enabled {
            self.enable.set_high().map_err(failed("the enable line"))?;
            self.enabled = true;
        }
        Ok(())
    }
}

impl<P: SetDutyCycle, D: OutputPin, E: OutputPin> Drive for DifferentialDrive<P, D, E> {
    fn set(&mut self, motion: Motion) -> Result<(), DriveError> {
        let wheels = Wheels::mix(motion);
        if wheels == Wheels::STILL {
            return self.rest();
        }
        self.go(wheels).inspect_err(|_| {
            // The error that led here is the one to tell.
            let _ = self.rest();
        })
    }

    /// Nothing: it has neither odometry nor a voltmeter.
    fn measure(&mut self, _now_us: u64) -> Measured {
        Measured::default()
    }
}

impl<P: SetDutyCycle, D: OutputPin, E: OutputPin> Drop for DifferentialDrive<P, D, E> {
    fn drop(&mut self) {
        // Nobody is left to be told.
        let _ = self.rest();
    }
}

fn turn<P: SetDutyCycle, D: OutputPin>(
    motor: &mut Motor<P, D>,
    wheel: i16,
    [speed, direction]: [&'static str; 2],
) -> Result<(), DriveError> {
    let set = if wheel < 0 {
        motor.direction.set_high()
    } else {
        motor.direction.set_low()
    };
    set.map_err(failed(direction))?;
    set_speed(motor, wheel.unsigned_abs(), speed)
}

/// `speed` is in 32767ths.
fn set_speed<P: SetDutyCycle, D>(
    motor: &mut Motor<P, D>,
    speed: u16,
    line: &'static str,
) -> Result<(), DriveError> {
    let pwm = &mut motor.speed;
    let set = if speed == 0 {
        // A PWM that is set up badly may have no steps at all.
        pwm.set_duty_cycle_fully_off()
    } else {
        let full = i16::MAX.unsigned_abs();
        pwm.set_duty_cycle_fraction(speed.min(full), full)
    };
    set.map_err(failed(line))
}

fn failed<T: Debug>(line: &'static str) -> impl FnOnce(T) -> DriveError {
    move |error| DriveError::Failed {
        line,
        told: format!("{error:?}"),
    }
}

#[cfg(test)]
mod tests {
    use alloc::rc::Rc;
    use alloc::string::ToString;
    use alloc::vec::Vec;
    use core::cell::{Cell, RefCell};

    use embedded_hal::digital;
    use embedded_hal::digital::ErrorKind as PinError;

    use super::*;

    type Log = Rc<RefCell<Vec<(&'static str, u16)>>>;

    /// A line that writes down what it is set to, and can be broken.
    #[derive(Clone)]
    struct Line {
        name: &'static str,
        log: Log,
        broken: Rc<Cell<bool>>,
    }

    impl Line {
        fn write(&self, level: u16) -> Result<(), PinError> {
            if self.broken.get() {
                return Err(PinError::Other);
            }
            self.log.borrow_mut().push((self.name, level));
            Ok(())
        }
    }

    impl digital::ErrorType for Line {
        type Error = PinError;
    }

    impl OutputPin for Line {
        fn set_low(&mut self) -> Result<(), PinError> {
            self.write(0)
        }

        fn set_high(&mut self) -> Result<(), PinError> {
            self.write(1)
        }
    }

    #[derive(Debug)]
    struct Broken;

    impl pwm::Error for Broken {
        fn kind(&self) -> pwm::ErrorKind {
            pwm::ErrorKind::Other
        }
    }

    impl pwm::ErrorType for Line {
        type Error = Broken;
    }

    impl SetDutyCycle for Line {
        fn max_duty_cycle(&self) -> u16 {
            1000
        }

        fn set_duty_cycle(&mut self, duty: u16) -> Result<(), Broken> {
            self.write(duty).map_err(|_| Broken)
        }
    }

    struct Board {
        log: Log,
        broken: Vec<Rc<Cell<bool>>>,
        drive: DifferentialDrive<Line, Line, Line>,
    }

    fn board() -> Board {
        let log = Log::default();
        let mut broken = Vec::new();
        let mut line = |name| {
            let line = Line {
                name,
                log: Rc::clone(&log),
                broken: Rc::default(),
            };
            broken.push(Rc::clone(&line.broken));
            line
        };
        let left = Motor {
            speed: line("left"),
            direction: line("left back"),
        };
        let right = Motor {
            speed: line("right"),
            direction: line("right back"),
        };
        let enable = line("enable");
        let drive = DifferentialDrive::new(left, right, enable).expect("good lines");
        assert_eq!(log.take(), [("enable", 0), ("left", 0), ("right", 0)]);
        Board { log, broken, drive }
    }

    fn motion(linear: i16, angular: i16) -> Motion {
        Motion {
            linear,
            angular,
            ..Motion::STILL
        }
    }

    #[test]
    fn it_turns_the_wheels_before_it_gives_power_and_takes_power_before_all_else() {
        let mut board = board();
        board.drive.set(motion(16384, 0)).expect("good lines");
        assert_eq!(
            board.log.take(),
            [
                ("left back", 0),
                ("left", 500),
                ("right back", 0),
                ("right", 500),
                ("enable", 1)
            ]
        );
        board.drive.set(motion(0, -32767)).expect("good lines");
        assert_eq!(
            board.log.take(),
            [
                ("left back", 0),
                ("left", 1000),
                ("right back", 1),
                ("right", 1000)
            ]
        );
        board.drive.set(Motion::STILL).expect("good lines");
        assert_eq!(board.log.take(), [("enable", 0), ("left", 0), ("right", 0)]);
        board.drive.set(motion(-1, 0)).expect("good lines");
        assert_eq!(board.log.take().last(), Some(&("enable", 1)));
    }

    #[test]
    fn whichever_line_breaks_the_others_are_made_safe() {
        for which in 0..5 {
            let mut board = board();
            board.drive.set(motion(20000, 0)).expect("good lines");
            board.log.take();
            board.broken[which].set(true);
            let stops = board.drive.set(Motion::STILL);
            let safe = board.log.take();
            let speeds_and_enable = [0, 2, 4];
            assert_eq!(
                stops.is_err(),
                speeds_and_enable.contains(&which),
                "line {which}"
            );
            for (index, name) in [(4, "enable"), (0, "left"), (2, "right")] {
                assert_eq!(safe.contains(&(name, 0)), index != which, "line {which}");
            }
            board.broken[which].set(false);
            board.drive.set(Motion::STILL).expect("it works again");
            assert!(board.log.take().contains(&("enable", 0)));
        }
    }

    #[test]
    fn a_motor_that_cannot_be_set_gets_no_power() {
        let mut board = board();
        board.broken[1].set(true);
        let error = board.drive.set(motion(100, 0)).expect_err("broken");
        assert!(error.to_string().contains("the left motor's direction"));
        assert_eq!(board.log.take(), [("enable", 0), ("left", 0), ("right", 0)]);
    }

    #[test]
    fn a_line_without_pulses_is_on_from_half_speed() {
        let log = Log::default();
        let line = Line {
            name: "left",
            log: Rc::clone(&log),
            broken: Rc::default(),
        };
        let mut speed = Switched(line);
        for of_full in [0, 16_383, 16_384, 32_767] {
            speed
                .set_duty_cycle_fraction(of_full, 32_767)
                .expect("a good line");
        }
        assert_eq!(log.take(), [0, 0, 1, 1].map(|level| ("left", level)));
        speed.set_duty_cycle_fully_off().expect("a good line");
        assert_eq!(log.take(), [("left", 0)]);
    }

    #[test]
    fn dropping_it_makes_it_safe() {
        let mut board = board();
        board.drive.set(motion(100, 0)).expect("good lines");
        board.log.take();
        drop(board.drive);
        assert_eq!(board.log.take(), [("enable", 0), ("left", 0), ("right", 0)]);
    }
}
