//! Somebody's own program: started by the actuator, or connecting to its socket.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails where it fails"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use transom_control::StopReason;
use transom_tests_e2e::{
    Lines, Program, Remote, Signal, Standstill, is_alive, monotonic_us, signal,
};
use transom_tests_robots::{SLACK_US, SOON, Scene, peer, program, python, within_the_limit};

/// A robot whose program the actuator starts.
struct Started {
    scene: Scene,
    lines: Lines,
    folder: PathBuf,
}

impl Started {
    fn new(mood: &str) -> Self {
        let mut folder = PathBuf::new();
        let scene = Scene::start(|state| {
            folder = state.to_owned();
            program(&[
                python(),
                peer("trace_robot.py"),
                state.join("trace"),
                mood.into(),
            ])
        });
        scene.told("the program says hello", 1);
        Self {
            lines: Lines::new(&folder.join("trace")),
            scene,
            folder,
        }
    }

    /// The program that was started last.
    fn pid(&self) -> u32 {
        let pid = self.lines.edges("pid").pop().expect("it has begun");
        pid.value.try_into().expect("a pid")
    }

    async fn driven(&self) -> Remote {
        let time = Duration::from_millis(400);
        self.scene.driven(&self.lines, time).await
    }

    /// It stands, from the last command that it obeyed on.
    #[track_caller]
    fn stands(&self, cause: u64) -> Standstill {
        let stands = self.lines.wait_for_power(false, SOON);
        Standstill::new(&self.lines, cause, stands, 0)
    }
}

fn robot(state: &Path, mood: &str, socket: &Path) -> Program {
    let mut command = Command::new(python());
    command
        .arg(peer("trace_robot.py"))
        .arg(state.join("trace"))
        .arg(mood)
        .arg(socket);
    Program::start(command)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_drives_tells_how_it_is_and_stands_when_the_operator_vanishes() {
    let robot = Started::new("good");
    let mut ends = Vec::new();
    for _ in 0..5 {
        let mut driver = robot.driven().await;
        let measured = loop {
            driver.report().await;
            let told = driver.operator.status(monotonic_us()).telemetry;
            if let Some(told) = told.filter(|told| told.battery_mv > 0) {
                break told;
            }
        };
        assert_eq!((measured.range_mm, measured.user), (420, [1, -2, 0, 0]));
        assert_eq!(measured.temperatures, [Some(415), Some(380)]);
        assert_eq!(
            (measured.battery_mv, measured.y_mm, measured.heading_mrad),
            (11_900, -7, 1500)
        );
        assert!(measured.x_mm > 0);
        driver.vanish().await;
        ends.push(robot.stands(monotonic_us()).command);
        robot.scene.told("stopped: stale", ends.len());
        thread::sleep(Duration::from_millis(300));
        assert!(!robot.lines.is_powered(), "it moves again");
    }
    // The reason reached the program.
    assert!(!robot.lines.edges("stale").is_empty());
    within_the_limit("the operator vanishes, the program's last command", &ends);
    let pid = robot.pid();
    assert!(robot.scene.agent.terminate().status.success());
    assert!(!is_alive(pid));
}

/// It sees the end of its input and stops; the next actuator starts another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_stops_when_the_actuator_is_killed_or_stopped() {
    for death in [Signal::KILL, Signal::STOP] {
        let robot = Started::new("good");
        let driver = robot.driven().await;
        let (pid, actuator) = (robot.pid(), robot.scene.actuator());
        signal(actuator, death);
        let cause = monotonic_us();
        let end = robot.stands(cause);
        println!(
            "{death:?} to the actuator -> the program stands: {} us",
            end.cause
        );
        assert!(end.cause <= 200_000 + SLACK_US, "{end:?}");
        robot.scene.until("gone", || !is_alive(pid));
        robot.scene.told("the program says hello", 2);
        drop(driver);
    }
}

/// One that does not end is killed before it could be in the way of the next one for long.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_ignores_the_end_is_killed() {
    let robot = Started::new("deaf");
    let driver = robot.driven().await;
    let (pid, actuator) = (robot.pid(), robot.scene.actuator());
    signal(actuator, Signal::KILL);
    let killed = monotonic_us();
    robot.stands(killed);
    robot.scene.until("gone", || !is_alive(pid));
    let took = monotonic_us() - killed;
    println!("killed after {} ms", took / 1000);
    assert!(took < 3_000_000);
    // The next actuator was there long before, and its program waited.
    assert_ne!(robot.scene.actuator(), actuator);
    assert_eq!(robot.pid(), pid, "two at one robot");
    robot.scene.told("the program says hello", 2);
    assert_ne!(robot.pid(), pid);
    drop(driver);
}

/// What a program started goes with it, or the next program would wait for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_program_leaves_behind_is_ended() {
    let mut trace = PathBuf::new();
    let scene = Scene::start(|state| {
        trace = state.join("trace");
        let script = format!(
            "sleep 1000 & echo \"0 helper $!\" >>'{0}'; exec '{1}' '{2}' '{0}'",
            trace.display(),
            python().display(),
            peer("trace_robot.py").display()
        );
        program(&["sh".into(), "-c".into(), script.into()])
    });
    scene.told("the program says hello", 1);
    let helper = Lines::new(&trace).edges("helper").pop().expect("a helper");
    let helper = helper.value.try_into().expect("a pid");
    assert!(is_alive(helper));
    signal(scene.actuator(), Signal::KILL);
    scene.told("the program says hello", 2);
    scene.until("gone", || !is_alive(helper));
}

