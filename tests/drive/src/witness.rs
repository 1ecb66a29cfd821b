//! What really happened, kept apart from relay and kernel: what was said and by whom, what the relay sent
//! after what, what arrived when, what moved. Of the kernel it takes one word only: which arm it took.

use std::collections::{BTreeMap, HashMap};

use transom_control::{Axes, Command, Epoch, Lease, Order, Seq, Source, StopReason};

use crate::LIMIT_US;
use crate::findings::Findings;
use crate::person::Author;
use crate::robot::CLOCK_OFFSET_US;

/// The relay itself, which may do nothing but stop.
const SERVER: Author = 0;

#[derive(Default)]
pub(crate) struct Witness {
    /// Who speaks by which session, as the relay names it.
    sessions: HashMap<Source, Author>,
    said: HashMap<(Author, Seq), Vec<Said>>,
    /// The relay's order, and when the agent had the latest copy.
    relayed: HashMap<(Source, Lease, Seq), Relayed>,
    opened: Option<Opened>,
    /// Why nothing may move until an arm is taken.
    forbidden: Option<&'static str>,
    /// The latest arm that the relay sent, of those that arrived.
    last_arm: (u64, Author),
    /// When the latest stop or disarm that arrived was said.
    own_ends: HashMap<Author, u64>,
    /// When the first copy of a press of stop, or of a stop of the server, arrived, and its place in the
    /// relay's order.
    stops: BTreeMap<(Author, u32), (u64, u64)>,
    newest: Option<Newest>,
    moves: Option<Moves>,
    last_driver: Option<Author>,
    stop_pressed: Option<(u64, bool)>,
    lost_at: Option<u64>,
    /// What is old makes it slower than it is told.
    may_be_slower: bool,
    findings: Findings,
}

struct Said {
    at: u64,
    /// Which press of stop it repeats, if it is one.
    press: u32,
    order: Order,
}

struct Relayed {
    emitted: u64,
    received: Option<u64>,
}

/// What a command that arrives is.
#[derive(Clone, Copy)]
pub(crate) struct Arrival {
    source: Source,
    author: Author,
    said_at: u64,
    emitted: u64,
    order: Order,
}

/// The epoch that is open, by the arm that the kernel took.
struct Opened {
    source: Source,
    author: Author,
    epoch: Epoch,
    said_at: u64,
    emitted: u64,
    /// The last stop in the relay's order that its author may have heard of.
    heard_stop: u64,
}

/// The newest fresh setpoint of the one who drives.
#[derive(Clone, Copy)]
struct Newest {
    seq: Seq,
    axes: Axes,
    at: u64,
    received: u64,
}

#[derive(Clone, Copy)]
struct Moves {
    since: u64,
    seen: u64,
    author: Author,
}

impl Witness {
    /// The device may go slower than it is told.
    pub(crate) fn expect_slower(&mut self) {
        self.may_be_slower = true;
    }

    /// When the agent had the newest fresh setpoint of who drives, or drove.
    pub(crate) fn last_received(&self) -> Option<u64> {
        self.newest.map(|newest| newest.received)
    }

    pub(crate) fn session(&mut self, key: u32, author: Author) {
        self.sessions.insert(Source(key), author);
    }

    pub(crate) fn said(&mut self, now: u64, author: Author, press: u32, bytes: &[u8]) {
        let command = Command::parse(bytes).expect("a command");
        let said = Said {
            at: now,
            press,
            order: command.order,
        };
        // A first copy goes by both channels.
        let all = self.said.entry((author, command.seq)).or_default();
        if all.iter().all(|known| known.order != said.order) {
            all.push(said);
        }
    }

    pub(crate) fn relayed(&mut self, emitted: u64, bytes: &[u8]) {
        let command = Command::parse(bytes).expect("a command");
        let new = Relayed {
            emitted,
            received: None,
        };
        self.relayed.entry(key(&command)).or_insert(new);
    }

    pub(crate) fn received(&mut self, now: u64, bytes: &[u8]) {
        let command = Command::parse(bytes).expect("a command");
        let relayed = self.relayed.get_mut(&key(&command));
        let relayed = relayed.expect("a command that nobody sent");
        relayed.received = Some(now);
    }

    /// Somebody wants it to stand; `anybody` says whether that is heard of one who does not drive.
    pub(crate) fn pressed_stop(&mut self, now: u64, author: Author, anybody: bool) {
        if let Some(moves) = self.moves
            && (anybody || moves.author == author)
        {
            self.stop_pressed
                .get_or_insert((now, moves.author == author));
        }
    }

