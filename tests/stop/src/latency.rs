//! How old what is driven by is, and how long answers take.

use std::thread::sleep;
use std::time::Duration;

use tokio::runtime::Builder;
use transom_control::{Channel, Epoch, Order, ReportKind, Seq};
use transom_tests_e2e::{Remote, monotonic_us};

use crate::bare::Bare;
use crate::cable::Weather;
use crate::scene::{Scene, Setting};

/// Of each of the two hops, one way: 20 ms there and back through both.
const HOP: Duration = Duration::from_millis(5);
/// Of a thousand datagrams, lost at each hop.
const LOSS_PER_MILLE: u32 = 25;
/// What the ages may be, milliseconds: median and the 99th of a hundred.
const AGES_MS: (f64, f64) = (30.0, 80.0);
/// The 99th of a hundred answers over loopback.
const ANSWER_MS: f64 = 5.0;
/// Between two commands: the server passes 20 a second that are neither setpoints nor stops.
const BETWEEN: Duration = Duration::from_millis(53);
/// Numbers of commands that no operator came to.
const FIRST: u32 = 1_000_000;

/// Times in milliseconds, sorted.
#[derive(Clone, Debug, Default)]
pub struct Times(Vec<f64>);

impl Times {
    /// Sorts them.
    pub fn new(mut times: Vec<f64>) -> Self {
        times.sort_by(f64::total_cmp);
        Self(times)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// That below which `part` of them are.
    pub fn at(&self, part: f64) -> f64 {
        let last = self.0.len().saturating_sub(1);
        // The part of a vector's length is one of its places.
        let place = (last as f64 * part).round() as usize;
        self.0.get(place).copied().unwrap_or(f64::INFINITY)
    }
}

/// Drives over cables of 5 ms that lose 25 of 1,000 datagrams each, for so long: the age of the newest setpoint
/// that the robot obeys, at every millisecond; and the commands sent a second.
pub fn ages(seconds: u64, seed: u64) -> (Times, f64) {
    let scene = Scene::start(&Setting {
        weather: Some(Weather {
            delay: HOP,
            loss_per_mille: LOSS_PER_MILLE,
            ..Weather::default()
        }),
        seed,
        ..Setting::default()
    });
    let scene = scene.expect("cables are all it takes");
    scene.drive(Duration::from_secs(1));
    let begun = monotonic_us();
    sleep(Duration::from_secs(seconds));
    let ended = monotonic_us();
    let sent = scene.sent();
    // An edge says by its speed which setpoint it obeys, and that one when it was sent.
    let obeyed: Vec<(u64, u64)> = scene
        .lines
        .edges("left")
        .iter()
        .filter_map(|edge| {
            let is_it = |(at, speed): &&(u64, i32)| *speed == edge.value && *at <= edge.at;
            Some((edge.at, sent.iter().rfind(is_it)?.0))
        })
        .collect();
    assert!(scene.lines.is_powered(), "it stands:\n{}", scene.told());
    let mut ages = Vec::new();
    let mut next = obeyed.iter().peekable();
    let mut newest = None;
    for now in (begun..ended).step_by(1000) {
        while let Some((_, sent)) = next.next_if(|(edge, _)| *edge <= now) {
            newest = Some(*sent);
        }
        let newest = newest.expect("it drives already");
        ages.push((now - newest) as f64 / 1e3);
    }
    let during = sent
        .iter()
        .filter(|(at, _)| (begun..ended).contains(at))
        .count();
    (
        Times::new(ages),
        during as f64 * 1e6 / (ended - begun) as f64,
    )
}

/// How long commands waited for their answers.
#[derive(Clone, Debug)]
pub struct Answers {
    /// By either channel.
    pub channels: [(Channel, Times); 2],
    /// The same way by bare sockets, in turn with them: what the machine itself takes.
    pub bare: Times,
}

/// Commands by either channel over loopback, and how long each waited for its answer.
pub fn answers(count: u32) -> Answers {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let runtime = runtime.expect("a runtime");
    let scene = Scene::start(&Setting {
        habit: "takes-over",
        ..Setting::default()
    });
    let scene = scene.expect("loopback");
    let bare = Bare::start().expect("sockets");
    let url = format!("http://{}/whep/robot", scene.sfu.http);
    runtime.block_on(async {
        let mut remote = Remote::call(&url, &scene.sfu.token("drive")).await;
        // Who holds the lease is answered.
        remote.arm().await;
        let mut seq = FIRST;
        let mut measured = Vec::new();
        let mut rounds = Vec::new();
        for channel in [Channel::Control, Channel::Reliable] {
            let mut times = Vec::new();
            for _ in 0..count {
                seq += 1;
                times.push(answer(&mut remote, channel, seq).await);
                remote.listen(BETWEEN / 2).await;
                rounds.push(bare.round().expect("it comes back"));
                remote.listen(BETWEEN / 2).await;
            }
            measured.push((channel, Times::new(times)));
        }
        remote.close().await;
        Answers {
            channels: measured.try_into().expect("two channels"),
            bare: Times::new(rounds),
        }
    })
}

/// How long one waited, milliseconds.
async fn answer(remote: &mut Remote, channel: Channel, seq: u32) -> f64 {
    let asked = monotonic_us();
    remote.send(channel, seq, Order::Disarm { epoch: Epoch::ALL });
    let is_it = |kind| matches!(kind, ReportKind::Ack { seq: s, .. } if s == Seq(seq));
    while !is_it(remote.report().await.kind) {
        assert!(monotonic_us() < asked + 10_000_000, "no answer");
    }
    (monotonic_us() - asked) as f64 / 1e3
}

/// Measures both, prints a table, and tells whether the ages are what they must be. Answers have a goal only.
pub fn latency(seconds: u64) -> bool {
    println!("| | count | p50 | p99 | most | goal | of bare sockets' p50, p99 |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    let (ages, rate) = ages(seconds, 1);
    let (median, most) = AGES_MS;
    println!(
        "| age of the newest setpoint obeyed: 20 ms RTT, 2.5 % loss a hop, {rate:.1} Hz | {} | {:.1} ms | {:.1} ms | {:.1} ms | p50 < {median} ms, p99 < {most} ms | |",
        ages.count(),
        ages.at(0.5),
        ages.at(0.99),
        ages.at(1.0)
    );
    let answers = answers(300);
    let bare = &answers.bare;
    for (channel, times) in &answers.channels {
        let goal = format!("p99 < {ANSWER_MS} ms");
        let row = row(times, &goal);
        println!(
            "| command to answer over loopback, {} {row} {:.1}, {:.1} |",
            channel.label(),
            times.at(0.5) / bare.at(0.5),
            times.at(0.99) / bare.at(0.99)
        );
    }
    let row = row(bare, "");
    println!("| the same wake-ups, bare sockets {row} |");
    ages.at(0.5) < median && ages.at(0.99) < most
}

fn row(times: &Times, goal: &str) -> String {
    format!(
        "| {} | {:.2} ms | {:.2} ms | {:.2} ms | {goal} |",
        times.count(),
        times.at(0.5),
        times.at(0.99),
        times.at(1.0)
    )
}
