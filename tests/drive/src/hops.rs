//! How old what is driven by is: an operator, the server's relay and a kernel, between them whole peers with the
//! real SCTP over links of datagrams. DTLS and SRTP are played, as in `tests/sim`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use transom_control::wire::{LeaseName, LeaseNotice};
use transom_control::{
    Axes, Axis, Channel, Command, Epoch, Kernel, KernelConfig, Operator, OperatorConfig, Order,
    Phase, Stamp,
};
use transom_rtc_proto::channel::{ChannelConfig, ChannelEvent, ChannelId, MessageKind};
use transom_rtc_proto::peer::Event;
use transom_rtc_proto::port::{Delivery, Reliability};
use transom_rtc_proto::time::Instant;
use transom_rtc_sctp::GuardedSctp;
use transom_sfu::media::api::{DriveRights, SessionId, StreamKey};
use transom_sfu::media::relay::{ChannelNote, Happening, Relay, RelayStats, Speaker};
use transom_tests_sim::link::LinkConfig;
use transom_tests_sim::pair::{Pair, PairConfig};

/// Between two setpoints: 50 Hz.
const INTERVAL_US: u64 = 20_000;
/// What is sent meanwhile counts no age: slow start, and the first arm.
const BEGINS: Duration = Duration::from_secs(3);
const KEYS: [u32; 2] = [1, 2];
const DEVICE: usize = 1;

/// An operator and a device, each a peer of the server's by a link of its own.
pub struct Hops {
    now: Instant,
    /// The operator's, and the device's; the server answers both.
    pairs: [Pair; 2],
    /// Whose channels have which ids: at the peer's end, and at the server's.
    ids: [[HashMap<Channel, ChannelId>; 2]; 2],
    relay: Relay,
    operator: Operator,
    kernel: Kernel,
    /// When each setpoint was sent, by its speed.
    sent: HashMap<i16, Instant>,
    speed: i16,
    armed: bool,
}

impl Hops {
    /// Both links alike, each way.
    pub fn new(link: LinkConfig, seed: u64) -> Self {
        let pairs = KEYS.map(|key| {
            let config = PairConfig {
                link: LinkConfig { loss: 0.0, ..link },
                lite: true,
                seed: seed * 2 + u64::from(key),
            };
            let mut pair = Pair::with_channels(config, Arc::new(GuardedSctp));
            let connected = pair.run_until(Duration::from_secs(15), Pair::is_connected);
            connected.expect("connects");
            pair
        });
        let now = pairs[0].now.max(pairs[1].now);
        let mut hops = Self {
            now,
            pairs,
            ids: Default::default(),
            relay: Relay::new(Arc::new(RelayStats::default())),
            operator: Operator::new(OperatorConfig {
                interval_us: INTERVAL_US,
                relayed: true,
                ..OperatorConfig::default()
            }),
            kernel: Kernel::new(KernelConfig::default(), device(now), Epoch(1)),
            sent: HashMap::new(),
            speed: 1000,
            armed: false,
        };
        hops.open();
        for pair in &mut hops.pairs {
            pair.set_link(link);
        }
        hops
    }

    /// Drives for so long: the age of the newest setpoint that moves it at each millisecond, in microseconds.
    pub fn run(mut self, time: Duration) -> Vec<u64> {
        let begins = self.now + BEGINS;
        let ends = begins + time;
        let mut sample = begins;
        let mut ages = Vec::new();
        while sample < ends {
            let next = self.next().clamp(self.now, sample);
            self.advance(next);
            if next == sample {
                let axes = self.kernel.output(device(self.now));
                let sent = self.sent.get(&axes.linear.raw());
                let sent = sent.unwrap_or_else(|| panic!("it stands: {:?}", self.kernel.state()));
                ages.push(self.now.since(*sent).as_micros() as u64);
                sample += Duration::from_millis(1);
            }
        }
        ages
    }

    /// Both channels of both, while nothing is lost.
    fn open(&mut self) {
        let unordered = Delivery {
            ordered: false,
            reliability: Reliability::MaxRetransmits(0),
        };
        for (pair, ids) in self.pairs.iter_mut().zip(&mut self.ids) {
            for channel in [Channel::Control, Channel::Reliable] {
                let config = ChannelConfig::new(channel.label());
                let config = match channel {
                    Channel::Control => config.delivery(unordered),
                    Channel::Reliable => config,
                };
                let id = pair.offerer.peer.open_channel(pair.now, config);
                ids[0].insert(channel, id.expect("a channel"));
            }
        }
        let until = self.now + Duration::from_secs(3);
        while self.now < until {
            let next = self.next().clamp(self.now, until);
            self.advance(next);
        }
    }

