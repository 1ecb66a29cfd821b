//! Servos that point something: pulses of 1 to 2 ms, fifty times a second.

use embedded_hal::pwm::SetDutyCycle;

use crate::line::{LineError, failed};

/// How long a servo's pulses are, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServoPulses {
    /// From one pulse to the next, as the PWM is set up.
    pub period_us: u16,
    /// At one end.
    pub min_us: u16,
    /// At the other; less than `min_us` turns the other way.
    pub max_us: u16,
}

impl Default for ServoPulses {
    fn default() -> Self {
        Self {
            period_us: 20_000,
            min_us: 1000,
            max_us: 2000,
        }
    }
}

/// One servo.
#[derive(Debug)]
pub struct Servo<P> {
    pwm: P,
    pulses: ServoPulses,
    line: &'static str,
}

impl<P: SetDutyCycle> Servo<P> {
    /// Takes it over, without pulses: it stays where it is, and is not held there.
    pub fn new(pwm: P, pulses: ServoPulses, line: &'static str) -> Result<Self, LineError> {
        let mut servo = Self { pwm, pulses, line };
        servo.release()?;
        Ok(servo)
    }

    /// Turns to a place between both ends, in 32767ths from the middle, and holds it there.
    pub fn turn(&mut self, to: i16) -> Result<(), LineError> {
        let ServoPulses {
            period_us,
            min_us,
            max_us,
        } = self.pulses;
        let (min, max) = (i32::from(min_us), i32::from(max_us));
        let to = i32::from(to.max(-i16::MAX));
        let full = i32::from(i16::MAX);
        // Half a range away at full scale; 65535 times 32767 fits.
        let pulse = (min + max) / 2 + (max - min) * to / full / 2;
        let pulse = u16::try_from(pulse).unwrap_or(0).min(period_us);
        self.pwm
            .set_duty_cycle_fraction(pulse, period_us.max(1))
            .map_err(|error| failed(self.line, &error))
    }

    /// Takes the pulses away: nothing turns any more, and nothing holds.
    pub fn release(&mut self) -> Result<(), LineError> {
        self.pwm
            .set_duty_cycle_fully_off()
            .map_err(|error| failed(self.line, &error))
    }
}

/// What points a camera.
pub trait PanTilt {
    /// Points there, each in 32767ths from the middle: to the left and up are positive.
    fn point(&mut self, pan: i16, tilt: i16) -> Result<(), LineError>;

    /// Nothing turns any more. Both are tried, whatever the other says.
    fn rest(&mut self) -> Result<(), LineError>;
}

/// Two servos. Dropping them leaves both at rest.
#[derive(Debug)]
pub struct ServoPair<P: SetDutyCycle> {
    pan: Servo<P>,
    tilt: Servo<P>,
}

impl<P: SetDutyCycle> ServoPair<P> {
    /// One that pans and one that tilts.
    pub fn new(pan: Servo<P>, tilt: Servo<P>) -> Self {
        Self { pan, tilt }
    }
}

impl<P: SetDutyCycle> PanTilt for ServoPair<P> {
    fn point(&mut self, pan: i16, tilt: i16) -> Result<(), LineError> {
        self.pan.turn(pan)?;
        self.tilt.turn(tilt)
    }

    fn rest(&mut self) -> Result<(), LineError> {
        let pan = self.pan.release();
        self.tilt.release().and(pan)
    }
}

impl<P: SetDutyCycle> Drop for ServoPair<P> {
    fn drop(&mut self) {
        // Nobody is left to be told.
        let _ = self.rest();
    }
}

#[cfg(test)]
mod tests {
    use alloc::rc::Rc;
    use core::cell::Cell;
    use core::convert::Infallible;

    use embedded_hal::pwm::ErrorType;

    use super::*;

    /// One step a microsecond.
    #[derive(Clone, Default)]
    struct Pwm(Rc<Cell<u16>>);

    impl ErrorType for Pwm {
        type Error = Infallible;
    }

    impl SetDutyCycle for Pwm {
        fn max_duty_cycle(&self) -> u16 {
            20_000
        }

        fn set_duty_cycle(&mut self, duty: u16) -> Result<(), Infallible> {
            self.0.set(duty);
            Ok(())
        }
    }

    fn servo(pwm: &Pwm, min_us: u16, max_us: u16) -> Servo<Pwm> {
        let pulses = ServoPulses {
            min_us,
            max_us,
            ..ServoPulses::default()
        };
        Servo::new(pwm.clone(), pulses, "the pan servo").expect("a good line")
    }

    #[test]
    fn pulses_are_as_long_as_the_place_wants() {
        let pwm = Pwm::default();
        let mut plain = servo(&pwm, 1000, 2000);
        for (to, pulse) in [
            (0, 1500),
            (i16::MAX, 2000),
            (-i16::MAX, 1000),
            (i16::MIN, 1000),
        ] {
            plain.turn(to).expect("a good line");
            assert_eq!(pwm.0.get(), pulse, "{to}");
        }
        let mut reversed = servo(&pwm, 2400, 600);
        for (to, pulse) in [(0, 1500), (i16::MAX, 600), (-i16::MAX, 2400)] {
            reversed.turn(to).expect("a good line");
            assert_eq!(pwm.0.get(), pulse, "{to}");
        }
        let mut silly = servo(&pwm, 0, u16::MAX);
        silly.turn(i16::MAX).expect("a good line");
        assert_eq!(pwm.0.get(), 20_000);
    }

    #[test]
    fn at_rest_there_are_no_pulses() {
        let (pan, tilt) = (Pwm::default(), Pwm::default());
        let mut pair = ServoPair::new(servo(&pan, 1000, 2000), servo(&tilt, 1000, 2000));
        pair.point(100, -100).expect("good lines");
        assert!(pan.0.get() > 1500 && tilt.0.get() < 1500);
        pair.rest().expect("good lines");
        assert_eq!((pan.0.get(), tilt.0.get()), (0, 0));
        pair.point(0, 0).expect("good lines");
        drop(pair);
        assert_eq!((pan.0.get(), tilt.0.get()), (0, 0));
    }
}
