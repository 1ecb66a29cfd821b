//! The rules of the crate's documentation, one by one.

mod emergency;
mod limits;
mod sight;
mod switches;

use super::*;
use crate::axes::Axis;
use crate::wire::{Report, ReportKind};

const MS: u64 = 1000;
const START: u64 = 1_000_000;
const AHEAD: Axes = Axes::drive(Axis::FULL, Axis::ZERO);

fn at(ms: u64) -> Stamp {
    Stamp::from_micros(START + ms * MS)
}

fn kernel() -> Kernel {
    kernel_with(KernelConfig::default())
}

fn kernel_with(config: KernelConfig) -> Kernel {
    Kernel::new(config, at(0), Epoch(40))
}

/// A command of a sender that echoes what it saw `echo` ms after the start.
struct Say {
    seq: u32,
    lease: u32,
    channel: Channel,
}

fn say(seq: u32) -> Say {
    Say {
        seq,
        lease: 0,
        channel: Channel::Control,
    }
}

impl Say {
    fn under(self, lease: u32) -> Self {
        Self { lease, ..self }
    }

    fn order(&self, kernel: &mut Kernel, now: u64, order: Order) -> Result<(), Rejection> {
        let command = Command {
            source: Source(0),
            lease: Lease(self.lease),
            seq: Seq(self.seq),
            order,
        };
        kernel.handle_message(at(now), self.channel, &command.emit())
    }

    fn arm(&self, kernel: &mut Kernel, now: u64, follows: u32) -> Result<(), Rejection> {
        self.arm_echoing(kernel, now, follows, now)
    }

    fn arm_echoing(
        &self,
        kernel: &mut Kernel,
        now: u64,
        follows: u32,
        echo: u64,
    ) -> Result<(), Rejection> {
        let follows = Epoch(follows);
        let echo = at(echo);
        self.order(kernel, now, Order::Arm { follows, echo })
    }

    fn drive(&self, kernel: &mut Kernel, now: u64, epoch: u32, echo: u64) -> Result<(), Rejection> {
        let order = Order::Setpoint {
            epoch: Epoch(epoch),
            echo: at(echo),
            picture: Stamp::NONE,
            axes: AHEAD,
        };
        self.order(kernel, now, order)
    }

    fn stop(&self, kernel: &mut Kernel, now: u64, epoch: u32) {
        let order = Order::Stop {
            epoch: Epoch(epoch),
            reason: StopReason::Operator,
        };
        self.order(kernel, now, order).expect("a stop is done");
    }
}

/// Armed at 0 by sequence 10, in epoch 41.
fn armed() -> Kernel {
    let mut kernel = kernel();
    say(10).arm(&mut kernel, 0, 40).expect("armed");
    assert_eq!((kernel.state(), kernel.epoch()), (State::Armed, Epoch(41)));
    kernel
}

fn reports(kernel: &mut Kernel, now: u64) -> std::vec::Vec<(Channel, Report)> {
    std::iter::from_fn(|| kernel.poll_transmit(at(now)))
        .map(|out| {
            let report = Report::parse(&out.message).expect("well formed");
            (out.channel, report)
        })
        .collect()
}

fn acks(kernel: &mut Kernel, now: u64) -> std::vec::Vec<(Channel, u32, AckResult)> {
    reports(kernel, now)
        .into_iter()
        .filter_map(|(channel, report)| match report.kind {
            ReportKind::Ack { seq, result, .. } => Some((channel, seq.0, result)),
            _ => None,
        })
        .collect()
}

#[test]
fn nothing_moves_before_an_arm() {
    let mut kernel = kernel();
    for epoch in [0, 39, 40, 41] {
        let refused = say(1).drive(&mut kernel, 1, epoch, 0);
        assert_eq!(refused, Err(Rejection::Setpoint(Refused::Void)));
    }
    assert!(kernel.output(at(1)).is_zero());
    assert_eq!(kernel.counters().void, 4);
}

