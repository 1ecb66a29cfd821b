//! An operator as a process of its own, that can be killed, stopped and lied to.
//!
//! `transom-operator URL TOKEN HABIT [AHEAD-SECONDS]` watches a stream and drives it. Each setpoint is a little
//! faster than the one before, so that the robot's trace shows when it was obeyed. At SIGTERM it says goodbye.
//! AHEAD-SECONDS is how wrong its clock is. HABIT is what it does, and what becomes of that at SIGUSR1:
//!
//! - `drives`: it arms once and drives on, whatever happens
//! - `insists`: it arms whenever the robot stands, and stops doing so at SIGUSR1
//! - `replays`: it says nothing new any more, and all that it ever said over again, arms too
//! - `blind`: it sees the newest picture, and that of this moment for ever from then on
//! - `takes-over`: it watches; then it takes the lease as who may override, arms, and stands
//!
//! It prints `heard` with the first report, `armed MICROS`, `sent MICROS SPEED` before each setpoint, `picture MICROS` with the stamp of the last
//! one seen, and `changed MICROS` at SIGUSR1; in CLOCK_MONOTONIC.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "this crate is tests only"
)]

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use transom_control::wire::{LeaseAction, LeaseRequest};
use transom_control::{
    Axes, Axis, Channel, Command, Operator, OperatorConfig, Order, Phase, Stamp,
};
use transom_tests_e2e::{Remote, monotonic_us};

/// Between two setpoints, 50 Hz: a tokio timer is a millisecond late.
const INTERVAL_US: u64 = 19_000;
/// Speeds by which setpoints are known.
const SPEEDS: std::ops::Range<i16> = 1000..21_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Habit {
    Drives,
    Insists,
    Replays,
    Blind,
    TakesOver,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [url, token, habit, more @ ..] = &words[..] else {
        panic!("transom-operator URL TOKEN HABIT [AHEAD-SECONDS]");
    };
    let habit = match habit.as_str() {
        "drives" => Habit::Drives,
        "insists" => Habit::Insists,
        "replays" => Habit::Replays,
        "blind" => Habit::Blind,
        "takes-over" => Habit::TakesOver,
        other => panic!("no habit: {other}"),
    };
    let ahead = more
        .first()
        .map_or(0, |seconds| seconds.parse().expect("seconds"));
    let mut remote = Remote::call(url, token).await;
    remote.clock_ahead = ahead * 1_000_000;
    remote.operator = Operator::new(OperatorConfig {
        interval_us: INTERVAL_US,
        relayed: true,
        ..OperatorConfig::default()
    });
    let mut operating = Operating {
        remote,
        habit,
        changed: false,
        heard: false,
        armed: false,
        speed: SPEEDS.start,
        said: Vec::new(),
        next_replay: 0,
        picture: Stamp::NONE,
    };
    let mut change = signal(SignalKind::user_defined1()).expect("a handler");
    let mut end = signal(SignalKind::terminate()).expect("a handler");
    loop {
        tokio::select! {
            _ = end.recv() => break,
            _ = change.recv() => operating.change(),
            () = operating.turn() => {}
        }
    }
    operating.remote.close().await;
}

struct Operating {
    remote: Remote,
    habit: Habit,
    /// SIGUSR1 came.
    changed: bool,
    heard: bool,
    armed: bool,
    speed: i16,
    /// All that was sent, in order.
    said: Vec<(Channel, Vec<u8>)>,
    next_replay: usize,
    picture: Stamp,
}

impl Operating {
    fn change(&mut self) {
        self.changed = true;
        println!("changed {}", monotonic_us());
        if self.habit == Habit::TakesOver {
            let request = LeaseRequest {
                number: 1,
                action: LeaseAction::Override,
            };
            self.remote.say(Channel::Reliable, &request.emit());
        }
    }

    /// Takes a report, or waits until something is due, and says what there is to say.
    async fn turn(&mut self) {
        let now = self.remote.now();
        let due = self.remote.operator.poll_timeout(now);
        let wait = due.map_or(5000, |due| due.saturating_sub(now).clamp(500, 5000));
        self.remote.hear(Duration::from_micros(wait)).await;
        if self.habit == Habit::Replays && self.changed {
            return self.replay();
        }
        self.want();
        self.speak();
    }

    /// What it wants to happen.
    fn want(&mut self) {
        let now = self.remote.now();
        let phase = self.remote.operator.status(now).phase;
        let wants = match self.habit {
            Habit::Drives | Habit::Replays | Habit::Blind => !self.armed,
            Habit::Insists => !self.changed,
            Habit::TakesOver => self.changed,
        };
        if wants && matches!(phase, Phase::Resting(_)) {
            let _ = self.remote.operator.arm(now);
        }
        if phase == Phase::Armed && !self.armed {
            self.armed = true;
            println!("armed {}", monotonic_us());
        }
        if let Some(latest) = self.remote.latest
            && !self.heard
        {
            self.heard = true;
            println!("heard {}", latest.stamp.micros());
        }
        if let Some(latest) = self.remote.latest
            && !(self.habit == Habit::Blind && self.changed)
            && latest.stamp > self.picture
        {
            self.picture = latest.stamp;
            self.remote.operator.saw_picture(latest.stamp);
            if self.habit == Habit::Blind {
                println!("picture {}", latest.stamp.micros());
            }
        }
        let speed = match self.habit {
            Habit::TakesOver => Axis::ZERO,
            _ => Axis::new(self.speed).expect("a speed"),
        };
        self.remote
            .operator
            .drive(now, Axes::drive(speed, Axis::ZERO));
    }

    fn speak(&mut self) {
        let now = self.remote.now();
        while let Some(out) = self.remote.operator.poll_transmit(now) {
            let order = Command::parse(&out.message).map(|command| command.order);
            if let Ok(Order::Setpoint { axes, .. }) = order {
                println!("sent {} {}", monotonic_us(), axes.linear.raw());
                self.speed += 1;
                if self.speed == SPEEDS.end {
                    self.speed = SPEEDS.start;
                }
            }
            self.remote.say(out.channel, &out.message);
            if self.habit == Habit::Replays && self.said.len() < 10_000 {
                self.said.push((out.channel, out.message.to_vec()));
            }
        }
    }

    /// One of what was said, and then the next.
    fn replay(&mut self) {
        let at = self.next_replay % self.said.len().max(1);
        if let Some((channel, message)) = self.said.get(at) {
            self.remote.say(*channel, message);
        }
        self.next_replay += 1;
    }
}
