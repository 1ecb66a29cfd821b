use transom_control::wire::{LeaseAction, LeaseNotice, LeaseRequest};
use transom_control::{
    Axes, Axis, Channel, Command, Epoch, Lease, Operator, OperatorConfig, Order, Phase, Report,
    Seq, Source, StopReason,
};

use crate::dice::Dice;
use crate::witness::Witness;

/// A page looks at its operator at least so often.
const LOOK_EVERY_US: u64 = 100_000;
/// A page says so often that somebody is there.
const RENEW_EVERY_US: u64 = 2_000_000;
/// Where the numbers of forged commands begin; no page comes there.
const FORGED: u32 = 0x4000_0000;

/// Who a page is, for as long as it is open: it is written into the setpoints.
pub(crate) type Author = u16;

/// Somebody with a page, restless; some are impolite.
pub(crate) struct Person {
    pub(crate) author: Author,
    pub(crate) may_drive: bool,
    /// The session with the server, if there is one.
    pub(crate) session: Option<u32>,
    operator: Operator,
    latest: Option<Report>,
    /// What this one's clock is ahead of the simulation's.
    offset: u64,
    /// The key that is held, and until when.
    held: Option<(Axes, u64)>,
    holds: i16,
    presses: u32,
    forged: u32,
    next_whim: u64,
    /// When something is to be asked about the lease.
    next_request: u64,
    next_renewal: u64,
    /// The latest word about it.
    notice: Option<LeaseNotice>,
    /// Until when this one minds something else: the page is open, and nothing is renewed.
    away_until: u64,
    next_turn: u64,
    /// Since when a stop has waited for its answer.
    stopping: Option<u64>,
}

/// What a person sends.
pub(crate) struct Said {
    pub(crate) channel: Channel,
    pub(crate) bytes: Vec<u8>,
}

impl Person {
    pub(crate) fn new(author: Author, may_drive: bool, offset: u64) -> Self {
        Self {
            author,
            may_drive,
            session: None,
            operator: Operator::new(config()),
            latest: None,
            offset,
            held: None,
            holds: 0,
            presses: 0,
            forged: FORGED,
            next_whim: 0,
            next_request: 0,
            next_renewal: 0,
            notice: None,
            away_until: 0,
            next_turn: 0,
            stopping: None,
        }
    }

    /// The page is closed, and another one opened.
    pub(crate) fn reload(&mut self, author: Author) {
        self.author = author;
        self.operator = Operator::new(config());
        self.held = None;
        self.forged = FORGED;
    }

    /// The channels are closed.
    pub(crate) fn on_closed(&mut self) {
        self.session = None;
        self.latest = None;
        self.notice = None;
        self.stopping = None;
        self.operator.handle_closed();
    }

    pub(crate) fn on_report(&mut self, now: u64, bytes: &[u8]) {
        if LeaseNotice::is_meant(bytes) {
            self.notice = Some(LeaseNotice::parse(bytes).expect("a notice"));
            return;
        }
        let report = self.operator.handle_message(now + self.offset, bytes);
        self.latest = Some(report.expect("a report"));
        self.next_turn = now;
    }

    pub(crate) fn poll_timeout(&self) -> u64 {
        let requests = self.next_request.min(self.next_renewal);
        self.next_whim.min(self.next_turn).min(requests)
    }

    /// Does what comes to mind, and what the page does by itself.
    pub(crate) fn turn(
        &mut self,
        now: u64,
        dice: &mut Dice,
        witness: &mut Witness,
        said: &mut Vec<Said>,
    ) {
        if now >= self.next_whim {
            self.next_whim = now.max(self.away_until) + dice.ms(20, 820);
            self.next_turn = now;
            self.whim(now, dice, witness, said);
        }
        if now >= self.next_request {
            self.request(dice, said);
            if dice.one_in(12) {
                self.away_until = now + dice.ms(3000, 15_000);
            }
            self.next_request = now.max(self.away_until) + dice.ms(100, 2500);
        }
        if now >= self.next_renewal {
            self.next_renewal = now + RENEW_EVERY_US;
            if now >= self.away_until && self.holds() {
                self.say_request(LeaseAction::Renew, said);
            }
        }
        if now < self.next_turn {
            return;
        }
        let mine = now + self.offset;
        if self.session.is_some() && self.may_drive {
            if let Some((axes, until)) = self.held
                && now < until
            {
                self.operator.drive(mine, axes);
            }
            while let Some(out) = self.operator.poll_transmit(mine) {
                self.say(now, witness, said, out.channel, &out.message);
            }
        }
        let stops = self.session.is_some() && self.operator.status(mine).phase == Phase::Stopping;
        match self.stopping {
            None if stops => self.stopping = Some(now),
            Some(since) if !stops => {
                self.stopping = None;
                witness.answered(now - since);
            }
            _ => {}
        }
        let due = self.operator.poll_timeout(mine);
        let due = due.map_or(u64::MAX, |due| due.saturating_sub(self.offset));
        self.next_turn = due.clamp(now + 1000, now + LOOK_EVERY_US);
    }

