use std::sync::atomic::Ordering;
use std::time::Duration;

use transom_control::wire::LeaseName;
use transom_control::{
    AckResult, Axes, CommandKind, Epoch, KernelConfig, Lease, Order, ReportKind, Seq, Source,
    Stamp, State, StopReason,
};

use super::*;
use crate::media::api::{DriveRights, SessionId};

mod lease;

mod pictures;

const STREAM: StreamKey = StreamKey(1);
const DEVICE: u32 = 0;
/// An operator who may override; opened by tests that need one.
const ADMIN: u32 = 4;

struct Scene {
    relay: Relay,
    now: Instant,
}

const fn speaker(key: u32, may_drive: bool) -> Speaker {
    Speaker {
        key,
        session: SessionId::from_bytes([key as u8; SessionId::LEN]),
        stream: STREAM,
        publisher: key == DEVICE,
        rights: DriveRights {
            drive: may_drive,
            admin: key == ADMIN,
            name: LeaseName::EMPTY,
        },
    }
}

fn command(seq: u32, order: Order) -> Vec<u8> {
    let command = Command {
        source: Source(7),
        lease: Lease(99),
        seq: Seq(seq),
        order,
    };
    command.emit().to_vec()
}

fn arm(seq: u32) -> Vec<u8> {
    command(
        seq,
        Order::Arm {
            follows: Epoch(0),
            echo: Stamp::from_micros(5),
        },
    )
}

fn setpoint(seq: u32) -> Vec<u8> {
    command(
        seq,
        Order::Setpoint {
            epoch: Epoch(1),
            echo: Stamp::from_micros(5),
            picture: Stamp::NONE,
            axes: Axes::ZERO,
        },
    )
}

fn stop(seq: u32) -> Vec<u8> {
    command(
        seq,
        Order::Stop {
            epoch: Epoch(1),
            reason: StopReason::Operator,
        },
    )
}

fn beacon(lease: u32) -> Vec<u8> {
    report(lease, State::Disarmed)
}

fn report(lease: u32, state: State) -> Vec<u8> {
    let report = Report {
        state,
        lease: Lease(lease),
        epoch: Epoch(0),
        stamp: Stamp::from_micros(5),
        kind: ReportKind::Beacon {
            heard: Seq(0),
            held_us: 0,
            applied: Seq(0),
            limit_ms: (KernelConfig::default().limit_us / 1000) as u16,
            age_ms: 0,
            refused: None,
            speed: 100,
            picture_limit_ms: 0,
        },
    };
    report.emit().to_vec()
}

fn ack(lease: u32) -> Vec<u8> {
    let report = Report {
        state: State::Armed,
        lease: Lease(lease),
        epoch: Epoch(1),
        stamp: Stamp::from_micros(6),
        kind: ReportKind::Ack {
            seq: Seq(1),
            of: CommandKind::Arm,
            result: AckResult::Done,
        },
    };
    report.emit().to_vec()
}

impl Scene {
    /// A device that has reported, the drivers 1 and 2, and 3 who may watch only.
    fn new(lease: u32) -> Self {
        let mut scene = Self {
            relay: Relay::default(),
            now: Instant::from_millis(1000),
        };
        for key in 0..4 {
            scene.open(key);
        }
        scene.says(DEVICE, &beacon(lease));
        assert_eq!(scene.sent().len(), 3);
        scene
    }

    fn note(&mut self, key: u32, label: &str, what: Happening) {
        let note = ChannelNote {
            speaker: speaker(key, [1, 2, ADMIN].contains(&key)),
            label: label.into(),
            what,
        };
        self.relay.handle_note(self.now, &note);
    }

    fn open(&mut self, key: u32) {
        for channel in [Channel::Control, Channel::Reliable] {
            self.note(key, channel.label(), Happening::Opened);
        }
    }

    fn gone(&mut self, key: u32) {
        self.relay.handle_gone(self.now, key);
    }

    /// Lets time pass, and tells what the device gets meanwhile.
    fn wait(&mut self, ms: u64) -> Vec<(u8, u32, u32)> {
        let until = self.now + Duration::from_millis(ms);
        while let Some(at) = self.relay.poll_timeout().filter(|at| *at <= until) {
            assert!(at >= self.now);
            self.now = at;
            self.relay.handle_timeout(at);
            assert!(self.relay.poll_timeout().is_none_or(|next| next > at));
        }
        self.now = until;
        self.device_gets()
    }

