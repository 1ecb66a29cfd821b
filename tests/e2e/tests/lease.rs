//! The lease to drive, asked for: real processes, two who may drive and one who may override.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails where it fails"
)]

use std::process::Command;
use std::time::{Duration, Instant};

use transom_control::wire::{LeaseAction, LeaseResult};
use transom_control::{Channel, Order, Phase, Source, State, StopReason};
use transom_rtc_telemetry::Scrape;
use transom_tests_e2e::{Lines, Program, Remote, Request, Sfu, binary, monotonic_us};

const SOON: Duration = Duration::from_secs(30);
/// What a loaded machine may take for a command's way.
const AT_ONCE_US: u64 = 250_000;
const CHIEF: &str = "the-token-of-the-chief";
const READER: &str = "the-token-of-the-reader";

struct Scene {
    sfu: Sfu,
    agent: Program,
    lines: Lines,
}

impl Scene {
    fn start() -> Self {
        let token = |name: &str, token: &str, scopes: &str| {
            format!("[[token]]\nname = \"{name}\"\ntoken = \"{token}\"\nscopes = [{scopes}]\n")
        };
        let chief = token("chief", CHIEF, "\"watch\", \"drive\", \"admin\"");
        let reader = token("reader", READER, "\"metrics\"");
        let sfu = Sfu::start_with(&(chief + &reader));
        let trace = sfu.state.path().join("trace");
        let table = format!(
            "[control]\nboard = \"sim\"\npicture_limit_ms = 0\ntrace = \"{}\"\n",
            trace.display()
        );
        let config = sfu.state.write("transom-agent.toml", &table);
        let mut command = Command::new(binary("transom-agent"));
        command.args(["--whip", &format!("http://{}/whip/door", sfu.http)]);
        command.args(["--token", &sfu.token("publish")]);
        command.args(["--source", "test", "--size", "320x240", "--audio", "none"]);
        command.arg("--config").arg(config);
        Self {
            agent: Program::start(command),
            lines: Lines::new(&trace),
            sfu,
        }
    }

    async fn driver(&self) -> Remote {
        let mut driver = Remote::open(&self.sfu, "drive").await;
        driver.report().await;
        driver
    }

    async fn chief(&self) -> Remote {
        let mut chief = Remote::open_with(&self.sfu, CHIEF, "door").await;
        chief.report().await;
        chief
    }

    #[track_caller]
    fn moves(&self) {
        assert!(self.lines.is_powered(), "{:#?}", self.agent.lines());
    }

    /// Waits until it stands, which it must do at once.
    #[track_caller]
    fn stands_because_of(&self, cause: u64, what: &str) {
        let stands = self.lines.wait_for_power(false, SOON);
        let took = stands.saturating_sub(cause);
        println!("{what} -> no power: {:.2} ms", took as f64 / 1e3);
        assert!(took < AT_ONCE_US, "{what}: {took} us");
    }

    fn figure(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let response = self.sfu.send(Request::new("GET", "/metrics").token(READER));
        let scrape = Scrape::parse(&response.body).expect("figures");
        scrape.value(name, labels).expect("a figure")
    }
}

