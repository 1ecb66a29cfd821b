//! What an hour of driving costs a card: the real kernel and a real operator at 50 Hz in simulated time, through
//! the observer and the writer to a real file system.

#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use support::Dir;
use transom_control::{
    Axes, Axis, Channel, Command, Epoch, Kernel, KernelConfig, Message, Operator, OperatorConfig,
    Report, Stamp, State, StopReason,
};
use transom_record::{
    ActuatorChange, Event, Found, Observer, Reader, RecordFigures, StoreConfig, Tail, Writer,
    WriterConfig,
};

const MS: u64 = 1000;
const SECOND: u64 = 1_000_000;
const START: u64 = 100 * SECOND;
/// There and back together: 20 ms.
const WAY: u64 = 10 * MS;

/// What is under way, and when it arrives.
type Way = Vec<(u64, Channel, Message)>;

fn arrived(way: &mut Way, now: u64) -> Way {
    let late = way.iter().position(|(at, ..)| *at > now);
    way.drain(..late.unwrap_or(way.len())).collect()
}

struct Drive {
    observer: Observer,
    writer: Writer,
}

impl Drive {
    fn new(dir: &Path, figures: &Arc<RecordFigures>) -> Self {
        let config = WriterConfig {
            store: StoreConfig {
                dir: dir.to_owned(),
                max_bytes: 64 << 20,
            },
            sync_after: Duration::from_secs(10),
            boot: [7; 16],
            pid: 1,
            version: "test".to_owned(),
        };
        Self {
            observer: Observer::default(),
            writer: Writer::new(config, Arc::clone(figures)),
        }
    }

    fn write(&mut self, now: u64) {
        while let Some((at, event)) = self.observer.poll_event() {
            self.writer.push(now, at.micros(), 0, event);
        }
        if self.writer.poll_timeout().is_some_and(|at| at <= now) {
            self.writer.handle_timeout(now);
        }
    }

    /// Somebody drives for so long, a curve that never stays the same, with a stop each minute.
    fn drive(&mut self, seconds: u64) {
        let mut kernel = Kernel::new(KernelConfig::default(), Stamp::from_micros(START), Epoch(1));
        let mut operator = Operator::new(OperatorConfig {
            interval_us: 20 * MS,
            ..OperatorConfig::default()
        });
        let (mut up, mut down) = (Way::new(), Way::new());
        self.observer
            .on_actuator(Stamp::from_micros(START), ActuatorChange::Started, 2);
        for tick in 0..seconds * 500 {
            let now = START + tick * 2 * MS;
            let stamp = Stamp::from_micros(now);
            for (_, channel, message) in arrived(&mut up, now) {
                let command = Command::parse(&message).expect("a command");
                self.observer.on_command(stamp, channel, &command, stamp);
                let _ = kernel.handle_message(stamp, channel, &message);
            }
            kernel.handle_timeout(stamp);
            while let Some(out) = kernel.poll_transmit(stamp) {
                let report = Report::parse(&out.message).expect("a report");
                self.observer.on_report(stamp, &report);
                down.push((now + WAY, out.channel, out.message));
            }
            self.observer.on_late(80);
            for (_, _, message) in arrived(&mut down, now) {
                let _ = operator.handle_message(now, &message);
            }
            match tick % 30_000 {
                29_000 => {
                    operator.stop(now, StopReason::Operator);
                }
                _ if kernel.state() != State::Armed && tick % 30_000 < 28_000 => {
                    let _ = operator.arm(now);
                }
                _ => {}
            }
            let bend = i16::try_from(tick % 20_000).expect("small");
            let axes = Axes::drive(
                Axis::new(bend).expect("an axis"),
                Axis::new(-bend).expect("an axis"),
            );
            operator.drive(now, axes);
            while let Some(out) = operator.poll_transmit(now) {
                up.push((now + WAY, out.channel, out.message));
            }
            self.write(now);
        }
        let end = START + seconds * SECOND;
        self.observer.on_end(Stamp::from_micros(end), true);
        self.write(end);
        self.writer.finish(end);
    }

    /// Nobody drives; the device reports.
    fn rest(&mut self, seconds: u64) {
        let mut kernel = Kernel::new(KernelConfig::default(), Stamp::from_micros(START), Epoch(1));
        for tick in 0..seconds * 20 {
            let now = START + tick * 50 * MS;
            let stamp = Stamp::from_micros(now);
            kernel.handle_timeout(stamp);
            while let Some(out) = kernel.poll_transmit(stamp) {
                let report = Report::parse(&out.message).expect("a report");
                self.observer.on_report(stamp, &report);
            }
            self.write(now);
        }
        self.writer.finish(START + seconds * SECOND);
    }
}

fn size(dir: &Path) -> u64 {
    let files = fs::read_dir(dir).expect("the directory");
    files
        .map(|file| file.expect("a file").metadata().expect("its size").len())
        .sum()
}

#[test]
fn an_hour_of_driving_takes_a_megabyte_and_few_waits_for_the_disk() {
    let dir = Dir::new();
    let figures = Arc::new(RecordFigures::default());
    Drive::new(dir.path(), &figures).drive(3600);
    let bytes = size(dir.path());
    println!(
        "an hour of driving: {} entries, {bytes} bytes in {} writes, {} waits for the disk; 64 MB are {} hours",
        figures.records(),
        figures.writes(),
        figures.syncs(),
        (64 << 20) / bytes
    );
    assert!((700_000..1_800_000).contains(&bytes), "{bytes}");
    assert_eq!(figures.lost_by_storage(), 0);
    // A write a second, and one a stop, an arm's answer or the like.
    assert!(figures.writes() < 3600 + 10 * 60, "{}", figures.writes());
    // One in ten seconds, and some a stop: 60 of them.
    assert!(
        (300..360 + 4 * 60).contains(&figures.syncs()),
        "{}",
        figures.syncs()
    );

    // It is all there.
    let mut reader = Reader::open(dir.path()).expect("a log");
    let (mut setpoints, mut stops, mut handed, mut ages) = (0, 0, 0, Vec::new());
    while let Some(found) = reader.next(Tail::Final).expect("a log") {
        let Found::Entry(entry) = found else {
            panic!("{found:?}");
        };
        match entry.event {
            Event::Setpoint(_) => setpoints += 1,
            Event::Summary(summary) => {
                handed += summary.setpoints;
                ages.extend(summary.age_max_us);
            }
            Event::Command(seen) if seen.reason != 0 => stops += 1,
            _ => {}
        }
    }
    assert!((15_000..19_000).contains(&setpoints), "{setpoints}");
    assert!((160_000..=180_000).contains(&handed), "{handed}");
    assert_eq!(stops, 60);
    let oldest = ages.into_iter().max().expect("ages");
    // The way there and back, up to 50 ms between two reports and up to 20 between two setpoints.
    assert!((50_000..100_000).contains(&oldest), "{oldest}");
}

#[test]
fn a_day_of_rest_takes_next_to_nothing() {
    let dir = Dir::new();
    let figures = Arc::new(RecordFigures::default());
    Drive::new(dir.path(), &figures).rest(86_400);
    let bytes = size(dir.path());
    println!(
        "a day of rest: {} entries, {bytes} bytes, {} waits for the disk",
        figures.records(),
        figures.syncs()
    );
    assert!(bytes < 32_000, "{bytes}");
    assert!(figures.syncs() < 200, "{}", figures.syncs());
}
