//! One drive that one thing ends.

use std::collections::BTreeMap;

use transom_control::wire::{LeaseAction, LeaseRequest};
use transom_control::{Channel, KernelConfig};
use transom_tests_sim::drive::PathConfig;

use crate::LIMIT_US;
use crate::dice::Dice;
use crate::driver::{Driver, Habit};
use crate::person::Said;
use crate::robot::{CLOCK_OFFSET_US, Hang, Robot};
use crate::server::{Server, Who};
use crate::witness::Witness;

/// What processors may add to the limit.
const TOLERANCE_US: u64 = 20_000;
/// Past which a picture is too old, where the robot asks for one.
const PICTURE_LIMIT_US: u64 = 500_000;
/// From which age on it makes the robot slower.
const PICTURE_SLOW_US: u64 = 250_000;
/// It moves by then, or never.
const MOVES_BY_US: u64 = 10_000_000;
/// What is watched after it happened.
const WATCHED_US: u64 = 4_500_000;
const HOUR_US: u64 = 3_600_000_000;
const STALL_US: u64 = 2_000_000;
/// Between two old messages that come again.
const REPLAY_EVERY_US: u64 = 10_000;

/// What goes wrong while a robot moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incident {
    /// The page says goodbye.
    PageClosed,
    /// It is gone without a word.
    BrowserKilled,
    /// The server is gone.
    SfuKilled,
    /// Nothing comes to or from the agent any more; later it does again.
    NetworkCut,
    /// The agent, or what passes commands to the actuator, hangs for a while.
    RuntimeBlocked,
    /// The agent's main process is gone.
    MainKilled,
    /// The same, after it wrote a core dump.
    MainAborted,
    /// The same, after it stood still for want of memory.
    MainOutOfMemory,
    /// It is stopped, and goes on later.
    MainStopped,
    /// 30 of 100 messages are lost on both hops, and the page is gone.
    Loss,
    /// Nothing comes through for two seconds, and then all of it.
    StallBurst,
    /// The page is silent, and all that it ever said comes again on both hops.
    Replay,
    /// Another stops it and takes the lease, or overrides; the first one drives on.
    LeaseTaken,
    /// The operator's clock is hours wrong and is set by an hour; then the page is gone.
    ClockWrong,
    /// The page's picture stands still, and its commands go on.
    BlindPage,
}

/// Microseconds until it stood.
#[derive(Clone, Copy, Debug)]
pub struct Stood {
    /// Since the agent had the last command that it obeyed; where the page is blind, since its picture was too
    /// old.
    pub after_us: u64,
    /// Since it happened.
    pub since_us: u64,
}

#[derive(Clone, Copy, Debug)]
enum Due {
    Opened(u32, Channel),
    Closed(u32, Channel),
    Gone(u32),
    /// The cable is mended.
    Mended,
    /// The agent's socket to its actuator is at its end.
    EndOfFile,
    Replay,
    /// Whoever took over arms.
    Arms,
    /// The page is gone.
    Vanishes,
}

impl Incident {
    /// Drives until it moves, lets it happen, and watches. Panics where anything moves that must not, or does not
    /// stand in time.
    pub fn run(self, seed: u64) -> Stood {
        Course::new(self, seed).run()
    }
}

struct Course {
    incident: Incident,
    now: u64,
    dice: Dice,
    drivers: [Driver; 2],
    server: Server,
    robot: Robot,
    /// The device's session.
    session: u32,
    witness: Witness,
    due: BTreeMap<(u64, u64), Due>,
    planned: u64,
    seed: u64,
}

impl Course {
    fn new(incident: Incident, seed: u64) -> Self {
        let mut dice = Dice::new(seed ^ 0x1c1d);
        let path = path(incident, &mut dice);
        let clock = match incident {
            Incident::ClockWrong => HOUR_US + dice.below(2 * HOUR_US),
            _ => dice.ms(0, 100_000_000),
        };
        let mut config = KernelConfig::default();
        let mut witness = Witness::default();
        if incident == Incident::BlindPage {
            config.picture_limit_us = Some(PICTURE_LIMIT_US);
            // By turns it stops at once, or goes slower first.
            if seed.is_multiple_of(2) {
                config.picture_slow_us = PICTURE_SLOW_US;
                witness.expect_slower();
            }
        }
        let mut server = Server::new();
        let habit = match incident {
            Incident::Loss => Habit::Insists,
            _ => Habit::Drives,
        };
        let mut drivers = [
            Driver::new(1, habit, clock),
            Driver::new(2, Habit::Watches, dice.ms(0, 100_000_000)),
        ];
        let session = server.open(Who::Device, 0, path, dice.fork(), &mut witness);
        for (at, driver) in drivers.iter_mut().enumerate() {
            let who = Who::Person {
                at,
                may_drive: true,
            };
            let key = server.open(who, driver.author, path, dice.fork(), &mut witness);
            driver.session = Some(key);
        }
        let mut course = Self {
            incident,
            now: 0,
            drivers,
            server,
            robot: Robot::with(0, config),
            session,
            witness,
            due: BTreeMap::new(),
            planned: 0,
            seed,
            dice,
        };
        for key in session..session + 3 {
            for channel in [Channel::Control, Channel::Reliable] {
                let after = course.dice.ms(0, 20);
                course.plan(after, Due::Opened(key, channel));
            }
        }
        course
    }

