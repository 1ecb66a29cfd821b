//! What is on for a while and goes off by itself: locks, chimes and horns.

use embedded_hal::digital::OutputPin;

use crate::line::{LineError, Switch};

/// Between two tries to switch off what did not go off, in microseconds.
const RETRY_US: u64 = 100_000;

/// What ends by itself. Times are microseconds of a monotonic clock.
pub trait Timed {
    /// When to call [`handle_timeout`](Self::handle_timeout); `None` while it is off.
    fn poll_timeout(&self) -> Option<u64>;

    /// Switches off what has been on for long enough. After an error it is due again, soon.
    fn handle_timeout(&mut self, now_us: u64) -> Result<(), LineError>;

    /// Switches off at once, whatever was asked for. Tried even where it seems to be off.
    fn make_safe(&mut self, now_us: u64) -> Result<(), LineError>;
}

/// An electric lock. It locks itself again; nothing keeps it open.
pub trait Lock: Timed {
    /// Opens it for so many microseconds, at most [`longest_us`](Self::longest_us). What is open already
    /// stays so no longer than that since it was opened, however often it is asked.
    fn unlock(&mut self, now_us: u64, for_us: u64) -> Result<(), LineError>;

    /// The hard bound, in microseconds.
    fn longest_us(&self) -> u64;

    /// Whether it is open, or may be.
    fn is_unlocked(&self) -> bool;
}

/// A bell that rings by itself once it is told to.
pub trait Chime: Timed {
    /// Rings; what rings already goes on.
    fn ring(&mut self, now_us: u64) -> Result<(), LineError>;
}

/// What sounds while it is asked to.
pub trait Horn: Timed {
    /// Sounds for so many microseconds from now, within its bound since it began.
    fn sound(&mut self, now_us: u64, for_us: u64) -> Result<(), LineError>;
}

/// A pin that is on for no longer than a bound.
#[derive(Debug)]
struct Pulse<P: OutputPin> {
    switch: Switch<P>,
    longest_us: u64,
    /// Since when it is on, and until when.
    on: Option<(u64, u64)>,
}

impl<P: OutputPin> Pulse<P> {
    fn start(&mut self, now_us: u64, for_us: u64) -> Result<(), LineError> {
        let since = self.on.map_or(now_us, |(since, _)| since);
        let last = since.saturating_add(self.longest_us);
        let until = now_us.saturating_add(for_us).min(last);
        // Due even where it is not known to be on.
        self.on = Some((since, until));
        self.switch.set(true).inspect_err(|_| {
            // The error that led here is the one to tell.
            let _ = self.end(now_us);
        })
    }

    fn end(&mut self, now_us: u64) -> Result<(), LineError> {
        match self.switch.set(false) {
            Ok(()) => {
                self.on = None;
                Ok(())
            }
            Err(error) => {
                let since = self.on.map_or(now_us, |(since, _)| since);
                self.on = Some((since, now_us.saturating_add(RETRY_US)));
                Err(error)
            }
        }
    }

    fn due(&self) -> Option<u64> {
        self.on.map(|(_, until)| until)
    }

    fn on_time(&mut self, now_us: u64) -> Result<(), LineError> {
        match self.due() {
            Some(until) if now_us >= until => self.end(now_us),
            _ => Ok(()),
        }
    }
}

/// A lock behind a relay. `Active` is the level at which the relay lets the door open: wire it so that a
/// relay without power leaves the door locked.
#[derive(Debug)]
pub struct LockRelay<P: OutputPin>(Pulse<P>);

impl<P: OutputPin> LockRelay<P> {
    /// A locked one that is never open for more than `longest_us` microseconds.
    pub fn new(switch: Switch<P>, longest_us: u64) -> Self {
        Self(Pulse {
            switch,
            longest_us,
            on: None,
        })
    }
}

impl<P: OutputPin> Lock for LockRelay<P> {
    fn unlock(&mut self, now_us: u64, for_us: u64) -> Result<(), LineError> {
        self.0.start(now_us, for_us)
    }

    fn longest_us(&self) -> u64 {
        self.0.longest_us
    }

    fn is_unlocked(&self) -> bool {
        self.0.switch.is_on()
    }
}

/// A chime that rings while its line is on: a gong behind a relay, a buzzer.
#[derive(Debug)]
pub struct ChimeLine<P: OutputPin> {
    pulse: Pulse<P>,
    ring_us: u64,
}

impl<P: OutputPin> ChimeLine<P> {
    /// One that rings for so many microseconds.
    pub fn new(switch: Switch<P>, ring_us: u64) -> Self {
        Self {
            pulse: Pulse {
                switch,
                longest_us: ring_us,
                on: None,
            },
            ring_us,
        }
    }
}

impl<P: OutputPin> Chime for ChimeLine<P> {
    fn ring(&mut self, now_us: u64) -> Result<(), LineError> {
        match self.pulse.due() {
            Some(_) => Ok(()),
            None => self.pulse.start(now_us, self.ring_us),
        }
    }
}

/// A horn behind a line.
#[derive(Debug)]
pub struct HornLine<P: OutputPin>(Pulse<P>);

