//! A robot driven through the server: real processes, a peer of ours that plays the page.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails where it fails"
)]

use std::process::Command;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use transom_control::{Axes, Axis, Channel, Operator, OperatorConfig, Phase};
use transom_rtc_proto::channel::{ChannelConfig, ChannelEvent, ChannelId, MessageKind};
use transom_rtc_proto::port::{Delivery, Reliability};
use transom_rtc_tokio::Clock;
use transom_rtc_tokio::address::AddressPolicy;
use transom_rtc_tokio::call::{CallConfig, place};
use transom_rtc_tokio::client::{Endpoint, EndpointConfig};
use transom_rtc_tokio::driver::{Connection, PeerHandle};
use transom_tests_e2e::{Lines, Program, Sfu, binary, monotonic_us};

const SOON: Duration = Duration::from_secs(30);
/// The device's limit of age, which counts where the driver goes without a goodbye.
const LIMIT_US: u64 = 300_000;
/// What a loaded machine may add.
const SLACK_US: u64 = 300_000;

/// A viewer with both control channels.
struct Driver {
    handle: PeerHandle,
    channels: mpsc::Receiver<ChannelEvent>,
    task: JoinHandle<()>,
    open: Vec<(ChannelId, Channel)>,
    operator: Operator,
}

impl Driver {
    async fn open(sfu: &Sfu, scope: &str) -> Self {
        let deadline = Instant::now() + SOON;
        let answered = loop {
            let url = format!("http://{}/whep/door", sfu.http);
            let config = EndpointConfig::new(&url, Some(&sfu.token(scope)));
            let placed = place(&CallConfig {
                endpoint: Endpoint::new(config).expect("an endpoint"),
                addresses: AddressPolicy::default(),
                tracks: Vec::new(),
                data_channels: true,
            });
            match placed.await {
                Ok(answered) => break answered,
                // The agent is on its way.
                Err(error) => assert!(Instant::now() < deadline, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        };
        let (_, connection) = answered.connect(Clock::new());
        let Connection {
            handle,
            channels,
            driver,
            ..
        } = connection;
        let task = tokio::spawn(async move {
            let _ = driver.run().await;
        });
        let unordered = Delivery {
            ordered: false,
            reliability: Reliability::MaxRetransmits(0),
        };
        let mut open = Vec::new();
        for (config, channel) in [
            (
                ChannelConfig::new("control").delivery(unordered),
                Channel::Control,
            ),
            (ChannelConfig::new("control-reliable"), Channel::Reliable),
        ] {
            let id = handle.open_channel(config).await.expect("a channel");
            open.push((id, channel));
        }
        Self {
            handle,
            channels,
            task,
            open,
            operator: Operator::new(OperatorConfig {
                interval_us: 20_000,
                ..OperatorConfig::default()
            }),
        }
    }

    /// Drives ahead, armed if it may be, until `done` or for `limit`; whether it was done.
    async fn drive(
        &mut self,
        arm: bool,
        limit: Duration,
        done: impl Fn(&Operator) -> bool,
    ) -> bool {
        let deadline = Instant::now() + limit;
        let mut ticks = tokio::time::interval(Duration::from_millis(5));
        let mut pressed = !arm;
        while Instant::now() < deadline {
            tokio::select! {
                event = self.channels.recv() => {
                    if let ChannelEvent::Message { data, .. } = event.expect("a live peer") {
                        self.operator.handle_message(monotonic_us(), &data).expect("a report");
                    }
                }
                _ = ticks.tick() => {}
            }
            let now = monotonic_us();
            if !pressed {
                pressed = self.operator.arm(now).is_ok();
            }
            self.operator
                .drive(now, Axes::drive(Axis::FULL, Axis::ZERO));
            while let Some(out) = self.operator.poll_transmit(now) {
                let (id, _) = self
                    .open
                    .iter()
                    .find(|(_, c)| *c == out.channel)
                    .expect("both");
                let _ =
                    self.handle
                        .try_send_message(*id, MessageKind::Binary, out.message.to_vec());
            }
            if done(&self.operator) {
                return true;
            }
        }
        false
    }
}

fn is_armed(operator: &Operator) -> bool {
    operator.status(monotonic_us()).phase == Phase::Armed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drive_token_drives_a_watch_token_does_not_and_who_vanishes_stops() {
    let mut sfu = Sfu::start();
    let trace = sfu.state.path().join("trace");
    let config = format!(
        "[control]\nboard = \"sim\"\ntrace = \"{}\"\n",
        trace.display()
    );
    let config = sfu.state.write("transom-agent.toml", &config);
    let mut command = Command::new(binary("transom-agent"));
    command.args(["--whip", &format!("http://{}/whip/door", sfu.http)]);
    command.args(["--token", &sfu.token("publish")]);
    command.arg("--config").arg(config);
    let agent = Program::start(command);
    let lines = Lines::new(&trace);

    let mut watcher = Driver::open(&sfu, "watch").await;
    let armed = watcher.drive(true, Duration::from_secs(3), is_armed).await;
    assert!(!armed, "a watch token armed it");
    let heard = watcher.operator.status(monotonic_us());
    assert!(heard.phase != Phase::Armed && !lines.is_powered());

    let mut driver = Driver::open(&sfu, "drive").await;
    let armed = driver.drive(true, SOON, is_armed).await;
    let told = || [sfu.program.lines(), agent.lines()].concat().join("\n");
    assert!(armed, "not armed:\n{}", told());
    driver
        .drive(false, Duration::from_millis(500), |_| false)
        .await;
    assert!(lines.is_powered(), "no power:\n{}", told());

    // It vanishes: no goodbye, nothing more is sent.
    driver.task.abort();
    let gone = monotonic_us();
    let stands = lines.wait_for_power(false, SOON);
    let after = stands.saturating_sub(gone);
    println!("driver vanished -> no power: {:.1} ms", after as f64 / 1e3);
    assert!(after <= LIMIT_US + SLACK_US, "{after} us");
    sfu.still_serves();
}
