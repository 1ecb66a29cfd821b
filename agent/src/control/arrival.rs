//! When a command came, told by a task that may not have run for a while.

use std::time::Duration;

use transom_control::Stamp;

/// A task that did not turn for so long has stalled, microseconds.
const STALL_US: u64 = 50_000;
/// After a stall, what was waiting in sockets and queues meanwhile still comes out of them so long.
const BACKLOG_US: u64 = 50_000;

/// Dates what a task finds as of when it looked last: it may have come at any time since, while the process
/// was stopped or the runtime was blocked. So no stall prolongs a motion, and the dead-man counts from a
/// moment that is not after the arrival.
#[derive(Clone, Copy, Debug, Default)]
pub struct Arrival {
    turned: Option<Stamp>,
    stall: Option<Stall>,
}

#[derive(Clone, Copy, Debug)]
struct Stall {
    /// When the task had turned last before it.
    since: Stamp,
    /// When all that waited is out.
    until: Stamp,
}

impl Arrival {
    /// How often the task is to turn. Commands count as older than they are by that much at most.
    pub const EVERY: Duration = Duration::from_millis(10);

    /// The task turns.
    pub fn turn(&mut self, now: Stamp) {
        self.notice(now);
        self.turned = Some(now);
    }

    /// The earliest time at which a command that is found at `now` can have come.
    pub fn came(&mut self, now: Stamp) -> Stamp {
        self.notice(now);
        match (self.stall, self.turned) {
            (Some(stall), _) => stall.since,
            (None, Some(turned)) => turned,
            (None, None) => now,
        }
    }

    fn notice(&mut self, now: Stamp) {
        let Some(turned) = self.turned else {
            return;
        };
        self.stall = self.stall.filter(|stall| now < stall.until);
        if now.since(turned) > STALL_US {
            // One that follows upon another is a part of it.
            let since = self.stall.map_or(turned, |stall| stall.since);
            let until = now.plus(BACKLOG_US);
            self.stall = Some(Stall { since, until });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Stamp {
        Stamp::from_micros(1_000_000 + ms * 1000)
    }

    fn turning(until: u64) -> Arrival {
        let mut arrival = Arrival::default();
        for at in (0..=until).step_by(10) {
            arrival.turn(ms(at));
        }
        arrival
    }

    #[test]
    fn a_command_came_since_the_last_turn() {
        let mut arrival = Arrival::default();
        assert_eq!(arrival.came(ms(7)), ms(7));
        let mut arrival = turning(100);
        assert_eq!(arrival.came(ms(104)), ms(100));
        assert_eq!(arrival.came(ms(150)), ms(100), "late, and no stall");
    }

    #[test]
    fn what_waited_through_a_stall_came_before_it() {
        // Whether the command or the tick is seen first.
        for tick_first in [false, true] {
            let mut arrival = turning(100);
            if tick_first {
                arrival.turn(ms(350));
            }
            assert_eq!(arrival.came(ms(350)), ms(100));
            arrival.turn(ms(351));
            arrival.turn(ms(361));
            assert_eq!(arrival.came(ms(365)), ms(100), "a socket was still full");
            for at in [371, 381, 391, 401] {
                arrival.turn(ms(at));
            }
            assert_eq!(arrival.came(ms(405)), ms(401));
        }
    }

    #[test]
    fn stalls_in_a_row_are_one() {
        let mut arrival = turning(100);
        for at in [200, 300, 400] {
            arrival.turn(ms(at));
        }
        assert_eq!(
            arrival.came(ms(401)),
            ms(300),
            "each was over before the next"
        );
        let mut arrival = turning(100);
        arrival.turn(ms(160));
        arrival.turn(ms(170));
        // The next begins within the backlog of the first.
        assert_eq!(arrival.came(ms(205)), ms(100));
    }
}