    fn run(mut self) -> Stood {
        let from = self.dice.ms(1000, 1500);
        self.pass(from);
        while !self.robot.moves() {
            assert!(self.now < MOVES_BY_US, "it does not move");
            self.pass(self.now + 1000);
        }
        let happened = self.now;
        self.happen();
        // The moment itself: nothing is missed between two steps.
        let mut stood = None;
        while self.now < happened + WATCHED_US {
            let now = self.step(happened + WATCHED_US);
            match (self.robot.moves(), stood) {
                (true, Some((stood, _))) => panic!("it moves again, {} us later", now - stood),
                (true, None) => self.check_picture(now),
                (false, None) => stood = Some((now, self.witness.last_received())),
                (false, Some(_)) => {}
            }
        }
        let (stood, last) = stood.expect("it moves on for ever");
        let since_us = stood - happened;
        let after_us = match self.incident {
            Incident::BlindPage => stood.saturating_sub(self.blind_at()),
            Incident::LeaseTaken => since_us,
            _ => stood - last.expect("it moved"),
        };
        assert!(
            after_us <= LIMIT_US + TOLERANCE_US,
            "{after_us} us from what it counts from"
        );
        Stood { after_us, since_us }
    }

    /// When the picture that the driver saw last was too old.
    fn blind_at(&self) -> u64 {
        self.drivers[0].picture().micros() - CLOCK_OFFSET_US + PICTURE_LIMIT_US
    }

    fn check_picture(&self, now: u64) {
        if self.incident == Incident::BlindPage {
            let late = now.saturating_sub(self.blind_at());
            assert!(late <= TOLERANCE_US, "it moves blindly, {late} us");
        }
    }

    fn pass(&mut self, until: u64) {
        while self.now < until {
            self.step(until);
        }
    }

    /// Does what is due, and goes on to when something is due next; when it was.
    fn step(&mut self, until: u64) -> u64 {
        let now = self.now;
        self.turn();
        self.witness.see(now, self.robot.lines());
        self.now = self.next().clamp(now + 1, until);
        now
    }

    fn turn(&mut self) {
        let now = self.now;
        while let Some(entry) = self.due.first_entry().filter(|entry| entry.key().0 <= now) {
            let due = entry.remove();
            self.on_due(due);
        }
        self.server.turn(now, &mut self.witness);
        let mut said = Vec::new();
        for driver in &mut self.drivers {
            let Some(key) = driver.session else { continue };
            while let Some(sent) = self.server.receive(now, key) {
                driver.on_report(now, &sent.bytes);
            }
            driver.turn(now, &mut self.witness, &mut said);
            for said in said.drain(..) {
                self.server.send(now, key, said);
            }
        }
        while let Some(sent) = self.server.receive(now, self.session) {
            self.robot.receive(now, sent, &mut self.witness);
        }
        let mut reports: Vec<Said> = Vec::new();
        let (dice, witness) = (&mut self.dice, &mut self.witness);
        self.robot.turn(now, dice, witness, &mut reports);
        for report in reports {
            self.server.send(now, self.session, report);
        }
    }

    fn next(&self) -> u64 {
        let drivers = self.drivers.iter().map(Driver::poll_timeout);
        let due = self.due.keys().map(|(at, _)| *at).take(1);
        let server = self.server.poll_timeout(|session| match session.who {
            Who::Device => true,
            Who::Person { at, .. } => self.drivers[at].session == Some(session.key),
        });
        let witness = self.witness.poll_timeout();
        let robot = self.robot.poll_timeout();
        let all = drivers.chain(due).chain(server).chain(witness);
        all.chain([robot]).min().expect("drivers")
    }