    fn says_on(&mut self, key: u32, label: &str, data: &[u8]) {
        let (kind, data) = (MessageKind::Binary, data.to_vec());
        self.note(key, label, Happening::Message { kind, data });
    }

    fn says(&mut self, key: u32, data: &[u8]) {
        self.says_on(key, "control", data);
    }

    fn sent(&mut self) -> Vec<Outgoing> {
        std::iter::from_fn(|| self.relay.poll_send()).collect()
    }

    /// Kind, lease and sequence of all that the device gets.
    fn device_gets(&mut self) -> Vec<(u8, u32, u32)> {
        let sent = self.sent();
        let commands = sent.iter().map(|o| {
            assert_eq!(o.key, DEVICE);
            let command = Command::parse(&o.data).expect("a command");
            (command.order.kind().code(), command.lease.0, command.seq.0)
        });
        commands.collect()
    }

    fn count(&self, reason: DropReason) -> u64 {
        self.relay.stats.dropped(reason)
    }
}

#[test]
fn the_first_that_arms_drives_and_others_do_not() {
    let mut scene = Scene::new(0);
    scene.says(1, &setpoint(1));
    assert_eq!(scene.device_gets(), []);
    scene.says(1, &arm(2));
    let sent = scene.sent();
    let armed = Command::parse(&sent[0].data).expect("a command");
    assert_eq!((armed.lease, armed.source), (Lease(1), Source(0x0101_0101)));
    scene.says(2, &arm(1));
    scene.says(2, &setpoint(2));
    scene.says(2, &command(3, Order::Ping));
    scene.says(3, &arm(1));
    scene.says(3, &stop(2));
    assert_eq!(scene.device_gets(), []);
    assert_eq!(scene.count(DropReason::NotHolder), 3);
    assert_eq!(scene.count(DropReason::IdlePing), 1);
    assert_eq!(scene.count(DropReason::NoDriveScope), 2);
    scene.says(1, &setpoint(3));
    assert_eq!(scene.device_gets(), [(1, 1, 3)]);
}

#[test]
fn a_holder_that_is_lost_leaves_a_stop_and_a_higher_lease() {
    for closes in [false, true] {
        let mut scene = Scene::new(41);
        scene.says(1, &arm(1));
        assert_eq!(scene.device_gets(), [(2, 42, 1)]);
        match closes {
            true => scene.note(1, "control-reliable", Happening::Closed),
            false => scene.gone(1),
        }
        assert_eq!(scene.device_gets(), [(4, 43, 1), (4, 43, 1)]);
        scene.gone(1);
        assert_eq!(scene.device_gets(), []);
        scene.says(2, &arm(1));
        assert_eq!(scene.device_gets(), [(2, 44, 1)]);
    }
}

#[test]
fn a_stop_of_any_driver_takes_the_lease() {
    let mut scene = Scene::new(0);
    scene.says(1, &arm(1));
    scene.says(2, &stop(9));
    scene.says(2, &stop(9));
    scene.says(1, &setpoint(2));
    assert_eq!(scene.device_gets(), [(2, 1, 1), (4, 2, 9), (4, 2, 9)]);
    scene.says(1, &arm(3));
    assert_eq!(scene.device_gets(), [(2, 3, 3)]);
}

#[test]
fn reports_go_to_all_viewers_by_their_channel() {
    let mut scene = Scene::new(0);
    scene.note(2, "control", Happening::Closed);
    scene.says(DEVICE, &beacon(0));
    let to: Vec<_> = scene.sent().iter().map(|o| o.key).collect();
    assert_eq!(to, [1, 3]);
    scene.says_on(DEVICE, "control-reliable", &beacon(0));
    assert_eq!(scene.sent().len(), 3);
    // A viewer is no device, and a device no driver.
    scene.says(1, &beacon(0));
    scene.says(DEVICE, &arm(1));
    assert_eq!(scene.sent().len(), 0);
    assert_eq!(scene.count(DropReason::Malformed), 2);
}

