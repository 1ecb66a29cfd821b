//! Every sequence of inputs and times within small bounds, of whatever length: the kernel against a judge
//! that knows the rules only as they are told in the crate's documentation.
//!
//! States that differ in nothing that matters later are visited once, so that the search ends. Times are whole
//! ticks, the limit is two of them; beyond it all ages are alike.

use std::collections::{HashSet, VecDeque};
use std::vec::Vec;

use super::*;
use crate::axes::Axis;
use crate::numbers::Press;
use crate::switch::Output;

const TICK: u64 = 1000;
const LIMIT: u64 = 2 * TICK;
/// Older than this is as old as anything.
const OLD: u64 = LIMIT + 2 * TICK;
const FIRST: u32 = 7;
const AHEAD: Axes = Axes::drive(Axis::FULL, Axis::ZERO);

/// What may happen.
#[derive(Clone, Copy, Debug)]
enum Input {
    Command(Command),
    /// The device finds a reason itself.
    Own(StopReason),
    /// Only time passes.
    Nothing,
}

/// The rules, told once more and otherwise: what was heard decides, not what the kernel made of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Judge {
    lease: u32,
    /// The epoch that an arm opened, and that arm's number.
    open: Option<(u32, u32)>,
    /// The latest epoch that there was.
    epoch: u32,
    /// The highest number heard under the lease.
    heard: u32,
    /// An emergency stop holds.
    held: bool,
    /// The latest setpoint or arm that counts: ticks since.
    fresh: Option<u64>,
    /// The highest number of a setpoint that counted.
    applied: u32,
    /// Whether a setpoint counted since the arm.
    driven: bool,
    /// The highest press of each source that was done.
    pressed: [u32; 3],
}

impl Judge {
    const NEW: Self = Self {
        lease: 0,
        open: None,
        epoch: FIRST,
        heard: 0,
        held: false,
        fresh: None,
        applied: 0,
        driven: false,
        pressed: [0; 3],
    };

    fn pass(&mut self, ticks: u64) {
        self.fresh = self.fresh.map(|age| age + ticks);
        if self.fresh.is_some_and(|age| age * TICK >= LIMIT) {
            self.close();
        }
    }

    fn close(&mut self) {
        (self.open, self.fresh, self.driven) = (None, None, false);
    }

    /// Whether this switches something: once a press, for whoever may, and by no word that waited. Neither that
    /// nothing is armed nor an emergency keeps a door shut.
    fn switches(&mut self, now: u64, input: Input) -> bool {
        let Input::Command(command) = input else {
            return false;
        };
        let Order::Switch { press, echo, .. } = command.order else {
            return false;
        };
        let pressed = &mut self.pressed[command.source.0 as usize];
        let done = command.lease.0 >= self.lease && is_fresh(now, echo) && press.0 > *pressed;
        if done {
            *pressed = press.0;
        }
        done
    }