    fn next(&self) -> Instant {
        let pairs = self.pairs.iter().filter_map(Pair::next_event);
        let operator = self.operator.poll_timeout(self.now.as_micros());
        let operator = operator.map(|at| Instant::from_micros(at.max(self.now.as_micros() + 1000)));
        let kernel = Instant::from_micros(self.kernel.poll_timeout().micros());
        let kernel = kernel.max(self.now + Duration::from_micros(100));
        let all = pairs.chain(operator).chain(self.relay.poll_timeout());
        all.chain([kernel]).min().expect("a kernel")
    }

    /// Does all that is due at `now`, and all that follows from it.
    fn advance(&mut self, now: Instant) {
        self.now = now;
        for pair in &mut self.pairs {
            pair.advance_to(now);
        }
        for at in 0..self.pairs.len() {
            self.at_server(at);
        }
        self.relay.handle_timeout(now);
        self.relayed();
        self.at_operator();
        self.at_device();
        for pair in &mut self.pairs {
            pair.drain();
        }
    }

    fn at_server(&mut self, at: usize) {
        for event in channel_events(&mut self.pairs[at].answerer.events) {
            let (channel, what) = match event {
                ChannelEvent::Opened { channel, info, .. } => {
                    let label = Channel::from_label(&info.label).expect("one of ours");
                    self.ids[at][1].insert(label, channel);
                    (channel, Happening::Opened)
                }
                ChannelEvent::Message {
                    channel,
                    kind,
                    data,
                } => (channel, Happening::Message { kind, data }),
                ChannelEvent::Closed { .. } | ChannelEvent::BufferedLow { .. } => continue,
            };
            let ids = &self.ids[at][1];
            let (label, _) = ids
                .iter()
                .find(|(_, id)| **id == channel)
                .expect("an open one");
            let mut session = [0; SessionId::LEN];
            session[0] = at as u8;
            let note = ChannelNote {
                speaker: Speaker {
                    key: KEYS[at],
                    session: SessionId::from_bytes(session),
                    stream: StreamKey(1),
                    publisher: at == DEVICE,
                    rights: DriveRights {
                        drive: at != DEVICE,
                        admin: false,
                        name: LeaseName::new("operator"),
                    },
                },
                label: label.label().into(),
                what,
            };
            self.relay.handle_note(self.now, &note);
            self.relayed();
        }
    }

    fn relayed(&mut self) {
        while let Some(out) = self.relay.poll_send() {
            let at = KEYS
                .iter()
                .position(|key| *key == out.key)
                .expect("one of two");
            let channel = Channel::from_label(&out.label).expect("one of ours");
            if let Some(id) = self.ids[at][1].get(&channel) {
                let peer = &mut self.pairs[at].answerer.peer;
                let _ = peer.send_message(*id, MessageKind::Binary, &out.data);
            }
        }
    }

    fn at_operator(&mut self) {
        let now = self.now.as_micros();
        for event in channel_events(&mut self.pairs[0].offerer.events) {
            if let ChannelEvent::Message { data, .. } = event
                && !LeaseNotice::is_meant(&data)
            {
                let _ = self.operator.handle_message(now, &data).expect("a report");
            }
        }
        let phase = self.operator.status(now).phase;
        self.armed |= phase == Phase::Armed;
        if !self.armed && matches!(phase, Phase::Resting(_)) {
            let _ = self.operator.arm(now);
        }
        let ahead = Axis::new(self.speed).expect("a speed");
        self.operator.drive(now, Axes::drive(ahead, Axis::ZERO));
        while let Some(out) = self.operator.poll_transmit(now) {
            let order = Command::parse(&out.message).map(|command| command.order);
            if let Ok(Order::Setpoint { axes, .. }) = order {
                self.sent.insert(axes.linear.raw(), self.now);
                self.speed += 1;
            }
            let id = self.ids[0][0][&out.channel];
            let peer = &mut self.pairs[0].offerer.peer;
            let _ = peer.send_message(id, MessageKind::Binary, &out.message);
        }
    }

    fn at_device(&mut self) {
        let now = device(self.now);
        for event in channel_events(&mut self.pairs[DEVICE].offerer.events) {
            if let ChannelEvent::Message { channel, data, .. } = event {
                let ids = &self.ids[DEVICE][0];
                let (label, _) = ids
                    .iter()
                    .find(|(_, id)| **id == channel)
                    .expect("an open one");
                let _ = self.kernel.handle_message(now, *label, &data);
            }
        }
        self.kernel.handle_timeout(now);
        while let Some(out) = self.kernel.poll_transmit(now) {
            let id = self.ids[DEVICE][0][&out.channel];
            let peer = &mut self.pairs[DEVICE].offerer.peer;
            let _ = peer.send_message(id, MessageKind::Binary, &out.message);
        }
    }
}

fn channel_events(events: &mut Vec<(Instant, Event)>) -> Vec<ChannelEvent> {
    let events = std::mem::take(events).into_iter();
    let channels = events.filter_map(|(_, event)| match event {
        Event::Channel(event) => Some(event),
        _ => None,
    });
    channels.collect()
}

fn device(now: Instant) -> Stamp {
    Stamp::from_micros(now.as_micros())
}
