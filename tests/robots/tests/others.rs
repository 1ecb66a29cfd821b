//! Robots of others behind the JSON protocol: the simulator ir-sim, and a subscriber to a ROS 2 topic.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails where it fails"
)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use transom_tests_e2e::{Lines, Program, Signal, monotonic_us, signal};
use transom_tests_robots::{
    SLACK_US, SOON, Scene, example, peer, program, python, within_the_limit,
};

/// A step of the simulation, and a wait for a processor.
const SETTLED: Duration = Duration::from_millis(100);

fn scene(words: impl FnOnce(&Path) -> Vec<PathBuf>) -> (Scene, Lines) {
    let mut trace = PathBuf::new();
    let scene = Scene::start(|state| {
        trace = state.join("trace");
        program(&words(state))
    });
    scene.told("the board obeys again", 1);
    (scene, Lines::new(&trace))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_simulated_robot_of_ir_sim_drives_and_stands_when_the_operator_vanishes() {
    let (scene, lines) = scene(|state| {
        let trace = state.join("trace");
        vec![python(), example("irsim_robot.py"), "--trace".into(), trace]
    });
    scene.until("simulated", || !lines.edges("travelled").is_empty());
    let travelled = || lines.edges("travelled").pop().expect("it simulates").value;
    let mut ends = Vec::new();
    for _ in 0..3 {
        let before = travelled();
        let mut driver = scene.driver().await;
        driver.arm().await;
        driver.drive(Duration::from_secs(2)).await;
        driver.report().await;
        let told = driver
            .operator
            .status(monotonic_us())
            .telemetry
            .expect("it tells");
        driver.vanish().await;
        let stands = lines.wait_for_power(false, SOON);
        ends.push(stands - lines.last_command(stands));
        thread::sleep(SETTLED);
        let stood = travelled();
        thread::sleep(Duration::from_millis(500));
        println!("travelled {before} -> {stood} mm, told {} mm", told.x_mm);
        // The driver's speeds begin at a thirtieth of full scale.
        assert!(stood >= before + 20, "{before} {stood}");
        assert_eq!(travelled(), stood, "it moves on");
        assert!(told.x_mm > before);
        scene.told("stopped: stale", ends.len());
    }
    within_the_limit(
        "the operator vanishes, the simulated robot's last command",
        &ends,
    );
}

/// DDS by loopback, in a domain of its own. ROS itself is not there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ros_2_topic_has_what_the_operator_does() {
    const DOMAIN: &str = "77";
    let (scene, lines) = scene(|_| {
        vec![
            "/usr/bin/env".into(),
            format!("CYCLONEDDS_URI={LOOPBACK}").into(),
            python(),
            example("ros2_twist.py"),
            "--domain".into(),
            DOMAIN.into(),
        ]
    });
    let mut command = Command::new(python());
    command
        .arg(peer("twist_listener.py"))
        .arg(scene.sfu.state.path().join("trace"))
        .arg(DOMAIN);
    let listener = Program::start({
        command.env("CYCLONEDDS_URI", LOOPBACK);
        command
    });
    listener.line("listening", SOON);
    scene.until("discovered", || !lines.edges("count").is_empty());
    let mut ends = Vec::new();
    for _ in 0..3 {
        let driver = scene.driven(&lines, Duration::from_secs(1)).await;
        let heard: Vec<i32> = lines.edges("left").iter().map(|edge| edge.value).collect();
        let sent = driver
            .sent
            .iter()
            .filter(|(speed, _)| heard.contains(speed))
            .count();
        println!(
            "{sent} of {} speeds arrived as they were sent",
            driver.sent.len()
        );
        assert!(sent * 4 >= driver.sent.len() * 3);
        driver.vanish().await;
        let stands = lines.wait_for_power(false, SOON);
        ends.push(stands - lines.last_command(stands));
        thread::sleep(Duration::from_millis(300));
        assert!(!lines.is_powered(), "it moves again");
    }
    within_the_limit("the operator vanishes, the topic's last motion", &ends);
    // The actuator dies: the bridge program says zero with its last breath.
    let _driver = scene.driven(&lines, Duration::from_millis(500)).await;
    let cause = monotonic_us();
    signal(scene.actuator(), Signal::KILL);
    let stands = lines.wait_for_power(false, SOON);
    println!(
        "SIGKILL to the actuator -> zero on the topic: {} us",
        stands.saturating_sub(cause)
    );
    assert!(stands.saturating_sub(cause) <= 200_000 + SLACK_US);
}

/// No multicast, no other network.
const LOOPBACK: &str = "<CycloneDDS><Domain><General><Interfaces><NetworkInterface name='lo' multicast='false'/></Interfaces></General><Discovery><ParticipantIndex>auto</ParticipantIndex><Peers><Peer address='127.0.0.1'/></Peers></Discovery></Domain></CycloneDDS>";