#[test]
fn a_device_that_comes_anew_is_nobodys() {
    let mut scene = Scene::new(0);
    scene.says(1, &arm(1));
    scene.sent();
    scene.gone(DEVICE);
    scene.says(1, &setpoint(2));
    assert_eq!(scene.count(DropReason::NoDevice), 1);
    scene.open(DEVICE);
    scene.says(1, &arm(3));
    assert_eq!(scene.device_gets(), []);
    scene.says(DEVICE, &beacon(70));
    scene.sent();
    scene.says(1, &setpoint(4));
    scene.says(1, &arm(5));
    assert_eq!(scene.device_gets(), [(2, 71, 5)]);
}

#[test]
fn only_the_newest_setpoint_waits() {
    let mut scene = Scene::new(0);
    scene.says(1, &arm(1));
    for seq in 2..10 {
        scene.says(1, &setpoint(seq));
    }
    assert_eq!(scene.device_gets(), [(2, 1, 1), (1, 1, 9)]);
    assert_eq!(scene.count(DropReason::Superseded), 7);
}

#[test]
fn floods_are_bounded_and_use_up_no_stop() {
    let mut scene = Scene::new(0);
    scene.says(1, &arm(1));
    for seq in 2..2000 {
        scene.says(1, &command(seq, Order::Ping));
        scene.says(1, &setpoint(seq));
    }
    scene.says(1, &stop(2000));
    let gets = scene.device_gets();
    assert_eq!(gets.last(), Some(&(4, 1, 2000)));
    assert_eq!(gets.iter().filter(|(kind, ..)| *kind == 5).count(), 19);
    assert_eq!(scene.count(DropReason::TooMany), 1998 - 19 + 1998 - 100);
    scene.now += Duration::from_millis(100);
    scene.says(1, &command(3000, Order::Ping));
    assert_eq!(scene.device_gets().len(), 1);
}

#[test]
fn what_is_odd_is_dropped_and_counted() {
    let mut scene = Scene::new(u32::MAX);
    scene.note(1, "chat", Happening::Opened);
    scene.says_on(1, "chat", b"hello");
    scene.says(1, &[0; 60_000]);
    scene.says(DEVICE, &[1; MAX_MESSAGE + 1]);
    scene.says(1, b"");
    let mut long = arm(1);
    long.push(0);
    scene.says(1, &long);
    let (kind, data) = (MessageKind::Text, arm(1));
    scene.note(1, "control", Happening::Message { kind, data });
    // A device that claims the last lease has locked itself: stops still pass.
    scene.says(1, &arm(1));
    assert_eq!(scene.device_gets(), []);
    scene.says(1, &stop(2));
    assert_eq!(scene.device_gets(), [(4, u32::MAX, 2)]);
    let count = |reason| scene.count(reason);
    assert_eq!(
        (
            count(DropReason::UnknownChannel),
            count(DropReason::TooLong)
        ),
        (1, 2)
    );
    assert_eq!(
        (count(DropReason::Malformed), count(DropReason::NoLease)),
        (3, 1)
    );
    let told = scene.relay.poll_dropped(scene.now).expect("losses");
    assert!(told.contains("too_long=2"), "{told}");
    assert_eq!(scene.relay.poll_dropped(scene.now), None);
}

#[test]
fn a_device_that_claimed_the_last_lease_locks_only_itself() {
    let mut scene = Scene::new(u32::MAX);
    scene.says(1, &arm(1));
    assert_eq!(scene.device_gets(), []);
    scene.gone(DEVICE);
    scene.open(DEVICE);
    scene.says(DEVICE, &beacon(6));
    scene.sent();
    scene.says(1, &arm(2));
    assert_eq!(scene.device_gets(), [(2, 7, 2)]);
}

#[test]
fn who_is_gone_leaves_nothing() {
    let mut scene = Scene::new(0);
    scene.says(1, &arm(1));
    for key in [1, 2, 3, DEVICE] {
        scene.gone(key);
    }
    assert!(scene.relay.is_empty());
    assert_eq!(scene.relay.poll_timeout(), None);
    assert_eq!(scene.sent(), []);
}