fn source(remote: &Remote) -> Source {
    remote.notice.expect("a notice").you
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handed_over_with_consent_it_stops_first_and_the_next_one_drives_at_once() {
    let mut scene = Scene::start();
    let mut first = scene.driver().await;
    let mut second = scene.driver().await;
    assert_eq!(first.ask(LeaseAction::Acquire).await, LeaseResult::Done);
    // Nothing moves, and yet it is the first one's.
    assert_eq!(second.ask(LeaseAction::Acquire).await, LeaseResult::Held);
    let heard = second.report().await;
    let (follows, echo) = (heard.epoch, heard.stamp);
    second.send(Channel::Reliable, 1, Order::Arm { follows, echo });
    second.listen(Duration::from_millis(300)).await;
    assert_ne!(second.latest.expect("a report").state, State::Armed);
    first.arm().await;
    first.drive(Duration::from_millis(400)).await;
    scene.moves();

    assert_eq!(second.ask(LeaseAction::Ask).await, LeaseResult::Asked);
    first.drive(Duration::from_millis(300)).await;
    let asker = first.notice.and_then(|notice| notice.holder?.asker);
    let (asker, left_ms) = asker.expect("the holder is told who asks");
    assert_eq!(
        (asker.source, asker.name.as_str()),
        (source(&second), "drive")
    );
    assert!((5_000..=10_000).contains(&left_ms), "{left_ms}");
    let deny = LeaseAction::Deny(asker.source);
    assert_eq!(first.ask(deny).await, LeaseResult::Done);
    assert_eq!(second.answer().await, LeaseResult::Denied);
    first.drive(Duration::from_millis(300)).await;
    scene.moves();

    assert_eq!(second.ask(LeaseAction::Ask).await, LeaseResult::Asked);
    first.drive(Duration::from_millis(300)).await;
    scene.moves();
    let asked = monotonic_us();
    let grant = LeaseAction::Grant(asker.source);
    assert_eq!(first.ask(grant).await, LeaseResult::Done);
    scene.stands_because_of(asked, "hand-over");
    scene.agent.line("stopped: replaced", SOON);
    assert_eq!(second.answer().await, LeaseResult::Done);
    assert!(second.holds() && !first.holds());
    // A key that is still held there moves nothing any more.
    first.drive(Duration::from_millis(300)).await;
    assert!(!scene.lines.is_powered(), "the former holder drives on");
    let pressed = Instant::now();
    second.arm().await;
    println!("armed after {:?}", pressed.elapsed());
    second.drive(Duration::from_millis(300)).await;
    scene.moves();
    // What was armed before it was handed over is the other one's now.
    first.listen(Duration::from_millis(200)).await;
    assert_eq!(first.operator.status(monotonic_us()).phase, Phase::Foreign);

    // Given up while it drives.
    let asked = monotonic_us();
    assert_eq!(second.ask(LeaseAction::Release).await, LeaseResult::Done);
    scene.stands_because_of(asked, "release");
    assert_eq!(first.ask(LeaseAction::Acquire).await, LeaseResult::Done);
    scene.sfu.still_serves();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_administrator_overrides_and_every_change_is_counted() {
    let mut scene = Scene::start();
    let mut driver = scene.driver().await;
    let mut other = scene.driver().await;
    let mut chief = scene.chief().await;
    assert_eq!(driver.ask(LeaseAction::Acquire).await, LeaseResult::Done);
    driver.arm().await;
    driver.drive(Duration::from_millis(300)).await;
    scene.moves();
    assert_eq!(
        other.ask(LeaseAction::Override).await,
        LeaseResult::NotAdmin
    );
    driver.drive(Duration::from_millis(200)).await;
    scene.moves();
    assert_eq!(chief.ask(LeaseAction::Query).await, LeaseResult::Done);
    assert!(chief.notice.expect("a notice").admin && !other.notice.expect("a notice").admin);
    let asked = monotonic_us();
    assert_eq!(chief.ask(LeaseAction::Override).await, LeaseResult::Done);
    scene.stands_because_of(asked, "override");
    scene.agent.line("stopped: replaced", SOON);
    driver.drive(Duration::from_millis(300)).await;
    assert!(!scene.lines.is_powered(), "the former holder drives on");
    let holder = driver.notice.and_then(|notice| notice.holder);
    let holder = holder.expect("the former holder is told");
    assert_eq!(holder.party.name.as_str(), "chief");
    chief.arm().await;
    chief.drive(Duration::from_millis(300)).await;
    scene.moves();

    // A stop is everybody's, and takes the lease of whoever has it.
    let asked = monotonic_us();
    let (epoch, reason) = (chief.report().await.epoch, StopReason::Operator);
    other.send(Channel::Reliable, 900, Order::Stop { epoch, reason });
    scene.stands_because_of(asked, "stop of another");
    chief.listen(Duration::from_millis(200)).await;
    assert!(!chief.holds());

    for (how, count) in [
        ("acquired", 1.0),
        ("overridden", 1.0),
        ("stopped", 1.0),
        ("handed_over", 0.0),
    ] {
        let told = scene.figure("transom_sfu_lease_changes_total", &[("how", how)]);
        assert_eq!(told, count, "{how}");
    }
    let refused = [("reason", "not_admin")];
    let refused = scene.figure("transom_sfu_lease_refusals_total", &refused);
    assert_eq!(refused, 1.0);
    assert!(scene.figure("transom_sfu_lease_notices_total", &[]) >= 6.0);
    scene.sfu.still_serves();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_that_nobody_renews_is_free_again() {
    let mut scene = Scene::start();
    let mut first = scene.driver().await;
    let mut second = scene.driver().await;
    assert_eq!(first.ask(LeaseAction::Acquire).await, LeaseResult::Done);
    first.arm().await;
    first.drive(Duration::from_millis(300)).await;
    scene.moves();
    let vanished = Instant::now();
    // No goodbye: the server takes half a minute to find that its session is over.
    first.vanish().await;
    assert_eq!(second.ask(LeaseAction::Acquire).await, LeaseResult::Held);
    while second.ask(LeaseAction::Acquire).await != LeaseResult::Done {
        second.listen(Duration::from_millis(200)).await;
        assert!(vanished.elapsed() < Duration::from_secs(20));
    }
    let after = vanished.elapsed();
    println!("free after {after:?}");
    assert!(after > Duration::from_secs(5) && after < Duration::from_secs(12));
    let how = [("how", "expired")];
    assert_eq!(scene.figure("transom_sfu_lease_changes_total", &how), 1.0);
    second.arm().await;
    second.drive(Duration::from_millis(300)).await;
    scene.moves();
    // Who renews keeps it, though nothing is driven.
    let until = Instant::now() + Duration::from_secs(9);
    while Instant::now() < until {
        assert_eq!(second.ask(LeaseAction::Renew).await, LeaseResult::Done);
        second.listen(Duration::from_secs(2)).await;
    }
    assert_eq!(second.ask(LeaseAction::Renew).await, LeaseResult::Done);
    scene.sfu.still_serves();
}