    fn whim(&mut self, now: u64, dice: &mut Dice, witness: &mut Witness, said: &mut Vec<Said>) {
        let mine = now + self.offset;
        if !self.may_drive {
            return self.forge(now, dice, witness, said);
        }
        match dice.below(20) {
            0..=8 => {
                self.holds = self.holds.wrapping_add(1).max(1);
                let tag = |number| Axis::new(number).expect("a tag");
                let axes = Axes {
                    linear: Axis::from_fraction(0.2 + dice.below(80) as f32 / 100.0),
                    angular: Axis::from_fraction(dice.below(200) as f32 / 100.0 - 1.0),
                    custom: [
                        tag(self.author as i16),
                        tag(self.holds),
                        Axis::ZERO,
                        Axis::ZERO,
                    ],
                    ..Axes::ZERO
                };
                self.held = Some((axes, now + dice.ms(0, 3000)));
            }
            9..=15 => {
                let _ = self.operator.arm(mine);
            }
            16..=17 => {
                self.presses += 1;
                self.operator.stop(mine, StopReason::Operator);
                witness.pressed_stop(now, self.author, true);
            }
            18 => {
                self.presses += 1;
                self.operator.disarm(mine);
                witness.pressed_stop(now, self.author, false);
            }
            _ if self.operator.status(mine).phase == Phase::Foreign => {
                self.forge(now, dice, witness, said);
            }
            _ => {}
        }
    }

    fn holds(&self) -> bool {
        self.notice
            .is_some_and(|notice| notice.holder.is_some_and(|h| h.party.source == notice.you))
    }

    /// Asks something about the lease, or answers who asks.
    fn request(&mut self, dice: &mut Dice, said: &mut Vec<Said>) {
        let asker = self
            .notice
            .and_then(|notice| notice.holder?.asker)
            .map(|(asker, _)| asker.source);
        let action = match (self.holds(), asker, dice.below(10)) {
            (true, Some(asker), 0..=3) => LeaseAction::Grant(asker),
            (true, Some(asker), 4..=5) => LeaseAction::Deny(asker),
            (true, _, 9) => LeaseAction::Release,
            (true, ..) => return,
            (false, _, 0..=1) => LeaseAction::Acquire,
            (false, _, 2..=5) => LeaseAction::Ask,
            (false, _, 6) => LeaseAction::Override,
            (false, Some(asker), 7) => LeaseAction::Grant(asker),
            (false, _, 8) => LeaseAction::Release,
            (false, ..) => LeaseAction::Query,
        };
        self.say_request(action, said);
    }

    fn say_request(&mut self, action: LeaseAction, said: &mut Vec<Said>) {
        if self.session.is_some() {
            let request = LeaseRequest { number: 1, action };
            said.push(Said {
                channel: Channel::Reliable,
                bytes: request.emit().to_vec(),
            });
        }
    }

    /// What no page says: commands for the epoch of somebody else, with a lease of its own making.
    fn forge(&mut self, now: u64, dice: &mut Dice, witness: &mut Witness, said: &mut Vec<Said>) {
        let (Some(latest), Some(_)) = (self.latest, self.session) else {
            return;
        };
        let (epoch, echo) = (latest.epoch, latest.stamp);
        let order = match (dice.below(5), self.may_drive) {
            (0, _) => Order::Disarm { epoch: Epoch::ALL },
            (1, _) => Order::Ping,
            // These are heard of one who may drive.
            (2, false) => Order::Stop {
                epoch: Epoch::ALL,
                reason: StopReason::Operator,
            },
            (3, false) => Order::Arm {
                follows: epoch,
                echo,
            },
            _ => Order::Setpoint {
                epoch,
                echo,
                picture: echo,
                axes: Axes::drive(Axis::FULL, Axis::ZERO),
            },
        };
        self.forged += 1;
        let command = Command {
            source: Source(dice.fork() as u32),
            lease: Lease(u32::MAX),
            seq: Seq(self.forged),
            order,
        };
        let channel = match dice.one_in(2) {
            true => Channel::Control,
            false => Channel::Reliable,
        };
        self.say(now, witness, said, channel, &command.emit());
    }

    fn say(
        &self,
        now: u64,
        witness: &mut Witness,
        said: &mut Vec<Said>,
        channel: Channel,
        bytes: &[u8],
    ) {
        if self.may_drive {
            witness.said(now, self.author, self.presses, bytes);
        }
        said.push(Said {
            channel,
            bytes: bytes.to_vec(),
        });
    }
}

/// As the page's.
fn config() -> OperatorConfig {
    OperatorConfig {
        interval_us: 20_000,
        relayed: true,
        ..OperatorConfig::default()
    }
}
