//! An operator and a device over a hostile path, with a witness that knows what really happened.

mod path;
mod witness;

use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use transom_control::{
    Axes, Axis, Channel, Command, Epoch, Kernel, KernelConfig, Operator, OperatorConfig, Stamp,
    StopReason,
};

pub use path::{Path, PathConfig, Sent};
pub use witness::Findings;
use witness::Witness;

/// What the device adds to the simulation's time: clocks need not agree.
const DEVICE_OFFSET_US: u64 = 5_000_000_000;
const STEP_US: u64 = 1000;

/// One operator, one device, two directions.
pub struct Drive {
    now: u64,
    dice: ChaCha8Rng,
    operator: Operator,
    kernel: Kernel,
    up: Path,
    down: Path,
    witness: Witness,
    /// When the device's driver looks at the clock next; it is late now and then.
    wake: u64,
    /// The key that is held, and until when.
    held: Option<(Axes, u64)>,
    next_whim: u64,
}

impl Drive {
    /// All of it from one seed.
    pub fn new(config: PathConfig, seed: u64) -> Self {
        let kernel = KernelConfig::default();
        Self {
            now: 0,
            dice: ChaCha8Rng::seed_from_u64(seed),
            operator: Operator::new(OperatorConfig::default()),
            kernel: Kernel::new(kernel, device(0), Epoch(1000)),
            up: Path::new(config, seed ^ 0x5ca1e),
            down: Path::new(config, seed ^ 0xd0fe),
            witness: Witness::new(kernel.limit_us),
            wake: 0,
            held: None,
            next_whim: 0,
        }
    }

    /// Runs for `duration` and tells what the witness saw.
    pub fn run(mut self, duration: Duration) -> Findings {
        let end = u64::try_from(duration.as_micros()).unwrap();
        while self.now < end {
            self.whims();
            self.operate();
            self.deliver();
            self.drive();
            self.witness
                .see(self.now, self.kernel.output(device(self.now)));
            self.now += STEP_US;
        }
        self.witness.findings(&self.kernel)
    }

    /// What a restless person does.
    fn whims(&mut self) {
        if self.now < self.next_whim {
            return;
        }
        self.next_whim = self.now + 1000 * (20 + self.below(800));
        match self.below(10) {
            0..=4 => {
                let linear = Axis::from_fraction(0.2 + self.below(80) as f32 / 100.0);
                let angular = Axis::from_fraction(self.below(200) as f32 / 100.0 - 1.0);
                let until = self.now + 1000 * self.below(3000);
                self.held = Some((Axes::drive(linear, angular), until));
            }
            5..=7 => {
                let _ = self.operator.arm(self.now);
            }
            8 => {
                self.operator.stop(self.now, StopReason::Operator);
                self.witness.pressed_stop(self.now);
            }
            _ => {
                self.operator.disarm(self.now);
                self.witness.pressed_stop(self.now);
            }
        }
    }

    fn operate(&mut self) {
        if let Some((axes, until)) = self.held
            && self.now < until
        {
            self.operator.drive(self.now, axes);
        }
        while let Some(out) = self.operator.poll_transmit(self.now) {
            let sent = Sent {
                at: self.now,
                channel: out.channel,
                bytes: out.message.to_vec(),
            };
            self.up.send(self.now, sent);
        }
    }

    fn deliver(&mut self) {
        while let Some(sent) = self.up.receive(self.now) {
            let command = Command::parse(&sent.bytes).unwrap();
            self.witness
                .heard(self.now, device(self.now), sent.at, &command);
            let _ = self
                .kernel
                .handle_message(device(self.now), sent.channel, &sent.bytes);
            self.wake = self.now;
        }
        while let Some(sent) = self.down.receive(self.now) {
            let _ = self.operator.handle_message(self.now, &sent.bytes);
        }
    }

    /// The device's driver: it sleeps until the kernel's time, and a little longer.
    fn drive(&mut self) {
        if self.now < self.wake {
            return;
        }
        self.kernel.handle_timeout(device(self.now));
        while let Some(out) = self.kernel.poll_transmit(device(self.now)) {
            let sent = Sent {
                at: self.now,
                channel: out.channel,
                bytes: out.message.to_vec(),
            };
            self.down.send(self.now, sent);
        }
        let late = if self.below(20) == 0 {
            self.below(20_000)
        } else {
            0
        };
        let due = self.kernel.poll_timeout().micros() - DEVICE_OFFSET_US;
        self.wake = due.max(self.now + 1) + late;
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.dice.next_u64() % bound
    }
}

fn device(now: u64) -> Stamp {
    Stamp::from_micros(DEVICE_OFFSET_US + now)
}

/// Whether a channel keeps order and everything.
fn is_reliable(channel: Channel) -> bool {
    channel == Channel::Reliable
}

/// Prints the median and the most of some microseconds, as milliseconds; returns the most.
pub fn told(what: &str, samples: &mut [u64]) -> u64 {
    samples.sort_unstable();
    let most = samples.last().copied().unwrap_or(0);
    let median = samples.get(samples.len() / 2).copied().unwrap_or(0);
    println!(
        "{what}: p50 {} ms, max {} ms, n = {}",
        median / 1000,
        most / 1000,
        samples.len()
    );
    most
}
