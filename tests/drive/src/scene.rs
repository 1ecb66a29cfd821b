use std::collections::BTreeMap;
use std::time::Duration;

use transom_control::Channel;
use transom_tests_sim::drive::PathConfig;

use crate::dice::Dice;
use crate::findings::Findings;
use crate::person::{Author, Person};
use crate::robot::{Hang, Robot};
use crate::server::{Server, Who};
use crate::witness::Witness;

/// Two who may drive, and one who may only watch.
const PEOPLE: usize = 3;

/// All of it, from one seed.
pub struct Scene {
    now: u64,
    dice: Dice,
    people: Vec<Person>,
    server: Server,
    robot: Robot,
    /// The device's session.
    session: Option<u32>,
    witness: Witness,
    paths: [PathConfig; 2],
    /// By time, and by their order.
    due: BTreeMap<(u64, u64), Due>,
    planned: u64,
    authors: Author,
}

/// What happens by itself.
#[derive(Clone, Copy, Debug)]
enum Due {
    /// Something goes wrong.
    Mishap,
    /// A peer connects.
    Connect(Peer),
    /// The server has a channel of a session, or has it no more.
    Opened(u32, Channel),
    Closed(u32, Channel),
    /// The server hears that a session is over.
    Gone(u32),
    /// A peer hears that its own session is over.
    Notice(Peer, u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Peer {
    Device,
    Person(usize),
}

impl Scene {
    /// People on paths of one kind, the device on one of another: 25 kinds of scenes, over and over; and
    /// everything goes wrong now and then.
    pub fn new(seed: u64) -> Self {
        let mut scene = Self::with([seed, seed / 5].map(PathConfig::numbered), seed);
        scene.plan_mishap();
        scene
    }

    /// On cables, and nothing goes wrong.
    pub fn calm(seed: u64) -> Self {
        Self::with([PathConfig::numbered(0); 2], seed)
    }

    fn with(paths: [PathConfig; 2], seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let people = (0..PEOPLE).map(|at| {
            let author = at as Author + 1;
            Person::new(author, at < 2, dice.ms(1000, 100_000_000))
        });
        let mut scene = Self {
            now: 0,
            people: people.collect(),
            server: Server::new(),
            robot: Robot::new(0),
            session: None,
            witness: Witness::default(),
            paths,
            due: BTreeMap::new(),
            planned: 0,
            authors: PEOPLE as Author,
            dice,
        };
        for peer in peers() {
            let after = scene.dice.ms(0, 300);
            scene.plan(after, Due::Connect(peer));
        }
        scene
    }

    /// Runs for `duration` and tells what the witness saw.
    pub fn run(mut self, duration: Duration) -> Findings {
        let end = u64::try_from(duration.as_micros()).expect("not for ever");
        while self.now < end {
            self.turn();
            self.witness.see(self.now, self.robot.lines());
            self.now = self.next().clamp(self.now + 1, end);
        }
        let mut findings = std::mem::take(self.witness.findings());
        self.robot.findings(&mut findings);
        self.server.findings(&mut findings);
        findings
    }

    fn turn(&mut self) {
        let now = self.now;
        while let Some(entry) = self.due.first_entry().filter(|entry| entry.key().0 <= now) {
            let due = entry.remove();
            self.happens(due);
        }
        self.server.turn(now, &mut self.witness);
        let mut said = Vec::new();
        for person in &mut self.people {
            let session = person.session;
            while let Some(sent) = session.and_then(|key| self.server.receive(now, key)) {
                person.on_report(now, &sent.bytes);
            }
            person.turn(now, &mut self.dice, &mut self.witness, &mut said);
            for said in said.drain(..) {
                self.server.send(now, session.expect("a session"), said);
            }
        }
        while let Some(sent) = self.session.and_then(|key| self.server.receive(now, key)) {
            self.robot.receive(now, sent, &mut self.witness);
        }
        self.robot
            .turn(now, &mut self.dice, &mut self.witness, &mut said);
        for said in said {
            if let Some(key) = self.session {
                self.server.send(now, key, said);
            }
        }
    }

    /// When something is to be done next.
    fn next(&self) -> u64 {
        let people = self.people.iter().map(Person::poll_timeout);
        let due = self.due.keys().map(|(at, _)| *at).take(1);
        let server = self.server.poll_timeout(|session| match session.who {
            Who::Device => Some(session.key) == self.session,
            Who::Person { at, .. } => Some(session.key) == self.people[at].session,
        });
        let witness = self.witness.poll_timeout();
        people
            .chain(due)
            .chain(server)
            .chain(witness)
            .chain([self.robot.poll_timeout()])
            .min()
            .expect("people")
    }

    fn plan(&mut self, after: u64, due: Due) {
        self.planned += 1;
        self.due.insert((self.now + after, self.planned), due);
    }

    fn plan_mishap(&mut self) {
        let after = self.dice.ms(300, 5000);
        self.plan(after, Due::Mishap);
    }

    fn happens(&mut self, due: Due) {
        let now = self.now;
        match due {
            Due::Mishap => {
                self.mishap();
                self.plan_mishap();
            }
            Due::Connect(peer) => self.connect(peer),
            Due::Opened(key, channel) => self.server.opened(now, key, channel, &mut self.witness),
            Due::Closed(key, channel) => self.server.closed(now, key, channel, &mut self.witness),
            Due::Gone(key) => self.server.gone(now, key, &mut self.witness),
            Due::Notice(peer, key) => self.on_session_over(peer, key),
        }
    }

    fn mishap(&mut self) {
        let moves = u64::from(self.robot.moves());
        match self.dice.below(14) {
            0..=1 => self.goodbye(),
            2..=3 => self.vanish(),
            4..=5 => self.channel_closes(),
            6..=7 => {
                self.witness.findings().devices += moves;
                self.device_is_lost();
            }
            8..=9 => {
                self.witness.findings().servers += moves;
                self.server_restarts();
            }
            10 => {
                self.witness.findings().actuators += moves;
                self.robot.replace_actuator(self.now, &mut self.witness);
            }
            _ => {
                self.witness.findings().hangs += moves;
                let what = match self.dice.one_in(2) {
                    true => Hang::Agent,
                    false => Hang::Supervisor,
                };
                self.robot.hang(what, self.now + self.dice.ms(10, 900));
            }
        }
    }

    /// A page is closed in order.
    fn goodbye(&mut self) {
        let Some((peer, key)) = self.somebody() else {
            return;
        };
        let after = self.dice.ms(1, 100);
        self.plan(after, Due::Gone(key));
        self.on_session_over(peer, key);
    }

    /// A page, or its network, is gone without a word; another one comes before the server knows, or after.
    fn vanish(&mut self) {
        let Some((peer, key)) = self.somebody() else {
            return;
        };
        self.server.cut(key);
        // The server may find out long after a lease that was asked for is over.
        let after = match self.dice.one_in(3) {
            true => self.dice.ms(4000, 12_000),
            false => self.dice.ms(0, 4000),
        };
        self.plan(after, Due::Gone(key));
        let after = self.dice.ms(0, 1000);
        self.plan(after, Due::Notice(peer, key));
    }

    fn channel_closes(&mut self) {
        let Some((peer, key)) = self.somebody() else {
            return;
        };
        let channel = match self.dice.one_in(2) {
            true => Channel::Control,
            false => Channel::Reliable,
        };
        let after = self.dice.ms(0, 200);
        self.plan(after, Due::Closed(key, channel));
        let after = self.dice.ms(0, 300);
        self.plan(after, Due::Notice(peer, key));
        let after = self.dice.ms(300, 2000);
        self.plan(after, Due::Gone(key));
    }

    /// The device's session ends; it comes again before the server knows, or after.
    fn device_is_lost(&mut self) {
        let Some(key) = self.session else { return };
        self.server.cut(key);
        let after = self.dice.ms(0, 3000);
        self.plan(after, Due::Gone(key));
        let after = self.dice.ms(0, 1500);
        self.plan(after, Due::Notice(Peer::Device, key));
    }

    fn server_restarts(&mut self) {
        self.server.restart();
        for peer in peers() {
            if let Some(key) = self.session_of(peer) {
                let after = self.dice.ms(0, 1000);
                self.plan(after, Due::Notice(peer, key));
            }
        }
    }

    fn on_session_over(&mut self, peer: Peer, key: u32) {
        if self.session_of(peer) != Some(key) {
            return;
        }
        match peer {
            Peer::Device => {
                self.session = None;
                self.robot.on_lost(self.now);
            }
            Peer::Person(at) => {
                self.people[at].on_closed();
                if self.dice.one_in(3) {
                    self.authors += 1;
                    self.people[at].reload(self.authors);
                }
            }
        }
        let after = self.dice.ms(50, 1500);
        self.plan(after, Due::Connect(peer));
    }

    fn connect(&mut self, peer: Peer) {
        if self.session_of(peer).is_some() {
            return;
        }
        let (who, author, path) = match peer {
            Peer::Device => (Who::Device, 0, self.paths[1]),
            Peer::Person(at) => {
                let may_drive = self.people[at].may_drive;
                let author = self.people[at].author;
                (Who::Person { at, may_drive }, author, self.paths[0])
            }
        };
        let seed = self.dice.fork();
        let key = self.server.open(who, author, path, seed, &mut self.witness);
        match peer {
            Peer::Device => self.session = Some(key),
            Peer::Person(at) => self.people[at].session = Some(key),
        }
        for channel in [Channel::Control, Channel::Reliable] {
            let after = self.dice.ms(0, 20);
            self.plan(after, Due::Opened(key, channel));
        }
    }

    /// One who may drive and has a session.
    fn somebody(&mut self) -> Option<(Peer, u32)> {
        let at = self.dice.below(2) as usize;
        Some((Peer::Person(at), self.people[at].session?))
    }

    fn session_of(&self, peer: Peer) -> Option<u32> {
        match peer {
            Peer::Device => self.session,
            Peer::Person(at) => self.people[at].session,
        }
    }
}

fn peers() -> impl Iterator<Item = Peer> {
    let people = (0..PEOPLE).map(Peer::Person);
    people.chain([Peer::Device])
}