#[test]
fn an_armed_device_does_what_fresh_setpoints_say_and_no_longer_than_the_limit() {
    let mut kernel = armed();
    assert!(kernel.output(at(0)).is_zero(), "an arm alone moves nothing");
    say(11).drive(&mut kernel, 50, 41, 10).expect("fresh");
    assert_eq!(kernel.output(at(50)), AHEAD);
    assert_eq!(
        kernel.poll_timeout(),
        at(50),
        "the arm waits for its answer"
    );
    let _ = reports(&mut kernel, 50);
    let _ = reports(&mut kernel, 340);
    assert_eq!(kernel.poll_timeout(), at(350));
    let just_before = Stamp::from_micros(at(350).micros() - 1);
    assert_eq!(kernel.output(just_before), AHEAD);
    // Even if the driver is late.
    assert!(kernel.output(at(350)).is_zero());
    kernel.handle_timeout(at(350));
    assert_eq!(kernel.state(), State::Stopped(StopReason::Stale));
    assert_eq!(kernel.counters().stops(StopReason::Stale), 1);
    let late = say(12).drive(&mut kernel, 351, 41, 351);
    assert_eq!(
        late,
        Err(Rejection::Setpoint(Refused::Void)),
        "nothing reopens an epoch"
    );
}

#[test]
fn a_lead_ends_the_motion_that_much_before_the_limit() {
    let mut kernel = kernel_with(KernelConfig {
        lead_us: 10_000,
        ..KernelConfig::default()
    });
    say(10).arm(&mut kernel, 0, 40).expect("armed");
    say(11)
        .drive(&mut kernel, 50, 41, 0)
        .expect("as old as it may be without the lead");
    assert_eq!(kernel.output(at(339)), AHEAD);
    assert!(kernel.output(at(340)).is_zero());
}

#[test]
fn what_expired_is_not_prolonged_by_what_comes_late() {
    let mut kernel = armed();
    say(11).drive(&mut kernel, 50, 41, 50).expect("fresh");
    // The driver slept over the expiry; the setpoint is fresh, but its epoch ended.
    assert_eq!(
        say(12).drive(&mut kernel, 360, 41, 359),
        Err(Rejection::Setpoint(Refused::Void))
    );
    assert!(kernel.output(at(360)).is_zero());
}

#[test]
fn an_arm_that_nothing_follows_expires() {
    let mut kernel = armed();
    kernel.handle_timeout(at(299));
    assert_eq!(kernel.state(), State::Armed);
    kernel.handle_timeout(at(300));
    assert_eq!(kernel.state(), State::Stopped(StopReason::Stale));
}

#[test]
fn age_is_measured_in_the_devices_time_alone() {
    let mut kernel = armed();
    say(11).drive(&mut kernel, 300 - 1, 41, 0).expect("299 ms");
    say(12).drive(&mut kernel, 400, 41, 100).expect("300 ms");
    assert_eq!(
        say(13).drive(&mut kernel, 401, 41, 100),
        Err(Rejection::Setpoint(Refused::Stale))
    );
    assert_eq!(
        say(13).drive(&mut kernel, 402, 41, 403),
        Err(Rejection::Setpoint(Refused::Future))
    );
    say(13)
        .drive(&mut kernel, 403, 41, 403)
        .expect("refused ones take no number");
    assert_eq!((kernel.counters().stale, kernel.counters().future), (1, 1));
}

#[test]
fn no_stamp_is_never_fresh() {
    // A microcontroller's clock begins at zero.
    let mut kernel = Kernel::new(KernelConfig::default(), Stamp::NONE, Epoch(0));
    let arm = Command {
        source: Source(0),
        lease: Lease(0),
        seq: Seq(1),
        order: Order::Arm {
            follows: Epoch(0),
            echo: Stamp::NONE,
        },
    };
    let refused = kernel.handle_command(Stamp::from_micros(5), Channel::Control, &arm);
    assert_eq!(refused, Err(Rejection::Answered(AckResult::Stale)));
}

