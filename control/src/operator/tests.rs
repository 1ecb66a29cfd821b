//! The operator against a real kernel, over a path without delay.

use super::*;
use crate::axes::Axis;
use crate::kernel::Kernel;

const MS: u64 = 1000;
const AHEAD: Axes = Axes::drive(Axis::FULL, Axis::ZERO);

/// Both sides; their clocks have nothing in common.
struct Pair {
    operator: Operator,
    kernel: Kernel,
    now: u64,
}

impl Pair {
    fn new() -> Self {
        Self::with(OperatorConfig::default())
    }

    fn with(config: OperatorConfig) -> Self {
        let mut pair = Self {
            operator: Operator::new(config),
            kernel: Kernel::new(KernelConfig::default(), device(0), Epoch(3)),
            now: 0,
        };
        pair.exchange();
        pair
    }

    fn armed() -> Self {
        let mut pair = Self::new();
        pair.operator.arm(pair.now).expect("heard");
        pair.run(10);
        assert_eq!(pair.phase(), Phase::Armed);
        pair
    }

    fn phase(&self) -> Phase {
        self.operator.status(self.now).phase
    }

    fn run(&mut self, ms: u64) {
        for _ in 0..ms {
            self.now += MS;
            self.exchange();
        }
    }

    /// Lets time pass at the device alone.
    fn cut(&mut self, ms: u64) {
        for _ in 0..ms {
            self.now += MS;
            while self.operator.poll_transmit(self.now).is_some() {}
            while self.kernel.poll_transmit(device(self.now)).is_some() {}
        }
    }

    fn exchange(&mut self) {
        for _ in 0..3 {
            while let Some(out) = self.kernel.poll_transmit(device(self.now)) {
                let _ = self.operator.handle_message(self.now, &out.message);
            }
            while let Some(out) = self.operator.poll_transmit(self.now) {
                let _ = self
                    .kernel
                    .handle_message(device(self.now), out.channel, &out.message);
            }
        }
    }
}

fn device(now: u64) -> Stamp {
    Stamp::from_micros(77_000_000 + now)
}

#[test]
fn a_drive_from_arm_to_disarm() {
    let mut pair = Pair::armed();
    for _ in 0..100 {
        pair.operator.drive(pair.now, AHEAD);
        pair.run(10);
    }
    assert_eq!(pair.kernel.output(device(pair.now)), AHEAD);
    let applied = pair.kernel.counters().applied;
    assert!((25..=35).contains(&applied), "{applied} setpoints a second");
    pair.operator.disarm(pair.now);
    pair.run(1);
    assert_eq!(pair.phase(), Phase::Resting(State::Disarmed));
    assert!(pair.kernel.output(device(pair.now)).is_zero());
    let status = pair.operator.status(pair.now);
    assert!(status.telemetry.is_some() && status.limit_ms == 300);
    assert!(status.rtt_us.is_some_and(|rtt| rtt < 2 * MS), "{status:?}");
}

#[test]
fn a_key_that_nobody_holds_any_more_is_let_go() {
    let mut pair = Pair::armed();
    pair.operator.drive(pair.now, AHEAD);
    pair.run(100);
    assert_eq!(pair.kernel.output(device(pair.now)), AHEAD);
    pair.run(300);
    assert_eq!(pair.phase(), Phase::Armed);
    assert!(pair.kernel.output(device(pair.now)).is_zero());
}

#[test]
fn a_stop_is_repeated_until_it_is_heard() {
    let mut pair = Pair::armed();
    pair.operator.stop(pair.now, StopReason::Operator);
    pair.cut(200);
    assert_eq!(pair.phase(), Phase::Stopping);
    assert_eq!(pair.operator.arm(pair.now), Err(ArmError::Stopping));
    pair.run(60);
    assert_eq!(
        pair.phase(),
        Phase::Resting(State::Stopped(StopReason::Operator))
    );
    pair.operator.arm(pair.now).expect("at rest");
    pair.run(10);
    assert_eq!(pair.phase(), Phase::Armed);
}

#[test]
fn a_stop_that_was_pressed_while_the_link_failed_is_sent_by_the_next_one() {
    let mut pair = Pair::armed();
    pair.operator.stop(pair.now, StopReason::Operator);
    pair.cut(100);
    assert_eq!(pair.kernel.state(), State::Armed);
    pair.operator.handle_closed();
    assert_eq!(pair.phase(), Phase::Stopping);
    pair.run(1);
    assert_eq!(pair.kernel.state(), State::Stopped(StopReason::Operator));
}

/// Anybody with the drive scope may send a stop of any number.
#[test]
fn through_a_server_the_numbers_of_others_are_not_taken_over() {
    for (relayed, taken) in [(false, true), (true, false)] {
        let mut pair = Pair::with(OperatorConfig {
            relayed,
            ..OperatorConfig::default()
        });
        let stop = Command {
            source: Default::default(),
            lease: Lease(1),
            seq: Seq(u32::MAX),
            order: Order::Stop {
                epoch: Epoch::ALL,
                reason: StopReason::Operator,
            },
        };
        let _ = pair
            .kernel
            .handle_message(device(pair.now), Channel::Control, &stop.emit());
        pair.run(200);
        assert_eq!(pair.operator.seq == Seq(u32::MAX), taken);
        if relayed {
            assert_eq!(pair.operator.seq, Seq(0), "nothing is said before an arm");
            assert_eq!(pair.operator.status(pair.now).rtt_us, None);
        }
    }
}

