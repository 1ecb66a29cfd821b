use transom_control::wire::LeaseNotice;
use transom_control::{Axes, Axis, Operator, OperatorConfig, Phase, Report, Stamp, StopReason};

use crate::person::{Author, Said};
use crate::witness::Witness;

/// Somebody who arms once and then drives, as long as the robot is armed.
pub(crate) struct Driver {
    pub(crate) author: Author,
    /// The session with the server, if there is one.
    pub(crate) session: Option<u32>,
    pub(crate) habit: Habit,
    operator: Operator,
    latest: Option<Report>,
    /// What this one's clock is ahead of the simulation's.
    clock: u64,
    /// The device's stamp of the picture that is seen.
    picture: Stamp,
    armed: bool,
    presses: u32,
    number: i16,
    next_turn: u64,
}

/// What it does now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Habit {
    /// Looks on.
    Watches,
    /// Arms if it has not yet, and drives.
    Drives,
    /// Arms whenever it stands, and drives.
    Insists,
    /// The same, with the picture of that moment for ever.
    DrivesBlind,
    /// Arms, if it has not yet, and says that it is to stand.
    Holds,
    /// Says nothing.
    Silent,
}

impl Driver {
    pub(crate) fn new(author: Author, habit: Habit, clock: u64) -> Self {
        let config = OperatorConfig {
            interval_us: 20_000,
            relayed: true,
            ..OperatorConfig::default()
        };
        Self {
            author,
            session: None,
            habit,
            operator: Operator::new(config),
            latest: None,
            clock,
            picture: Stamp::NONE,
            armed: false,
            presses: 0,
            number: 0,
            next_turn: 0,
        }
    }

    /// Its clock is set.
    pub(crate) fn set_clock(&mut self, ahead: u64) {
        self.clock = ahead;
        self.next_turn = 0;
    }

    /// The picture that it saw last.
    pub(crate) fn picture(&self) -> Stamp {
        self.picture
    }

    pub(crate) fn on_report(&mut self, now: u64, bytes: &[u8]) {
        if LeaseNotice::is_meant(bytes) {
            return;
        }
        let report = self.operator.handle_message(now + self.clock, bytes);
        let report = report.expect("a report");
        if self.habit != Habit::DrivesBlind && report.stamp > self.picture {
            self.picture = report.stamp;
            self.operator.saw_picture(report.stamp);
        }
        self.latest = Some(report);
        self.next_turn = now;
    }

    pub(crate) fn stop(&mut self, now: u64, witness: &mut Witness) {
        self.presses += 1;
        self.operator.stop(now + self.clock, StopReason::Operator);
        witness.pressed_stop(now, self.author, true);
        self.next_turn = now;
    }

    pub(crate) fn poll_timeout(&self) -> u64 {
        match (self.habit, self.session) {
            (Habit::Silent, _) | (_, None) => u64::MAX,
            _ => self.next_turn,
        }
    }

    pub(crate) fn turn(&mut self, now: u64, witness: &mut Witness, said: &mut Vec<Said>) {
        if now < self.next_turn || self.habit == Habit::Silent || self.session.is_none() {
            return;
        }
        let mine = now + self.clock;
        let phase = self.operator.status(mine).phase;
        self.armed |= phase == Phase::Armed;
        let arms = !matches!(self.habit, Habit::Watches);
        let again = self.habit == Habit::Insists;
        if arms && (again || !self.armed) && matches!(phase, Phase::Resting(_)) {
            let _ = self.operator.arm(mine);
        }
        let axes = match self.habit {
            Habit::Holds => Axes::ZERO,
            _ => self.axes(),
        };
        self.operator.drive(mine, axes);
        while let Some(out) = self.operator.poll_transmit(mine) {
            witness.said(now, self.author, self.presses, &out.message);
            self.number = self.number.wrapping_add(1).max(1);
            said.push(Said {
                channel: out.channel,
                bytes: out.message.to_vec(),
            });
        }
        let due = self.operator.poll_timeout(mine);
        let due = due.map_or(u64::MAX, |due| due.saturating_sub(self.clock));
        self.next_turn = due.clamp(now + 1000, now + 20_000);
    }

    /// Each is another, so that the witness sees which one is obeyed.
    fn axes(&self) -> Axes {
        let tag = |number| Axis::new(number).expect("a tag");
        Axes {
            linear: Axis::from_fraction(0.5),
            custom: [
                tag(self.author as i16),
                tag(self.number.max(1)),
                Axis::ZERO,
                Axis::ZERO,
            ],
            ..Axes::ZERO
        }
    }
}