#[test]
fn a_setpoint_of_another_epoch_moves_nothing_however_new_it_is() {
    let mut kernel = armed();
    for epoch in [0, 40, 42, u32::MAX - 1] {
        assert_eq!(
            say(11).drive(&mut kernel, 10, epoch, 10),
            Err(Rejection::Setpoint(Refused::Void)),
            "{epoch}"
        );
    }
    assert!(kernel.output(at(10)).is_zero());
}

#[test]
fn old_and_repeated_setpoints_are_dropped() {
    let mut kernel = armed();
    say(20).drive(&mut kernel, 10, 41, 0).expect("the first");
    for seq in [20, 19, 11, 10, 0] {
        assert_eq!(
            say(seq).drive(&mut kernel, 11, 41, 11),
            Err(Rejection::Setpoint(Refused::Old)),
            "{seq}"
        );
    }
    // Nor do they prolong the motion.
    assert!(kernel.output(at(310)).is_zero());
    assert_eq!(kernel.counters().old, 5);
}

#[test]
fn a_stop_ends_its_epoch_and_all_before() {
    for epoch in [41, 42, u32::MAX] {
        let mut kernel = armed();
        say(11).drive(&mut kernel, 10, 41, 0).expect("fresh");
        say(3).stop(&mut kernel, 20, epoch);
        assert_eq!(kernel.state(), State::Stopped(StopReason::Operator));
        assert!(kernel.output(at(20)).is_zero());
        assert_eq!(
            say(12).drive(&mut kernel, 21, 41, 20),
            Err(Rejection::Setpoint(Refused::Void)),
            "a setpoint that the stop overtook"
        );
        assert_eq!(kernel.epoch(), Epoch(41), "nothing beyond was opened");
    }
}

#[test]
fn a_stop_ends_an_epoch_that_its_sender_had_not_heard_of() {
    let mut kernel = armed();
    say(11).stop(&mut kernel, 5, 40);
    assert_eq!(kernel.state(), State::Stopped(StopReason::Operator));
}

#[test]
fn a_late_copy_of_a_stop_does_not_end_what_was_armed_after_it() {
    let mut kernel = armed();
    say(11).stop(&mut kernel, 5, 41);
    say(12).arm(&mut kernel, 10, 41).expect("armed again");
    say(11).stop(&mut kernel, 15, 41);
    assert_eq!((kernel.state(), kernel.epoch()), (State::Armed, Epoch(42)));
    say(13).drive(&mut kernel, 16, 42, 10).expect("fresh");
    let told = acks(&mut kernel, 16);
    assert!(told.contains(&(Channel::Control, 11, AckResult::Done)));
}

#[test]
fn an_arm_that_was_overtaken_by_a_stop_opens_nothing() {
    let mut kernel = kernel();
    say(11).stop(&mut kernel, 5, 40);
    assert_eq!(
        say(10).arm(&mut kernel, 6, 40),
        Err(Rejection::Answered(AckResult::Old))
    );
    say(12).arm(&mut kernel, 7, 40).expect("sent after it");
}

#[test]
fn an_arm_of_another_operator_who_had_not_heard_of_the_stop_opens_nothing() {
    for at_rest in [true, false] {
        let mut kernel = kernel();
        let mut epoch = 40;
        if !at_rest {
            say(1).under(1).arm(&mut kernel, 1, 40).expect("armed");
            epoch = 41;
        }
        say(1).under(2).stop(&mut kernel, 100, epoch);
        // The server gives a lease to whoever arms next; the press is older than the stop.
        assert_eq!(
            say(1).under(3).arm_echoing(&mut kernel, 101, epoch, 99),
            Err(Rejection::Answered(AckResult::Epoch))
        );
        assert_ne!(kernel.state(), State::Armed);
        say(2)
            .under(3)
            .arm_echoing(&mut kernel, 160, epoch, 150)
            .expect("who heard of it may");
    }
}