#[test]
fn the_lease_is_free_to_take_while_nobody_drives() {
    let mut scene = Scene::new(0);
    scene.says(1, &arm(1));
    // Its answer is on the way.
    scene.says(2, &arm(1));
    scene.says(DEVICE, &report(1, State::Armed));
    scene.sent();
    scene.wait(60_000);
    scene.says(2, &arm(2));
    assert_eq!(scene.count(DropReason::NotHolder), 2);
    scene.says(DEVICE, &report(1, State::Stopped(StopReason::Stale)));
    scene.sent();
    scene.says(2, &arm(3));
    scene.says(1, &setpoint(2));
    assert_eq!(scene.device_gets(), [(2, 2, 3)]);
    assert_eq!(scene.relay.holder(STREAM), Some(2));
    // And back, once that one is at rest for as long as an arm takes.
    scene.says(DEVICE, &report(2, State::Stopped(StopReason::Replaced)));
    scene.sent();
    scene.says(1, &arm(3));
    assert_eq!(scene.device_gets(), []);
    scene.wait(2000);
    scene.says(1, &arm(4));
    assert_eq!(scene.device_gets(), [(2, 3, 4)]);
    assert_eq!(scene.relay.stats.leases.load(Ordering::Relaxed), 3);
}

#[test]
fn a_stop_of_ours_is_repeated_until_a_report_confirms_it() {
    let mut scene = Scene::new(0);
    scene.says(1, &arm(1));
    scene.gone(1);
    assert_eq!(scene.device_gets().len(), 3);
    // A report of before it confirms nothing.
    scene.says(DEVICE, &report(1, State::Armed));
    scene.sent();
    assert_eq!(scene.wait(200), [(4, 2, 1); 4]);
    scene.says(DEVICE, &report(2, State::Stopped(StopReason::LinkLost)));
    scene.sent();
    assert_eq!(scene.wait(10_000), []);
    assert_eq!(scene.relay.poll_timeout(), None);
    // One that never answers has stopped by itself long since.
    scene.says(2, &arm(1));
    scene.gone(2);
    scene.sent();
    assert_eq!(scene.wait(60_000).len(), 60);
    assert_eq!(scene.relay.poll_timeout(), None);
    assert_eq!(scene.relay.stats.drivers_lost.load(Ordering::Relaxed), 2);
}

#[test]
fn a_device_that_is_displaced_stops_and_may_come_back() {
    const NEXT: u32 = 9;
    let mut scene = Scene::new(0);
    scene.says(1, &arm(1));
    scene.sent();
    let next = |label: &str, what| ChannelNote {
        speaker: Speaker {
            publisher: true,
            ..speaker(NEXT, false)
        },
        label: label.into(),
        what,
    };
    scene
        .relay
        .handle_note(scene.now, &next("control", Happening::Opened));
    // The former one is told, and is the device no longer.
    assert_eq!(scene.device_gets(), [(4, 2, 1), (4, 2, 1)]);
    scene.says(DEVICE, &beacon(2));
    scene.says(1, &arm(2));
    assert_eq!(scene.count(DropReason::NoDevice), 2);
    // One more channel of it changes nothing.
    scene.note(DEVICE, "control", Happening::Opened);
    scene.says(DEVICE, &beacon(2));
    assert_eq!(scene.count(DropReason::NoDevice), 3);
    scene.gone(NEXT);
    scene.says(DEVICE, &beacon(2));
    assert_eq!(scene.sent().len(), 3);
    scene.says(1, &arm(3));
    assert_eq!(scene.device_gets(), [(2, 3, 3)]);
}

#[test]
fn commands_to_a_closed_channel_are_counted() {
    let mut scene = Scene::new(0);
    scene.note(DEVICE, "control", Happening::Opened);
    scene.note(DEVICE, "control", Happening::Closed);
    scene.says(1, &arm(1));
    assert_eq!(scene.device_gets(), [(2, 1, 1)]);
    scene.note(DEVICE, "control", Happening::Closed);
    scene.says(1, &setpoint(2));
    assert_eq!(scene.device_gets(), []);
    assert_eq!(scene.count(DropReason::ChannelClosed), 1);
}

