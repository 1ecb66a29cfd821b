//! Rule 10.

use super::*;
use crate::switch::Output;

fn press(press: u32, echo: u64) -> Order {
    Order::Switch {
        press: Press(press),
        echo: at(echo),
        output: Output::Lock,
        value: 1,
        ms: 5000,
    }
}

#[test]
fn a_press_is_done_once_and_answered_when_it_is_done() {
    let mut kernel = kernel();
    say(1).order(&mut kernel, 0, press(1, 0)).expect("taken");
    assert_eq!(acks(&mut kernel, 0), []);
    let switch = kernel.poll_switch().expect("a switch");
    assert_eq!(
        (switch.output, switch.value, switch.ms),
        (Output::Lock, 1, 5000)
    );
    kernel.switched(&switch, AckResult::Received);
    say(2).order(&mut kernel, 10, press(1, 10)).expect("known");
    kernel.switched(&switch, AckResult::Done);
    say(3).order(&mut kernel, 20, press(1, 20)).expect("known");
    assert_eq!(kernel.poll_switch(), None, "once is enough");
    let (channel, received, done) = (Channel::Control, AckResult::Received, AckResult::Done);
    assert_eq!(
        acks(&mut kernel, 20),
        [
            (channel, 1, received),
            (channel, 2, received),
            (channel, 1, done),
            (channel, 3, done)
        ]
    );
    assert_eq!(kernel.state(), State::Disarmed, "nothing is armed by it");
    assert_eq!(kernel.counters().switches, 1);
}

#[test]
fn what_is_old_stale_or_too_much_is_refused_and_may_be_said_again() {
    let mut kernel = kernel();
    let refused = |refused| Err(Rejection::Answered(refused));
    kernel.handle_timeout(at(1000));
    let stale = say(1).order(&mut kernel, 1000, press(2, 699));
    assert_eq!(stale, refused(AckResult::Stale));
    let future = say(2).order(&mut kernel, 1000, press(2, 1001));
    assert_eq!(future, refused(AckResult::Future));
    say(3)
        .order(&mut kernel, 1000, press(2, 1000))
        .expect("fresh");
    let more = say(4).order(&mut kernel, 1000, press(3, 1000));
    assert_eq!(more, refused(AckResult::Busy));
    let switch = kernel.poll_switch().expect("a switch");
    kernel.switched(&switch, AckResult::Absent);
    let absent = say(5).order(&mut kernel, 1010, press(2, 1010));
    assert_eq!(absent, refused(AckResult::Absent));
    let old = say(6).order(&mut kernel, 1010, press(1, 1010));
    assert_eq!(old, refused(AckResult::Old));
    say(7)
        .order(&mut kernel, 1010, press(3, 1010))
        .expect("next");
}

#[test]
fn a_press_is_done_once_whoever_has_the_lease_meanwhile() {
    let mut kernel = kernel();
    say(1).order(&mut kernel, 0, press(9, 0)).expect("taken");
    let before = kernel.poll_switch().expect("a switch");
    kernel.switched(&before, AckResult::Done);
    // Somebody stopped it since, and a repetition of the press comes under a lease of its own.
    say(1).under(1).stop(&mut kernel, 3, 40);
    say(1)
        .under(2)
        .order(&mut kernel, 5, press(9, 5))
        .expect("known");
    assert_eq!(kernel.poll_switch(), None, "the door stays locked");
    // Who has no lease any more gets no answer.
    say(2)
        .under(2)
        .order(&mut kernel, 6, press(10, 6))
        .expect("new");
    let late = kernel.poll_switch().expect("a switch");
    say(1).under(3).stop(&mut kernel, 7, 40);
    let told = acks(&mut kernel, 7).len();
    kernel.switched(&late, AckResult::Done);
    assert_eq!(acks(&mut kernel, 8), [], "after {told}");
}

#[test]
fn each_sender_s_presses_are_known_apart_and_only_the_latest_senders() {
    let mut kernel = kernel();
    let from = |source: u32, seq: u32, number: u32| Command {
        source: Source(source),
        lease: Lease(0),
        seq: Seq(seq),
        order: press(number, 0),
    };
    for round in 0..2 {
        for source in 0..PRESSERS as u32 {
            let seq = round * 100 + source;
            let (channel, told) = (Channel::Control, from(source, seq, 7));
            let _ = kernel.handle_command(at(0), channel, &told);
            assert_eq!(kernel.poll_switch().is_some(), round == 0, "{source}");
            while kernel.poll_transmit(at(0)).is_some() {}
        }
    }
    let _ = kernel.handle_command(at(0), Channel::Control, &from(99, 300, 1));
    assert!(kernel.poll_switch().is_some());
    let known = kernel.presses.iter().flatten().count();
    assert_eq!(known, PRESSERS);
}

#[test]
fn a_door_opens_in_an_emergency_too() {
    let mut kernel = armed();
    kernel.stop(at(5), StopReason::Emergency);
    say(11).order(&mut kernel, 10, press(1, 10)).expect("taken");
    assert!(kernel.poll_switch().is_some());
}
