//! A board as its file has it wired.

use transom_boards_hal::{
    Chime, ChimeLine, Horn, HornLine, Light, LineError, Lock, LockRelay, Switch, Watchdog,
};
use transom_boards_linux::KernelWatchdog;

use super::moving;
use super::outputs::{Opener, Outputs, Slot, Switches};
use super::pin::open_pin;
use crate::board::Wiring;

/// Opens what there is; what is absent is told to `complain` and left out.
pub(super) fn open(wiring: &Wiring, complain: &mut dyn FnMut(&str)) -> Outputs {
    let drive = moving::open(wiring, complain);
    let mut complain_of = |error: &LineError| complain(&error.to_string());
    let switches = Switches {
        lock: wiring.lock.clone().map(|lock| {
            let all = wiring.clone();
            let open: Opener<dyn Lock> = Box::new(move || {
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
            let open: Opener<dyn Light> = Box::new(move || {
                let active = light.active.into();
                let pin = open_pin(&all, &light.line, active, "the light", "light")?;
                Ok(Box::new(Switch::new(pin, active, "the light")?))
            });
            Slot::new(open, &mut complain_of)
        }),
        chime: wiring.chime.clone().map(|chime| {
            let all = wiring.clone();
            let open: Opener<dyn Chime> = Box::new(move || {
                let active = chime.active.into();
                let pin = open_pin(&all, &chime.line, active, "the chime", "chime")?;
                let switch = Switch::new(pin, active, "the chime")?;
                let ring_us = u64::from(chime.ring_ms) * 1000;
                Ok(Box::new(ChimeLine::new(switch, ring_us)))
            });
            Slot::new(open, &mut complain_of)
        }),
        horn: wiring.horn.clone().map(|horn| {
            let all = wiring.clone();
            let open: Opener<dyn Horn> = Box::new(move || {
                let active = horn.active.into();
                let pin = open_pin(&all, &horn.line, active, "the horn", "horn")?;
                let switch = Switch::new(pin, active, "the horn")?;
                let longest_us = u64::from(horn.longest_ms) * 1000;
                Ok(Box::new(HornLine::new(switch, longest_us)))
            });
            Slot::new(open, &mut complain_of)
        }),
        watchdog: wiring.watchdog.as_ref().and_then(|watchdog| {
            let opened = KernelWatchdog::open(&watchdog.device);
            let opened = opened.inspect_err(|error| complain_of(error)).ok()?;
            Some(Box::new(opened) as Box<dyn Watchdog>)
        }),
    };
    Outputs::new(drive, switches)
}

#[cfg(test)]
mod tests {
    use transom_boards_hal::Motion;

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
