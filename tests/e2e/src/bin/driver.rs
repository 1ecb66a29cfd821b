//! Plays an agent whose operator drives ahead: starts a real actuator, arms it, and sends setpoints until
//! something happens to it. A process of its own, since most of what happens is its death.
//!
//! `driver TRANSOM-AGENT TRACE END AFTER-MS`; TRACE is where the simulated robot writes its edges, or
//! `raspberry-pi` to drive the header of one. END is what it does to itself, AFTER-MS after it was armed:
//!
//! - `none`: nothing, it drives on until somebody kills or stops it
//! - `silent`: it goes on listening and says nothing any more
//! - `block`: every thread of its async runtime is held up for 1.5 s
//! - `abort`: it aborts
//! - `close`: it closes the socket and lives on
//! - `shutdown`: it ends the actuator in order and lives on
//! - `term`: it drives on until SIGTERM, ends the actuator in order and itself, and fails where the outputs may
//!   be powered
//!
//! It prints `armed`, `sent MICROS` before each command and `end MICROS` before its end, in CLOCK_MONOTONIC. Each
//! setpoint is a little slower than the one before, so that the robot's trace shows when it was obeyed.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "this crate is tests only"
)]

use std::path::PathBuf;
use std::sync::{Arc, Barrier};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};
use transom_agent::actuator::{ActuatorConfig, Board};
use transom_agent::control::Control;
use transom_boards_raspberry_pi::DrivePins;
use transom_control::{Axes, Axis, Command, KernelConfig, Operator, OperatorConfig, Order, Phase};
use transom_tests_e2e::monotonic_us;

const WORKERS: usize = 4;
/// Longer than the limit, and than the agent is patient with an actuator.
const BLOCKED: Duration = Duration::from_millis(1500);

fn main() {
    let mut words = std::env::args().skip(1);
    let mut word = || words.next().expect("four words");
    let (program, trace, end) = (PathBuf::from(word()), PathBuf::from(word()), word());
    let after = word().parse::<u64>().expect("milliseconds") * 1000;
    // A header's pins need no pulses at full speed.
    let (board, step) = match trace.to_str() {
        Some("raspberry-pi") => (Board::RaspberryPi(DrivePins::default()), 0),
        _ => (Board::Sim { trace: Some(trace) }, 1),
    };
    let config = ActuatorConfig {
        board,
        kernel: KernelConfig::default(),
    };
    transom_agent::logging::start("info").expect("a level");
    let runtime = Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
        .expect("a runtime");
    let control = {
        let _within = runtime.enter();
        Control::start_program(program, config)
    };
    let for_ever = end == "none" || end == "term";
    runtime.block_on(async {
        if end != "term" {
            return drive(&control, after, for_ever, step).await;
        }
        let mut asked = signal(SignalKind::terminate()).expect("a handler");
        tokio::select! {
            _ = asked.recv() => {}
            () = drive(&control, after, for_ever, step) => {}
        }
    });
    println!("end {}", monotonic_us());
    match end.as_str() {
        "block" => {
            block(&runtime);
            println!("goes on {}", monotonic_us());
            runtime.block_on(listen(&control));
        }
        "silent" => runtime.block_on(listen(&control)),
        "abort" => std::process::abort(),
        "close" => {
            runtime.shutdown_background();
            drop(control);
        }
        "shutdown" => runtime.block_on(control.shutdown()).expect("safe outputs"),
        "term" => {
            let safe = runtime.block_on(control.shutdown());
            std::process::exit(i32::from(safe.is_err()));
        }
        other => panic!("no end: {other}"),
    }
    std::thread::sleep(Duration::from_secs(3600));
}

/// Until `after` microseconds of driving, or for ever; slower by `step` each time.
async fn drive(control: &Control, after: u64, for_ever: bool, step: i16) {
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
    let mut speed = i16::MAX;
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
        let ahead = Axis::new(speed).expect("a speed");
        operator.drive(now, Axes::drive(ahead, Axis::ZERO));
        while let Some(out) = operator.poll_transmit(now) {
            let order = Command::parse(&out.message).map(|command| command.order);
            if let Ok(Order::Setpoint { .. }) = order {
                speed = if speed > 1000 { speed - step } else { i16::MAX };
            }
            if armed_at.is_some() {
                println!("sent {}", monotonic_us());
            }
            link.send(out.channel, &out.message);
        }
    }
}

/// Holds up all workers at once, which only they can do: each waits for all the others.
fn block(runtime: &Runtime) {
    let all = Arc::new(Barrier::new(WORKERS + 1));
    for _ in 0..WORKERS {
        let all = Arc::clone(&all);
        runtime.spawn(async move {
            all.wait();
            std::thread::sleep(BLOCKED);
        });
    }
    all.wait();
    println!("blocked {}", monotonic_us());
    std::thread::sleep(BLOCKED);
}

async fn listen(control: &Control) {
    let mut reports = control.link().reports();
    while reports.recv().await.is_some() {}
}
