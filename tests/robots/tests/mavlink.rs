//! Vehicles by MAVLink: pymavlink at the other end, over UDP and over a serial port.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails where it fails"
)]

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use transom_control::{Axes, Axis, StopReason};
use transom_tests_e2e::{Lines, Program, Remote, Signal, Standstill, monotonic_us, signal};
use transom_tests_robots::{SLACK_US, SOON, Scene, peer, python, within_the_limit};

struct Driven {
    scene: Scene,
    vehicle: Program,
    lines: Lines,
    folder: PathBuf,
    /// Where the agent listens.
    local: SocketAddr,
}

fn free_port() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    socket.local_addr().expect("its number")
}

fn vehicle(kind: &str, way: &str, folder: &Path, mood: &str) -> Program {
    let mut command = Command::new(python());
    command
        .arg(peer("vehicle.py"))
        .arg(kind)
        .arg(way)
        .arg(folder.join("trace"))
        .arg(mood);
    let program = Program::start(command);
    program.line("vehicle ready", SOON);
    program
}

impl Driven {
    fn by_udp(kind: &str, mood: &str) -> Self {
        let (local, its) = (free_port(), free_port());
        let way = format!("udp:{}", its.port());
        let table = format!("listen = \"{local}\"\npeer = \"{its}\"");
        Self::start(kind, mood, local, |_| (way, table))
    }

    fn by_serial(kind: &str) -> Self {
        Self::start(kind, "good", free_port(), |folder| {
            let tty = folder.join("tty").display().to_string();
            (format!("pty:{tty}"), format!("device = {tty:?}"))
        })
    }

    fn start(
        kind: &str,
        mood: &str,
        local: SocketAddr,
        way: impl FnOnce(&Path) -> (String, String),
    ) -> Self {
        let mut started = None;
        let scene = Scene::start(|state| {
            let (way, table) = way(state);
            started = Some((vehicle(kind, &way, state, mood), state.to_owned()));
            format!("board = \"mavlink\"\n[control.mavlink]\n{table}")
        });
        let (vehicle, folder) = started.expect("a vehicle");
        scene.told(&format!("the vehicle is there: a {kind}"), 1);
        Self {
            lines: Lines::new(&folder.join("trace")),
            scene,
            vehicle,
            folder,
            local,
        }
    }

    fn count(&self, line: &str) -> i32 {
        self.lines.edges(line).last().map_or(0, |edge| edge.value)
    }

    async fn driven(&self) -> Remote {
        let time = Duration::from_millis(600);
        self.scene.driven(&self.lines, time).await
    }