#[test]
fn copies_of_ones_own_stop_do_not_forbid_the_next_arm() {
    let mut kernel = armed();
    say(11).stop(&mut kernel, 100, 41);
    say(11).stop(&mut kernel, 110, 41);
    say(12).stop(&mut kernel, 120, 41);
    say(13)
        .arm_echoing(&mut kernel, 125, 41, 101)
        .expect("its sender knows of them");
}

#[test]
fn one_press_opens_one_epoch() {
    let mut kernel = armed();
    // Repetitions, and the network's copies.
    for seq in [10, 11, 12, 10] {
        say(seq).arm(&mut kernel, 50, 40).expect("done already");
    }
    assert_eq!((kernel.epoch(), kernel.counters().arms), (Epoch(41), 1));
    kernel.stop(at(60), StopReason::Fault);
    for (seq, result) in [
        (10, AckResult::Old),
        (12, AckResult::Epoch),
        (13, AckResult::Epoch),
    ] {
        assert_eq!(
            say(seq).arm(&mut kernel, 70, 40),
            Err(Rejection::Answered(result)),
            "{seq}"
        );
    }
    assert_ne!(kernel.state(), State::Armed);
}

#[test]
fn an_arm_must_be_fresh_and_find_the_device_at_rest() {
    let mut kernel = kernel();
    kernel.handle_timeout(at(1000));
    assert_eq!(
        say(1).arm_echoing(&mut kernel, 1000, 40, 699),
        Err(Rejection::Answered(AckResult::Stale))
    );
    assert_eq!(
        say(2).arm_echoing(&mut kernel, 1000, 40, 1001),
        Err(Rejection::Answered(AckResult::Future))
    );
    assert_eq!(
        say(3).arm(&mut kernel, 1000, 39),
        Err(Rejection::Answered(AckResult::Epoch))
    );
    say(4).arm(&mut kernel, 1000, 40).expect("good");
    assert_eq!(
        say(5).arm(&mut kernel, 1000, 41),
        Err(Rejection::Answered(AckResult::Armed))
    );
    assert_eq!(kernel.counters().arms_refused, 4);
}

#[test]
fn a_disarm_rests_and_a_stop_is_not_softened_by_it() {
    let mut kernel = armed();
    let disarm = Order::Disarm { epoch: Epoch(41) };
    say(11).order(&mut kernel, 10, disarm).expect("done");
    assert_eq!(kernel.state(), State::Disarmed);
    assert_eq!(kernel.counters().all_stops(), 0);
    say(12).arm(&mut kernel, 20, 41).expect("armed again");
    say(11)
        .order(&mut kernel, 21, disarm)
        .expect("told, without effect");
    assert_eq!(kernel.state(), State::Armed, "a late copy");
    say(13).stop(&mut kernel, 30, 42);
    let disarm = Order::Disarm { epoch: Epoch(42) };
    say(14).order(&mut kernel, 40, disarm).expect("done");
    assert_eq!(kernel.state(), State::Stopped(StopReason::Operator));
}

#[test]
fn the_first_reason_stays() {
    let mut kernel = armed();
    kernel.stop(at(10), StopReason::LinkLost);
    kernel.stop(at(20), StopReason::Shutdown);
    say(11).stop(&mut kernel, 30, 41);
    assert_eq!(kernel.state(), State::Stopped(StopReason::LinkLost));
    assert_eq!(kernel.counters().all_stops(), 1);
}

#[test]
fn a_board_that_fails_refuses_arms_until_it_works() {
    let mut kernel = armed();
    kernel.fail(at(10));
    assert_eq!(
        say(11).arm(&mut kernel, 20, 41),
        Err(Rejection::Answered(AckResult::Fault))
    );
    kernel.mend();
    assert_eq!(kernel.state(), State::Stopped(StopReason::Fault));
    say(12).arm(&mut kernel, 30, 41).expect("it works");
}