    /// A stop has its answer, so long after it was pressed.
    pub(crate) fn answered(&mut self, after: u64) {
        self.findings.answered_us.push(after);
    }

    /// The server hears that a session is over, or lacks a channel from now on.
    pub(crate) fn lost(&mut self, now: u64, key: u32) {
        let drives = self
            .opened
            .as_ref()
            .is_some_and(|opened| opened.source == Source(key));
        if drives && self.moves.is_some() {
            self.lost_at.get_or_insert(now);
        }
    }

    /// A command is given to the kernel.
    pub(crate) fn arrives(&mut self, now: u64, bytes: &[u8]) -> Arrival {
        let command = Command::parse(bytes).expect("a command");
        let relayed = &self.relayed[&key(&command)];
        let (emitted, received) = (relayed.emitted, relayed.received.expect("by the agent"));
        let (author, said_at, press) = self.sender(&command);
        let arrival = Arrival {
            source: command.source,
            author,
            said_at,
            emitted,
            order: command.order,
        };
        let age = |echo: u64| (CLOCK_OFFSET_US + now).checked_sub(echo);
        match command.order {
            Order::Setpoint {
                epoch, echo, axes, ..
            } => {
                let fresh = age(echo.micros()).is_some_and(|age| age <= LIMIT_US);
                let drives = self
                    .opened
                    .as_ref()
                    .is_some_and(|opened| opened.author == author && opened.epoch == epoch);
                // An epoch that was silent for the limit is over.
                let newer = self.newest.is_none_or(|newest| {
                    newest.seq < command.seq && now < newest.received + LIMIT_US
                });
                if fresh && drives && newer {
                    self.newest = Some(Newest {
                        seq: command.seq,
                        axes,
                        at: now,
                        received,
                    });
                }
            }
            Order::Arm { .. } => {
                let other = self
                    .opened
                    .as_ref()
                    .is_some_and(|o| o.author != author && o.emitted < emitted);
                if other {
                    self.forbidden = Some("another one has armed since");
                }
                self.last_arm = self.last_arm.max((emitted, author));
            }
            Order::Stop { .. } | Order::Emergency { .. } => {
                self.on_end(now, &arrival, press, true);
            }
            // Who drives ends the own drive by it, and nobody else's.
            Order::Disarm { .. } => self.on_end(now, &arrival, press, false),
            Order::Reset { .. } | Order::Switch { .. } | Order::Ping => {}
        }
        arrival
    }

    /// The kernel took this one as an arm.
    pub(crate) fn armed(&mut self, arrival: Arrival) {
        let Arrival {
            source,
            author,
            said_at,
            emitted,
            order: Order::Arm { follows, echo },
        } = arrival
        else {
            panic!("armed by no arm");
        };
        let heard = echo.micros() - CLOCK_OFFSET_US;
        let unheard = |by: &Author, at: u64| *by != author && *by != SERVER && at > heard;
        self.forbidden = if self
            .own_ends
            .get(&author)
            .is_some_and(|end| *end >= said_at)
        {
            Some("armed by an arm of before the own stop")
        } else if self.stops.iter().any(|((by, _), (at, _))| unheard(by, *at)) {
            Some("armed by one who had not heard of another's stop")
        } else if self.last_arm > (emitted, author) && self.last_arm.1 != author {
            Some("armed after a later arm of another")
        } else {
            None
        };
        let stops = self.stops.values().filter(|(at, _)| *at <= heard);
        let heard_stop = stops.map(|(_, emitted)| *emitted).max();
        self.opened = Some(Opened {
            heard_stop: heard_stop.unwrap_or_default(),
            source,
            author,
            epoch: follows.next().expect("an epoch"),
            said_at,
            emitted,
        });
        self.newest = None;
    }

    /// The agent stops what moves.
    pub(crate) fn stopped_by_agent(&mut self) {
        self.forbidden = Some("stopped by the agent");
    }

    /// Another actuator.
    pub(crate) fn replaced(&mut self) {
        self.opened = None;
        self.newest = None;
    }

    /// When motion must have ended.
    pub(crate) fn poll_timeout(&self) -> Option<u64> {
        self.moves
            .and(self.newest)
            .map(|newest| newest.at + LIMIT_US)
    }

