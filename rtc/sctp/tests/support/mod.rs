//! Two associations, and what lies between them.
#![allow(dead_code, unreachable_pub)] // not every test uses all of it

use std::collections::VecDeque;
use std::time::Duration;

use transom_rtc_proto::port::{Sctp, SctpConfig, SctpEvent, SctpFactory};
use transom_rtc_proto::time::Instant;
use transom_rtc_sctp::GuardedSctp;

pub const CONFIG: SctpConfig = SctpConfig {
    initiate: false,
    local_port: 5000,
    remote_port: 5000,
    max_receive_message: 65_536,
    max_send_message: 65_536,
    receive_buffer: 256 * 1024,
    max_streams: 64,
    max_packet: 1163,
};

pub struct Two {
    pub now: Instant,
    pub ends: [Box<dyn Sctp>; 2],
    pub events: [Vec<SctpEvent>; 2],
    /// Packets under way to each end.
    wire: [VecDeque<(Instant, Vec<u8>)>; 2],
    pub delay: Duration,
    /// Of so many packets one is lost; 0 for none.
    pub lose_one_of: u32,
    pub largest: usize,
    random: u32,
}

impl Two {
    pub fn new(initiate: [bool; 2]) -> Self {
        Self::with(initiate, CONFIG)
    }

    pub fn with(initiate: [bool; 2], config: SctpConfig) -> Self {
        let now = Instant::from_millis(1000);
        let make = |initiate| {
            let config = SctpConfig { initiate, ..config };
            GuardedSctp.create(now, config, [0; 32])
        };
        Self {
            now,
            ends: initiate.map(make),
            events: Default::default(),
            wire: Default::default(),
            delay: Duration::from_millis(10),
            lose_one_of: 0,
            largest: 0,
            random: 1,
        }
    }

    pub fn connected() -> Self {
        let mut two = Self::new([true, false]);
        two.run(Duration::from_millis(500));
        for events in &mut two.events {
            assert_eq!(*events, [SctpEvent::Connected]);
            events.clear();
        }
        two
    }

    /// Lets time pass.
    pub fn run(&mut self, d: Duration) {
        let end = self.now + d;
        loop {
            self.drain();
            let arrivals = self
                .wire
                .iter()
                .filter_map(|w| w.front().map(|(at, _)| *at));
            let timers = self.ends.iter().filter_map(|e| e.poll_timeout());
            let next = arrivals.chain(timers).min();
            let Some(next) = next.filter(|at| *at <= end) else {
                break;
            };
            self.now = self.now.max(next);
            for (end, wire) in self.ends.iter_mut().zip(&mut self.wire) {
                while wire.front().is_some_and(|(at, _)| *at <= self.now) {
                    let (_, packet) = wire.pop_front().unwrap();
                    end.handle_packet(self.now, &packet);
                }
                if end.poll_timeout().is_some_and(|at| at <= self.now) {
                    end.handle_timeout(self.now);
                }
            }
        }
        self.now = end;
    }

    pub fn drain(&mut self) {
        for from in 0..2 {
            while let Some(event) = self.ends[from].poll_event() {
                self.events[from].push(event);
            }
            while let Some(packet) = self.ends[from].poll_transmit(self.now) {
                self.largest = self.largest.max(packet.len());
                self.random ^= self.random << 13;
                self.random ^= self.random >> 17;
                self.random ^= self.random << 5;
                if self.lose_one_of > 0 && self.random.is_multiple_of(self.lose_one_of) {
                    continue;
                }
                self.wire[1 - from].push_back((self.now + self.delay, packet));
            }
        }
    }
}