    /// Takes what comes, and what the kernel says that its arm or reset came to: refusing is always safe.
    fn take(&mut self, now: u64, input: Input, done: bool) {
        let Input::Command(command) = input else {
            if let Input::Own(reason) = input {
                self.close();
                self.held |= reason == StopReason::Emergency;
            }
            return;
        };
        let (lease, seq) = (command.lease.0, command.seq.0);
        let authorised = lease >= self.lease;
        if lease > self.lease {
            (self.lease, self.heard, self.applied) = (lease, 0, 0);
            self.close();
        }
        let is_news = authorised && seq > self.heard;
        if is_news {
            self.heard = seq;
        }
        match command.order {
            Order::Setpoint { epoch, echo, .. } => {
                let counts = authorised
                    && is_fresh(now, echo)
                    && self.open.is_some_and(|(open, arm)| {
                        open == epoch.0 && seq > arm && seq > self.applied
                    });
                if counts {
                    (self.fresh, self.applied, self.driven) = (Some(0), seq, true);
                }
            }
            Order::Arm { follows, echo } if done => {
                let known = self.open.is_some_and(|(open, _)| open == follows.0 + 1);
                if known {
                    return; // The same press again opens nothing.
                }
                assert!(authorised && is_fresh(now, echo), "armed by {command:?}");
                assert!(!self.held, "armed in an emergency by {command:?}");
                assert_eq!(self.open, None, "armed while armed by {command:?}");
                assert_eq!(
                    follows.0, self.epoch,
                    "an epoch opened twice: {command:?} {self:?}"
                );
                self.epoch += 1;
                self.open = Some((self.epoch, seq));
                (self.fresh, self.driven) = (Some(0), false);
            }
            Order::Reset { epoch, echo } if done && self.held => {
                assert!(authorised && is_fresh(now, echo), "reset by {command:?}");
                assert_eq!(epoch.0, self.epoch, "a reset of another emergency");
                self.held = false;
                self.epoch += 1;
            }
            Order::Stop { epoch, .. } | Order::Disarm { epoch } | Order::Emergency { epoch }
                if authorised =>
            {
                let ends = self
                    .open
                    .is_some_and(|(open, arm)| epoch.0 >= open || seq > arm);
                if ends {
                    self.close();
                }
                // Of a late copy it is not known whether it was reset since.
                self.held |= is_news && command.order.kind() == CommandKind::Emergency;
            }
            _ => {}
        }
    }
}

fn is_fresh(now: u64, echo: Stamp) -> bool {
    now.checked_sub(echo.micros())
        .is_some_and(|age| age <= LIMIT)
}

/// What of a kernel matters later.
fn key(kernel: &Kernel, judge: &Judge, now: u64) -> impl std::hash::Hash + Eq + use<> {
    let age = |at: Stamp| now.saturating_sub(at.micros()).min(OLD);
    let seen = &kernel.seen;
    let reason = kernel.state.reason().map(StopReason::code);
    let seqs = [seen.arm, seen.opened, seen.end, seen.applied, seen.reset];
    let armed = kernel.state == State::Armed;
    let presses = kernel
        .presses
        .map(|known| known.map(|(source, press, _)| (source, press)));
    (
        (kernel.state.code(), reason, kernel.epoch, kernel.lease),
        (
            seqs,
            kernel.stopped.map(|s| (age(s.at), s.lease, s.seq)),
            kernel.emergency,
            presses,
        ),
        (armed.then(|| age(kernel.fresh_at)), *judge),
        !kernel
            .motion
            .at(&kernel.config.limits, kernel.now)
            .is_zero(),
    )
}

fn inputs(now: u64, seqs: u32, presses: u32) -> Vec<Input> {
    let mut all = Vec::new();
    let echoes = [now, now - LIMIT, now - LIMIT - 1, now + 1].map(Stamp::from_micros);
    for (lease, press) in (1..=2).flat_map(|lease| (1..=presses).map(move |press| (lease, press))) {
        for (source, echo) in (1..=2).flat_map(|source| echoes.map(|echo| (source, echo))) {
            all.push(Input::Command(Command {
                source: Source(source),
                lease: Lease(lease),
                seq: Seq(1),
                order: Order::Switch {
                    press: Press(press),
                    echo,
                    output: Output::Lock,
                    value: 1,
                    ms: 0,
                },
            }));
        }
    }
    for lease in 1..=2 {
        for seq in 1..=seqs {
            let mut push = |order| {
                all.push(Input::Command(Command {
                    source: Source(lease),
                    lease: Lease(lease),
                    seq: Seq(seq),
                    order,
                }));
            };
            for epoch in [FIRST, FIRST + 1, FIRST + 2].map(Epoch) {
                for echo in echoes {
                    push(Order::Setpoint {
                        epoch,
                        echo,
                        picture: Stamp::NONE,
                        axes: AHEAD,
                    });
                }
                let reason = StopReason::Operator;
                push(Order::Stop { epoch, reason });
                push(Order::Disarm { epoch });
                push(Order::Emergency { epoch });
            }
            // What goes beyond these epochs is left out, so that the search ends.
            for epoch in [FIRST, FIRST + 1].map(Epoch) {
                for echo in echoes {
                    push(Order::Arm {
                        follows: epoch,
                        echo,
                    });
                    push(Order::Reset { epoch, echo });
                }
            }
        }
    }
    all.push(Input::Own(StopReason::LinkLost));
    all.push(Input::Own(StopReason::Emergency));
    all.push(Input::Nothing);
    all
}

