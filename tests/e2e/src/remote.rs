//! A viewer that may drive, if its token lets it: what the page does, without a page.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};
use transom_control::{
    Axes, Axis, Channel, Command, Lease, Operator, OperatorConfig, Order, Phase, Report, Seq,
    Source,
};
use transom_rtc_proto::channel::{ChannelConfig, ChannelEvent, ChannelId, MessageKind};
use transom_rtc_proto::port::{Delivery, Reliability};
use transom_rtc_tokio::Clock;
use transom_rtc_tokio::address::AddressPolicy;
use transom_rtc_tokio::call::{CallConfig, place};
use transom_rtc_tokio::client::{Endpoint, EndpointConfig};
use transom_rtc_tokio::driver::{Connection, PeerHandle};

use crate::{Sfu, monotonic_us};

const SOON: Duration = Duration::from_secs(30);

/// A WHEP session with both control channels and no media.
pub struct Remote {
    handle: PeerHandle,
    channels: mpsc::Receiver<ChannelEvent>,
    driver: JoinHandle<()>,
    ids: Vec<(ChannelId, Channel)>,
    /// Of its own clock, CLOCK_MONOTONIC.
    pub operator: Operator,
    /// The latest report.
    pub latest: Option<Report>,
    /// Setpoints sent: the left wheel's speed, by which each is known, and when.
    pub sent: Vec<(i32, u64)>,
    ticks: Interval,
    speed: i16,
}

impl Remote {
    /// Watches the stream `door` with the token of this scope, once it is published.
    pub async fn open(sfu: &Sfu, scope: &str) -> Self {
        Self::open_stream(sfu, scope, "door").await
    }

    /// The same with another stream.
    pub async fn open_stream(sfu: &Sfu, scope: &str, stream: &str) -> Self {
        let url = format!("http://{}/whep/{stream}", sfu.http);
        let config = EndpointConfig::new(&url, Some(&sfu.token(scope)));
        let call = CallConfig {
            endpoint: Endpoint::new(config).expect("an endpoint"),
            addresses: AddressPolicy::default(),
            tracks: Vec::new(),
            data_channels: true,
        };
        let deadline = Instant::now() + SOON;
        let answered = loop {
            match place(&call).await {
                Ok(answered) => break answered,
                // The agent is on its way.
                Err(error) => assert!(Instant::now() < deadline, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        let (_, connection) = answered.connect(Clock::new());
        let Connection {
            handle,
            channels,
            driver,
            ..
        } = connection;
        let driver = tokio::spawn(async move {
            let _ = driver.run().await;
        });
        let unordered = Delivery {
            ordered: false,
            reliability: Reliability::MaxRetransmits(0),
        };
        let control = ChannelConfig::new(Channel::Control.label()).delivery(unordered);
        let reliable = ChannelConfig::new(Channel::Reliable.label());
        let mut ids = Vec::new();
        for (config, channel) in [(control, Channel::Control), (reliable, Channel::Reliable)] {
            ids.push((
                handle.open_channel(config).await.expect("a channel"),
                channel,
            ));
        }
        let mut ticks = interval(Duration::from_millis(5));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        Self {
            handle,
            channels,
            driver,
            ids,
            operator: Operator::new(OperatorConfig {
                interval_us: 20_000,
                relayed: true,
                ..OperatorConfig::default()
            }),
            latest: None,
            sent: Vec::new(),
            ticks,
            speed: 0,
        }
    }

    /// Sends a command as it is.
    pub fn send(&self, channel: Channel, seq: u32, order: Order) {
        let command = Command {
            source: Source(0),
            lease: Lease(0),
            seq: Seq(seq),
            order,
        };
        self.say(channel, &command.emit());
    }

    /// The next report.
    pub async fn report(&mut self) -> Report {
        loop {
            let event = timeout(SOON, self.channels.recv()).await;
            let event = event.expect("a report in time").expect("a live peer");
            if let Some(report) = self.take(event) {
                return report;
            }
        }
    }

    /// Takes reports for `time` and sends nothing.
    pub async fn listen(&mut self, time: Duration) {
        let until = tokio::time::Instant::now() + time;
        while let Ok(event) = tokio::time::timeout_at(until, self.channels.recv()).await {
            self.take(event.expect("a live peer"));
        }
    }

    /// Presses the button until it drives.
    pub async fn arm(&mut self) {
        // What waited may be of another time.
        self.listen(Duration::from_millis(150)).await;
        let armed = self.run(SOON, true, |operator, now| {
            operator.status(now).phase == Phase::Armed
        });
        let armed = armed.await;
        let status = self.operator.status(monotonic_us());
        assert!(armed, "not armed within {SOON:?}: {status:?}");
    }

    /// Drives ahead for `time`, each time a little faster.
    pub async fn drive(&mut self, time: Duration) {
        self.run(time, false, |_, _| false).await;
    }

    /// As the page does: takes reports and sends what is due, until `done` (true) or for `time`.
    async fn run(
        &mut self,
        time: Duration,
        arm: bool,
        done: impl Fn(&Operator, u64) -> bool,
    ) -> bool {
        let deadline = Instant::now() + time;
        while Instant::now() < deadline {
            tokio::select! {
                event = self.channels.recv() => {
                    self.take(event.expect("a live peer"));
                }
                _ = self.ticks.tick() => {}
            }
            let now = monotonic_us();
            if arm {
                let _ = self.operator.arm(now);
            }
            if done(&self.operator, now) {
                return true;
            }
            let ahead = Axis::new(1000 + self.speed % 20_000).expect("a speed");
            self.operator.drive(now, Axes::drive(ahead, Axis::ZERO));
            while let Some(out) = self.operator.poll_transmit(now) {
                let order = Command::parse(&out.message).map(|command| command.order);
                if let Ok(Order::Setpoint { axes, .. }) = order {
                    self.sent.push((axes.linear.raw().into(), monotonic_us()));
                    self.speed += 1;
                }
                self.say(out.channel, &out.message);
            }
        }
        false
    }

    /// Says goodbye.
    pub async fn close(self) {
        self.handle.close().await;
        let _ = self.driver.await;
    }

    /// Is gone from one moment to the next, without a word.
    pub fn vanish(self) {
        self.driver.abort();
    }

    fn say(&self, channel: Channel, message: &[u8]) {
        let (id, _) = self.ids.iter().find(|(_, c)| *c == channel).expect("both");
        // A channel that is not open yet takes nothing.
        let _ = self
            .handle
            .try_send_message(*id, MessageKind::Binary, message.to_vec());
    }

    fn take(&mut self, event: ChannelEvent) -> Option<Report> {
        let ChannelEvent::Message { data, .. } = event else {
            return None;
        };
        let report = self.operator.handle_message(monotonic_us(), &data);
        let report = report.expect("a report");
        self.latest = Some(report);
        Some(report)
    }
}