#[test]
fn an_answer_goes_to_the_one_who_asked() {
    let mut scene = Scene::new(5);
    scene.says(1, &arm(1));
    scene.says(2, &arm(1)); // refused: the other has just armed
    let _ = scene.sent();
    scene.says(DEVICE, &ack(6));
    let keys = |scene: &mut Scene| scene.sent().iter().map(|o| o.key).collect::<Vec<_>>();
    assert_eq!(keys(&mut scene), [1]);
    scene.says(2, &stop(2));
    let _ = scene.sent();
    scene.says(DEVICE, &ack(6));
    assert_eq!(keys(&mut scene), [1], "late, and still about its own");
    scene.says(DEVICE, &ack(7));
    assert_eq!(keys(&mut scene), [2]);
    scene.says(DEVICE, &ack(5));
    assert!(keys(&mut scene).is_empty(), "nobody's");
}

/// Each copy takes the lease from the other, and an answer is a round trip later than that.
#[test]
fn two_who_stop_at_once_both_get_their_answer() {
    let mut scene = Scene::new(0);
    for seq in 1..20 {
        scene.says(1, &stop(seq));
        scene.says(2, &stop(seq));
    }
    assert_eq!(scene.device_gets().len(), 38);
    for (lease, asked) in [(9, 1), (10, 2), (38, 2)] {
        scene.says(DEVICE, &ack(lease));
        let keys: Vec<_> = scene.sent().iter().map(|o| o.key).collect();
        assert_eq!(keys, [asked]);
    }
    // They are not kept for ever, nor for one who is gone.
    scene.says(DEVICE, &ack(6));
    scene.gone(1);
    scene.says(DEVICE, &ack(37));
    assert_eq!(scene.sent(), []);
    assert_eq!(scene.count(DropReason::NobodyAsked), 2);
}

#[test]
fn answers_are_timed_and_stops_counted_by_their_reason() {
    let mut scene = Scene::new(0);
    scene.says(1, &arm(1));
    scene.says_on(1, "control-reliable", &arm(1));
    scene.wait(30);
    scene.says(DEVICE, &ack(1));
    scene.says(DEVICE, &ack(1));
    let stopped = |reason| State::Stopped(reason);
    let (stale, link_lost) = (stopped(StopReason::Stale), stopped(StopReason::LinkLost));
    for state in [stale, stale, State::Armed, stale, State::Armed, link_lost] {
        scene.says(DEVICE, &report(1, state));
    }
    let devices = &scene.relay.stats.devices;
    let counts = devices.answers().map(|(of, h)| (of, h.count()));
    let counts: Vec<(&str, u64)> = counts.filter(|(_, count)| *count > 0).collect();
    assert_eq!(counts, [("arm", 1)]);
    let stops = |relay: &Relay| -> Vec<(&'static str, u64)> {
        let stops = relay.stats.devices.stops();
        stops.filter(|(_, count)| *count > 0).collect()
    };
    assert_eq!(stops(&scene.relay), [("stale", 2), ("link-lost", 1)]);

    // The server's own stop is timed as well, and the next device is not blamed for the former.
    scene.sent();
    scene.gone(1);
    scene.wait(10);
    let own = Report {
        state: link_lost,
        lease: Lease(2),
        epoch: Epoch(1),
        stamp: Stamp::from_micros(7),
        kind: ReportKind::Ack {
            seq: Seq(1),
            of: CommandKind::Stop,
            result: AckResult::Done,
        },
    };
    scene.says(DEVICE, &own.emit());
    let stops_answered = {
        let mut answers = scene.relay.stats.devices.answers();
        let stop = answers.find(|(of, _)| *of == CommandKind::Stop.name());
        stop.map(|(_, histogram)| histogram.count())
    };
    assert_eq!(stops_answered, Some(1));
    for key in [DEVICE, 2, 3] {
        scene.gone(key);
    }
    scene.open(DEVICE);
    scene.says(DEVICE, &report(2, stale));
    assert_eq!(stops(&scene.relay), [("stale", 2), ("link-lost", 1)]);
}

#[test]
fn commands_that_nobody_answers_are_counted_and_forgotten() {
    let mut scene = Scene::new(0);
    for seq in 1..=18 {
        scene.wait(60);
        scene.says(1, &stop(seq));
    }
    scene.sent();
    scene.says(DEVICE, &beacon(1));
    assert_eq!(scene.relay.stats.devices.unanswered(), 2);
}
