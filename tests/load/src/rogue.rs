//! Subscribers that misbehave, to see whether others suffer.

use std::time::Duration;

use transom_rtc_proto::time::Instant;

/// Packets asked for in each NACK of a flood: the latest ones, which the server has.
pub(crate) const NACKED_AT_ONCE: u16 = 17;

/// The kinds of them. All join as others do, and begin when what is measured begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Rogue {
    /// Closes its socket without goodbye
    Dead,
    /// Stops reading and saying anything
    Slow,
    /// Sends 1,000 NACKs a second, each for 17 packets
    Nack,
    /// Sends 100 PLIs a second
    Pli,
}

/// What a flooding subscriber sends, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flood {
    pub(crate) rogue: Rogue,
    next: Instant,
    apart: Duration,
}

impl Flood {
    /// The flood of a kind that sends one, from now on.
    pub(crate) const fn of(rogue: Rogue, now: Instant) -> Option<Self> {
        let apart = match rogue {
            Rogue::Dead | Rogue::Slow => return None,
            Rogue::Nack => Duration::from_millis(1),
            Rogue::Pli => Duration::from_millis(10),
        };
        Some(Self {
            rogue,
            next: now,
            apart,
        })
    }

    /// How many messages are due.
    pub(crate) fn take_due(&mut self, now: Instant) -> usize {
        let mut due = 0;
        while self.next <= now {
            self.next += self.apart;
            due += 1;
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_keeps_its_rate() {
        let now = Instant::from_millis(500);
        let mut flood = Flood::of(Rogue::Nack, now).expect("a flood");
        let ticks = (0..200).map(|n| now + Duration::from_millis(5 * n));
        let sent: usize = ticks.map(|at| flood.take_due(at)).sum();
        assert_eq!(sent, 996);
        assert!(Flood::of(Rogue::Dead, now).is_none());
    }
}
