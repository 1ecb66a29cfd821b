//! Two channels over one path that loses, doubles, reorders, stalls and replays.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use transom_control::Channel;

use super::is_reliable;

/// How the path treats its messages.
#[derive(Clone, Copy, Debug)]
pub struct PathConfig {
    /// One way, in milliseconds: at least, and what is added at most.
    pub delay_ms: (u64, u64),
    /// Of a hundred messages, how many are lost.
    pub loss: u64,
    /// Of a hundred, how many come twice.
    pub twice: u64,
    /// Of a thousand, how many let something old come again.
    pub replay: u64,
    /// Of a thousand steps, how many begin a stall.
    pub stall: u64,
    /// How long one lasts at most, in milliseconds; what waits comes in one burst.
    pub stall_ms: u64,
}

impl PathConfig {
    /// From a quiet cable to a radio at the end of the garden: five of them, over and over.
    pub fn numbered(number: u64) -> Self {
        match number % 5 {
            0 => Self {
                delay_ms: (1, 2),
                loss: 0,
                twice: 0,
                replay: 0,
                stall: 0,
                stall_ms: 0,
            },
            1 => Self {
                delay_ms: (20, 30),
                loss: 5,
                twice: 5,
                replay: 20,
                stall: 0,
                stall_ms: 0,
            },
            2 => Self {
                delay_ms: (10, 80),
                loss: 20,
                twice: 10,
                replay: 50,
                stall: 5,
                stall_ms: 250,
            },
            3 => Self {
                delay_ms: (5, 20),
                loss: 2,
                twice: 2,
                replay: 20,
                stall: 8,
                stall_ms: 1500,
            },
            _ => Self {
                delay_ms: (30, 150),
                loss: 40,
                twice: 30,
                replay: 200,
                stall: 10,
                stall_ms: 800,
            },
        }
    }
}

/// A message on its way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sent {
    /// When it was sent, or what else the sender wants to know again at the other end.
    pub at: u64,
    /// One whole message.
    pub bytes: Vec<u8>,
    /// The channel that it goes by.
    pub channel: Channel,
}

/// One direction.
pub struct Path {
    config: PathConfig,
    dice: ChaCha8Rng,
    flying: BinaryHeap<Reverse<(u64, u64, Sent)>>,
    count: u64,
    /// The ordered channel's latest arrival: nothing of it comes before.
    in_order: u64,
    stalled_until: u64,
    past: Vec<Sent>,
}

impl Path {
    /// One without anything on its way.
    pub fn new(config: PathConfig, seed: u64) -> Self {
        Self {
            config,
            dice: ChaCha8Rng::seed_from_u64(seed),
            flying: BinaryHeap::new(),
            count: 0,
            in_order: 0,
            stalled_until: 0,
            past: Vec::new(),
        }
    }

    /// Puts a message on its way.
    pub fn send(&mut self, now: u64, sent: Sent) {
        if self.below(1000) < self.config.stall {
            self.stalled_until = now + 1000 * self.below(self.config.stall_ms);
        }
        if self.past.len() < 5000 {
            self.past.push(sent.clone());
        }
        if self.below(1000) < self.config.replay {
            let at = self.below(self.past.len() as u64) as usize;
            let old = self.past[at].clone();
            self.fly(now, old);
        }
        if is_reliable(sent.channel) {
            // Each loss costs a retransmission timeout, and all that follow wait for it.
            let mut arrival = now + self.delay();
            while self.below(100) < self.config.loss {
                arrival += 150_000;
            }
            self.in_order = self.in_order.max(arrival);
            self.put(self.in_order, sent);
            return;
        }
        if self.below(100) < self.config.loss {
            return;
        }
        if self.below(100) < self.config.twice {
            self.fly(now, sent.clone());
        }
        self.fly(now, sent);
    }

    /// Nothing arrives until then; what waits comes in one burst.
    pub fn stall(&mut self, until: u64) {
        self.stalled_until = self.stalled_until.max(until);
    }

    /// Something that was sent once is sent again.
    pub fn replay(&mut self, now: u64) {
        let at = self.below(self.past.len() as u64) as usize;
        if let Some(old) = self.past.get(at).cloned() {
            self.fly(now, old);
        }
    }

    /// When [`receive`](Self::receive) has something; in microseconds.
    pub fn poll_timeout(&self) -> Option<u64> {
        let Reverse((arrival, ..)) = self.flying.peek()?;
        Some(self.stalled_until.max(*arrival))
    }

    /// The next message that has arrived by `now`.
    pub fn receive(&mut self, now: u64) -> Option<Sent> {
        let Reverse((arrival, ..)) = self.flying.peek()?;
        if *arrival > now || now < self.stalled_until {
            return None;
        }
        self.flying.pop().map(|Reverse((.., sent))| sent)
    }

    fn fly(&mut self, now: u64, sent: Sent) {
        let arrival = now + self.delay();
        self.put(arrival, sent);
    }

    fn put(&mut self, arrival: u64, sent: Sent) {
        self.count += 1;
        self.flying.push(Reverse((arrival, self.count, sent)));
    }

    fn delay(&mut self) -> u64 {
        let (least, more) = self.config.delay_ms;
        1000 * least + self.below(1000 * more + 1)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.dice.next_u64() % bound.max(1)
    }
}