#[test]
fn what_waited_within_the_device_lasts_no_longer_for_it() {
    let mut kernel = armed();
    let held = |kernel: &mut Kernel, seq, now, came, echo| {
        let command = Command {
            source: Source(0),
            lease: Lease(0),
            seq: Seq(seq),
            order: Order::Setpoint {
                epoch: Epoch(41),
                echo: at(echo),
                picture: Stamp::NONE,
                axes: AHEAD,
            },
        };
        kernel.handle_held_message(at(now), at(came), Channel::Control, &command.emit())
    };
    held(&mut kernel, 11, 250, 100, 90).expect("fresh");
    assert_eq!(kernel.output(at(399)), AHEAD);
    assert_eq!(kernel.output(at(400)), Axes::ZERO);
    // Whatever it claims.
    held(&mut kernel, 12, 260, 5000, 250).expect("fresh");
    held(&mut kernel, 13, 270, 200, 199).expect("fresh");
    assert_eq!(kernel.output(at(559)), AHEAD);
    assert_eq!(kernel.output(at(560)), Axes::ZERO);
    assert_eq!(
        held(&mut kernel, 14, 510, 200, 510),
        Err(Rejection::Setpoint(Refused::Stale))
    );
}

#[test]
fn a_lower_lease_is_refused_and_a_higher_one_stops() {
    let mut kernel = kernel();
    say(100)
        .under(5)
        .arm(&mut kernel, 0, 40)
        .expect("the holder");
    say(101)
        .under(5)
        .drive(&mut kernel, 1, 41, 0)
        .expect("fresh");
    assert_eq!(
        say(102).under(4).drive(&mut kernel, 2, 41, 0),
        Err(Rejection::Lease)
    );
    assert_eq!(kernel.output(at(2)), AHEAD);
    // Whatever the new holder says first; its numbers begin anew.
    say(1)
        .under(6)
        .order(&mut kernel, 3, Order::Ping)
        .expect("heard");
    assert_eq!(kernel.state(), State::Stopped(StopReason::Replaced));
    say(2)
        .under(6)
        .arm(&mut kernel, 4, 41)
        .expect("the new holder");
    assert_eq!(kernel.holder(), (Source(0), Lease(6)));
    assert_eq!(kernel.counters().lease, 1);
}

#[test]
fn a_stop_that_the_next_holders_arm_has_overtaken_still_stops() {
    let mut kernel = kernel();
    let stop = Order::Stop {
        epoch: Epoch(40),
        reason: StopReason::Operator,
    };
    say(1).under(4).stop(&mut kernel, 1, 40);
    say(1)
        .under(6)
        .arm_echoing(&mut kernel, 10, 40, 5)
        .expect("who heard of it");
    // A copy is no news, and its sender has its answer.
    let refused = Err(Rejection::Lease);
    assert_eq!(say(1).under(4).order(&mut kernel, 11, stop), refused);
    assert_eq!(kernel.state(), State::Armed);
    // This one was between the two.
    assert_eq!(say(1).under(5).order(&mut kernel, 12, stop), refused);
    assert_eq!(kernel.state(), State::Stopped(StopReason::Operator));
    assert_eq!(
        say(2).under(6).arm_echoing(&mut kernel, 13, 41, 11),
        Err(Rejection::Answered(AckResult::Epoch))
    );
    say(3)
        .under(6)
        .arm_echoing(&mut kernel, 14, 41, 13)
        .expect("who heard of that one too");
    assert_eq!(say(1).under(5).order(&mut kernel, 15, stop), refused);
    assert_eq!(kernel.state(), State::Armed);
}

#[test]
fn the_server_stops_a_holder_that_is_gone_under_a_new_lease() {
    let mut kernel = kernel();
    say(100)
        .under(5)
        .arm(&mut kernel, 0, 40)
        .expect("the holder");
    let gone = Order::Stop {
        epoch: Epoch::ALL,
        reason: StopReason::LinkLost,
    };
    say(1).under(6).order(&mut kernel, 1, gone).expect("done");
    assert_eq!(kernel.state(), State::Stopped(StopReason::LinkLost));
}

