//! One drive that one fault ends.

use std::panic::{self, AssertUnwindSafe};
use std::thread::sleep;
use std::time::Duration;

use transom_tests_e2e::{LIMIT_US, ProcessorWatch, Signal, is_alive, monotonic_us, signal};

use crate::cable::Weather;
use crate::fault::{Fault, From};
use crate::scene::{PICTURE_LIMIT_US, SOON, Scene, Setting, faketime, ours};

/// What the machine may add to the limit.
pub const TOLERANCE_US: u64 = 20_000;
/// It drives so long before anything happens.
const DRIVE: Duration = Duration::from_millis(500);
/// It is watched for so long after it stood, while whoever is left goes on.
const WATCH: Duration = Duration::from_millis(1000);
const STALL: Duration = Duration::from_secs(2);
/// How much later datagrams come again.
const REPEATS: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(3)];
/// Past all of them.
const AFTER_REPEATS: Duration = Duration::from_millis(3500);
const HOUR_S: u64 = 3600;
/// Tries to find it moving, where the network is so bad that it stands now and then.
const TRIES: usize = 5;

/// What became of a drive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It stood.
    Stood {
        /// Microseconds since the moment from which the fault's limit counts.
        after_us: u64,
        /// Since the fault.
        since_fault_us: u64,
        /// It moved again, though nobody armed it.
        again: bool,
        /// How long the actuator was ready to run meanwhile and did not get a processor.
        waited_us: u64,
    },
    /// It never did, or the fault was not one: why.
    Failed(String),
    /// This cannot be tried on this machine: why.
    Impossible(String),
}

impl Ended {
    /// Whether it is as it has to be.
    pub fn is_good(&self) -> bool {
        matches!(self, Self::Stood { after_us, again: false, .. } if *after_us <= LIMIT_US + TOLERANCE_US)
    }
}

impl Ended {
    /// Whether it is late, and provably for want of a processor. Where real-time priority is permitted that does
    /// not happen.
    pub fn is_spoiled(&self) -> bool {
        matches!(self, Self::Stood { after_us, again: false, waited_us, .. }
            if *after_us > LIMIT_US + TOLERANCE_US && *waited_us >= after_us - LIMIT_US)
    }
}

/// Why `fault` cannot be tried here, if it cannot.
pub fn impossible(fault: Fault) -> Option<String> {
    match fault {
        Fault::ClockWrong => match faketime() {
            Some(_) => None,
            None => Some("libfaketime is not installed (apt-get install faketime)".to_owned()),
        },
        Fault::NetworkCut => crate::Machines::start().err(),
        Fault::MainOutOfMemory => crate::MemoryGroup::new().err(),
        _ => None,
    }
}

/// Drives, lets `fault` happen and tells what became of it. Nothing here is random but the seed's.
pub fn run(fault: Fault, seed: u64) -> Ended {
    panic::catch_unwind(AssertUnwindSafe(|| try_run(fault, seed))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Ended::Failed(text.unwrap_or_else(|| "a panic".to_owned()))
    })
}

fn try_run(fault: Fault, seed: u64) -> Ended {
    let mut scene = match Scene::start(&setting(fault, seed)) {
        Ok(scene) => scene,
        Err(why) => return Ended::Impossible(why),
    };
    // Not always at the same place between two setpoints and two pictures.
    scene.drive(DRIVE + Duration::from_millis(seed * 37 % 200));
    if let Err(why) = prepare(&scene, fault) {
        return Ended::Failed(format!("{why}\n{}", scene.told()));
    }
    let mut processor = ProcessorWatch::new(scene.actuator);
    let cause = monotonic_us();
    let afterwards = happen(&mut scene, fault, seed);
    let Some(stands) = scene.stands(Duration::from_secs(5), &mut processor) else {
        return Ended::Failed(format!("it moves on\n{}", scene.told()));
    };
    let from = moment(&scene, fault, cause, stands);
    afterwards(&mut scene);
    sleep(WATCH);
    let again = scene
        .lines
        .edges("enable")
        .iter()
        .any(|edge| edge.value == 1 && edge.at > stands);
    if stands < cause {
        return Ended::Failed(format!(
            "it stood before anything had happened\n{}",
            scene.told()
        ));
    }
    if let Err(why) = is_as_meant(&mut scene, fault) {
        return Ended::Failed(format!("{why}\n{}", scene.told()));
    }
    Ended::Stood {
        after_us: stands.saturating_sub(from),
        since_fault_us: stands - cause,
        again,
        waited_us: processor.waited(),
    }
}

