//! Plays an agent whose operator drives ahead: starts a real actuator, arms it, and sends setpoints until
//! something happens to it. A process of its own, since most of what happens is its death.
//!
//! `driver TRANSOM-AGENT TRACE END AFTER-MS`; TRACE is where the simulated robot writes its edges, or
//! `raspberry-pi` to drive the header of one. END is what it does to itself, AFTER-MS after it was armed:
//!
//! - `none`: nothing, it drives on until somebody kills or stops it
//! - `silent`: it goes on listening and says nothing any more
//! - `abort`: it aborts
//! - `close`: it closes the socket and lives on
//! - `shutdown`: it ends the actuator in order and lives on
//!
//! It prints `armed`, `sent MICROS` after each setpoint and `end MICROS` before its end, in CLOCK_MONOTONIC.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "this crate is tests only"
)]

use std::path::PathBuf;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::time::{MissedTickBehavior, interval};
use transom_agent::actuator::{ActuatorConfig, Board};
use transom_agent::control::Control;
use transom_boards_raspberry_pi::DrivePins;
use transom_control::{Axes, Axis, KernelConfig, Operator, OperatorConfig, Phase};
use transom_tests_e2e::monotonic_us;

fn main() {
    let mut words = std::env::args().skip(1);
    let mut word = || words.next().expect("four words");
    let (program, trace, end) = (PathBuf::from(word()), PathBuf::from(word()), word());
    let after = word().parse::<u64>().expect("milliseconds") * 1000;
    let config = ActuatorConfig {
        board: match trace.to_str() {
            Some("raspberry-pi") => Board::RaspberryPi(DrivePins::default()),
            _ => Board::Sim { trace: Some(trace) },
        },
        kernel: KernelConfig::default(),
    };
    transom_agent::logging::start("info").expect("a level");
    let runtime = Runtime::new().expect("a runtime");
    let control = {
        let _within = runtime.enter();
        Control::start_program(program, config)
    };
    let silent = end == "silent";
    runtime.block_on(drive(&control, after, end == "none"));
    println!("end {}", monotonic_us());
    match end.as_str() {
        "silent" => runtime.block_on(listen(&control)),
        "abort" => std::process::abort(),
        "close" => {
            runtime.shutdown_background();
            drop(control);
        }
        "shutdown" => runtime.block_on(control.shutdown()),
        other => panic!("no end: {other}"),
    }
    assert!(!silent);
    std::thread::sleep(Duration::from_secs(3600));
}

/// Until `after` microseconds of driving, or for ever.
async fn drive(control: &Control, after: u64, for_ever: bool) {
    let mut operator = Operator::new(OperatorConfig {
        interval_us: 20_000,
        ..OperatorConfig::default()
    });
    let link = control.link();
    let mut reports = link.reports();
    let mut ticks = interval(Duration::from_millis(5));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut armed_at = None;
    let mut pressed = false;
    loop {
        tokio::select! {
            report = reports.recv() => {
                let message = report.expect("driving goes on").message;
                operator.handle_message(monotonic_us(), &message).expect("a report");
            }
            _ = ticks.tick() => {}
        }
        let now = monotonic_us();
        if !pressed {
            pressed = operator.arm(now).is_ok();
        }
        if operator.status(now).phase == Phase::Armed && armed_at.is_none() {
            armed_at = Some(now);
            println!("armed");
        }
        if !for_ever && armed_at.is_some_and(|at| now >= at + after) {
            return;
        }
        operator.drive(now, Axes::drive(Axis::FULL, Axis::ZERO));
        while let Some(out) = operator.poll_transmit(now) {
            link.send(out.channel, &out.message);
            if armed_at.is_some() {
                println!("sent {}", monotonic_us());
            }
        }
    }
}

async fn listen(control: &Control) {
    let mut reports = control.link().reports();
    while reports.recv().await.is_some() {}
}