/// One step of both; panics where the kernel breaks a rule.
fn step(kernel: &mut Kernel, judge: &mut Judge, before: u64, ticks: u64, input: Input) -> u64 {
    let now = before + ticks * TICK;
    // The driver may be late: what the outputs have meanwhile is zero all the same.
    judge.pass(ticks);
    let silent = kernel.output(Stamp::from_micros(now));
    assert!(silent.is_zero() || judge.driven, "{kernel:?} {judge:?}");
    let done = match input {
        Input::Command(command) => kernel
            .handle_command(Stamp::from_micros(now), Channel::Control, &command)
            .is_ok(),
        Input::Own(reason) => {
            kernel.stop(Stamp::from_micros(now), reason);
            true
        }
        Input::Nothing => {
            kernel.handle_timeout(Stamp::from_micros(now));
            true
        }
    };
    let switch = kernel.poll_switch();
    assert_eq!(
        switch.is_some(),
        judge.switches(now, input),
        "{input:?} {kernel:?} {judge:?}"
    );
    if let Some(switch) = switch {
        kernel.switched(&switch, AckResult::Done);
    }
    judge.take(now, input, done);
    // It may stop for more reasons than the judge knows, and hold. That it stands then, and holds, is not its
    // to say.
    if kernel.state != State::Armed {
        judge.close();
    }
    if judge.held {
        assert_eq!(
            kernel.state,
            State::Emergency,
            "{input:?} let go of it, or did not hold"
        );
    }
    judge.held |= kernel.state == State::Emergency;
    let output = kernel.output(Stamp::from_micros(now));
    assert!(
        output.is_zero() || (judge.driven && judge.open.is_some() && !judge.held),
        "moves after {input:?}: {kernel:?} {judge:?}"
    );
    let limit = Stamp::from_micros(now + LIMIT);
    assert!(kernel.output(limit).is_zero(), "moves on: {kernel:?}");
    // Reports are another test's affair.
    while kernel.acks.pop().is_some() {}
    now
}

fn explore(seqs: u32, presses: u32) -> (usize, u64) {
    let start = 100 * TICK;
    let config = KernelConfig {
        limit_us: LIMIT,
        ..KernelConfig::default()
    };
    let kernel = Kernel::new(config, Stamp::from_micros(start), Epoch(FIRST));
    let mut known = HashSet::from([key(&kernel, &Judge::NEW, start)]);
    let mut queue = VecDeque::from([(kernel, Judge::NEW, start)]);
    let mut steps = 0;
    while let Some((kernel, judge, before)) = queue.pop_front() {
        for ticks in 0..=2 {
            for input in inputs(before + ticks * TICK, seqs, presses) {
                let (mut kernel, mut judge) = (kernel.clone(), judge);
                let now = step(&mut kernel, &mut judge, before, ticks, input);
                steps += 1;
                if known.insert(key(&kernel, &judge, now)) {
                    queue.push_back((kernel, judge, now));
                }
            }
        }
    }
    (known.len(), steps)
}

#[test]
fn no_sequence_of_inputs_and_times_moves_it_longer_than_the_limit() {
    let (states, steps) = explore(2, 0);
    std::println!("{states} states, {steps} steps");
    assert!(states > 1000, "{states} states are too few to have looked");
}

/// With fewer numbers of commands, so that the search ends.
#[test]
fn whatever_else_comes_each_press_switches_once_and_no_wheel() {
    let (states, steps) = explore(1, 2);
    std::println!("{states} states, {steps} steps");
    assert!(states > 1000, "{states} states are too few to have looked");
}