    /// What the lines have at `now`.
    pub(crate) fn see(&mut self, now: u64, lines: Axes) {
        if lines.is_zero() {
            self.stands(now);
            return;
        }
        let opened = self.opened.as_ref().expect("motion without an arm");
        let newest = self.newest.expect("motion without any fresh setpoint");
        if let Some(why) = self.forbidden {
            panic!("at {now} us: motion, {why}");
        }
        match self.may_be_slower {
            true => assert!(
                is_slower(lines, newest.axes),
                "{lines:?}, not {:?}",
                newest.axes
            ),
            false => assert_eq!(lines, newest.axes, "motion by another than the newest"),
        }
        let silent = now - newest.received;
        assert!(
            silent < LIMIT_US,
            "motion {silent} us after the last command came to the agent"
        );
        let author = opened.author;
        let moves = self.moves.get_or_insert(Moves {
            since: now,
            seen: now,
            author,
        });
        if moves.since == now {
            self.findings.starts += 1;
            let last = self.last_driver.replace(author);
            if last.is_some_and(|last| last != author) {
                self.findings.handovers += 1;
            }
        }
        self.findings.moved_us += now - moves.seen;
        moves.seen = now;
        moves.author = author;
    }

    pub(crate) fn findings(&mut self) -> &mut Findings {
        &mut self.findings
    }

    /// Who sent a command, when, and which press it is about; a panic if that one never did.
    fn sender(&self, command: &Command) -> (Author, u64, u32) {
        if command.source == Source(0) {
            let Order::Stop {
                reason: StopReason::LinkLost | StopReason::Replaced | StopReason::Operator,
                ..
            } = command.order
            else {
                panic!("a command of the server's own: {command:?}");
            };
            return (SERVER, 0, command.lease.0);
        }
        let author = *self.sessions.get(&command.source).expect("a session");
        let said = self.said.get(&(author, command.seq));
        let mut said = said.into_iter().flatten();
        let said = said.find(|said| said.order == command.order);
        let said = said.expect("said like that by one who may drive");
        (author, said.at, said.press)
    }

    fn on_end(&mut self, now: u64, arrival: &Arrival, press: u32, anybody: bool) {
        let Arrival {
            author,
            said_at,
            emitted,
            ..
        } = *arrival;
        let opened = self.opened.as_ref();
        let own = opened.is_some_and(|opened| opened.author == author);
        if own && opened.is_some_and(|opened| said_at >= opened.said_at) {
            self.forbidden = Some("its driver has stopped it");
        }
        let end = self.own_ends.entry(author).or_default();
        *end = said_at.max(*end);
        if !anybody {
            return;
        }
        // A copy of a stop that was heard before is no news.
        let first = !self.stops.contains_key(&(author, press));
        self.stops.entry((author, press)).or_insert((now, emitted));
        // Not meant is who was let arm by the server after a stop of its own, or armed knowing of a stop that
        // came after this one.
        let meant = opened.is_some_and(|opened| match author {
            SERVER => opened.emitted < emitted,
            _ => opened.heard_stop < emitted,
        });
        if first && !own && meant {
            self.forbidden = Some("stopped by another");
        }
    }

    fn stands(&mut self, now: u64) {
        let Some(moves) = self.moves.take() else {
            return;
        };
        self.findings.moved_us += now - moves.seen;
        if let Some(newest) = self.newest.filter(|newest| !newest.axes.is_zero()) {
            self.findings.last_command_us.push(now - newest.at);
            self.findings.last_received_us.push(now - newest.received);
        }
        if let Some((pressed, own)) = self.stop_pressed.take() {
            let stops = match own {
                true => &mut self.findings.own_stop_us,
                false => &mut self.findings.other_stop_us,
            };
            stops.push(now - pressed);
        }
        if let Some(lost) = self.lost_at.take() {
            self.findings.lost_us.push(now - lost);
        }
    }
}

fn key(command: &Command) -> (Source, Lease, Seq) {
    (command.source, command.lease, command.seq)
}

/// Whether each axis goes the same way, and no faster.
fn is_slower(lines: Axes, told: Axes) -> bool {
    let (lines, told) = (lines.all(), told.all());
    let mut pairs = lines
        .iter()
        .zip(told)
        .map(|(line, told)| (line.raw(), told.raw()));
    pairs.all(|(line, told)| match told >= 0 {
        true => (0..=told).contains(&line),
        false => (told..=0).contains(&line),
    })
}
