//! Lines that are on or off: which level that is, and what goes wrong with them.

use alloc::format;
use alloc::string::String;
use core::fmt::Debug;

use embedded_hal::digital::OutputPin;

/// The level at which a line is on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Active {
    /// On is high.
    #[default]
    High,
    /// On is low, as with most relay boards, and buttons to ground.
    Low,
}

/// What a pin is held at by the chip while nobody drives it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pull {
    /// Left as it is: a resistor outside decides.
    #[default]
    None,
    /// To the supply.
    Up,
    /// To ground.
    Down,
}

/// Why a line, or what hangs on it, is not to be had. Each text is one line and names the mend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// There is no such line.
    #[error("{line}: {what} is absent: `transom-agent board` lists the lines there are")]
    Absent {
        /// What it is for.
        line: &'static str,
        /// Which it is.
        what: String,
    },
    /// There is no such device, and it is no line.
    #[error("{line}: {what} is absent: {mend}")]
    NoDevice {
        /// What it is for.
        line: &'static str,
        /// Which it is.
        what: String,
        /// What brings it.
        mend: &'static str,
    },
    /// Somebody else has it.
    #[error("{line}: {what} is in use by {by}: end that, or choose another line")]
    Busy {
        /// What it is for.
        line: &'static str,
        /// Which it is.
        what: String,
        /// Who.
        by: String,
    },
    /// This user may not.
    #[error(
        "{line}: {what} may not be used by this user: `sudo usermod -aG {group} $USER`, then log in again"
    )]
    Denied {
        /// What it is for.
        line: &'static str,
        /// Which it is.
        what: String,
        /// Whose members may.
        group: &'static str,
    },
    /// It does not do what it is told.
    #[error("{line}: {told}: check the wiring and the driver")]
    Failed {
        /// What it is for.
        line: &'static str,
        /// What its driver says.
        told: String,
    },
}

/// What is on or off, by a pin. It is switched off when it is made and when it is dropped.
#[derive(Debug)]
pub struct Switch<P: OutputPin> {
    pin: P,
    active: Active,
    line: &'static str,
    /// As far as is known: a pin that failed may be either.
    on: bool,
}

impl<P: OutputPin> Switch<P> {
    /// Takes the pin over and switches it off. `line` says what it is for.
    pub fn new(pin: P, active: Active, line: &'static str) -> Result<Self, LineError> {
        let mut switch = Self {
            pin,
            active,
            line,
            on: true,
        };
        switch.set(false)?;
        Ok(switch)
    }

    /// Switches. Off is tried even where it seems to be off.
    pub fn set(&mut self, on: bool) -> Result<(), LineError> {
        // Until it is known to be off.
        self.on = true;
        match (self.active, on) {
            (Active::High, true) | (Active::Low, false) => self.pin.set_high(),
            (Active::High, false) | (Active::Low, true) => self.pin.set_low(),
        }
        .map_err(|error| failed(self.line, &error))?;
        self.on = on;
        Ok(())
    }

    /// Whether it is on, or may be.
    pub fn is_on(&self) -> bool {
        self.on
    }
}

impl<P: OutputPin> Drop for Switch<P> {
    fn drop(&mut self) {
        // Nobody is left to be told.
        let _ = self.set(false);
    }
}

pub(crate) fn failed(line: &'static str, error: &impl Debug) -> LineError {
    LineError::Failed {
        line,
        told: format!("{error:?}"),
    }
}

/// A light.
pub trait Light {
    /// Switches it.
    fn set_light(&mut self, on: bool) -> Result<(), LineError>;
}

impl<P: OutputPin> Light for Switch<P> {
    fn set_light(&mut self, on: bool) -> Result<(), LineError> {
        self.set(on)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use alloc::rc::Rc;
    use core::cell::{Cell, RefCell};

    use alloc::vec::Vec;
    use embedded_hal::digital::{ErrorKind, ErrorType};

    use super::*;

    /// A pin that writes down its levels, and can be broken.
    #[derive(Clone, Default)]
    pub(crate) struct Pin {
        pub(crate) levels: Rc<RefCell<Vec<bool>>>,
        pub(crate) broken: Rc<Cell<bool>>,
    }

    impl Pin {
        pub(crate) fn set(&self, level: bool) -> Result<(), ErrorKind> {
            if self.broken.get() {
                return Err(ErrorKind::Other);
            }
            self.levels.borrow_mut().push(level);
            Ok(())
        }

        pub(crate) fn level(&self) -> bool {
            *self.levels.borrow().last().expect("it was set")
        }
    }

    impl ErrorType for Pin {
        type Error = ErrorKind;
    }

    impl OutputPin for Pin {
        fn set_low(&mut self) -> Result<(), ErrorKind> {
            self.set(false)
        }

        fn set_high(&mut self) -> Result<(), ErrorKind> {
            self.set(true)
        }
    }

    #[test]
    fn it_is_off_at_first_and_in_the_end_whatever_level_that_is() {
        for (active, on) in [(Active::High, true), (Active::Low, false)] {
            let pin = Pin::default();
            let mut switch = Switch::new(pin.clone(), active, "the light").expect("a good pin");
            assert!(!switch.is_on());
            switch.set_light(true).expect("a good pin");
            assert!(switch.is_on());
            drop(switch);
            assert_eq!(pin.levels.take(), [!on, on, !on]);
        }
    }

    #[test]
    fn a_pin_that_failed_may_be_on() {
        let pin = Pin::default();
        let mut switch = Switch::new(pin.clone(), Active::High, "the light").expect("a good pin");
        pin.broken.set(true);
        assert!(switch.set(false).is_err());
        assert!(switch.is_on());
        assert!(Switch::new(pin.clone(), Active::High, "the light").is_err());
        pin.broken.set(false);
        switch.set(false).expect("it works again");
        assert!(!switch.is_on());
    }
}