#[test]
fn a_cut_link_stops_both_and_nothing_resumes_by_itself() {
    let mut pair = Pair::armed();
    pair.operator.drive(pair.now, AHEAD);
    pair.run(100);
    pair.cut(400);
    assert_eq!(pair.kernel.state(), State::Stopped(StopReason::Stale));
    pair.operator.drive(pair.now, AHEAD);
    pair.run(1000);
    assert_eq!(
        pair.phase(),
        Phase::Resting(State::Stopped(StopReason::Stale))
    );
    assert_eq!(pair.kernel.counters().arms, 1);
}

#[test]
fn an_arm_into_a_cut_link_is_given_up() {
    let mut pair = Pair::new();
    pair.operator.arm(pair.now).expect("heard");
    pair.cut(2001);
    pair.run(500);
    let status = pair.operator.status(pair.now);
    assert_eq!(status.refusal, Some(Refusal::Timeout));
    assert_eq!(status.phase, Phase::Resting(State::Disarmed));
    assert_eq!(pair.operator.arm(pair.now), Ok(()));
}

#[test]
fn a_device_that_began_anew_is_armed_again() {
    let mut pair = Pair::armed();
    pair.run(10_000);
    pair.kernel = Kernel::new(KernelConfig::default(), Stamp::from_micros(1), Epoch(0));
    for out in std::iter::from_fn(|| pair.kernel.poll_transmit(Stamp::from_micros(9))) {
        let _ = pair.operator.handle_message(pair.now, &out.message);
    }
    assert_eq!(pair.phase(), Phase::Resting(State::Disarmed));
}

#[test]
fn extreme_times_do_not_overflow() {
    let mut operator = Operator::new(OperatorConfig {
        interval_us: u64::MAX,
        input_hold_us: u64::MAX,
        lease: Lease(u32::MAX),
        relayed: false,
    });
    let mut kernel = Kernel::new(KernelConfig::default(), device(0), Epoch(0));
    for now in [0, u64::MAX, 1, u64::MAX - 1] {
        while let Some(out) = kernel.poll_transmit(device(5)) {
            let _ = operator.handle_message(now, &out.message);
        }
        let _ = operator.arm(now);
        operator.stop(now, StopReason::Stale);
        while let Some(out) = operator.poll_transmit(now) {
            let _ = kernel.handle_message(Stamp::MAX, out.channel, &out.message);
        }
        let _ = operator.status(now);
        let _ = operator.poll_timeout(now);
    }
}

#[test]
fn an_emergency_holds_until_a_reset_and_an_arm() {
    let mut pair = Pair::armed();
    pair.operator.emergency(pair.now);
    pair.run(1);
    assert_eq!(pair.phase(), Phase::Resting(State::Emergency));
    assert_eq!(pair.operator.arm(pair.now), Err(ArmError::Emergency));
    // The lesser stop takes nothing of it away.
    pair.operator.stop(pair.now, StopReason::Operator);
    pair.run(2);
    pair.operator.reset(pair.now).expect("held");
    assert_eq!(pair.phase(), Phase::Resetting);
    pair.run(2);
    assert_eq!(pair.phase(), Phase::Resting(State::Disarmed));
    assert_eq!(pair.operator.reset(pair.now), Err(ArmError::NoEmergency));
    pair.operator.arm(pair.now).expect("reset");
    pair.run(2);
    assert_eq!(pair.phase(), Phase::Armed);
}

#[test]
fn an_emergency_and_a_reset_are_repeated_until_they_are_answered() {
    let mut pair = Pair::armed();
    pair.operator.emergency(pair.now);
    pair.cut(120);
    assert_eq!(pair.phase(), Phase::Stopping);
    pair.operator.stop(pair.now, StopReason::Operator);
    pair.run(60);
    assert_eq!(pair.kernel.state(), State::Emergency, "the stronger stays");
    pair.operator.reset(pair.now).expect("held");
    pair.cut(1);
    pair.run(200);
    assert_eq!(pair.phase(), Phase::Resting(State::Disarmed));
}

#[test]
fn a_press_is_repeated_until_it_is_answered_and_not_for_ever() {
    let mut pair = Pair::new();
    let pressed = |pair: &Pair| pair.operator.status(pair.now).pressed.expect("pressed");
    pair.operator.switch(pair.now, Output::Light, 1, 0);
    pair.cut(100);
    assert_eq!((pressed(&pair).answer, pressed(&pair).waits), (None, true));
    pair.run(100);
    let switch = pair.kernel.poll_switch().expect("by the repetition");
    assert_eq!((switch.output, switch.value), (Output::Light, 1));
    pair.kernel.switched(&switch, AckResult::Done);
    pair.run(60);
    assert_eq!(pressed(&pair).answer, Some(AckResult::Done));
    assert!(!pressed(&pair).waits && pair.kernel.poll_switch().is_none());
    pair.operator.switch(pair.now, Output::Horn, 1, 300);
    pair.cut(2100);
    assert_eq!((pressed(&pair).answer, pressed(&pair).waits), (None, false));
    pair.run(500);
    assert_eq!(pair.kernel.poll_switch(), None, "too late is not at all");
}

#[test]
fn an_emergency_outlives_a_device_that_begins_anew() {
    let mut pair = Pair::new();
    pair.operator.emergency(pair.now);
    pair.cut(20);
    pair.kernel = Kernel::new(KernelConfig::default(), Stamp::from_micros(5), Epoch(9));
    let fresh = pair.kernel.poll_transmit(Stamp::from_micros(10));
    let report = fresh.expect("a beacon").message;
    let _ = pair.operator.handle_message(pair.now, &report);
    assert_eq!(pair.phase(), Phase::Stopping);
}

#[test]
fn what_was_pressed_before_the_link_broke_does_not_happen_after() {
    let mut pair = Pair::new();
    pair.operator.switch(pair.now, Output::Lock, 1, 0);
    pair.operator.handle_closed();
    pair.run(500);
    assert_eq!(pair.kernel.poll_switch(), None);
}