fn setting(fault: Fault, seed: u64) -> Setting {
    let base = Setting {
        seed,
        ..Setting::default()
    };
    match fault {
        Fault::NetworkCut => Setting {
            two_machines: true,
            ..base
        },
        Fault::RuntimeBlocked => Setting {
            talkative: true,
            ..base
        },
        Fault::MainOutOfMemory => Setting {
            limited: true,
            ..base
        },
        Fault::Loss => Setting {
            habit: "insists",
            weather: Some(Weather::default()),
            ..base
        },
        Fault::StallBurst => Setting {
            weather: Some(Weather::default()),
            ..base
        },
        Fault::ReplayedPackets => Setting {
            weather: Some(Weather {
                repeats: REPEATS.to_vec(),
                ..Weather::default()
            }),
            ..base
        },
        Fault::ReplayedCommands => Setting {
            habit: "replays",
            ..base
        },
        Fault::ClockWrong => Setting {
            ahead: HOUR_S,
            ..base
        },
        Fault::BlindPage => Setting {
            habit: "blind",
            pictures: true,
            ..base
        },
        _ => base,
    }
}

/// What is there before the fault, and lasts.
fn prepare(scene: &Scene, fault: Fault) -> Result<(), String> {
    if fault != Fault::Loss {
        return Ok(());
    }
    for cable in scene.cables.iter().flatten() {
        cable.set(|weather| weather.loss_per_mille = 300);
    }
    // It drives all the same.
    let before = scene.lines.edges("left").len();
    sleep(Duration::from_secs(2));
    let obeyed = scene.lines.edges("left").len() - before;
    if obeyed < 20 {
        return Err(format!("it obeyed {obeyed} commands in two seconds"));
    }
    for _ in 0..TRIES {
        if scene.lines.is_powered() {
            return Ok(());
        }
        scene.lines.wait_for_power(true, SOON);
        sleep(Duration::from_millis(50));
    }
    Err("it stands most of the time".to_owned())
}

type Afterwards = Box<dyn FnOnce(&mut Scene)>;

fn nothing() -> Afterwards {
    Box::new(|_| {})
}

/// Lets it happen; what is to be done once the robot stands.
fn happen(scene: &mut Scene, fault: Fault, seed: u64) -> Afterwards {
    let (agent, operator) = (scene.agent.pid(), scene.operator.pid());
    match fault {
        Fault::PageClosed | Fault::BrowserKilled => unreachable!("by Node"),
        Fault::OperatorLeaves => {
            signal(operator, Signal::TERM);
            nothing()
        }
        Fault::OperatorKilled | Fault::ClockWrong | Fault::Loss => {
            signal(operator, Signal::KILL);
            nothing()
        }
        Fault::ReplayedPackets => {
            signal(operator, Signal::KILL);
            Box::new(|_| sleep(AFTER_REPEATS))
        }
        Fault::SfuKilled => {
            signal(scene.sfu.program.pid(), Signal::KILL);
            nothing()
        }
        Fault::NetworkCut => {
            let machines = scene.machines.as_ref().expect("two machines");
            machines.cut(true);
            Box::new(|scene| scene.machines.as_ref().expect("two machines").cut(false))
        }
        Fault::RuntimeBlocked => {
            scene.agent.turn_deaf(true);
            // What it had in mind comes in a burst then.
            Box::new(|scene| scene.agent.turn_deaf(false))
        }
        Fault::MainKilled => {
            signal(agent, Signal::KILL);
            nothing()
        }
        Fault::MainAborted => {
            signal(agent, Signal::ABORT);
            nothing()
        }
        Fault::MainStopped => {
            signal(agent, Signal::STOP);
            Box::new(move |_| signal(agent, Signal::CONT))
        }
        Fault::MainOutOfMemory => {
            let memory = scene.memory.as_ref().expect("a limit");
            memory.offer(agent);
            let mut greedy = memory.greedy(&ours("transom-greedy"));
            while is_alive(agent) && greedy.try_wait().is_ok_and(|status| status.is_none()) {
                sleep(Duration::from_millis(1));
            }
            let _ = greedy.kill();
            let _ = greedy.wait();
            nothing()
        }
        Fault::StallBurst => {
            let both = seed.is_multiple_of(2);
            let cables = scene.cables.as_ref().expect("cables");
            // By turns all of it, or nothing but the commands.
            cables[1].set(|weather| {
                weather.stalls_down = true;
                weather.stalls_up = both;
            });
            let begun = monotonic_us();
            Box::new(move |scene| {
                let gone = Duration::from_micros(monotonic_us() - begun);
                sleep(STALL.saturating_sub(gone));
                let cables = scene.cables.as_ref().expect("cables");
                cables[1].set(|weather| {
                    weather.stalls_down = false;
                    weather.stalls_up = false;
                });
            })
        }
        Fault::ReplayedCommands => {
            signal(operator, Signal::USR1);
            Box::new(|_| sleep(AFTER_REPEATS))
        }
        Fault::LeaseTaken => {
            let other = scene.another("takes-over");
            signal(other.pid(), Signal::USR1);
            Box::new(move |_| {
                other.line("armed ", SOON);
                sleep(WATCH);
            })
        }
        Fault::BlindPage => {
            signal(operator, Signal::USR1);
            nothing()
        }
    }
}