impl<P: OutputPin> HornLine<P> {
    /// A silent one that never sounds for more than `longest_us` microseconds.
    pub fn new(switch: Switch<P>, longest_us: u64) -> Self {
        Self(Pulse {
            switch,
            longest_us,
            on: None,
        })
    }
}

impl<P: OutputPin> Horn for HornLine<P> {
    fn sound(&mut self, now_us: u64, for_us: u64) -> Result<(), LineError> {
        self.0.start(now_us, for_us)
    }
}

impl<P: OutputPin> Timed for HornLine<P> {
    fn poll_timeout(&self) -> Option<u64> {
        self.0.due()
    }

    fn handle_timeout(&mut self, now_us: u64) -> Result<(), LineError> {
        self.0.on_time(now_us)
    }

    fn make_safe(&mut self, now_us: u64) -> Result<(), LineError> {
        self.0.end(now_us)
    }
}

impl<P: OutputPin> Timed for LockRelay<P> {
    fn poll_timeout(&self) -> Option<u64> {
        self.0.due()
    }

    fn handle_timeout(&mut self, now_us: u64) -> Result<(), LineError> {
        self.0.on_time(now_us)
    }

    fn make_safe(&mut self, now_us: u64) -> Result<(), LineError> {
        self.0.end(now_us)
    }
}

impl<P: OutputPin> Timed for ChimeLine<P> {
    fn poll_timeout(&self) -> Option<u64> {
        self.pulse.due()
    }

    fn handle_timeout(&mut self, now_us: u64) -> Result<(), LineError> {
        self.pulse.on_time(now_us)
    }

    fn make_safe(&mut self, now_us: u64) -> Result<(), LineError> {
        self.pulse.end(now_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::Active;
    use crate::line::tests::Pin;

    const SECOND: u64 = 1_000_000;

    fn lock(pin: &Pin) -> LockRelay<Pin> {
        let switch = Switch::new(pin.clone(), Active::High, "the lock").expect("a good pin");
        LockRelay::new(switch, 5 * SECOND)
    }

    /// Lets time pass in steps of `step`, until `end`; when it locked.
    fn pass(lock: &mut LockRelay<Pin>, from: u64, end: u64, step: u64) -> Option<u64> {
        let mut now = from;
        while now <= end {
            let _ = lock.handle_timeout(now);
            if !lock.is_unlocked() {
                return Some(now);
            }
            now += step;
        }
        None
    }

    #[test]
    fn it_locks_itself_on_time_and_never_later_than_its_bound() {
        for (asked, open) in [
            (SECOND, SECOND),
            (60 * SECOND, 5 * SECOND),
            (u64::MAX, 5 * SECOND),
        ] {
            let pin = Pin::default();
            let mut lock = lock(&pin);
            assert_eq!(lock.poll_timeout(), None);
            lock.unlock(7, asked).expect("a good pin");
            assert!(pin.level());
            assert_eq!(lock.poll_timeout(), Some(7 + open));
            assert_eq!(pass(&mut lock, 7, 70 * SECOND, 1000), Some(7 + open));
            assert!(!pin.level());
            assert_eq!(lock.poll_timeout(), None);
        }
    }

    #[test]
    fn who_asks_again_and_again_does_not_keep_it_open() {
        let pin = Pin::default();
        let mut lock = lock(&pin);
        let mut now = 0;
        while lock.is_unlocked() || now == 0 {
            lock.unlock(now, SECOND).expect("a good pin");
            now += SECOND / 2;
            lock.handle_timeout(now).expect("a good pin");
            assert!(now <= 5 * SECOND);
        }
        assert_eq!((now, pin.level()), (5 * SECOND, false));
        // It may be opened again, for a new reason.
        lock.unlock(now, SECOND).expect("a good pin");
        assert!(pin.level());
        lock.make_safe(now + 1).expect("a good pin");
        assert!(!pin.level());
    }

    #[test]
    fn what_does_not_lock_is_tried_until_it_does() {
        let pin = Pin::default();
        let mut lock = lock(&pin);
        lock.unlock(0, SECOND).expect("a good pin");
        pin.broken.set(true);
        assert!(lock.handle_timeout(SECOND).is_err());
        assert_eq!(lock.poll_timeout(), Some(SECOND + RETRY_US));
        assert!(lock.is_unlocked());
        pin.broken.set(false);
        lock.handle_timeout(SECOND + RETRY_US)
            .expect("it works again");
        assert!(!pin.level() && !lock.is_unlocked());
    }

    #[test]
    fn dropping_it_locks_it() {
        let pin = Pin::default();
        let mut lock = lock(&pin);
        lock.unlock(0, SECOND).expect("a good pin");
        drop(lock);
        assert!(!pin.level());
    }

    #[test]
    fn a_chime_rings_its_time_and_no_longer_for_being_rung_again() {
        let pin = Pin::default();
        let switch = Switch::new(pin.clone(), Active::High, "the chime").expect("a good pin");
        let mut chime = ChimeLine::new(switch, SECOND);
        chime.ring(10).expect("a good pin");
        chime.ring(SECOND / 2).expect("a good pin");
        assert_eq!(chime.poll_timeout(), Some(10 + SECOND));
        chime.handle_timeout(10 + SECOND).expect("a good pin");
        assert_eq!(pin.levels.take(), [false, true, false]);
    }
}
