use std::collections::VecDeque;

use transom_agent::actuator::ToActuator;
use transom_agent::control::{Arrival, Mailbox};
use transom_control::{Axes, Epoch, Kernel, KernelConfig, Stamp, State, StopReason, Transmit};

use transom_tests_sim::drive::Sent;

use crate::dice::Dice;
use crate::findings::Findings;
use crate::person::Said;
use crate::witness::Witness;

/// What the device's clock is ahead of the simulation's.
pub(crate) const CLOCK_OFFSET_US: u64 = 5_000_000_000;
/// As the actuator's: how late its process may be.
const LEAD_US: u64 = 10_000;
/// Messages that the socket holds in one direction.
const SOCKET: usize = 30;
/// How often the agent turns.
const TURN_US: u64 = 10_000;
/// Frames that the actuator takes before its lines get their turn.
const BATCH: usize = 32;

/// What of the agent hangs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hang {
    /// All of it.
    Agent,
    /// What passes frames on to the actuator; sessions go on.
    Supervisor,
}

/// An agent and its actuator: two processes and the socket between them.
pub(crate) struct Robot {
    /// What the session brought and the agent has not looked at: it hangs.
    socket: VecDeque<Sent>,
    arrival: Arrival,
    /// When the agent turned last.
    turned: u64,
    mailbox: Mailbox,
    hang: Option<(Hang, u64)>,
    down: VecDeque<Vec<u8>>,
    up: VecDeque<Transmit>,
    kernel: Kernel,
    /// What the board was told last.
    lines: Axes,
    /// When the actuator looks next.
    wake: u64,
    refused: [u64; 4],
    config: KernelConfig,
    /// The main process is gone.
    ended: bool,
}

impl Robot {
    pub(crate) fn new(now: u64) -> Self {
        Self::with(now, KernelConfig::default())
    }

    /// With other limits.
    pub(crate) fn with(now: u64, config: KernelConfig) -> Self {
        Self {
            socket: VecDeque::new(),
            arrival: Arrival::default(),
            turned: now,
            mailbox: Mailbox::default(),
            hang: None,
            down: VecDeque::new(),
            up: VecDeque::new(),
            kernel: kernel(now, config),
            lines: Axes::ZERO,
            wake: 0,
            refused: [0; 4],
            config,
            ended: false,
        }
    }

    pub(crate) fn moves(&self) -> bool {
        !self.lines.is_zero()
    }

    pub(crate) fn lines(&self) -> Axes {
        self.lines
    }

    /// Whether the agent looks at what its session has.
    fn listens(&self) -> bool {
        !matches!(self.hang, Some((Hang::Agent, _)))
    }

    pub(crate) fn hang(&mut self, what: Hang, until: u64) {
        self.hang = Some((what, until));
    }

    /// The actuator is replaced: safe lines first.
    pub(crate) fn replace_actuator(&mut self, now: u64, witness: &mut Witness) {
        self.account();
        self.kernel = kernel(now, self.config);
        self.lines = Axes::ZERO;
        self.down.clear();
        self.up.clear();
        self.mailbox.clear();
        self.wake = now;
        witness.replaced();
    }

    /// The main process is gone, and with it all that it had in mind. What it has sent to the actuator is still
    /// read, and then comes the end of file.
    pub(crate) fn end_of_file(&mut self, now: u64) {
        self.ended = true;
        self.wake = self.wake.min(now);
    }

    /// The session brings a command: it is in the agent's socket, whatever the agent does.
    pub(crate) fn receive(&mut self, now: u64, sent: Sent, witness: &mut Witness) {
        witness.received(now, &sent.bytes);
        self.socket.push_back(sent);
    }

    /// The session is over.
    pub(crate) fn on_lost(&mut self, now: u64) {
        self.mailbox.stop(device(now), StopReason::LinkLost);
    }

    pub(crate) fn poll_timeout(&self) -> u64 {
        let hang = self.hang.map_or(u64::MAX, |(_, until)| until);
        self.wake.min(hang)
    }

