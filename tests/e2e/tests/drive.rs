//! A robot driven through the server: real processes, a peer of ours that plays the page, times of the
//! lines' edges. `TRANSOM_DRIVE_ROUNDS=20` repeats what ends a drive as often.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails where it fails"
)]

use std::process::Command;
use std::time::Duration;

use tokio::time::sleep;
use transom_control::{
    AckResult, ArmError, Axes, Axis, Channel, Epoch, Order, Output, Phase, ReportKind, Seq, Stamp,
    State, StopReason,
};
use transom_tests_e2e::{
    LIMIT_US, Lines, ProcessorWatch, Program, Remote, Sfu, Signal, Standstill, binary,
    monotonic_us, signal, tell,
};

const SOON: Duration = Duration::from_secs(30);
/// From a command to its answer, through the server twice: the goal is 10 ms.
const ANSWER_US: u64 = 50_000;
/// Subscribers that the first of several media threads takes before others get any.
const OF_THE_FIRST_WORKER: usize = 16;

/// A server, an agent with a simulated robot, and the robot's lines.
struct Scene {
    sfu: Sfu,
    agent: Program,
    lines: Lines,
}

impl Scene {
    fn start() -> Self {
        Self::start_with("")
    }

    /// With this for the server's configuration.
    fn start_with(config: &str) -> Self {
        let sfu = Sfu::start_with(config);
        let trace = sfu.state.path().join("trace");
        let table = format!(
            "[control]\nboard = \"sim\"\npicture_limit_ms = 0\ntrace = \"{}\"\n",
            trace.display()
        );
        sfu.state.write("transom-agent.toml", &table);
        Self {
            agent: Self::agent(&sfu),
            lines: Lines::new(&trace),
            sfu,
        }
    }

    fn agent(sfu: &Sfu) -> Program {
        let state = sfu.state.path();
        let mut command = Command::new(binary("transom-agent"));
        command.args(["--whip", &format!("http://{}/whip/door", sfu.http)]);
        command.args(["--token", &sfu.token("publish")]);
        command.args(["--source", "test", "--size", "320x240", "--audio", "none"]);
        command
            .arg("--config")
            .arg(state.join("transom-agent.toml"));
        // As systemd does.
        command.env("STATE_DIRECTORY", state);
        Program::start(command)
    }

