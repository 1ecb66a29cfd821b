//! Rule 7.

use super::*;

fn emergency(epoch: u32) -> Order {
    Order::Emergency {
        epoch: Epoch(epoch),
    }
}

fn reset(epoch: u32, echo: u64) -> Order {
    Order::Reset {
        epoch: Epoch(epoch),
        echo: at(echo),
    }
}

/// Armed and then held, at 10 ms by sequence 11.
fn held() -> Kernel {
    let mut kernel = armed();
    let done = say(11).order(&mut kernel, 10, emergency(41));
    assert_eq!(done, Ok(()));
    assert_eq!(kernel.state(), State::Emergency);
    kernel
}

#[test]
fn it_holds_until_it_is_reset_and_then_it_wants_an_arm() {
    let mut kernel = held();
    for seq in 12..15 {
        let refused = say(seq).arm(&mut kernel, 20, 41);
        assert_eq!(refused, Err(Rejection::Answered(AckResult::Latched)));
    }
    say(15).stop(&mut kernel, 20, 41);
    kernel.stop(at(30), StopReason::LinkLost);
    assert_eq!(kernel.state(), State::Emergency, "no lesser stop lets go");
    say(16)
        .order(&mut kernel, 40, reset(41, 35))
        .expect("reset");
    assert_eq!(
        (kernel.state(), kernel.epoch()),
        (State::Disarmed, Epoch(42))
    );
    assert_eq!(kernel.output(at(40)), Axes::ZERO);
    // What was pressed before it.
    let refused = say(17).arm(&mut kernel, 50, 41);
    assert_eq!(refused, Err(Rejection::Answered(AckResult::Epoch)));
    say(18).arm(&mut kernel, 50, 42).expect("armed");
    assert_eq!(kernel.counters().stops(StopReason::Emergency), 1);
    assert_eq!(kernel.counters().resets, 1);
}

#[test]
fn it_is_answered_and_told() {
    let mut kernel = held();
    let answers = acks(&mut kernel, 10);
    assert_eq!(answers[1], (Channel::Control, 11, AckResult::Done));
    kernel.handle_timeout(at(100));
    let (_, report) = reports(&mut kernel, 100)[0];
    assert_eq!(report.state, State::Emergency);
}

#[test]
fn a_reset_is_fresh_and_of_this_emergency() {
    let mut kernel = held();
    let refused = |refused| Err(Rejection::Answered(refused));
    let cases = [
        (12, reset(41, 0), 301, AckResult::Stale),
        (13, reset(41, 500), 400, AckResult::Future),
        (14, reset(40, 400), 400, AckResult::Epoch),
        (15, reset(42, 400), 400, AckResult::Epoch),
        (11, reset(41, 400), 400, AckResult::Old),
    ];
    for (seq, order, now, result) in cases {
        assert_eq!(say(seq).order(&mut kernel, now, order), refused(result));
        assert_eq!(kernel.state(), State::Emergency);
    }
    say(16)
        .order(&mut kernel, 400, reset(41, 400))
        .expect("reset");
    // The same press again, its answer was lost.
    say(17)
        .order(&mut kernel, 450, reset(41, 400))
        .expect("reset before");
    assert_eq!(kernel.epoch(), Epoch(42));
    let again = say(18).order(&mut kernel, 460, reset(42, 460));
    assert_eq!(again, refused(AckResult::Epoch), "there is none");
}

#[test]
fn late_copies_from_before_the_reset_hold_nothing_and_new_ones_do() {
    let mut kernel = held();
    say(13)
        .order(&mut kernel, 40, reset(41, 35))
        .expect("reset");
    say(12)
        .order(&mut kernel, 45, emergency(41))
        .expect("a copy");
    assert_eq!(kernel.state(), State::Disarmed);
    say(14)
        .order(&mut kernel, 50, emergency(42))
        .expect("a new one");
    assert_eq!(kernel.state(), State::Emergency);
}

#[test]
fn anybody_s_emergency_counts_and_a_reset_by_who_has_not_heard_of_it_does_not() {
    let mut kernel = armed();
    say(11).drive(&mut kernel, 10, 41, 10).expect("driven");
    say(1)
        .under(2)
        .order(&mut kernel, 20, emergency(41))
        .expect("another's");
    assert_eq!(kernel.state(), State::Emergency);
    assert_eq!(kernel.counters().stops(StopReason::Replaced), 0);
    let unheard = say(1).under(3).order(&mut kernel, 30, reset(41, 15));
    assert_eq!(unheard, Err(Rejection::Answered(AckResult::Epoch)));
    say(2)
        .under(3)
        .order(&mut kernel, 30, reset(41, 25))
        .expect("reset");
    // Overtaken by that: it was sent later than the stop that is known, so it is news.
    say(2)
        .under(2)
        .order(&mut kernel, 35, emergency(41))
        .expect_err("a lower lease");
    assert_eq!(kernel.state(), State::Emergency);
}

#[test]
fn one_that_a_lesser_stop_has_overtaken_holds_all_the_same() {
    let mut kernel = armed();
    let link_lost = Order::Stop {
        epoch: Epoch::ALL,
        reason: StopReason::LinkLost,
    };
    say(1)
        .under(6)
        .order(&mut kernel, 10, link_lost)
        .expect("of the server");
    assert_eq!(kernel.state(), State::Stopped(StopReason::LinkLost));
    let late = say(100).under(5).order(&mut kernel, 20, emergency(41));
    assert_eq!(late, Err(Rejection::Lease));
    assert_eq!(kernel.state(), State::Emergency);
    say(2)
        .under(6)
        .order(&mut kernel, 30, reset(41, 25))
        .expect("reset");
    // The same copy once more.
    let _ = say(100).under(5).order(&mut kernel, 40, emergency(41));
    assert_eq!(kernel.state(), State::Disarmed);
}

#[test]
fn the_device_s_own_holds_too_and_a_fault_stays_one() {
    let mut kernel = armed();
    kernel.stop(at(5), StopReason::Emergency);
    assert_eq!(kernel.state(), State::Emergency);
    kernel.fail(at(6));
    say(11)
        .order(&mut kernel, 10, reset(41, 10))
        .expect("reset");
    let refused = say(12).arm(&mut kernel, 20, 42);
    assert_eq!(refused, Err(Rejection::Answered(AckResult::Fault)));
}