#[test]
fn what_is_no_command_is_counted_and_moves_nothing() {
    let mut kernel = armed();
    for bytes in [&b""[..], b"\x01", b"hello", &[0xff; 64], &[0; 2000]] {
        let refused = kernel.handle_message(at(1), Channel::Control, bytes);
        assert!(matches!(refused, Err(Rejection::Malformed(_))));
    }
    assert_eq!(kernel.counters().malformed, 5);
    assert_eq!(kernel.state(), State::Stopped(StopReason::Malformed));
}

#[test]
fn a_message_now_and_then_that_is_none_stops_nothing() {
    let mut kernel = armed();
    for second in 0..20 {
        for part in 0..4 {
            let now = second * 1000 + part * 250;
            say(20 + 4 * second as u32 + part as u32)
                .drive(&mut kernel, now, 41, now)
                .expect("driven");
            let refused = kernel.handle_message(at(now), Channel::Control, b"noise");
            assert!(matches!(refused, Err(Rejection::Malformed(_))));
        }
    }
    assert_eq!(kernel.state(), State::Armed);
}

#[test]
fn answers_go_by_the_channel_that_was_asked_by() {
    let mut kernel = kernel();
    let reliable = Say {
        channel: Channel::Reliable,
        ..say(1)
    };
    reliable.arm(&mut kernel, 0, 40).expect("armed");
    say(2).stop(&mut kernel, 1, 41);
    assert_eq!(
        acks(&mut kernel, 1),
        [
            (Channel::Reliable, 1, AckResult::Done),
            (Channel::Control, 2, AckResult::Done)
        ]
    );
}

#[test]
fn a_flood_of_stops_is_answered_within_bounds() {
    let mut kernel = armed();
    let _ = reports(&mut kernel, 0);
    for seq in 11..111 {
        say(seq).stop(&mut kernel, 1, 41);
    }
    let told = acks(&mut kernel, 1);
    assert_eq!(told.len(), 8);
    assert_eq!(told.last(), Some(&(Channel::Control, 110, AckResult::Done)));
    assert_eq!(kernel.counters().acks_dropped, 92);
}

#[test]
fn beacons_come_at_their_pace_and_at_once_when_something_changes() {
    let mut kernel = kernel();
    let count = |kernel: &mut Kernel, from: u64, to: u64| {
        (from..to)
            .flat_map(|now| reports(kernel, now))
            .filter(|(_, report)| matches!(report.kind, ReportKind::Beacon { .. }))
            .count()
    };
    assert_eq!(count(&mut kernel, 0, 1000), 20);
    say(7).arm(&mut kernel, 1001, 40).expect("armed");
    let told = reports(&mut kernel, 1001);
    let beacon = told
        .iter()
        .find_map(|(_, report)| match report.kind {
            ReportKind::Beacon { heard, .. } => Some((report.state, report.stamp, heard)),
            _ => None,
        })
        .expect("at once");
    assert_eq!(beacon, (State::Armed, at(1001), Seq(7)));
}

#[test]
fn a_clock_that_goes_back_prolongs_nothing() {
    let mut kernel = armed();
    say(11).drive(&mut kernel, 200, 41, 200).expect("fresh");
    say(12)
        .drive(&mut kernel, 100, 41, 100)
        .expect("time stands still instead");
    kernel.handle_timeout(at(500));
    assert_eq!(kernel.state(), State::Stopped(StopReason::Stale));
}

#[test]
fn the_last_epoch_opens_no_other() {
    let mut kernel = Kernel::new(KernelConfig::default(), at(0), Epoch(u32::MAX - 1));
    assert_eq!(
        say(1).arm(&mut kernel, 0, u32::MAX - 1),
        Err(Rejection::Answered(AckResult::Epoch))
    );
}
