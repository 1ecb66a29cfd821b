//! How long the device's answers take, for whoever passes commands on.

use crate::numbers::{Lease, Seq};
use crate::wire::{Command, CommandKind, Report, ReportKind};

/// The latest commands that are answered (arms, stops, switches, ...) and were passed on, and when.
///
/// Both channels carry a first copy under one number: the earlier one counts, and the answer to the
/// later one counts as none. Repetitions have numbers of their own. One more than sixteen takes the place
/// of the oldest.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unanswered {
    ring: [Option<Entry>; 16],
    at: usize,
    forgotten: u64,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    lease: Lease,
    seq: Seq,
    of: CommandKind,
    at_us: u64,
    answered: bool,
}

impl Entry {
    fn is(&self, lease: Lease, seq: Seq, of: CommandKind) -> bool {
        (self.lease, self.seq, self.of) == (lease, seq, of)
    }
}

impl Unanswered {
    /// A command leaves, at `now_us` microseconds of a monotonic clock, under the lease that it carries.
    /// Setpoints and pings get no answer and are passed over.
    pub fn on_command(&mut self, now_us: u64, command: &Command) {
        let (lease, seq, of) = (command.lease, command.seq, command.order.kind());
        let mut known = self.ring.iter().flatten();
        if !CommandKind::ANSWERED.contains(&of) || known.any(|entry| entry.is(lease, seq, of)) {
            return;
        }
        if let Some(place) = self.ring.get_mut(self.at) {
            if place.is_some_and(|oldest| !oldest.answered) {
                self.forgotten = self.forgotten.saturating_add(1);
            }
            *place = Some(Entry {
                lease,
                seq,
                of,
                at_us: now_us,
                answered: false,
            });
        }
        self.at = (self.at + 1) % self.ring.len();
    }

    /// What the device says. Of the first answer to a command: what it was, and after how many
    /// microseconds.
    pub fn on_report(&mut self, now_us: u64, report: &Report) -> Option<(CommandKind, u64)> {
        let ReportKind::Ack { seq, of, .. } = report.kind else {
            return None;
        };
        let asked = |entry: &&mut Entry| !entry.answered && entry.is(report.lease, seq, of);
        let entry = self.ring.iter_mut().flatten().find(asked)?;
        entry.answered = true;
        Some((of, now_us.saturating_sub(entry.at_us)))
    }

    /// Commands that went unanswered until sixteen others had followed: lost on the way, or the answer was.
    pub const fn forgotten(&self) -> u64 {
        self.forgotten
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numbers::{Epoch, Source, Stamp};
    use crate::state::{AckResult, State, StopReason};
    use crate::wire::Order;

    const STOP: Order = Order::Stop {
        epoch: Epoch::ALL,
        reason: StopReason::Operator,
    };

    fn command(seq: u32, order: Order) -> Command {
        Command {
            source: Source(1),
            lease: Lease(3),
            seq: Seq(seq),
            order,
        }
    }

    fn ack(lease: u32, seq: u32, of: CommandKind) -> Report {
        Report {
            state: State::Disarmed,
            lease: Lease(lease),
            epoch: Epoch(0),
            stamp: Stamp::from_micros(1),
            kind: ReportKind::Ack {
                seq: Seq(seq),
                of,
                result: AckResult::Done,
            },
        }
    }

    #[test]
    fn of_two_copies_the_first_counts_and_so_does_the_first_answer() {
        let mut unanswered = Unanswered::default();
        unanswered.on_command(100, &command(1, STOP));
        unanswered.on_command(150, &command(1, STOP));
        let answer = ack(3, 1, CommandKind::Stop);
        let first = unanswered.on_report(400, &answer);
        assert_eq!(first, Some((CommandKind::Stop, 300)));
        assert_eq!(unanswered.on_report(450, &answer), None);
        // A copy that comes after the answer is none that waits.
        unanswered.on_command(500, &command(1, STOP));
        assert_eq!(unanswered.on_report(501, &answer), None);
    }

    #[test]
    fn answers_to_others_are_none() {
        let mut unanswered = Unanswered::default();
        unanswered.on_command(1, &command(1, STOP));
        unanswered.on_command(1, &command(2, Order::Ping));
        for other in [
            ack(4, 1, CommandKind::Stop),
            ack(3, 2, CommandKind::Stop),
            ack(3, 1, CommandKind::Arm),
            ack(3, 2, CommandKind::Ping),
        ] {
            assert_eq!(unanswered.on_report(9, &other), None);
        }
        // Nor is time that went back a long one.
        let early = unanswered.on_report(0, &ack(3, 1, CommandKind::Stop));
        assert_eq!(early, Some((CommandKind::Stop, 0)));
    }

    #[test]
    fn there_is_room_for_sixteen_and_what_is_forgotten_is_counted() {
        let mut unanswered = Unanswered::default();
        for seq in 0..20 {
            unanswered.on_command(seq.into(), &command(seq, STOP));
        }
        assert_eq!(unanswered.forgotten(), 4);
        let of = CommandKind::Stop;
        assert_eq!(unanswered.on_report(20, &ack(3, 3, of)), None);
        assert_eq!(unanswered.on_report(20, &ack(3, 4, of)), Some((of, 16)));
        for seq in 20..40 {
            unanswered.on_command(seq.into(), &command(seq, STOP));
        }
        assert_eq!(unanswered.forgotten(), 4 + 15 + 4);
    }
}