/// The program of a guard that was killed is killed with it, and another one is started under another guard.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_whose_guard_is_killed_goes_too() {
    let robot = Started::new("deaf");
    let mut driver = robot.driven().await;
    let pid = robot.pid();
    let guard = parent(pid);
    assert_ne!(guard, robot.scene.actuator());
    signal(guard, Signal::KILL);
    robot.scene.until("gone", || !is_alive(pid));
    driver.drive(Duration::from_millis(100)).await;
    Scene::stopped(&mut driver, StopReason::Fault).await;
    robot.scene.told("the program says hello", 2);
    assert_ne!(robot.pid(), pid);
}

/// Who started a process.
fn parent(pid: u32) -> u32 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
    parent.and_then(|pid| pid.trim().parse().ok()).expect("one")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_hangs_is_a_fault_and_is_started_again() {
    let robot = Started::new("good");
    let mut driver = robot.driven().await;
    let pid = robot.pid();
    signal(pid, Signal::STOP);
    driver.drive(Duration::from_millis(600)).await;
    Scene::stopped(&mut driver, StopReason::Fault).await;
    robot.scene.told("it has not answered for 300 ms", 1);
    robot.scene.until("gone", || !is_alive(pid));
    // What waited for it moves nothing, and the next one may be armed.
    robot.scene.told("the board obeys again", 2);
    let before = robot.lines.edges("left").len();
    driver.drive(Duration::from_millis(300)).await;
    assert_eq!(robot.lines.edges("left").len(), before);
    driver.arm().await;
    driver.drive(Duration::from_millis(400)).await;
    assert!(robot.lines.is_powered());
    assert_ne!(robot.pid(), pid);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_faults_stop_it_and_refuse_arms() {
    let robot = Started::new("sick");
    let mut driver = robot.driven().await;
    let sick = robot.folder.join("SICK");
    fs::write(&sick, "").expect("a file");
    driver.drive(Duration::from_millis(300)).await;
    Scene::stopped(&mut driver, StopReason::Fault).await;
    robot
        .scene
        .told("it reports a fault: the left motor is hot", 1);
    assert!(!robot.lines.is_powered());
    let edges = robot.lines.edges("left").len();
    for _ in 0..5 {
        let _ = driver.operator.arm(monotonic_us());
        driver.drive(Duration::from_millis(100)).await;
    }
    assert_eq!(robot.lines.edges("left").len(), edges, "it was armed");
    fs::remove_file(&sick).expect("a file");
    driver.arm().await;
    driver.drive(Duration::from_millis(300)).await;
    assert!(robot.lines.is_powered());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_says_what_is_no_line_is_sent_away() {
    let robot = Started::new("babbler");
    let mut driver = robot.driven().await;
    fs::write(robot.folder.join("BABBLE"), "").expect("a file");
    driver.drive(Duration::from_millis(300)).await;
    Scene::stopped(&mut driver, StopReason::Fault).await;
    robot.stands(monotonic_us());
    robot.scene.told("a line is not understood", 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_ends_or_does_not_exist_is_told_with_the_mend() {
    let scene = Scene::start(|_| program(&["/nonexistent/robot".into()]));
    scene.told("check `command` in [program]", 1);
    scene.told("the program ended", 2);
    let mut driver = scene.driver().await;
    Scene::stopped(&mut driver, StopReason::Fault).await;
    let ended = scene.agent.terminate();
    assert!(ended.status.success(), "{:?}", ended.lines);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_a_socket_one_drives_at_a_time() {
    let mut folder = PathBuf::new();
    let scene = Scene::start(|state| {
        folder = state.to_owned();
        let socket = state.join("robot.sock");
        format!(
            "board = \"program\"\n[control.program]\nsocket = {:?}",
            socket.display().to_string()
        )
    });
    let socket = folder.join("robot.sock");
    scene.until("there", || socket.exists());
    let lines = Lines::new(&folder.join("trace"));
    let mut driver = scene.driver().await;
    Scene::stopped(&mut driver, StopReason::Fault).await;

    let first = robot(&folder, "good", &socket);
    scene.told("the board obeys again", 1);
    driver.arm().await;
    driver.drive(Duration::from_millis(400)).await;
    assert!(lines.is_powered());
    let second = robot(&folder, "second", &socket).ended(SOON);
    assert!(
        second
            .lines
            .join("\n")
            .contains("another program is connected"),
        "{:?}",
        second.lines
    );
    // Nobody drove meanwhile.
    Scene::stopped(&mut driver, StopReason::Stale).await;
    driver.arm().await;
    driver.drive(Duration::from_millis(400)).await;
    assert!(lines.is_powered(), "the second one was in the way");

    // The program dies: nobody is there to stop the wheels but its own motor controller; nothing is armed.
    signal(first.pid(), Signal::KILL);
    driver.drive(Duration::from_millis(300)).await;
    Scene::stopped(&mut driver, StopReason::Fault).await;
    let _ = driver.operator.arm(monotonic_us());
    driver.drive(Duration::from_millis(200)).await;

    // The actuator dies: the program sees the end, and the next actuator takes the place.
    let next = robot(&folder, "good", &socket);
    scene.told("the program says hello", 2);
    driver.arm().await;
    driver.drive(Duration::from_millis(400)).await;
    assert!(lines.is_powered());
    signal(scene.actuator(), Signal::KILL);
    let cause = monotonic_us();
    let stands = lines.wait_for_power(false, SOON);
    println!(
        "the actuator is killed -> the program stands: {} us",
        stands.saturating_sub(cause)
    );
    assert!(stands.saturating_sub(cause) <= 200_000 + SLACK_US);
    assert!(next.ended(SOON).status.success());
    let _third = robot(&folder, "good", &socket);
    scene.told("the program says hello", 3);
    driver.arm().await;
    driver.drive(Duration::from_millis(300)).await;
    assert!(lines.is_powered());
    assert!(scene.agent.terminate().status.success());
    assert!(!socket.exists());
}
