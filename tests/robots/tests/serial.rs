//! Motors behind a microcontroller on a serial port.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails where it fails"
)]

use std::fs;
use std::thread;
use std::time::Duration;

use transom_tests_e2e::{Lines, Signal, Standstill, monotonic_us, signal};
use transom_tests_robots::{Microcontroller, SLACK_US, SOON, Scene, within_the_limit};

struct Motors {
    scene: Scene,
    lines: Lines,
    _controller: Microcontroller,
}

fn motors() -> Motors {
    let mut made = None;
    let scene = Scene::start(|state| {
        let trace = state.join("trace");
        let controller = Microcontroller::start(&trace);
        let board = state.join("robot.toml");
        let table = format!("[serial_drive]\ndevice = {:?}\n", controller.device());
        fs::write(&board, table).expect("a board file");
        made = Some((controller, Lines::new(&trace)));
        format!("board = {:?}", board.display().to_string())
    });
    let (controller, lines) = made.expect("a robot");
    Motors {
        scene,
        lines,
        _controller: controller,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn they_stand_when_the_operator_vanishes() {
    let robot = motors();
    let mut ends = Vec::new();
    for _ in 0..5 {
        let time = Duration::from_millis(400);
        let driver = robot.scene.driven(&robot.lines, time).await;
        driver.vanish().await;
        let stands = robot.lines.wait_for_power(false, SOON);
        ends.push(stands - robot.lines.last_command(stands));
        thread::sleep(Duration::from_millis(300));
        assert!(!robot.lines.is_powered(), "it moves again");
        robot.scene.told("stopped: stale", ends.len());
    }
    within_the_limit("the operator vanishes, the last line", &ends);
    assert!(robot.lines.edges("bad").is_empty());
    assert!(robot.lines.edges("expired").is_empty(), "not by a line");
    assert!(robot.scene.agent.terminate().status.success());
}

/// The next actuator gets the port, though the kernel has it open elsewhere, and says zero.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn they_stand_when_the_actuator_is_killed() {
    let robot = motors();
    let time = Duration::from_millis(400);
    let mut driver = robot.scene.driven(&robot.lines, time).await;
    let cause = monotonic_us();
    signal(robot.scene.actuator(), Signal::KILL);
    let stands = robot.lines.wait_for_power(false, SOON);
    let end = Standstill::new(&robot.lines, cause, stands, 0);
    println!("SIGKILL to the actuator -> no power: {} us", end.cause);
    assert!(end.cause <= 200_000 + SLACK_US, "{end:?}");
    driver.arm().await;
    driver.drive(time).await;
    assert!(robot.lines.is_powered());
}