    fn restart_agent(&mut self) {
        signal(self.agent.pid(), Signal::TERM);
        let deadline = monotonic_us() + 20_000_000;
        while self.agent.runs() {
            assert!(monotonic_us() < deadline, "it does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
        self.agent = Self::agent(&self.sfu);
    }

    async fn remote(&self, scope: &str) -> Remote {
        Remote::open(&self.sfu, scope).await
    }

    #[track_caller]
    fn moves(&self) {
        if !self.lines.is_powered() {
            let told = [self.sfu.program.lines(), self.agent.lines()].concat();
            panic!("it does not move:\n{}", told.join("\n"));
        }
    }

    /// Watches the processor for it from now on.
    fn processor(&self) -> ProcessorWatch {
        let started = self.agent.line("actuator: started pid=", SOON);
        let (_, pid) = started.split_once("pid=").expect("a pid");
        ProcessorWatch::new(pid.trim().parse().expect("a number"))
    }

    /// Waits until it stands, because of what happened just now.
    fn stands(&self, mut processor: ProcessorWatch) -> Standstill {
        let cause = monotonic_us();
        let stands = self.lines.wait_for_power(false, SOON);
        processor.look();
        Standstill::new(&self.lines, cause, stands, processor.waited())
    }

    /// Messages that the server dropped for this reason.
    fn dropped(&self, reason: &str) -> u32 {
        let lines = self.sfu.program.lines();
        let words = lines.iter().flat_map(|line| line.split_whitespace());
        let counts = words.filter_map(|word| word.strip_prefix(reason)?.strip_prefix('='));
        counts
            .map(|count| count.parse::<u32>().expect("a count"))
            .sum()
    }

    async fn wait_for_drops(&self, reason: &str, count: u32) {
        let deadline = monotonic_us() + 10_000_000;
        while self.dropped(reason) < count {
            assert!(
                monotonic_us() < deadline,
                "{reason}: {}",
                self.dropped(reason)
            );
            sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(self.dropped(reason), count, "{reason}");
    }
}

fn arm(follows: Epoch, echo: Stamp) -> Order {
    Order::Arm { follows, echo }
}

fn setpoint(epoch: Epoch, echo: Stamp) -> Order {
    Order::Setpoint {
        epoch,
        echo,
        picture: Stamp::NONE,
        axes: Axes::drive(Axis::FULL, Axis::ZERO),
    }
}

/// Median and most, in milliseconds; sorts.
fn figures(times: &mut [u64]) -> (f64, f64) {
    times.sort_unstable();
    let ms = |at: usize| times[at] as f64 / 1e3;
    (ms(times.len() / 2), ms(times.len() - 1))
}

/// The ends of some drives, and how many are wanted.
struct Ends {
    ends: Vec<Standstill>,
    wanted: usize,
    spoiled: usize,
}

impl Ends {
    fn new() -> Self {
        let rounds = std::env::var("TRANSOM_DRIVE_ROUNDS").ok();
        let rounds = rounds.map(|rounds| rounds.parse().expect("a number"));
        Self {
            ends: Vec::new(),
            wanted: rounds.unwrap_or(3),
            spoiled: 0,
        }
    }

    fn want_more(&self) -> bool {
        self.ends.len() < self.wanted
    }

    fn push(&mut self, end: Standstill) {
        if self.spoiled < 5 && end.is_spoiled() {
            self.spoiled += 1;
        } else {
            self.ends.push(end);
        }
    }

    fn check(self, what: &str) {
        let commands = self.ends.iter().map(|end| end.command);
        tell(&format!("{what}: last command obeyed"), LIMIT_US, commands);
        assert!(self.ends.iter().all(Standstill::in_time), "{:?}", self.ends);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_drive_drives_and_is_answered() {
    let mut scene = Scene::start();
    let mut driver = scene.remote("drive").await;
    driver.arm().await;
    driver.drive(Duration::from_secs(4)).await;
    scene.moves();
    let edges = scene.lines.edges("left");
    let mut delays: Vec<u64> = driver
        .sent
        .iter()
        .filter_map(|(speed, at)| {
            let edge = edges.iter().find(|edge| edge.value == *speed)?;
            Some(edge.at.saturating_sub(*at))
        })
        .collect();
    let (obeyed, sent) = (delays.len(), driver.sent.len());
    let (median, most) = figures(&mut delays);
    println!("setpoint -> edge: {obeyed} of {sent}, p50 {median:.2} ms, max {most:.2} ms");
    assert!(sent >= 100 && obeyed >= sent * 9 / 10);
    assert!(median * 1e3 < ANSWER_US as f64);

    for channel in [Channel::Control, Channel::Reliable] {
        let mut times = Vec::new();
        for number in 0..60 {
            let seq = 1_000_000 * (1 + u32::from(channel == Channel::Reliable)) + number;
            let sent = monotonic_us();
            driver.send(channel, seq, Order::Disarm { epoch: Epoch::ALL });
            let answers = |kind| matches!(kind, ReportKind::Ack { seq: s, .. } if s == Seq(seq));
            while !answers(driver.report().await.kind) {}
            times.push(monotonic_us() - sent);
            sleep(Duration::from_millis(55)).await;
        }
        let (median, most) = figures(&mut times);
        let label = channel.label();
        println!(
            "{label}: command -> answer: {} of 60, p50 {median:.2} ms, max {most:.2} ms",
            times.len()
        );
        assert!(median * 1e3 < ANSWER_US as f64);
    }
    assert!(!scene.lines.is_powered());
    scene.sfu.still_serves();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_watch_hears_of_it_and_moves_nothing() {
    let mut scene = Scene::start();
    let mut watcher = scene.remote("watch").await;
    let before = watcher.report().await;
    assert_eq!(before.state, State::Disarmed);
    let follows = before.epoch;
    let orders = [
        arm(follows, before.stamp),
        setpoint(follows, before.stamp),
        setpoint(Epoch(follows.0 + 1), before.stamp),
        Order::Stop {
            epoch: Epoch::ALL,
            reason: StopReason::Operator,
        },
        Order::Ping,
    ];
    let mut seq = 0;
    for channel in [Channel::Control, Channel::Reliable] {
        for order in orders {
            seq += 1;
            watcher.send(channel, seq, order);
        }
    }
    scene.wait_for_drops("no_drive_scope", seq).await;
    // What waited is read, and then some: nothing of it has reached the device.
    for _ in 0..100 {
        let report = watcher.report().await;
        assert!(!matches!(report.kind, ReportKind::Ack { .. }));
        if let ReportKind::Beacon { heard, .. } = report.kind {
            assert_eq!(heard, Seq(0));
        }
        let now = (report.state, report.epoch, report.lease);
        assert_eq!(now, (before.state, before.epoch, before.lease));
    }
    assert!(
        scene
            .lines
            .edges("enable")
            .iter()
            .all(|edge| edge.value == 0)
    );

    // While somebody else drives, it is told so, and moves and stops nothing either.
    let mut driver = scene.remote("drive").await;
    driver.arm().await;
    driver.drive(Duration::from_millis(200)).await;
    for order in orders {
        seq += 1;
        watcher.send(Channel::Control, seq, order);
    }
    driver.drive(Duration::from_millis(500)).await;
    scene.moves();
    assert_eq!(driver.operator.status(monotonic_us()).phase, Phase::Armed);
    while watcher.report().await.state != State::Armed {}
    let status = watcher.operator.status(monotonic_us());
    assert_eq!(status.phase, Phase::Foreign);
    driver.drive(Duration::from_millis(100)).await;
    scene.wait_for_drops("no_drive_scope", seq).await;
    scene.sfu.still_serves();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_drives_at_a_time_anybody_who_may_stops_and_the_next_one_follows() {
    let mut scene = Scene::start();
    let mut first = scene.remote("drive").await;
    first.arm().await;
    first.drive(Duration::from_millis(300)).await;
    let mut second = scene.remote("drive").await;
    first.drive(Duration::from_millis(300)).await;
    let heard = second.report().await;
    assert_eq!(second.operator.arm(monotonic_us()), Err(ArmError::Armed));
    assert_eq!(second.operator.status(monotonic_us()).phase, Phase::Foreign);
    // A page that asks all the same is not heard.
    second.send(Channel::Control, 1, arm(heard.epoch, heard.stamp));
    second.send(Channel::Control, 2, setpoint(heard.epoch, heard.stamp));
    second.send(Channel::Control, 3, Order::Disarm { epoch: Epoch::ALL });
    first.drive(Duration::from_millis(500)).await;
    assert_eq!(first.operator.status(monotonic_us()).phase, Phase::Armed);
    scene.moves();
    scene.wait_for_drops("not_holder", 3).await;

    // It may stop it, though.
    first.arm().await;
    first.drive(Duration::from_millis(200)).await;
    scene.moves();
    let asked = monotonic_us();
    let stop = Order::Stop {
        epoch: Epoch::ALL,
        reason: StopReason::Operator,
    };
    second.send(Channel::Control, 4, stop);
    let stands = scene.lines.wait_for_power(false, SOON);
    println!(
        "stop -> no power: {:.2} ms",
        stands.saturating_sub(asked) as f64 / 1e3
    );
    scene.agent.line("stopped: operator", SOON);
    first.drive(Duration::from_millis(300)).await;
    assert!(!scene.lines.is_powered(), "it drives on after a stop");

    // With the first one gone the second one drives.
    first.arm().await;
    first.drive(Duration::from_millis(300)).await;
    scene.moves();
    let asked = monotonic_us();
    first.close().await;
    let stands = scene.lines.wait_for_power(false, SOON);
    println!(
        "goodbye -> no power: {:.2} ms",
        stands.saturating_sub(asked) as f64 / 1e3
    );
    scene.agent.line("stopped: link-lost", SOON);
    second.arm().await;
    second.drive(Duration::from_millis(300)).await;
    scene.moves();
    scene.sfu.still_serves();
}

/// Whose machine is gone: no goodbye, and no end of anything that the server or the agent could see. The
/// next driver need not wait until its session has timed out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_vanishes_stops_in_time() {
    let mut scene = Scene::start();
    let mut ends = Ends::new();
    while ends.want_more() {
        let mut driver = scene.remote("drive").await;
        driver.arm().await;
        driver.drive(Duration::from_millis(400)).await;
        scene.moves();
        let processor = scene.processor();
        driver.vanish().await;
        ends.push(scene.stands(processor));
        scene.agent.line("stopped: stale", SOON);
        sleep(Duration::from_millis(200)).await;
        assert!(!scene.lines.is_powered(), "it moves again");
    }
    ends.check("the driver vanishes");
    scene.sfu.still_serves();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_stops_in_time() {
    let mut ends = Ends::new();
    while ends.want_more() {
        let scene = Scene::start();
        let mut driver = scene.remote("drive").await;
        driver.arm().await;
        driver.drive(Duration::from_millis(400)).await;
        scene.moves();
        let processor = scene.processor();
        signal(scene.sfu.program.pid(), Signal::KILL);
        driver.drive(Duration::from_millis(500)).await;
        ends.push(scene.stands(processor));
    }
    ends.check("the server is killed");
}

/// An agent that does not read for a while gets the newest setpoint then, not a queue of old ones.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn setpoints_do_not_queue_for_an_agent_that_does_not_read() {
    let mut scene = Scene::start();
    let mut driver = scene.remote("drive").await;
    driver.arm().await;
    driver.drive(Duration::from_millis(300)).await;
    scene.moves();
    let heard = driver.latest.expect("a report");
    signal(scene.agent.pid(), Signal::STOP);
    let mut seq = 1_000_000;
    for _ in 0..100 {
        seq += 1;
        let order = setpoint(heard.epoch, heard.stamp);
        driver.send(Channel::Control, seq, order);
        sleep(Duration::from_millis(15)).await;
    }
    scene.lines.wait_for_power(false, SOON);
    sleep(Duration::from_millis(1100)).await; // losses are told once a second
    let superseded = scene.dropped("superseded");
    println!("{superseded} of 100 setpoints superseded by newer ones");
    assert!(superseded >= 20);
    signal(scene.agent.pid(), Signal::CONT);
    sleep(Duration::from_millis(500)).await;
    assert!(!scene.lines.is_powered(), "it moves by what waited");
    driver.arm().await;
    driver.drive(Duration::from_millis(300)).await;
    scene.moves();
    scene.sfu.still_serves();
}

/// The driver on another media thread than the device, and watchers on both.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_and_reports_pass_between_workers() {
    let mut scene = Scene::start_with("workers = 2\n");
    let mut watchers = Vec::new();
    for _ in 0..OF_THE_FIRST_WORKER {
        watchers.push(scene.remote("watch").await);
    }
    let mut driver = scene.remote("drive").await;
    watchers.push(scene.remote("watch").await);
    driver.arm().await;
    driver.drive(Duration::from_millis(500)).await;
    scene.moves();
    let processor = scene.processor();
    driver.vanish().await;
    let end = scene.stands(processor);
    assert!(end.in_time() || end.is_spoiled(), "{end:?}");
    for watcher in &mut watchers {
        while watcher.report().await.state != State::Stopped(StopReason::Stale) {}
    }
    scene.sfu.still_serves();
}

/// What an actuator was handed and never read holds the next one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_emergency_that_a_dying_actuator_had_not_read_holds_the_next_one() {
    let scene = Scene::start();
    let started = scene.agent.line("actuator: started pid=", SOON);
    let (_, pid) = started.split_once("pid=").expect("a pid");
    let pid = pid.trim().parse().expect("a number");
    let mut driver = scene.remote("drive").await;
    driver.arm().await;
    driver.drive(Duration::from_millis(300)).await;
    scene.moves();
    signal(pid, Signal::STOP);
    driver.operator.emergency(monotonic_us());
    driver.drive(Duration::from_millis(150)).await;
    signal(pid, Signal::KILL);
    let deadline = monotonic_us() + 10_000_000;
    while driver.report().await.state != State::Emergency {
        assert!(monotonic_us() < deadline, "{:#?}", scene.agent.lines());
    }
    assert!(scene.sfu.state.path().join("emergency-stop").exists());
    assert!(!scene.lines.is_powered());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_emergency_outlives_the_actuator_and_ends_with_a_reset() {
    let mut scene = Scene::start();
    let started = scene.agent.line("actuator: started pid=", SOON);
    let mut driver = scene.remote("drive").await;
    driver.arm().await;
    driver.drive(Duration::from_millis(300)).await;
    scene.moves();
    let pressed = monotonic_us();
    driver.operator.emergency(pressed);
    driver.drive(Duration::from_millis(200)).await;
    let phase = |driver: &Remote| driver.operator.status(monotonic_us()).phase;
    assert_eq!(phase(&driver), Phase::Resting(State::Emergency));
    let fell = scene.lines.wait_for_power(false, SOON);
    println!("emergency -> edge: {:.2} ms", (fell - pressed) as f64 / 1e3);
    assert!(fell - pressed < ANSWER_US);

    let (_, pid) = started.split_once("pid=").expect("a pid");
    signal(pid.trim().parse().expect("a number"), Signal::KILL);
    // The next one is disarmed for a moment, and then held as well.
    driver.drive(Duration::from_secs(1)).await;
    assert_eq!(phase(&driver), Phase::Resting(State::Emergency));
    assert_eq!(
        driver.operator.arm(monotonic_us()),
        Err(ArmError::Emergency)
    );

    // Nor does the end of the agent end it.
    let note = scene.sfu.state.path().join("emergency-stop");
    assert!(note.exists());
    scene.restart_agent();
    scene.agent.line("an emergency stop from before", SOON);
    let mut driver = scene.remote("drive").await;
    driver.drive(Duration::from_secs(1)).await;
    assert_eq!(phase(&driver), Phase::Resting(State::Emergency));

    driver.operator.reset(monotonic_us()).expect("it is held");
    driver.drive(Duration::from_millis(200)).await;
    assert_eq!(phase(&driver), Phase::Resting(State::Disarmed));
    assert!(!note.exists());
    driver.arm().await;
    driver.drive(Duration::from_millis(300)).await;
    scene.moves();

    let light = |driver: &mut Remote, value| {
        driver
            .operator
            .switch(monotonic_us(), Output::Light, value, 0);
    };
    light(&mut driver, 1);
    driver.drive(Duration::from_millis(200)).await;
    let pressed = driver.operator.status(monotonic_us()).pressed;
    let pressed = pressed.expect("a press");
    assert_eq!(
        (pressed.answer, pressed.waits),
        (Some(AckResult::Done), false)
    );
    let edges = scene.lines.edges("light");
    assert_eq!(edges.last().map(|edge| edge.value), Some(1));
    scene.moves();
}