    #[track_caller]
    fn stands(&self, cause: u64) -> Standstill {
        let stands = self.lines.wait_for_power(false, SOON);
        self.scene.until("disarmed", || self.count("armed") == 0);
        Standstill::new(&self.lines, cause, stands, 0)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rover_drives_tells_how_it_is_and_stands_when_the_operator_vanishes() {
    let rover = Driven::by_udp("rover", "good");
    let mut ends = Vec::new();
    for _ in 0..5 {
        let mut driver = rover.driven().await;
        let (controls, begun) = (rover.count("controls"), monotonic_us());
        driver.drive(Duration::from_millis(800)).await;
        let hz =
            f64::from(rover.count("controls") - controls) / ((monotonic_us() - begun) as f64 / 1e6);
        println!("{hz:.0} MANUAL_CONTROL a second");
        assert!(hz >= 20.0);
        let told = loop {
            driver.report().await;
            let told = driver
                .operator
                .status(monotonic_us())
                .telemetry
                .expect("it tells");
            if told.battery_mv > 0 && told.range_mm > 0 {
                break told;
            }
        };
        assert_eq!((told.battery_mv, told.range_mm), (11_750, 1230));
        // MAVLink's sticks are coarser than our axes, so not every setpoint is an edge: what counts is when the last
        // one left.
        let (_, last) = *driver.sent.last().expect("it drove");
        driver.vanish().await;
        ends.push(rover.stands(last).cause);
        rover.scene.told("stopped: stale", ends.len());
        rover.scene.told("the vehicle is disarmed", ends.len());
    }
    within_the_limit("the operator vanishes, the last setpoint", &ends);
    assert!(rover.lines.edges("force").is_empty());
    // Once it stands its sticks are left to who else may have it; the heartbeat goes on, once a second.
    thread::sleep(Duration::from_secs(1));
    let (controls, stations) = (rover.count("controls"), rover.count("station"));
    thread::sleep(Duration::from_secs(4));
    assert_eq!(rover.count("controls"), controls);
    let beats = rover.count("station") - stations;
    assert!((3..=5).contains(&beats), "{beats} heartbeats in 4 s");
    assert!(rover.scene.agent.terminate().status.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rover_turns_as_it_is_told_over_a_serial_port() {
    let rover = Driven::by_serial("rover");
    let mut driver = rover.driven().await;
    // To the left, on the spot and ahead: the page's robot turns counter-clockwise.
    let until = monotonic_us() + 1_500_000;
    while monotonic_us() < until {
        let now = monotonic_us();
        let axes = Axes::drive(
            Axis::new(8000).expect("a speed"),
            Axis::new(20_000).expect("a speed"),
        );
        driver.operator.drive(now, axes);
        driver.pass(Duration::from_millis(10)).await;
    }
    let told = driver
        .operator
        .status(monotonic_us())
        .telemetry
        .expect("it tells");
    println!("{told:?}");
    assert!(told.heading_mrad > 300 && told.x_mm > 50, "{told:?}");
    let cause = monotonic_us();
    driver.vanish().await;
    rover.stands(cause);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copter_hovers_where_it_is_stopped_and_is_never_disarmed_by_force() {
    let copter = Driven::by_udp("copter", "flies");
    let driver = copter.driven().await;
    driver.vanish().await;
    copter.lines.wait_for_power(false, SOON);
    // It flies, so it refuses to be disarmed, and is held where it is.
    let controls = copter.count("controls");
    thread::sleep(Duration::from_secs(2));
    let held = copter.count("controls") - controls;
    println!("{held} MANUAL_CONTROL in 2 s after the stop");
    assert!(held >= 40, "{held}");
    assert_eq!((copter.count("armed"), copter.count("z")), (1, 500));
    assert!(copter.lines.edges("z").iter().all(|edge| edge.value == 500));
    assert!(copter.lines.edges("force").is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vehicle_that_refuses_says_why() {
    let rover = Driven::by_udp("rover", "refuses");
    fs::write(rover.folder.join("REFUSE"), "").expect("a file");
    let mut driver = rover.scene.driver().await;
    driver.arm().await;
    driver.drive(Duration::from_millis(300)).await;
    Scene::stopped(&mut driver, StopReason::Fault).await;
    rover.scene.told(
        "it refuses to be armed (MAV_RESULT 4); it says: PreArm: GPS is not healthy",
        1,
    );
    assert!(rover.lines.edges("left").iter().all(|edge| edge.value == 0));
    fs::remove_file(rover.folder.join("REFUSE")).expect("a file");
    rover.scene.told("the board obeys again", 1);
    drop(driver);
    rover.driven().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_heartbeat_nothing_is_armed() {
    let rover = Driven::by_udp("rover", "good");
    let mut driver = rover.driven().await;
    signal(rover.vehicle.pid(), Signal::STOP);
    driver.drive(Duration::from_millis(3500)).await;
    Scene::stopped(&mut driver, StopReason::Fault).await;
    rover.scene.told("the heartbeat of system 1 is lost", 1);
    for _ in 0..5 {
        let _ = driver.operator.arm(monotonic_us());
        driver.drive(Duration::from_millis(100)).await;
    }
    Scene::stopped(&mut driver, StopReason::Fault).await;
    signal(rover.vehicle.pid(), Signal::CONT);
    // What waited for it ends with neutral sticks and the disarm.
    rover.scene.told("the vehicle is disarmed", 2);
    rover.scene.until("disarmed", || rover.count("armed") == 0);
    assert!(!rover.lines.is_powered());
    driver.arm().await;
    driver.drive(Duration::from_millis(600)).await;
    assert!(rover.lines.is_powered());
}

/// The next actuator disarms it before anything else, though it does not know it yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_actuator_is_killed_the_next_one_disarms() {
    let rover = Driven::by_udp("rover", "good");
    let driver = rover.driven().await;
    let cause = monotonic_us();
    signal(rover.scene.actuator(), Signal::KILL);
    let end = rover.stands(cause);
    println!(
        "SIGKILL to the actuator -> the rover stands: {} us",
        end.cause
    );
    assert!(end.cause <= 300_000 + SLACK_US, "{end:?}");
    drop(driver);
}

/// Whoever else sends to the port is not heard, and what is no frame changes nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_and_noise_are_not_heard() {
    let rover = Driven::by_udp("rover", "good");
    let mut driver = rover.driven().await;
    let stranger = UdpSocket::bind("127.0.0.1:0").expect("a port");
    // Its heartbeat says that system 1 is disarmed, and is a submarine: checksum as pymavlink makes it.
    let forged = [
        253, 9, 0, 0, 0, 1, 1, 0, 0, 0, 4, 0, 0, 0, 12, 3, 1, 3, 3, 202, 206,
    ];
    for number in 0..2000_u32 {
        let noise: Vec<u8> = number
            .to_le_bytes()
            .iter()
            .cycle()
            .take(300)
            .copied()
            .collect();
        let _ = stranger.send_to(&noise, rover.local);
        let _ = stranger.send_to(&forged, rover.local);
        if number % 100 == 0 {
            driver.drive(Duration::from_millis(20)).await;
        }
    }
    driver.drive(Duration::from_millis(500)).await;
    assert!(rover.lines.is_powered());
}