/// From when the limit counts.
fn moment(scene: &Scene, fault: Fault, cause: u64, stands: u64) -> u64 {
    match fault.from() {
        From::Cause => cause,
        From::Obeyed => scene.lines.last_command(stands),
        From::Picture => scene.last("picture ").expect("a picture") + PICTURE_LIMIT_US,
        From::Sent => {
            let edges = scene.lines.edges("left");
            let last = edges
                .iter()
                .rfind(|edge| edge.value != 0 && edge.at <= stands);
            let last = last.expect("it moved");
            // It was written down before, and may not have been read yet.
            let deadline = monotonic_us() + 5_000_000;
            loop {
                let sent = scene.sent();
                let sent = sent
                    .iter()
                    .rfind(|(at, speed)| *speed == last.value && *at <= last.at);
                match sent {
                    Some((at, _)) => return *at,
                    None => assert!(monotonic_us() < deadline, "nobody sent {last:?}"),
                }
                sleep(Duration::from_millis(5));
            }
        }
    }
}

/// Whether what was to go wrong went wrong, and nothing else.
fn is_as_meant(scene: &mut Scene, fault: Fault) -> Result<(), String> {
    let survives = !matches!(
        fault,
        Fault::MainKilled | Fault::MainAborted | Fault::MainOutOfMemory
    );
    if scene.agent.runs() != survives {
        return Err("the agent has ended, or has not".to_owned());
    }
    if survives && !is_alive(scene.actuator) {
        return Err("the actuator has ended".to_owned());
    }
    if fault == Fault::MainOutOfMemory {
        let kills = scene.memory.as_ref().expect("a limit").kills();
        if kills == 0 {
            return Err("the kernel has killed nobody".to_owned());
        }
    }
    let reason = match fault {
        Fault::BlindPage => "stopped: blind",
        Fault::LeaseTaken => "stopped: replaced",
        Fault::RuntimeBlocked | Fault::MainStopped | Fault::StallBurst => "stopped: stale",
        Fault::OperatorKilled | Fault::ClockWrong | Fault::Loss => "stopped: stale",
        Fault::ReplayedPackets | Fault::ReplayedCommands => "stopped: stale",
        Fault::OperatorLeaves => "stopped: link-lost",
        Fault::MainKilled | Fault::MainAborted | Fault::MainOutOfMemory => "stopped: agent-died",
        _ => return Ok(()),
    };
    let told = scene.agent.lines();
    match told.iter().any(|line| line.contains(reason)) {
        true => Ok(()),
        false => Err(format!("it was not `{reason}`")),
    }
}
