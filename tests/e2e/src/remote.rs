//! A viewer that may drive, if its token lets it: what the page does, without a page.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};
use transom_control::wire::{LeaseAction, LeaseNotice, LeaseRequest, LeaseResult};
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
    /// Of its own clock: [`now`](Self::now).
    pub operator: Operator,
    /// The latest report.
    pub latest: Option<Report>,
    /// How the lease stands, once it was asked about.
    pub notice: Option<LeaseNotice>,
    requests: u32,
    /// What its clock is ahead of CLOCK_MONOTONIC, in microseconds.
    pub clock_ahead: u64,
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
        Self::open_with(sfu, &sfu.token(scope), stream).await
    }

    /// The same with a token of the caller's.
    pub async fn open_with(sfu: &Sfu, token: &str, stream: &str) -> Self {
        let url = format!("http://{}/whep/{stream}", sfu.http);
        Self::call(&url, token).await
    }

    /// The same by the address of a stream and a token, once it is published.
    pub async fn call(url: &str, token: &str) -> Self {
        let config = EndpointConfig::new(url, Some(token));
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
            notice: None,
            requests: 0,
            clock_ahead: 0,
            sent: Vec::new(),
            ticks,
            speed: 0,
        }
    }

    /// Its own time, in microseconds.
    pub fn now(&self) -> u64 {
        monotonic_us() + self.clock_ahead
    }

    /// Takes the next report, for `time` at most; true where one came.
    pub async fn hear(&mut self, time: Duration) -> bool {
        let event = timeout(time, self.channels.recv()).await;
        let report = event.map(|event| self.take(event.expect("a live peer")));
        report.is_ok_and(|report| report.is_some())
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

    /// Asks the server something about the lease, and waits for the answer; drives on meanwhile, if it drives.
    pub async fn ask(&mut self, action: LeaseAction) -> LeaseResult {
        self.requests += 1;
        let number = self.requests;
        self.say(Channel::Reliable, &LeaseRequest { number, action }.emit());
        self.answer().await
    }

    /// The answer to the latest request, if that comes later than what it had first.
    pub async fn answer(&mut self) -> LeaseResult {
        let before = self.notice.take();
        let deadline = Instant::now() + SOON;
        loop {
            self.drive(Duration::from_millis(10)).await;
            let answer = self.notice.and_then(|notice| notice.answer);
            if let Some((_, result)) = answer.filter(|(number, _)| *number == self.requests) {
                return result;
            }
            assert!(Instant::now() < deadline, "no answer: {before:?}");
        }
    }

    /// Whether the server has told that this one holds the lease.
    pub fn holds(&self) -> bool {
        self.notice
            .is_some_and(|notice| notice.holder.is_some_and(|h| h.party.source == notice.you))
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
        let status = self.operator.status(self.now());
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
            let now = self.now();
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

    /// Takes reports for `time`, and sends what the operator has to say by itself.
    pub async fn pass(&mut self, time: Duration) {
        let until = tokio::time::Instant::now() + time;
        loop {
            while let Some(out) = self.operator.poll_transmit(monotonic_us()) {
                self.say(out.channel, &out.message);
            }
            match tokio::time::timeout_at(until, self.channels.recv()).await {
                Ok(event) => self.take(event.expect("a live peer")),
                Err(_) => return,
            };
        }
    }

    /// Says goodbye.
    pub async fn close(self) {
        self.handle.close().await;
        let _ = self.driver.await;
    }

    /// Is gone from one moment to the next, without a word.
    pub async fn vanish(self) {
        self.driver.abort();
        // Not before: a driver that still runs would see its handles go, and say goodbye.
        let _ = self.driver.await;
    }

    /// Sends a message as it is.
    pub fn say(&self, channel: Channel, message: &[u8]) {
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
        if LeaseNotice::is_meant(&data) {
            self.notice = Some(LeaseNotice::parse(&data).expect("a notice"));
            return None;
        }
        let now = self.now();
        let report = self.operator.handle_message(now, &data);
        let report = report.expect("a report");
        self.latest = Some(report);
        Some(report)
    }
}
