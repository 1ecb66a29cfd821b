//! Rule 8: what is not seen is not driven by.

use super::*;

fn seeing(picture: Stamp, echo: u64) -> Order {
    Order::Setpoint {
        epoch: Epoch(41),
        echo: at(echo),
        picture,
        axes: AHEAD,
    }
}

/// Armed at a second, with pictures asked for.
fn watched(slow_ms: u64, limit_ms: u64) -> Kernel {
    let mut kernel = kernel_with(KernelConfig {
        picture_slow_us: slow_ms * MS,
        picture_limit_us: Some(limit_ms * MS),
        ..KernelConfig::default()
    });
    kernel.handle_timeout(at(1000));
    say(10).arm(&mut kernel, 1000, 40).expect("armed");
    kernel
}

#[test]
fn who_does_not_see_does_not_drive() {
    let mut kernel = watched(u64::MAX / MS, 500);
    say(11)
        .order(&mut kernel, 1010, seeing(at(600), 1000))
        .expect("410 ms");
    for picture in [Stamp::NONE, at(500), at(1021)] {
        assert_eq!(
            say(12).order(&mut kernel, 1020, seeing(picture, 1000)),
            Err(Rejection::Setpoint(Refused::Blind))
        );
    }
    kernel.handle_timeout(at(1310));
    assert_eq!(kernel.state(), State::Stopped(StopReason::Blind));
    assert_eq!(kernel.counters().blind, 3);
}

#[test]
fn the_older_the_picture_the_slower_and_at_the_limit_it_stands() {
    let mut kernel = watched(400, 800);
    let mut seq = 10;
    for (age, percent) in [
        (0, 100),
        (399, 100),
        (400, 100),
        (500, 75),
        (600, 50),
        (796, 1),
    ] {
        seq += 1;
        let now = 1000 + u64::from(seq);
        let order = seeing(at(now - age), now);
        say(seq).order(&mut kernel, now, order).expect("driven");
        // A picture that was seen is not unseen: each is newer than the one before, or there is none.
        kernel.picture = at(now - age);
        assert_eq!(kernel.speed_at(at(now - age)), percent, "{age} ms");
    }
}

#[test]
fn a_picture_that_stands_still_slows_it_down_and_stops_it_though_commands_go_on() {
    let mut kernel = watched(400, 800);
    let frozen = at(1000);
    let mut speeds = std::vec::Vec::new();
    let mut stopped = None;
    for step in 1..60 {
        let now = 1000 + 20 * step;
        let done = say(10 + step as u32).order(&mut kernel, now, seeing(frozen, now));
        speeds.push(kernel.output(at(now)).linear.raw());
        if done.is_err() && stopped.is_none() {
            stopped = Some((now, kernel.state()));
        }
    }
    assert_eq!(stopped, Some((1800, State::Stopped(StopReason::Blind))));
    assert!(speeds.is_sorted_by(|earlier, later| earlier >= later));
    assert_eq!(speeds.first(), Some(&i16::MAX));
    assert_eq!(kernel.output(at(1799)), Axes::ZERO, "it stands for good");
    let mut told = reports(&mut kernel, 1800)
        .into_iter()
        .filter_map(|(_, report)| match report.kind {
            ReportKind::Beacon {
                refused,
                picture_limit_ms,
                ..
            } => Some((refused, picture_limit_ms)),
            _ => None,
        });
    assert_eq!(told.next(), Some((Some(Refused::Void), 800)));
}

#[test]
fn it_ends_at_the_picture_s_limit_to_the_microsecond() {
    let mut kernel = watched(400, 800);
    let order = seeing(at(400), 1190);
    say(11).order(&mut kernel, 1190, order).expect("driven");
    let end = at(1200).micros();
    assert!(!kernel.output(Stamp::from_micros(end - 1)).is_zero());
    assert_eq!(kernel.output(Stamp::from_micros(end)), Axes::ZERO);
    assert_eq!(kernel.poll_timeout().min(at(1200)), kernel.poll_timeout());
    kernel.handle_timeout(Stamp::from_micros(end));
    assert_eq!(kernel.state(), State::Stopped(StopReason::Blind));
}