    fn plan(&mut self, after: u64, due: Due) {
        self.planned += 1;
        self.due.insert((self.now + after, self.planned), due);
    }

    fn happen(&mut self) {
        let now = self.now;
        match self.incident {
            Incident::PageClosed => {
                let key = self.drivers[0].session.take().expect("a session");
                let after = self.dice.ms(0, 100);
                let due = match self.seed.is_multiple_of(2) {
                    true => Due::Gone(key),
                    false => Due::Closed(key, Channel::Control),
                };
                self.plan(after, due);
            }
            Incident::BrowserKilled | Incident::Loss => self.vanish(),
            Incident::SfuKilled => self.server.restart(),
            Incident::NetworkCut => {
                self.server.cut(self.session);
                let after = self.dice.ms(400, 3000);
                self.plan(after, Due::Mended);
            }
            Incident::RuntimeBlocked => {
                let what = match self.seed.is_multiple_of(2) {
                    true => Hang::Agent,
                    false => Hang::Supervisor,
                };
                let until = now + self.dice.ms(500, 3000);
                self.robot.hang(what, until);
            }
            Incident::MainStopped => {
                let until = now + self.dice.ms(350, 3000);
                self.robot.hang(Hang::Agent, until);
            }
            Incident::MainKilled => self.plan(0, Due::EndOfFile),
            Incident::MainAborted => self.hang_and_end(200),
            Incident::MainOutOfMemory => self.hang_and_end(2000),
            Incident::StallBurst => {
                let both = self.seed.is_multiple_of(2);
                self.server.stall(self.session, now + STALL_US, both);
            }
            Incident::Replay => {
                self.drivers[0].habit = Habit::Silent;
                self.plan(0, Due::Replay);
            }
            Incident::LeaseTaken => {
                // By turns by Stop, which anybody may, and by an administrator's override.
                match self.seed.is_multiple_of(2) {
                    true => self.drivers[1].stop(now, &mut self.witness),
                    false => self.overrides(),
                }
                let after = self.dice.ms(10, 400);
                self.plan(after, Due::Arms);
            }
            Incident::ClockWrong => {
                let step = match self.seed.is_multiple_of(2) {
                    true => 4 * HOUR_US,
                    false => 0,
                };
                self.drivers[0].set_clock(step);
                let after = self.dice.ms(0, 300);
                self.plan(after, Due::Vanishes);
            }
            Incident::BlindPage => self.drivers[0].habit = Habit::DrivesBlind,
        }
    }

    fn overrides(&mut self) {
        let request = LeaseRequest {
            number: 1,
            action: LeaseAction::Override,
        };
        let said = Said {
            channel: Channel::Reliable,
            bytes: request.emit().to_vec(),
        };
        let key = self.drivers[1].session.expect("a session");
        self.server.send(self.now, key, said);
    }

    fn hang_and_end(&mut self, most_ms: u64) {
        self.robot.hang(Hang::Agent, u64::MAX);
        let after = self.dice.ms(0, most_ms);
        self.plan(after, Due::EndOfFile);
    }

    fn vanish(&mut self) {
        let key = self.drivers[0].session.take().expect("a session");
        self.server.cut(key);
    }

    fn on_due(&mut self, due: Due) {
        let now = self.now;
        match due {
            Due::Opened(key, channel) => self.server.opened(now, key, channel, &mut self.witness),
            Due::Closed(key, channel) => self.server.closed(now, key, channel, &mut self.witness),
            Due::Gone(key) => self.server.gone(now, key, &mut self.witness),
            Due::Mended => self.server.mend(self.session),
            Due::EndOfFile => self.robot.end_of_file(now),
            Due::Replay => {
                let driver = self.drivers[0].session.expect("a session");
                self.server.replay(now, &[driver, self.session]);
                self.plan(REPLAY_EVERY_US, Due::Replay);
            }
            Due::Arms => self.drivers[1].habit = Habit::Holds,
            Due::Vanishes => self.vanish(),
        }
    }
}

/// From a cable to a bad radio, of those on which anybody can drive.
fn path(incident: Incident, dice: &mut Dice) -> PathConfig {
    let loss = match incident {
        Incident::Loss => 30,
        _ => dice.below(3),
    };
    PathConfig {
        delay_ms: (1 + dice.below(20), 1 + dice.below(20)),
        loss,
        twice: dice.below(5),
        replay: dice.below(20),
        stall: 0,
        stall_ms: 0,
    }
}
