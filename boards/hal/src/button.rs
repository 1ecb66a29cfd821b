//! A button, and the time that its contacts bounce.

use core::time::Duration;

use embedded_hal::digital::InputPin;

use crate::line::{Active, LineError, failed};

/// What happened to a button.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ButtonEvent {
    /// It was pressed.
    Pressed,
    /// It was let go.
    Released,
}

/// A button that is waited for, on a thread of its own.
pub trait Button {
    /// The next event; `None` if there was none for `timeout`.
    fn wait(&mut self, timeout: Duration) -> Result<Option<ButtonEvent>, LineError>;
}

/// Debounces a contact: what it is now counts once it was the same for a while. Contacts bounce, and long
/// wires to a door catch sparks; both are over within milliseconds.
///
/// Times are microseconds of a monotonic clock.
#[derive(Clone, Copy, Debug)]
pub struct Debounce {
    period_us: u64,
    /// What counts.
    settled: bool,
    /// Since when it is otherwise.
    since: Option<u64>,
}

impl Debounce {
    /// For contacts that are closed now or not; they have settled after `period_us`.
    pub fn new(period_us: u64, closed: bool) -> Self {
        Self {
            period_us,
            settled: closed,
            since: None,
        }
    }

    /// The contacts are so at `now_us`. What they were meanwhile is not known.
    pub fn handle_level(&mut self, now_us: u64, closed: bool) -> Option<ButtonEvent> {
        if closed == self.settled {
            self.since = None;
            return None;
        }
        let since = *self.since.get_or_insert(now_us);
        if now_us.saturating_sub(since) < self.period_us {
            return None;
        }
        self.settled = closed;
        self.since = None;
        Some(match closed {
            true => ButtonEvent::Pressed,
            false => ButtonEvent::Released,
        })
    }

    /// The contacts moved at `now_us`, however they are now: they have not settled.
    pub fn handle_edge(&mut self, now_us: u64) {
        if let Some(since) = &mut self.since {
            *since = now_us;
        }
    }

    /// When to look again; `None` while nothing is about to change.
    pub fn poll_timeout(&self) -> Option<u64> {
        Some(self.since?.saturating_add(self.period_us))
    }
}

/// A button on a pin that is looked at every few milliseconds: for boards without edges.
#[derive(Debug)]
pub struct PolledButton<P: InputPin> {
    pin: P,
    active: Active,
    debounce: Debounce,
}

impl<P: InputPin> PolledButton<P> {
    /// One that is not pressed. Held down from the start it counts as pressed once it has settled.
    pub fn new(pin: P, active: Active, period_us: u64) -> Self {
        Self {
            pin,
            active,
            debounce: Debounce::new(period_us, false),
        }
    }

    /// Looks at the pin.
    pub fn poll(&mut self, now_us: u64) -> Result<Option<ButtonEvent>, LineError> {
        let closed = match self.active {
            Active::High => self.pin.is_high(),
            Active::Low => self.pin.is_low(),
        };
        let closed = closed.map_err(|error| failed("the button", &error))?;
        Ok(self.debounce.handle_level(now_us, closed))
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use embedded_hal::digital::{ErrorKind, ErrorType};

    use super::*;

    const MS: u64 = 1000;

    /// The events of contacts that are closed or not at these milliseconds, looked at every millisecond.
    fn events(closed: impl Fn(u64) -> bool, until_ms: u64) -> Vec<(u64, ButtonEvent)> {
        let mut debounce = Debounce::new(30 * MS, false);
        let mut events = Vec::new();
        for ms in 0..until_ms {
            let event = debounce.handle_level(ms * MS, closed(ms));
            events.extend(event.map(|event| (ms, event)));
        }
        events
    }

    #[test]
    fn contacts_that_bounce_are_one_press() {
        // They bounce for 10 ms at either end.
        let bounces = |ms: u64, at: u64| (at..at + 10).contains(&ms) && ms.is_multiple_of(3);
        let press = |ms: u64| (110..400).contains(&ms) ^ bounces(ms, 100) ^ bounces(ms, 400);
        let events = events(press, 600);
        assert_eq!(
            events,
            [(140, ButtonEvent::Pressed), (439, ButtonEvent::Released)]
        );
    }

    #[test]
    fn sparks_on_the_wire_ring_nothing() {
        assert_eq!(events(|ms| ms % 40 < 29, 10_000), []);
        assert_eq!(events(|ms| ms.is_multiple_of(2), 10_000), []);
    }

    #[test]
    fn an_edge_that_was_missed_begins_the_time_anew() {
        let mut debounce = Debounce::new(30 * MS, false);
        assert_eq!(debounce.poll_timeout(), None);
        assert_eq!(debounce.handle_level(0, true), None);
        assert_eq!(debounce.poll_timeout(), Some(30 * MS));
        debounce.handle_edge(20 * MS);
        assert_eq!(debounce.handle_level(30 * MS, true), None);
        assert_eq!(debounce.poll_timeout(), Some(50 * MS));
        assert_eq!(
            debounce.handle_level(50 * MS, true),
            Some(ButtonEvent::Pressed)
        );
        debounce.handle_edge(60 * MS);
        assert_eq!(debounce.poll_timeout(), None);
    }

    struct Contact(Vec<bool>);

    impl ErrorType for Contact {
        type Error = ErrorKind;
    }

    impl InputPin for Contact {
        fn is_high(&mut self) -> Result<bool, ErrorKind> {
            self.0.pop().ok_or(ErrorKind::Other)
        }

        fn is_low(&mut self) -> Result<bool, ErrorKind> {
            self.is_high().map(|high| !high)
        }
    }

    #[test]
    fn a_pin_that_is_looked_at_rings_as_well() {
        let mut button = PolledButton::new(Contact([false; 4].to_vec()), Active::Low, 25 * MS);
        let mut pressed = Vec::new();
        for ms in [0, 10, 20, 30] {
            pressed.extend(button.poll(ms * MS).expect("a level"));
        }
        assert_eq!(pressed, [ButtonEvent::Pressed]);
        assert!(button.poll(40 * MS).is_err());
    }
}