    /// Passes frames and reports on, and lets the actuator do what is due.
    pub(crate) fn turn(
        &mut self,
        now: u64,
        dice: &mut Dice,
        witness: &mut Witness,
        said: &mut Vec<Said>,
    ) {
        let listened = self.listens();
        self.hang = self.hang.filter(|(_, until)| now < *until);
        if self.ended {
            self.hang = None;
            self.socket.clear();
            self.mailbox.clear();
        }
        if self.listens() && !self.ended {
            if listened {
                self.turn_until(now);
            } else {
                self.turned = now;
            }
            for sent in self.socket.drain(..) {
                let came = self.arrival.came(device(now));
                let (channel, bytes) = (sent.channel, &sent.bytes);
                self.mailbox.put_held(device(now), came, channel, bytes);
            }
            if !listened {
                self.arrival.turn(device(now));
            }
        }
        if self.hang.is_none() && !self.ended {
            while self.down.len() < SOCKET
                && let Some(frame) = self.mailbox.first()
            {
                self.down.push_back(frame.to_vec());
                let _ = self.mailbox.sent();
                self.wake = self.wake.min(now + late(dice));
            }
        }
        if now >= self.wake {
            self.actuate(now, dice, witness);
        }
        if self.hang.is_none() && !self.ended {
            said.extend(self.up.drain(..).map(|out| Said {
                channel: out.channel,
                bytes: out.message.to_vec(),
            }));
        }
    }

    /// Time went by in which the agent did its turns.
    fn turn_until(&mut self, now: u64) {
        while self.turned + TURN_US <= now {
            self.turned += TURN_US;
            self.arrival.turn(device(self.turned));
        }
    }

    /// One turn of the actuator's loop.
    fn actuate(&mut self, now: u64, dice: &mut Dice, witness: &mut Witness) {
        for _ in 0..BATCH {
            let Some(frame) = self.down.pop_front() else {
                break;
            };
            match ToActuator::parse(&frame).expect("a frame") {
                ToActuator::Message(channel, came, bytes) => {
                    let arms = self.kernel.counters().arms;
                    let arrival = witness.arrives(now, bytes);
                    let now = device(now);
                    let _ = self.kernel.handle_held_message(now, came, channel, bytes);
                    if self.kernel.counters().arms > arms {
                        witness.armed(arrival);
                    }
                }
                // It has wheels and nothing else.
                ToActuator::Output(_) => {}
                ToActuator::Stop(reason) => {
                    self.kernel.stop(device(now), reason);
                    witness.stopped_by_agent();
                    assert_ne!(self.kernel.state(), State::Armed);
                }
            }
        }
        if self.ended && self.down.is_empty() {
            self.kernel.stop(device(now), StopReason::AgentDied);
            witness.stopped_by_agent();
        }
        self.kernel.handle_timeout(device(now));
        self.lines = self.kernel.output(device(now));
        while let Some(out) = self.kernel.poll_transmit(device(now)) {
            if self.up.len() < SOCKET {
                self.up.push_back(out);
            }
        }
        let due = self.kernel.poll_timeout().micros() - CLOCK_OFFSET_US;
        self.wake = match self.down.is_empty() {
            true => due.max(now + 1) + late(dice),
            false => now + 1,
        };
    }

    pub(crate) fn findings(&mut self, findings: &mut Findings) {
        self.account();
        findings.refused = self.refused;
        findings.superseded = self.mailbox.counters().0;
    }

    fn account(&mut self) {
        let counters = self.kernel.counters();
        let counts = [counters.stale, counters.old, counters.void, counters.lease];
        for (sum, count) in self.refused.iter_mut().zip(counts) {
            *sum += u64::from(count);
        }
    }
}

/// As the actuator's service makes one.
fn kernel(now: u64, config: KernelConfig) -> Kernel {
    let config = KernelConfig {
        lead_us: LEAD_US,
        ..config
    };
    let now = device(now);
    let first = u32::try_from(now.micros() >> 16).expect("early");
    Kernel::new(config, now, Epoch(first))
}

fn device(now: u64) -> Stamp {
    Stamp::from_micros(CLOCK_OFFSET_US + now)
}

/// How late the actuator gets its processor: seldom at all, and never later than it allows for.
fn late(dice: &mut Dice) -> u64 {
    match dice.one_in(20) {
        true => dice.below(LEAD_US),
        false => 0,
    }
}
